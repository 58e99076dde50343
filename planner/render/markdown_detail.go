package render

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

const (
	longestLine = 240 // of a text that is shown by line
	fewLines    = 8   // of a text, where there is no room for all that differs
)

// details are the differences of each change, folded. Where there is no room for all, the largest are shortened, and then
// left out, until the rest fits.
func (m *markdown) details(left *missing) string {
	type detail struct {
		b    *block
		text string
	}
	var all []detail
	size := 1
	for _, b := range m.blocks {
		if d := m.detail(b, 0); d != "" {
			all = append(all, detail{b, d})
			size += len(d)
		}
	}
	if d := m.outputs(); d != "" {
		all = append(all, detail{nil, d})
		size += len(d)
	}
	largest := make([]int, len(all))
	for i := range all {
		largest[i] = i
	}
	bySize := func(i, j int) int {
		if d := len(all[j].text) - len(all[i].text); d != 0 {
			return d
		}
		return j - i // of equal ones the least dangerous goes first
	}
	slices.SortFunc(largest, bySize)
	for _, i := range largest {
		if size <= m.room {
			break
		}
		if d := &all[i]; d.b != nil && slices.ContainsFunc(d.b.fields, func(f field) bool { return f.verbatim && len(f.lines) > fewLines }) {
			short := m.detail(d.b, fewLines)
			size += len(short) - len(d.text)
			d.text = short
		}
	}
	slices.SortFunc(largest, bySize)
	for _, i := range largest {
		if size <= m.room {
			break
		}
		d := &all[i]
		size -= len(d.text)
		d.text = ""
		if d.b != nil {
			left.details += len(d.b.changes)
		} else {
			left.details += len(m.p.Outputs)
		}
	}
	var out strings.Builder
	for _, d := range all {
		out.WriteString(d.text)
	}
	text := out.String()
	m.claim(text)
	return text
}

// detail is one folded block; it is empty where the table has said all. most is how many lines of a text are shown, all
// where it is 0.
func (m *markdown) detail(b *block, most int) string {
	if m.listed[b] && !slices.ContainsFunc(b.fields, func(f field) bool { return !inTable(b, f) }) {
		return ""
	}
	return m.folded(htmlCode(b.name())+" "+m.html(b.title), diffLinesOf(b.fields, most))
}

// inTable tells whether a row of the table says what the field does.
func inTable(b *block, f field) bool {
	switch f.label {
	case "because", "disk", "data", "at", "machine":
		return true
	case "runs on":
		return b.action == showCreate || b.action == showDestroy
	}
	return false
}

// html writes a title into a summary, where HTML is read and Markdown is not.
func (m *markdown) html(title string) string {
	return writer{code: htmlCode}.prose(title)
}

func (m *markdown) folded(title string, lines []string) string {
	return "<details><summary>" + title + "</summary>\n\n" + fenced("diff", lines) + "</details>\n"
}

// outputs are the outputs that change.
func (m *markdown) outputs() string {
	var fields []field
	for _, name := range sortedKeys(m.p.Outputs) {
		out := m.p.Outputs[name]
		if out.Action == plan.NoOp || out.Action == "" {
			continue
		}
		d := plan.AttrDiff{Path: name, Before: out.Before, After: out.After, Unknown: out.Unknown, Sensitive: out.Sensitive, Inside: out.Inside}
		f := field{marker: "~", label: clean(name), lines: diffLines(d, false, fenceWidth-labelWidth)}
		switch out.Action {
		case plan.Create:
			f.marker = "+"
		case plan.Delete:
			f.marker = "-"
		}
		f.verbatim = byText(d)
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return ""
	}
	return m.folded(Count(len(fields), "output")+" will change", diffLinesOf(fields, 0))
}

// diffLinesOf writes fields as a difference: what goes begins with a minus, what comes with a plus, what becomes another
// value with an exclamation mark, in the first column, so that it is coloured.
func diffLinesOf(fields []field, most int) []string {
	room := 0
	for _, f := range fields {
		if n := displayWidth(f.label); n <= widestLabel {
			room = max(room, n)
		}
	}
	var out []string
	for _, f := range fields {
		out = f.diff(out, room, most)
	}
	return out
}

func (f field) diff(out []string, room, most int) []string {
	sign := map[string]string{"+": "+", "-": "-", "": " "}[f.marker]
	if sign == "" {
		sign = "!"
	}
	note := ""
	if f.forces {
		note = "  # forces replacement"
	}
	label := pad(f.label, room)
	if displayWidth(f.label) > room {
		out = append(out, sign+" "+f.label)
		label = pad("", room)
	}
	switch {
	case f.verbatim:
		out = append(out, strings.TrimRight(sign+" "+label, " ")+note)
		return byLine(out, f.lines, most)
	case f.pair:
		out = append(out, "- "+label+"  "+f.lines[0], "+ "+label+"  "+f.lines[1]+note)
		for _, l := range f.lines[2:] {
			out = append(out, "  "+pad("", room)+"  "+l)
		}
		return out
	case f.label == "":
		return append(out, strings.TrimLeft(sign+" "+f.lines[0], " "))
	}
	for i, l := range f.lines {
		for _, part := range wrap(l, fenceWidth-room-4) {
			out = append(out, strings.TrimRight(sign+" "+label+"  "+part, " "))
			label = pad("", room)
		}
		if i == len(f.lines)-1 {
			out[len(out)-1] += note
		}
	}
	return out
}

// byLine writes the lines of a text with their signs in the first column.
func byLine(out, lines []string, most int) []string {
	rest := 0
	if most > 0 && len(lines) > most {
		rest, lines = len(lines)-most, lines[:most]
	}
	for _, l := range lines {
		sign, text := " ", l
		switch {
		case strings.HasPrefix(l, "+ "), strings.HasPrefix(l, "- "), strings.HasPrefix(l, "  "):
			sign, text = l[:1], l[2:]
		case strings.HasPrefix(l, "@@ "):
			out = append(out, l+" @@")
			continue
		}
		out = append(out, strings.TrimRight(sign+"   "+cut(text, longestLine, 0), " "))
	}
	if rest > 0 {
		out = append(out, "    ... "+Count(rest, "more line"))
	}
	return out
}
