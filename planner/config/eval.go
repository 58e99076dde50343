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

// Scope says what other blocks are worth. The value of a block is an object with the attribute `address`; of one with
// count a tuple of such objects, of one with for_each an object of them by key. false means that nothing is known of
// it yet.
//
// A Scope that also has a method Walk() int, the number of the walk, promises that within one walk it answers the same
// for a block once it has answered true. Locals that refer to blocks are then evaluated once in a walk, not once for
// each block that uses them.
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

// context is contextOf where what is wrong is reported elsewhere.
func (c *Config) context(scope Scope, more extra, uses ...[]use) *hcl.EvalContext {
	ctx, _ := c.contextOf(scope, more, uses...)
	return ctx
}

// contextOf holds what the uses mention and nothing else: with all names in it every block would cost as much as all.
// The list has what is wrong with locals.
func (c *Config) contextOf(scope Scope, more extra, uses ...[]use) (*hcl.EvalContext, diag.List) {
	return c.fill(scope, more, memo{}, uses)
}

// memo holds the values of locals that refer to blocks while one block is evaluated: without it a local that several
// others mention would be evaluated once for each way that leads to it.
type memo map[string]cty.Value

func (c *Config) fill(scope Scope, more extra, known memo, uses [][]use) (*hcl.EvalContext, diag.List) {
	ctx := c.constant()
	c.bind(ctx, more)
	var list diag.List
	var groups map[string]map[string]cty.Value
	for _, us := range uses {
		for _, u := range us {
			if ctx.Variables == nil {
				ctx.Variables, groups = map[string]cty.Value{}, map[string]map[string]cty.Value{}
			}
			if u.root == "path" {
				ctx.Variables["path"] = c.paths
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
				v, ds := c.named(u, scope, known)
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

// named is the value of a variable, a local or a block.
func (c *Config) named(u use, scope Scope, known memo) (cty.Value, diag.List) {
	switch u.root {
	case "var":
		if v := c.variables[u.name]; v != nil {
			return v.marked(), nil
		}
		return cty.DynamicVal, nil
	case "local":
		if l := c.locals[u.name]; l != nil {
			return c.local(l, scope, known)
		}
		return cty.DynamicVal, nil
	}
	if scope != nil {
		if v, ok := scope.Value(u.block()); ok {
			return v, nil
		}
	}
	return cty.DynamicVal, nil
}

// eval evaluates an argument. With errors the value is unknown.
func (c *Config) eval(a *attribute, ctx *hcl.EvalContext) (cty.Value, diag.List) {
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
	return v, translate(ds)
}

// redact takes the details away that may quote a sensitive value: the library and the functions do not know of marks.
func redact(list diag.List, a *attribute, ctx *hcl.EvalContext) diag.List {
	if !slices.ContainsFunc(a.mentions(), func(u use) bool {
		v, ds := u.traversal.TraverseAbs(ctx)
		return !ds.HasErrors() && v.ContainsMarked()
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
	name string
	attr *attribute

	endless bool // it is part of a cycle, or depends on one, so it is not evaluated

	closed bool        // refs was computed, or is being computed
	refs   []Reference // blocks that it refers to, also by way of other locals

	once  sync.Once // for one that refers to no block
	value cty.Value
	diags diag.List
}

// closure finds the blocks that a local depends on.
func (c *Config) closure(l *local) []Reference {
	if l.closed {
		return l.refs
	}
	l.closed = true
	for _, u := range l.attr.uses {
		if u.root == "local" {
			if other := c.locals[u.name]; other != nil {
				l.refs = append(l.refs, c.closure(other)...)
			}
		} else if c.byAddr[u.block()] != nil || u.root == PlanName {
			l.refs = append(l.refs, u.reference(false))
		}
	}
	return l.refs
}

// localCache keeps the values of locals that refer to blocks for one walk.
type localCache struct {
	scope  Scope
	walk   int
	values sync.Map // name -> cty.Value
}

// local evaluates a local: once if it depends on no block, else once in a walk or for each block that uses it. What
// is wrong with it is reported to the first who asks. One that never ends is unknown.
func (c *Config) local(l *local, scope Scope, known memo) (cty.Value, diag.List) {
	if l.endless {
		return cty.DynamicVal, nil
	}
	if len(l.refs) == 0 {
		l.once.Do(func() {
			ctx, list := c.contextOf(nil, nil, l.attr.uses)
			v, ds := c.eval(l.attr, ctx)
			l.value, l.diags = v, append(list, ds...)
		})
		return l.value, nil // Load reports what is wrong
	}
	if v, ok := known[l.name]; ok {
		return v, nil
	}
	cache := c.cacheFor(scope)
	if cache != nil {
		if v, ok := cache.values.Load(l.name); ok {
			return v.(cty.Value), nil
		}
	}
	ctx, list := c.fill(scope, nil, known, [][]use{l.attr.uses})
	v, ds := c.eval(l.attr, ctx)
	list = append(list, ds...)
	known[l.name] = v
	if cache != nil && (list.HasErrors() || answered(l.refs, scope)) {
		if _, again := cache.values.LoadOrStore(l.name, v); again {
			return v, nil
		}
	}
	return v, list
}

// evaluateLocals reports what is wrong with the locals that depend on no block, used or not.
func (c *Config) evaluateLocals() diag.List {
	var list diag.List
	for _, name := range slices.Sorted(maps.Keys(c.locals)) {
		if l := c.locals[name]; len(l.refs) == 0 {
			c.local(l, nil, nil)
			list = append(list, l.diags...)
		}
	}
	return list
}

func answered(refs []Reference, scope Scope) bool {
	for _, r := range refs {
		if _, ok := scope.Value(r.To); !ok {
			return false
		}
	}
	return true
}

func (c *Config) cacheFor(scope Scope) *localCache {
	w, ok := scope.(walker)
	if !ok || !reflect.ValueOf(scope).Comparable() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache == nil || c.cache.scope != scope || c.cache.walk != w.Walk() {
		c.cache = &localCache{scope: scope, walk: w.Walk()}
	}
	return c.cache
}
