package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// largestFile is the size in bytes above which a file is no configuration.
const largestFile = 16 << 20

// ErrOther is returned for a file whose name is none of those that are laid out.
var ErrOther = errors.New("only *.dstack.hcl and *.dstackvars files are laid out")

// ErrChanged is returned by Replace when somebody else has written the file since it was read.
var ErrChanged = errors.New("somebody else has changed it meanwhile")

// Find lists the files at a path: the path itself, or those in the folder that it is, in order of their names. With
// below those in the folders below it are listed too. What begins with a dot is left out, as it is when a
// configuration is read; so are folders that are reached by links.
func Find(path string, below bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !Formats(path) {
			return nil, &fs.PathError{Op: "format", Path: path, Err: ErrOther}
		}
		return []string{path}, nil
	}
	var out []string
	err = filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if at != path && (!below || hidden) {
				return fs.SkipDir
			}
			return nil
		case hidden || !Formats(at):
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			if to, err := os.Stat(at); err != nil || !to.Mode().IsRegular() {
				return nil
			}
		case !d.Type().IsRegular():
			return nil
		}
		out = append(out, at)
		return nil
	})
	return out, err
}

// Read reads a file, unless it is too large to be a configuration.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > largestFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has %d MB, and at most %d MB are read", info.Size()>>20, largestFile>>20)}
	}
	return os.ReadFile(path)
}

// Replace writes the text of a file that had another one when it was read: whole or not at all. A link stays a link,
// and the file keeps its mode and its owner.
func Replace(path string, was, text []byte) (err error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	probe, err := os.OpenFile(real, os.O_WRONLY, 0) // a folder that may be written does not make a file one's own
	if err != nil {
		return err
	}
	if err := probe.Close(); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(real), "."+filepath.Base(real)+".tmp-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, own(f, info), f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return err
	}
	now, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, was) {
		return &fs.PathError{Op: "write", Path: path, Err: ErrChanged}
	}
	return os.Rename(f.Name(), real)
}

// own gives a new file the owner of an old one, where that is somebody else.
func own(f *os.File, old fs.FileInfo) error {
	fresh, err := f.Stat()
	if err != nil {
		return err
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	is, known := fresh.Sys().(*syscall.Stat_t)
	if !ok || !known || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
