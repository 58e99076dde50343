// Package rendertest answers: which plans must every rendering be able to show?
//
// It makes plans for tests: one for each situation that a reviewer can meet, large ones, and plans in which a hostile text
// stands in every place that somebody else than dstack writes. Whoever writes a rendering holds it against all of them.
package rendertest
