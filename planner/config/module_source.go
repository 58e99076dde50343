package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// moduleLock is what the lock file says about the modules of a configuration. It is read when the first source asks for it.
type moduleLock struct {
	lock    *lockfile.Lock
	broken  bool             // it cannot be read, which is reported
	checked map[string]error // by key: whether the files are those that are pinned
}

// folder finds the folder that a call means, relative to that of the configuration. Without an error and without a folder
// its error is reported already.
func (c *Config) folder(o LoadOptions, m *Module, b *Block) (lockfile.Folder, diag.List) {
	a := b.source
	at := a.expr.Range()
	if len(a.uses) > 0 {
		return lockfile.Folder{}, diag.Errorf("A constant is needed", "The source of a module is read before anything else, so it cannot refer to other values. Write it as a text.").At(&at)
	}
	v, list := c.eval(a, c.constant())
	if list.HasErrors() {
		return lockfile.Folder{}, list
	}
	if v.Type() != cty.String || v.IsNull() || !v.IsKnown() || v.IsMarked() {
		return lockfile.Folder{}, diag.Errorf("Source is no text", "The source of a module is a text: a folder such as \"./modules/net\", or a Git repository.").At(&at)
	}
	s, err := modsource.Parse(v.AsString())
	if err != nil {
		return lockfile.Folder{}, sourceError(err, v.AsString(), b.Addr.Name, at)
	}
	l := &moduleLock{lock: &lockfile.Lock{}} // a folder needs none
	if !s.Local() {
		if l, list = c.lockOf(o); list.HasErrors() || l.broken {
			return lockfile.Folder{}, list
		}
	}
	to, err := l.lock.Resolve(lockfile.Folder{Dir: m.Dir, Repo: m.repo}, s)
	if err == nil && o.Sources == nil && !s.Local() {
		err = l.check(c.Dir, s)
	}
	if err != nil {
		summary := "Module is not there"
		if _, changed := errors.AsType[*lockfile.ChangedError](err); changed {
			summary = "Module was changed"
		}
		return lockfile.Folder{}, diag.From(err, summary).At(&at)
	}
	return to, nil
}

// hiddenSource is shown instead of a line that may hold a secret.
const hiddenSource = `  source = "..."`

// sourceError is the diagnostic of a source that is none. The line itself is not shown if there may be a secret in it.
func sourceError(err error, source, call string, at hcl.Range) diag.List {
	list := diag.From(err, "Source of a module cannot be used").At(&at)
	if modsource.Sensitive(source) {
		list[0].Snippet = hiddenSnippet(call, at)
	}
	return list
}

func hiddenSnippet(call string, at hcl.Range) *diag.Snippet {
	return &diag.Snippet{Context: "in module " + quoted(call), Code: hiddenSource, StartLine: at.Start.Line, Start: len(hiddenSource) - len(`"..."`), End: len(hiddenSource)}
}

// lockOf reads the lock file: that of the folder, or the one among the sources of a saved plan. It becomes one of the
// configuration's sources, because what is planned depends on it. Its errors are reported once.
func (c *Config) lockOf(o LoadOptions) (*moduleLock, diag.List) {
	if c.lock != nil {
		return c.lock, nil
	}
	c.lock = &moduleLock{checked: map[string]error{}}
	s := Source{Path: lockfile.Name}
	var err error
	if i := slices.IndexFunc(c.sources, func(s Source) bool { return s.Path == lockfile.Name }); i >= 0 {
		s = c.sources[i]
	} else if o.Sources == nil {
		switch s.Text, err = readFile(filepath.Join(c.Dir, lockfile.Name)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			c.lock.broken = true
			return c.lock, diag.Errorf("Lock file cannot be read", "%s cannot be read: %s.", lockfile.Name, reason(err))
		default:
			s.Digest = digest(s.Text)
			c.sources = append(c.sources, s)
			c.texts[s.Path] = s.Text
		}
	}
	var list diag.List
	c.lock.lock, list = lockfile.Parse(lockfile.Name, s.Text)
	c.lock.broken = list.HasErrors()
	return c.lock, list
}

// keepLock makes the lock file one of the configuration's sources where no module has done so: it pins providers as well,
// and a saved plan carries it. What is wrong with it is the business of who needs it.
func (c *Config) keepLock(o LoadOptions) {
	if o.Sources != nil || o.policies || c.lock != nil {
		return
	}
	if text, err := readFile(filepath.Join(c.Dir, lockfile.Name)); err == nil {
		c.sources = append(c.sources, Source{Path: lockfile.Name, Text: text, Digest: digest(text)})
		c.texts[lockfile.Name] = text
	}
}

// check tells whether the files of a source are those that are pinned. Each copy is read once.
func (l *moduleLock) check(root string, s modsource.Source) error {
	err, known := l.checked[s.Key()]
	if !known {
		err = l.lock.Check(root, s)
		l.checked[s.Key()] = err
	}
	return err
}
