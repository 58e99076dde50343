package api

import (
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// Streams of a job's log.
const (
	StreamStdout = "stdout"
	StreamStderr = "stderr"
	// StreamAgent is for what the agent itself has to say, such as how much of the log was dropped.
	StreamAgent = "agent"
)

// LogLine is one line of a job's output.
type LogLine struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"`
	// Text is the line without its end. Where the line is not valid UTF-8, Base64 is true and Text is its encoding.
	Text   string `json:"text"`
	Base64 bool   `json:"base64,omitempty"`
	// Partial is true when no end of line followed: the line was longer than a record, its writer paused, or it was the
	// last and had none.
	Partial bool `json:"partial,omitempty"`
	// Attempt is the try that wrote it; each has a log of its own.
	Attempt int `json:"attempt,omitempty"`
	// Offset is where the line is in the log of its attempt; Next is the offset to ask for in order to go on after it.
	Offset int64 `json:"offset"`
	Next   int64 `json:"next"`
}

// SetText keeps text in the form in which JSON can carry it.
func (l *LogLine) SetText(text []byte) {
	l.Base64 = !utf8.Valid(text)
	if l.Base64 {
		l.Text = base64.StdEncoding.EncodeToString(text)
		return
	}
	l.Text = string(text)
}

// Bytes returns the output as it was written, with its end of line unless the line is partial.
func (l *LogLine) Bytes() []byte {
	text := []byte(l.Text)
	if l.Base64 {
		if raw, err := base64.StdEncoding.DecodeString(l.Text); err == nil {
			text = raw
		}
	}
	if l.Partial {
		return text
	}
	return append(text, '\n')
}

// LogQuery says which lines of a log are wanted. The zero value means all that there are now.
type LogQuery struct {
	// Follow goes on until the job has ended, or the attempt that was asked for, and all of its output was sent.
	Follow bool
	// Since leaves out what was written before.
	Since time.Time
	// Tail begins that many lines before the end; 0 means no such bound.
	Tail int
	// Offset begins there; it is the Next of the last line that was seen.
	Offset int64
	// Attempt is the try whose log is wanted; 0 is the latest one. Onward goes on with the tries after it.
	Attempt int
	Onward  bool
	// Diagnose asks for what the agent has to say about the job instead of the job's output.
	Diagnose bool
}
