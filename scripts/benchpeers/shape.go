package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// shape says how the resources of a configuration hang together.
type shape string

const (
	flat    shape = "independent" // a block for each resource
	chain   shape = "chain"       // a block for each, and each refers to the one before
	couples shape = "pairs"       // b[i] refers to a[i]: two blocks with count
	written shape = "pairs, written out"
)

// files is the number of files that blocks are spread over, as a person would.
const files = 4

// writer makes the texts of a configuration.
type writer struct {
	ext  string
	text [files]strings.Builder
}

func (w *writer) save(dir string) error {
	for i := range w.text {
		if w.text[i].Len() == 0 {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("part%d%s", i, w.ext))
		if err := os.WriteFile(name, []byte(w.text[i].String()), 0o600); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	return nil
}

// writeOurs writes n volumes. value is their size; a new one is an update.
func writeOurs(dir string, s shape, n int, value string) error {
	w := writer{ext: ".dstack.hcl"}
	volume := func(i int, label, more, name string) {
		fmt.Fprintf(&w.text[i*files/n], "volume %q {\n%s  name    = %q\n  backend = \"local\"\n  region  = \"local\"\n  size    = %q\n}\n\n", label, more, name, value)
	}
	each(s, n, func(i int, label, count, name, to string) {
		if to != "" {
			name += "${substr(volume." + to + ".name, 0, 1)}"
		}
		volume(i, label, count, name)
	})
	return w.save(dir)
}

// writePeers writes n terraform_data resources with as many attributes.
func writePeers(dir string, s shape, n int, value string) error {
	w := writer{ext: ".tf"}
	each(s, n, func(i int, label, count, name, to string) {
		if to != "" {
			name += "${substr(terraform_data." + to + ".input.name, 0, 1)}"
		}
		fmt.Fprintf(&w.text[i*files/n], "resource \"terraform_data\" %q {\n%s  input = {\n    name    = %q\n    backend = \"local\"\n    region  = \"local\"\n    size    = %q\n  }\n}\n\n",
			label, count, name, value)
	})
	return w.save(dir)
}

// each calls block for each block of the shape: its place among n, label, count argument if any, name, and what its name
// refers to.
func each(s shape, n int, block func(i int, label, count, name, to string)) {
	switch s {
	case flat:
		for i := range n {
			block(i, fmt.Sprintf("v%05d", i), "", fmt.Sprintf("v-%05d", i), "")
		}
	case chain:
		for i := range n {
			to := ""
			if i > 0 {
				to = fmt.Sprintf("v%05d", i-1)
			}
			block(i, fmt.Sprintf("v%05d", i), "", fmt.Sprintf("v-%05d", i), to)
		}
	case written:
		for i := range n / 2 {
			block(2*i, fmt.Sprintf("a%05d", i), "", fmt.Sprintf("a-%05d", i), "")
			block(2*i+1, fmt.Sprintf("b%05d", i), "", fmt.Sprintf("b-%05d", i), fmt.Sprintf("a%05d", i))
		}
	case couples:
		count := fmt.Sprintf("  count = %d\n", n/2)
		block(0, "a", count, "a-${count.index}", "")
		block(1, "b", count, "b-${count.index}", "a[count.index]")
	}
}
