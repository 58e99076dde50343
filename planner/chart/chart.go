package chart

import (
	"cmp"
	"slices"
	"strings"
)

// FormatVersion is the version of the JSON. It grows by additions only within a major version.
const FormatVersion = "1.0"

// Chart is a graph to be drawn. Its fields are its JSON.
type Chart struct {
	FormatVersion string `json:"format_version"`
	Of            string `json:"of"` // configuration or plan
	Nodes         []Node `json:"nodes"`
	Edges         []Edge `json:"edges"`
}

// What a chart is of.
const (
	Configuration = "configuration"
	Plan          = "plan"
)

// Node is one thing: a block, a variable or a local of a configuration; resources or a step of a plan.
type Node struct {
	ID     string `json:"id"`               // a name that no other node has; of a configuration the address
	Kind   string `json:"kind"`             // the type of the block, or the kind of the resource
	Module string `json:"module,omitempty"` // the module that it stands in
	Place  string `json:"place,omitempty"`  // main.dstack.hcl:4

	Action    string   `json:"action,omitempty"`    // of a plan: create, update, replace, delete, ... or unchanged, deferred
	Addresses []string `json:"addresses,omitempty"` // of a plan: the resources that the node stands for

	label string // as drawn, where that is more than the ID
}

// Edge leads from what needs to what is needed.
type Edge struct {
	From      string `json:"from"`
	To        string `json:"to"`
	DependsOn bool   `json:"depends_on,omitempty"` // it is there by depends_on alone
}

// Label is what is written on the node.
func (n Node) Label() string { return cmp.Or(n.label, n.ID) }

// sort puts nodes and edges in order, and joins edges between the same two: what one reference needs, depends_on needs not
// say.
func (c *Chart) sort() {
	c.FormatVersion = FormatVersion
	slices.SortFunc(c.Nodes, func(a, b Node) int { return cmp.Or(strings.Compare(a.Module, b.Module), compareNatural(a.ID, b.ID)) })
	slices.SortFunc(c.Edges, func(a, b Edge) int {
		return cmp.Or(compareNatural(a.From, b.From), compareNatural(a.To, b.To), compareBool(a.DependsOn, b.DependsOn))
	})
	c.Edges = slices.CompactFunc(c.Edges, func(a, b Edge) bool { return a.From == b.From && a.To == b.To })
	if c.Nodes == nil {
		c.Nodes = []Node{}
	}
	if c.Edges == nil {
		c.Edges = []Edge{}
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareNatural orders texts with numbers in them by the numbers: instance[2] before instance[10].
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			n, m := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(n), len(m)), cmp.Compare(n, m), cmp.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits counts the digits that a text begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
