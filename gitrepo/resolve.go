package gitrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Resolved is what a branch stands for.
type Resolved struct {
	Commit string `json:"commit"` // 40 hexadecimal digits
	Branch string `json:"branch,omitempty"`
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// IsCommit tells whether a text names a commit in full.
func IsCommit(text string) bool { return commitID.MatchString(text) }

// IsBranch tells whether a text can be the name of a branch.
func IsBranch(text string) bool {
	return !strings.HasPrefix(text, "-") && text != "HEAD" && plumbing.NewBranchReferenceName(text).Validate() == nil
}

// Resolve asks the server for the commit of a branch, of its default branch where neither is named, or whether it has a commit.
// As far as the server can tell without sending files, what could not be cloned is an error as well.
func Resolve(ctx context.Context, r Remote, branch, commit string) (Resolved, error) {
	s, err := r.open(ctx)
	if err != nil {
		return Resolved{}, err
	}
	defer s.Close()
	out := Resolved{Commit: commit, Branch: branch}
	if commit == "" {
		if out, err = s.branch(branch); err != nil {
			return Resolved{}, err
		}
	}
	return out, s.probe(plumbing.NewHash(out.Commit))
}

// branch finds the commit of a branch, "" being the default one.
func (s *session) branch(name string) (Resolved, error) {
	if name == "" {
		for _, link := range s.has.Capabilities.Get(capability.SymRef) {
			if to, ok := strings.CutPrefix(link, "HEAD:refs/heads/"); ok {
				name = to
			}
		}
		if s.has.Head == nil {
			return Resolved{}, &Error{Kind: NoBranch, URL: s.remote.URL, What: "it has no default branch, so one has to be named", Names: s.similar("")}
		}
		return Resolved{Commit: s.has.Head.String(), Branch: name}, nil
	}
	if h, ok := s.has.References[plumbing.NewBranchReferenceName(name).String()]; ok {
		return Resolved{Commit: h.String(), Branch: name}, nil
	}
	e := &Error{Kind: NoBranch, URL: s.remote.URL, What: fmt.Sprintf("it has no branch %q", name), Names: s.similar(name)}
	tag := plumbing.NewTagReferenceName(name).String()
	if h, ok := s.has.References[tag]; ok {
		if peeled, ok := s.has.Peeled[tag]; ok {
			h = peeled
		}
		e.What = fmt.Sprintf("%q is a tag and no branch; its commit is %s", name, h)
		e.Names = nil
	}
	return Resolved{}, e
}

// similar are a few branches, those first whose names are like a name.
func (s *session) similar(name string) []string {
	var all []string
	for ref := range s.has.References {
		if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			all = append(all, branch)
		}
	}
	far := func(b string) int { return levenshtein.Distance(strings.ToLower(name), strings.ToLower(b), nil) }
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(far(a), far(b)), strings.Compare(a, b)) })
	return all[:min(3, len(all))]
}

// probe asks for a commit and its folders without files, and looks at what is in them. A server that cannot leave files out
// is not asked for what a branch or tag points to.
func (s *session) probe(commit plumbing.Hash) error {
	if _, ok := s.tip(commit); ok && !s.filters() {
		return nil
	}
	w := wants{commits: []plumbing.Hash{s.named(commit)}, alone: true, filter: packp.FilterBlobNone()}
	if !s.gives(commit) {
		// Whether some branch leads to it is known to who has all of their commits.
		if !s.filters() {
			return nil // that would be all files of all time; the clone will tell
		}
		w.commits, w.alone = s.heads(), false
		w.filter = packp.FilterTreeDepth(0)
	}
	to := memory.NewStorage()
	if err := s.fetch(w, to); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == NoCommit {
			return s.remote.noCommit(commit)
		}
		return err
	}
	c, err := object.GetCommit(to, commit)
	if err != nil {
		return s.remote.noCommit(commit)
	}
	if !w.alone {
		return nil // there are no folders in what was asked for
	}
	tree, err := c.Tree()
	if err != nil {
		return nil // the server has sent less than it was asked for, and the clone will tell
	}
	return s.remote.checkTree(tree)
}

func (r Remote) noCommit(commit plumbing.Hash) error {
	return &Error{Kind: NoCommit, URL: r.URL, What: fmt.Sprintf("it has no commit %s that a branch or tag leads to", commit)}
}

// checkTree finds submodules, which are other repositories.
func (r Remote) checkTree(tree *object.Tree) error {
	var found []string
	walk := object.NewTreeWalker(tree, true, nil)
	defer walk.Close()
	for {
		name, entry, err := walk.Next()
		if err != nil {
			break // at the end, or where the server has left something out
		}
		if entry.Mode == filemode.Submodule {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &Error{Kind: Submodules, URL: r.URL, What: "there are other repositories in it as submodules, and these are not cloned", Names: found}
}
