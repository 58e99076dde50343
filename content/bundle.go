package content

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Pack writes everything in the store as one stream, which is the same for the same content.
func (s Store) Pack(ctx context.Context, to io.Writer) error {
	list, err := os.ReadDir(string(s)) // in the order of their names
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	z := gzip.NewWriter(to)
	t := tar.NewWriter(z)
	for _, item := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !IsDigest(digestPrefix + item.Name()) {
			continue
		}
		if err := packOne(t, filepath.Join(string(s), item.Name()), item.Name()); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func packOne(t *tar.Writer, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// ErrBundle is wrapped by the error of a stream that Pack has not written, or not like this.
var ErrBundle = errors.New("this is not what was packed")

// Unpack keeps what Pack has written, each part only if it is what its digest says.
func (s Store) Unpack(ctx context.Context, from io.Reader) error {
	z, err := gzip.NewReader(from)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBundle, err)
	}
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBundle, err)
		}
		digest := digestPrefix + h.Name
		if !IsDigest(digest) || strings.ContainsRune(h.Name, '/') || h.Typeflag != tar.TypeReg {
			return fmt.Errorf("%w: %q is no digest", ErrBundle, h.Name)
		}
		if err := s.keep(digest, t); err != nil {
			if errors.Is(err, ErrChanged) || errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("%w: %s has other bytes", ErrBundle, digest)
			}
			return err
		}
	}
}
