package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/providers/launch"
)

// pins are the checksums of the providers from outside that may run here. They stand in .dstack.lock.hcl, which belongs
// into version control:
//
//	provider "acme" {
//	  sha256 = ["9f86d0..."]
//	}
type pins struct {
	path string
	sums map[string][]string // by provider; several for several systems
}

type pinsFile struct {
	Providers []struct {
		Name   string   `hcl:"name,label"`
		SHA256 []string `hcl:"sha256"`
	} `hcl:"provider,block"`
}

func readPins(path string) (*pins, error) {
	p := &pins{path: path, sums: map[string][]string{}}
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, failedWith(err, "Lock file cannot be read")
	}
	parser := hclparse.NewParser()
	f, ds := parser.ParseHCL(src, path)
	var content pinsFile
	if !ds.HasErrors() {
		ds = append(ds, gohcl.DecodeBody(f.Body, &hcl.EvalContext{}, &content)...)
	}
	if ds.HasErrors() {
		return nil, failed(diag.FromHCL(ds))
	}
	for _, pr := range content.Providers {
		p.sums[pr.Name] = append(p.sums[pr.Name], pr.SHA256...)
	}
	return p, nil
}

// verify is asked before a program from outside is run.
func (p *pins) verify(path, sum string) error {
	name := strings.TrimPrefix(filepath.Base(path), "dstack-provider-")
	if slices.Contains(p.sums[name], sum) {
		return nil
	}
	unpinned := &launch.UnpinnedError{Name: name, Path: path, SHA256: sum}
	if len(p.sums[name]) > 0 {
		return fmt.Errorf("%w, and %s pins another one for it: the program was changed or updated. If that was meant, pin it with:\n  dstack init", unpinned, p.path)
	}
	return fmt.Errorf("%w. If you trust it, pin it with:\n  dstack init", unpinned)
}

// add pins one more program.
func (p *pins) add(name, sum string) {
	if !slices.Contains(p.sums[name], sum) {
		p.sums[name] = append(p.sums[name], sum)
	}
}

func (p *pins) write() error {
	var b bytes.Buffer
	b.WriteString("# Providers from outside of dstack that may run here, by the SHA-256 of their programs. Written by dstack init.\n")
	for _, name := range slices.Sorted(maps.Keys(p.sums)) {
		fmt.Fprintf(&b, "\nprovider %q {\n  sha256 = [\n", name)
		for _, sum := range slices.Sorted(slices.Values(p.sums[name])) {
			fmt.Fprintf(&b, "    %q,\n", sum)
		}
		b.WriteString("  ]\n}\n")
	}
	return os.WriteFile(p.path, b.Bytes(), 0o644)
}
