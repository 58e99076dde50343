package content

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Files of patterns. What .dstackignore says of a path counts before what .gitignore says.
const (
	gitIgnore    = ".gitignore"
	dstackIgnore = ".dstackignore"
)

// pattern is one line of a file of patterns, as gitignore(5) describes them.
type pattern struct {
	base     string   // the folder of the file, from the top; "" for the top itself
	segments []string // of an anchored pattern; of another one the only name
	anchored bool
	folders  bool // it means folders only
	keep     bool // it takes back what an earlier pattern leaves out
}

// patterns are those of all files so far, the ones deeper down last.
type patterns []pattern

// parsePatterns reads a file of patterns that stands in the folder base.
func parsePatterns(base, text string) patterns {
	var out patterns
	for line := range strings.SplitSeq(text, "\n") {
		line = trimPattern(strings.TrimSuffix(line, "\r"))
		if line == "" || line[0] == '#' {
			continue
		}
		p := pattern{base: base}
		if line[0] == '!' {
			p.keep = true
			line = line[1:]
		}
		if rest, ok := strings.CutSuffix(line, "/"); ok {
			p.folders = true
			line = rest
		}
		p.anchored = strings.Contains(line, "/")
		line = strings.TrimPrefix(line, "/")
		if line == "" {
			continue
		}
		// Go writes the negation of a class with ^ only.
		line = strings.ReplaceAll(line, "[!", "[^")
		p.segments = []string{line}
		if p.anchored {
			p.segments = strings.Split(line, "/")
		}
		out = append(out, p)
	}
	return out
}

// trimPattern takes spaces from the end of a line, unless a backslash keeps them.
func trimPattern(line string) string {
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	return line
}

// verdict is what patterns say of a path: leave out, keep, or nothing.
type verdict int

const (
	silent verdict = iota
	leaveOut
	keepIt
)

// of finds the last pattern that means the path.
func (ps patterns) of(p string, folder bool) verdict {
	for i := len(ps) - 1; i >= 0; i-- {
		if !ps[i].matches(p, folder) {
			continue
		}
		if ps[i].keep {
			return keepIt
		}
		return leaveOut
	}
	return silent
}

func (p pattern) matches(name string, folder bool) bool {
	if p.folders && !folder {
		return false
	}
	if p.base != "" {
		rest, ok := strings.CutPrefix(name, p.base+"/")
		if !ok {
			return false
		}
		name = rest
	}
	if !p.anchored {
		ok, _ := path.Match(p.segments[0], path.Base(name)) // a malformed pattern means nothing
		return ok
	}
	return matchSegments(p.segments, strings.Split(name, "/"))
}

// matchSegments matches a path part by part; ** stands for any number of parts, and at the end for at least one.
func matchSegments(segments, parts []string) bool {
	for len(segments) > 0 {
		if segments[0] == "**" {
			if len(segments) == 1 {
				return len(parts) > 0
			}
			for i := range parts {
				if matchSegments(segments[1:], parts[i:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, _ := path.Match(segments[0], parts[0]); !ok {
			return false
		}
		segments, parts = segments[1:], parts[1:]
	}
	return len(parts) == 0
}

// rules say what is left out of a folder.
type rules struct {
	git, dstack patterns
}

// leaves tells whether a path, from the top, is left out.
func (r rules) leaves(p string, folder bool) bool {
	if v := r.dstack.of(p, folder); v != silent {
		return v == leaveOut
	}
	return r.git.of(p, folder) == leaveOut
}

// with adds the patterns that stand in a folder, dir being the folder and base its path from the top.
func (r rules) with(dir, base string) (rules, error) {
	for name, to := range map[string]*patterns{gitIgnore: &r.git, dstackIgnore: &r.dstack} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return r, err
		}
		*to = append((*to)[:len(*to):len(*to)], parsePatterns(base, string(text))...)
	}
	return r, nil
}

// rulesAround are those that hold for a folder because it lies in a Git repository: of the folders above it up to the top of
// the repository, and of .git/info/exclude. from is the folder's path from that top, "" where it is the top or there is none.
func rulesAround(dir string) (r rules, from string, err error) {
	top := dir
	for !exists(filepath.Join(top, ".git")) {
		up := filepath.Dir(top)
		if up == top {
			return rules{}, "", nil // in no repository
		}
		top = up
	}
	if text, err := os.ReadFile(filepath.Join(top, ".git", "info", "exclude")); err == nil {
		r.git = parsePatterns("", string(text))
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil || rel == "." {
		return r, "", err
	}
	from = filepath.ToSlash(rel)
	at, base := top, ""
	for _, part := range strings.Split(from, "/") {
		if r, err = r.with(at, base); err != nil {
			return r, "", err
		}
		at, base = filepath.Join(at, part), path.Join(base, part)
	}
	return r, from, nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
