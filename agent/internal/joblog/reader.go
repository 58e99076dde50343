package joblog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Reader reads the log in a folder from an offset on, while a writer may append to it.
type Reader struct {
	dir    string
	offset int64
	lines  int64 // that ended before offset, or unknown
	file   *os.File
	buf    *bufio.Reader
	seg    segment // that file is
	part   []byte
}

// unknown is a number of lines that was not counted.
const unknown = -1

// NewReader returns a reader of the log in dir that begins at offset. A log that is not there yet is empty.
func NewReader(dir string, offset int64) *Reader {
	r := &Reader{dir: dir, offset: max(offset, 0), lines: unknown}
	if r.offset == 0 {
		r.lines = 0
	}
	return r
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

// Next returns the next line, or io.EOF when there is none now; it may be asked again. Where older output was dropped, or a
// part of the log is lost, a line of the stream "agent" says how much.
func (r *Reader) Next() (api.LogLine, error) {
	for {
		if r.file == nil {
			line, err := r.open()
			if err != nil {
				return api.LogLine{}, err
			}
			if line != nil {
				return *line, nil
			}
		}
		if line, whole, err := r.read(); whole || err != nil {
			return line, err
		}
		// At the end of a file: go on in the next one, if the writer has begun it. It does so only after the last
		// write to this one, so whatever came since the read above is seen by one more read.
		segs, err := segments(r.dir)
		if err != nil {
			return api.LogLine{}, err
		}
		if len(segs) == 0 || segs[len(segs)-1].start <= r.seg.start {
			return api.LogLine{}, io.EOF
		}
		if line, whole, err := r.read(); whole || err != nil {
			return line, err
		}
		if line := r.leave(segs); line != nil {
			return *line, nil
		}
	}
}

// read reads a record of the open file; it is not whole at the end of what is there.
func (r *Reader) read() (line api.LogLine, whole bool, err error) {
	data, err := r.buf.ReadSlice('\n')
	r.part = append(r.part, data...)
	for errors.Is(err, bufio.ErrBufferFull) {
		data, err = r.buf.ReadSlice('\n')
		r.part = append(r.part, data...)
	}
	if errors.Is(err, io.EOF) {
		return line, false, nil
	}
	if err != nil {
		return line, false, fmt.Errorf("read log: %w", err)
	}
	return r.decode(), true, nil
}

// leave closes a file that others follow. One that is shorter than it was, as after the machine lost its power, leaves a gap,
// which is told.
func (r *Reader) leave(segs []segment) *api.LogLine {
	at := r.seg
	r.Close()
	for _, s := range segs {
		if s.start <= at.start {
			continue
		}
		if r.offset >= s.start {
			return nil
		}
		line := agentLine(r.offset, s.start, fmt.Sprintf("%d bytes of the log are lost: the machine stopped before they were on its disk", s.start-r.offset))
		r.offset, r.lines = s.start, s.lines
		return &line
	}
	return nil
}

// open opens the file that holds the reader's offset. It returns a line when what was asked for is there no more.
func (r *Reader) open() (*api.LogLine, error) {
	for {
		segs, err := segments(r.dir)
		if err != nil {
			return nil, err
		}
		if len(segs) == 0 {
			return nil, io.EOF
		}
		if first := segs[0]; r.offset < first.start {
			line := agentLine(r.offset, first.start, dropped(first.start-r.offset, first.lines-r.lines, r.lines != unknown))
			r.offset, r.lines = first.start, first.lines
			return &line, nil
		}
		at := segs[0]
		for _, s := range segs {
			if s.start <= r.offset {
				at = s
			}
		}
		f, err := os.Open(at.path(r.dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		if err := r.seek(f, at); err != nil {
			f.Close()
			return nil, err
		}
		return nil, nil
	}
}

// dropped says what is there no more.
func dropped(size, lines int64, counted bool) string {
	if !counted {
		return fmt.Sprintf("%d bytes of older output were dropped: the log has reached its bound", size)
	}
	return fmt.Sprintf("%d lines (%d bytes) of older output were dropped: the log has reached its bound", lines, size)
}

func agentLine(at, next int64, text string) api.LogLine {
	return api.LogLine{Stream: api.StreamAgent, Offset: at, Next: next, Text: text}
}

// seek goes to the reader's offset in f, or to the first record after it when it points into one.
func (r *Reader) seek(f *os.File, seg segment) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	at := min(r.offset-seg.start, size)
	r.offset = seg.start + at
	if _, err = f.Seek(max(at-1, 0), io.SeekStart); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	r.file, r.seg, r.buf, r.part = f, seg, bufio.NewReaderSize(f, chunk), nil
	if at == 0 {
		r.lines = seg.lines
		return nil
	}
	skipped, err := r.buf.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log: %w", err)
	}
	if len(skipped) > 1 {
		r.lines = unknown
	}
	r.offset += int64(len(skipped)) - 1
	return nil
}

func (r *Reader) decode() api.LogLine {
	at, next := r.offset, r.offset+int64(len(r.part))
	rec, err := parse(r.part)
	line := api.LogLine{Time: rec.time(), Stream: rec.stream, Partial: rec.partial, Offset: at, Next: next}
	if err != nil {
		line = agentLine(at, next, fmt.Sprintf("%d bytes of the log cannot be read: %v", next-at, err))
	} else {
		line.SetText(rec.text)
	}
	if r.lines != unknown && !line.Partial {
		r.lines++
	}
	r.part, r.offset = r.part[:0], next
	return line
}
