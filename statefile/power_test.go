package statefile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// errPower is what every operation gives after the power went.
var errPower = errors.New("the power is gone")

// powerDisk is a file system in memory that knows what a power cut would leave:
// of each file the bytes at its last Sync, of each folder the names at its last
// SyncDir. It stops after a number of operations that change something.
type powerDisk struct {
	mu sync.Mutex
	// names are the files by path as programs see them, kept the ones that are
	// durable, folders the folders (which the store makes durable at once).
	names, kept map[string]*powerFile
	folders     map[string]bool
	// ops counts the operations that change something; the one after left fails,
	// the last that succeeds is described by last. left < 0 is no limit.
	ops, left int
	log       []string
	// cut is how much of the write that the power interrupts arrives, in eighths.
	cut int
	// fail makes one operation an error, without an end of the power.
	fail func(op string) error
}

type powerFile struct {
	inode        int
	data, synced []byte
	locked       bool
}

func newPowerDisk() *powerDisk {
	return &powerDisk{names: map[string]*powerFile{}, kept: map[string]*powerFile{}, folders: map[string]bool{}, left: -1}
}

// step counts an operation and says whether it still happens.
func (d *powerDisk) step(op string) error {
	if d.fail != nil {
		if err := d.fail(op); err != nil {
			return err
		}
	}
	if d.left >= 0 && d.ops >= d.left {
		return errPower
	}
	d.ops++
	d.log = append(d.log, op)
	return nil
}

// outcome says what of the things that were not synced a crash leaves.
type outcome int

const (
	// processKilled leaves everything: only the process is gone.
	processKilled outcome = iota
	// nothingLeft leaves only what was synced.
	nothingLeft
	// namesLeft leaves names without the bytes that were not synced.
	namesLeft
	// bytesLeft leaves bytes but of names only those that were synced.
	bytesLeft
	// halfLeft leaves half of the bytes that were appended, and all names.
	halfLeft
	// zerosLeft leaves the length of what was appended, filled with zeros, and all names.
	zerosLeft
	outcomes
)

// after is the disk as the next process finds it.
func (d *powerDisk) after(what outcome) *powerDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newPowerDisk()
	for dir := range d.folders {
		next.folders[dir] = true
	}
	names := d.names
	if what == nothingLeft || what == bytesLeft {
		names = d.kept
	}
	copies := map[*powerFile]*powerFile{}
	for path, f := range names {
		if copies[f] == nil {
			data := f.data
			if len(f.data) >= len(f.synced) && bytes.HasPrefix(f.data, f.synced) {
				more := f.data[len(f.synced):]
				switch what {
				case nothingLeft, namesLeft:
					data = f.synced
				case halfLeft:
					data = slices.Concat(f.synced, more[:len(more)/2])
				case zerosLeft:
					data = slices.Concat(f.synced, make([]byte, len(more)))
				}
			} else if what == nothingLeft || what == namesLeft {
				data = f.synced
			}
			copies[f] = &powerFile{inode: f.inode, data: bytes.Clone(data), synced: bytes.Clone(data)}
		}
		next.names[path] = copies[f]
		next.kept[path] = copies[f]
	}
	return next
}

func (d *powerDisk) MkdirAll(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.folders[dir] {
		return nil
	}
	if err := d.step("mkdir " + dir); err != nil {
		return err
	}
	for ; !d.folders[dir]; dir = filepath.Dir(dir) {
		d.folders[dir] = true
	}
	return nil
}

func (d *powerDisk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for path := range d.names {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *powerDisk) ReadFile(path string, limit int64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if int64(len(f.data)) > limit {
		return nil, errors.New("too large")
	}
	return bytes.Clone(f.data), nil
}

func (d *powerDisk) OpenRead(path string) (io.ReadCloser, error) {
	data, err := d.ReadFile(path, maxFile)
	return io.NopCloser(bytes.NewReader(data)), err
}

func (d *powerDisk) Identity(path string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	if f == nil {
		return "", &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
	}
	return strconv.Itoa(f.inode), nil
}

func (d *powerDisk) Create(path string) (file, error) { return d.open("create", path, true) }

func (d *powerDisk) OpenAppend(path string) (file, error) { return d.open("open", path, false) }

func (d *powerDisk) open(op, path string, exclusive bool) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.names[path]; f != nil && !exclusive {
		return &powerHandle{disk: d, file: f, path: path}, nil
	} else if f != nil {
		return nil, &fs.PathError{Op: op, Path: path, Err: fs.ErrExist}
	}
	if err := d.step(op + " " + path); err != nil {
		return nil, err
	}
	f := &powerFile{inode: d.ops}
	d.names[path] = f
	return &powerHandle{disk: d, file: f, path: path}, nil
}

func (d *powerDisk) Link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[to] != nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	if d.names[from] == nil {
		return &fs.PathError{Op: "link", Path: from, Err: fs.ErrNotExist}
	}
	if err := d.step("link " + to); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	return nil
}

func (d *powerDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[from] == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if err := d.step("rename " + to); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *powerDisk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[path] == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	if err := d.step("remove " + path); err != nil {
		return err
	}
	delete(d.names, path)
	return nil
}

func (d *powerDisk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("sync folder " + dir); err != nil {
		return err
	}
	for path := range d.kept {
		if filepath.Dir(path) == dir && d.names[path] == nil {
			delete(d.kept, path)
		}
	}
	for path, f := range d.names {
		if filepath.Dir(path) == dir {
			d.kept[path] = f
		}
	}
	return nil
}

func (d *powerDisk) Lock(path string) (lock, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	if f == nil {
		f = &powerFile{inode: -1}
		d.names[path] = f
	}
	if f.locked {
		return nil, errHeld
	}
	f.locked = true
	return &powerHandle{disk: d, file: f, path: path, locks: true}, nil
}

func (d *powerDisk) Locked(path string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	return f != nil && f.locked, nil
}

type powerHandle struct {
	disk  *powerDisk
	file  *powerFile
	path  string
	locks bool
}

func (h *powerHandle) Write(p []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.locks {
		h.file.data = append(h.file.data, p...)
		return len(p), nil
	}
	if err := h.disk.step("write " + h.path); err != nil {
		n := len(p) * h.disk.cut / 8
		h.file.data = append(h.file.data, p[:n]...)
		return n, err
	}
	h.file.data = append(h.file.data, p...)
	return len(p), nil
}

func (h *powerHandle) Truncate(size int64) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if int64(len(h.file.data)) == size {
		return nil
	}
	if !h.locks {
		if err := h.disk.step("truncate " + h.path); err != nil {
			return err
		}
	}
	if int64(len(h.file.data)) < size {
		return errors.New("a file is never made longer")
	}
	h.file.data = h.file.data[:size:size]
	return nil
}

func (h *powerHandle) Sync() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.disk.step("sync " + h.path); err != nil {
		return err
	}
	h.file.synced = bytes.Clone(h.file.data)
	return nil
}

func (h *powerHandle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.locks {
		h.file.locked = false
	}
	return nil
}

func (h *powerHandle) Check() error { return nil }

// onDisk is a store on a disk of the test's.
func onDisk(d disk) *Local {
	store := NewLocal("/state", LocalOptions{Version: "0.1.0", Keep: 3, Now: func() time.Time { return testTime }})
	store.disk = d
	return store
}
