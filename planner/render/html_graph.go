package render

import (
	"fmt"
	"slices"
)

const (
	mostDrawn      = 400 // nodes of a graph that a browser draws at once
	mostDrawnEdges = 2000

	boxWidth, boxHeight = 250, 30
	boxGap, columnGap   = 12, 90
)

// drawing is a graph with its places: what is needed stands to the left of what needs it.
type drawing struct {
	Width, Height int
	Boxes         []drawnBox
	Lines         []drawnLine
}

type drawnBox struct {
	X, Y, TextY          int
	Class, Label, Target string // the change that a click leads to, "" if there is none
	Title                string
	Width, Height        int
}

type drawnLine struct{ Path string }

// draw gives each node a column, behind all that it stands on, and a row by name.
func draw(nodes map[string]*node, edges map[[2]string]bool, ids map[string]string) *drawing {
	names := sortedKeys(nodes)
	slices.SortFunc(names, compareNatural)
	column := columns(names, edges)
	rows := map[int]int{}
	at := map[string]drawnBox{}
	out := &drawing{}
	for _, name := range names {
		n := nodes[name]
		c := column[name]
		label := clean(n.base)
		if n.n > 1 {
			label += fmt.Sprintf(" (%d)", n.n)
		}
		box := drawnBox{
			X: 10 + c*(boxWidth+columnGap), Y: 10 + rows[c]*(boxHeight+boxGap), Width: boxWidth, Height: boxHeight,
			Class: n.action.class(), Label: cut(label, 34, 0), Title: label, Target: ids[name],
		}
		if len([]rune(label)) > 34 {
			r := []rune(label)
			box.Label = string(r[:14]) + "..." + string(r[len(r)-17:])
		}
		if word := n.action.word(); word != "" {
			box.Title += ": " + word
		}
		box.TextY = box.Y + 19
		rows[c]++
		out.Width, out.Height = max(out.Width, box.X+boxWidth+10), max(out.Height, box.Y+boxHeight+10)
		at[name] = box
		out.Boxes = append(out.Boxes, box)
	}
	for _, from := range names {
		for _, to := range names {
			if !edges[[2]string{from, to}] {
				continue
			}
			a, b := at[from], at[to]
			x1, y1, x2, y2 := a.X+boxWidth, a.Y+boxHeight/2, b.X, b.Y+boxHeight/2
			out.Lines = append(out.Lines, drawnLine{fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+columnGap/2, y1, x2-columnGap/2, y2, x2, y2)})
		}
	}
	return out
}

// columns puts everything behind what it stands on. What stands on itself in a circle keeps the column that it has.
func columns(names []string, edges map[[2]string]bool) map[string]int {
	needs := map[string][]string{}
	for e := range edges {
		needs[e[1]] = append(needs[e[1]], e[0])
	}
	out := map[string]int{}
	open := map[string]bool{}
	var place func(name string) int
	place = func(name string) int {
		if c, ok := out[name]; ok {
			return c
		}
		if open[name] {
			return 0
		}
		open[name] = true
		c := 0
		for _, n := range needs[name] {
			c = max(c, place(n)+1)
		}
		out[name] = c
		return c
	}
	for _, name := range names {
		place(name)
	}
	return out
}
