// Package examples answers: what does a whole configuration look like?
//
// Each folder is one, with a README that says what it shows and the plan that it makes on an empty state: plan.golden, or
// one plan.NAME.golden for each NAME.dstackvars. dstack init --example writes them out, and tests run them.
package examples

import (
	"embed"
	"io/fs"
	"slices"
)

//go:embed */*.dstack.hcl */*/*.dstack.hcl */README.md */*.dstackvars */*/*.yml
var files embed.FS

// Names lists the examples in order.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	slices.Sort(out)
	return out
}

// Files gives the files of an example; false if there is none of that name.
func Files(name string) (fs.FS, bool) {
	if !slices.Contains(Names(), name) {
		return nil, false
	}
	sub, err := fs.Sub(files, name)
	return sub, err == nil
}
