package joblog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Reader reads the log in a folder from an offset on, while a writer may append to it.
type Reader struct {
	dir    string
	offset int64
	file   *os.File
	buf    *bufio.Reader
	start  int64 // of file
	part   []byte
}

// NewReader returns a reader of the log in dir that begins at offset. A log that is not there yet is empty.
func NewReader(dir string, offset int64) *Reader {
	return &Reader{dir: dir, offset: max(offset, 0)}
}

// Close closes the file that is being read.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file, r.buf, r.part = nil, nil, nil
	return err
}

// Next returns the next line, or io.EOF when there is none now; it may be asked again. Where older output was dropped, a
// line of the stream "agent" says how much.
func (r *Reader) Next() (api.LogLine, error) {
	for {
		if r.file == nil {
			line, err := r.open()
			if err != nil || line != nil {
				if line == nil {
					line = new(api.LogLine)
				}
				return *line, err
			}
		}
		data, err := r.buf.ReadBytes('\n')
		r.part = append(r.part, data...)
		if err == nil {
			return r.decode()
		}
		if !errors.Is(err, io.EOF) {
			return api.LogLine{}, fmt.Errorf("read log: %w", err)
		}
		// At the end of a file: go on in the next one, if the writer has begun it. It does so only after the last
		// write to this one, so whatever came since the read above is seen by one more read.
		segs, serr := segments(r.dir)
		if serr != nil {
			return api.LogLine{}, serr
		}
		if len(segs) == 0 || segs[len(segs)-1] <= r.start {
			return api.LogLine{}, io.EOF
		}
		data, err = r.buf.ReadBytes('\n')
		r.part = append(r.part, data...)
		if err == nil {
			return r.decode()
		}
		r.Close()
	}
}

// open opens the file that holds the reader's offset. It returns a line when what was asked for is there no more.
func (r *Reader) open() (*api.LogLine, error) {
	for {
		segs, err := segments(r.dir)
		if errors.Is(err, fs.ErrNotExist) || len(segs) == 0 && err == nil {
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		if first := segs[0]; r.offset < first {
			line := api.LogLine{Stream: api.StreamAgent, Offset: r.offset, Next: first}
			line.SetText(fmt.Appendf(nil, "%d bytes of older output were dropped: the log has reached its bound", first-r.offset))
			r.offset = first
			return &line, nil
		}
		start := segs[0]
		for _, s := range segs {
			if s <= r.offset {
				start = s
			}
		}
		f, err := os.Open(segmentPath(r.dir, start))
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		if err := r.seek(f, start); err != nil {
			f.Close()
			return nil, err
		}
		return nil, nil
	}
}

// seek goes to the reader's offset in f, or to the first record after it when it points into one.
func (r *Reader) seek(f *os.File, start int64) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	at := min(r.offset-start, size)
	r.offset = start + at
	if at == 0 {
		_, err = f.Seek(0, io.SeekStart)
	} else {
		_, err = f.Seek(at-1, io.SeekStart)
	}
	if err != nil {
		return err
	}
	r.file, r.start, r.buf, r.part = f, start, bufio.NewReaderSize(f, 32<<10), nil
	if at > 0 {
		skipped, err := r.buf.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		r.offset += int64(len(skipped)) - 1
	}
	return nil
}

func (r *Reader) decode() (api.LogLine, error) {
	var rec record
	at, next := r.offset, r.offset+int64(len(r.part))
	err := json.Unmarshal(r.part, &rec)
	r.part = nil
	r.offset = next
	if err != nil {
		rec = record{Stream: api.StreamAgent, Text: fmt.Sprintf("%d bytes of the log cannot be read: %v", next-at, err)}
	}
	return api.LogLine{
		Time: rec.Time, Stream: rec.Stream, Text: rec.Text, Base64: rec.Base64, Partial: rec.Partial,
		Offset: at, Next: next,
	}, nil
}

// Tail returns the offset of the n-th record before the end of the log in dir.
func Tail(dir string, n int) (int64, error) {
	segs, err := segments(dir)
	if errors.Is(err, fs.ErrNotExist) || len(segs) == 0 && err == nil {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for i := len(segs) - 1; i >= 0; i-- {
		data, err := os.ReadFile(segmentPath(dir, segs[i]))
		if errors.Is(err, fs.ErrNotExist) {
			return segs[i+1], nil // dropped since it was listed, as all before it
		}
		if err != nil {
			return 0, fmt.Errorf("read log: %w", err)
		}
		data = data[:bytes.LastIndexByte(data, '\n')+1]
		lines := bytes.Count(data, []byte("\n"))
		if lines < n {
			n -= lines
			continue
		}
		at := len(data)
		for ; n > 0; n-- {
			at = bytes.LastIndexByte(data[:at-1], '\n') + 1
		}
		return segs[i] + int64(at), nil
	}
	return segs[0], nil
}

// Append adds a line of the agent's own to a log that no other writer has open.
func Append(dir, text string, now time.Time) error {
	w, err := NewWriter(dir, api.LogLimits{}, func() time.Time { return now }, func(int64) {})
	if err != nil {
		return err
	}
	return errors.Join(w.Write(api.StreamAgent, []byte(text), false), w.Close())
}
