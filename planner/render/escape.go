package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// clean makes text safe to print on one line: what is not printable (control characters, escape sequences, direction
// controls, invisible joiners, invalid bytes) is written as an escape, and so is what the log of a CI system would take
// for a command.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '#' && loggingCommand(s[i:]):
			b.WriteString(`\u0023`)
		case r == ':' && workflowCommand(s, i):
			b.WriteString(`\u003a`)
		case printable(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// maxCommand is how far the beginning of a logging command is looked for.
const maxCommand = 16

// loggingCommand tells whether s begins as commands in logs do, wherever on a line they stand: "##[group]", "##vso[...]".
func loggingCommand(s string) bool {
	s, ok := strings.CutPrefix(s, "##")
	if !ok {
		return false
	}
	s = s[:min(len(s), maxCommand-2)]
	i := strings.IndexByte(s, '[')
	return i >= 0 && strings.Trim(s[:i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// workflowCommand tells whether a word begins at s[i] as workflow commands do, which are commands at the beginning of a
// line: "::error::". Any word can come to stand there when lines are wrapped.
func workflowCommand(s string, i int) bool {
	if i > 0 && s[i-1] != ' ' && s[i-1] != '\t' || !strings.HasPrefix(s[i:], "::") || len(s) < i+3 {
		return false
	}
	c := s[i+2] | 0x20
	return 'a' <= c && c <= 'z'
}

func isClean(s string) bool {
	for i := strings.Index(s, "::"); i >= 0; {
		if workflowCommand(s, i) {
			return false
		}
		next := strings.Index(s[i+1:], "::")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	for i := strings.Index(s, "##"); i >= 0; {
		if loggingCommand(s[i:]) {
			return false
		}
		next := strings.Index(s[i+1:], "##")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			if s[i] < ' ' || s[i] == 0x7f {
				return false
			}
			for _, r := range s[i:] {
				if !printable(r) {
					return false
				}
			}
			return utf8.ValidString(s[i:])
		}
	}
	return true
}

// printable tells whether r takes room of its own or is a mark on what stands before it. Fillers, which look like blanks
// and are letters, are not.
func printable(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f':
		return false
	}
	return unicode.IsPrint(r)
}

// quote writes a text between quotes, so that blanks at its ends and its escapes are seen.
func quote(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	return `"` + clean(strings.ReplaceAll(s, `"`, `\"`)) + `"`
}

// displayWidth is the number of columns that text takes, escape sequences for colour left out.
func displayWidth(s string) int {
	n := 0
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] == 0x1b {
			end := strings.IndexByte(s[i:], 'm')
			if end < 0 {
				break
			}
			i += end
			continue
		}
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
		n++
	}
	if ascii {
		return n
	}
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.StringWidth(stripColor(s))
}

func stripColor(s string) string {
	if strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

// cut shortens text in its middle to about limit characters and says how long it is. at is where what matters begins: the
// first difference of two texts, which stays visible.
func cut(s string, limit, at int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	note := fmt.Sprintf(" (%s characters)", grouped(len(runes)))
	room := max(limit-len(note)-3, 12)
	if at <= room/2 {
		head := room * 2 / 3
		return string(runes[:head]) + "..." + string(runes[len(runes)-(room-head):]) + note
	}
	room = max(room-3, 12) // dots on both sides
	start := min(at-room/3, len(runes)-room)
	out := "..." + string(runes[start:start+room])
	if start+room < len(runes) {
		out += "..."
	}
	return out + note
}

// differAt is the index of the first character in which two texts differ.
func differAt(a, b string) int {
	x, y := []rune(a), []rune(b)
	n := 0
	for n < len(x) && n < len(y) && x[n] == y[n] {
		n++
	}
	return n
}

// Clean makes text safe to print on one line, for what is printed outside of this package.
func Clean(s string) string { return clean(s) }
