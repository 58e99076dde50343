package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/providers"
)

// cache keeps what is known of programs, in one file each. Every failure of it means only that something is asked again:
// a cache that cannot be read or written must not stop anybody.
type cache struct {
	dir string // "": keeps nothing
}

// settled is the age at which a file's modification time is trusted to tell its versions apart.
const settled = 2 * time.Second

// stamp is what a file looked like when its checksum was taken.
type stamp struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Inode    uint64    `json:"inode"`
	SHA256   string    `json:"sha256"`
}

// sum returns the checksum of a program that belongs to dstack, from the cache while the file looks the same: hashing
// takes longer than starting. It decides which description is read and nothing about what may run.
func (c cache) sum(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	now := stamp{Path: path, Size: info.Size(), Modified: info.ModTime().UTC()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		now.Inode = sys.Ino
	}
	key := sha256.Sum256([]byte(path))
	file := "path-" + hex.EncodeToString(key[:16]) + ".json"
	var known stamp
	if c.read(file, &known) {
		now.SHA256 = known.SHA256
		if now == known && len(known.SHA256) == sha256.Size*2 {
			return known.SHA256, nil
		}
	}
	if now.SHA256, err = sumFile(path); err != nil {
		return "", err
	}
	if time.Since(now.Modified) > settled {
		c.write(file, now)
	}
	return now.SHA256, nil
}

// description returns what the program of that checksum said about itself.
func (c cache) description(sum string) (providers.Description, bool) {
	var d providers.Description
	ok := c.read(sum+".json", &d)
	return d, ok
}

func (c cache) keep(sum string, d providers.Description) { c.write(sum+".json", d) }

func (c cache) read(file string, into any) bool {
	if c.dir == "" {
		return false
	}
	data, err := os.ReadFile(filepath.Join(c.dir, file))
	return err == nil && json.Unmarshal(data, into) == nil
}

// write replaces the file in one step, so that no other dstack reads half of it.
func (c cache) write(file string, v any) {
	if c.dir == "" {
		return
	}
	data, err := json.Marshal(v)
	if err != nil || os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(c.dir, file+".*")
	if err != nil {
		return
	}
	_, err = tmp.Write(data)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(c.dir, file))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
}
