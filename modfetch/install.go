package modfetch

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// Installed is one source of modules that Install looked after.
type Installed struct {
	Key     string       // as the lock file names it
	Was     lockfile.Pin // what was pinned before, the zero value if nothing was
	Fetched              // what is pinned now, and what was done for it
}

// mostSources is how many repositories a configuration can use: a module that calls another one of another repository,
// and so on without end, ends here.
const mostSources = 500

// parallel is how many sources are fetched at a time.
const parallel = 4

// Install makes sure that all modules are there which the configuration in a folder calls, and those that these call. It
// changes the lock, which the caller writes: also if there is an error, so that what was fetched is not fetched again.
// After a success the lock pins what is called and nothing else. All that is wrong is reported together.
func Install(ctx context.Context, root string, lock *lockfile.Lock, upgrade bool, o Options) ([]Installed, error) {
	in := &installer{root: root, lock: lock, upgrade: upgrade, options: o, done: map[string]*Installed{}, failed: map[string]bool{}}
	seen := map[lockfile.Folder]bool{lockfile.Root(): true}
	var list diag.List
	for level := []lockfile.Folder{lockfile.Root()}; len(level) > 0; {
		calls, ds := callsOf(root, level)
		list = append(list, ds...)
		list = append(list, in.fetch(ctx, calls)...)
		if ctx.Err() != nil {
			return in.report(), context.Cause(ctx)
		}
		level = nil
		for _, c := range calls {
			if in.failed[c.source.Key()] {
				continue
			}
			to, ds := c.folder(root, lock)
			list = append(list, ds...)
			if !ds.HasErrors() && !seen[to] {
				seen[to] = true
				level = append(level, to)
			}
		}
	}
	if list.HasErrors() {
		list.Sort()
		return in.report(), list.Err()
	}
	maps.DeleteFunc(lock.Modules, func(key string, _ lockfile.Pin) bool { return in.done[key] == nil })
	return in.report(), nil
}

// call is a call of a module in a folder.
type call struct {
	config.ModuleCall
	from   lockfile.Folder
	source modsource.Source
}

// callsOf reads the calls in some folders.
func callsOf(root string, folders []lockfile.Folder) ([]call, diag.List) {
	var calls []call
	var list diag.List
	for _, f := range folders {
		found, ds := config.ModuleCalls(root, f.Dir)
		list = append(list, ds...)
		for _, m := range found {
			s, err := modsource.Parse(m.Source)
			if err != nil {
				list = append(list, m.Locate(diag.From(err, "Source of a module cannot be used"))...)
				continue
			}
			calls = append(calls, call{m, f, s})
		}
	}
	return calls, list
}

// folder finds the folder of the module that is called. It must be there and have a configuration.
func (c call) folder(root string, lock *lockfile.Lock) (lockfile.Folder, diag.List) {
	to, err := lock.Resolve(c.from, c.source)
	if err != nil {
		return to, c.Locate(diag.From(err, "Module is not there"))
	}
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(to.Dir)))
	if err == nil && slices.ContainsFunc(entries, isConfiguration) {
		return to, nil
	}
	detail := fmt.Sprintf("There is no folder %s.", to.Dir)
	if err == nil {
		detail = fmt.Sprintf("%s has no *.dstack.hcl or *.dstack.json file, so it is no module.", to.Dir)
	}
	if to.Repo != "" {
		detail = fmt.Sprintf("The repository has no folder %q with *.dstack.hcl or *.dstack.json files.", strings.TrimPrefix(strings.TrimPrefix(to.Dir, to.Repo), "/"))
		if others := modulesBelow(filepath.Join(root, filepath.FromSlash(to.Repo))); len(others) > 0 {
			detail += " It has them in " + some(others) + "."
		}
	} else if err != nil {
		detail += " A source that begins with ./ or ../ is a folder beside the file that calls it."
	}
	return to, c.Locate(diag.Errorf("Module is not there", "%s", detail))
}

func isConfiguration(e os.DirEntry) bool {
	name := e.Name()
	return !e.IsDir() && !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".dstack.hcl") || strings.HasSuffix(name, ".dstack.json"))
}

// modulesBelow lists the folders of a copy that are modules, in order.
func modulesBelow(repo string) []string {
	var out []string
	_ = filepath.WalkDir(repo, func(p string, e os.DirEntry, err error) error { // what cannot be read is not suggested
		if err != nil || !isConfiguration(e) {
			return nil
		}
		rel, err := filepath.Rel(repo, filepath.Dir(p))
		if name := filepath.ToSlash(rel); err == nil && !slices.Contains(out, name) && len(out) < 100 {
			out = append(out, name)
		}
		return nil
	})
	slices.Sort(out)
	return out
}

// installer fetches each source once.
type installer struct {
	root    string
	lock    *lockfile.Lock
	upgrade bool
	options Options
	done    map[string]*Installed // by key
	failed  map[string]bool
}

// fetch fetches the sources of calls that were not looked after yet.
func (in *installer) fetch(ctx context.Context, calls []call) diag.List {
	type job struct {
		call call
		got  Fetched
		err  error
	}
	var jobs []*job
	var list diag.List
	for _, c := range calls {
		key := c.source.Key()
		if key == "" || in.done[key] != nil || in.failed[key] || slices.ContainsFunc(jobs, func(j *job) bool { return j.call.source.Key() == key }) {
			continue
		}
		if len(in.done)+len(in.failed)+len(jobs) == mostSources {
			in.failed[key] = true
			return c.Locate(diag.Errorf("Too many sources", "The configuration uses more than %d repositories. Does a module call itself by way of others?", mostSources))
		}
		jobs = append(jobs, &job{call: c})
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, j := range jobs {
		pin := in.lock.Modules[j.call.source.Key()]
		g.Go(func() error {
			j.got, j.err = Fetch(ctx, in.root, j.call.source, pin, in.upgrade, in.options)
			return nil
		})
	}
	_ = g.Wait() // each has its own error
	for _, j := range jobs {
		key := j.call.source.Key()
		if j.err != nil {
			in.failed[key] = true
			list = append(list, j.call.Locate(diag.From(j.err, "Module cannot be fetched"))...)
			continue
		}
		in.done[key] = &Installed{Key: key, Was: in.lock.Modules[key], Fetched: j.got}
		if in.lock.Modules == nil {
			in.lock.Modules = map[string]lockfile.Pin{}
		}
		in.lock.Modules[key] = j.got.Pin
	}
	return list
}

// report lists what was done in order of keys.
func (in *installer) report() []Installed {
	out := make([]Installed, 0, len(in.done))
	for _, key := range slices.Sorted(maps.Keys(in.done)) {
		out = append(out, *in.done[key])
	}
	return out
}

// Module is one call of a module, as List gives it.
type Module struct {
	Path    addr.Module // module.net.module.deep
	Source  string      // as written
	Key     string      // as the lock file names it, "" for a folder
	Commit  string      // what is pinned, "" for a folder and for what is not pinned
	Dir     string      // where it is, relative to the folder of the configuration; "" if that is not known
	Problem error       // why it cannot be used: it is not fetched, or its files were changed; nil if it can
}

// mostCalls is how many calls List follows.
const mostCalls = 10_000

// List lists the calls of a configuration, each before those of the module that it calls. It asks no network. What is
// wrong with the files is in the diagnostics; what is missing is a Problem.
func List(root string, lock *lockfile.Lock) ([]Module, diag.List) {
	l := &lister{root: root, lock: lock, checked: map[string]error{}}
	l.follow(lockfile.Root(), addr.Root, nil)
	return l.modules, l.diags
}

type lister struct {
	root    string
	lock    *lockfile.Lock
	checked map[string]error // by key
	modules []Module
	diags   diag.List
}

// follow lists the calls in a folder. Around are the folders that this one is in by calls.
func (l *lister) follow(f lockfile.Folder, at addr.Module, around []string) {
	calls, list := callsOf(l.root, []lockfile.Folder{f})
	l.diags = append(l.diags, list...)
	around = append(around[:len(around):len(around)], f.Dir)
	for _, c := range calls {
		if len(l.modules) == mostCalls {
			return
		}
		m := Module{Path: at.Child(c.Name, addr.NoKey), Source: c.Source, Key: c.source.Key()}
		to, err := l.lock.Resolve(f, c.source)
		if err == nil {
			m.Dir, m.Commit = path.Clean(to.Dir), l.lock.Modules[m.Key].Commit
			err = l.check(c.source)
		}
		if err == nil {
			_, ds := c.folder(l.root, l.lock)
			err = ds.Err()
		}
		m.Problem = err
		l.modules = append(l.modules, m)
		if err == nil && !slices.Contains(around, to.Dir) {
			l.follow(to, m.Path, around)
		}
	}
}

func (l *lister) check(s modsource.Source) error {
	err, known := l.checked[s.Key()]
	if !known {
		err = l.lock.Check(l.root, s)
		l.checked[s.Key()] = err
	}
	return err
}
