package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Store is a folder that holds bytes under their digests.
type Store string

// ErrChanged is wrapped by the error of Stage when a file is not what the manifest says.
var ErrChanged = errors.New("it has changed")

// Path is where a store keeps the bytes of a digest. It panics on what is no digest, which could lead anywhere.
func (s Store) Path(digest string) string {
	if !IsDigest(digest) {
		panic("content: no digest: " + digest)
	}
	return filepath.Join(string(s), strings.TrimPrefix(digest, digestPrefix))
}

// Manifest reads the manifest of a content that the store has.
func (s Store) Manifest(digest string) (*Manifest, error) {
	if !IsDigest(digest) {
		return nil, fmt.Errorf("%w: %q is no digest", ErrManifest, digest)
	}
	data, err := os.ReadFile(s.Path(digest))
	if err != nil {
		return nil, fmt.Errorf("read the list of a content: %w", err)
	}
	if Digest(data) != digest {
		return nil, fmt.Errorf("%w: it is not that of %s", ErrManifest, digest)
	}
	return DecodeManifest(data)
}

// Has tells whether the store has a content with all that is in it.
func (s Store) Has(digest string) bool {
	m, err := s.Manifest(digest)
	if err != nil {
		return false
	}
	for _, b := range m.Blobs() {
		if !exists(s.Path(b.Digest)) {
			return false
		}
	}
	return true
}

// Stage copies the files of a manifest from where they are into the store, and the manifest itself. Every copy is compared
// with its digest; one that differs is an error that wraps ErrChanged and names the path.
func (s Store) Stage(ctx context.Context, m *Manifest, file func(path string) string) error {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	for _, e := range m.Entries {
		if !e.IsFile() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.add(e, file(e.Path)); err != nil {
			return &PathError{e.Path, err}
		}
	}
	data := m.Encode()
	return s.Put(Digest(data), data)
}

// FilesOf is where the files of a scanned folder are.
func FilesOf(dir string) func(string) string {
	return func(p string) string { return filepath.Join(dir, filepath.FromSlash(p)) }
}

// TheFile is where the file of ScanFile is.
func TheFile(name string) func(string) string { return func(string) string { return name } }

func (s Store) add(e Entry, from string) error {
	if exists(s.Path(e.Digest)) {
		return nil
	}
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it is gone", ErrChanged)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	return s.keep(e.Digest, in)
}

// keep copies bytes into the store. Those of another digest are ErrChanged.
func (s Store) keep(digest string, in io.Reader) error {
	tmp, err := os.CreateTemp(string(s), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(tmp, h), in)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if digestOf(h.Sum(nil)) != digest {
		return ErrChanged
	}
	return os.Rename(tmp.Name(), s.Path(digest))
}

// Put keeps bytes that are in memory. They must be those of the digest.
func (s Store) Put(digest string, data []byte) error {
	if Digest(data) != digest {
		return fmt.Errorf("%d bytes are not those of %s", len(data), digest)
	}
	if exists(s.Path(digest)) {
		return nil
	}
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	return s.keep(digest, bytes.NewReader(data))
}
