package config

import (
	"maps"
	"path"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Module is the blocks of one folder as one call of it sees them. A folder that is called twice makes two modules; a call
// with count or for_each makes one, of which there are several sites.
type Module struct {
	Path addr.Module // without keys; addr.Root for the configuration's own folder
	Dir  string      // its folder, with slashes, relative to that of the configuration; "." for addr.Root
	Call *Block      // the block `module` that calls it, nil for addr.Root

	repo      string // the copy of the repository that it belongs to, "" for one of the configuration's own tree
	parent    *Module
	depth     int
	fixed     bool // how many sites there are depends on no block
	blocks    []*Block
	variables map[string]*variable
	locals    map[string]*local
	names     map[string][]string // type -> names of blocks, for suggestions
	children  map[string]*Module  // by the name of the call
	paths     cty.Value           // the object `path`
}

// Modules lists the configuration's modules: addr.Root first, each before those that it calls.
func (c *Config) Modules() []*Module { return c.modules }

func (c *Config) newModule(dir string, call *Block, parent *Module) *Module {
	m := &Module{
		Path: addr.Root, Dir: dir, Call: call, parent: parent, fixed: true,
		variables: map[string]*variable{}, locals: map[string]*local{}, names: map[string][]string{}, children: map[string]*Module{},
		paths: c.pathValues(dir),
	}
	if parent != nil {
		m.Path, m.depth = parent.Path.Child(call.Addr.Name, addr.NoKey), parent.depth+1
		parent.children[call.Addr.Name] = m
	}
	c.modules = append(c.modules, m)
	return m
}

// pathValues is the object `path` of a module. Paths that are not absolute start at the folder of the configuration, as
// functions read them.
func (c *Config) pathValues(dir string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(path.Clean(dir)), "root": cty.StringVal("."), "cwd": c.files.cwd()})
}

// name is the module as messages call it.
func (m *Module) name() string {
	if m.Path == addr.Root {
		return "the configuration"
	}
	return string(m.Path)
}

// label is what diagnostics call something of the module.
func (m *Module) label(short string) string {
	if m.Path == addr.Root {
		return short
	}
	return string(m.Path) + "." + short
}

// block is the address of the block that a use in this module means.
func (m *Module) block(u use) addr.Block {
	return addr.Block{Module: m.Path, Type: u.root, Name: u.name}
}

// output is a block `output` of a module, nil if there is none of that name.
func (c *Config) output(m *Module, name string) *Block {
	return c.byAddr[addr.Block{Module: m.Path, Type: "output", Name: name}]
}

// site is one instance of a module: the place where expressions are evaluated.
type site struct {
	module *Module
	path   addr.Module
	up     *site    // that of the call; nil for the root
	call   Instance // the repetition of the call
}

// unknown tells whether it is not known whether there is such an instance.
func (s *site) unknown() bool {
	for ; s.up != nil; s = s.up {
		if s.call.unknown {
			return true
		}
	}
	return false
}

// sites are the instances of a module. Where the number of a call is unknown there are none; without a scope there is one
// then, of which nothing is known but that it may be there.
func (e *evaluation) sites(m *Module) ([]*site, diag.List) {
	if m.parent == nil {
		return []*site{e.c.root}, nil
	}
	ups, list := e.sites(m.parent)
	if len(ups) == 1 {
		p, ds := e.under(ups[0], m)
		return p.sites, append(list, ds...)
	}
	var out []*site
	for _, up := range ups {
		p, ds := e.under(up, m)
		out, list = append(out, p.sites...), append(list, ds...)
	}
	return out, list
}

// anySite is one instance of a module, for what is the same in all of them.
func (c *Config) anySite(m *Module) *site {
	if all, _ := c.evaluate(nil).sites(m); len(all) > 0 {
		return all[0]
	}
	up := c.anySite(m.parent) // the call is not done even once
	return &site{module: m, path: m.Path, up: up, call: Instance{Addr: m.Call.at(up).Instance(addr.NoKey), Block: m.Call, in: up, unknown: true}}
}

// places is what under found out.
type places struct {
	sites    []*site
	byKey    map[addr.Key]*site
	deferred *Deferred
}

// under are the instances of a module that a call in one site makes.
func (e *evaluation) under(up *site, m *Module) (places, diag.List) {
	key := nameKey{up.path, "module", m.Call.Addr.Name}
	if m.Call.endless {
		return places{deferred: &Deferred{site: up, Block: m.Call.at(up)}}, nil
	}
	v, list := e.remember(key, m.fixed, func() (any, diag.List) {
		instances, deferred, list := e.repeat(m.Call, up)
		if deferred != nil && e.scope == nil {
			instances = []Instance{{Addr: m.Call.at(up).Instance(addr.NoKey), Block: m.Call, in: up, unknown: true}}
		}
		out := places{deferred: deferred, byKey: make(map[addr.Key]*site, len(instances))}
		for _, i := range instances {
			s := &site{module: m, path: up.path.Child(i.Addr.Name, i.Addr.Key), up: up, call: i}
			out.sites, out.byKey[i.Addr.Key] = append(out.sites, s), s
		}
		return out, list
	})
	return v.(places), list
}

// at is the block's address in a site of its module.
func (b *Block) at(s *site) addr.Block {
	a := b.Addr
	a.Module = s.path
	return a
}

// Paths are those of the instances of the block's module, as far as they are known.
func (c *Config) Paths(b *Block, scope Scope) []addr.Module {
	if b.module == c.main {
		return []addr.Module{addr.Root}
	}
	all, _ := c.evaluate(scope).sites(b.module)
	out := make([]addr.Module, len(all))
	for i, s := range all {
		out[i] = s.path
	}
	return out
}

// input evaluates a variable in a site of its module.
func (e *evaluation) input(at *site, v *variable) (cty.Value, diag.List) {
	call := at.module.Call
	switch {
	case call == nil:
		return v.marked(), nil
	case v.endless:
		return cty.DynamicVal, nil
	}
	out, list := e.remember(nameKey{at.path, "var", v.name}, v.fixed(), func() (any, diag.List) {
		a := call.body.attr(v.name)
		switch {
		case v.untyped:
			return cty.DynamicVal, nil
		case a == nil && v.fallback == cty.NilVal:
			return cty.DynamicVal, nil // Load reports it
		case a == nil:
			return v.seal(v.fallback.WithMarks(v.kept)), nil
		}
		ctx, list := e.fill(at.up, at.call.names(), a.uses)
		val, ds := e.c.evalKept(a, ctx)
		if list = append(list, ds...); list.HasErrors() {
			return cty.DynamicVal, list.For(at.module.label("var." + v.name))
		}
		kept := answersIn(val)
		e.c.settle(val, nil, v.sensitive || v.ephemeral)
		val, ds = v.convert(val, given{from: place(a.rng), rng: a.expr.Range(), expr: a.expr})
		if list = append(list, ds...); ds.HasErrors() {
			return cty.DynamicVal, list.For(at.module.label("var." + v.name))
		}
		return v.seal(val.WithMarks(kept)), list
	})
	return out.(cty.Value), list
}

// result evaluates an output of a module in one site.
func (e *evaluation) result(at *site, b *Block) (cty.Value, diag.List) {
	if b.endless {
		return cty.DynamicVal, nil
	}
	out, list := e.remember(nameKey{at.path, "output", b.Addr.Name}, at.module.fixed && len(b.refs) == 0, func() (any, diag.List) {
		ctx, list := e.fill(at, nil, b.uses()...)
		o, ds := e.c.evaluateOutput(b, ctx)
		list = append(list, ds...)
		list.For(b.at(at).String())
		return o.Value, list
	})
	return out.(cty.Value), list
}

// called is the value of module.NAME: an object of the outputs that are asked for, a tuple of such objects with count, an
// object of them with for_each.
func (e *evaluation) called(at *site, m *Module, wanted []string) (cty.Value, diag.List) {
	found, list := e.under(at, m)
	all := found.sites
	if found.deferred != nil {
		return cty.DynamicVal, list
	}
	one := func(s *site) cty.Value {
		attrs := make(map[string]cty.Value, len(wanted))
		for _, name := range wanted {
			b := e.c.output(m, name)
			if b == nil { // Load reports it
				attrs[name] = cty.DynamicVal
				continue
			}
			v, ds := e.result(s, b)
			attrs[name], list = v, append(list, ds...)
		}
		return cty.ObjectVal(attrs)
	}
	if !m.Call.Repeats() {
		if len(all) != 1 {
			return cty.DynamicVal, list
		}
		return one(all[0]), list
	}
	of := make(map[string]cty.Value, len(all))
	row := make([]cty.Value, len(all))
	for i, s := range all {
		row[i] = one(s)
		of[s.call.Addr.Key.Text()] = row[i]
	}
	if m.Call.count != nil {
		return cty.TupleVal(row), list
	}
	return cty.ObjectVal(of), list
}

// wantedOutputs lists the outputs that the uses ask a module for: all of them where one means the module as a whole.
func (c *Config) wantedOutputs(m *Module, uses [][]use, name string) []string {
	var out []string
	for _, us := range uses {
		for _, u := range us {
			if u.root != "module" || u.name != name {
				continue
			}
			want := u.output()
			if want == "" {
				return slices.Sorted(slices.Values(m.names["output"]))
			}
			if !slices.Contains(out, want) {
				out = append(out, want)
			}
		}
	}
	return out
}

// CheckModules evaluates what modules are called with, and what they give back, and checks the rules that these have: also
// of what no block uses; and the rules of the configuration's own variables that say something of blocks. It is meant for
// the end of a walk; what was reported within the walk is not reported again.
func (c *Config) CheckModules(scope Scope) diag.List {
	list := c.lateRules(scope)
	for _, m := range c.modules[1:] {
		list = append(list, c.checkModule(m, scope)...)
	}
	c.Snippets(list)
	return list
}

func (c *Config) checkModule(m *Module, scope Scope) diag.List {
	e := c.evaluate(scope)
	all, list := e.sites(m)
	for _, s := range all {
		for _, name := range slices.Sorted(maps.Keys(m.variables)) {
			_, ds := e.input(s, m.variables[name])
			list = append(list, ds...)
		}
		for _, name := range slices.Sorted(maps.Keys(m.variables)) {
			list = append(list, e.validate(s, m.variables[name], m.variables[name].body.nestedOf("validation"))...)
		}
		for _, name := range slices.Sorted(maps.Keys(m.locals)) {
			_, ds := e.local(s, m.locals[name])
			list = append(list, ds...)
		}
		for _, b := range m.blocks {
			if b.Type.Name == "output" {
				_, ds := e.result(s, b)
				list = append(list, ds...)
			}
		}
	}
	return list
}

// checkCall compares what a module is called with with the variables that it declares.
func (c *Config) checkCall(m *Module) diag.List {
	var list diag.List
	declared := slices.Sorted(maps.Keys(m.variables))
	for _, a := range m.Call.body.attrs {
		if m.variables[a.name] != nil {
			continue
		}
		detail := " It has no variables."
		if len(declared) > 0 {
			detail = schema.DidYouMean(a.name, declared)
			if detail == "" {
				detail = " It takes " + join(declared) + "."
			}
		}
		list = append(list, diag.Errorf("Unknown argument", "The module in %s has no variable %q.%s", m.Dir, a.name, detail).At(&a.nameRange)...)
	}
	for _, name := range declared {
		v := m.variables[name]
		if m.Call.body.attr(name) == nil && v.fallback == cty.NilVal && v.body.attr("default") == nil {
			list = append(list, diag.Errorf("An argument is missing", "%s needs %s, a variable without a default (%s).%s", m.Call.Addr, name, place(v.defRange), about(v.description)).At(&m.Call.DefRange)...)
		}
	}
	return list.For(m.Call.Addr.String())
}

func about(description string) string {
	if description == "" {
		return ""
	}
	return " It is: " + description
}

// Target is what a reference means for a block in one instance of its module: an address whose path has the keys of the
// modules that both stand in. Further modules on its path have none, which stands for all instances.
func Target(from addr.Block, ref Reference) addr.Block {
	to := ref.To
	if to.Module == addr.Root || from.Module == addr.Root {
		return to
	}
	have, want := from.Module.Static(), to.Module
	depth := 0
	for n := min(have.Depth(), want.Depth()); depth < n && have.Up(depth+1) == want.Up(depth+1); {
		depth++
	}
	to.Module = from.Module.Up(depth)
	for _, s := range want.Names()[depth:] {
		to.Module = to.Module.Child(s, addr.NoKey)
	}
	return to
}

// RepetitionIn is Repetition in one instance of the block's module.
func (c *Config) RepetitionIn(m addr.Module, b *Block, scope Scope) ([]Instance, *Deferred, diag.List) {
	e := c.evaluate(scope)
	at, list := e.siteOf(m)
	if at == nil || at.module != b.module {
		return nil, nil, list
	}
	out, deferred, ds := e.repeat(b, at)
	list = append(list, ds...)
	c.Snippets(list.For(b.Addr.String()))
	return out, deferred, list
}

// siteOf finds the instance of a module, nil if there is none of that path.
func (e *evaluation) siteOf(m addr.Module) (*site, diag.List) {
	call, ok := m.Call()
	if !ok {
		return e.c.root, nil
	}
	up, list := e.siteOf(call.Module)
	if up == nil || up.module.children[call.Name] == nil {
		return nil, list
	}
	found, ds := e.under(up, up.module.children[call.Name])
	return found.byKey[call.Key], append(list, ds...)
}
