package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// journal is the file behind a world: a header line, then one line for each change. A change is one write, so that a
// process killed at any moment leaves either all or nothing of it, but for a last line without its end, which readers
// leave alone and the next writer cuts off. Nothing is synced: a world survives its processes, not its machine.
//
// A nil journal is that of a world in memory; all of its methods do nothing.
type journal struct {
	path string
	file *os.File
	read int64 // up to here the world has seen it; always at the end of a line
}

const journalHeader = `{"format":"dstack-fake-world","format_version":1}` + "\n"

func openJournal(path string) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open world: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open world: %w", err)
	}
	j := &journal{path: path, file: file}
	if err := j.begin(); err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

// begin writes the header of a new journal and checks that of an old one.
func (j *journal) begin() error {
	if err := j.lock(); err != nil {
		return err
	}
	defer j.unlock()
	head := make([]byte, len(journalHeader))
	n, err := j.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("open world: %w", err)
	}
	switch {
	case string(head[:n]) == journalHeader:
	case bytes.HasPrefix([]byte(journalHeader), head[:n]):
		if err := j.file.Truncate(0); err != nil {
			return fmt.Errorf("open world: %w", err)
		}
		if _, err := j.file.WriteString(journalHeader); err != nil {
			return fmt.Errorf("open world: %w", err)
		}
	default:
		return fmt.Errorf("open world: %s is not the journal of a world of the fake provider, or one of another version", j.path)
	}
	j.read = int64(len(journalHeader))
	return nil
}

// lock waits until no other process changes the world. The kernel frees it with its process.
func (j *journal) lock() error {
	if j == nil {
		return nil
	}
	for {
		err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return j.wrap("lock", err)
		}
	}
}

func (j *journal) unlock() {
	if j != nil {
		_ = syscall.Flock(int(j.file.Fd()), syscall.LOCK_UN)
	}
}

// catchUp applies what other processes have appended since the last time.
func (j *journal) catchUp(c *contents) error {
	if j == nil {
		return nil
	}
	info, err := j.file.Stat()
	if err != nil {
		return j.wrap("read", err)
	}
	if info.Size() <= j.read {
		return nil
	}
	data := make([]byte, info.Size()-j.read)
	n, err := j.file.ReadAt(data, j.read)
	if err != nil && !errors.Is(err, io.EOF) {
		return j.wrap("read", err)
	}
	for data = data[:n]; ; {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return nil
		}
		var r record
		if err := json.Unmarshal(data[:end], &r); err != nil {
			return fmt.Errorf("read world %s: the line at byte %d is damaged: %w", j.path, j.read, err)
		}
		c.apply(&r)
		j.read += int64(end) + 1
		data = data[end+1:]
	}
}

// append adds a record. The caller holds the lock and has caught up.
func (j *journal) append(r *record) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return j.wrap("write", err)
	}
	info, err := j.file.Stat()
	if err != nil {
		return j.wrap("write", err)
	}
	if info.Size() != j.read {
		if err := j.file.Truncate(j.read); err != nil {
			return j.wrap("write", err)
		}
	}
	n, err := j.file.Write(append(line, '\n'))
	if err != nil {
		// A full disk takes a part of a line; the next writer would cut it off, but there may be none.
		_ = j.file.Truncate(j.read)
		return j.wrap("write", err)
	}
	j.read += int64(n)
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

func (j *journal) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s world %s: %w", what, j.path, err)
}
