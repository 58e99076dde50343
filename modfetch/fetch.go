package modfetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// Fetched says what Fetch did.
type Fetched struct {
	Pin     lockfile.Pin // what the lock file is to pin
	Network bool         // a server was asked
	Written bool         // the copy was made or made anew
	Notes   diag.List    // warnings, with no place
}

// Fetch makes sure that the copy of a source is there, in lockfile.Pin.Copy below the folder of the configuration.
//
// A source that is pinned is fetched at its commit, whatever its ref has become, and what comes must fit the digest. If
// the copy is there and fits, nobody is asked. The zero pin, and upgrade, take what the ref means now.
//
// The copy appears whole or not at all, also when two processes make it at once or one is killed. The error is a
// diagnostic that says what to do.
func Fetch(ctx context.Context, root string, s modsource.Source, pin lockfile.Pin, upgrade bool, o Options) (Fetched, error) {
	if s.Local() {
		return Fetched{}, fmt.Errorf("fetch %s: it is a folder, and nothing is fetched", s)
	}
	pinned := pin != lockfile.Pin{}
	if pinned && (!upgrade || modsource.IsCommit(s.Ref)) && right(root, s, pin) {
		return Fetched{Pin: pin}, nil
	}
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	o.Began(s)
	got, err := fetch(ctx, root, s, pin, upgrade, o)
	return got, explain(err, s, o.Timeout)
}

// right tells whether the copy is there and fits.
func right(root string, s modsource.Source, pin lockfile.Pin) bool {
	sum, err := digest(copyOf(root, s, pin))
	return err == nil && sum == pin.Digest
}

func copyOf(root string, s modsource.Source, pin lockfile.Pin) string {
	return filepath.Join(root, filepath.FromSlash(pin.Copy(s)))
}

// digest is that of a folder that is no link.
func digest(dir string) (string, error) {
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return "", errors.Join(err, fs.ErrNotExist)
	}
	return modsource.Digest(dir)
}

func fetch(ctx context.Context, root string, s modsource.Source, pin lockfile.Pin, upgrade bool, o Options) (got Fetched, err error) {
	work, err := newWork(root)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, work.close()) }()
	g := newGit(o, work.dir)
	got.Network = true
	pinned := pin != lockfile.Pin{}
	commit := pin.Commit
	if !pinned || upgrade {
		r, err := g.resolve(ctx, s)
		if err != nil {
			return got, err
		}
		commit = r.commit
	}
	same := pinned && commit == pin.Commit
	if same && right(root, s, pin) {
		got.Pin = pin
		return got, nil
	}
	if err := g.get(ctx, s, commit, same); err != nil {
		return got, err
	}
	if pinned && !upgrade {
		// The commit is here, so that this only makes the note better: it is no error if it fails.
		if r, err := g.resolve(ctx, s); err == nil {
			got.Notes = append(got.Notes, moved(s, r, commit)...)
		}
	}
	blobs, submodules, err := g.list(ctx, commit, o.Limits)
	if err != nil {
		return got, err
	}
	tree := filepath.Join(work.dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return got, err
	}
	got.Pin.Commit = commit
	if got.Pin.Digest, err = g.extract(ctx, blobs, tree); err != nil {
		return got, err
	}
	if same && got.Pin.Digest != pin.Digest {
		return got, diag.Errorf("Files are not those that are pinned", "The files of %s at commit %.12s are not those that %s pins: it has %s, and they have %s. A commit does not change, so the entry was changed, or the server lies. If somebody has changed the entry, take it from version control again; to trust what is there now:\n  dstack init --upgrade",
			s, commit, lockfile.Name, pin.Digest, got.Pin.Digest).Err()
	}
	if len(submodules) > 0 {
		got.Notes = append(got.Notes, diag.Warnf("Submodules are left out", "Submodules of %s are not fetched: %s. If a module needs one, its source can be that repository.", s.Key(), some(submodules))...)
	}
	got.Written, err = work.place(tree, copyOf(root, s, got.Pin), got.Pin.Digest)
	return got, err
}

func some(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + fmt.Sprintf(" and %d more", len(names)-5)
	}
	return strings.Join(names, ", ")
}

// work is a folder of this process below .dstack/modules. It is locked while the process lives, so that another one can
// tell it from what a killed process left.
type work struct {
	dir  string // absolute
	lock *os.File
}

// workPrefix begins the names of such folders; that of a copy has an @ in it.
const workPrefix = ".fetch-"

func newWork(root string) (*work, error) {
	parent, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(lockfile.ModulesDir)))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of modules: %w", err)
	}
	sweep(parent)
	for {
		w := &work{}
		if w.dir, err = os.MkdirTemp(parent, workPrefix); err != nil {
			return nil, fmt.Errorf("make a folder to fetch into: %w", err)
		}
		if err = w.take(); err == nil {
			return w, nil
		}
		if err = errors.Join(err, w.close()); !errors.Is(err, errSwept) {
			return nil, fmt.Errorf("make a folder to fetch into: %w", err)
		}
	}
}

// errSwept says that another process took the folder for one that was left, before it was locked.
var errSwept = errors.New("the folder was removed by another process")

// take locks the folder.
func (w *work) take() error {
	name := filepath.Join(w.dir, "lock")
	var err error
	if w.lock, err = os.Create(name); errors.Is(err, fs.ErrNotExist) {
		return errSwept
	} else if err != nil {
		return err
	}
	if err := syscall.Flock(int(w.lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return errSwept
	} else if err != nil {
		return err
	}
	return nil
}

// close removes the folder.
func (w *work) close() error {
	err := os.RemoveAll(w.dir)
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
	}
	return err
}

// sweep removes what killed processes have left: nobody holds their locks.
func sweep(parent string) {
	left, err := filepath.Glob(filepath.Join(parent, workPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			continue // it is being made or removed
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir) // the next one tries again
		}
		_ = lock.Close()
	}
}

// place moves the tree to where it belongs. What is there already stays if it is the same, else it makes room; false if
// it stayed.
func (w *work) place(tree, to, sum string) (bool, error) {
	for try := 0; ; try++ {
		err := os.Rename(tree, to)
		if err == nil {
			return true, nil
		}
		if there, derr := digest(to); derr == nil && there == sum {
			return false, nil // another process was faster
		}
		if try == 3 || !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTDIR) {
			return false, fmt.Errorf("put the module in its place: %w", err)
		}
		if err := os.Rename(to, filepath.Join(w.dir, fmt.Sprintf("old-%d", try))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("put the module in its place: %w", err)
		}
	}
}
