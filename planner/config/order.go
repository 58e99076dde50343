package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Order sorts the blocks into levels: what a block refers to, directly or by way of locals, stands in a level before
// it. Within a level blocks are in file order. With a cycle there is no order; the list then has the errors, which Load
// has reported already.
func (c *Config) Order() ([][]*Block, diag.List) {
	if c.cyclic {
		return nil, c.sortBlocks()
	}
	return c.levels, nil
}

// arrow leads from what refers to what is referred to.
type arrow struct {
	to int
	at hcl.Range
}

// tangle is the graph of blocks and locals. Locals come after the blocks.
type tangle struct {
	names  []string
	arrows [][]arrow
	blocks int
}

func (c *Config) tangle() *tangle {
	locals := slices.Sorted(maps.Keys(c.locals))
	t := &tangle{names: make([]string, 0, len(c.blocks)+len(locals)), blocks: len(c.blocks)}
	byBlock, byLocal := make(map[addr.Block]int, len(c.blocks)), make(map[string]int, len(locals))
	for i, b := range c.blocks {
		t.names = append(t.names, b.Addr.String())
		byBlock[b.Addr] = i
	}
	for i, name := range locals {
		t.names = append(t.names, "local."+name)
		byLocal[name] = len(c.blocks) + i
	}
	t.arrows = make([][]arrow, len(t.names))
	add := func(from int, uses []use) {
		for _, u := range uses {
			to, ok := byBlock[u.block()]
			if u.root == "local" {
				to, ok = byLocal[u.name]
			}
			if ok {
				t.arrows[from] = append(t.arrows[from], arrow{to, u.rng()})
			}
		}
	}
	for i, b := range c.blocks {
		b.eachAttribute(func(a *attribute, _ *schema.Attribute) { add(i, a.uses) })
	}
	for i, name := range locals {
		add(len(c.blocks)+i, c.locals[name].attr.uses)
	}
	return t
}

// sortBlocks finds the levels, or the cycles.
func (c *Config) sortBlocks() diag.List {
	t := c.tangle()
	waiting := make([]int, len(t.names)) // arrows that lead to what is not sorted yet
	users := make([][]int, len(t.names))
	for from, arrows := range t.arrows {
		waiting[from] = len(arrows)
		for _, a := range arrows {
			users[a.to] = append(users[a.to], from)
		}
	}
	queue := make([]int, 0, len(t.names))
	for v, n := range waiting {
		if n == 0 {
			queue = append(queue, v)
		}
	}
	level, last := make([]int, len(t.names)), -1
	for i := 0; i < len(queue); i++ {
		v := queue[i]
		next := level[v]
		if v < t.blocks { // a local takes no level of its own
			last = max(last, level[v])
			next++
		}
		for _, u := range users[v] {
			level[u] = max(level[u], next)
			if waiting[u]--; waiting[u] == 0 {
				queue = append(queue, u)
			}
		}
	}
	if len(queue) < len(t.names) {
		c.cyclic = true
		for v := t.blocks; v < len(waiting); v++ {
			if waiting[v] > 0 {
				c.locals[strings.TrimPrefix(t.names[v], "local.")].endless = true
			}
		}
		return t.cycles(waiting)
	}
	c.levels = make([][]*Block, last+1)
	for i, b := range c.blocks {
		c.levels[level[i]] = append(c.levels[level[i]], b)
	}
	return nil
}

// cycles reports one cycle of each knot among the vertices that wait for ever.
func (t *tangle) cycles(waiting []int) diag.List {
	const (
		fresh = iota
		open
		closed
	)
	state := make([]int, len(t.names))
	// A path is followed from each vertex; where it meets itself there is a cycle. Vertices are closed once all that
	// they lead to was followed, so that every vertex is followed once.
	type frame struct{ v, next int }
	var list diag.List
	for start := range t.names {
		if waiting[start] == 0 || state[start] != fresh {
			continue
		}
		state[start] = open
		path := []frame{{v: start}}
		for len(path) > 0 {
			top := &path[len(path)-1]
			if top.next == len(t.arrows[top.v]) {
				state[top.v] = closed
				path = path[:len(path)-1]
				continue
			}
			a := t.arrows[top.v][top.next]
			top.next++
			switch {
			case waiting[a.to] == 0 || state[a.to] == closed:
			case state[a.to] == fresh:
				state[a.to] = open
				path = append(path, frame{v: a.to})
			default:
				from := slices.IndexFunc(path, func(f frame) bool { return f.v == a.to })
				var steps []arrow
				var names []string
				for _, f := range path[from:] {
					names = append(names, t.names[f.v])
					steps = append(steps, t.arrows[f.v][f.next-1])
				}
				list = append(list, cycle(names, steps)...)
				for _, f := range path { // one cycle of a knot is enough
					state[f.v] = closed
				}
				path = path[:0]
			}
		}
	}
	return list
}

func cycle(names []string, steps []arrow) diag.List {
	at := steps[0].at
	if len(names) == 1 {
		return diag.Errorf("Reference to itself", "%s refers to itself, so it cannot be evaluated. Remove the reference, or put what both places need into a local.", names[0]).At(&at)
	}
	var b strings.Builder
	for i, name := range names {
		fmt.Fprintf(&b, "\n  %s -> %s  (%s)", name, names[(i+1)%len(names)], place(steps[i].at))
	}
	return diag.Errorf("References form a cycle", "Each of these needs the next one first, and the last needs the first:%s\nRemove one of the references, or put what both places need into a local.", b.String()).At(&at)
}
