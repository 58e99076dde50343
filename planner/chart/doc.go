// Package chart answers: what stands on what, drawn?
//
// A Chart is made of a configuration (OfConfig) or of a plan (OfPlan), and is drawn as DOT, as Mermaid or as JSON. An
// edge leads from what needs to what is needed. Why says by which expressions one thing of a configuration comes to
// depend on another. Everything is in a fixed order, so that a drawing changes only when what is drawn does.
package chart
