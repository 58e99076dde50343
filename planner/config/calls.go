package config

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// ModuleCall is a block `module`, read without the rest of the configuration.
type ModuleCall struct {
	Name   string
	Source string    // as written
	Range  hcl.Range // of the source

	text []byte // of the file
}

// Locate gives diagnostics about the module that is called their place: the source of the call. The line itself is not
// shown if there may be a secret in it.
func (m ModuleCall) Locate(list diag.List) diag.List {
	list.At(&m.Range).For("module." + m.Name)
	for _, d := range list {
		if d.Snippet != nil || d.Range.Filename != m.Range.Filename {
			continue
		}
		if d.Snippet = hiddenSnippet(m.Name, m.Range); !modsource.Sensitive(m.Source) {
			fillCode(d.Snippet, m.text, d.Range)
		}
	}
	return list
}

// ModuleCalls lists the modules that the files in a folder call, in order of files and of places in them. Root is the
// folder of the configuration; dir is relative to it, with slashes, and so are the paths in diagnostics. Nothing is
// evaluated and no other folder is read: it says what has to be fetched before the configuration can be loaded. Errors
// are those of reading and of sources alone.
func ModuleCalls(root, dir string) ([]ModuleCall, diag.List) {
	full := filepath.Join(root, filepath.FromSlash(dir))
	entries, err := os.ReadDir(full)
	if err != nil {
		return nil, diag.Errorf("Folder cannot be read", "The folder %s cannot be read: %s.", dir, reason(err))
	}
	var calls []ModuleCall
	var list diag.List
	for _, e := range entries {
		if e.IsDir() || !isSource(e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		s := Source{Path: path.Join(dir, e.Name())}
		switch s.Text, err = readFile(filepath.Join(full, e.Name())); {
		case errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
		case err != nil:
			list = append(list, diag.Errorf("File cannot be read", "%s cannot be read: %s.", s.Path, reason(err))...)
		default:
			found, ds := callsIn(s)
			for _, d := range ds {
				if d.Snippet == nil && d.Range != nil {
					d.Snippet = &diag.Snippet{}
					fillCode(d.Snippet, s.Text, d.Range)
				}
			}
			calls, list = append(calls, found...), append(list, ds...)
		}
	}
	return calls, list
}

// callsIn reads the calls in one file.
func callsIn(s Source) ([]ModuleCall, diag.List) {
	if list := checkDepth(s); list != nil {
		return nil, list
	}
	var f *hcl.File
	var ds hcl.Diagnostics
	if strings.HasSuffix(s.Path, ".json") {
		f, ds = hcljson.Parse(s.Text, s.Path)
	} else {
		f, ds = hclsyntax.ParseConfig(s.Text, s.Path, hcl.InitialPos)
	}
	if ds.HasErrors() {
		return nil, explainSyntax(s, ds)
	}
	if f == nil || f.Body == nil {
		return nil, nil
	}
	content, _, _ := f.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "module", LabelNames: []string{"name"}}}})
	if content == nil {
		return nil, nil
	}
	slices.SortStableFunc(content.Blocks, func(a, b *hcl.Block) int { return a.DefRange.Start.Byte - b.DefRange.Start.Byte })
	var calls []ModuleCall
	var list diag.List
	for _, b := range content.Blocks {
		attrs, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "source"}}})
		if attrs == nil || attrs.Attributes["source"] == nil {
			continue // Load reports what is missing
		}
		expr := attrs.Attributes["source"].Expr
		rng := expr.Range()
		v, ds := expr.Value(nil)
		switch {
		case len(expr.Variables()) > 0 || ds.HasErrors():
			list = append(list, diag.Errorf("A constant is needed", "The source of a module is read before anything else, so it cannot refer to other values. Write it as a text.").At(&rng)...)
		case v.Type() != cty.String || v.IsNull() || !v.IsKnown():
			list = append(list, diag.Errorf("Source is no text", "The source of a module is a text: a folder such as \"./modules/net\", or a Git repository.").At(&rng)...)
		default:
			calls = append(calls, ModuleCall{Name: b.Labels[0], Source: v.AsString(), Range: rng, text: s.Text})
		}
	}
	return calls, list
}
