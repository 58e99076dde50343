package joblog

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// letterOf is the letter of whole lines of a stream, or of parts of lines; it is false for a stream that a log does not have.
func letterOf(stream string, partial bool) (letter byte, ok bool) {
	switch stream {
	case api.StreamStdout:
		letter = 'o'
	case api.StreamStderr:
		letter = 'e'
	case api.StreamAgent:
		letter = 'a'
	default:
		return 0, false
	}
	if partial {
		letter -= 'a' - 'A'
	}
	return letter, true
}

// streamOf is what a letter stands for.
func streamOf(letter byte) (stream string, partial, ok bool) {
	if partial = 'A' <= letter && letter <= 'Z'; partial {
		letter += 'a' - 'A'
	}
	switch letter {
	case 'o':
		return api.StreamStdout, partial, true
	case 'e':
		return api.StreamStderr, partial, true
	case 'a':
		return api.StreamAgent, partial, true
	}
	return "", false, false
}

// batch is records that are written together.
type batch struct {
	data []byte
	ends []int // of each record in data
}

// add appends a record; the text holds no line end.
func (b *batch) add(nanos int64, letter byte, text []byte) {
	b.data = strconv.AppendInt(b.data, nanos, 10)
	b.data = append(b.data, ' ', letter, ' ')
	b.data = append(b.data, text...)
	b.data = append(b.data, '\n')
	b.ends = append(b.ends, len(b.data))
}

func (b *batch) reset() { b.data, b.ends = b.data[:0], b.ends[:0] }

// record is one record as it is read. Its text is that of the bytes that it was read from.
type record struct {
	nanos   int64
	stream  string
	partial bool
	text    []byte
}

var errRecord = errors.New("it is no record")

// parse reads a record, with its line end or without.
func parse(data []byte) (record, error) {
	number, rest, ok := bytes.Cut(bytes.TrimSuffix(data, []byte("\n")), []byte(" "))
	if !ok || len(rest) < 2 || rest[1] != ' ' {
		return record{}, errRecord
	}
	nanos, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return record{}, errRecord
	}
	r := record{nanos: nanos, text: rest[2:]}
	if r.stream, r.partial, ok = streamOf(rest[0]); !ok {
		return record{}, fmt.Errorf("it is of a stream %q that is not known", rest[0])
	}
	return r, nil
}

func (r record) time() time.Time { return time.Unix(0, r.nanos).UTC() }

// wholeLine tells whether a record, of which only the start is needed, ends a line. One that cannot be read counts as one.
func wholeLine(data []byte) bool {
	space := bytes.IndexByte(data, ' ')
	return space < 0 || space+1 >= len(data) || data[space+1] < 'A' || data[space+1] > 'Z'
}

// countLines counts the lines that end in a piece of a log.
func countLines(data []byte) (n int64) {
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			break
		}
		if wholeLine(data[:end]) {
			n++
		}
		data = data[end+1:]
	}
	return n
}
