package chart

import (
	"fmt"
	"strings"
)

// DOT draws the chart in the language of Graphviz.
func (c *Chart) DOT() string {
	var b strings.Builder
	b.WriteString("digraph dstack {\n  rankdir = \"LR\"\n  node [shape = \"box\", style = \"filled\", fillcolor = \"white\"]\n")
	c.inModules(func(module string) {
		fmt.Fprintf(&b, "  subgraph %s {\n    label = %s\n", dotText("cluster_"+module), dotText(module))
	}, func(n Node, indent string) {
		fmt.Fprintf(&b, "%s%s [label = %s%s]\n", indent, dotText(n.ID), dotText(n.Label()), dotLook(n))
	}, func() { b.WriteString("  }\n") })
	for _, e := range c.Edges {
		style := ""
		if e.DependsOn {
			style = ` [style = "dashed"]`
		}
		fmt.Fprintf(&b, "  %s -> %s%s\n", dotText(e.From), dotText(e.To), style)
	}
	b.WriteString("}\n")
	return b.String()
}

// inModules calls node for all nodes, those of each module between open and end.
func (c *Chart) inModules(open func(module string), node func(n Node, indent string), end func()) {
	module := ""
	for _, n := range c.Nodes { // in order of modules, the root first
		if n.Module != module {
			if module != "" {
				end()
			}
			open(n.Module)
			module = n.Module
		}
		indent := "  "
		if module != "" {
			indent = "    "
		}
		node(n, indent)
	}
	if module != "" {
		end()
	}
}

func dotLook(n Node) string {
	out := ""
	if n.Place != "" {
		out += ", tooltip = " + dotText(n.Place)
	}
	switch n.Kind {
	case "variable", "local":
		out += `, shape = "ellipse"`
	case "output":
		out += `, shape = "note"`
	case "backend":
		out += `, shape = "component"`
	}
	if l, ok := looks[n.Action]; ok {
		out += fmt.Sprintf(", fillcolor = %q, color = %q", l.fill, l.line)
		if l.dashed {
			out += `, style = "filled,dashed"`
		}
	}
	return out
}

// dotText writes a text between quotes. A backslash begins an escape in labels, so it is written twice.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(visible(s)) + `"`
}

// visible takes control characters out, which no drawing shows.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// look is how the nodes of an action are drawn. The word of the action stands in the label as well.
type look struct {
	fill, line string
	dashed     bool
}

var looks = map[string]look{
	"create":    {"#dafbe1", "#1a7f37", false},
	"update":    {"#fff8c5", "#9a6700", false},
	"replace":   {"#ffe2cc", "#bc4c00", false},
	"delete":    {"#ffebe9", "#cf222e", false},
	"forget":    {"#eaeef2", "#57606a", false},
	"import":    {"#ddf4ff", "#0969da", false},
	"move":      {"#ddf4ff", "#0969da", false},
	"unchanged": {"#ffffff", "#8c959f", false},
	"deferred":  {"#ffffff", "#8c959f", true},
	"record":    {"#eaeef2", "#57606a", false},
	"depose":    {"#eaeef2", "#57606a", false},
	"join":      {"#ffffff", "#8c959f", true},
}
