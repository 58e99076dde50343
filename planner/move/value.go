package move

import (
	"encoding/json"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// attributes writes the addresses anew that are in the attributes of an object of a kind.
func (w *writer) attributes(kind string, raw json.RawMessage) (json.RawMessage, error) {
	o := schema.KindObject(kind)
	if len(raw) == 0 || !slices.ContainsFunc(o.Attrs, (*schema.Attribute).HoldsAddresses) {
		return raw, nil
	}
	v, err := schema.UnmarshalValue(o, raw)
	if err != nil {
		return nil, err
	}
	next, differs := w.object(o, v)
	if !differs {
		return raw, nil
	}
	return schema.MarshalValue(next)
}

func (w *writer) object(o *schema.Object, v cty.Value) (cty.Value, bool) {
	if v.IsNull() || !v.IsKnown() {
		return v, false
	}
	attrs, differs := v.AsValueMap(), false
	for _, a := range o.Attrs {
		was := attrs[a.Name]
		if !a.HoldsAddresses() {
			continue
		}
		next, changed := w.value(a, was)
		if changed {
			attrs[a.Name], differs = next, true
		}
	}
	if !differs {
		return v, false
	}
	return cty.ObjectVal(attrs), true
}

func (w *writer) value(a *schema.Attribute, v cty.Value) (cty.Value, bool) {
	switch {
	case v.IsNull() || !v.IsKnown():
		return v, false
	case v.Type() == cty.String:
		next := w.text(v.AsString())
		return cty.StringVal(next), next != v.AsString()
	case v.Type().IsListType():
		items, differs := v.AsValueSlice(), false
		for i, item := range items {
			next, changed := w.value(a, item)
			items[i], differs = next, differs || changed
		}
		if !differs {
			return v, false
		}
		return cty.ListVal(items), true
	case a.Elem != nil:
		return w.object(a.Elem, v)
	}
	return v, false
}
