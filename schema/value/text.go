package value

import "strings"

// squeezed is a text without its blanks. Several grammars ignore blanks wherever they stand, but an error has to
// mark the text that was written.
type squeezed struct {
	text string // as written
	s    string // without blanks
}

func squeeze(text string) squeezed {
	if strings.IndexByte(text, ' ') < 0 && strings.IndexByte(text, '\t') < 0 {
		return squeezed{text: text, s: text}
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := range len(text) {
		if !isBlank(text[i]) {
			b.WriteByte(text[i])
		}
	}
	return squeezed{text: text, s: b.String()}
}

// place gives offset and length, in the text as written, of s[from:to].
func (q squeezed) place(from, to int) (offset, length int) {
	if len(q.text) == len(q.s) {
		return from, to - from
	}
	start, end, n := len(q.text), len(q.text), 0
	for i := range len(q.text) {
		if isBlank(q.text[i]) {
			continue
		}
		if n == from {
			start = i
		}
		if n == to-1 {
			end = i + 1
		}
		n++
	}
	if to <= from {
		end = start
	}
	return start, end - start
}

// mistake is an error about s[from:to].
func (q squeezed) mistake(from, to int, summary, detail string, args ...any) *Error {
	offset, length := q.place(from, to)
	e := mistakeAt(offset, length, summary, detail, args...)
	if len(q.text) != len(q.s) && from < to && to <= len(q.s) {
		e.Detail = strings.ReplaceAll(e.Detail, quote(q.s[from:to]), quote(q.text[offset:offset+length])) // as it was written
	}
	return e
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// digits reads s as a whole number without sign. It reports false if s is not one or is above limit.
func digits(s string, limit int64) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		if n = n*10 + int64(s[i]-'0'); n > limit {
			return 0, false
		}
	}
	return n, true
}

// allDigits reports whether s is a whole number without sign, of any size.
func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
