package modsource

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Digest says what a folder holds: "sha256:" and 64 hexadecimal digits. It depends on the paths, the contents, on
// whether a file can be executed, and on where links point; neither on times nor on owners nor on empty folders. It is
// the SHA-256 of one line for each file in order of paths, ended by a zero byte:
//
//	file|exec|link SHA-256-OF-THE-CONTENT PATH
//
// What is neither file nor folder nor link is an error.
func Digest(dir string) (string, error) {
	d := &TreeDigest{}
	buf := make([]byte, 64<<10)
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch e.Type() {
		case fs.ModeDir:
			return nil
		case fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return d.Add(Link, rel, strings.NewReader(filepath.ToSlash(target)), buf)
		case 0:
			return d.addFile(p, rel, buf)
		}
		return fmt.Errorf("%s is neither file nor folder nor link", rel)
	})
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", dir, err)
	}
	return d.Sum(), nil
}

// Kind is what a file of a tree is.
type Kind string

// Kinds of files.
const (
	File       Kind = "file"
	Executable Kind = "exec"
	Link       Kind = "link"
)

// TreeDigest is a Digest in the making. Files can be added in any order.
type TreeDigest struct {
	entries []entry
	hash    hash.Hash
}

type entry struct {
	path string
	kind Kind
	sum  [sha256.Size]byte
}

// Add takes in one file: its path with slashes, and its content, which is the target for a link. The buffer is what
// the content passes through.
func (d *TreeDigest) Add(kind Kind, path string, content io.Reader, buf []byte) error {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.hash.Reset()
	if _, err := io.CopyBuffer(d.hash, onlyReader{content}, buf); err != nil {
		return err
	}
	e := entry{path: path, kind: kind}
	d.hash.Sum(e.sum[:0])
	d.entries = append(d.entries, e)
	return nil
}

// onlyReader hides that a reader could write itself, which would allocate a buffer for each file.
type onlyReader struct{ io.Reader }

func (d *TreeDigest) addFile(full, rel string, buf []byte) error {
	f, err := os.Open(full)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s changed while it was read", rel)
	}
	kind := File
	if info.Mode()&0o100 != 0 {
		kind = Executable
	}
	return d.Add(kind, rel, f, buf)
}

// Sum is the digest of what was added.
func (d *TreeDigest) Sum() string {
	slices.SortFunc(d.entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	h := sha256.New()
	for _, e := range d.entries {
		fmt.Fprintf(h, "%s %x %s\x00", e.kind, e.sum, e.path)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

var (
	commitForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// IsCommit tells whether a text is the whole name of a commit: 40 hexadecimal digits, or 64 in a repository of SHA-256.
func IsCommit(text string) bool { return commitForm.MatchString(text) }

// IsDigest tells whether a text has the form of a Digest.
func IsDigest(text string) bool { return digestForm.MatchString(text) }
