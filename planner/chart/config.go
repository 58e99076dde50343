package chart

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
)

// OfConfig is the chart of a configuration's blocks. With all, variables, locals, calls of modules and what they give
// back are drawn as well; without, what leads through them is an edge between blocks.
func OfConfig(c *config.Config, all bool) *Chart {
	out := &Chart{Of: Configuration}
	drawn := map[string]bool{}
	for _, t := range things(c) {
		if t.hidden && !all {
			continue
		}
		drawn[t.name] = true
		out.Nodes = append(out.Nodes, Node{ID: t.name, Kind: t.kind, Module: t.module, Place: t.place})
	}
	ways := map[string][]config.Mention{}
	for _, m := range c.Mentions() {
		ways[m.From] = append(ways[m.From], m)
	}
	for _, n := range out.Nodes {
		// Through what is not drawn the way goes on. It is one of depends_on if a step of it is.
		type at struct {
			name      string
			dependsOn bool
		}
		seen := map[at]bool{}
		queue := []at{{name: n.ID}}
		for len(queue) > 0 {
			here := queue[0]
			queue = queue[1:]
			for _, m := range ways[here.name] {
				next := at{m.To, here.dependsOn || m.DependsOn}
				switch {
				case seen[next]:
				case drawn[m.To]:
					seen[next] = true
					if m.To != n.ID {
						out.Edges = append(out.Edges, Edge{From: n.ID, To: m.To, DependsOn: next.dependsOn})
					}
				default:
					seen[next] = true
					queue = append(queue, next)
				}
			}
		}
	}
	out.sort()
	return out
}

// thing is what can be a node of a configuration's chart.
type thing struct {
	name, kind, module, place string
	hidden                    bool // drawn only when all is: what gives a name to something else
}

// things lists what can be named and what names others.
func things(c *config.Config) []thing {
	var out []thing
	for _, b := range c.Blocks() {
		out = append(out, thing{
			name: b.Addr.String(), kind: b.Addr.Type, module: string(b.Addr.Module),
			place: placeOf(b.DefRange),
			// What a module gives back is a name too; only the configuration's own outputs are seen outside.
			hidden: b.Addr.Type == "module" || b.Addr.Type == "output" && b.Addr.Module != addr.Root,
		})
	}
	for _, n := range c.Names() {
		out = append(out, thing{name: n.Address, kind: n.Type, module: string(n.Module), place: placeOf(n.DefRange), hidden: true})
	}
	return out
}

func placeOf(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
