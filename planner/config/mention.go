package config

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
)

// Name is a variable or a local.
type Name struct {
	Address  string // var.size, module.net.local.sizes
	Module   addr.Module
	Type     string // variable or local
	Name     string
	DefRange hcl.Range // of a variable the header, of a local the name and its expression
}

// Names lists the variables and then the locals of each module, in order of their names.
func (c *Config) Names() []Name {
	var out []Name
	for _, m := range c.modules {
		for _, name := range slices.Sorted(maps.Keys(m.variables)) {
			out = append(out, Name{m.label("var." + name), m.Path, "variable", name, m.variables[name].defRange})
		}
		for _, name := range slices.Sorted(maps.Keys(m.locals)) {
			out = append(out, Name{m.label("local." + name), m.Path, "local", name, m.locals[name].attr.rng})
		}
	}
	return out
}

// Mention is the place where one thing of a configuration names another. A thing is a block, a variable or a local; the
// block `module` stands for how often its module is there, and what is in it names it where that matters.
type Mention struct {
	From      string    // what names the other: task.train, local.size, var.size, output.url, policy.budget, dstack, import
	To        string    // what is named: volume.data, local.size, var.size, module.net.output.url
	Argument  string    // where of it: commands, lifecycle.precondition.condition; "" in a local
	Traversal string    // as written: volume.data[0].id; a backend that is named by a plain text has quotes
	Range     hcl.Range // where it stands
	DependsOn bool      // it stands in depends_on: nothing of its value is used
}

// Mentions lists, for each variable in order of names, each local in order of names, the settings, each policy and
// each block in order of files, all that it names, in the order of writing. What is not declared is left out. Who names a module as a whole
// names all outputs of it, or with depends_on all that is in it.
func (c *Config) Mentions() []Mention {
	var out []Mention
	add := func(m *Module, from, argument string, a *attribute) {
		for _, u := range a.uses {
			if !c.exists(m, u) {
				continue
			}
			dependsOn := a.name == "depends_on"
			for _, to := range c.meant(m, u, dependsOn) {
				out = append(out, Mention{From: from, To: to, Argument: argument, Traversal: traversalText(u.traversal), Range: u.rng(), DependsOn: dependsOn})
			}
		}
	}
	for _, m := range c.modules {
		for _, name := range slices.Sorted(maps.Keys(m.variables)) {
			from := m.label("var." + name)
			m.variables[name].body.eachPath("", func(path string, a *attribute) { add(m, from, path, a) })
			if m.Call == nil {
				continue
			}
			if a := m.Call.body.attr(name); a != nil { // what it is given stands in the call
				add(m.parent, from, name, a)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m.locals)) {
			add(m, m.label("local."+name), "", m.locals[name].attr)
		}
	}
	if c.dstack != nil {
		c.dstack.body.eachPath("", func(path string, a *attribute) { add(c.main, "dstack", path, a) })
	}
	for _, p := range c.policies {
		p.body.eachPath("", func(path string, a *attribute) { add(c.main, "policy."+p.Name, path, a) })
	}
	for _, b := range slices.Concat(c.blocks, c.refactors) {
		from := b.Addr.String()
		if refactors(b.Type) { // has no address
			from = b.module.label(b.Type.Name)
		}
		if call := b.module.Call; call != nil && (call.count != nil || call.forEach != nil || call.dependOn != nil) {
			to := call.Addr.String()
			out = append(out, Mention{From: from, To: to, Argument: "module", Traversal: to, Range: call.DefRange})
		}
		for _, a := range []*attribute{b.count, b.forEach, b.dependOn} {
			if a != nil {
				add(b.module, from, a.name, a)
			}
		}
		if b.Type.Name == "module" {
			continue // its other arguments are the variables of the module
		}
		b.body.eachPath("", func(path string, a *attribute) {
			add(b.module, from, path, a)
			out = append(out, c.namedBackends(from, path, a)...)
		})
		if b.lifecycle != nil {
			b.lifecycle.body.eachPath("lifecycle.", func(path string, a *attribute) { add(b.module, from, path, a) })
		}
	}
	return out
}

// meant are the things that a use names.
func (c *Config) meant(m *Module, u use, dependsOn bool) []string {
	child := m.children[u.name]
	if u.root != "module" || child == nil {
		return []string{m.label(u.short())}
	}
	if name := u.output(); name != "" && !dependsOn {
		return []string{child.label("output." + name)}
	}
	var out []string
	for _, b := range c.blocks {
		inside := b.module == child || dependsOn && within(b.module, child)
		if inside && (dependsOn && b.Type.Repeat || !dependsOn && b.Type.Name == "output") {
			out = append(out, b.Addr.String())
		}
	}
	return out
}

// within tells whether a module is another or is called from it.
func within(m, other *Module) bool {
	for ; m != nil; m = m.parent {
		if m == other {
			return true
		}
	}
	return false
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
		if item.IsNull() || item.Type() != cty.String || !c.exists(c.main, use{root: "backend", name: item.AsString()}) {
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

// Has tells whether the block has an argument of that name.
func (b *Block) Has(argument string) bool { return b.body.attr(argument) != nil }

// Fetched tells whether the module comes from a repository, and not from the configuration's own tree.
func (m *Module) Fetched() bool { return m.repo != "" }
