package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
)

// Diagnostics writes errors and warnings in their order, those that say the same of several resources once.
func Diagnostics(list diag.List, o Options) string {
	var b strings.Builder
	for i, s := range saidOnce(list) {
		if i > 0 {
			b.WriteByte('\n')
		}
		diagnostic(&b, o, s.first, s.addresses)
	}
	return b.String()
}

// said is what one or several diagnostics say.
type said struct {
	first     *diag.Diagnostic
	addresses []string
}

// saidOnce folds diagnostics that say the same of several resources.
func saidOnce(list diag.List) []*said {
	type saying struct {
		severity        diag.Severity
		summary, detail string
		place           diag.Range
	}
	var order []*said
	all := map[saying]*said{}
	for _, d := range list {
		k := saying{d.Severity, d.Summary, d.Detail, diag.Range{}}
		if d.Range != nil {
			k.place = *d.Range
		}
		s := all[k]
		if s == nil {
			s = &said{first: d}
			all[k] = s
			order = append(order, s)
		}
		if d.Address != "" {
			s.addresses = append(s.addresses, d.Address)
		}
	}
	return order
}

// told tells whether the place or the summary names the address already.
func told(d *diag.Diagnostic, address string) bool {
	if d.Range == nil {
		return false
	}
	kind, name, _ := strings.Cut(address, ".")
	if kind == "data" {
		name = strings.Replace(name, ".", `" "`, 1)
	}
	return strings.Contains(d.Summary, address) || d.Snippet != nil && strings.HasPrefix(d.Snippet.Context+",", "in "+kind+` "`+name+`",`)
}

func diagnostic(b *strings.Builder, o Options, d *diag.Diagnostic, about []string) {
	word, color := "Error: ", red
	if d.Severity == diag.Warning {
		word, color = "Warning: ", yellow
	}
	summary := o.paint(clean(d.Summary), bold)
	if d.Rule != "" {
		summary += " (" + clean(d.Rule) + ")"
	}
	indent(b, o.paint(word, color, bold), summary, o.width())
	b.WriteByte('\n')
	if len(about) > 1 || len(about) == 1 && !told(d, about[0]) {
		indent(b, "  for ", addresses(about)+":", o.width())
	}
	if d.Range != nil {
		where := fmt.Sprintf("on %s line %d", clean(d.Range.Filename), d.Range.Start.Line)
		if d.Snippet != nil && d.Snippet.Context != "" {
			where += ", " + clean(d.Snippet.Context)
		}
		paragraph(b, where+":", o)
	}
	if d.Snippet != nil {
		snippet(b, o, d.Snippet, color)
	}
	for _, line := range strings.Split(strings.TrimRight(d.Detail, "\n"), "\n") {
		// A line that is indented is a command to copy or a table: it stays as it is.
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			b.WriteString(strings.TrimRight("  "+clean(strings.ReplaceAll(line, "\t", "    ")), " ") + "\n")
		} else if line == "" {
			b.WriteByte('\n')
		} else {
			paragraph(b, clean(line), o)
		}
	}
}

// paragraph writes a line of a diagnostic. Where it would look like the beginning of a change, it is indented deeper.
func paragraph(b *strings.Builder, text string, o Options) {
	for _, line := range wrap(text, max(o.width()-2, narrowText)) {
		prefix := "  "
		switch word, _, _ := strings.Cut(strings.TrimLeft(line, " "), " "); word {
		case "-", "-/+", "+/-", ".", "?", "~", "+", ">":
			prefix = "      "
		}
		b.WriteString(strings.TrimRight(prefix+line, " ") + "\n")
	}
}

// snippet prints source lines with their numbers and marks the place below.
func snippet(b *strings.Builder, o Options, s *diag.Snippet, color style) {
	var lines []string
	if s.Code != "" { // lines that may hold a secret are not there
		lines = strings.Split(strings.TrimSuffix(s.Code, "\n"), "\n")
	}
	digits := len(strconv.Itoa(s.StartLine + len(lines) - 1))
	offset := 0
	for i, line := range lines {
		number := padLeft(strconv.Itoa(s.StartLine+i), digits)
		prefix := "  " + number + ": "
		b.WriteString(strings.TrimRight(prefix+source(line), " ") + "\n")
		from, to := max(s.Start-offset, 0), min(s.End-offset, len(line))
		if from < to && from < len(line) {
			before, marked := source(line[:from]), source(line[from:to])
			b.WriteString(strings.Repeat(" ", displayWidth(prefix)+displayWidth(before)) +
				o.paint(strings.Repeat("^", max(1, displayWidth(marked))), color) + "\n")
		}
		offset += len(line) + 1
	}
	for _, v := range s.Values {
		text := clean(v.Statement)
		if !strings.HasPrefix(v.Statement, v.Traversal) {
			text = clean(v.Traversal) + " " + text
		}
		indent(b, "    ", text, o.width())
	}
}

// source is a line of source with tabs as blanks.
func source(line string) string { return clean(strings.ReplaceAll(line, "\t", "    ")) }
