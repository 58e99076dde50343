package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/dstackai/dstack-planner/planner/console"
)

// errAbandoned is returned for a line that was given up with Ctrl-C.
var errAbandoned = errors.New("line was abandoned")

// completer says what could stand at the end of a text; *console.Session is one.
type completer interface {
	Complete(text string) (from int, words []string)
}

// lines reads lines from a person. On a terminal that can draw they are edited: with a history, completion, and Ctrl-C
// that abandons a line. The terminal is raw only while a line is read, so that signals come through meanwhile.
type lines struct {
	out    io.Writer // where the prompt and what is typed are seen
	raw    func() (restore func(), err error)
	width  func() int
	editor *term.Terminal // nil where the terminal cannot draw
	plain  *bufio.Reader  // in its place
	keys   *keys

	complete completer
	entry    string // what was entered before this line and goes on in it
	asked    bool   // Tab was pressed, and there was nothing to add
}

// newLines prepares reading from the terminal.
func (a *app) newLines(c completer) (*lines, error) {
	l := &lines{out: a.screen.questions, complete: c}
	if a.screen.dumb {
		l.plain = bufio.NewReader(a.in)
		return l, nil
	}
	l.raw = func() (func(), error) {
		was, err := term.MakeRaw(a.screen.inFd)
		if err != nil {
			return nil, err
		}
		return func() { _ = term.Restore(a.screen.inFd, was) }, nil // it worked a moment ago
	}
	l.width = func() int { w, _, _ := term.GetSize(a.screen.inFd); return w }
	l.edit(a.in)
	return l, nil
}

// edit begins to read keys.
func (l *lines) edit(in io.Reader) {
	l.keys = &keys{in: in}
	l.editor = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{l.keys, l.out}, "")
	l.editor.History = &history{keys: l.keys}
	l.editor.AutoCompleteCallback = l.key
	l.editor.SetBracketedPasteMode(true)
}

// close leaves the terminal as it was.
func (l *lines) close() {
	if l.editor != nil {
		l.editor.SetBracketedPasteMode(false)
	}
}

// read reads a line, which goes on with what was entered before. Pasted tells that nobody has typed it. The end is io.EOF.
func (l *lines) read(ctx context.Context, prompt, entry string) (text string, pasted bool, err error) {
	l.entry, l.asked = entry, false
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	restore := func() {}
	if l.editor == nil {
		fmt.Fprint(l.out, prompt)
	} else {
		if restore, err = l.raw(); err != nil {
			return "", false, err
		}
		l.editor.SetPrompt(prompt)
		if w := l.width(); w > 0 {
			_ = l.editor.SetSize(w, 24) // there is nothing on the line that could be drawn wrongly
		}
	}
	go func() { // ends with the process if nobody types
		if l.editor == nil {
			text, err := l.plain.ReadString('\n')
			if text != "" {
				err = nil // the end comes again
			}
			got <- result{strings.TrimRight(text, "\r\n"), err}
			return
		}
		text, err := l.editor.ReadLine()
		got <- result{text, err}
	}()
	var r result
	select {
	case r = <-got:
		restore()
	case <-ctx.Done():
		restore()
		fmt.Fprintln(l.out)
		return "", false, ctx.Err()
	}
	switch {
	case l.keys != nil && l.keys.takeAbandoned():
		return "", false, errAbandoned
	case errors.Is(r.err, term.ErrPasteIndicator):
		return r.text, true, nil
	case r.err != nil:
		fmt.Fprintln(l.out)
		return "", false, io.EOF // a terminal that is gone ends the conversation too
	}
	return r.text, false, nil
}

// key completes on Tab. A second Tab lists what there is.
func (l *lines) key(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		l.asked = false
		return "", 0, false
	}
	before := l.entry + line[:pos]
	from, words := l.complete.Complete(before)
	typed := before[from:]
	more := strings.TrimPrefix(console.Common(words), typed)
	switch {
	case len(words) == 0:
	case more != "":
		return line[:pos] + more + line[pos:], pos + len(more), true
	case len(words) > 1 && l.asked:
		_, _ = l.editor.Write([]byte(columns(words, l.width()))) // what cannot be shown cannot be told either
	}
	l.asked = true
	return line, pos, true
}

// columns lists words side by side.
func columns(words []string, width int) string {
	if width <= 0 {
		width = 80
	}
	cell := 0
	for _, w := range words {
		cell = max(cell, len([]rune(w))+2)
	}
	perLine := max(1, width/cell)
	rows := (len(words) + perLine - 1) / perLine
	var b strings.Builder
	for row := range rows {
		var line strings.Builder
		for i := row; i < len(words); i += rows {
			fmt.Fprintf(&line, "%-*s", cell, words[i])
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// keyInterrupt is Ctrl-C.
const keyInterrupt = 0x03

// keys turns Ctrl-C, which the editor takes for the end of everything, into the end of a line that is then abandoned.
type keys struct {
	in        io.Reader
	rest      []byte
	abandoned bool
}

// Read gives Ctrl-C away by itself: what the editor returns next is then the abandoned line.
func (k *keys) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		buf := make([]byte, len(p))
		n, err := k.in.Read(buf)
		if n == 0 {
			return 0, err
		}
		k.rest = buf[:n] // an error comes again with the next call
	}
	n := slices.Index(k.rest, keyInterrupt)
	switch n {
	case 0:
		k.rest, k.abandoned = k.rest[1:], true
		return copy(p, "\r"), nil
	case -1:
		n = len(k.rest)
	}
	n = copy(p, k.rest[:n])
	k.rest = k.rest[n:]
	return n, nil
}

func (k *keys) takeAbandoned() bool {
	was := k.abandoned
	k.abandoned = false
	return was
}

// mostHistory is how many lines are remembered.
const mostHistory = 1000

// history remembers lines as long as the command runs: no blank or abandoned ones, and none twice in a row.
type history struct {
	entries []string
	keys    *keys
}

// Add remembers a line.
func (h *history) Add(entry string) {
	if n := len(h.entries); h.keys.abandoned || strings.TrimSpace(entry) == "" || n > 0 && h.entries[n-1] == entry {
		return
	}
	h.entries = append(h.entries, entry)
	if len(h.entries) > mostHistory {
		h.entries = slices.Delete(h.entries, 0, 1)
	}
}

// Len is the number of lines.
func (h *history) Len() int { return len(h.entries) }

// At gives the line that was entered i lines before the last.
func (h *history) At(i int) string { return h.entries[len(h.entries)-1-i] }
