package wire

import (
	"fmt"
	"strings"
	"sync"
)

const (
	tailLines  = 20  // of a provider's log
	panicLines = 12  // of a crash: the message and the first frames of the goroutine that caused it
	tailWidth  = 400 // of one line, in bytes
)

// tail keeps the last lines that a provider wrote, and of a crash its beginning: Go prints every goroutine there is, and
// the reason stands on top.
type tail struct {
	mu      sync.Mutex
	last    []string // a ring once it is full
	next    int
	crash   []string
	crashed bool
	left    int // lines of the crash that were not kept
}

func (t *tail) add(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if len(line) > tailWidth {
		line = strings.ToValidUTF8(line[:tailWidth], "") + "..."
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.crashed && isCrash(line) {
		t.crashed = true
	}
	switch {
	case t.crashed && len(t.crash) < panicLines:
		t.crash = append(t.crash, line)
	case t.crashed:
		t.left++
	case len(t.last) < tailLines:
		t.last = append(t.last, line)
	default:
		t.last[t.next] = line
		t.next = (t.next + 1) % tailLines
	}
}

func isCrash(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") ||
		strings.HasPrefix(line, "SIG") && strings.Contains(line, ": ")
}

// lines returns what was kept, oldest first.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.last)+len(t.crash)+1)
	out = append(out, t.last[t.next:]...)
	out = append(out, t.last[:t.next]...)
	out = append(out, t.crash...)
	if t.left > 0 {
		out = append(out, fmt.Sprintf("... %d more lines", t.left))
	}
	return out
}
