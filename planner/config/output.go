package config

import (
	"github.com/hashicorp/hcl/v2"
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
		d.list = append(d.list, c.condition(n.body, ctx, nil, "")...)
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

// EvaluateExpr evaluates one expression as console does.
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
	a := &attribute{name: name, expr: expr, rng: expr.Range(), uses: usesOf(expr)}
	if list := c.checkUses(nil, a, nil); list.HasErrors() {
		return cty.DynamicVal, list
	}
	ctx, list := c.contextOf(scope, nil, a.uses)
	v, more := c.eval(a, ctx)
	return v, append(list, more...)
}
