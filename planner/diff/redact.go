package diff

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// Ephemeral stands among the digests for a secret of which not even a digest is kept: that it changes is not seen.
const Ephemeral = "ephemeral"

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
// neither is that a leaf is null. What is unknown stays unknown and is listed. A leaf with schema.EphemeralMark has Ephemeral
// for a digest.
func Redact(o *schema.Object, v cty.Value, digest func(path string, leaf []byte) string) (Value, error) {
	r := redactor{digest: digest, out: Value{Digests: map[string]string{}}}
	clean, err := r.object(o, v, nil, open)
	if err != nil {
		return Value{}, err
	}
	r.out.V = clean
	slices.Sort(r.out.Sensitive)
	slices.Sort(r.out.Unknown)
	return r.out, nil
}

// secrecy says how little is kept of a value.
type secrecy uint8

const (
	open      secrecy = iota
	secret            // a digest
	ephemeral         // nothing
)

type redactor struct {
	digest  func(string, []byte) string
	out     Value
	changed int // how often something was taken out of the value
}

func (r *redactor) object(o *schema.Object, v cty.Value, path []byte, kept secrecy) (cty.Value, error) {
	v, kept = r.unmark(v, kept)
	if v.IsNull() {
		return v, nil
	}
	if !v.IsKnown() {
		return r.unknown(v, path, kept), nil
	}
	// Most values hold no secret: they stay what they are, because making an object anew costs more than looking at it.
	var attrs map[string]cty.Value
	for name := range v.Type().AttributeTypes() {
		a := o.Attr(name)
		before := r.changed
		of := kept
		if a != nil && a.Sensitive {
			of = max(of, secret)
		}
		clean, err := r.value(a, v.GetAttr(name), appendAttr(path, name), of)
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

func (r *redactor) value(a *schema.Attribute, v cty.Value, path []byte, kept secrecy) (cty.Value, error) {
	v, kept = r.unmark(v, kept)
	ty := v.Type()
	switch {
	case v.IsNull():
		return v, nil
	case !v.IsKnown():
		return r.unknown(v, path, kept), nil
	case a != nil && a.Elem != nil && ty.IsObjectType():
		return r.object(a.Elem, v, path, kept)
	case ty.IsObjectType():
		return r.object(&schema.Object{}, v, path, kept)
	case ty.IsMapType():
		if v.LengthInt() == 0 {
			return v, nil
		}
		elems := v.AsValueMap()
		for _, k := range slices.Sorted(maps.Keys(elems)) {
			e, err := r.value(a, elems[k], appendKey(path, k), kept)
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
			e, err := r.value(a, elems[i], appendIndex(path, i), kept)
			if err != nil {
				return cty.NilVal, err
			}
			elems[i] = e
		}
		return cty.ListVal(elems), nil
	case kept == open:
		return v, nil
	}
	r.changed++
	p := string(path)
	if kept == ephemeral {
		r.out.Digests[p] = Ephemeral
	} else {
		leaf, err := schema.MarshalValue(v)
		if err != nil {
			return cty.NilVal, err
		}
		r.out.Digests[p] = r.digest(p, leaf)
	}
	r.out.Sensitive = append(r.out.Sensitive, p)
	return cty.NullVal(ty), nil
}

func (r *redactor) unknown(v cty.Value, path []byte, kept secrecy) cty.Value {
	r.changed++ // what is known of an unknown value, such as its range, goes as well
	p := string(path)
	r.out.Unknown = append(r.out.Unknown, p)
	if kept != open {
		r.out.Sensitive = append(r.out.Sensitive, p)
	}
	return cty.UnknownVal(v.Type())
}

// unmark takes the marks off the outside of v. Any other mark says nothing about secrecy.
func (r *redactor) unmark(v cty.Value, kept secrecy) (cty.Value, secrecy) {
	if !v.IsMarked() {
		return v, kept
	}
	r.changed++
	v, marks := v.Unmark()
	if _, marked := marks[schema.SensitiveMark]; marked {
		kept = max(kept, secret)
	}
	if _, marked := marks[schema.EphemeralMark]; marked {
		kept = ephemeral
	}
	return v, kept
}
