package reference

import (
	"fmt"
	"strings"
)

// head begins each page.
const head = "<!-- Made from the code by `make golden`; changes here are lost. -->\n\n"

// table writes rows of cells; columns in which no row has anything are left out.
func table(b *strings.Builder, titles []string, rows [][]string) {
	used := make([]bool, len(titles))
	for _, r := range rows {
		for i, cell := range r {
			used[i] = used[i] || cell != ""
		}
	}
	line := func(cells []string) {
		for i, cell := range cells {
			if used[i] {
				b.WriteString("| " + cell + " ")
			}
		}
		b.WriteString("|\n")
	}
	line(titles)
	rule := make([]string, len(titles))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, r := range rows {
		line(r)
	}
	b.WriteByte('\n')
}

// cell is a text that can stand in a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// code is a text as it is written in a configuration.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// anchor is what a link to a heading ends in.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// heading writes one of the level.
func heading(b *strings.Builder, level int, text string) {
	fmt.Fprintf(b, "%s %s\n\n", strings.Repeat("#", min(level, 6)), text)
}
