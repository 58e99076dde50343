package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// program is a provider's program that may run.
type program struct {
	path string // where it was found
	run  string // what is executed: path, or a sealed copy
	sum  string // SHA-256 in hex

	release func() error // of the copy
}

// admit finds a program and makes sure that it may run. What belongs to dstack runs where it is; anything else is copied
// first, and it is the copy whose checksum is verified and which runs, so that nothing can change in between.
func (l *Launcher) admit(name string) (*program, error) {
	path, ours, err := l.find(name)
	if err != nil {
		return nil, err
	}
	if ours {
		sum, err := l.cache.sum(path)
		if err != nil {
			return nil, fmt.Errorf("read provider %q: %w", name, err)
		}
		return &program{path: path, run: path, sum: sum, release: func() error { return nil }}, nil
	}
	p, err := seal(path)
	if err != nil {
		return nil, fmt.Errorf("copy provider %q: %w", name, err)
	}
	if err := l.verify(name, p); err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}

func (l *Launcher) verify(name string, p *program) error {
	if l.options.Verify == nil {
		return &UnpinnedError{Name: name, Path: p.path, SHA256: p.sum}
	}
	return l.options.Verify(p.path, p.sum)
}

// sumFile returns the SHA-256 of a file.
func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sealInFolder copies a program into a folder that only this user can enter.
func sealInFolder(path string) (*program, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	dir, err := os.MkdirTemp("", "dstack-provider-")
	if err != nil {
		return nil, err
	}
	p := &program{path: path, run: filepath.Join(dir, filepath.Base(path)), release: func() error { return os.RemoveAll(dir) }}
	err = func() error {
		dst, err := os.OpenFile(p.run, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o500)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(io.MultiWriter(dst, h), src)
		p.sum = hex.EncodeToString(h.Sum(nil))
		return errors.Join(err, dst.Close())
	}()
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}
