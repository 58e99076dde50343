package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/gitrepo"
	"github.com/dstackai/dstack-planner/schema"
)

// Answers about repositories stand beside those about content.
const (
	commitAnswer  = "repo_commit"  // of a repository's address, a branch and a commit
	baseAnswer    = "repo_base"    // of a checkout and a repository's address
	changesAnswer = "repo_changes" // of a checkout, a repository's address and a commit
)

// Repositories answers what is known outside of the configuration's folder only. Its errors are *gitrepo.Error and those of
// checkouts, see RepoProblem.
type Repositories struct {
	// Resolve asks a server for the commit of a branch, or whether it has a commit.
	Resolve func(r gitrepo.Remote, branch, commit string) (gitrepo.Resolved, error)
	// Base is the newest commit of a checkout that the repository's server has.
	Base func(dir, shown, url string) (string, error)
	// Changes are what a checkout has beside a commit.
	Changes func(ctx context.Context, dir, shown, url, commit string, limit int64) (*content.Scanned, error)
}

// RepoProblem is an error about a checkout that knows what to tell people.
type RepoProblem interface {
	error
	// Problem is a summary, and sentences that say what is wrong and what to do.
	Problem() (summary, detail string)
}

// asked is what asking a server, or a checkout for its base, came to.
type asked struct {
	once sync.Once
	gitrepo.Resolved
	err error
}

// errNotAsked says that a server is needed, and that this command asks none.
var errNotAsked = errors.New("no server is asked")

// ask gives an answer about a repository: the one of an earlier evaluation, or that of somebody who is asked once. What belongs
// to a question beside its name, such as credentials, tells questions apart.
func (c *Config) ask(a FileAnswer, beside string, question func() (gitrepo.Resolved, error)) (gitrepo.Resolved, error) {
	cs := &c.contents
	key := a.Name() + "\x00" + beside
	cs.mu.Lock()
	q := cs.asked[key]
	if q == nil {
		q = &asked{}
		if cs.asked == nil {
			cs.asked = map[string]*asked{}
		}
		cs.asked[key] = q
	}
	cs.mu.Unlock()
	q.once.Do(func() {
		if old, ok := c.files.given[a.Name()]; ok && old.Value != nil {
			if q.err = json.Unmarshal(old.Value, &q.Resolved); q.err != nil {
				q.err = fmt.Errorf("the plan's answer of %s cannot be read: %w", a.Name(), q.err)
			}
		} else if question == nil {
			q.err = errNotAsked
		} else {
			q.Resolved, q.err = question()
		}
		if q.err == nil {
			_, q.err = c.files.note(a, cty.ObjectVal(map[string]cty.Value{"commit": cty.StringVal(q.Commit), "branch": cty.StringVal(q.Branch)}))
		}
	})
	return q.Resolved, q.err
}

// ChangesContent names what a checkout has beside a commit, see RepoContent.
func ChangesContent(path, url, commit string) FileAnswer {
	return FileAnswer{Function: changesAnswer, Args: []string{path, url, commit}}
}

// repo is the code of a job: a folder, or a commit of a repository with what is changed in a checkout of it.
func (d *decoder) repo(out *Decoded, v cty.Value) cty.Value {
	ty := schema.Of[schema.Repo]().Type()
	unknown := cty.UnknownVal(ty)
	text := map[string]string{}
	known := true
	for _, name := range []string{"path", "url", "branch", "commit", "username", "known_hosts"} {
		a := v.GetAttr(name)
		if a.IsNull() {
			continue
		}
		if name != "path" && isSecret(a) {
			d.say(out, "repo."+name, true, "Value is sensitive", "Plans show which code jobs get, and %s is sensitive. Use another value, or nonsensitive(...) if it may be shown.", name)
			known = false
			continue
		}
		got, ok := d.localPath(out, "repo."+name, a)
		known = known && ok
		text[name] = got
		if ok && got == "" {
			d.say(out, "repo."+name, true, "Text is empty", "%s is an empty text. Leave it out, or null, where there is none.", name)
			known = false
		}
	}
	secrets := map[string]cty.Value{}
	for _, name := range []string{"token", "private_key"} {
		bare, _ := unanswered(v.GetAttr(name)).Unmark()
		secrets[name] = v.GetAttr(name)
		switch {
		case bare.IsNull():
		case !bare.IsKnown():
			known = false
		case bare.AsString() == "":
			d.say(out, "repo."+name, true, "Secret is empty", "%s is an empty text, which opens nothing. Leave it out, or null, for a repository that is open to all.", name)
			known = false
		default:
			text[name] = bare.AsString()
		}
	}
	if !known {
		return unknown
	}
	path, url := text["path"], text["url"]
	attr := map[string]cty.Value{"file_count": cty.NumberIntVal(0), "bytes": cty.NumberIntVal(0), "digest": cty.NullVal(cty.String), "token": secrets["token"], "private_key": secrets["private_key"]}
	put := func(name, t string) {
		attr[name] = cty.NullVal(cty.String)
		if t != "" {
			attr[name] = cty.StringVal(t)
		}
	}
	if url == "" {
		if !d.onlyPath(out, path, text) {
			return unknown
		}
		f := d.c.content(repoAnswer, path)
		if f.err != nil {
			d.contentError(out, "repo.path", "folder", path, f.err)
			return unknown
		}
		if len(f.leftOut) > 0 {
			d.say(out, "repo.path", false, "Some files stay here", "%s: only files, folders and links travel. If the job does not need them, .dstackignore can name them.", listed(f.leftOut))
		}
		putContent(attr, f)
	} else {
		got, ok := d.cloned(out, text)
		if !ok {
			return unknown
		}
		text["commit"], text["branch"] = got.Commit, got.Branch
		if path != "" {
			f := d.c.changes(path, url, got.Commit)
			if f.err != nil {
				d.checkoutError(out, path, url, text["branch"], f.err)
				return unknown
			}
			if f.Files > 0 {
				putContent(attr, f)
			}
		}
	}
	for _, name := range []string{"path", "url", "branch", "commit", "username", "known_hosts"} {
		put(name, text[name])
	}
	return cty.ObjectVal(attr)
}

// isSecret tells whether a value has marks beside those of answers.
func isSecret(v cty.Value) bool {
	_, marks := unanswered(v).Unmark()
	return len(marks) > 0
}

func putContent(attr map[string]cty.Value, f *found) {
	attr["digest"], attr["file_count"], attr["bytes"] = cty.StringVal(f.Digest), cty.NumberIntVal(int64(f.Files)), cty.NumberIntVal(f.Bytes)
}

// onlyPath checks a block without url.
func (d *decoder) onlyPath(out *Decoded, path string, text map[string]string) bool {
	for _, name := range []string{"branch", "commit", "username", "token", "private_key", "known_hosts"} {
		if text[name] != "" {
			d.say(out, "repo."+name, true, "Repository has no url", "%s is for a repository that is cloned, and the block has no url. Write where that is:\n  url = \"https://HOST/PATH\"", name)
			return false
		}
	}
	if path == "" {
		d.say(out, "repo", true, "Code comes from nowhere", "The block says neither path nor url. A folder of this machine is sent, a repository is cloned where the job runs:\n  path = \".\"\n  url  = \"https://HOST/PATH\"")
		return false
	}
	return true
}

// cloned finds the commit that a job gets.
func (d *decoder) cloned(out *Decoded, text map[string]string) (gitrepo.Resolved, bool) {
	var none gitrepo.Resolved
	url, branch, commit := text["url"], text["branch"], text["commit"]
	r := gitrepo.Remote{URL: url, Username: text["username"], Token: text["token"], PrivateKey: text["private_key"], KnownHosts: text["known_hosts"]}
	if err := r.Check(); err != nil {
		d.remoteError(out, text, err)
		return none, false
	}
	switch {
	case branch != "" && commit != "":
		d.say(out, "repo.commit", true, "Branch and commit are given", "A branch stands for its newest commit, and commit names one. Leave one of them out.")
		return none, false
	case branch != "" && !gitrepo.IsBranch(branch):
		d.say(out, "repo.branch", true, "Branch cannot be read", "%s can be no name of a branch. Write it as git branch lists it, such as \"main\".", quoted(branch))
		return none, false
	case commit != "" && !gitrepo.IsCommit(commit):
		d.say(out, "repo.commit", true, "Commit cannot be read", "%s does not name a commit. Write all of its 40 digits:\n  git rev-parse %s", quoted(commit), shellWord(commit))
		return none, false
	}
	world := d.c.repos
	if path := text["path"]; path != "" && branch == "" && commit == "" {
		var ask func() (gitrepo.Resolved, error)
		if world.Base != nil {
			ask = func() (gitrepo.Resolved, error) {
				full, err := absolutePath(d.c.Dir, path)
				if err != nil {
					return none, err
				}
				base, err := world.Base(full, path, url)
				return gitrepo.Resolved{Commit: base}, err
			}
		}
		base, err := d.c.ask(FileAnswer{Function: baseAnswer, Args: []string{path, url}}, "", ask)
		if err != nil {
			d.checkoutError(out, path, url, "", err)
			return none, false
		}
		commit = base.Commit
	}
	var ask func() (gitrepo.Resolved, error)
	if world.Resolve != nil {
		ask = func() (gitrepo.Resolved, error) { return world.Resolve(r, branch, commit) }
	}
	secrets := strings.Join([]string{r.Username, r.Token, r.PrivateKey, r.KnownHosts}, "\x00")
	got, err := d.c.ask(FileAnswer{Function: commitAnswer, Args: []string{url, branch, commit}}, secrets, ask)
	if err != nil {
		d.remoteError(out, text, err)
		return none, false
	}
	return got, true
}

// changes is what a checkout has beside a commit.
func (c *Config) changes(path, url, commit string) *found {
	return c.contentOf(ChangesContent(path, url, commit), func(f *found) error {
		if c.repos.Changes == nil {
			return errNotAsked
		}
		full, err := absolutePath(c.Dir, path)
		if err != nil {
			return err
		}
		// Not cancelled: the limit keeps it short.
		s, err := c.repos.Changes(context.Background(), full, path, url, commit, c.contents.limit)
		if err != nil {
			return err
		}
		f.Content = Content{Digest: s.Digest(), Files: s.Files(), Bytes: s.Bytes()}
		f.leftOut, f.largest = s.LeftOut, s.Largest()
		return nil
	})
}

// Stage copies what a job gets into a store, if it still is what its digest says.
func (c *Config) Stage(ctx context.Context, a FileAnswer, digest string, to content.Store) error {
	if a.Function == changesAnswer {
		return c.stageChanges(ctx, a, digest, to)
	}
	return StageContent(ctx, c.Dir, a, digest, to)
}

func (c *Config) stageChanges(ctx context.Context, a FileAnswer, digest string, to content.Store) error {
	if c.repos.Changes == nil {
		return errNotAsked
	}
	path := a.Args[0]
	full, err := absolutePath(c.Dir, path)
	if err != nil {
		return err
	}
	s, err := c.repos.Changes(ctx, full, path, a.Args[1], a.Args[2], 0)
	if err != nil {
		return err
	}
	if s.Digest() != digest {
		return content.ErrChanged
	}
	return to.Stage(ctx, s.Manifest, content.FilesOf(full))
}

// shellWord is a text that a shell takes as one word.
func shellWord(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// checkoutError says why the changes of a checkout cannot be told.
func (d *decoder) checkoutError(out *Decoded, path, url, branch string, err error) {
	if errors.Is(err, errNotAsked) {
		return // whoever looks at the configuration only does without
	}
	if p, ok := errors.AsType[RepoProblem](err); ok {
		summary, detail := p.Problem()
		d.say(out, "repo.path", true, summary, "%s", detail)
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		d.say(out, "repo.path", true, "Folder cannot be read", "There is no folder %s. Relative paths start at the folder of the configuration.", quoted(path))
		return
	}
	d.contentError(out, "repo.path", "folder", path, err)
}

// remoteError says why a repository cannot be cloned, and what helps.
func (d *decoder) remoteError(out *Decoded, text map[string]string, err error) {
	if errors.Is(err, errNotAsked) {
		return
	}
	url := text["url"]
	e, ok := errors.AsType[*gitrepo.Error](err)
	if !ok {
		d.say(out, "repo.url", true, "Repository cannot be read", "%s: %s.", quoted(url), strings.TrimSuffix(err.Error(), "."))
		return
	}
	at, summary, help := "repo.url", "Repository cannot be read", "See by hand:\n  git ls-remote "+shellWord(e.URL)
	switch e.Kind {
	case gitrepo.BadURL:
		summary, help = "Address cannot be used", "It is https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH; a token belongs into token, and a folder of this machine into path."
	case gitrepo.BadCredentials:
		summary, help = "Credentials cannot be used", "HTTPS takes token, and SSH private_key and known_hosts."
		at = firstGiven(text, "token", "private_key", "username", "known_hosts")
	case gitrepo.NeedsToken:
		summary = "Repository needs credentials"
		help = "The job clones it where it runs, and your own credentials stay here. Give it a token that may read this repository alone, from a sensitive variable:\n  token = var.git_token\nand the value from the environment:\n  export DSTACK_VAR_git_token=..."
	case gitrepo.NeedsKey:
		summary = "Repository needs credentials"
		help = "The job clones it where it runs, and your own keys stay here. Give it a deploy key that may read this repository alone:\n  private_key = file(\"deploy_key\")\n  known_hosts = file(\"known_hosts\")"
	case gitrepo.Refused:
		summary = "Credentials are refused"
		help = "The token or key may have expired, be of somebody else, or have no right to read this repository."
		at = firstGiven(text, "token", "private_key")
	case gitrepo.UnknownHost:
		summary = "Host is not known"
		help = "Fetch its keys, compare their fingerprints with those that the host publishes, and name the file as known_hosts = file(\"known_hosts\"):\n  ssh-keyscan " + scanned(url) + " > known_hosts\n  ssh-keygen -lf known_hosts"
		at = firstGiven(text, "known_hosts")
	case gitrepo.NotFound:
		summary, help = "Repository is not there", "Check the address. One that is private looks like this to who may not read it: see what the token or key is allowed."
	case gitrepo.Unreachable:
		summary = "Server cannot be reached"
		help = "Whether it can be reached from here shows:\n  git ls-remote " + shellWord(e.URL)
	case gitrepo.Empty:
		summary, help = "Repository is empty", "Push a commit first."
	case gitrepo.NoBranch:
		summary, at = "Branch is not there", firstGiven(text, "branch")
		help = "See which there are:\n  git ls-remote --heads " + shellWord(e.URL)
		if len(e.Names) > 0 {
			help = "Similar ones are " + listed(e.Names) + ". " + help
		}
	case gitrepo.NoCommit:
		summary, at = "Commit is not in the repository", firstGiven(text, "commit", "path")
		help = "Perhaps it was not pushed, or the history was rewritten. Push it, or take another one."
	case gitrepo.Submodules:
		summary = "Repository has submodules"
		help = listed(e.Names) + ". Send a checkout that has them, with path instead of url, or clone them in commands of the job."
	case gitrepo.LargeFiles:
		summary = "Repository has large files"
		help = listed(e.Names) + ". Send a checkout that has them, with path instead of url, or put them on a volume."
	}
	d.say(out, at, true, summary, "%s: %s. %s", quoted(e.URL), strings.TrimSuffix(e.What, "."), help)
}

// firstGiven is where the first of some attributes stands that is given, else that of the address.
func firstGiven(text map[string]string, names ...string) string {
	for _, n := range names {
		if text[n] != "" {
			return "repo." + n
		}
	}
	return "repo.url"
}

// scanned is the host of an address as ssh-keyscan takes it.
func scanned(url string) string {
	host := gitrepo.Host(url)
	if name, port, ok := strings.Cut(host, "]:"); ok {
		return "-p " + port + " " + strings.TrimPrefix(name, "[")
	}
	return host
}
