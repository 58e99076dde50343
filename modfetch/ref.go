package modfetch

import (
	"context"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// ref is what a source's ref means at the moment.
type ref struct {
	name   string // refs/tags/v1, refs/heads/main, HEAD; "" for a commit
	commit string
}

func (r ref) tag() bool { return strings.HasPrefix(r.name, "refs/tags/") }

// resolve asks the server what the ref of a source means. A commit that is written out whole means itself, and nobody
// is asked. Of a tag and a branch of one name the tag is meant, as git has it.
func (g *git) resolve(ctx context.Context, s modsource.Source) (ref, error) {
	if modsource.IsCommit(s.Ref) {
		return ref{commit: s.Ref}, nil
	}
	var names []string
	switch {
	case s.Ref == "" || s.Ref == "HEAD":
		names = []string{"HEAD"}
	case strings.HasPrefix(s.Ref, "refs/"):
		names = []string{s.Ref}
	default:
		names = []string{"refs/tags/" + s.Ref, "refs/heads/" + s.Ref}
	}
	args := []string{"ls-remote", "--", s.Repo}
	for _, n := range names {
		args = append(args, n, n+"^{}")
	}
	out, err := g.run(ctx, args...)
	if err != nil {
		return ref{}, err
	}
	found := map[string]string{}
	for line := range strings.Lines(out) {
		commit, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if ok && modsource.IsCommit(commit) {
			found[name] = commit
		}
	}
	for _, n := range names {
		if c, ok := found[n+"^{}"]; ok { // an annotated tag: the commit is what it stands for
			return ref{n, c}, nil
		}
		if c, ok := found[n]; ok {
			return ref{n, c}, nil
		}
	}
	return ref{}, noRef(s)
}

// noRef says that a server has no ref of that name.
func noRef(s modsource.Source) error {
	switch {
	case s.Ref == "":
		return diag.Errorf("Repository is empty", "%s has no default branch, so there is nothing to fetch. If its branch has another name, write it:\n  %s?ref=main", s, s).Err()
	case isHex(s.Ref):
		return diag.Errorf("Tag or branch is not there", "%s: the repository has neither a tag nor a branch %q. If a commit is meant, write the whole of it, 40 digits: part of one may mean another commit later.", s, s.Ref).Err()
	}
	return diag.Errorf("Tag or branch is not there", "%s: the repository has neither a tag nor a branch %q. See what it has:\n  git ls-remote --tags --heads %s", s, s.Ref, s.Repo).Err()
}

func isHex(text string) bool {
	return len(text) >= 7 && strings.Trim(text, "0123456789abcdefABCDEF") == ""
}

// get gets the commit into a new bare repository.
func (g *git) get(ctx context.Context, s modsource.Source, commit string, pinned bool) error {
	args := []string{"init", "--quiet", "--bare", "--template="}
	if len(commit) == 64 {
		args = append(args, "--object-format=sha256")
	}
	if _, err := g.run(ctx, append(args, "--", "git")...); err != nil {
		return err
	}
	g.repo = "git"
	_, err := g.run(ctx, "fetch", "--quiet", "--depth=1", "--no-tags", "--", s.Repo, commit)
	if notOffered(err) { // an old server, or a commit that no ref points to: all refs may have it in their history
		_, err = g.run(ctx, "fetch", "--quiet", "--no-tags", "--", s.Repo, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	}
	if err != nil {
		return err
	}
	if _, err := g.run(ctx, "cat-file", "-e", commit+"^{commit}"); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return noCommit(s, commit, pinned)
	}
	return nil
}

// moved warns of a tag that does not point to what is pinned any more.
func moved(s modsource.Source, r ref, pinned string) diag.List {
	if !r.tag() || r.commit == pinned {
		return nil
	}
	return diag.Warnf("Tag was moved", "The tag %s of %s points to %.12s now, and %.12s is pinned, which stays. To take what is there now:\n  dstack init --upgrade", s.Ref, s.Repo, r.commit, pinned)
}
