package config

import (
	"github.com/hashicorp/hcl/v2"
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

// EvaluateOutput evaluates a block `output` of the configuration itself. A sensitive value in an output that is not declared as sensitive is an error.
func (c *Config) EvaluateOutput(b *Block, scope Scope) (Output, diag.List) {
	ctx, list := c.contextOf(c.root, scope, nil, b.uses()...)
	out, ds := c.evaluateOutput(b, ctx)
	out.Value = c.settle(out.Value, nil, out.Sensitive)
	list = append(list, ds...).For(b.Addr.String())
	list.Sort()
	c.Snippets(list)
	return out, list
}

func (c *Config) evaluateOutput(b *Block, ctx *hcl.EvalContext) (Output, diag.List) {
	out := Output{Name: b.Addr.Name, Value: cty.DynamicVal}
	d := decoder{c: c, ctx: ctx}
	if a := b.body.attr("sensitive"); a != nil {
		out.Sensitive = d.flag(a)
	}
	if a := b.body.attr("description"); a != nil {
		if v, _ := d.attribute(a).Unmark(); v.IsKnown() && !v.IsNull() {
			out.Description = v.AsString()
		}
	}
	for _, n := range b.body.nestedOf("precondition") {
		v, ds := c.judge(n.body, ctx, "")
		out.Preconditions = append(out.Preconditions, v)
		d.list = append(d.list, ds...)
	}
	if a := b.body.attr("value"); a != nil {
		v, ds := c.evalKept(a, ctx)
		d.list = append(d.list, ds...)
		switch {
		case b.module == c.main && isEphemeral(v):
			d.list = append(d.list, c.about(a, ctx, a.expr.Range(), "Output is ephemeral", "The value is kept nowhere, and outputs are recorded. Leave it out, or write ephemeralasnull(...) around it.")...)
			v = cty.DynamicVal
		case out.Sensitive:
			v = v.Mark(schema.SensitiveMark)
		case unanswered(v).ContainsMarked() && b.module != c.main: // only what is shown needs the word
		case unanswered(v).ContainsMarked():
			d.list = append(d.list, c.about(a, ctx, a.expr.Range(), "Output is sensitive", "The value is made of sensitive ones, and outputs are shown. Say so with sensitive = true, or use nonsensitive(...) if it may be shown.")...)
			v = v.Mark(schema.SensitiveMark)
		}
		out.Value = v
	}
	return out, d.list
}
