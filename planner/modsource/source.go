package modsource

import (
	"fmt"
	"path"
	"strings"
)

// Source is where a module comes from.
type Source struct {
	// Path is the folder of a local module, relative to the folder that calls it, with slashes: "../shared". It is
	// empty for a module in a repository.
	Path string
	// Repo is the address of a Git repository as git takes it: "https://example.com/org/repo.git".
	Repo string
	// Ref is the tag, branch or commit that is wanted, "" for the repository's own default branch.
	Ref string
	// Dir is the folder in the repository, with slashes, "" for its top.
	Dir string
}

// Local tells whether the module lies beside the one that calls it.
func (s Source) Local() bool { return s.Repo == "" }

// Key is the name under which the lock file pins the source: its repository and ref, without the folder, so that all
// modules of one repository at one ref are one entry. It is empty for a local module, which nothing pins.
func (s Source) Key() string {
	if s.Local() {
		return ""
	}
	s.Dir = ""
	return s.String()
}

// Name is the last part of the repository's address without ".git", made of letters, digits, '.', '_' and '-' alone.
func (s Source) Name() string {
	name := strings.TrimSuffix(s.Repo, ".git")
	name = name[strings.LastIndexAny(name, "/:")+1:]
	name = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
	if strings.Trim(name, ".") == "" {
		return "module"
	}
	return name
}

// String is the source in the one form that means the same as what was written; Parse reads it back.
func (s Source) String() string {
	if s.Local() {
		return s.Path
	}
	out := "git::" + s.Repo
	if s.Dir != "" {
		out += "//" + s.Dir
	}
	if s.Ref != "" {
		out += "?ref=" + s.Ref
	}
	return out
}

// possible says what a source can be. It ends every error about one that is none of it.
const possible = `a source is a folder (./modules/net, ../shared) or a folder of a Git repository:
  github.com/ORG/REPO//FOLDER?ref=v1.2.0
  git::https://HOST/PATH.git//FOLDER?ref=v1.2.0
  git@HOST:ORG/REPO.git//FOLDER?ref=v1.2.0`

// Parse reads the source of a module. Its errors say what is possible instead, and hold no password or token that
// stood in the text.
func Parse(text string) (Source, error) {
	for _, r := range text {
		if r <= ' ' || r == 0x7f || r == '\\' || r == '"' {
			return Source{}, fmt.Errorf("a source has no spaces, control characters, quotes or backslashes; folders are parted by /, and %s", possible)
		}
	}
	switch {
	case text == "":
		return Source{}, fmt.Errorf("the source is empty; %s", possible)
	case text == "." || text == ".." || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../"):
		return local(text), nil
	case strings.HasPrefix(text, "/") || strings.HasPrefix(text, "~"):
		return Source{}, fmt.Errorf("%q is an absolute path, which is another one on each machine; write it relative to this folder, beginning with ./ or ../", text)
	case len(text) > longest:
		return Source{}, fmt.Errorf("the source has %d characters, and %d are possible", len(text), longest)
	}
	return git(text)
}

// longest is how long a source can be.
const longest = 1000

// local makes the source of a folder. Its form is the shortest one, and it begins with a dot.
func local(text string) Source {
	p := path.Clean(text)
	if p != "." && p != ".." && !strings.HasPrefix(p, "../") {
		p = "./" + p
	}
	return Source{Path: p}
}
