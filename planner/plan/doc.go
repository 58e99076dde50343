// Package plan answers: what would be done, as data?
//
// A Plan can be read, rendered, compared and applied without the files that made it. Its JSON is what `show --json`
// prints and what a saved plan holds; docs/plan-format.md describes it. Nothing in it is secret: sensitive leaves are
// null and have a digest beside them.
package plan
