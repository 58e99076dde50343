package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// LevelTrace is below debug.
const LevelTrace = slog.LevelDebug - 4

// Keys of a log line, as hclog and go-plugin know them.
const (
	keyTime    = "@timestamp"
	keyLevel   = "@level"
	keyMessage = "@message"
)

// Logger returns the logger of a provider: one JSON object a line, for w, which is standard error. DSTACK_LOG says the
// lowest level; without it that is info. The host decides what of it is shown.
func Logger(w io.Writer) *slog.Logger {
	level, ok := parseLevel(os.Getenv("DSTACK_LOG"))
	if !ok {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			if a.Value.Kind() == slog.KindTime {
				return slog.String(keyTime, a.Value.Time().Format("2006-01-02T15:04:05.000000Z07:00"))
			}
		case slog.LevelKey:
			if l, ok := a.Value.Any().(slog.Level); ok {
				return slog.String(keyLevel, levelName(l))
			}
		case slog.MessageKey:
			a.Key = keyMessage
		}
		return a
	}}))
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

func parseLevel(s string) (slog.Level, bool) {
	switch strings.ToLower(s) {
	case "trace":
		return LevelTrace, true
	case "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn":
		return slog.LevelWarn, true
	case "error":
		return slog.LevelError, true
	}
	return 0, false
}

// maxLine is where a line without an end is cut.
const maxLine = 64 << 10

// lines is a writer that hands on whole lines. It never fails: a provider must not stop because of what it says.
type lines struct {
	take func(string)

	mu   sync.Mutex
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			l.rest = append(l.rest, b...)
			if len(l.rest) >= maxLine {
				l.end()
			}
			break
		}
		l.rest = append(l.rest, b[:i]...)
		b = b[i+1:]
		l.end()
	}
	return n, nil
}

// Flush hands on a last line that has no end.
func (l *lines) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.end()
	}
}

func (l *lines) end() {
	l.take(strings.TrimRight(string(l.rest), "\r"))
	l.rest = l.rest[:0]
}

// record is a line of a provider's log.
type record struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

// parseRecord reads a line. What is no log line in JSON is a message of level debug.
func parseRecord(line string) record {
	r := record{level: slog.LevelDebug, message: line}
	var raw map[string]any
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &raw) != nil {
		return r
	}
	message, ok := raw[keyMessage].(string)
	if !ok {
		return r
	}
	r.message = message
	name, _ := raw[keyLevel].(string)
	if level, ok := parseLevel(name); ok {
		r.level = level
	}
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		switch key {
		case keyMessage, keyLevel, keyTime:
		default:
			r.attrs = append(r.attrs, slog.Any(key, raw[key]))
		}
	}
	return r
}

// String is the record as a person reads it.
func (r record) String() string {
	var b strings.Builder
	b.WriteString(r.message)
	for _, a := range r.attrs {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
	}
	return b.String()
}

func (r record) log(to *slog.Logger) {
	if to != nil {
		to.LogAttrs(context.Background(), r.level, r.message, r.attrs...)
	}
}
