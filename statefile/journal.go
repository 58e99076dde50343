package statefile

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// Tail says how a journal ends.
type Tail struct {
	// Good is the number of bytes that hold whole records. The next writer
	// continues there.
	Good int64
	// Torn is the number of bytes behind them: the start of a record of which no
	// Append had returned.
	Torn int64
	// Open says that the last whole record lacks its line feed.
	Open bool
	// Lines is the number of records.
	Lines int
}

// Replay applies the records of a journal to the state that they continue.
// Where names the journal in errors: a *[DamagedError], a *[ForkError] or a
// *[NewerFormatError], after which s is of no use. A last record that was cut
// short while it was written is no error, see Tail.
func (s *State) Replay(where string, journal []byte) (Tail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tail Tail
	end := bytes.LastIndexByte(journal, '\n') + 1
	for _, line := range parseLines(journal[:end]) {
		err := line.err
		if err == nil {
			err = s.applyLocked(line.record)
		}
		if err != nil {
			return tail, at(err, where, tail.Lines+1)
		}
		tail.Lines++
		tail.Good += int64(line.size)
	}
	return s.replayEnd(where, journal[end:], tail)
}

// parsedLine is a line of size bytes, with its line feed.
type parsedLine struct {
	record Record
	err    error
	size   int
}

// parseLines reads lines that all end in a line feed. Each can be read without
// the others, so that a long journal is read on all processors.
func parseLines(data []byte) []parsedLine {
	const worthwhile = 64 << 10
	if len(data) == 0 {
		return nil
	}
	n := min(runtime.GOMAXPROCS(0), len(data)/worthwhile+1)
	parts := splitLines(data[:len(data)-1], n)
	parsed := make([][]parsedLine, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			parsed[i] = make([]parsedLine, 0, bytes.Count(part, []byte("\n"))+1)
			for line := range bytes.SplitSeq(part, []byte("\n")) {
				record, err := parseLine(line)
				parsed[i] = append(parsed[i], parsedLine{record, err, len(line) + 1})
			}
		})
	}
	wg.Wait()
	return slices.Concat(parsed...)
}

// replayEnd looks at what stands behind the last line feed. It is dropped only
// if it can be the beginning of the next record: a write that was cut short, of
// which a power cut may have left zeros. All else was changed after it was
// written, and might be a record that somebody was told is kept.
func (s *State) replayEnd(where string, rest []byte, tail Tail) (Tail, error) {
	text := bytes.TrimRight(rest, "\x00")
	if record, err := parseLine(text); err == nil {
		if err := s.applyLocked(record); err != nil {
			return tail, at(err, where, tail.Lines+1)
		}
		tail.Lines++
		tail.Good += int64(len(text))
		tail.Torn = int64(len(rest) - len(text))
		tail.Open = true
		return tail, nil
	}
	start := lineNumber + strconv.FormatUint(s.records+1, 10) + lineType
	begins := bytes.HasPrefix(text, []byte(start)) || bytes.HasPrefix([]byte(start), text)
	// Zeros within, or a whole record with something behind it, were never written.
	if !begins || bytes.IndexByte(text, 0) >= 0 || endsInRecord(text) {
		return tail, &DamagedError{Where: where, Line: tail.Lines + 1, Reason: "the last line is neither a record nor the beginning of one"}
	}
	tail.Torn = int64(len(rest))
	return tail, nil
}

// endsInRecord reports whether text goes on behind where the record that it
// begins with ends.
func endsInRecord(text []byte) bool {
	for i := 0; ; {
		next := bytes.Index(text[i:], []byte(lineSum))
		if next < 0 {
			return false
		}
		i += next + len(lineSum)
		if len(text) >= i+sumSize+len(lineEnd) && isSum(text[i:i+sumSize]) && bytes.HasPrefix(text[i+sumSize:], []byte(lineEnd)) {
			return true
		}
	}
}

// at tells an error of a record where the record stands.
func at(err error, where string, line int) error {
	var fork *ForkError
	var newer *NewerFormatError
	switch {
	case errors.As(err, &fork):
		fork.Where, fork.Line = where, line
		return fork
	case errors.As(err, &newer):
		newer.Where = where
		return newer
	default:
		return &DamagedError{Where: where, Line: line, Reason: err.Error()}
	}
}
