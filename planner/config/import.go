package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Import is one thing that a block `import` takes over.
type Import struct {
	To      addr.Resource
	ID      string
	Backend string    // "" for that of the block that To names
	Place   hcl.Range // the header of the block
	ToRange hcl.Range
	IDRange hcl.Range
}

// Imports evaluates the blocks `import` in file order. They are decided before anything is planned, so they can refer to
// variables and locals alone.
func (c *Config) Imports() ([]Import, diag.List) {
	var out []Import
	var list diag.List
	for _, b := range c.refactors {
		if b.Type.Name != "import" {
			continue
		}
		if b.Addr.Module != addr.Root {
			list = append(list, diag.Errorf("Import in a module", "A module may be called more than once, and what exists can be taken over once only. Write this block in the folder of the configuration, with the whole address: to = module.name.volume.data.").At(&b.DefRange)...)
			continue
		}
		some, ds := c.importsOf(b)
		out, list = append(out, some...), append(list, ds...)
	}
	if !list.HasErrors() {
		list = append(list, twiceImported(out)...)
	}
	c.Snippets(list)
	return out, list
}

func (c *Config) importsOf(b *Block) ([]Import, diag.List) {
	to, id := b.body.attr("to"), b.body.attr("id")
	if to == nil || id == nil {
		return nil, nil // reported as missing
	}
	var list diag.List
	misplaced := false // a name that has no value in an import, which Load reports
	b.eachAttribute(func(a *attribute, _ *schema.Attribute) {
		list = append(list, c.decidedEarly(a)...)
		misplaced = misplaced || slices.ContainsFunc(a.uses, func(u use) bool { return u.root == "count" || u.root == "each" && b.forEach == nil })
	})
	if list.HasErrors() || misplaced {
		return nil, list
	}
	instances, deferred, list := c.Repetition(b, nil)
	switch {
	case len(deferred) > 0 && c.undecided:
		return nil, list
	case len(deferred) > 0:
		return nil, append(list, diag.Errorf("Value is not known yet", "What is imported is decided before anything is planned. Use variables, and locals that refer to no block.").At(&deferred[0].Range)...)
	}
	var out []Import
	for _, inst := range instances {
		i, ds := c.importOf(inst, to, id)
		list = append(list, ds...)
		if !ds.HasErrors() && !i.To.IsZero() {
			out = append(out, i)
		}
	}
	return out, list
}

// decidedEarly refuses references to blocks: an import is decided before they are worth anything.
func (c *Config) decidedEarly(a *attribute) diag.List {
	for _, u := range a.uses {
		what := ""
		switch u.root {
		case "var", "each", "count", "path":
		case "local":
			if l := c.main.locals[u.name]; l != nil && len(l.refs) > 0 {
				what = u.short() + ", which refers to " + l.refs[0].Traversal
			}
		default:
			what = traversalText(u.traversal)
		}
		if what != "" {
			return c.about(a, nil, u.rng(), "Not known before the plan", "What is imported is decided before anything is planned, and %s refers to %s. Use variables, and locals that refer to no block.", a.name, what)
		}
	}
	return nil
}

func (c *Config) importOf(inst Instance, to, id *attribute) (Import, diag.List) {
	b := inst.Block
	backend := b.body.attr("backend")
	all := [][]use{to.uses, id.uses}
	if backend != nil {
		all = append(all, backend.uses)
	}
	ctx, list := c.contextOf(inst.site(), nil, inst.names(), all...)
	out := Import{Place: b.DefRange, ToRange: to.expr.Range(), IDRange: id.expr.Range()}
	s, ds := c.subjectOf(to, ctx)
	if list = append(list, ds...); ds.HasErrors() {
		return out, list
	}
	if !s.IsZero() {
		list = append(list, c.importable(to, s)...)
		out.To = s.Resource()
	}
	d := decoder{c: c, ctx: ctx, list: list}
	out.ID = d.early(id)
	if backend != nil {
		out.Backend = d.early(backend)
	}
	return out, d.list
}

// early evaluates a text that must be known before anything is planned.
func (d *decoder) early(a *attribute) string {
	v := d.attribute(a)
	v, marks := v.Unmark()
	rng := a.expr.Range()
	switch {
	case d.list.HasErrors(), !v.IsKnown() && d.c.undecided:
	case len(marks) > 0:
		d.list = append(d.list, d.c.about(a, d.ctx, rng, "An import is sensitive", "What is imported is shown in the plan and kept in the state, and %s is sensitive. Use a value that is not, or nonsensitive(...) if it may be shown.", a.name)...)
	case !v.IsKnown():
		d.list = append(d.list, d.c.about(a, d.ctx, rng, "Value is not known yet", "What is imported is decided before anything is planned, so %s must be known.", a.name)...)
	case v.IsNull() || v.AsString() == "" && a.name == "id":
		d.list = append(d.list, d.c.about(a, d.ctx, rng, "There is no "+a.name, "%s is empty or null. It says what is imported.", a.name)...)
	default:
		return v.AsString()
	}
	return ""
}

// importable refuses what is no single thing that a provider could know.
func (c *Config) importable(a *attribute, s addr.Subject) diag.List {
	r := s.Resource()
	rng := a.expr.Range()
	switch {
	case s.IsModule():
		return c.about(a, nil, rng, "One thing at a time", "%s is a module. An import takes over one thing: write its address, such as %s.volume.data.", s, s)
	case r.Kind() == "":
		return c.about(a, nil, rng, "One thing at a time", "%s stands for several things. An import takes over one: write its address, such as %s.", s, r.Block.Machine(addr.Int(0)))
	}
	return nil
}

// twiceImported finds addresses that get two things, and things that get two addresses.
func twiceImported(all []Import) diag.List {
	type thing struct{ backend, kind, id string }
	var list diag.List
	addresses, things := map[addr.Resource]Import{}, map[thing]Import{}
	for _, i := range all {
		if first, twice := addresses[i.To]; twice {
			list = append(list, diag.Errorf("Two imports to one address", "%s is imported to %s, and so is %s at %s. An address has one thing; give each its own.", i.ID, i.To, first.ID, place(first.IDRange)).At(&i.ToRange).For(i.To.String())...)
			continue
		}
		addresses[i.To] = i
		key := thing{i.Backend, i.To.Kind(), i.ID}
		if first, twice := things[key]; twice {
			list = append(list, diag.Errorf("One thing imported twice", "%s is imported to %s, and to %s at %s. It can be recorded once only.", i.ID, i.To, first.To, place(first.IDRange)).At(&i.IDRange).For(i.To.String())...)
			continue
		}
		things[key] = i
	}
	return list
}
