package rendertest

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// pairs are two values of the grammars that renderings write in a way of their own.
var pairs = map[string][2]string{
	"Duration": {"10s", "2h"}, "DiskSize": {"100GB", "1TB"}, "GPU": {"A100:40GB:8", "A100:80GB:8"}, "Memory": {"16GB", "32GB"}, "Price": {"2.5", "45"},
}

// leaf is a place of a kind at which values can differ, with two of them.
type leaf struct {
	path     string
	from, to any
}

// leaves are the places of all attributes of a kind: attributes, elements of lists and maps, attributes of nested objects,
// and those of objects in lists.
func leaves(o *schema.Object, prefix string) []leaf {
	var out []leaf
	for _, a := range o.Attrs {
		path := prefix + a.Name
		switch {
		case a.Type.IsListType() && a.Elem != nil:
			out = append(out, leaf{path + "[0]", element(a.Elem, 0), element(a.Elem, 1)})
			out = append(out, leaves(a.Elem, path+"[1].")...)
		case a.Type.IsListType():
			out = append(out, leaf{path + "[0]", scalar(a, a.Type.ElementType(), 0), scalar(a, a.Type.ElementType(), 1)})
		case a.Type.IsMapType():
			out = append(out, leaf{path + `["A_1"]`, scalar(a, a.Type.ElementType(), 0), scalar(a, a.Type.ElementType(), 1)})
		case a.Elem != nil:
			out = append(out, leaves(a.Elem, path+".")...)
		default:
			out = append(out, leaf{path, scalar(a, a.Type, 0), scalar(a, a.Type, 1)})
		}
	}
	return out
}

// element is a nested object with its plain attributes.
func element(o *schema.Object, i int) Object {
	out := Object{}
	for _, a := range o.Attrs {
		switch {
		case a.Elem != nil, a.Type.IsMapType():
		case a.Type.IsListType():
			out[a.Name] = []any{scalar(a, a.Type.ElementType(), i)}
		default:
			out[a.Name] = scalar(a, a.Type, i)
		}
	}
	return out
}

func scalar(a *schema.Attribute, t cty.Type, i int) any {
	switch {
	case t == cty.Bool:
		return i == 1
	case t == cty.Number:
		return (i + 1) * 1024
	}
	if pair, ok := pairs[a.Grammar]; ok {
		return pair[i]
	}
	return fmt.Sprintf("%s-%d", a.Name, i)
}

// attributes are a plan for each kind in which each attribute that it has differs, in each way in which one can: a new
// attribute is in it by itself.
func attributes() map[string]*plan.Plan {
	address := map[string]string{"instance": "fleet.lab.instance[%d]", "volume": "volume.data[%d]", "gateway": "gateway.public[%d]", "job": "task.train.job[%d]", "support": `fleet.lab.support["key/%d"]`}
	ways := []struct {
		what string
		of   func(leaf) plan.AttrDiff
	}{
		{"changes", func(l leaf) plan.AttrDiff {
			return plan.AttrDiff{Path: l.path, Before: JSON(l.from), After: JSON(l.to)}
		}},
		{"is new", func(l leaf) plan.AttrDiff { return plan.AttrDiff{Path: l.path, After: JSON(l.to)} }},
		{"goes", func(l leaf) plan.AttrDiff { return plan.AttrDiff{Path: l.path, Before: JSON(l.from)} }},
		{"is known later", func(l leaf) plan.AttrDiff {
			return plan.AttrDiff{Path: l.path, Before: JSON(l.from), Unknown: true}
		}},
		{"is secret", func(l leaf) plan.AttrDiff {
			return plan.AttrDiff{Path: l.path, Before: JSON(nil), After: JSON(nil), Sensitive: true}
		}},
		{"was changed outside", func(l leaf) plan.AttrDiff {
			return plan.AttrDiff{Path: l.path, Before: JSON(l.from), After: JSON(l.to), Applied: JSON(nil)}
		}},
		{"cannot be changed", func(l leaf) plan.AttrDiff {
			return plan.AttrDiff{Path: l.path, Before: JSON(l.from), After: JSON(l.to), Forces: true, Why: "the provider says so"}
		}},
	}
	out := map[string]*plan.Plan{}
	for _, kind := range addr.Kinds() {
		all := leaves(schema.KindObject(kind), "")
		p := &plan.Plan{}
		for i, way := range ways {
			c := &plan.Change{Address: fmt.Sprintf(address[kind], i), Kind: kind, Backend: "aws", Action: plan.Update, Reason: "everything " + way.what, Declared: "main.dstack.hcl:3"}
			for _, l := range all {
				d := way.of(l)
				if d.Forces {
					c.Action, c.ReplacePaths = plan.DeleteThenCreate, append(c.ReplacePaths, d.Path)
				}
				c.Diff = append(c.Diff, d)
			}
			p.Changes = append(p.Changes, c)
		}
		if kind == addr.KindSupport {
			p.Summary.Support = len(ways)
		} else {
			p.Summary.Update, p.Summary.Replace = len(ways)-1, 1
		}
		out["attributes-of-"+kind] = p
	}
	return out
}
