// Package offer answers: which offers satisfy what is needed, in which order, and what does each other one lack?
//
// Everything in it is a pure function of its arguments. Offers that are handed in are never changed: what is annotated
// or narrowed is a copy.
package offer
