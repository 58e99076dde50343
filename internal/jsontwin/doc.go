// Package jsontwin answers: how does a configuration in HCL's own syntax look in its JSON syntax?
//
// Of writes the twin of a file. Tests hold against each other what comes of the two.
package jsontwin
