package content

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// DefaultLimit is how many bytes a content may have unless somebody allows more.
const DefaultLimit = 100 << 20

// maxEntries is how many paths a content may have.
const maxEntries = 100_000

// lookOn is how many more paths are looked at once a folder is known to be too large, so that what is named as its largest
// files is worth naming, and the end of a huge folder is not waited for.
const lookOn = 20_000

// named is how many of the largest files an error names.
const named = 5

// Scanned is what Scan saw.
type Scanned struct {
	*Manifest
	// LeftOut are paths that are neither files, links nor folders, such as sockets: they cannot travel.
	LeftOut []string
}

// TooLargeError says that a content is above the limit.
type TooLargeError struct {
	Limit   int64
	Bytes   int64   // that were found
	Entries int     // paths that were found
	Whole   bool    // everything was looked at; else there is more
	Largest []Entry // the largest files that were found, the largest first
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%d bytes in %d paths are above the limit of %d bytes", e.Bytes, e.Entries, e.Limit)
}

// PathError says what is wrong with one path of a folder.
type PathError struct {
	Path string // from the folder
	Err  error
}

func (e *PathError) Error() string { return fmt.Sprintf("%q: %v", e.Path, e.Err) }
func (e *PathError) Unwrap() error { return e.Err }

// errNotUTF8 is that of a name that no text can hold.
var errNotUTF8 = errors.New("its name is not UTF-8 text")

// Scan lists what a folder holds, but for .git and what .gitignore, .git/info/exclude and .dstackignore leave out. A limit of
// 0 is none. Errors about one path are *PathError; a folder above the limit is a *TooLargeError, and nothing of it is read.
func Scan(ctx context.Context, dir string, limit int64) (*Scanned, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "read folder", Path: dir, Err: errors.New("it is no folder")}
	}
	rules, from, err := rulesAround(abs)
	if err != nil {
		return nil, err
	}
	s := &scanner{ctx: ctx, root: abs, limit: limit}
	if _, err := s.folder("", from, rules); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if s.over {
		return nil, s.tooLarge()
	}
	if err := s.hash(); err != nil {
		return nil, err
	}
	return &Scanned{Manifest: newManifest(s.entries), LeftOut: s.leftOut}, nil
}

// ScanFile lists a single file, under its name.
func ScanFile(name string, limit int64) (*Manifest, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it is no file")}
	}
	e := Entry{Path: "file", Type: typeOf(info), Size: info.Size()}
	if limit > 0 && e.Size > limit {
		return nil, &TooLargeError{Limit: limit, Bytes: e.Size, Entries: 1, Whole: true, Largest: []Entry{e}}
	}
	if e.Digest, e.Size, err = hashFile(name); err != nil {
		return nil, err
	}
	return newManifest([]Entry{e}), nil
}

type scanner struct {
	ctx     context.Context
	root    string
	limit   int64
	entries []Entry
	leftOut []string
	bytes   int64
	over    bool
	more    int // paths that were looked at since it is over
}

// errEnough ends the walk of a folder that is too large anyway.
var errEnough = errors.New("enough was seen")

// folder adds what is in a folder, and tells whether anything is, be it left out.
func (s *scanner) folder(rel, from string, r rules) (some bool, err error) {
	if err := s.ctx.Err(); err != nil {
		return false, err
	}
	dir := filepath.Join(s.root, filepath.FromSlash(rel))
	r, err = r.with(dir, path.Join(from, rel))
	if err != nil {
		return false, s.about(rel, err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return false, s.about(rel, err)
	}
	for _, item := range list {
		name := path.Join(rel, item.Name())
		if item.Name() == ".git" || r.leaves(path.Join(from, name), item.IsDir()) {
			continue
		}
		if !utf8.ValidString(item.Name()) {
			return true, &PathError{name, errNotUTF8}
		}
		if err := s.item(name, from, item, r); err != nil {
			return true, err
		}
	}
	return len(list) > 0, nil
}

func (s *scanner) item(name, from string, item fs.DirEntry, r rules) error {
	if item.IsDir() {
		some, err := s.folder(name, from, r)
		if err == nil && !some {
			err = s.add(Entry{Path: name, Type: Folder})
		}
		return err
	}
	info, err := item.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went while the folder was read
	}
	if err != nil {
		return s.about(name, err)
	}
	return s.found(name, info)
}

// found adds a file or link.
func (s *scanner) found(name string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return s.add(Entry{Path: name, Type: typeOf(info), Size: info.Size()})
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(filepath.Join(s.root, filepath.FromSlash(name)))
		if err != nil {
			return s.about(name, err)
		}
		if !utf8.ValidString(target) {
			return &PathError{name, errors.New("it leads to a name that is not UTF-8 text")}
		}
		return s.add(Entry{Path: name, Type: Link, Target: filepath.ToSlash(target)})
	default:
		s.leftOut = append(s.leftOut, name)
		return nil
	}
}

func typeOf(info fs.FileInfo) Type {
	if info.Mode().Perm()&0o111 != 0 {
		return Program
	}
	return File
}

func (s *scanner) add(e Entry) error {
	s.entries = append(s.entries, e)
	s.bytes += e.Size
	if s.over {
		if s.more++; s.more > lookOn {
			return errEnough
		}
	}
	s.over = s.over || s.limit > 0 && s.bytes > s.limit || len(s.entries) > maxEntries
	return nil
}

func (s *scanner) about(name string, err error) error {
	if name == "" {
		name = "."
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // the path of this machine is of nobody's interest
	}
	return &PathError{name, err}
}

func (s *scanner) tooLarge() error {
	e := &TooLargeError{Limit: s.limit, Bytes: s.bytes, Entries: len(s.entries), Whole: s.more <= lookOn}
	e.Largest = largestOf(s.entries)
	return e
}

// largestOf are a few entries that are larger than all others, the largest first.
func largestOf(entries []Entry) []Entry {
	out := slices.SortedStableFunc(slices.Values(entries), func(a, b Entry) int { return cmp.Compare(b.Size, a.Size) })
	return slices.Clip(out[:min(named, len(out))])
}

// hash fills in the digests of all files.
func (s *scanner) hash() error {
	group, ctx := errgroup.WithContext(s.ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range s.entries {
		e := &s.entries[i]
		if !e.IsFile() {
			continue
		}
		group.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			e.Digest, e.Size, err = hashFile(filepath.Join(s.root, filepath.FromSlash(e.Path)))
			if err != nil {
				return s.about(e.Path, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func hashFile(name string) (digest string, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return digestOf(h.Sum(nil)), size, err
}
