package config

import (
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
