package checkout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/gitrepo"
)

// Kind says what is wrong with a checkout.
type Kind string

// Kinds of errors.
const (
	NoGit       Kind = "no git"
	NoCheckout  Kind = "no checkout"   // the folder is none, or not its top
	OtherRemote Kind = "other remote"  // it is one of another repository
	NoBase      Kind = "no base"       // nothing in it is known to be on the server
	Behind      Kind = "behind"        // the commit is not among what led to what is checked out
	LargeFiles  Kind = "large files"   // changed files are kept by Git LFS
	Other       Kind = "git complains" // Err is what it says
)

// Error says why what a checkout has cannot be told.
type Error struct {
	Kind Kind
	Dir  string
	What string
	Err  error

	remote string // the name of the server, if that is known
}

func (e *Error) Error() string { return fmt.Sprintf("%q: %s", e.Dir, e.What) }
func (e *Error) Unwrap() error { return e.Err }

// Problem says what is wrong to people: in short, and in sentences with what to do.
func (e *Error) Problem() (summary, detail string) {
	summary, help := "Checkout cannot be read", "See by hand:\n  git -C "+shellWord(e.Dir)+" status"
	switch e.Kind {
	case NoGit:
		summary, help = "Git is not installed", "Install it, or leave path out: then the job gets the commit alone."
	case NoCheckout:
		summary, help = "Folder is no checkout", "With url, path is a checkout of that repository whose changes go along. Leave url out to send a folder as it is, or path to clone alone."
	case OtherRemote:
		summary, help = "Checkout is of another repository", "The job would get one repository with the changes of another. If both are one, tell Git so:\n  git -C "+shellWord(e.Dir)+" remote add NAME URL"
	case NoBase:
		summary, help = "Checkout has nothing in common with the repository", "Ask the server what it has, or push:\n  git -C "+shellWord(e.Dir)+" fetch "+shellWord(e.remote)
	case Behind:
		summary, help = "Checkout is behind", "The job would get files that are not those of the checkout. Bring the checkout up to date, or leave branch and commit out: then the job gets what is checked out.\n  git -C "+shellWord(e.Dir)+" pull"
	case LargeFiles:
		summary, help = "Checkout has large files", "The clone would not have it. Leave url out to send the folder as it is, or put such files on a volume."
	}
	return summary, fmt.Sprintf("%q: %s. %s", e.Dir, strings.TrimSuffix(e.What, "."), help)
}

// shellWord is a text that a shell takes as one word.
func shellWord(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Checkout is a folder with files of a repository.
type Checkout struct {
	dir    string
	shown  string // the folder as the user wrote it
	remote string // the name of the repository among its remotes
}

// Open finds the checkout of a repository in a folder, the top of the checkout. shown is what errors call it.
func Open(ctx context.Context, dir, shown, url string) (*Checkout, error) {
	c := &Checkout{dir: dir, shown: shown}
	top, err := c.git(ctx, "rev-parse", "--show-toplevel")
	if own, ok := errors.AsType[*Error](err); ok && own.Kind == Other {
		return nil, &Error{Kind: NoCheckout, Dir: shown, What: "it is no checkout of a Git repository", Err: err}
	}
	if err != nil {
		return nil, err
	}
	if !sameFolder(strings.TrimSuffix(top, "\n"), dir) {
		return nil, &Error{Kind: NoCheckout, Dir: shown, What: fmt.Sprintf("it is a folder within the checkout %q, and all of that has to be meant", strings.TrimSuffix(top, "\n"))}
	}
	list, err := c.git(ctx, "config", "--null", "--get-regexp", `^remote\..*\.url$`)
	if err != nil {
		list = "" // it has none
	}
	var others []string
	for item := range strings.SplitSeq(list, "\x00") {
		key, at, ok := strings.Cut(item, "\n")
		if !ok {
			continue
		}
		if gitrepo.SameRepository(at, url) {
			c.remote = strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".url")
			return c, nil
		}
		others = append(others, withoutPassword(at))
	}
	what := "it has no remote"
	if len(others) > 0 {
		what = "its remotes are " + strings.Join(others, ", ")
	}
	return nil, &Error{Kind: OtherRemote, Dir: shown, What: what}
}

// withoutPassword takes what may be a password out of an address.
func withoutPassword(at string) string {
	scheme, rest, ok := strings.Cut(at, "://")
	if !ok {
		return at
	}
	if _, host, ok := strings.Cut(rest, "@"); ok {
		rest = host
	}
	return scheme + "://" + rest
}

func sameFolder(a, b string) bool {
	one, errA := os.Stat(a)
	two, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(one, two)
}

// Base is the newest commit that led to what is checked out and was on the server when that was last asked.
func (c *Checkout) Base(ctx context.Context) (string, error) {
	none := &Error{Kind: NoBase, Dir: c.shown, What: fmt.Sprintf("nothing that is checked out is known to be on the server, which is called %s there", c.remote), remote: c.remote}
	head, err := c.git(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return "", none
	}
	known, err := c.git(ctx, "for-each-ref", "--count=1", "refs/remotes/"+c.remote+"/")
	if err != nil {
		return "", err
	}
	if known == "" {
		return "", none
	}
	list, err := c.git(ctx, "rev-list", "--boundary", "HEAD", "--not", "--remotes="+c.remote)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(list) == "" {
		return strings.TrimSpace(head), nil
	}
	for line := range strings.Lines(list) {
		if base, ok := strings.CutPrefix(strings.TrimSpace(line), "-"); ok {
			return base, nil
		}
	}
	return "", none
}

// Changes lists what the checkout has beside a commit, as what has to be put over the files of the commit: changed and new
// files, and those that are gone. What is ignored stays out, and what .dstackignore names. A limit of 0 is none.
func (c *Checkout) Changes(ctx context.Context, commit string, limit int64) (*content.Scanned, error) {
	if _, err := c.git(ctx, "merge-base", "--is-ancestor", commit, "HEAD"); err != nil {
		if own, ok := errors.AsType[*Error](err); ok && own.Kind != Other {
			return nil, err
		}
		return nil, &Error{Kind: Behind, Dir: c.shown, What: fmt.Sprintf("commit %.12s is not part of what is checked out", commit), Err: err}
	}
	changed, err := c.git(ctx, "diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules=all", "--name-only", "-z", commit, "--")
	if err != nil {
		return nil, err
	}
	added, err := c.git(ctx, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	paths := slices.DeleteFunc(strings.Split(changed+added, "\x00"), func(p string) bool { return p == "" || strings.HasSuffix(p, "/") })
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if err := c.checkAttributes(ctx, paths); err != nil {
		return nil, err
	}
	return content.ScanPaths(ctx, c.dir, paths, limit)
}

// checkAttributes finds changed files that Git LFS keeps elsewhere.
func (c *Checkout) checkAttributes(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	out, err := c.gitWith(ctx, strings.Join(paths, "\x00")+"\x00", "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return err
	}
	for fields := strings.Split(out, "\x00"); len(fields) >= 3; fields = fields[3:] {
		if fields[2] == "lfs" {
			return &Error{Kind: LargeFiles, Dir: c.shown, What: fmt.Sprintf("%q has changed, and Git LFS keeps it", fields[0])}
		}
	}
	return nil
}

// foreign are variables that would make git look at another repository, or run something.
var foreign = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX",
	"GIT_EXTERNAL_DIFF", "GIT_TRACE", "LC_ALL", "LANGUAGE",
}

func (c *Checkout) git(ctx context.Context, args ...string) (string, error) {
	return c.gitWith(ctx, "", args...)
}

func (c *Checkout) gitWith(ctx context.Context, in string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", c.dir}, args...)...)
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(foreign, name) {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	// Only looking: the index is not refreshed on disk, and no server is asked for objects that are missing.
	cmd.Env = append(cmd.Env, "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "LANGUAGE=C")
	var complaints strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(in), &complaints
	out, err := cmd.Output()
	switch {
	case err == nil:
		return string(out), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", &Error{Kind: NoGit, Dir: c.shown, What: "what is changed in a checkout is known to Git, and there is no program git on the PATH", Err: err}
	}
	said, _, _ := strings.Cut(strings.TrimSpace(complaints.String()), "\n")
	if said == "" {
		said = err.Error()
	}
	return "", &Error{Kind: Other, Dir: c.shown, What: "git " + args[0] + ": " + strings.TrimPrefix(said, "fatal: "), Err: err}
}
