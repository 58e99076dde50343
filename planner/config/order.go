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

// tangle is the graph of blocks, and of what has no place of its own in the order: locals, variables of modules, and the
// ends of modules, which wait for all that is in them. The blocks come first.
type tangle struct {
	names  []string
	links  []*links // nil for the ends of modules
	arrows [][]arrow
	blocks int
	at     map[vertex]int
}

// vertex names what is no block.
type vertex struct {
	module *Module
	kind   string // local, var, end
	name   string
}

func (c *Config) tangle() *tangle {
	t := &tangle{names: make([]string, 0, len(c.blocks)), blocks: len(c.blocks), at: map[vertex]int{}}
	byBlock := make(map[addr.Block]int, len(c.blocks))
	for i, b := range c.blocks {
		t.names, t.links = append(t.names, b.Addr.String()), append(t.links, &b.links)
		byBlock[b.Addr] = i
	}
	add := func(v vertex, name string, l *links) {
		t.at[v] = len(t.names)
		t.names, t.links = append(t.names, name), append(t.links, l)
	}
	for _, m := range c.modules {
		for _, name := range slices.Sorted(maps.Keys(m.locals)) {
			add(vertex{m, "local", name}, m.label("local."+name), &m.locals[name].links)
		}
		if m.Call != nil {
			for _, name := range slices.Sorted(maps.Keys(m.variables)) {
				add(vertex{m, "var", name}, m.label("var."+name), &m.variables[name].links)
			}
			add(vertex{m, "end", ""}, string(m.Path), nil)
		}
	}
	t.arrows = make([][]arrow, len(t.names))
	point := func(from, to int, at hcl.Range) { t.arrows[from] = append(t.arrows[from], arrow{to, at}) }
	follow := func(from int, m *Module, uses []use, dependsOn bool) {
		for _, u := range uses {
			switch u.root {
			case "local", "var":
				if to, ok := t.at[vertex{m, u.root, u.name}]; ok {
					point(from, to, u.rng())
				}
			case "module":
				child := m.children[u.name]
				if child == nil {
					continue
				}
				if dependsOn {
					point(from, t.at[vertex{child, "end", ""}], u.rng())
					continue
				}
				point(from, byBlock[child.Call.Addr], u.rng())
				want := child.names["output"]
				if name := u.output(); name != "" {
					want = []string{name}
				}
				for _, name := range want {
					if b := c.output(child, name); b != nil {
						point(from, byBlock[b.Addr], u.rng())
					}
				}
			default:
				if to, ok := byBlock[m.block(u)]; ok {
					point(from, to, u.rng())
				}
			}
		}
	}
	for i, b := range c.blocks {
		b.eachAttribute(func(a *attribute, _ *schema.Attribute) {
			if b.Type.Name != "module" || a == b.count || a == b.forEach || a == b.dependOn {
				follow(i, b.module, a.uses, a == b.dependOn || a.name == "depends_on")
			}
		})
		for _, p := range c.StandIns(b) {
			point(i, byBlock[p.Addr], b.DefRange)
		}
		if call := b.module.Call; call != nil {
			point(i, byBlock[call.Addr], b.DefRange)
			point(t.at[vertex{b.module, "end", ""}], i, b.DefRange)
		}
	}
	for _, m := range c.modules {
		for name, l := range m.locals {
			follow(t.at[vertex{m, "local", name}], m, l.attr.uses, false)
		}
		if m.Call == nil {
			continue
		}
		call := byBlock[m.Call.Addr]
		for name := range m.variables {
			v := t.at[vertex{m, "var", name}]
			point(v, call, m.Call.DefRange)
			if a := m.Call.body.attr(name); a != nil {
				follow(v, m.parent, a.uses, false)
			}
		}
		if end, ok := t.at[vertex{m.parent, "end", ""}]; ok {
			point(end, t.at[vertex{m, "end", ""}], m.Call.DefRange)
		}
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
		if v < t.blocks {
			last = max(last, level[v])
			if c.blocks[v].Type.Name != "output" { // what is only a value lets nobody wait for a level
				next++
			}
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
		for v, l := range t.links {
			if l != nil && waiting[v] > 0 {
				l.endless = true
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
