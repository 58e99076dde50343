package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/dstackai/dstack-planner/providers"
)

// prefix is what every provider's program is called, before its name.
const prefix = "dstack-provider-"

// place is a folder in which providers are looked for.
type place struct {
	dir  string
	what string // in words
	ours bool   // what is here belongs to dstack
}

// NotFoundError says that a provider's program is nowhere.
type NotFoundError struct {
	Name    string
	Looked  []string // folders, in order, each with what it is
	Similar string   // a name that is there, "" if none is close
}

func (e *NotFoundError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "there is no provider %q", e.Name)
	if e.Similar != "" {
		fmt.Fprintf(&b, "; did you mean %q?", e.Similar)
	} else {
		b.WriteString(".")
	}
	fmt.Fprintf(&b, " A program %s%s was looked for in", prefix, e.Name)
	for _, l := range e.Looked {
		b.WriteString("\n  " + l)
	}
	fmt.Fprintf(&b, "\nPut it into one of these folders, or set DSTACK_PLUGIN_DIR to the folder that it is in.")
	return b.String()
}

// UnpinnedError says that a program from outside was found and nobody vouches for it.
type UnpinnedError struct {
	Name, Path, SHA256 string
}

func (e *UnpinnedError) Error() string {
	return fmt.Sprintf("provider %q at %s is no part of dstack and its checksum is not pinned; it was not run. Its SHA-256 is %s", e.Name, e.Path, e.SHA256)
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func (l *Launcher) places() []place {
	out := []place{}
	if l.options.Program != "" {
		out = append(out, place{filepath.Dir(l.options.Program), "beside dstack", true})
	}
	if l.options.PluginDir != "" {
		out = append(out, place{l.options.PluginDir, "DSTACK_PLUGIN_DIR", false})
	}
	if l.options.Home != "" {
		out = append(out, place{filepath.Join(l.options.Home, "plugins"), "DSTACK_HOME/plugins", false})
	}
	return out
}

// find returns the path of a provider's program and whether it belongs to dstack.
func (l *Launcher) find(name string) (path string, ours bool, err error) {
	if !validName.MatchString(name) {
		return "", false, providers.Errorf(providers.Invalid, "%q is no name of a provider; one has small letters, digits and hyphens", name)
	}
	missing := &NotFoundError{Name: name}
	for _, p := range l.places() {
		path := filepath.Join(p.dir, prefix+name)
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode().IsRegular():
			return path, p.ours, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", false, fmt.Errorf("look for provider %q: %w", name, err)
		}
		missing.Looked = append(missing.Looked, fmt.Sprintf("%s (%s)", p.dir, p.what))
	}
	best := 3
	for _, there := range l.Names() {
		if d := levenshtein.Distance(name, there, nil); d < best {
			best, missing.Similar = d, there
		}
	}
	return "", false, missing
}

// Names lists the providers that are installed, in order. One that is in several places is listed once.
func (l *Launcher) Names() []string {
	names := map[string]bool{}
	for _, p := range l.places() {
		entries, err := os.ReadDir(p.dir)
		if err != nil {
			continue // a place that is not there holds nothing
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), prefix)
			if !ok || !validName.MatchString(name) {
				continue
			}
			if info, err := os.Stat(filepath.Join(p.dir, e.Name())); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
