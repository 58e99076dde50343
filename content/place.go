package content

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// Owner is whom placed files belong to; nil leaves them to whoever places them.
type Owner struct{ UID, GID int }

// Place makes the files of a content in a folder, which is made when it is missing. What is there already and stands in
// the way is replaced, folders excepted; what is absent in the content is removed first. Nothing is written outside of the folder, whatever links lead there.
func (s Store) Place(ctx context.Context, m *Manifest, dir string, owner *Owner) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	p := placer{store: s, root: root, owner: owner, made: map[string]bool{".": true}}
	for _, e := range m.Entries {
		if e.Type == Absent {
			p.remove(e.Path)
		}
	}
	for _, e := range m.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.Type == Absent {
			continue
		}
		if err := p.entry(e); err != nil {
			return &PathError{e.Path, err}
		}
	}
	return nil
}

type placer struct {
	store Store
	root  *os.Root
	owner *Owner
	made  map[string]bool // folders
}

// remove takes something away, and the folders that are empty then. What stays because it cannot be removed is in the way of
// what is placed there, which says so.
func (p *placer) remove(name string) {
	for ; name != "."; name = path.Dir(name) {
		if err := p.root.Remove(filepath.FromSlash(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return
		}
	}
}

func (p *placer) entry(e Entry) error {
	if e.Type == Folder {
		return p.folder(e.Path)
	}
	if err := p.folder(path.Dir(e.Path)); err != nil {
		return err
	}
	name := filepath.FromSlash(e.Path)
	if err := p.root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if e.Type == Link {
		if err := p.root.Symlink(e.Target, name); err != nil {
			return err
		}
		return p.own(name)
	}
	return p.file(e, name)
}

// folder makes a folder and those above it.
func (p *placer) folder(dir string) error {
	if p.made[dir] {
		return nil
	}
	if err := p.folder(path.Dir(dir)); err != nil {
		return err
	}
	p.made[dir] = true
	err := p.root.Mkdir(filepath.FromSlash(dir), 0o755)
	if errors.Is(err, os.ErrExist) {
		info, serr := p.root.Lstat(filepath.FromSlash(dir))
		if serr == nil && !info.IsDir() {
			return fmt.Errorf("%q is there and is no folder", dir)
		}
		return serr
	}
	if err == nil {
		err = p.root.Chmod(filepath.FromSlash(dir), 0o755)
	}
	if err != nil {
		return err
	}
	return p.own(filepath.FromSlash(dir))
}

func (p *placer) file(e Entry, name string) error {
	mode := os.FileMode(0o644)
	if e.Type == Program {
		mode = 0o755
	}
	in, err := os.Open(p.store.Path(e.Digest))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := p.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	if err == nil {
		err = out.Chmod(mode) // whatever the umask says
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if digestOf(h.Sum(nil)) != e.Digest {
		return errors.New("what is kept of it is damaged")
	}
	return p.own(name)
}

func (p *placer) own(name string) error {
	if p.owner == nil {
		return nil
	}
	return p.root.Lchown(name, p.owner.UID, p.owner.GID)
}
