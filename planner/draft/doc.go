// Package draft answers: which block would say what is there?
//
// Write makes the text of a file from objects that exist and that no block speaks of yet. It has what can be configured and
// is not so anyway: nothing that is computed, no defaults, and no secrets, which become variables. Planning what it has
// written changes nothing about the objects.
package draft
