package joblog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

const (
	// maxText is the longest line that is kept in one record; a longer one is several partial ones.
	maxText = 16 << 10
	// pause is how long the start of a line waits for its end before it is written as it is.
	pause = 500 * time.Millisecond

	defaultSegment = 8 << 20
	defaultTotal   = 64 << 20

	suffix = ".jsonl"
)

// record is how a line is written; its offset is where it is.
type record struct {
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Text    string    `json:"text"`
	Base64  bool      `json:"base64,omitempty"`
	Partial bool      `json:"partial,omitempty"`
}

// Writer appends to the log in a folder.
type Writer struct {
	dir     string
	limits  api.LogLimits
	now     func() time.Time
	changed func(end int64)

	mu    sync.Mutex
	file  *os.File
	start int64 // of file
	end   int64
	last  [][]byte // the last lines of the job itself, for messages
}

// lastLines is how many lines Writer.Last returns at most.
const lastLines = 5

// NewWriter opens the log in dir, which is made if it is missing, for appending. A record that an earlier writer left half
// written is cut off. changed is called with the log's end after each write.
func NewWriter(dir string, limits api.LogLimits, now func() time.Time, changed func(end int64)) (*Writer, error) {
	if limits.SegmentBytes <= 0 {
		limits.SegmentBytes = defaultSegment
	}
	if limits.TotalBytes <= 0 {
		limits.TotalBytes = defaultTotal
	}
	limits.SegmentBytes = min(limits.SegmentBytes, limits.TotalBytes)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make log folder: %w", err)
	}
	w := &Writer{dir: dir, limits: limits, now: now, changed: changed}
	segs, err := segments(dir)
	if err != nil {
		return nil, err
	}
	if len(segs) == 0 {
		return w, w.begin(0)
	}
	w.start = segs[len(segs)-1]
	path := w.path(w.start)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	whole := int64(bytes.LastIndexByte(data, '\n') + 1)
	if err := os.Truncate(path, whole); err != nil {
		return nil, fmt.Errorf("repair log: %w", err)
	}
	w.end = w.start + whole
	w.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	return w, err
}

// Write appends a line, without its end, to the log.
func (w *Writer) Write(stream string, text []byte, partial bool) error {
	var line api.LogLine
	line.SetText(text)
	data, err := json.Marshal(record{w.now().UTC(), stream, line.Text, line.Base64, partial})
	if err != nil {
		return fmt.Errorf("encode log: %w", err)
	}
	data = append(data, '\n')
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return errors.New("write log: closed")
	}
	if size := w.end - w.start; size > 0 && size+int64(len(data)) > w.limits.SegmentBytes {
		if err := w.begin(w.end); err != nil {
			return err
		}
	}
	n, err := w.file.Write(data)
	if err != nil {
		// Half a record would join the next one to a line that nobody can read.
		if n > 0 {
			w.file.Truncate(w.end - w.start)
		}
		return fmt.Errorf("write log: %w", err)
	}
	w.end += int64(n)
	if stream != api.StreamAgent {
		w.last = append(w.last, bytes.Clone(text))
		w.last = w.last[max(0, len(w.last)-lastLines):]
	}
	w.changed(w.end)
	return nil
}

// Copy reads output until its end and appends its lines. When the log cannot be written, the rest is read and dropped: a
// full disk shall not stop the job at its next line.
func (w *Writer) Copy(stream string, r io.Reader) error {
	chunks := make(chan []byte)
	done := make(chan error, 1)
	go func() {
		defer close(chunks)
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Read(buf)
			if n > 0 {
				chunks <- bytes.Clone(buf[:n])
			}
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				done <- err
				return
			}
		}
	}()
	var rest []byte
	var failed error
	write := func(text []byte, partial bool) {
		if err := w.Write(stream, text, partial); err != nil && failed == nil {
			failed = err
		}
	}
	timer := time.NewTimer(pause)
	timer.Stop()
	for {
		select {
		case chunk, more := <-chunks:
			if !more {
				if len(rest) > 0 {
					write(rest, true)
				}
				return errors.Join(failed, <-done)
			}
			rest = append(rest, chunk...)
			for {
				i := bytes.IndexByte(rest, '\n')
				if i < 0 && len(rest) <= maxText {
					break
				}
				if i < 0 || i > maxText {
					write(rest[:maxText], true)
					rest = rest[maxText:]
					continue
				}
				write(rest[:i], false)
				rest = rest[i+1:]
			}
			if timer.Stop(); len(rest) > 0 {
				timer.Reset(pause)
			}
		case <-timer.C:
			if len(rest) > 0 {
				write(rest, true)
				rest = nil
			}
		}
	}
}

// End returns the offset of the next record.
func (w *Writer) End() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

// Last returns the last lines of the job's output, at most five.
func (w *Writer) Last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.ToValidUTF8(string(bytes.Join(w.last, []byte("\n"))), "\uFFFD")
}

// Close makes the log durable.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.file = nil
	return err
}

// begin starts a new file at offset and drops the oldest ones that the bound leaves no room for.
func (w *Writer) begin(offset int64) error {
	f, err := os.OpenFile(w.path(offset), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin log file: %w", err)
	}
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.start, w.end = f, offset, offset
	segs, err := segments(w.dir)
	if err != nil {
		return err
	}
	for len(segs) > 1 && offset+w.limits.SegmentBytes-segs[0] > w.limits.TotalBytes {
		if err := os.Remove(w.path(segs[0])); err != nil {
			return fmt.Errorf("drop old log: %w", err)
		}
		segs = segs[1:]
	}
	return nil
}

func (w *Writer) path(offset int64) string { return segmentPath(w.dir, offset) }

func segmentPath(dir string, offset int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", offset, suffix))
}

// segments lists the offsets at which the files of a log start, in order.
func segments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	var starts []int64
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		if start, err := strconv.ParseInt(number, 10, 64); err == nil && start >= 0 {
			starts = append(starts, start)
		}
	}
	slices.Sort(starts)
	return starts, nil
}
