// Package config answers: what did the user write, and what does it evaluate to?
//
// Load reads the files of a folder and everything that can be known without looking at a resource: blocks, variables,
// settings, references and their order. What depends on resources is evaluated block by block, as the planner walks:
// Repetition says how many of a block there are, Decode what each of them says, and Job what one job of a run says.
// What other blocks are worth is handed in as a Scope. Unknown values stay unknown, sensitive ones stay marked with
// schema.SensitiveMark.
//
//	*.dstack.hcl, *.dstack.json -> Load -> Config -> Order -> for each block: Repetition -> Decode -> Job
//	variables, environment ------^                                 Scope ----^           ^
//
// A Config does not change after Load; its methods may be called from several goroutines. The package knows neither
// providers nor state nor plan.
package config
