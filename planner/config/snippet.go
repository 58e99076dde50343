package config

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/diag"
)

// Snippets fills in the source for every diagnostic with a place in a file of the configuration: the whole lines with
// the marked part, and the block around it. Lines of variable files that may hold secrets are not shown.
func (c *Config) Snippets(list diag.List) {
	for _, d := range list {
		if d.Range == nil || d.Snippet != nil && d.Snippet.Code != "" {
			continue
		}
		text, ok := c.texts[d.Range.Filename]
		if !ok || d.Range.End.Byte > len(text) || d.Range.Start.Byte > d.Range.End.Byte {
			continue
		}
		if d.Snippet == nil {
			d.Snippet = &diag.Snippet{}
		}
		s := d.Snippet
		if s.Context == "" {
			if where := c.contextAt(d.Range); where != "" {
				s.Context = "in " + where
			}
		}
		if c.secret(d.Range) {
			continue
		}
		fillCode(s, text, d.Range)
	}
}

// mostLines is how many lines of source are shown.
const mostLines = 5

func fillCode(s *diag.Snippet, text []byte, r *diag.Range) {
	code := string(text)
	start := strings.LastIndexByte(code[:r.Start.Byte], '\n') + 1
	last := r.End.Byte
	for last > r.Start.Byte && (code[last-1] == '\n' || code[last-1] == '\r') {
		last-- // the end of a line is no part that can be marked
	}
	end, lines := r.Start.Byte, 0
	for {
		next := strings.IndexByte(code[end:], '\n')
		if next < 0 {
			end = len(code)
			break
		}
		end += next
		if lines++; end >= last || lines == mostLines {
			break
		}
		end++
	}
	s.Code = strings.TrimSuffix(code[start:end], "\r")
	s.StartLine = r.Start.Line
	s.Start = r.Start.Byte - start
	s.End = min(last-start, len(s.Code))
	s.Start = min(s.Start, len(s.Code))
	s.End = max(s.End, s.Start)
	s.Code = validText(s.Code)
	shorten(s)
}

// widest is how many bytes of one line are shown.
const widest = 200

// shorten leaves of lines that nobody can read, such as those of generated JSON, what is around the mark.
func shorten(s *diag.Snippet) {
	if len(s.Code) <= widest {
		return
	}
	var b strings.Builder
	start, end, offset := s.Start, s.End, 0
	for i, line := range strings.SplitAfter(s.Code, "\n") {
		before := b.Len()
		text := strings.TrimSuffix(line, "\n")
		from, to := 0, len(text)
		if len(text) > widest {
			at := max(start-offset, 0)
			if at > len(text) {
				at = 0 // it is marked further down
			}
			from = max(0, at-widest/3)
			to = min(len(text), from+widest)
			for from > 0 && !utf8.RuneStart(text[from]) {
				from--
			}
			for to < len(text) && !utf8.RuneStart(text[to]) {
				to++
			}
		}
		lead := 0
		if from > 0 {
			b.WriteString("...")
			lead = 3
		}
		b.WriteString(text[from:to])
		if to < len(text) {
			b.WriteString("...")
		}
		b.WriteString(line[len(text):])
		moved := func(old int) int { return before + lead + min(max(old-offset-from, 0), to-from) }
		if offset <= start && (start < offset+len(line) || i == 0) {
			s.Start = moved(start)
		}
		if offset <= end && end <= offset+len(line) {
			s.End = moved(end)
		}
		offset += len(line)
	}
	s.Code = b.String()
	s.Start = min(s.Start, len(s.Code))
	s.End = min(max(s.End, s.Start), len(s.Code))
}

// secret tells whether the lines of a place, in a file of variables, may hold a secret: the value of a variable that is
// sensitive, or one that nobody knows. Of a file that could not be read that may be anything, if there are secrets at all.
func (c *Config) secret(r *diag.Range) bool {
	if slices.ContainsFunc(c.sources, func(s Source) bool { return s.Path == r.Filename }) {
		return false
	}
	some := false
	for _, v := range c.main.variables {
		some = some || v.sensitive || v.ephemeral
	}
	given, read := c.given[r.Filename]
	if !some || !read {
		return some
	}
	text := c.texts[r.Filename]
	start := bytes.LastIndexByte(text[:r.Start.Byte], '\n') + 1
	end := len(text)
	if n := bytes.IndexByte(text[r.End.Byte:], '\n'); n >= 0 {
		end = r.End.Byte + n
	}
	return slices.ContainsFunc(given, func(g hcl.Range) bool { return g.Start.Byte < end && start < g.End.Byte })
}

// text is the source at a place.
func (c *Config) text(r hcl.Range) string {
	text := c.texts[r.Filename]
	if r.Start.Byte > r.End.Byte || r.End.Byte > len(text) {
		return ""
	}
	return validText(string(text[r.Start.Byte:r.End.Byte]))
}

// contextAt names the block around a place: fleet "train", resources.
func (c *Config) contextAt(r *diag.Range) string {
	holds := func(b *Block) bool {
		return b != nil && b.DefRange.Filename == r.Filename && b.DefRange.Start.Byte <= r.Start.Byte && r.Start.Byte <= max(b.body.end.End.Byte, b.DefRange.End.Byte)
	}
	if holds(c.dstack) {
		return "dstack" + c.dstack.body.contextAt(r)
	}
	for _, m := range c.modules {
		for _, v := range m.variables {
			if v.defRange.Filename == r.Filename && v.defRange.Start.Byte <= r.Start.Byte && r.Start.Byte <= v.body.end.End.Byte {
				return "variable " + quoted(v.name)
			}
		}
	}
	for _, b := range c.refactors {
		if holds(b) {
			return b.Type.Name + b.body.contextAt(r)
		}
	}
	for _, p := range c.policies {
		if holds(&Block{DefRange: p.DefRange, body: p.body}) {
			return "policy " + quoted(p.Name)
		}
	}
	for _, b := range c.blocks {
		if holds(b) {
			where := b.Type.Name + " " + b.quotedLabels()
			if n := b.lifecycle; n != nil && n.defRange.Start.Byte <= r.Start.Byte && r.Start.Byte <= n.body.end.End.Byte {
				return where + ", lifecycle"
			}
			return where + b.body.contextAt(r)
		}
	}
	return ""
}

func (b *body) contextAt(r *diag.Range) string {
	for _, n := range b.blocks {
		if n.defRange.Start.Byte <= r.Start.Byte && r.Start.Byte <= n.body.end.End.Byte {
			return ", " + n.desc.Name + n.body.contextAt(r)
		}
	}
	return ""
}

// validText replaces what is no UTF-8 byte by byte, so that offsets stay right.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := []byte(s)
	for i := 0; i < len(out); {
		r, size := utf8.DecodeRune(out[i:])
		if r == utf8.RuneError && size == 1 {
			out[i] = '?'
		}
		i += size
	}
	return string(out)
}
