package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
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
			out.Meta.PreventRange, out.Meta.PreventText, out.Meta.PreventFrom = a.rng, d.c.text(a.rng), mentioned(a.uses)
		case "create_before_destroy":
			out.Meta.CreateBeforeDestroy = d.flag(a)
		case "ignore_changes":
			d.ignore(a, &out.Meta, b.Type.Name, b.Type.Object)
		case "replace_triggered_by":
			d.triggers(a, out)
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
func (d *decoder) ignore(a *attribute, m *Meta, b string, o *schema.Object) {
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
		path, lacking := withKeys(o, t)
		first := splitPath(path)[0].name
		switch {
		case lacking != nil:
			d.list = append(d.list, d.c.about(a, nil, item.Range(), "Unknown attribute", "There is no attribute %q to ignore.%s", path, schema.DidYouMean(lacking.name, lacking.known))...)
		case !kept(b, first):
			d.list = append(d.list, d.c.about(a, nil, item.Range(), "Attribute is not kept", "%s says what is made of the block, and is no attribute of what is made, so there is nothing of it to keep.", first)...)
		default:
			m.IgnoreChanges = append(m.IgnoreChanges, path)
		}
	}
}

// lack is a name that an object does not have.
type lack struct {
	name  string
	known []string
}

// withKeys prints the path of an attribute as differences name it: the key of a map stands in brackets, even where it is
// written behind a dot. Where there is no such attribute, the path ends in it.
func withKeys(o *schema.Object, t hcl.Traversal) (string, *lack) {
	ty := o.Type()
	var out hcl.Traversal
	for _, step := range t {
		name, isAttr := step.(hcl.TraverseAttr)
		switch {
		case ty.IsMapType() && isAttr:
			step, ty = hcl.TraverseIndex{Key: cty.StringVal(name.Name)}, ty.ElementType()
		case ty.IsObjectType() && isAttr && ty.HasAttribute(name.Name):
			ty = ty.AttributeType(name.Name)
		case ty.IsObjectType() && isAttr:
			known := slices.Sorted(maps.Keys(ty.AttributeTypes()))
			return strings.TrimPrefix(traversalText(append(out, step)), "."), &lack{name.Name, known}
		case !isAttr && (ty.IsListType() || ty.IsMapType() || ty.IsSetType()):
			ty = ty.ElementType()
		default:
			ty = cty.DynamicPseudoType
		}
		out = append(out, step)
	}
	return strings.TrimPrefix(traversalText(out), "."), nil
}

// kept tells whether what a block stands for keeps an attribute of the block.
func kept(block, name string) bool {
	kinds := []string{addr.KindJob, addr.KindInstance}
	switch block {
	case "fleet":
		kinds = []string{addr.KindInstance}
	case "volume", "gateway":
		kinds = []string{block}
	}
	return slices.ContainsFunc(kinds, func(kind string) bool {
		a := schema.KindObject(kind).Attr(name)
		return a != nil && a.Configured()
	})
}
