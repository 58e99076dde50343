package render

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A writer writes what comes from outside into Markdown or HTML so that it means nothing but itself there.
type writer struct {
	code   func(string) string // of text in which nothing is to be read
	files  string              // URL of the repository's files, to which places in files lead; empty for none
	folder string              // of the configuration in the repository
}

// prose writes a sentence of which only words that can mean nothing else stay as they are: all others - addresses, values,
// mentions, links, tags, references, emphasis - become code, in which nothing is read. What is between quotes or brackets
// stays together.
func (w writer) prose(s string) string {
	s = strings.ReplaceAll(clean(s), " -> ", " → ")
	var b strings.Builder
	for s != "" {
		blanks := len(s) - len(strings.TrimLeft(s, " "))
		if blanks > 0 {
			b.WriteByte(' ')
			s = s[blanks:]
			continue
		}
		n := wordEnd(s)
		b.WriteString(w.word(s[:n]))
		s = s[n:]
	}
	return strings.TrimRight(b.String(), " ")
}

// wordEnd is where the first word of s ends: at a blank that is neither between quotes nor in the brackets of a key.
func wordEnd(s string) int {
	quoted, plain := false, -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case ' ':
			if !quoted {
				return i
			}
			if plain < 0 {
				plain = i
			}
		}
	}
	if quoted && plain >= 0 {
		return plain // the quote is never closed
	}
	return len(s)
}

// word writes one word of a sentence with the punctuation around it.
func (w writer) word(s string) string {
	if s == "→" || s == "·" {
		return s
	}
	core := strings.TrimLeft(s, "(")
	open := s[:len(s)-len(core)]
	tail := ""
	for core != "" {
		last := core[len(core)-1]
		if !strings.ContainsRune(",;:.?", rune(last)) && (last != ')' || strings.Count(core, ")") <= strings.Count(core, "(")) {
			break
		}
		core, tail = core[:len(core)-1], string(last)+tail
	}
	if core == "" || harmless(core) {
		return s
	}
	return open + w.place(core) + tail
}

// place writes file:line as a link where there is something to lead to, and all else as code.
func (w writer) place(s string) string {
	file, line, ok := strings.Cut(s, ":")
	if w.files == "" || !ok || !onlyOf(line, isASCIIDigit) || path.IsAbs(file) || !strings.Contains(file, ".dstack.") {
		return w.code(s)
	}
	if file = path.Join(w.folder, file); !onlyOf(file, isPathLetter) || strings.HasPrefix(file, "../") {
		return w.code(s)
	}
	return "[" + strings.ReplaceAll(s, "_", `\_`) + "](" + w.files + "/" + file + "#L" + line + ")"
}

func onlyOf(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}

func isASCIIDigit(r rune) bool { return '0' <= r && r <= '9' }

func isPathLetter(r rune) bool {
	return isASCIIDigit(r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("._/-", r)
}

// harmless tells whether a word means nothing in Markdown, nor in what GitHub and GitLab make of it: no mention, no
// reference to an issue or a commit, no address of a page, no emoji, no formula.
func harmless(w string) bool {
	letters, digits, hex := 0, 0, 0 // hex is the length of what may be the name of a commit
	for i, r := range w {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			if hex >= leastCommit {
				return false
			}
			hex = 0
		}
		switch {
		case unicode.IsLetter(r):
			letters++
			if hex++; !strings.ContainsRune("abcdefABCDEF", r) {
				hex = -len(w) // not of this run
			}
		case unicode.IsDigit(r):
			digits++
			hex++
		case r == '$':
			if !isPrice(w) {
				return false
			}
		case r == '.' || r == ':' || r == ',':
			if i == 0 || !isDigit(w[i-1]) || i+1 >= len(w) || !isDigit(w[i+1]) {
				return false
			}
		case r == '%':
			if i == 0 || !isDigit(w[i-1]) {
				return false
			}
		case strings.ContainsRune("'/+=()-−", r):
		default:
			return false
		}
	}
	switch {
	case isPrice(w):
		return true
	case hex >= leastCommit:
		return false
	case letters > 0 && digits > 0 && strings.Contains(w, "-"):
		return false // as references to other trackers look
	}
	return letters+digits > 0 && !strings.HasPrefix(w, "/") && !strings.HasPrefix(w, "=") || w == "+" || w == "-" || w == "="
}

// leastCommit is how much of the name of a commit is taken for one.
const leastCommit = 7

// isPrice tells whether w is an amount of money: "$0.05/h", "+$14,856/month".
func isPrice(w string) bool {
	w = strings.TrimLeft(w, "+-(")
	w, ok := strings.CutPrefix(w, "$")
	if !ok {
		return false
	}
	w = strings.TrimSuffix(strings.TrimSuffix(w, "/h"), "/month")
	return onlyOf(w, func(r rune) bool { return isASCIIDigit(r) || r == '.' || r == ',' })
}

// code writes text as a code span that is also one in the cell of a table.
func code(s string) string {
	s = clean(s)
	if s == "" {
		return "(empty)"
	}
	if strings.Contains(s, "|") {
		return "<code>" + entities(s) + "</code>"
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if len(fence) > 16 {
		return "<code>" + entities(s) + "</code>"
	}
	if s[0] == '`' || s[len(s)-1] == '`' || s[0] == ' ' && s[len(s)-1] == ' ' && strings.Trim(s, " ") != "" {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// entities writes everything that is neither a letter nor a digit as a character reference, so that it is read neither as
// Markdown nor as HTML.
func entities(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= utf8.RuneSelf || r == ' ' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// htmlCode writes text as code where HTML is read and Markdown is not.
func htmlCode(s string) string {
	return "<code>" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(clean(s)) + "</code>"
}

// longestRun is the length of the longest run of one character.
func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// fenced puts lines into a fenced block that none of them can end.
func fenced(lang string, lines []string) string {
	fence := 3
	for _, l := range lines {
		inner := strings.TrimLeft(l, " ")
		fence = max(fence, 1+len(inner)-len(strings.TrimLeft(inner, "`")))
	}
	mark := strings.Repeat("`", fence)
	var out strings.Builder
	out.WriteString(mark + lang + "\n")
	for _, l := range lines {
		out.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	out.WriteString(mark + "\n")
	return out.String()
}
