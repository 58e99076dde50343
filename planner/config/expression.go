package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dstackai/dstack-planner/diag"
)

// CheckSyntax reports what is wrong with a text as HCL, in the words in which Load reports it: nothing for one that
// parses. What its blocks and arguments are called does not matter.
func CheckSyntax(s Source) diag.List {
	list := checkDepth(s)
	if list == nil {
		_, ds := hclsyntax.ParseConfig(s.Text, s.Path, hcl.InitialPos)
		if !ds.HasErrors() {
			return nil
		}
		list = explainSyntax(s, ds)
	}
	list.Sort()
	quoteSource(list, s)
	return list
}

// quoteSource fills in the snippets of diagnostics about a text that belongs to no configuration.
func quoteSource(list diag.List, s Source) {
	for _, d := range list {
		if d.Range == nil || d.Range.Filename != s.Path || d.Range.End.Byte > len(s.Text) || d.Range.Start.Byte > d.Range.End.Byte {
			continue
		}
		if d.Snippet == nil {
			d.Snippet = &diag.Snippet{}
		}
		if d.Snippet.Code == "" {
			fillCode(d.Snippet, s.Text, d.Range)
		}
	}
}

// typeFunction gives the type of a value, as an argument `type` of a variable says it. It belongs to expressions that
// people try out: what a configuration does should not depend on it.
var typeFunction = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}},
	Type: function.StaticReturnType(typeexpr.TypeConstraintType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return typeexpr.TypeConstraintVal(args[0].Type()), nil
	},
})

// Evaluate evaluates an expression that stands in no file, as if it stood in a local. The name stands for the file in
// diagnostics, which quote the text. With errors the value is unknown.
func (c *Config) Evaluate(name, text string, scope Scope) (cty.Value, diag.List) {
	s := Source{Path: name, Text: []byte(text)}
	v, list := c.evaluateText(s, scope)
	list.Sort()
	c.Snippets(list)
	quoteSource(list, s)
	return v, list
}

func (c *Config) evaluateText(s Source, scope Scope) (cty.Value, diag.List) {
	if list := checkDepth(s); list != nil {
		return cty.DynamicVal, list
	}
	if bytes.Contains(s.Text, []byte("<<")) {
		s.Text = append(slices.Clip(s.Text), '\n') // a heredoc ends with a line
	}
	expr, ds := hclsyntax.ParseExpression(s.Text, s.Path, hcl.InitialPos)
	if ds.HasErrors() {
		return cty.DynamicVal, translate(ds)
	}
	if ds := prepare(expr, s.Text, ""); ds.HasErrors() {
		return cty.DynamicVal, translate(ds)
	}
	a := &attribute{expr: expr, rng: expr.Range(), uses: usesOf(expr)}
	var list diag.List
	for _, u := range a.uses {
		if summary, detail := c.checkFreeUse(a, u); summary != "" {
			rng := u.rng()
			list = append(list, diag.Errorf(summary, "%s", detail).At(&rng)...)
		}
	}
	if list.HasErrors() {
		return cty.DynamicVal, list
	}
	ctx, list := c.contextOf(c.root, scope, nil, a.uses)
	c.bindAs(ctx, "expression "+strconv.FormatInt(c.expressions.Add(1), 10))
	ctx.Functions["type"] = typeFunction
	v, found := c.eval(a, ctx)
	return v, append(list, found...)
}

// checkFreeUse says what is wrong with a name in an expression that stands in no block.
func (c *Config) checkFreeUse(a *attribute, u use) (summary, detail string) {
	homes := map[string]string{
		"each": "a block that has for_each", "count": "a block that has count", "node": "a task", "replica": "a service", "self": "a postcondition",
	}
	if home, ok := homes[u.root]; ok {
		return "Not a value here", fmt.Sprintf("%s has a value only in %s. Try the expression with a value of your own in its place.", u.short(), home)
	}
	return c.checkUse(c.main, nil, a, nil, u)
}

// FunctionNames lists the functions that expressions can call, in order.
func (c *Config) FunctionNames() []string { return slices.Sorted(maps.Keys(c.functions)) }

// Roots lists what references can begin with in an expression that stands in no block, in order: var, local, path, and
// the types of the blocks that the configuration has.
func (c *Config) Roots() []string {
	out := []string{"path"}
	if len(c.main.variables) > 0 {
		out = append(out, "var")
	}
	if len(c.main.locals) > 0 {
		out = append(out, "local")
	}
	for t, names := range c.main.names {
		if len(names) == 0 {
			continue
		}
		if summary, _ := c.checkUse(c.main, nil, nil, nil, use{root: t, name: names[0]}); summary == "" { // others have no value
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out
}
