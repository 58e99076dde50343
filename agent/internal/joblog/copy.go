package joblog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// maxText is the longest line that is kept in one record; a longer one is several partial ones.
	maxText = 16 << 10
	// pause is how long the start of a line waits for its end before it is written as it is.
	pause = 500 * time.Millisecond
	// chunk is how much is read at once, as much as a pipe holds.
	chunk = 64 << 10
)

// Copy reads output until its end and appends its lines, those that are read together in one write. When the log cannot be
// written, the rest is read and dropped: a full disk shall not stop the job at its next line.
func (w *Writer) Copy(stream string, r io.Reader) error {
	whole, ok := letterOf(stream, false)
	if !ok {
		return fmt.Errorf("copy output: there is no stream %q", stream)
	}
	part, _ := letterOf(stream, true)
	// Two buffers go around between the reader and the writer, so that one is filled while the other is written.
	chunks, free := make(chan []byte), make(chan []byte, 2)
	free <- make([]byte, chunk)
	free <- make([]byte, chunk)
	done := make(chan error, 1)
	go func() {
		defer close(chunks)
		for buf := range free {
			n, err := r.Read(buf)
			if n > 0 {
				chunks <- buf[:n]
			} else {
				free <- buf
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
	var b batch
	flush := func() {
		if len(b.ends) == 0 {
			return
		}
		if err := w.writeBatch(&b); err != nil && failed == nil {
			failed = err
		}
		b.reset()
	}
	timer := time.NewTimer(pause)
	timer.Stop()
	for {
		select {
		case data, more := <-chunks:
			nanos := w.now().UnixNano()
			if !more {
				if len(rest) > 0 {
					b.add(nanos, part, rest)
					flush()
				}
				return errors.Join(failed, <-done)
			}
			text := data
			if len(rest) > 0 {
				rest = append(rest, data...)
				text = rest
			}
			for {
				i := bytes.IndexByte(text, '\n')
				if i < 0 && len(text) <= maxText {
					break
				}
				if i < 0 || i > maxText {
					b.add(nanos, part, text[:maxText])
					text = text[maxText:]
					continue
				}
				b.add(nanos, whole, text[:i])
				text = text[i+1:]
			}
			flush()
			rest = append(rest[:0], text...)
			free <- data[:cap(data)]
			if timer.Stop(); len(rest) > 0 {
				timer.Reset(pause)
			}
		case <-timer.C:
			if len(rest) > 0 {
				b.add(w.now().UnixNano(), part, rest)
				flush()
				rest = rest[:0]
			}
		}
	}
}
