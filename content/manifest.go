package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// version is that of the encoding of manifests.
const version = 1

// Manifest lists everything in a content, in the order of the paths.
type Manifest struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// Entry is one path of a content.
type Entry struct {
	Path string `json:"path"` // relative, with slashes, clean
	Type Type   `json:"type"`
	Size int64  `json:"size,omitempty"` // of files, in bytes
	// Digest is that of what a file holds.
	Digest string `json:"digest,omitempty"`
	// Target is where a link leads, as it is written.
	Target string `json:"target,omitempty"`
}

// Type says what is at a path.
type Type string

// Types of entries.
const (
	File    Type = "file"
	Program Type = "program" // a file that can be executed
	Link    Type = "link"    // a symbolic link, which is never followed
	Folder  Type = "folder"  // an empty one: others follow from the paths in them
	Absent  Type = "absent"  // what is there is taken away before the rest is placed
)

// IsFile tells whether the entry has bytes of its own.
func (e Entry) IsFile() bool { return e.Type == File || e.Type == Program }

// Digest is the digest of some bytes, as contents name them: sha256:0f3a...
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return digestOf(sum[:])
}

const digestPrefix = "sha256:"

func digestOf(sum []byte) string { return digestPrefix + hex.EncodeToString(sum) }

// IsDigest tells whether a text is a digest as contents name them.
func IsDigest(s string) bool {
	text, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(text) != 2*sha256.Size || strings.ToLower(text) != text {
		return false
	}
	_, err := hex.DecodeString(text)
	return err == nil
}

// Encode is the one text of a manifest, of which Digest is taken.
func (m *Manifest) Encode() []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		panic(err) // texts and numbers can be encoded
	}
	return out.Bytes()
}

// Digest stands for the whole content.
func (m *Manifest) Digest() string { return Digest(m.Encode()) }

// Files counts the files and links, and what is taken away.
func (m *Manifest) Files() (n int) {
	for _, e := range m.Entries {
		if e.Type != Folder {
			n++
		}
	}
	return n
}

// Bytes is what all files hold together.
func (m *Manifest) Bytes() (n int64) {
	for _, e := range m.Entries {
		n += e.Size
	}
	return n
}

// Largest are the few largest files, the largest first.
func (m *Manifest) Largest() []Entry { return largestOf(m.Entries) }

// Blobs lists what has to be there to make files of the content, each digest once, with its size.
func (m *Manifest) Blobs() []Blob {
	var out []Blob
	seen := map[string]bool{}
	for _, e := range m.Entries {
		if e.IsFile() && !seen[e.Digest] {
			seen[e.Digest] = true
			out = append(out, Blob{Digest: e.Digest, Size: e.Size})
		}
	}
	return out
}

// Blob is a number of bytes under their digest.
type Blob struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// ErrManifest is wrapped by the error of a manifest that cannot be used.
var ErrManifest = errors.New("this is no list of a content")

// DecodeManifest reads a manifest, which may come from anywhere: paths that lead out of the content are refused.
func DecodeManifest(data []byte) (*Manifest, error) {
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if m.Version != version {
		return nil, fmt.Errorf("%w: its version is %d, and this program reads %d", ErrManifest, m.Version, version)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return m, nil
}

func (m *Manifest) check() error {
	leaves := make(map[string]bool, len(m.Entries)) // what nothing can be below
	for i, e := range m.Entries {
		if i > 0 && m.Entries[i-1].Path >= e.Path {
			return fmt.Errorf("%q and %q are not in order", m.Entries[i-1].Path, e.Path)
		}
		if !isClean(e.Path) {
			return fmt.Errorf("%q is no path within it", e.Path)
		}
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			if leaves[dir] && e.Type != Absent {
				return fmt.Errorf("%q lies below %q, which is no folder", e.Path, dir)
			}
		}
		switch e.Type {
		case File, Program:
			if !IsDigest(e.Digest) || e.Size < 0 || e.Target != "" {
				return fmt.Errorf("the entry of %q is not one of a file", e.Path)
			}
		case Link:
			if e.Target == "" || strings.ContainsRune(e.Target, 0) || e.Digest != "" || e.Size != 0 {
				return fmt.Errorf("the entry of %q is not one of a link", e.Path)
			}
		case Folder, Absent:
			if e.Target != "" || e.Digest != "" || e.Size != 0 {
				return fmt.Errorf("the entry of %q has more than its path", e.Path)
			}
			continue
		default:
			return fmt.Errorf("%q is a %q, which is not known", e.Path, e.Type)
		}
		leaves[e.Path] = true
	}
	return nil
}

// isClean tells whether a path can stand in a manifest.
func isClean(p string) bool {
	return p != "" && p != "." && utf8.ValidString(p) && !strings.ContainsRune(p, 0) && path.Clean(p) == p && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../")
}

// newManifest puts entries in order.
func newManifest(entries []Entry) *Manifest {
	if entries == nil {
		entries = []Entry{}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return &Manifest{Version: version, Entries: entries}
}

// Single is the content of ScanFile under another path.
func (m *Manifest) Single(at string) (*Manifest, error) {
	if len(m.Entries) != 1 || !m.Entries[0].IsFile() {
		return nil, fmt.Errorf("%w: it is not that of one file", ErrManifest)
	}
	e := m.Entries[0]
	e.Path = path.Clean(at)
	out := newManifest([]Entry{e})
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return out, nil
}
