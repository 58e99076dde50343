package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// Name is the name of the lock file in the folder of a configuration.
const Name = ".dstack.lock.hcl"

// largest is the size in bytes above which a lock file is taken for something else.
const largest = 4 << 20

// Lock is what a lock file pins. Its zero value pins nothing.
//
//	provider "acme" {
//	  sha256 = ["9f86d0..."]
//	}
//
//	module "git::https://github.com/acme/modules.git?ref=v1.2.0" {
//	  commit = "0a4d55a8d778e5022fab701977c5d840bbc486d0"
//	  digest = "sha256:4355a4..."
//	}
type Lock struct {
	// Providers are the checksums of programs from outside that may run, by provider; several for several systems.
	Providers map[string][]string
	// Modules are the pinned sources by modsource.Source.Key.
	Modules map[string]Pin
}

// Pin is what a source of modules was when it was fetched.
type Pin struct {
	Commit string // the whole name of the commit
	Digest string // modsource.Digest of all its files
}

// file is the lock file as HCL.
type file struct {
	Providers []struct {
		Name   string   `hcl:"name,label"`
		SHA256 []string `hcl:"sha256"`
	} `hcl:"provider,block"`
	Modules []struct {
		Source string    `hcl:"source,label"`
		Commit string    `hcl:"commit"`
		Digest string    `hcl:"digest"`
		Range  hcl.Range `hcl:",def_range"`
	} `hcl:"module,block"`
}

// Parse reads the text of a lock file. The name is for errors alone.
func Parse(name string, text []byte) (*Lock, diag.List) {
	l := &Lock{Providers: map[string][]string{}, Modules: map[string]Pin{}}
	if len(text) > largest {
		return l, diag.Errorf("Lock file cannot be read", "%s has %d MB; a lock file is small. Take it from version control again.", name, len(text)>>20)
	}
	if at := conflict(name, text); at != nil {
		return l, diag.Errorf("Lock file cannot be read", "Here is the conflict of a merge. Keep the entries of both sides, of two for one source that which is meant, and remove the lines with <<<<<<<, ======= and >>>>>>>. Then fetch what is pinned:\n  dstack init").At(at)
	}
	if deep(text) {
		return l, diag.Errorf("Lock file cannot be read", "%s has far more brackets and operators within each other than dstack init writes. Take it from version control again.", name)
	}
	parsed, ds := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	var content file
	if !ds.HasErrors() {
		ds = append(ds, gohcl.DecodeBody(parsed.Body, &hcl.EvalContext{}, &content)...)
	}
	if ds.HasErrors() {
		list := diag.FromHCL(ds)
		for _, d := range list {
			d.Summary = "Lock file cannot be read"
			d.Detail += " The lock file is written by dstack init; take it from version control again."
		}
		return l, list
	}
	for _, p := range content.Providers {
		l.Providers[p.Name] = append(l.Providers[p.Name], p.SHA256...)
	}
	var list diag.List
	for _, m := range content.Modules {
		s, err := modsource.Parse(m.Source)
		_, twice := l.Modules[m.Source]
		wrong := ""
		switch {
		case err != nil || s.Key() != m.Source:
			wrong = "The label of this entry is no source as dstack init writes it"
		case twice:
			wrong = "This source is pinned twice, perhaps because two branches were merged"
		case !modsource.IsCommit(m.Commit):
			wrong = "commit is not the whole name of a commit, 40 hexadecimal digits"
		case !modsource.IsDigest(m.Digest):
			wrong = `digest is not "sha256:" and 64 hexadecimal digits`
		}
		if wrong != "" {
			list = append(list, diag.Errorf("Lock file cannot be read", "%s. Remove the entry, and pin the source again with:\n  dstack init", wrong).At(&m.Range)...)
			continue
		}
		l.Modules[m.Source] = Pin{m.Commit, m.Digest}
	}
	return l, list
}

// deep tells whether the parser, which goes one call deeper for each bracket or operator, could overflow its stack.
func deep(text []byte) bool {
	depth, round, ops := 0, 0, 0
	for _, ch := range text {
		switch ch {
		case '(', '[':
			depth, round = depth+1, round+1
		case ')', ']':
			depth, round = max(depth-1, 0), max(round-1, 0)
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		case '!', '-', '?', ':', '+', '*', '/', '%', '&', '|', '<', '>', '=':
			ops++
		case '\n':
			if round == 0 {
				ops = 0
			}
		}
		if depth > 500 || ops > 100_000 {
			return true
		}
	}
	return false
}

// conflict finds the line at which git says that two sides of a merge differ.
func conflict(name string, text []byte) *hcl.Range {
	const mark = "<<<<<<< "
	at := bytes.Index(text, []byte("\n"+mark)) + 1
	if at == 0 && !bytes.HasPrefix(text, []byte(mark)) {
		return nil
	}
	length := bytes.IndexByte(append(text[at:len(text):len(text)], '\n'), '\n')
	line := bytes.Count(text[:at], []byte("\n")) + 1
	return &hcl.Range{Filename: name, Start: hcl.Pos{Line: line, Column: 1, Byte: at}, End: hcl.Pos{Line: line, Column: length + 1, Byte: at + length}}
}

// Read reads the lock file of a configuration's folder. A folder without one has an empty lock.
func Read(dir string) (*Lock, error) {
	path := filepath.Join(dir, Name)
	info, err := os.Stat(path)
	var text []byte
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read lock file: %w", err)
	case info.Size() > largest:
		text = make([]byte, largest+1) // Parse says that it is too large
	default:
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read lock file: %w", err)
		}
	}
	l, list := Parse(filepath.ToSlash(path), text)
	return l, list.Err()
}

// Text is the lock file: providers, then modules, each in order of their names.
func (l *Lock) Text() []byte {
	var b bytes.Buffer
	b.WriteString("# What this configuration uses and does not hold itself. Written by dstack init; keep it in version control.\n")
	for _, name := range slices.Sorted(maps.Keys(l.Providers)) {
		fmt.Fprintf(&b, "\nprovider %q {\n  sha256 = [\n", name)
		for _, sum := range slices.Compact(slices.Sorted(slices.Values(l.Providers[name]))) {
			fmt.Fprintf(&b, "    %q,\n", sum)
		}
		b.WriteString("  ]\n}\n")
	}
	for _, key := range slices.Sorted(maps.Keys(l.Modules)) {
		pin := l.Modules[key]
		fmt.Fprintf(&b, "\nmodule %q {\n  commit = %q\n  digest = %q\n}\n", key, pin.Commit, pin.Digest)
	}
	return b.Bytes()
}

// Write writes the lock file of a configuration's folder, whole or not at all. A lock that pins nothing makes no file.
func (l *Lock) Write(dir string) error {
	path, text := filepath.Join(dir, Name), l.Text()
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, text) || errors.Is(err, fs.ErrNotExist) && len(l.Providers)+len(l.Modules) == 0 {
		return nil
	}
	tmp, err := os.CreateTemp(dir, Name+".*")
	if err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write lock file: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}
