package content

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

// ScanPaths lists some paths of a folder, as what is put over another folder: those that are gone are Absent. What .dstackignore
// names stays out. A limit of 0 is none; errors are those of Scan.
func ScanPaths(ctx context.Context, dir string, paths []string, limit int64) (*Scanned, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &scanner{ctx: ctx, root: abs, limit: limit}
	around := map[string]rules{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(paths))) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !utf8.ValidString(name) {
			return nil, &PathError{name, errNotUTF8}
		}
		left, err := s.named(name, around)
		if err != nil {
			return nil, err
		}
		if left {
			continue
		}
		if err := s.path(name); errors.Is(err, errEnough) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if s.over {
		return nil, s.tooLarge()
	}
	if err := s.hash(); err != nil {
		return nil, err
	}
	return &Scanned{Manifest: newManifest(s.entries), LeftOut: s.leftOut}, nil
}

// named tells whether .dstackignore names a path or a folder that it is in. around keeps the rules of folders.
func (s *scanner) named(name string, around map[string]rules) (bool, error) {
	var r rules
	dir := ""
	parts := strings.Split(name, "/")
	for i := range parts {
		at := strings.Join(parts[:i], "/")
		known, ok := around[at]
		if !ok {
			text, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(at), dstackIgnore))
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
				return false, s.about(at, err)
			}
			known = rules{dstack: append(slices.Clip(r.dstack), parsePatterns(at, string(text))...)}
			around[at] = known
		}
		r = known
		dir = path.Join(dir, parts[i])
		if r.leaves(dir, i < len(parts)-1) {
			return true, nil
		}
	}
	return false, nil
}

// path adds what is at a path now. What is below a link, or where a folder is, is gone.
func (s *scanner) path(name string) error {
	full := s.root
	var info fs.FileInfo
	for part := range strings.SplitSeq(name, "/") {
		if info != nil && !info.IsDir() {
			return s.add(Entry{Path: name, Type: Absent})
		}
		full = filepath.Join(full, part)
		var err error
		if info, err = os.Lstat(full); errors.Is(err, fs.ErrNotExist) {
			return s.add(Entry{Path: name, Type: Absent})
		} else if err != nil {
			return s.about(name, err)
		}
	}
	if info.IsDir() {
		return s.add(Entry{Path: name, Type: Absent})
	}
	return s.found(name, info)
}
