package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
)

// Scope says what other blocks are worth. The address has the path of an instance of a module, with its keys. The value of
// a block is an object with the attribute `address`; of one with count a tuple of such objects, of one with for_each an
// object of them by key. false means that nothing is known of it yet.
//
// A Scope that also has a method Walk() int, the number of the walk, promises that within one walk it answers the same
// for a block once it has answered true. Locals, variables of modules and their outputs that refer to blocks are then
// evaluated once in a walk, not once for each block that uses them.
type Scope interface {
	Value(addr.Block) (cty.Value, bool)
}

// walker is a Scope that numbers its walks.
type walker interface {
	Scope
	Walk() int
}

// extra are names that have a value in one place only: each, count, node, replica, self.
type extra map[string]cty.Value

// constant is the context of an expression that mentions nothing.
func (c *Config) constant() *hcl.EvalContext { return &hcl.EvalContext{Functions: c.functions} }

// contextOf holds what the uses mention and nothing else: with all names in it every block would cost as much as all.
// The list has what is wrong with locals.
func (c *Config) contextOf(at *site, scope Scope, more extra, uses ...[]use) (*hcl.EvalContext, diag.List) {
	return c.evaluate(scope).fill(at, more, uses...)
}

// evaluation is the evaluation of one thing against a scope: a block, a number of repetitions.
type evaluation struct {
	c     *Config
	scope Scope
	walk  *answers // of the scope's walk, nil if it numbers none
	memo  map[nameKey]answer
	open  bool // something that was asked for has no answer yet
}

// nameKey names a local, a variable or an output in one instance of its module.
type nameKey struct {
	path addr.Module
	root string
	name string
}

// answer is a value that was evaluated.
type answer struct {
	value any
	open  bool
}

// answers keeps what was evaluated: for one walk, or for ever.
type answers struct {
	scope  Scope
	walk   int
	values sync.Map // nameKey -> answer
}

func (c *Config) evaluate(scope Scope) *evaluation {
	return &evaluation{c: c, scope: scope, walk: c.answersFor(scope)}
}

// remember evaluates something once: for ever if it is fixed, for the walk if all that it asked for had an answer, else
// for this evaluation; without that a local that several others mention would be evaluated once for each way that leads
// to it. What is wrong is reported to the first who asks; of what is fixed Load reports it.
func (e *evaluation) remember(key nameKey, fixed bool, f func() (any, diag.List)) (any, diag.List) {
	keep := e.walk
	if fixed {
		keep = &e.c.constants
	}
	if keep != nil {
		if v, ok := keep.values.Load(key); ok {
			return v.(answer).value, nil
		}
	}
	if a, ok := e.memo[key]; ok {
		e.open = e.open || a.open
		return a.value, nil
	}
	before := e.open
	e.open = false
	v, list := f()
	a := answer{v, e.open}
	e.open = before || a.open
	if keep != nil && (fixed || !a.open || list.HasErrors()) {
		if first, again := keep.values.LoadOrStore(key, a); again {
			return first.(answer).value, nil
		}
		return v, list
	}
	if e.memo == nil {
		e.memo = map[nameKey]answer{}
	}
	e.memo[key] = a
	return v, list
}

// fill makes the context of expressions in one instance of a module.
func (e *evaluation) fill(at *site, more extra, uses ...[]use) (*hcl.EvalContext, diag.List) {
	ctx := e.c.constant()
	e.c.bind(ctx, at, more)
	var list diag.List
	var groups map[string]map[string]cty.Value
	for _, us := range uses {
		for _, u := range us {
			if ctx.Variables == nil {
				ctx.Variables, groups = map[string]cty.Value{}, map[string]map[string]cty.Value{}
			}
			if u.root == "path" {
				ctx.Variables["path"] = at.module.paths
				if u.name == "cwd" {
					if _, err := e.c.files.note(FileAnswer{Function: cwdAnswer}, e.c.files.cwd()); err != nil {
						list = append(list, diag.From(err, "Working directory cannot be used")...)
					}
				}
				continue
			}
			if v, ok := more[u.root]; ok {
				ctx.Variables[u.root] = v
				continue
			}
			group := groups[u.root]
			if group == nil {
				group = map[string]cty.Value{}
				groups[u.root] = group
			}
			if u.name == "" { // reported by Load
				ctx.Variables[u.root] = cty.DynamicVal
				continue
			}
			if _, done := group[u.name]; !done {
				v, ds := e.named(at, u, uses)
				group[u.name] = v
				list = append(list, ds...)
			}
		}
	}
	for root, group := range groups {
		if _, whole := ctx.Variables[root]; !whole {
			ctx.Variables[root] = grouped(root, group)
		}
	}
	return ctx, list
}

// grouped is what a root is worth: an object of what was asked for behind it.
func grouped(root string, group map[string]cty.Value) cty.Value {
	if labels(root) == 1 {
		return cty.ObjectVal(group)
	}
	kinds := map[string]map[string]cty.Value{}
	out := map[string]cty.Value{}
	for name, v := range group {
		kind, label, two := strings.Cut(name, ".")
		if !two { // reported by Load
			out[kind] = cty.DynamicVal
			continue
		}
		if kinds[kind] == nil {
			kinds[kind] = map[string]cty.Value{}
		}
		kinds[kind][label] = v
	}
	for kind, of := range kinds {
		if _, whole := out[kind]; !whole {
			out[kind] = cty.ObjectVal(of)
		}
	}
	return cty.ObjectVal(out)
}

// named is the value of a variable, a local, a module or a block. The uses are all those of the expression: they say
// which outputs of a module are needed.
func (e *evaluation) named(at *site, u use, uses [][]use) (cty.Value, diag.List) {
	switch u.root {
	case "var":
		if v := at.module.variables[u.name]; v != nil {
			return e.input(at, v)
		}
		return cty.DynamicVal, nil
	case "local":
		if l := at.module.locals[u.name]; l != nil {
			return e.local(at, l)
		}
		return cty.DynamicVal, nil
	case "module":
		if m := at.module.children[u.name]; m != nil {
			return e.called(at, m, e.c.wantedOutputs(m, uses, u.name))
		}
		return cty.DynamicVal, nil
	}
	if e.scope == nil {
		e.open = true
		return e.shape(at, e.c.byAddr[at.module.block(u)]), nil
	}
	if v, ok := e.scope.Value(addr.Block{Module: at.path, Type: u.root, Name: u.name}); ok {
		return v, nil
	}
	e.open = true
	return cty.DynamicVal, nil
}

// eval evaluates an argument. With errors the value is unknown.
func (c *Config) eval(a *attribute, ctx *hcl.EvalContext) (cty.Value, diag.List) {
	v, list := c.evalKept(a, ctx)
	// What of the settings of a backend is secret is known to its provider alone.
	return c.settle(v, a.desc, a.name == "settings" && strings.HasPrefix(a.context, "backend ")), list
}

// evalKept is eval of what is no end in itself: the value keeps the marks of answers of functions, because what is made of
// it may be sensitive.
func (c *Config) evalKept(a *attribute, ctx *hcl.EvalContext) (cty.Value, diag.List) {
	if a.wrong {
		return cty.DynamicVal, nil
	}
	switch e := a.expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return e.Val, nil
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return e.Parts[0].(*hclsyntax.LiteralValueExpr).Val, nil
		}
	}
	v, ds := a.expr.Value(ctx)
	if ds.HasErrors() {
		return cty.DynamicVal, redact(translate(ds), a, ctx)
	}
	if list := withinLimits(a, v); list.HasErrors() {
		return cty.DynamicVal, append(translate(ds), list...)
	}
	return v, translate(ds)
}

// redact takes the details away that may quote a sensitive value: the library and the functions do not know of marks.
func redact(list diag.List, a *attribute, ctx *hcl.EvalContext) diag.List {
	if !slices.ContainsFunc(a.mentions(), func(u use) bool {
		v, ds := u.traversal.TraverseAbs(ctx)
		return !ds.HasErrors() && unanswered(v).ContainsMarked()
	}) {
		return list
	}
	for _, d := range list {
		if d.Summary != "Unknown function" && d.Summary != "Unknown attribute" { // those quote names only
			d.Detail = "The expression uses a sensitive value, so nothing more of what is wrong is shown. To see it, try the expression with a value that is no secret."
		}
	}
	return list
}

// local is one name of a block `locals`.
type local struct {
	name   string
	attr   *attribute
	module *Module
	links
}

// fixed tells whether the local depends on no block.
func (l *local) fixed() bool { return l.module.fixed && len(l.refs) == 0 }

// local evaluates a local in a site of its module.
func (e *evaluation) local(at *site, l *local) (cty.Value, diag.List) {
	if l.endless {
		return cty.DynamicVal, nil
	}
	v, list := e.remember(nameKey{at.path, "local", l.name}, l.fixed(), func() (any, diag.List) {
		ctx, list := e.fill(at, nil, l.attr.uses)
		v, ds := e.c.evalKept(l.attr, ctx)
		return v, append(list, ds...).For(at.module.label("local." + l.name))
	})
	return v.(cty.Value), list
}

// evaluateFixed reports what is wrong with all that depends on no block, used or not.
func (c *Config) evaluateFixed() diag.List {
	var list diag.List
	for _, name := range slices.Sorted(maps.Keys(c.main.locals)) {
		if l := c.main.locals[name]; l.fixed() {
			_, ds := c.evaluate(nil).local(c.root, l)
			list = append(list, ds...)
		}
	}
	for _, m := range c.modules[1:] {
		if m.fixed {
			list = append(list, c.checkFixed(m)...)
		}
	}
	return list
}

// checkFixed is checkModule for what depends on no block.
func (c *Config) checkFixed(m *Module) diag.List {
	e := c.evaluate(nil)
	all, list := e.sites(m)
	for _, s := range all {
		for _, name := range slices.Sorted(maps.Keys(m.variables)) {
			if v := m.variables[name]; v.fixed() {
				_, ds := e.input(s, v)
				list = append(list, ds...)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m.locals)) {
			if l := m.locals[name]; l.fixed() {
				_, ds := e.local(s, l)
				list = append(list, ds...)
			}
		}
		for _, b := range m.blocks {
			if b.Type.Name == "output" && len(b.refs) == 0 {
				_, ds := e.result(s, b)
				list = append(list, ds...)
			}
		}
	}
	return list
}

func (c *Config) answersFor(scope Scope) *answers {
	w, ok := scope.(walker)
	if !ok || !reflect.ValueOf(scope).Comparable() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache == nil || c.cache.scope != scope || c.cache.walk != w.Walk() {
		c.cache = &answers{scope: scope, walk: w.Walk()}
	}
	return c.cache
}
