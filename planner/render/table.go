package render

import "strings"

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
	cols := make([]int, len(t.Columns))
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = i
		widths[i] = displayWidth(c.Title)
		for _, r := range t.Rows {
			if i < len(r) {
				widths[i] = max(widths[i], displayWidth(r[i]))
			}
		}
	}
	if o.Width > 0 && o.Width < allColumns {
		cols = t.fit(cols, widths, o.width()-len(left))
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

// fit leaves out columns until the rest fits, the last one by half its width, which can wrap.
func (t Table) fit(cols, widths []int, room int) []int {
	for {
		total := 0
		for n, i := range cols {
			w := widths[i]
			if n == len(cols)-1 {
				w = min(w, max(displayWidth(t.Columns[i].Title), longestWord(t, i), narrowText))
			} else {
				w += gapWidth
			}
			total += w
		}
		drop := -1
		for n, i := range cols {
			if d := t.Columns[i].Drop; d > 0 && (drop < 0 || d >= t.Columns[cols[drop]].Drop) {
				drop = n
			}
		}
		if total <= room || drop < 0 {
			return cols
		}
		cols = append(append([]int{}, cols[:drop]...), cols[drop+1:]...)
	}
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
