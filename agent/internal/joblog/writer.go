package joblog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

const (
	defaultSegment = 8 << 20
	defaultTotal   = 64 << 20
)

// Writer appends to the log in a folder.
type Writer struct {
	dir     string
	limits  api.LogLimits
	now     func() time.Time
	changed func(end int64)

	mu    sync.Mutex
	file  *os.File
	seg   segment // that file is
	end   int64
	lines int64    // that ended before end
	last  [][]byte // the last lines of the job itself, for messages
	one   batch    // of Write
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
		return w, w.begin()
	}
	w.seg = segs[len(segs)-1]
	path := w.seg.path(dir)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	if err := os.Truncate(path, int64(len(data))); err != nil {
		return nil, fmt.Errorf("repair log: %w", err)
	}
	w.end, w.lines = w.seg.start+int64(len(data)), w.seg.lines+countLines(data)
	w.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return w, nil
}

// Write appends a line, without its end, to the log. A text of several lines becomes as many.
func (w *Writer) Write(stream string, text []byte, partial bool) error {
	whole, ok := letterOf(stream, false)
	if !ok {
		return fmt.Errorf("write log: there is no stream %q", stream)
	}
	last, _ := letterOf(stream, partial)
	nanos := w.now().UnixNano()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.one.reset()
	for more := true; more; {
		var line []byte
		line, text, more = bytes.Cut(text, []byte("\n"))
		letter := last
		if more {
			letter = whole
		}
		w.one.add(nanos, letter, line)
	}
	return w.append(&w.one)
}

// writeBatch appends records that were made elsewhere.
func (w *Writer) writeBatch(b *batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.append(b)
}

// append writes records, as many at once as the file still has room for. w.mu is held.
func (w *Writer) append(b *batch) error {
	if w.file == nil {
		return errors.New("write log: closed")
	}
	from := 0 // in b.data
	for i := 0; i < len(b.ends); {
		used := w.end - w.seg.start
		j := i
		for j < len(b.ends) && (used == 0 && j == i || used+int64(b.ends[j]-from) <= w.limits.SegmentBytes) {
			j++
		}
		if j == i {
			if err := w.begin(); err != nil {
				return err
			}
			continue
		}
		if err := w.put(b.data[from:b.ends[j-1]]); err != nil {
			return err
		}
		i, from = j, b.ends[j-1]
	}
	w.remember(b)
	w.changed(w.end)
	return nil
}

// put writes whole records to the file.
func (w *Writer) put(data []byte) error {
	n, err := w.file.Write(data)
	if err != nil {
		// Half a record would join the next one to a line that nobody can read. A file that cannot be cut is left for the
		// next one; readers go on there.
		if n > 0 && w.file.Truncate(w.end-w.seg.start) != nil {
			_ = w.begin() // tried again by the next write
		}
		return fmt.Errorf("write log: %w", err)
	}
	w.end += int64(n)
	w.lines += countLines(data)
	return nil
}

// remember keeps the last lines of the job's own output.
func (w *Writer) remember(b *batch) {
	for i := max(0, len(b.ends)-lastLines); i < len(b.ends); i++ {
		start := 0
		if i > 0 {
			start = b.ends[i-1]
		}
		r, err := parse(b.data[start:b.ends[i]])
		if err == nil && r.stream != api.StreamAgent {
			w.last = append(w.last, bytes.Clone(r.text))
		}
	}
	w.last = w.last[max(0, len(w.last)-lastLines):]
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

// begin starts a new file at the log's end and drops the oldest ones that the bound leaves no room for.
func (w *Writer) begin() error {
	next := segment{w.end, w.lines}
	f, err := os.OpenFile(next.path(w.dir), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin log file: %w", err)
	}
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.seg = f, next
	segs, err := segments(w.dir)
	if err != nil {
		return err
	}
	for len(segs) > 1 && next.start+w.limits.SegmentBytes-segs[0].start > w.limits.TotalBytes {
		if err := os.Remove(segs[0].path(w.dir)); err != nil {
			return fmt.Errorf("drop old log: %w", err)
		}
		segs = segs[1:]
	}
	return nil
}

// Append adds a line of the agent's own to a log that no other writer has open.
func Append(dir, text string, now time.Time) error {
	w, err := NewWriter(dir, api.LogLimits{}, func() time.Time { return now }, func(int64) {})
	if err != nil {
		return err
	}
	return errors.Join(w.Write(api.StreamAgent, []byte(text), false), w.Close())
}

// Bound is how many bytes of the log are kept.
func (w *Writer) Bound() int64 { return w.limits.TotalBytes }
