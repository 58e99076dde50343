// Package move answers: where does what is recorded go, when addresses change?
//
// Resolve follows statements, which the blocks `moved` and the command `state mv` make, from what is recorded to where it
// ends. Rename says what that does to a state: everything that names a moved thing names it anew, so that the record is as if
// it had always been there. Both are pure; whoever plans looks at the state as it would be, and whoever applies writes the
// one record that makes it so.
package move
