// Package graph answers: in which order, and what goes in circles?
//
// It knows nothing of what its vertices mean. Edges say what a vertex needs; what is needed comes first.
package graph
