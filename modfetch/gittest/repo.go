package gittest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Repo is a bare repository.
type Repo struct{ Dir string }

// Init makes an empty repository with a branch main. Format is sha1 or sha256.
func Init(dir, format string) (*Repo, error) {
	r := &Repo{Dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := r.Git("", "init", "--quiet", "--bare", "--initial-branch=main", "--object-format="+format); err != nil {
		return nil, err
	}
	_, err := r.Git("", "config", "http.receivepack", "false")
	return r, err
}

// Git runs git in the repository. Authors and times are always the same, so that commits are.
func (r *Repo) Git(stdin string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GIT_") }),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// Entry is one file of a tree, as git has it.
type Entry struct {
	Mode    string // 100644, 100755, 120000 for a link, 160000 for a submodule
	Content string // the target of a link, the commit of a submodule
}

// Commit makes a commit on main of nothing but these files, and returns its name. Nothing of them is checked, so that
// there can be trees which no honest git makes: a path is cut at its slashes alone.
func (r *Repo) Commit(files map[string]Entry) (string, error) {
	tree, err := r.tree(files)
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", tree, "-m", "a commit"}
	if parent, err := r.Git("", "rev-parse", "--verify", "--quiet", "refs/heads/main"); err == nil {
		args = append(args, "-p", parent)
	}
	commit, err := r.Git("", args...)
	if err != nil {
		return "", err
	}
	_, err = r.Git("", "update-ref", "refs/heads/main", commit)
	return commit, err
}

// tree writes a tree object and those below it.
func (r *Repo) tree(files map[string]Entry) (string, error) {
	type item struct{ mode, name, object string }
	var items []item
	below := map[string]map[string]Entry{}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		e := files[p]
		if dir, rest, ok := strings.Cut(p, "/"); ok {
			if below[dir] == nil {
				below[dir] = map[string]Entry{}
			}
			below[dir][rest] = e
			continue
		}
		object := e.Content
		if e.Mode != "160000" {
			var err error
			if object, err = r.Git(e.Content, "hash-object", "-w", "--stdin"); err != nil {
				return "", err
			}
		}
		items = append(items, item{e.Mode, p, object})
	}
	for dir, inner := range below {
		object, err := r.tree(inner)
		if err != nil {
			return "", err
		}
		items = append(items, item{"40000", dir, object})
	}
	order := func(i item) string {
		if i.mode == "40000" {
			return i.name + "/"
		}
		return i.name
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(order(a), order(b)) })
	var raw bytes.Buffer
	for _, i := range items {
		object, err := RawObject(i.object)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&raw, "%s %s\x00%s", i.mode, i.name, object)
	}
	return r.Git(raw.String(), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
}

// RawObject is the name of an object as trees have it.
func RawObject(name string) (string, error) {
	raw, err := hex.DecodeString(name)
	return string(raw), err
}

// CommitDir makes a commit on main of the files below a folder.
func (r *Repo) CommitDir(dir string) (string, error) {
	files := map[string]Entry{}
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		files[filepath.ToSlash(rel)] = Entry{"100644", string(text)}
		return err
	})
	if err != nil {
		return "", err
	}
	return r.Commit(files)
}
