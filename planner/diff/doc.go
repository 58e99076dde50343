// Package diff answers: what differs, and what does that do to what exists?
//
// Two values of one kind are compared attribute by attribute, after the description of the kind in package schema: texts
// by their canonical form, lists by longest common subsequence, maps by key, nested objects by leaf, secrets by digest.
// Each difference follows the rule of its attribute, and the strongest rule is the action.
//
// The package is pure. A law holds for it: applying the differences of a and b to a gives a value that does not differ
// from b.
package diff
