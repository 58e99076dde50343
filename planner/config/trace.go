package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
)

// Trace is one step on the way from an attribute back to where its value comes from.
type Trace struct {
	Depth int
	Name  string    // what is named: var.size, local.zone, module.eu.var.size, volume.data, each.value; "" for the attribute itself
	Text  string    // the expression, as written, on one line; "" for a variable that was given from outside, and for a block
	Place hcl.Range // where that stands
	Value cty.Value // of a variable of the configuration, marked if it is secret; else cty.NilVal
	From  string    // who gave a variable its value: default, --var, a place in a file
}

// mostTraced is how deep a chain of names is followed.
const mostTraced = 12

// Trace follows an attribute, such as resources.gpu or volumes[0].path, back over all names that it is made of. It is empty
// for what was not written in this block.
func (d *Decoded) Trace(path string) []Trace {
	w, ok := d.written(path)
	if !ok {
		return nil
	}
	t := tracer{c: d.config, seen: map[nameKey]bool{}}
	t.add(Trace{Text: d.config.textAt(w.rng), Place: w.rng})
	t.follow(d.inst.site(), d.inst, w.uses, 1)
	return t.out
}

type tracer struct {
	c    *Config
	seen map[nameKey]bool
	out  []Trace
}

func (t *tracer) add(s Trace) { t.out = append(t.out, s) }

// follow adds what the names in an expression stand for. The instance is the one whose each and count are meant.
func (t *tracer) follow(at *site, inst Instance, uses []use, depth int) {
	if depth > mostTraced {
		return
	}
	for _, u := range uses {
		key := nameKey{at.path, u.root, u.name}
		if t.seen[key] {
			continue
		}
		t.seen[key] = true
		t.one(at, inst, u, depth)
	}
}

func (t *tracer) one(at *site, inst Instance, u use, depth int) {
	c, m := t.c, at.module
	label := m.label
	if at.path != addr.Root {
		label = func(short string) string { return string(at.path) + "." + short }
	}
	switch u.root {
	case "var":
		t.variable(at, m.variables[u.name], label(u.short()), depth)
	case "local":
		if l := m.locals[u.name]; l != nil {
			rng := l.attr.expr.Range()
			t.add(Trace{Depth: depth, Name: label(u.short()), Text: c.textAt(rng), Place: rng})
			t.follow(at, inst, l.attr.uses, depth+1)
		}
	case "module":
		child := m.children[u.name]
		if child == nil {
			return
		}
		b := c.output(child, u.output())
		if b == nil {
			t.add(Trace{Depth: depth, Name: label(u.short()), Place: child.Call.DefRange})
			return
		}
		if a := b.body.attr("value"); a != nil {
			rng := a.expr.Range()
			t.add(Trace{Depth: depth, Name: label(u.short()) + "." + b.Addr.Name, Text: c.textAt(rng), Place: rng})
			t.follow(c.anySite(child), Instance{Block: b}, a.uses, depth+1)
		}
	case "each", "count":
		a := inst.Block.forEach
		if u.root == "count" {
			a = inst.Block.count
		}
		if a == nil {
			return
		}
		rng := a.expr.Range()
		t.add(Trace{Depth: depth, Name: traversalText(u.traversal), Text: c.textAt(rng), Place: rng})
		t.follow(at, inst, a.uses, depth+1)
	case "path", "node", "replica", "self":
		t.add(Trace{Depth: depth, Name: traversalText(u.traversal), Place: u.rng()})
	default:
		if b := c.byAddr[m.block(u)]; b != nil {
			t.add(Trace{Depth: depth, Name: label(traversalText(u.traversal)), Place: b.DefRange})
		}
	}
}

// variable adds where a variable has its value from: from outside, or from the call of its module.
func (t *tracer) variable(at *site, v *variable, name string, depth int) {
	if v == nil {
		return
	}
	if at.up == nil {
		t.add(Trace{Depth: depth, Name: name, Place: v.defRange, Value: v.marked(), From: v.from})
		return
	}
	a := at.module.Call.body.attr(v.name)
	if a == nil {
		out := Trace{Depth: depth, Name: name, Place: v.defRange, From: "default"}
		if v.fallback != cty.NilVal {
			out.Value = v.seal(v.fallback)
		}
		t.add(out)
		return
	}
	rng := a.expr.Range()
	t.add(Trace{Depth: depth, Name: name, Text: t.c.textAt(rng), Place: rng})
	t.follow(at.up, at.call, a.uses, depth+1)
}

// textAt is what stands at a place, on one line.
func (c *Config) textAt(rng hcl.Range) string {
	text := c.texts[rng.Filename]
	if rng.End.Byte > len(text) || rng.Start.Byte > rng.End.Byte {
		return ""
	}
	return strings.Join(strings.Fields(validText(string(text[rng.Start.Byte:rng.End.Byte]))), " ")
}
