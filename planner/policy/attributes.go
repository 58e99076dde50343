package policy

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/schema"
)

// attributes makes before and after of a change into values.
type attributes struct {
	kind      string
	unknown   []string // paths of what is known only after apply
	sensitive []string // paths of what is secret after the change
	recorded  bool     // it is before: which of its leaves are secret is not said of all
}

// value is the object of a resource's attributes, those alone that are needed; null where there is none. Attributes that
// the plan leaves out are null, secrets are unknown and marked.
func (a attributes) value(raw []byte, n *need) cty.Value {
	if !isKind(a.kind) {
		return fromJSON(raw)
	}
	attrs, err := schema.UnmarshalAttrs(schema.KindObject(a.kind), raw, func(name string) bool { return n.wants(name) != nil })
	if err != nil {
		return cty.DynamicVal // a plan of another version, whose attributes have other types
	}
	if attrs == nil {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	if a.recorded {
		for name, v := range attrs {
			attrs[name] = veil(v)
		}
	}
	for _, path := range a.unknown {
		a.put(attrs, path, false)
	}
	for _, path := range a.sensitive {
		a.put(attrs, path, true)
	}
	return cty.ObjectVal(attrs)
}

// isKind tells whether a kind of resource is known here: a plan may be of a later version.
func isKind(name string) bool {
	return slices.Contains([]string{addr.KindInstance, addr.KindVolume, addr.KindGateway, addr.KindJob, addr.KindSupport}, name)
}

// put makes a leaf unknown, and marks it if it is secret. A leaf that cannot be found makes the whole attribute so.
func (a attributes) put(attrs map[string]cty.Value, path string, secret bool) {
	root := path
	if i := strings.IndexAny(path, ".["); i >= 0 {
		root = path[:i]
	}
	v, ok := attrs[root]
	if !ok {
		return
	}
	whole := cty.ObjectVal(map[string]cty.Value{root: v})
	leaf, found := diff.Get(whole, path)
	if a.recorded && (!found || !leaf.IsNull()) {
		return // it was no secret before, or was not there
	}
	ty := v.Type()
	if found {
		ty = leaf.Type()
	}
	mark := func(v cty.Value) cty.Value {
		if secret {
			return v.Mark(schema.SensitiveMark)
		}
		return v
	}
	if found {
		if with, err := diff.Set(whole, path, mark(cty.UnknownVal(ty))); err == nil {
			attrs[root] = with.GetAttr(root)
			return
		}
	}
	attrs[root] = mark(cty.UnknownVal(v.Type()))
}

// veil makes secrets of the nulls in lists and maps: only a secret that was taken out leaves one there.
func veil(v cty.Value) cty.Value {
	if v.IsNull() || !v.IsKnown() {
		return v
	}
	ty := v.Type()
	if !ty.IsMapType() && !ty.IsListType() || v.LengthInt() == 0 || !ty.ElementType().IsPrimitiveType() {
		return v
	}
	secret := cty.UnknownVal(ty.ElementType()).Mark(schema.SensitiveMark)
	if ty.IsMapType() {
		all := v.AsValueMap()
		for k, e := range all {
			if e.IsNull() {
				all[k] = secret
			}
		}
		return cty.MapVal(all)
	}
	all := v.AsValueSlice()
	for i, e := range all {
		if e.IsNull() {
			all[i] = secret
		}
	}
	return cty.ListVal(all)
}
