package statefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
)

// Keep writes a file below runs/.
func (l *Local) Keep(ctx context.Context, name string, content io.Reader) error {
	target, err := l.archivePath(name)
	if err != nil {
		return err
	}
	if _, err := l.disk.Identity(target); err == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	dir := filepath.Dir(target)
	if err := l.disk.MkdirAll(dir); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	temp, err := l.writeNew(dir, "."+path.Base(name), func(w io.Writer) error {
		_, err := io.Copy(w, content)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	err = l.disk.Link(temp, target)
	switch {
	case errors.Is(err, errNoLink):
		err = l.disk.Rename(temp, target)
	case errors.Is(err, fs.ErrExist):
		err = l.disk.Remove(temp)
	case err == nil:
		err = l.disk.Remove(temp)
	}
	if err == nil {
		err = l.disk.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// Kept opens a file below runs/.
func (l *Local) Kept(_ context.Context, name string) (io.ReadCloser, error) {
	target, err := l.archivePath(name)
	if err != nil {
		return nil, err
	}
	return l.disk.OpenRead(target)
}

func (l *Local) archivePath(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." {
		return "", fmt.Errorf("keep %q: the name is not a path of slash separated parts", name)
	}
	return l.path(runsDir, filepath.FromSlash(name)), nil
}
