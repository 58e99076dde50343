package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// disk is the few things that the local store asks of a file system, so that a
// test can stand in for one that loses power between any two of them.
type disk interface {
	// MkdirAll makes a folder that only its owner may enter, durably.
	MkdirAll(dir string) error
	// List is the names in a folder, none if there is no folder.
	List(dir string) ([]string, error)
	// ReadFile reads a file of at most limit bytes.
	ReadFile(path string, limit int64) ([]byte, error)
	// OpenRead opens a file for reading.
	OpenRead(path string) (io.ReadCloser, error)
	// Identity changes whenever another file takes the place of the one at path.
	Identity(path string) (string, error)
	// Create makes a new file that only its owner may read.
	Create(path string) (file, error)
	// OpenAppend opens a file to append to, and makes it if it is not there.
	OpenAppend(path string) (file, error)
	Link(from, to string) error
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock opens the file at path, makes it if need be, and locks it. It is
	// errHeld if it is locked already. Closing the file frees the lock.
	Lock(path string) (lock, error)
	// Locked reports whether the file at path is locked.
	Locked(path string) (bool, error)
}

// file is a file that is written.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// lock is a file that is locked.
type lock interface {
	file
	// Check is an error if another file took the place of the locked one, so that
	// somebody else may have locked that.
	Check() error
}

var (
	errHeld   = errors.New("locked by somebody else")
	errNoLink = errors.New("the file system has no hard links")
)

// osDisk is the real thing.
type osDisk struct{}

func (osDisk) MkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrNotExist}
	}
	if err := (osDisk{}).MkdirAll(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return (osDisk{}).SyncDir(parent)
}

func (osDisk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (osDisk) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, and no state is larger than %d", path, info.Size(), limit)
	}
	// One byte more, so that the end is seen without growing the buffer. What is
	// appended meanwhile is left for the next reader.
	data := make([]byte, info.Size()+1)
	n, err := io.ReadFull(f, data)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return data[:n], nil
}

func (osDisk) OpenRead(path string) (io.ReadCloser, error) { return os.Open(path) }

func (osDisk) Identity(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return fmt.Sprint(st.Dev, " ", st.Ino, " ", info.Size(), " ", info.ModTime().UnixNano()), nil
}

func (osDisk) Create(path string) (file, error) {
	return opened(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600))
}

func (osDisk) OpenAppend(path string) (file, error) {
	return opened(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600))
}

// opened keeps a nil *os.File from becoming a file that is not nil.
func opened(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osDisk) Link(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: %w", errNoLink, err)
	}
	return err
}

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }

func (osDisk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a folder and need no such thing.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

func (osDisk) Lock(path string) (lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, unix.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
		locked := osLock{File: f}
		if locked.Check() == nil {
			return locked, nil
		}
		// The file was removed between open and lock: a lock on it means nothing.
		f.Close()
	}
}

// osLock is a file that has the kernel's lock.
type osLock struct{ *os.File }

func (l osLock) Check() error {
	ours, err := l.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.Name())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(ours, there) {
		return fmt.Errorf("the lock file %s was removed while it was locked, so that somebody else may write now", l.Name())
	}
	return nil
}

func (osDisk) Locked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock(f, unix.LOCK_SH)
	if errors.Is(err, errHeld) {
		return true, nil
	}
	return false, err
}

// flock takes the lock that the kernel frees when the file is closed, be it by
// the end of the process.
func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return errHeld
		case err != nil:
			return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
		return nil
	}
}
