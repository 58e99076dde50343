package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/schema"
)

// meta evaluates depends_on and lifecycle.
func (d *decoder) meta(out *Decoded) {
	b := out.Block
	if b.dependOn != nil {
		for _, u := range b.dependOn.uses {
			out.Meta.DependsOn = append(out.Meta.DependsOn, u.reference(b.module, true))
		}
	}
	if b.lifecycle == nil {
		return
	}
	for _, a := range b.lifecycle.body.attrs {
		switch a.name {
		case "prevent_destroy":
			out.Meta.PreventDestroy = d.flag(a)
			out.Meta.PreventRange = a.rng
		case "create_before_destroy":
			out.Meta.CreateBeforeDestroy = d.flag(a)
		case "ignore_changes":
			d.ignore(a, &out.Meta, b.Type.Object)
		case "replace_triggered_by":
			for _, u := range a.uses {
				out.Meta.ReplaceTriggeredBy = append(out.Meta.ReplaceTriggeredBy, u.reference(b.module, false))
			}
		}
	}
	for _, n := range b.lifecycle.body.nestedOf("precondition") {
		v, list := d.c.judge(n.body, d.ctx, "")
		out.before = append(out.before, v)
		d.list = append(d.list, list...)
	}
}

// flag evaluates a rule that must be known to plan at all.
func (d *decoder) flag(a *attribute) bool {
	v := d.attribute(a)
	v, _ = v.Unmark()
	if !v.IsKnown() {
		if !d.list.HasErrors() && !d.c.undecided {
			d.list = append(d.list, d.c.about(a, d.ctx, a.expr.Range(), "Value is not known yet", "%s decides how to plan, so it must be known before. Use a variable, or a value that depends on no resource.", a.name)...)
		}
		return false
	}
	return !v.IsNull() && v.True()
}

// ignore reads the names of attributes whose changes do not count.
func (d *decoder) ignore(a *attribute, m *Meta, o *schema.Object) {
	if hcl.ExprAsKeyword(a.expr) == "all" {
		m.IgnoreAll = true
		return
	}
	items, ds := hcl.ExprList(a.expr)
	if ds.HasErrors() {
		d.list = append(d.list, d.c.about(a, nil, a.expr.Range(), "A list is needed", "ignore_changes is a list of attributes without quotes, as in [%s], or all.", o.Attrs[0].Name)...)
		return
	}
	for _, item := range items {
		t, ds := hcl.RelTraversalForExpr(item)
		if ds.HasErrors() {
			d.list = append(d.list, d.c.about(a, nil, item.Range(), "An attribute is needed", "Every element of ignore_changes is the name of an attribute without quotes, such as %s.", unquoted(item, o.Attrs[0].Name))...)
			continue
		}
		name := strings.TrimPrefix(traversalText(t), ".")
		first := splitPath(name)[0].name
		if o.Attr(first) == nil {
			d.list = append(d.list, d.c.about(a, nil, item.Range(), "Unknown attribute", "There is no attribute %q to ignore.%s", first, schema.DidYouMean(first, o.Names()))...)
			continue
		}
		m.IgnoreChanges = append(m.IgnoreChanges, name)
	}
}
