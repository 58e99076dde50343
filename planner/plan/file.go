package plan

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fileFormat is the version of the file of a saved plan.
const fileFormat = 1

// largestFile is far above any plan, and below what would exhaust a machine.
const largestFile = 1 << 30

// header is the first lines of a saved plan. Behind it stands the plan's JSON, compressed by gzip, without the time at which it
// was made, so that the file, like the plan's id, is the same for two plans of the same inputs but for one line.
type header struct {
	Format    int       `json:"dstack_plan"`
	CreatedAt time.Time `json:"created_at"`
	SHA256    string    `json:"sha256"` // of the JSON
	Bytes     int64     `json:"bytes"`  // of the JSON
	// Bundle is the size of what stands behind the plan: the content of repositories and files. It needs no checksum, because
	// the plan says the digest of each content that it uses.
	Bundle int64 `json:"bundle,omitempty"`
}

// FileError says that a file is no plan that can be used.
type FileError struct {
	Path   string
	Reason string // a clause: "it ends in the middle"
	Fix    string // what to do, a sentence
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s cannot be used as a plan: %s. %s", e.Path, e.Reason, e.Fix)
}

const planAgain = "Make the plan again:\n  dstack plan --out FILE"

// Write saves a plan. The file is readable by its owner alone, and there is at no moment half of one.
func Write(path string, p *Plan) error { return WriteBundle(path, p, nil) }

// WriteBundle saves a plan together with the content that its jobs get.
func WriteBundle(path string, p *Plan, bundle []byte) error {
	timeless := *p
	timeless.CreatedAt = time.Time{}
	body, err := json.Marshal(&timeless)
	if err != nil {
		return fmt.Errorf("encode the plan: %w", err)
	}
	sum := sha256.Sum256(body)
	at, err := json.Marshal(p.CreatedAt)
	if err != nil {
		return fmt.Errorf("encode the plan: %w", err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\"dstack_plan\": %d,\n\"created_at\": %s,\n\"sha256\": %q,\n\"bytes\": %d", fileFormat, at, hex.EncodeToString(sum[:]), len(body))
	if len(bundle) > 0 {
		fmt.Fprintf(&out, ", \"bundle\": %d", len(bundle))
	}
	out.WriteString("}\n")
	z := gzip.NewWriter(&out)
	if _, err := z.Write(body); err != nil {
		return fmt.Errorf("compress the plan: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress the plan: %w", err)
	}
	if out.Len()+len(bundle) > largestFile {
		return fmt.Errorf("save the plan: with %d bytes of content it is larger than 1 GiB", len(bundle))
	}
	out.Write(bundle)
	if err := replace(path, out.Bytes()); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// replace puts a whole file in the place of whatever is at path.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-") // made with 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Read opens a saved plan. A file that is none, or not whole, or of a later format, is a *FileError; one that is not
// there is fs.ErrNotExist.
func Read(path string) (*Plan, error) {
	p, _, err := ReadBundle(path)
	return p, err
}

// ReadBundle is Read, with the content that was saved with the plan; nil if there is none.
func ReadBundle(path string) (*Plan, []byte, error) { return read(path, decode) }

// ReadAny is Read, which takes what `show --json` prints as well. That can be looked at, and not be applied: nobody knows
// whether it was changed.
func ReadAny(path string) (*Plan, error) {
	p, _, err := read(path, func(data []byte) (*Plan, []byte, *FileError) {
		if start := bytes.TrimLeft(data, " \t\r\n"); bytes.HasPrefix(start, []byte("{")) && !bytes.HasPrefix(start, []byte(`{"dstack_plan"`)) {
			p, wrong := decodePlan(data)
			return p, nil, wrong
		}
		return decode(data)
	})
	return p, err
}

func read(path string, decode func([]byte) (*Plan, []byte, *FileError)) (*Plan, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read the plan: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the plan: %w", err)
	}
	if len(data) > largestFile {
		return nil, nil, &FileError{path, "it is larger than 1 GiB, which no plan is", "Name a file that dstack plan --out has written."}
	}
	p, bundle, wrong := decode(data)
	if wrong != nil {
		wrong.Path = path
		return nil, nil, wrong
	}
	return p, bundle, nil
}

func decode(data []byte) (*Plan, []byte, *FileError) {
	foreign := &FileError{Reason: "it is not a file that dstack plan --out has written", Fix: "Name one that is; dstack show --json prints a plan, but not as a file to apply."}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte(`{"dstack_plan"`)) {
		if len(data) == 0 {
			return nil, nil, &FileError{Reason: "it is empty", Fix: planAgain}
		}
		return nil, nil, foreign
	}
	var h header
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&h); err != nil {
		// The first line says the format even of a file that was cut off, or that a later version wrote in another way.
		first, _, _ := strings.Cut(string(data[:min(len(data), 100)]), ",")
		var format int
		if n, _ := fmt.Sscanf(first, `{"dstack_plan": %d`, &format); n == 1 && format > fileFormat {
			return nil, nil, newer(format)
		}
		return nil, nil, &FileError{Reason: "it is not whole: " + err.Error(), Fix: planAgain}
	}
	if h.Format > fileFormat {
		return nil, nil, newer(h.Format)
	}
	if h.Format < 1 {
		return nil, nil, foreign
	}
	body, bundle, wrong := h.body(data[d.InputOffset():])
	if wrong != nil {
		return nil, nil, wrong
	}
	p, wrong := decodePlan(body)
	if wrong != nil {
		return nil, nil, wrong
	}
	p.CreatedAt = h.CreatedAt
	return p, bundle, nil
}

// body unpacks the plan itself, and gives what stands behind it.
func (h header) body(packed []byte) (body, bundle []byte, wrong *FileError) {
	cut := &FileError{Reason: "it is not whole: it ends in the middle", Fix: planAgain}
	changed := &FileError{Reason: "its content does not match its checksum, so somebody or something has changed it", Fix: planAgain}
	if h.Bytes < 0 || h.Bytes > largestFile {
		return nil, nil, changed
	}
	packed, ok := bytes.CutPrefix(packed, []byte("\n"))
	if !ok || len(packed) == 0 {
		return nil, nil, cut
	}
	rest := bytes.NewReader(packed)
	z, err := gzip.NewReader(rest)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil, cut
		}
		return nil, nil, changed
	}
	z.Multistream(false)
	body, err = io.ReadAll(io.LimitReader(z, h.Bytes+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil, cut
	case err != nil || int64(len(body)) != h.Bytes || int64(rest.Len()) > h.Bundle:
		return nil, nil, changed
	}
	if int64(rest.Len()) < h.Bundle {
		return nil, nil, cut
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != h.SHA256 {
		return nil, nil, changed
	}
	return body, packed[len(packed)-rest.Len():], nil
}

// decodePlan reads the plan itself.
func decodePlan(data []byte) (*Plan, *FileError) {
	var head struct {
		FormatVersion string `json:"format_version"`
		DstackVersion string `json:"dstack_version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, &FileError{Reason: "it is no plan: " + err.Error(), Fix: planAgain}
	}
	if head.FormatVersion == "" {
		return nil, &FileError{Reason: "it is no plan: it has no format_version", Fix: planAgain}
	}
	if have, _, _ := strings.Cut(head.FormatVersion, "."); have != major() {
		return nil, &FileError{
			Reason: fmt.Sprintf("its format is %q, and this dstack reads %s", head.FormatVersion, FormatVersion),
			Fix:    fmt.Sprintf("It was written by dstack %s; use that version, or make the plan again.", head.DstackVersion),
		}
	}
	p := &Plan{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, &FileError{Reason: "its content cannot be read: " + err.Error(), Fix: planAgain}
	}
	return p, nil
}

func major() string {
	m, _, _ := strings.Cut(FormatVersion, ".")
	return m
}

func newer(format int) *FileError {
	return &FileError{Reason: fmt.Sprintf("its format is %d, and this dstack reads up to %d", format, fileFormat), Fix: "Use the version of dstack that wrote it, or a later one."}
}
