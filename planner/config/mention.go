package config

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Local is one name of a block `locals`.
type Local struct {
	Name     string
	DefRange hcl.Range // the name and its expression
}

// Locals lists the locals in order of their names.
func (c *Config) Locals() []Local {
	out := make([]Local, 0, len(c.locals))
	for _, name := range slices.Sorted(maps.Keys(c.locals)) {
		out = append(out, Local{Name: name, DefRange: c.locals[name].attr.rng})
	}
	return out
}

// Mention is the place where one thing of a configuration names another. A thing is a block, a variable or a local.
type Mention struct {
	From      string    // what names the other: task.train, local.size, var.size, output.url, dstack
	To        string    // what is named: volume.data, local.size, var.size
	Argument  string    // where of it: commands, lifecycle.precondition.condition; "" in a local
	Traversal string    // as written: volume.data[0].id; a backend that is named by a plain text has quotes
	Range     hcl.Range // where it stands
	DependsOn bool      // it stands in depends_on: nothing of its value is used
}

// Mentions lists, for each variable in order of names, each local in order of names, the settings and each block in order
// of files, all that it names, in the order of writing. What is not declared is left out.
func (c *Config) Mentions() []Mention {
	var out []Mention
	add := func(from, argument string, a *attribute) {
		for _, u := range a.uses {
			if !c.exists(u) {
				continue
			}
			out = append(out, Mention{
				From: from, To: u.short(), Argument: argument, Traversal: traversalText(u.traversal), Range: u.rng(), DependsOn: a.name == "depends_on",
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.variables)) {
		c.variables[name].body.eachPath("", func(path string, a *attribute) { add("var."+name, path, a) })
	}
	for _, name := range slices.Sorted(maps.Keys(c.locals)) {
		add("local."+name, "", c.locals[name].attr)
	}
	if c.dstack != nil {
		c.dstack.body.eachPath("", func(path string, a *attribute) { add("dstack", path, a) })
	}
	for _, b := range c.blocks {
		from := b.Addr.String()
		for _, a := range []*attribute{b.count, b.forEach, b.dependOn} {
			if a != nil {
				add(from, a.name, a)
			}
		}
		b.body.eachPath("", func(path string, a *attribute) {
			add(from, path, a)
			out = append(out, c.namedBackends(from, path, a)...)
		})
		if b.lifecycle != nil {
			b.lifecycle.body.eachPath("lifecycle.", func(path string, a *attribute) { add(from, path, a) })
		}
	}
	return out
}

// namedBackends are the backends that an argument names by plain texts: backend = "aws".
func (c *Config) namedBackends(from, path string, a *attribute) []Mention {
	if path != "backend" && path != "backends" || a.uses != nil {
		return nil
	}
	v, ds := c.eval(a, c.constant())
	if ds.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	items := []cty.Value{v}
	if ty := v.Type(); ty.IsTupleType() || ty.IsListType() {
		items = v.AsValueSlice()
	}
	var out []Mention
	for i, item := range items {
		if item.IsNull() || item.Type() != cty.String || !c.exists(use{root: "backend", name: item.AsString()}) {
			continue
		}
		at := cty.Path{}
		if v.Type() != cty.String {
			at = cty.IndexIntPath(i)
		}
		rng, _ := narrow(a.expr, at)
		out = append(out, Mention{From: from, To: "backend." + item.AsString(), Argument: path, Traversal: quoted(item.AsString()), Range: rng})
	}
	return out
}

// eachPath calls f for every attribute of the body and of all blocks in it, with the names that lead to it.
func (b *body) eachPath(prefix string, f func(path string, a *attribute)) {
	for _, a := range b.attrs {
		f(prefix+a.name, a)
	}
	for _, n := range b.blocks {
		n.body.eachPath(prefix+n.desc.Name+".", f)
	}
}
