package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
)

// Place is a machine's file system.
type Place struct {
	// Root is put before every path but that of the login's home folder. It is empty on a machine, and a folder in tests.
	Root string
	// Program is the program that is installed: that which runs.
	Program string
}

// At is where a path of package api is.
func (p Place) At(path string) string { return filepath.Join(p.Root, path) }

// Dir is the folder of the agent that runs here.
func (p Place) Dir() string { return p.At(api.HostFolder + "/instance") }

func (p Place) envFile() string     { return p.At(api.HostFolder + "/env.json") }
func (p Place) servingFile() string { return p.At(api.HostFolder + "/serving") }

// recordVersion is the version of the record.
const recordVersion = 1

// Record reads who owns the machine; nil if nobody does.
func (p Place) Record() (*api.HostRecord, error) {
	var r api.HostRecord
	err := disk.ReadJSON(p.At(api.HostRecordFile), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read who owns this machine: %w", err)
	}
	if r.Version > recordVersion {
		return nil, api.Errorf(api.KindInvalid, "what stands in %s was written by a newer dstack; use that one", api.HostRecordFile)
	}
	return &r, nil
}

// record writes down who owns the machine.
func (p Place) record(r api.HostRecord) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = write(p.At(api.HostRecordFile), append(text, '\n'), 0o644)
	return err
}

// lock makes the folder and holds it until the file is closed, so that of two that install one waits. Nobody can lock a folder that
// was removed.
func (p Place) lock() (*os.File, error) {
	dir := p.At(api.HostFolder)
	for {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask is
			return nil, err
		}
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		held, err := f.Stat()
		if now, nerr := os.Stat(dir); err == nil && nerr == nil && os.SameFile(held, now) {
			return f, nil
		}
		f.Close()
	}
}

// owned is a conflict if a machine is another's.
func owned(r *api.HostRecord, by api.Owner) error {
	if r == nil || r.Owner.Is(by) {
		return nil
	}
	text := "it is " + r.Owner.Address
	if r.Owner.Lineage == by.Lineage {
		text += " of the same state"
	} else {
		text += " of another state (" + r.Owner.Lineage + ")"
	}
	if !r.Owner.Since.IsZero() {
		text += " since " + r.Owner.Since.UTC().Format("2006-01-02 15:04 UTC")
	}
	if r.Owner.By != "" {
		text += ", by " + r.Owner.By
	}
	return api.Errorf(api.KindConflict, "%s", text)
}

// Sum is the SHA-256 of a file.
func Sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// there tells whether something is at a path.
func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// write puts a file in its place, whole or not at all, if it is not there already.
func write(path string, text []byte, mode os.FileMode) (did bool, err error) {
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, text) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm() == mode {
			_, err := remove(path + fileNew) // of one who was cut off
			return false, err
		}
	}
	return true, replace(path, text, mode, nil)
}

// fileNew is what the name of a file ends in that is not in its place yet. It is always the same, so that the next one finds it.
const fileNew = ".dstack-new"

// replace puts a file in its place, whole and with its rights, or not at all. It belongs to the owner of the one before, if was
// says who that is.
func replace(path string, text []byte, mode os.FileMode, was os.FileInfo) error {
	fresh := path + fileNew
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask is
	}
	if was != nil && err == nil && os.Geteuid() == 0 {
		if st, ok := was.Sys().(*syscall.Stat_t); ok {
			err = f.Chown(int(st.Uid), int(st.Gid))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh)
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}

// remove removes a file, and tells whether it was there.
func remove(path string) (bool, error) {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// mountsBelow are what is mounted below a folder, so that nothing of it is removed with it.
func mountsBelow(dir string) []string {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			found = append(found, f[1])
		}
	}
	return found
}
