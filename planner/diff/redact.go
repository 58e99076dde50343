package diff

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// Value is a value without secrets, as state and plans keep it.
type Value struct {
	// V has no marks. Sensitive leaves are null; unknown ones are unknown.
	V cty.Value
	// Digests has the digest of each sensitive leaf that is known, by path.
	Digests map[string]string
	// Sensitive lists the paths of all sensitive leaves, known or not, sorted. A state has Digests alone.
	Sensitive []string
	// Unknown lists the paths of all unknown leaves, sorted. A container that is unknown as a whole is one leaf.
	Unknown []string
}

// Known is V with unknown leaves as null, ready for schema.MarshalValue.
func (v Value) Known() cty.Value {
	if len(v.Unknown) == 0 {
		return v.V
	}
	return cty.UnknownAsNull(v.V)
}

// hidden tells whether a secret stands at path.
func (v Value) hidden(path string) bool {
	if _, ok := v.Digests[path]; ok {
		return true
	}
	_, ok := slices.BinarySearch(v.Sensitive, path)
	return ok
}

// holdsSecret tells whether a secret stands at path or below it.
func (v Value) holdsSecret(path string) bool {
	if len(v.Digests) == 0 && len(v.Sensitive) == 0 {
		return false
	}
	for p := range v.Digests {
		if Under(p, path) {
			return true
		}
	}
	return slices.ContainsFunc(v.Sensitive, func(p string) bool { return Under(p, path) })
}

// Redact takes the secrets out of a value of kind o. A leaf is a secret if it is marked, if something that it is in is
// marked, or if the schema calls its attribute sensitive. Each known one becomes null, and digest is asked for what
// stands for it; leaf is its JSON. Names of attributes, keys of maps and the number of elements are no secrets, and
// neither is that a leaf is null. What is unknown stays unknown and is listed.
func Redact(o *schema.Object, v cty.Value, digest func(path string, leaf []byte) string) (Value, error) {
	r := redactor{digest: digest, out: Value{Digests: map[string]string{}}}
	clean, err := r.object(o, v, nil, false)
	if err != nil {
		return Value{}, err
	}
	r.out.V = clean
	slices.Sort(r.out.Sensitive)
	slices.Sort(r.out.Unknown)
	return r.out, nil
}

type redactor struct {
	digest  func(string, []byte) string
	out     Value
	changed int // how often something was taken out of the value
}

func (r *redactor) object(o *schema.Object, v cty.Value, path []byte, secret bool) (cty.Value, error) {
	v, secret = r.unmark(v, secret)
	if v.IsNull() {
		return v, nil
	}
	if !v.IsKnown() {
		return r.unknown(v, path, secret), nil
	}
	// Most values hold no secret: they stay what they are, because making an object anew costs more than looking at it.
	var attrs map[string]cty.Value
	for name := range v.Type().AttributeTypes() {
		a := o.Attr(name)
		before := r.changed
		clean, err := r.value(a, v.GetAttr(name), appendAttr(path, name), secret || a != nil && a.Sensitive)
		if err != nil {
			return cty.NilVal, err
		}
		if r.changed == before {
			continue
		}
		if attrs == nil {
			attrs = v.AsValueMap()
		}
		attrs[name] = clean
	}
	if attrs == nil {
		return v, nil
	}
	return cty.ObjectVal(attrs), nil
}

func (r *redactor) value(a *schema.Attribute, v cty.Value, path []byte, secret bool) (cty.Value, error) {
	v, secret = r.unmark(v, secret)
	ty := v.Type()
	switch {
	case v.IsNull():
		return v, nil
	case !v.IsKnown():
		return r.unknown(v, path, secret), nil
	case a != nil && a.Elem != nil && ty.IsObjectType():
		return r.object(a.Elem, v, path, secret)
	case ty.IsObjectType():
		return r.object(&schema.Object{}, v, path, secret)
	case ty.IsMapType():
		if v.LengthInt() == 0 {
			return v, nil
		}
		elems := v.AsValueMap()
		for _, k := range slices.Sorted(maps.Keys(elems)) {
			e, err := r.value(a, elems[k], appendKey(path, k), secret)
			if err != nil {
				return cty.NilVal, err
			}
			elems[k] = e
		}
		return cty.MapVal(elems), nil
	case ty.IsListType():
		if v.LengthInt() == 0 {
			return v, nil
		}
		elems := v.AsValueSlice()
		for i := range elems {
			e, err := r.value(a, elems[i], appendIndex(path, i), secret)
			if err != nil {
				return cty.NilVal, err
			}
			elems[i] = e
		}
		return cty.ListVal(elems), nil
	case !secret:
		return v, nil
	}
	r.changed++
	leaf, err := schema.MarshalValue(v)
	if err != nil {
		return cty.NilVal, err
	}
	p := string(path)
	r.out.Digests[p] = r.digest(p, leaf)
	r.out.Sensitive = append(r.out.Sensitive, p)
	return cty.NullVal(ty), nil
}

func (r *redactor) unknown(v cty.Value, path []byte, secret bool) cty.Value {
	r.changed++ // what is known of an unknown value, such as its range, goes as well
	p := string(path)
	r.out.Unknown = append(r.out.Unknown, p)
	if secret {
		r.out.Sensitive = append(r.out.Sensitive, p)
	}
	return cty.UnknownVal(v.Type())
}

// unmark takes the mark off the outside of v. Any other mark says nothing about secrecy.
func (r *redactor) unmark(v cty.Value, secret bool) (cty.Value, bool) {
	if !v.IsMarked() {
		return v, secret
	}
	r.changed++
	v, marks := v.Unmark()
	_, marked := marks[schema.SensitiveMark]
	return v, secret || marked
}
