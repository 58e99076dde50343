package chart

import (
	"fmt"
	"slices"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// OfPlan is the chart of what a plan changes, and of what that stands on. Resources of one block of which the same
// becomes are one node; what they need beside themselves is left out. With all, each step of the plan is a node with
// the steps that come before it: the order in which apply goes.
func OfPlan(p *plan.Plan, all bool) *Chart {
	out := &Chart{Of: Plan}
	if all {
		steps(out, p)
	} else {
		resources(out, p)
	}
	out.sort()
	return out
}

// steps draws each step by itself.
func steps(out *Chart, p *plan.Plan) {
	id := func(i int) string {
		s := p.Steps[i]
		text := fmt.Sprintf("%s %s", s.Op, s.Address)
		if s.Deposed != "" {
			text += " (deposed " + s.Deposed + ")"
		}
		return text
	}
	// What a step is called may stand twice: a block's join of what goes and of what comes.
	names, taken := make([]string, len(p.Steps)), map[string]int{}
	for i, s := range p.Steps {
		name := id(i)
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s (%d)", name, taken[name])
		}
		names[i] = name
		n := Node{ID: name, Action: string(s.Op), Addresses: []string{s.Address}}
		if a, err := addr.ParseAny(s.Address); err == nil {
			n.Kind, n.Module = kindOf(a), string(a.Block.Module)
		}
		out.Nodes = append(out.Nodes, n)
		for _, need := range s.Needs {
			out.Edges = append(out.Edges, Edge{From: name, To: names[need]})
		}
	}
}

func kindOf(a addr.Resource) string {
	if k := a.Kind(); k != "" {
		return k
	}
	return a.Block.Type
}

// folder joins the resources of one block that have the same kind and action in one node.
type folder struct {
	out   *Chart
	nodes map[string]*Node
	of    map[string][]string // address of a resource -> its nodes
	block map[addr.Block][]string
}

func resources(out *Chart, p *plan.Plan) {
	f := &folder{out: out, nodes: map[string]*Node{}, of: map[string][]string{}, block: map[addr.Block][]string{}}
	for _, c := range p.Changes {
		switch a, err := addr.ParseResource(c.Address); {
		case err != nil: // of a later version of the language
			f.put(c.Address+" "+word(c), Node{Kind: c.Kind, Place: c.Declared, Action: word(c)}, c.Address)
		case a.Kind() != addr.KindSupport:
			f.add(a, word(c), c.Declared)
		}
	}
	for _, n := range p.Deferred {
		if a, err := addr.ParseAny(n.Address); err == nil && a.Kind() != addr.KindSupport && len(f.block[a.Block.Block]) == 0 {
			f.add(a, "deferred", "")
		}
	}
	for _, c := range p.Changes {
		if from := f.of[c.Address]; len(from) > 0 {
			for _, need := range precise(c.Needs) {
				for _, to := range f.needed(need) {
					f.edge(from, to)
				}
			}
		}
	}
	f.goes(p)
	for _, n := range f.nodes {
		n.label = label(n)
		f.out.Nodes = append(f.out.Nodes, *n)
	}
}

// word is what becomes of a resource in one word.
func word(c *plan.Change) string {
	switch {
	case c.Action.IsReplace():
		return "replace"
	case c.Import != nil && (c.Action == plan.NoOp || c.RecordOnly):
		return "import"
	case c.Action != plan.NoOp:
		return string(c.Action)
	case c.PreviousAddress != "":
		return "move"
	}
	return "unchanged"
}

// add puts a resource, or a whole block, into its node.
func (f *folder) add(a addr.Resource, action, place string) string {
	base := a.Block.Block.String()
	if k := a.Kind(); k == addr.KindInstance || k == addr.KindJob {
		base += "." + k
	}
	id := f.put(base+" "+action, Node{Kind: kindOf(a), Module: string(a.Block.Module), Place: place, Action: action}, a.String())
	if nodes := f.block[a.Block.Block]; !slices.Contains(nodes, id) {
		f.block[a.Block.Block] = append(nodes, id)
	}
	return id
}

// put adds an address to a node.
func (f *folder) put(id string, fresh Node, address string) string {
	n := f.nodes[id]
	if n == nil {
		n, fresh.ID = &fresh, id
		f.nodes[id] = n
	}
	if !slices.Contains(f.of[address], id) {
		n.Addresses = append(n.Addresses, address)
		f.of[address] = append(f.of[address], id)
	}
	return id
}

// precise leaves out the blocks of which single resources are needed as well: what is ordered by blocks is drawn by
// resources where they are known. Support objects are left out too.
func precise(needs []string) []addr.Resource {
	var out []addr.Resource
	of := map[addr.Block]bool{}
	for _, need := range needs {
		if a, err := addr.ParseAny(need); err == nil && a.Kind() != addr.KindSupport {
			out = append(out, a)
			of[a.Block.Block] = of[a.Block.Block] || a.Kind() != ""
		}
	}
	return slices.DeleteFunc(out, func(a addr.Resource) bool { return a.Kind() == "" && of[a.Block.Block] })
}

// needed are the nodes that an address means. What does not change is drawn as such.
func (f *folder) needed(a addr.Resource) []string {
	if to := f.of[a.String()]; len(to) > 0 {
		return to
	}
	if nodes := f.block[a.Block.Block]; a.Kind() == "" && len(nodes) > 0 {
		return nodes
	}
	return []string{f.add(a, "unchanged", "")}
}

func (f *folder) edge(from []string, to string) {
	for _, id := range from {
		if id != to {
			f.out.Edges = append(f.out.Edges, Edge{From: id, To: to})
		}
	}
}

// goes adds what stands on what among the things that end: what ends first stands on what ends after it.
func (f *folder) goes(p *plan.Plan) {
	ends := make([][]string, len(p.Steps)) // the nodes that end with a step, or before one that joins others
	for i, s := range p.Steps {
		switch s.Op {
		case plan.OpDelete:
			ends[i] = f.of[s.Address]
		case plan.OpJoin:
			for _, need := range s.Needs {
				ends[i] = append(ends[i], ends[need]...)
			}
			slices.Sort(ends[i])
			ends[i] = slices.Compact(ends[i])
			continue
		default:
			continue
		}
		for _, need := range s.Needs {
			for _, to := range ends[i] {
				f.edge(ends[need], to)
			}
		}
	}
}

// label is the address of one resource, or of several with their number, and what becomes of them.
func label(n *Node) string {
	name := n.Addresses[0]
	if len(n.Addresses) > 1 {
		a, _ := addr.ParseAny(name) // it was parsed before
		name = a.Block.Block.String()
		if k := a.Kind(); k == addr.KindInstance || k == addr.KindJob {
			name += "." + k
		}
		name = fmt.Sprintf("%s (%d)", name, len(n.Addresses))
	}
	return name + "\n" + n.Action
}
