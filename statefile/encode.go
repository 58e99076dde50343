package statefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// A snapshot is one JSON object: a line of everything but the resources, then a
// line for each resource, then a last line that holds the SHA-256 of all bytes
// before it.
const (
	snapshotOpen  = `,"resources":[`
	snapshotClose = "\n],\n"
	sumOpen       = `"sum":"`
	sumClose      = "\"}\n"
)

// EncodeSnapshot is the snapshot as it is written.
func EncodeSnapshot(snap *Snapshot) ([]byte, error) {
	header := *snap
	header.Resources = []*Resource{}
	out, err := encodeJSON(&header)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	out = bytes.TrimSuffix(out, []byte("]}"))
	buf := bytes.NewBuffer(out)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	for i, r := range snap.Resources {
		if i > 0 {
			buf.WriteByte(',')
		}
		buf.WriteByte('\n')
		if err := enc.Encode(r); err != nil {
			return nil, fmt.Errorf("encode snapshot: resource %s: %w", r.Ref(), err)
		}
		// The encoder ends each value with a line feed of its own.
		buf.Truncate(buf.Len() - 1)
	}
	buf.WriteString(snapshotClose)
	sum := sha256.Sum256(buf.Bytes())
	buf.WriteString(sumOpen)
	buf.WriteString(hex.EncodeToString(sum[:]))
	buf.WriteString(sumClose)
	return buf.Bytes(), nil
}

// encodeJSON is json.Marshal, with < and > left as they are.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// DecodeSnapshot reads what [EncodeSnapshot] wrote. Where names the source in
// errors: a *[NewerFormatError], or a *[DamagedError] for anything else.
func DecodeSnapshot(where string, data []byte) (*Snapshot, error) {
	damaged := func(format string, args ...any) error {
		return &DamagedError{Where: where, Reason: fmt.Sprintf(format, args...)}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, damaged("the snapshot is empty")
	}
	format, version := peekFormat(data)
	if format > FormatVersion {
		return nil, &NewerFormatError{Where: where, Format: format, Version: version}
	}
	body, err := checkSum(data)
	if err != nil {
		return nil, damaged("%v", err)
	}
	snap, err := decodeSnapshotBody(body)
	if err != nil {
		return nil, damaged("%v", err)
	}
	if snap.FormatVersion != FormatVersion {
		return nil, damaged("the snapshot has format version %d, which never existed", snap.FormatVersion)
	}
	return snap, nil
}

// peekFormat reads the two fields at the front of a snapshot of any version, 0
// and "" if they are not there.
func peekFormat(data []byte) (format int, version string) {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return 0, ""
	}
	for range 2 {
		name, err := d.Token()
		if err != nil {
			return format, version
		}
		switch name {
		case "format_version":
			if d.Decode(&format) != nil {
				return 0, ""
			}
		case "dstack_version":
			if d.Decode(&version) != nil {
				return format, ""
			}
		default:
			return format, version
		}
	}
	return format, version
}

// checkSum takes the last line off a snapshot and compares it with the rest.
func checkSum(data []byte) (body []byte, err error) {
	tail := len(sumOpen) + sumSize + len(sumClose)
	if len(data) < tail || !bytes.HasSuffix(data, []byte(sumClose)) {
		return nil, errors.New("the snapshot is cut short: it does not end in its checksum")
	}
	body = data[:len(data)-tail]
	line := data[len(body):]
	want := line[len(sumOpen):][:sumSize]
	if !bytes.HasPrefix(line, []byte(sumOpen)) || !isSum(want) {
		return nil, errors.New("the snapshot is cut short: it does not end in its checksum")
	}
	if got := sha256.Sum256(body); hex.EncodeToString(got[:]) != string(want) {
		return nil, errors.New("the snapshot does not match its checksum: it was changed by something other than dstack")
	}
	return body, nil
}

// decodeSnapshotBody decodes the header, and the resources in parallel, which
// the layout by lines makes possible: most of the time of opening a state goes here.
func decodeSnapshotBody(body []byte) (*Snapshot, error) {
	lines, ok := bytes.CutSuffix(body, []byte(snapshotClose))
	header, resources, ok1 := bytes.Cut(lines, []byte("\n"))
	if !ok1 {
		header = lines
	}
	if !ok || !bytes.HasSuffix(header, []byte(snapshotOpen)) {
		return nil, errors.New("the snapshot is not laid out as a header and one line for each resource")
	}
	snap := &Snapshot{}
	if err := decodeStrict(append(bytes.Clone(header), "]}"...), snap); err != nil {
		return nil, fmt.Errorf("the header of the snapshot cannot be read: %w", err)
	}
	if len(resources) == 0 {
		return snap, nil
	}
	parts := splitLines(resources, runtime.GOMAXPROCS(0))
	decoded := make([][]*Resource, len(parts))
	var g errgroup.Group
	for i, part := range parts {
		g.Go(func() (err error) {
			decoded[i], err = decodeResources(part)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	snap.Resources = slices.Concat(decoded...)
	return snap, nil
}

// splitLines cuts data into at most n parts of about the same size, each of
// whole lines.
func splitLines(data []byte, n int) [][]byte {
	var parts [][]byte
	size := len(data)/n + 1
	for len(data) > size {
		i := bytes.IndexByte(data[size:], '\n')
		if i < 0 {
			break
		}
		parts = append(parts, data[:size+i])
		data = data[size+i+1:]
	}
	return append(parts, data)
}

// decodeResources reads a resource from each line of a part. All lines but the
// last of all end in a comma.
func decodeResources(part []byte) ([]*Resource, error) {
	d := json.NewDecoder(io.MultiReader(
		strings.NewReader("["), bytes.NewReader(bytes.TrimSuffix(part, []byte(","))), strings.NewReader("]")))
	d.DisallowUnknownFields()
	var resources []*Resource
	if err := d.Decode(&resources); err != nil {
		return nil, fmt.Errorf("a resource of the snapshot cannot be read: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the snapshot has something behind its resources")
	}
	return resources, nil
}
