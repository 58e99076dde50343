package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Output is the value of a block `output`.
type Output struct {
	Name        string
	Value       cty.Value // unmarked only if the output is not sensitive
	Description string
	Sensitive   bool
	// Preconditions tells what became of them.
	Preconditions []Verdict
}

// EvaluateOutput evaluates a block `output`. A sensitive value in an output that is not declared as sensitive is an error.
func (c *Config) EvaluateOutput(b *Block, scope Scope) (Output, diag.List) {
	out := Output{Name: b.Addr.Name, Value: cty.DynamicVal}
	ctx, list := c.contextOf(scope, nil, b.uses()...)
	d := decoder{c: c, ctx: ctx, list: list}
	if a := b.body.attr("sensitive"); a != nil {
		out.Sensitive = d.flag(a)
	}
	if a := b.body.attr("description"); a != nil {
		if v, _ := d.attribute(a).Unmark(); v.IsKnown() && !v.IsNull() {
			out.Description = v.AsString()
		}
	}
	for _, n := range b.body.nestedOf("precondition") {
		v, ds := c.judge(n.body, ctx, nil, "")
		out.Preconditions = append(out.Preconditions, v)
		d.list = append(d.list, ds...)
	}
	if a := b.body.attr("value"); a != nil {
		v, ds := c.eval(a, ctx)
		d.list = append(d.list, ds...)
		switch {
		case out.Sensitive:
			v = v.Mark(schema.SensitiveMark)
		case v.ContainsMarked():
			d.list = append(d.list, c.about(a, ctx, a.expr.Range(), "Output is sensitive", "The value is made of sensitive ones, and outputs are shown. Say so with sensitive = true, or use nonsensitive(...) if it may be shown.")...)
			v = v.Mark(schema.SensitiveMark)
		}
		out.Value = v
	}
	list = d.list.For(b.Addr.String())
	list.Sort()
	c.Snippets(list)
	return out, list
}

// EvaluateExpr evaluates one expression as console does. `type(EXPRESSION)` gives the type of an expression, as a value
// that render.Console writes; it stands by itself and is no function of the language.
func (c *Config) EvaluateExpr(src string, scope Scope) (cty.Value, diag.List) {
	const name = "<console>"
	s := Source{Path: name, Text: []byte(src)}
	if list := checkDepth(s); list != nil {
		return cty.DynamicVal, list
	}
	expr, ds := hclsyntax.ParseExpression([]byte(src), name, hcl.InitialPos)
	if ds.HasErrors() {
		return cty.DynamicVal, translate(ds)
	}
	asked, typeOnly := typeArgument(expr)
	a := &attribute{name: name, expr: asked, rng: asked.Range(), uses: usesOf(asked)}
	if list := c.checkUses(nil, a, nil); list.HasErrors() {
		return cty.DynamicVal, list
	}
	ctx, list := c.contextOf(scope, nil, a.uses)
	v, more := c.eval(a, ctx)
	if list = append(list, more...); typeOnly && !list.HasErrors() {
		v = typeexpr.TypeConstraintVal(v.Type())
	}
	return v, list
}

// typeArgument takes the expression out of type(EXPRESSION); any other expression it gives as it is.
func typeArgument(expr hclsyntax.Expression) (hclsyntax.Expression, bool) {
	for {
		paren, ok := expr.(*hclsyntax.ParenthesesExpr)
		if !ok {
			break
		}
		expr = paren.Expression
	}
	call, ok := expr.(*hclsyntax.FunctionCallExpr)
	if !ok || call.Name != "type" || len(call.Args) != 1 || call.ExpandFinal {
		return expr, false
	}
	return call.Args[0], true
}
