package render

import (
	"slices"
	"strings"
)

// Column is one column of a table.
type Column struct {
	Title string
	// Drop says what goes first where the terminal is too narrow: the highest number; 0 stays.
	Drop int
	// Right aligns numbers.
	Right bool
}

// Table is rows of text in columns. Cells are clean.
type Table struct {
	Columns []Column
	Rows    [][]string
	// Plain has no blank in front of each line.
	Plain bool
}

// narrowText is the least room in which text is wrapped.
const narrowText = 20

// gapWidth is between two columns.
const gapWidth = 2

// allColumns is the width from which on no column is left out.
const allColumns = 120

// Text writes the table. Where it is wider than the terminal, columns go by their Drop and then the last one wraps; words
// are never cut. From 120 columns on, and on a pipe (Width 0), all columns are there; on a pipe nothing wraps.
func (t Table) Text(o Options) string {
	left := " "
	if t.Plain {
		left = ""
	}
	cols := t.without(make([]bool, len(t.Columns)))
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = displayWidth(c.Title)
		for _, r := range t.Rows {
			if i < len(r) {
				widths[i] = max(widths[i], displayWidth(r[i]))
			}
		}
	}
	if o.Width > 0 && o.Width < allColumns {
		cols = t.fit(widths, o.width()-len(left))
	}
	var b strings.Builder
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c.Title
	}
	t.row(&b, o, left, cols, widths, head, true)
	for _, r := range t.Rows {
		t.row(&b, o, left, cols, widths, r, false)
	}
	return b.String()
}

// fit leaves out columns until the rest fits, the last one by what cannot wrap; then takes back those that fit after all.
func (t Table) fit(widths []int, room int) []int {
	out := make([]bool, len(t.Columns))
	cols := t.without(out)
	var dropped []int
	for t.width(cols, widths) > room {
		drop := -1
		for _, i := range cols {
			if d := t.Columns[i].Drop; d > 0 && (drop < 0 || d > t.Columns[drop].Drop) {
				drop = i
			}
		}
		if drop < 0 {
			return cols
		}
		out[drop] = true
		dropped = append(dropped, drop)
		cols = t.without(out)
	}
	for _, i := range slices.Backward(dropped) {
		out[i] = false
		if more := t.without(out); t.width(more, widths) <= room {
			cols = more
		} else {
			out[i] = true
		}
	}
	return cols
}

// without lists the columns that are not left out.
func (t Table) without(out []bool) []int {
	var cols []int
	for i := range t.Columns {
		if !out[i] {
			cols = append(cols, i)
		}
	}
	return cols
}

// width is how narrow the columns can be.
func (t Table) width(cols, widths []int) int {
	total := 0
	for n, i := range cols {
		if n < len(cols)-1 {
			total += widths[i] + gapWidth
		} else {
			total += min(widths[i], max(displayWidth(t.Columns[i].Title), longestWord(t, i), narrowText))
		}
	}
	return total
}

func longestWord(t Table, col int) int {
	n := 0
	for _, r := range t.Rows {
		if col < len(r) {
			for _, w := range strings.Fields(r[col]) {
				n = max(n, displayWidth(w))
			}
		}
	}
	return n
}

func (t Table) row(b *strings.Builder, o Options, left string, cols, widths []int, cells []string, head bool) {
	line := left
	for n, i := range cols {
		cell := ""
		if i < len(cells) {
			cell = cells[i]
		}
		last := n == len(cols)-1
		text := cell
		if !last {
			text = pad(cell, widths[i]+gapWidth)
			if t.Columns[i].Right {
				text = padLeft(cell, widths[i]) + strings.Repeat(" ", gapWidth)
			}
		}
		switch {
		case head:
			line += o.paint(text, bold)
		case last:
			room := displayWidth(line) + displayWidth(cell)
			if o.Width > 0 {
				room = max(o.width(), displayWidth(line)+longestOf(cell))
			}
			indent(b, line, cell, room)
			return
		default:
			line += text
		}
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func longestOf(cell string) int {
	n := 0
	for _, w := range strings.Fields(cell) {
		n = max(n, displayWidth(w))
	}
	return n
}
