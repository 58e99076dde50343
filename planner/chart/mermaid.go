package chart

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What Mermaid draws at most where nobody has told it otherwise, as on GitHub.
const (
	MermaidText  = 50_000
	MermaidEdges = 500
)

// Mermaid draws the chart as a flowchart of Mermaid, which Markdown takes in a fence of that name.
func (c *Chart) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := map[string]string{}
	used := map[string][]string{} // action -> nodes
	modules := 0
	c.inModules(func(module string) {
		fmt.Fprintf(&b, "  subgraph m%d[\"%s\"]\n", modules, mermaidText(module))
		modules++
	}, func(n Node, indent string) {
		id := fmt.Sprintf("n%d", len(ids))
		ids[n.ID] = id
		fmt.Fprintf(&b, "%s%s%s\n", indent, id, mermaidShape(n))
		if _, ok := looks[n.Action]; ok {
			used[n.Action] = append(used[n.Action], id)
		}
	}, func() { b.WriteString("  end\n") })
	for _, e := range c.Edges {
		arrow := "-->"
		if e.DependsOn {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", ids[e.From], arrow, ids[e.To])
	}
	for _, action := range slices.Sorted(maps.Keys(used)) {
		l := looks[action]
		dash := ""
		if l.dashed {
			dash = ",stroke-dasharray:4 3"
		}
		fmt.Fprintf(&b, "  classDef %s fill:%s,stroke:%s,color:#1f2328%s\n", action, l.fill, l.line, dash)
		fmt.Fprintf(&b, "  class %s %s\n", strings.Join(used[action], ","), action)
	}
	return b.String()
}

func mermaidShape(n Node) string {
	text := mermaidText(n.Label())
	switch n.Kind {
	case "variable", "local":
		return `(["` + text + `"])`
	case "output":
		return `>"` + text + `"]`
	case "backend":
		return `[["` + text + `"]]`
	}
	return `["` + text + `"]`
}

// mermaidText writes a text between quotes: what means something there, or in HTML or Markdown, is written as a number.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range visible(s) {
		switch {
		case r == '\n':
			b.WriteString("<br>")
		case strings.ContainsRune("\"#&<>`\\*~|{}", r):
			fmt.Fprintf(&b, "#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
