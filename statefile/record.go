package statefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Type says what a record records.
type Type string

// The types of records. The constructor of each is named after it.
const (
	TypeEpoch      Type = "epoch"
	TypeIntent     Type = "intent"
	TypeCheckpoint Type = "checkpoint"
	TypeTry        Type = "try"
	TypePut        Type = "put"
	TypeDelete     Type = "delete"
	TypeClose      Type = "close"
	TypeMove       Type = "move"
	TypeRename     Type = "rename"
	TypeStatus     Type = "status"
	TypeOccupy     Type = "occupy"
	TypeBackend    Type = "backend"
	TypeRun        Type = "run"
	TypeOutputs    Type = "outputs"
	TypePlan       Type = "plan"
	TypeStep       Type = "step"
)

// Record is one change of a state. A constructor makes it, [State.Seal] gives it
// its place in the chain, and only then has it a number and a sum.
//
// As a line of a journal it is
//
//	{"n":7,"type":"put","time":"...","data":{...},"prev":"<hex>","sum":"<hex>"}
//
// in exactly this form: sum is the SHA-256 of the bytes before `,"sum"`, and prev
// is the sum of record n-1. So no byte of a line can change unseen.
type Record struct {
	// N counts the records of the chain from 1.
	N    uint64
	Type Type
	Time time.Time
	// Data is the content as JSON, see the constructors.
	Data json.RawMessage
	Prev string
	Sum  string

	// change is what Data says. A record never shares it with its maker.
	change change
	// err is why the content cannot be encoded.
	err error
}

// newRecord encodes a change. The error of one that cannot be encoded is kept
// for Seal, so that constructors can stand in an argument list.
func newRecord(at time.Time, c change) Record {
	r := Record{Type: c.recordType(), Time: at.UTC().Round(0), change: c}
	if r.err = c.check(); r.err == nil {
		r.Data, r.err = encodeJSON(c)
	}
	return r
}

const (
	sumSize    = 2 * sha256.Size
	linePrev   = `,"prev":"`
	lineSum    = `","sum":"`
	lineEnd    = `"}`
	lineTail   = len(linePrev) + sumSize + len(lineSum) + sumSize + len(lineEnd)
	lineNumber = `{"n":`
	lineType   = `,"type":"`
	lineTime   = `","time":"`
	lineData   = `","data":`
)

// appendLine seals r as record n behind prev and appends its line to buf.
func (r *Record) appendLine(buf []byte, n uint64, prev string) ([]byte, error) {
	if err := r.check(); err != nil {
		return buf, err
	}
	start := len(buf)
	buf = append(buf, lineNumber...)
	buf = strconv.AppendUint(buf, n, 10)
	buf = append(append(buf, lineType...), r.Type...)
	buf = append(buf, lineTime...)
	buf = r.Time.AppendFormat(buf, time.RFC3339Nano)
	buf = append(append(buf, lineData...), r.Data...)
	buf = append(append(buf, linePrev...), prev...)
	// The quotation mark that ends prev is part of lineSum, and hashed with the rest.
	buf = append(buf, '"')
	sum := sha256.Sum256(buf[start:])
	r.N, r.Prev, r.Sum = n, prev, hex.EncodeToString(sum[:])
	buf = append(buf, lineSum[1:]...)
	buf = append(append(buf, r.Sum...), lineEnd...)
	return append(buf, '\n'), nil
}

// parseLine reads a line without its line feed. It accepts only what appendLine
// writes.
func parseLine(line []byte) (Record, error) {
	var r Record
	if len(line) < lineTail {
		return r, fmt.Errorf("the record is cut short")
	}
	body, tail := line[:len(line)-lineTail], line[len(line)-lineTail:]
	prev := tail[len(linePrev):][:sumSize]
	sum := tail[len(linePrev)+sumSize+len(lineSum):][:sumSize]
	if !bytes.HasPrefix(tail, []byte(linePrev)) || !bytes.HasSuffix(tail, []byte(lineEnd)) ||
		!bytes.HasPrefix(tail[len(linePrev)+sumSize:], []byte(lineSum)) || !isSum(prev) || !isSum(sum) {
		return r, fmt.Errorf("the record has no checksum at its end")
	}
	hashed := line[:len(body)+len(linePrev)+sumSize+1]
	if want := sha256.Sum256(hashed); hex.EncodeToString(want[:]) != string(sum) {
		return r, fmt.Errorf("the record does not match its checksum")
	}
	// From here on the line is as it was written, by some version of this program.
	rest, ok := bytes.CutPrefix(body, []byte(lineNumber))
	number, rest, ok1 := bytes.Cut(rest, []byte(lineType))
	kind, rest, ok2 := bytes.Cut(rest, []byte(lineTime))
	at, data, ok3 := bytes.Cut(rest, []byte(lineData))
	if !ok || !ok1 || !ok2 || !ok3 {
		return r, fmt.Errorf("the record is not laid out as n, type, time, data")
	}
	var err error
	if r.N, err = strconv.ParseUint(string(number), 10, 64); err != nil {
		return r, fmt.Errorf("the record has no number: %w", err)
	}
	if r.Time, err = time.Parse(time.RFC3339Nano, string(at)); err != nil {
		return r, fmt.Errorf("the record has no time: %w", err)
	}
	r.Type, r.Data, r.Prev, r.Sum = Type(kind), data, string(prev), string(sum)
	r.change, err = decodeChange(r.Type, data)
	return r, err
}

// isSum reports whether b is a SHA-256 in lower-case hex.
func isSum(b []byte) bool {
	if len(b) != sumSize {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// check reports a record that cannot be written.
func (r *Record) check() error {
	if r.err != nil {
		return fmt.Errorf("record %s: %w", r.Type, r.err)
	}
	if r.change == nil {
		return fmt.Errorf("record %s: it was not made by a constructor", r.Type)
	}
	return nil
}
