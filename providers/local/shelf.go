package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

const (
	tagsFile = "tags.json"
	// trashPrefix begins the names of folders that are being removed.
	trashPrefix = ".removed-"
)

// tags say what a folder is and for whom it was made.
type tags struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Lineage string `json:"lineage"`
	Address string `json:"address"`
	Key     string `json:"idempotency_key"`
	// Ready is set when the object is whole.
	Ready bool      `json:"ready"`
	Made  time.Time `json:"made_at"`
	// Value is the object's value when it was made or last changed, without secrets.
	Value json.RawMessage `json:"value"`
}

const tagsVersion = 1

func (t *tags) format() int { return t.Version }

// idOf is the id of what is made under a key.
func idOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:6])
}

// isID tells whether a recorded id can be one of ours: it becomes part of a path.
func isID(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == 6
}

// shelf holds the folders of one kind.
type shelf[T any] struct {
	root string
	kind string
	kept func(T) T // what may be written down of a value; nil: all of it
}

func (s shelf[T]) path() string { return filepath.Join(s.root, s.kind+"s") }

// dir is the folder of an object.
func (s shelf[T]) dir(id string) string { return filepath.Join(s.path(), id) }

// held is a folder that is locked.
type held struct {
	dir  string
	file *os.File
}

func (h *held) release() { h.file.Close() }

// hold locks the folder of an object. It is an fs.ErrNotExist if there is none.
func (s shelf[T]) hold(ctx context.Context, id string) (*held, error) {
	dir := s.dir(id)
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			f.Close()
			return nil, providers.Errorf(providers.Transient, "%s %s is being changed by another call: %w", s.kind, id, ctx.Err())
		}
	}
	// Whoever held it before may have moved it away.
	mine, err := f.Stat()
	if err == nil {
		var now fs.FileInfo
		if now, err = os.Stat(dir); err == nil && !os.SameFile(mine, now) {
			err = fmt.Errorf("lock %s: %w", dir, fs.ErrNotExist)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &held{dir, f}, nil
}

// make makes and locks the folder for an operation, with its tags, or finds it there.
func (s shelf[T]) make(ctx context.Context, op providers.Op[T], value T, ready bool) (*held, tags, error) {
	id := idOf(op.Key)
	for {
		if err := ctx.Err(); err != nil {
			return nil, tags{}, err
		}
		err := os.Mkdir(s.dir(id), 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.MkdirAll(s.path(), 0o700); err == nil {
				continue
			}
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, tags{}, err
		}
		h, err := s.hold(ctx, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted in between
		}
		if err != nil {
			return nil, tags{}, err
		}
		t, err := s.tagged(id)
		switch {
		case err == nil && t.Key != op.Key:
			h.release()
			return nil, tags{}, providers.Errorf(providers.Conflict, "%s %s was made under another key", s.kind, id)
		case err == nil:
			return h, t, nil
		case errors.Is(err, errNewer):
			h.release()
			return nil, tags{}, err
		}
		// Not there or damaged: its maker was cut off before it was anything.
		t = tags{Version: tagsVersion, Kind: s.kind, ID: id, Lineage: op.Lineage, Address: op.Address, Key: op.Key, Ready: ready, Made: time.Now().UTC()}
		if err := s.write(t, value); err != nil {
			h.release()
			return nil, tags{}, err
		}
		return h, t, nil
	}
}

// errNewer is wrapped by errors about folders that a newer version made.
var errNewer = errors.New("it was made by a newer version of dstack; use that one")

// tagged reads the tags of an object. It is an fs.ErrNotExist if there is none.
func (s shelf[T]) tagged(id string) (tags, error) {
	var t tags
	path := filepath.Join(s.dir(id), tagsFile)
	if err := readTags(path, &t); err != nil {
		return t, err
	}
	if t.ID != id || t.Kind != s.kind || t.Key == "" {
		return t, fmt.Errorf("read %s: it is of the %s %q", path, t.Kind, t.ID)
	}
	return t, nil
}

// readTags reads tags, or what begins with tags, from a file.
func readTags(path string, into interface{ format() int }) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if f := into.format(); f > tagsVersion {
		return fmt.Errorf("read %s: it is of format %d: %w", path, f, errNewer)
	}
	return nil
}

// write puts the tags into the folder, whole or not at all. They survive the death of this process and not, for the sake of
// speed, that of the machine right after.
func (s shelf[T]) write(t tags, value T) error {
	if s.kept != nil {
		value = s.kept(value)
	}
	data, err := schema.MarshalValue(schema.Encode(value))
	if err != nil {
		return fmt.Errorf("write tags of %s %s: %w", s.kind, t.ID, err)
	}
	t.Value = data
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write tags of %s %s: %w", s.kind, t.ID, err)
	}
	return place(filepath.Join(s.dir(t.ID), tagsFile), append(text, '\n'))
}

// change gives an object another value, unless refuse says why that cannot be; nil refuses nothing.
func (s shelf[T]) change(ctx context.Context, id string, value T, refuse func(was T) error) error {
	h, err := s.hold(ctx, id)
	if isGone(err) {
		return gone(s.kind, id)
	}
	if err != nil {
		return failed(err)
	}
	defer h.release()
	t, err := s.tagged(id)
	if err != nil {
		return failed(err)
	}
	if refuse != nil {
		was, err := s.value(t)
		if err != nil {
			return failed(err)
		}
		if err := refuse(was); err != nil {
			return err
		}
	}
	return failed(s.write(t, value))
}

// delete removes an object with its folder, which is held while end ends what uses it or says why that cannot be. Deleting what
// is gone succeeds.
func (s shelf[T]) delete(ctx context.Context, prior providers.Object[T], end func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := known(prior); err != nil {
		return err
	}
	h, err := s.hold(ctx, prior.ID)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return failed(err)
	}
	defer h.release()
	if err := end(); err != nil {
		return err
	}
	return failed(s.discard(h))
}

// place puts a file where it belongs by renaming it.
func place(path string, data []byte) error {
	// Writers hold the folder's lock, so the name is free or left over.
	next := path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// value is what the tags keep of the object.
func (s shelf[T]) value(t tags) (T, error) {
	var out T
	v, err := schema.UnmarshalValue(schema.Of[T](), t.Value)
	if err == nil {
		out, err = schema.Decode[T](v)
	}
	if err != nil {
		return out, fmt.Errorf("read tags of %s %s: %w", s.kind, t.ID, err)
	}
	return out, nil
}

// ids lists the folders that are there.
func (s shelf[T]) ids() ([]string, error) {
	entries, err := os.ReadDir(s.path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if isID(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// find looks for what was made under keys. whole says whether an object needs nothing more than to be ready.
func (s shelf[T]) find(ctx context.Context, keys []string, whole func(tags) bool) ([]providers.Found[T], error) {
	var out []providers.Found[T]
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := s.tagged(idOf(key))
		if err != nil {
			if errors.Is(err, errNewer) {
				return nil, err
			}
			if err := s.clear(ctx, idOf(key)); err != nil {
				return nil, err
			}
			continue
		}
		if t.Key != key {
			continue
		}
		f, err := s.found(t, whole)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// clear removes a folder whose maker was cut off before it had tags.
func (s shelf[T]) clear(ctx context.Context, id string) error {
	h, err := s.hold(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.release()
	if _, err := s.tagged(id); err == nil {
		return nil // written while we waited
	}
	return s.discard(h)
}

// list is everything of a lineage, in the order of ids.
func (s shelf[T]) list(ctx context.Context, lineage string, whole func(tags) bool) ([]providers.Found[T], error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var out []providers.Found[T]
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := s.tagged(id)
		if errors.Is(err, errNewer) {
			return nil, err
		}
		if err != nil || t.Lineage != lineage {
			continue
		}
		f, err := s.found(t, whole)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (s shelf[T]) found(t tags, whole func(tags) bool) (providers.Found[T], error) {
	v, err := s.value(t)
	if err != nil {
		return providers.Found[T]{}, err
	}
	ok := t.Ready && whole(t)
	return providers.Found[T]{Key: t.Key, Address: t.Address, Object: object(t.ID, v, private{}, !ok), Complete: ok}, nil
}

// discard removes a folder that is held. It is gone at once, however long the rest takes.
func (s shelf[T]) discard(h *held) error {
	to := filepath.Join(s.path(), trashPrefix+filepath.Base(h.dir)+"-"+rand.Text())
	if err := os.Rename(h.dir, to); err != nil {
		if isGone(err) {
			return nil // removed from outside
		}
		return err
	}
	return remove(to)
}

// sweep removes what was moved away and not removed, because somebody was cut off.
func (s shelf[T]) sweep() error {
	f, err := os.Open(s.path())
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, trashPrefix) {
			if err := remove(filepath.Join(s.path(), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove removes a tree, also where jobs have left folders in it that cannot be written to.
func remove(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700) // what it does not help is said below
		}
		return nil
	})
	return os.RemoveAll(path)
}
