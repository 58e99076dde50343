package policy

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/config"
)

// need says which parts of a value are looked at. The zero need looks at whether the value is null and no further.
type need struct {
	all   bool             // everything of it
	attrs map[string]*need // attributes, and keys of maps
	each  *need            // any element, any attribute

	merged map[string]*need // attributes with what each of them needs
}

// attr is the need of one attribute, made where there is none.
func (n *need) attr(name string) *need {
	if n.attrs == nil {
		n.attrs = map[string]*need{}
	}
	if n.attrs[name] == nil {
		n.attrs[name] = &need{}
	}
	return n.attrs[name]
}

// elem is the need of the elements, made where there is none.
func (n *need) elem() *need {
	if n.each == nil {
		n.each = &need{}
	}
	return n.each
}

// wants is what is needed of an attribute or key, nil for nothing at all.
func (n *need) wants(name string) *need {
	switch own := n.attrs[name]; {
	case n.all:
		return &need{all: true}
	case n.each == nil:
		return own
	case own == nil:
		return n.each
	}
	if n.merged == nil {
		n.merged = map[string]*need{}
	}
	if n.merged[name] == nil {
		n.merged[name] = merge(n.attrs[name], n.each)
	}
	return n.merged[name]
}

// element is what is needed of an element of a list.
func (n *need) element() *need {
	switch {
	case n.all:
		return &need{all: true}
	case n.each == nil:
		return &need{}
	}
	return n.each
}

func merge(a, b *need) *need {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	out := &need{all: a.all || b.all, each: merge(a.each, b.each)}
	for _, attrs := range []map[string]*need{a.attrs, b.attrs} {
		for name, n := range attrs {
			if out.attrs == nil {
				out.attrs = map[string]*need{}
			}
			out.attrs[name] = merge(out.attrs[name], n)
		}
	}
	return out
}

// shape is what an expression may come to, as far as parts of the plan are in it. A nil shape has none.
type shape struct {
	needs []*need           // parts of the plan that it may be
	attrs map[string]*shape // of an object that the expression makes
	each  *shape            // elements of what the expression makes
}

// consume says that everything of a shape is looked at.
func (s *shape) consume() {
	if s == nil {
		return
	}
	for _, n := range s.needs {
		n.all = true
	}
	for _, a := range s.attrs {
		a.consume()
	}
	s.each.consume()
}

func (s *shape) attr(name string) *shape {
	if s == nil {
		return nil
	}
	out := &shape{}
	for _, n := range s.needs {
		out.needs = append(out.needs, n.attr(name))
	}
	return union(out, s.attrs[name], s.each)
}

func (s *shape) elem() *shape {
	if s == nil {
		return nil
	}
	out := &shape{}
	for _, n := range s.needs {
		out.needs = append(out.needs, n.elem())
	}
	return union(append(slices.Collect(maps.Values(s.attrs)), out, s.each)...)
}

// union is a shape that may be any of the given ones.
func union(list ...*shape) *shape {
	var out *shape
	for _, s := range list {
		switch {
		case s == nil:
		case out == nil:
			out = s
		default:
			both := &shape{needs: slices.Concat(out.needs, s.needs), each: union(out.each, s.each), attrs: maps.Clone(out.attrs)}
			for name, a := range s.attrs {
				if both.attrs == nil {
					both.attrs = map[string]*shape{}
				}
				both.attrs[name] = union(both.attrs[name], a)
			}
			out = both
		}
	}
	return out
}

// analysis follows parts of the plan through expressions.
type analysis struct {
	config *config.Config
	root   *need
	locals map[string]*shape
	anon   map[*hclsyntax.AnonSymbolExpr]*shape // what stands before [*]
}

// demandOf says which parts of a plan the policies of a configuration look at.
func demandOf(c *config.Config) *need {
	a := &analysis{config: c, root: &need{}, locals: map[string]*shape{}, anon: map[*hclsyntax.AnonSymbolExpr]*shape{}}
	for _, p := range c.Policies() {
		a.expr(p.Condition(), nil).consume()
		a.expr(p.Message(), nil).consume()
		// The values that are shown of names in the condition say whether they are null and how many elements they have.
		for _, t := range p.Condition().Variables() {
			a.traversal(t, nil).elem()
		}
	}
	return a.root
}

type names map[string]*shape

func (a *analysis) local(name string) *shape {
	if s, ok := a.locals[name]; ok {
		return s
	}
	a.locals[name] = nil
	if expr := a.config.LocalExpr(name); expr != nil {
		a.locals[name] = a.expr(expr, nil)
	}
	return a.locals[name]
}

// expr is the shape of an expression. What it only looks at is consumed on the way.
func (a *analysis) expr(e hcl.Expression, env names) *shape {
	switch e := e.(type) {
	case nil, *hclsyntax.LiteralValueExpr:
		return nil
	case *hclsyntax.ParenthesesExpr:
		return a.expr(e.Expression, env)
	case *hclsyntax.ScopeTraversalExpr:
		return a.traversal(e.Traversal, env)
	case *hclsyntax.RelativeTraversalExpr:
		return follow(a.expr(e.Source, env), e.Traversal)
	case *hclsyntax.AnonSymbolExpr:
		return a.anon[e]
	case *hclsyntax.IndexExpr:
		return a.index(e, env)
	case *hclsyntax.SplatExpr:
		source := a.expr(e.Source, env)
		a.anon[e.Item] = union(source.elem(), source) // what is no list stands for a list of itself
		return &shape{each: a.expr(e.Each, env)}
	case *hclsyntax.ForExpr:
		return a.forExpr(e, env)
	case *hclsyntax.ConditionalExpr:
		a.consume(env, e.Condition, e.TrueResult, e.FalseResult) // both results get one type, made of all that they have
		return nil
	case *hclsyntax.BinaryOpExpr:
		if (e.Op == hclsyntax.OpEqual || e.Op == hclsyntax.OpNotEqual) && (isNull(e.LHS) || isNull(e.RHS)) {
			a.expr(e.LHS, env)
			a.expr(e.RHS, env)
			return nil
		}
		a.consume(env, e.LHS, e.RHS)
		return nil
	case *hclsyntax.FunctionCallExpr:
		return a.call(e, env)
	case *hclsyntax.TupleConsExpr:
		out := &shape{}
		for _, item := range e.Exprs {
			out.each = union(out.each, a.expr(item, env))
		}
		return out
	case *hclsyntax.ObjectConsExpr:
		return a.object(e, env)
	case *hclsyntax.UnaryOpExpr:
		a.consume(env, e.Val)
		return nil
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			a.consume(env, part)
		}
		return nil
	case *hclsyntax.TemplateWrapExpr:
		a.consume(env, e.Wrapped)
		return nil
	case *hclsyntax.TemplateJoinExpr:
		a.consume(env, e.Tuple)
		return nil
	}
	for _, t := range e.Variables() { // an expression of JSON: what is done with its names is not known
		a.traversal(t, env).consume()
	}
	return nil
}

func (a *analysis) consume(env names, list ...hclsyntax.Expression) {
	for _, e := range list {
		a.expr(e, env).consume()
	}
}

func isNull(e hclsyntax.Expression) bool {
	lit, ok := e.(*hclsyntax.LiteralValueExpr)
	return ok && lit.Val.IsNull()
}

func (a *analysis) traversal(t hcl.Traversal, env names) *shape {
	root := t.RootName()
	if s, ok := env[root]; ok {
		return follow(s, t[1:])
	}
	if len(t) < 2 {
		return nil
	}
	name, ok := nameOf(t[1])
	if !ok {
		return nil
	}
	switch root {
	case config.PlanName:
		return follow(&shape{needs: []*need{a.root.attr(name)}}, t[2:])
	case "local":
		return follow(a.local(name), t[2:])
	}
	return nil
}

// nameOf is the attribute or the key that a step leads to.
func nameOf(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

func follow(s *shape, steps hcl.Traversal) *shape {
	for _, step := range steps {
		if name, ok := nameOf(step); ok {
			s = s.attr(name)
		} else {
			s = s.elem()
		}
	}
	return s
}

func (a *analysis) index(e *hclsyntax.IndexExpr, env names) *shape {
	collection := a.expr(e.Collection, env)
	if key, ds := e.Key.Value(nil); len(e.Key.Variables()) == 0 && !ds.HasErrors() && key.IsKnown() && !key.IsNull() {
		switch key.Type() {
		case cty.String:
			return collection.attr(key.AsString())
		case cty.Number:
			return collection.elem()
		}
	}
	a.consume(env, e.Key)
	collection.consume() // any of its attributes may be meant
	return nil
}

func (a *analysis) forExpr(e *hclsyntax.ForExpr, env names) *shape {
	inner := maps.Clone(env)
	if inner == nil {
		inner = names{}
	}
	if e.KeyVar != "" {
		inner[e.KeyVar] = nil
	}
	inner[e.ValVar] = a.expr(e.CollExpr, env).elem()
	if e.CondExpr != nil {
		a.consume(inner, e.CondExpr)
	}
	if e.KeyExpr != nil {
		a.consume(inner, e.KeyExpr)
	}
	value := a.expr(e.ValExpr, inner)
	if e.Group {
		value = &shape{each: value}
	}
	return &shape{each: value}
}

func (a *analysis) object(e *hclsyntax.ObjectConsExpr, env names) *shape {
	out := &shape{attrs: map[string]*shape{}}
	for _, item := range e.Items {
		value := a.expr(item.ValueExpr, env)
		key, ds := item.KeyExpr.Value(nil)
		if !ds.HasErrors() && key.Type() == cty.String && key.IsKnown() && !key.IsNull() {
			out.attrs[key.AsString()] = union(out.attrs[key.AsString()], value)
			continue
		}
		if wrapped, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); ok {
			a.consume(env, wrapped.Wrapped)
		}
		out.each = union(out.each, value)
	}
	return out
}

// call knows the functions that give back a part of what they get, or look at its size alone. Any other one may look at
// everything.
func (a *analysis) call(e *hclsyntax.FunctionCallExpr, env names) *shape {
	var args []*shape
	for _, arg := range e.Args {
		args = append(args, a.expr(arg, env))
	}
	if !e.ExpandFinal && len(args) > 0 {
		switch e.Name {
		case "length":
			args[0].elem()
			return nil
		case "can":
			return nil
		case "try":
			return union(args...)
		case "one", "element":
			consumeAll(args[1:])
			return args[0].elem()
		case "reverse", "slice":
			consumeAll(args[1:])
			return args[0]
		}
	}
	consumeAll(args)
	return nil
}

func consumeAll(list []*shape) {
	for _, s := range list {
		s.consume()
	}
}
