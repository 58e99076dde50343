package render

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const (
	mostNodes = 24 // of a graph that is still looked at
	mostEdges = 48
)

// node is a block's resources of one kind in the graph.
type node struct {
	base   string
	kind   string // of addr
	action shown
	n      int
}

// graph draws what changes and what it stands on, where it is small enough to be looked at.
func (m *markdown) graph() string {
	nodes, edges, ok := standing(m.p, mostNodes, mostEdges)
	changed := 0
	for _, n := range nodes {
		if n.n > 0 {
			changed++
		}
	}
	if !ok || changed < 2 || len(edges) == 0 {
		return ""
	}
	return m.fitting(m.room/4, func() string { return mermaid(nodes, edges) })
}

// standing is what changes and what it stands on: resources that differ in their last key alone are one node, and an edge
// leads from what is needed to what needs it. It is not ok where there are more than that many of either.
func standing(p *plan.Plan, mostNodes, mostEdges int) (nodes map[string]*node, edges map[[2]string]bool, ok bool) {
	nodes, edges = map[string]*node{}, map[[2]string]bool{}
	of := func(a string) *node { // nil for a block, which stands for its resources
		a = ownerOf(a)
		if _, err := addr.ParseInstance(a); err == nil {
			if _, err := addr.ParseResource(a); err != nil {
				return nil
			}
		}
		base, _ := splitAddress(a)
		n := nodes[base]
		if n == nil {
			n = &node{base: base, action: showNothing}
			if r, err := addr.ParseResource(a); err == nil {
				n.kind = r.Kind()
			}
			nodes[base] = n
		}
		return n
	}
	for _, c := range p.Changes {
		s := shownOf(c)
		if s == showNothing {
			continue
		}
		n := of(c.Address)
		if n == nil {
			continue
		}
		if c.Kind != addr.KindSupport {
			n.n++
			n.action = min(n.action, s)
		}
		for _, need := range c.Needs {
			if to := of(need); to != nil && to != n {
				edges[[2]string{to.base, n.base}] = true
			}
		}
		if len(nodes) > mostNodes || len(edges) > mostEdges {
			return nil, nil, false
		}
	}
	return nodes, edges, true
}

func mermaid(nodes map[string]*node, edges map[[2]string]bool) string {
	var out strings.Builder
	out.WriteString("<details><summary>what stands on what</summary>\n\n```mermaid\nflowchart LR\n")
	names := sortedKeys(nodes)
	slices.SortFunc(names, compareNatural)
	id := map[string]int{}
	var classes [showNothing + 1][]string
	for i, name := range names {
		id[name] = i
		n := nodes[name]
		label := mermaidText(n.base)
		if n.n > 1 {
			label += fmt.Sprintf(" (%d)", n.n)
		}
		if word := n.action.word(); word != "" {
			label += ": " + word
		}
		fmt.Fprintf(&out, "  n%d[\"%s\"]\n", i, label)
		classes[n.action] = append(classes[n.action], fmt.Sprintf("n%d", i))
	}
	for _, name := range names {
		for _, to := range names {
			if edges[[2]string{name, to}] {
				fmt.Fprintf(&out, "  n%d --> n%d\n", id[name], id[to])
			}
		}
	}
	for _, c := range []struct {
		name, style string
		of          []shown
	}{
		{"goes", "stroke:#cf222e,stroke-width:2px", []shown{showDestroy, showReplace, showReplaceNewFirst, showForget}},
		{"differs", "stroke:#bf8700,stroke-width:2px", []shown{showUpdate, showRecord, showInFlight, showImport, showMove}},
		{"comes", "stroke:#1a7f37,stroke-width:2px", []shown{showCreate}},
		{"stays", "stroke-dasharray:4", []shown{showNothing}},
	} {
		var list []string
		for _, s := range c.of {
			list = append(list, classes[s]...)
		}
		if len(list) > 0 {
			fmt.Fprintf(&out, "  classDef %s %s\n  class %s %s\n", c.name, c.style, strings.Join(list, ","), c.name)
		}
	}
	out.WriteString("```\n</details>\n")
	return out.String()
}

// mermaidText writes text between quotes of a graph, in which nothing but letters, digits and dots stays as it is.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '_' || r == '-' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// bill is the cost by block, folded.
func (m *markdown) bill() string {
	rows := costRows(m.p)
	if len(rows) == 0 {
		return ""
	}
	write := func(most int) func() string {
		return func() string {
			var out strings.Builder
			out.WriteString("<details><summary>cost by block</summary>\n\n| block | now | after | difference | at most |\n|---|---:|---:|---:|---:|\n")
			for i, r := range rows {
				if last := i == len(rows)-1; i >= most && !last {
					if i == most {
						row(&out, Count(len(rows)-1-most, "other"), "", "", "", "")
					}
					continue
				}
				name := m.w.prose(strings.TrimSpace(r[0]))
				row(&out, name, r[1], r[2], r[3], strings.TrimPrefix(r[4], "at most "))
			}
			out.WriteString("\n</details>\n")
			return out.String()
		}
	}
	return m.fitting(m.room/3, write(40), write(8))
}
