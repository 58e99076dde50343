package render

import (
	"fmt"
	"slices"
	"strings"
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

// folded makes one node of all resources of a kind of which the same becomes, for a graph that is too large to be looked
// at. A group is the target of the first of its resources that has one.
func folded(nodes map[string]*node, edges map[[2]string]bool, ids map[string]string) (map[string]*node, map[[2]string]bool, map[string]string) {
	groups, between, targets := map[string]*node{}, map[[2]string]bool{}, map[string]string{}
	of := map[string]string{}
	names := sortedKeys(nodes)
	slices.SortFunc(names, compareNatural)
	for _, name := range names {
		n := nodes[name]
		kind := n.kind
		if kind == "" {
			kind = "other"
		}
		key := fmt.Sprintf("%s %02d", kind, n.action)
		of[name] = key
		if groups[key] == nil {
			groups[key] = &node{base: "any " + kind, kind: n.kind, action: n.action}
		}
		groups[key].n += max(1, n.n)
		if targets[key] == "" {
			targets[key] = ids[name]
		}
	}
	for e := range edges {
		if from, to := of[e[0]], of[e[1]]; from != to {
			between[[2]string{from, to}] = true
		}
	}
	return groups, between, targets
}

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
			label += fmt.Sprintf(" (%s)", grouped(n.n))
		}
		box := drawnBox{
			X: 10 + c*(boxWidth+columnGap), Y: 10 + rows[c]*(boxHeight+boxGap), Width: boxWidth, Height: boxHeight,
			Class: n.action.class(), Label: cut(label, 30, 0), Title: label, Target: ids[name],
		}
		if len([]rune(label)) > 30 {
			r := []rune(label)
			box.Label = string(r[:12]) + "..." + string(r[len(r)-15:])
		}
		if symbol := strings.TrimSpace(n.action.symbol()); symbol != "" {
			box.Label = symbol + " " + box.Label
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
