package joblog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Tail returns the offset of the n-th line before the end of the log in dir, or of its oldest one if it has fewer. A line that
// is kept in several parts is one, and so are the parts of a last one that has not ended.
func Tail(dir string, n int) (int64, error) {
	segs, err := segments(dir)
	if err != nil || len(segs) == 0 {
		return 0, err
	}
	last := segs[len(segs)-1]
	if n <= 0 {
		info, err := os.Stat(last.path(dir))
		if err != nil {
			return 0, fmt.Errorf("read log: %w", err)
		}
		return last.start + info.Size(), nil
	}
	// The record before a line is whole, so whether a record begins a line is known when the one before it is seen.
	after := int64(-1) // offset of the record after the one that is looked at
	for i := len(segs) - 1; i >= 0; i-- {
		found := false
		err := backwards(segs[i].path(dir), func(start int64, data []byte) bool {
			if after >= 0 && wholeLine(data) {
				n--
				found = n == 0
			}
			if !found {
				after = segs[i].start + start
			}
			return !found
		})
		if errors.Is(err, fs.ErrNotExist) {
			break // dropped since it was listed, as all before it
		}
		if err != nil {
			return 0, fmt.Errorf("read log: %w", err)
		}
		if found {
			return after, nil
		}
	}
	return max(after, segs[0].start), nil
}

// backwards goes through the records of a file from its end, a window at a time, until yield returns false.
func backwards(path string, yield func(start int64, data []byte) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	pos, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	const window = 4 * maxText
	buf := make([]byte, window)
	for pos > 0 {
		low := max(0, pos-window)
		data := buf[:pos-low]
		if _, err := f.ReadAt(data, low); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		data = data[:bytes.LastIndexByte(data, '\n')+1] // what follows is half written
		first := 0                                      // the first record of which the start is seen
		if low > 0 {
			first = bytes.IndexByte(data, '\n') + 1
		}
		if first == len(data) {
			pos = low // no record is that long
			continue
		}
		for len(data) > first {
			start := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
			if !yield(low+int64(start), data[start:]) {
				return nil
			}
			data = data[:start]
		}
		pos = low + int64(first)
	}
	return nil
}

// clockTick is more than what the time of a file may be behind that of the records in it.
const clockTick = time.Second

// Since returns an offset before which everything was written before t.
func Since(dir string, t time.Time) (int64, error) {
	segs, err := segments(dir)
	if err != nil || len(segs) == 0 {
		return 0, err
	}
	for _, s := range segs {
		info, err := os.Stat(s.path(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped since it was listed
		}
		if err != nil {
			return 0, fmt.Errorf("read log: %w", err)
		}
		if !info.ModTime().Before(t.Add(-clockTick)) {
			return s.start, nil
		}
	}
	return segs[len(segs)-1].start, nil
}
