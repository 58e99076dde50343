package config

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/diag"
)

var (
	blockOnOneLine = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_-]*(?:\s+"[^"]*")*)\s*\{(.*)\}\s*$`)
	argumentStart  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*\s*=[^=]`)
)

// oneLineBlock explains that a block on one line holds at most one argument, with the block as it should be written.
func oneLineBlock(s Source, d *hcl.Diagnostic) diag.List {
	list := translate(hcl.Diagnostics{d})
	at := min(d.Subject.Start.Byte, len(s.Text))
	start := bytes.LastIndexByte(s.Text[:at], '\n') + 1
	end := bytes.IndexByte(s.Text[at:], '\n')
	if end < 0 {
		end = len(s.Text) - at
	}
	m := blockOnOneLine.FindSubmatch(s.Text[start : at+end])
	if m == nil {
		return list
	}
	arguments := splitArguments(string(m[2]))
	if len(arguments) < 2 {
		return list
	}
	list[0].Detail = "A block on one line holds at most one argument. Give every argument a line of its own:\n  " +
		string(m[1]) + " {\n    " + strings.Join(arguments, "\n    ") + "\n  }"
	return list
}

// splitArguments takes apart what stands between the braces of a block.
func splitArguments(s string) []string {
	var out []string
	depth, inText, from := 0, false, 0
	word := false // the character before belongs to a word
	cut := func(to int) {
		if arg := strings.Trim(s[from:to], " \t,;"); arg != "" {
			out = append(out, arg)
		}
		from = to
	}
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch {
		case inText && ch == '\\':
			i++
		case ch == '"':
			inText = !inText
		case inText:
		case strings.IndexByte("([{", ch) >= 0:
			depth++
		case strings.IndexByte(")]}", ch) >= 0:
			depth--
		case depth == 0 && !word && argumentStart.MatchString(s[i:]):
			cut(i)
		}
		word = isWord(ch)
	}
	cut(len(s))
	return out
}
