// Package console answers: what is this expression worth here?
//
// A Session evaluates what a person types, or a script pipes, against a configuration and what is recorded of it. It
// knows when an expression goes on in the next line, and what could stand where the cursor is. Reading keys and drawing
// lines is the business of whoever owns the terminal.
package console
