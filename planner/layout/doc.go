// Package layout answers: how should the text of a file stand?
//
// Format brings a file of the language, or one of values of variables, into the one form in which all of them are
// written. It changes nothing that the text says: before it gives its result away it reads both texts, and compares
// what they say and their comments. A text that it has laid out stays as it is.
package layout
