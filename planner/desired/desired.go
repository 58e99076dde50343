package desired

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Resource is one resource instance that the configuration wants.
type Resource struct {
	Addr  addr.Resource
	Value cty.Value // of the kind's type
}

// Settings are what the configuration says once for all.
type Settings struct {
	AuthorizedKeys []string
	DefaultImage   string
	// Runtime is what a run's fleet says of how its jobs run, else what all backends say that they can be on; see RuntimeOf.
	Runtime string
}

// Merge gives a block's value with what its profile and the schema's defaults say where it is silent. profile is of
// the profile block's type, or null.
func Merge(o *schema.Object, v, profile cty.Value) cty.Value {
	var set map[string]cty.Value
	put := func(name string, v cty.Value) {
		if set == nil {
			set = map[string]cty.Value{}
		}
		set[name] = v
	}
	for _, a := range o.Attrs {
		if v.Type().HasAttribute(a.Name) && isSet(v.GetAttr(a.Name)) {
			continue
		}
		if !profile.IsNull() && profile.Type().HasAttribute(a.Name) && a.Name != "default" {
			if p := profile.GetAttr(a.Name); isSet(p) {
				put(a.Name, p)
				continue
			}
		}
		if d, ok := Default(a); ok {
			put(a.Name, d)
		}
	}
	return WithAttrs(v, set)
}

// isSet tells whether something was written: a mark or an unknown counts as written.
func isSet(v cty.Value) bool {
	v, _ = v.Unmark()
	return !v.IsKnown() || !v.IsNull()
}

// Default is what an attribute is worth that nobody writes, of the attribute's own type. It is false where that is nothing.
func Default(a *schema.Attribute) (cty.Value, bool) {
	if a.Default == "" || a.Elem != nil {
		return cty.NilVal, false
	}
	switch a.Type {
	case cty.String:
		v, err := a.Conform(cty.StringVal(a.Default), nil)
		if err != nil {
			return cty.StringVal(a.Default), true
		}
		return v, isSet(v)
	case cty.Bool:
		return cty.BoolVal(a.Default == "true"), true
	case cty.Number:
		v, err := cty.ParseNumberVal(a.Default)
		return v, err == nil
	}
	return cty.NilVal, false
}

// project makes a kind's value of a block's: attributes of the same name are taken over, the others come from set or
// are null (false and 0 where null means nothing).
func project(kind *schema.Object, block cty.Value, set map[string]cty.Value) cty.Value {
	out := make(map[string]cty.Value, len(kind.Attrs))
	bt := block.Type()
	for _, a := range kind.Attrs {
		v, given := set[a.Name]
		switch {
		case given:
		case a.Configured() && bt.HasAttribute(a.Name):
			v = block.GetAttr(a.Name)
		default:
			v = cty.NullVal(a.Type)
		}
		out[a.Name] = settle(a, v)
	}
	return cty.ObjectVal(out)
}

// settle makes an unset bool false, so that unset and false are one.
func settle(a *schema.Attribute, v cty.Value) cty.Value {
	if a.Type == cty.Bool && a.Configured() && !isSet(v) {
		return cty.False
	}
	return v
}

// nameOf is the block's own name, or its label and key joined.
func nameOf(a addr.Instance, v cty.Value) (string, error) {
	n, _ := v.GetAttr("name").Unmark()
	switch {
	case !n.IsKnown():
		return "", fmt.Errorf("the name of %s is known only after apply, and what is made for it needs it before; make it of what is known", a)
	case !n.IsNull():
		return n.AsString(), nil
	}
	words := a.Words()
	name, err := value.NameFromLabel(words[0], words[1:]...)
	if err != nil {
		return "", fmt.Errorf("no name can be made of the label and key of %s: %w; give it one with name", a, err)
	}
	return name.String(), nil
}

// Volume is the volume that a block stands for.
func Volume(a addr.Instance, v cty.Value) (Resource, error) {
	return single(a, v, schema.Of[schema.Volume]())
}

// Gateway is the gateway that a block stands for.
func Gateway(a addr.Instance, v cty.Value) (Resource, error) {
	return single(a, v, schema.Of[schema.Gateway]())
}

func single(a addr.Instance, v cty.Value, kind *schema.Object) (Resource, error) {
	if isSet(v.GetAttr("name")) {
		return Resource{Addr: a.Self(), Value: project(kind, v, nil)}, nil
	}
	name, err := nameOf(a, v)
	if err != nil {
		return Resource{}, err
	}
	return Resource{Addr: a.Self(), Value: project(kind, v, map[string]cty.Value{"name": cty.StringVal(name)})}, nil
}

// WithAttrs gives an object with some of its attributes changed.
func WithAttrs(v cty.Value, set map[string]cty.Value) cty.Value {
	if len(set) == 0 {
		return v
	}
	out := v.AsValueMap()
	for name, s := range set {
		out[name] = s
	}
	return cty.ObjectVal(out)
}

// Text returns a known text of an object, "" when it is null, unknown or not there.
func Text(v cty.Value, name string) string {
	if v.IsNull() || !v.IsKnown() || !v.Type().HasAttribute(name) {
		return ""
	}
	s, _ := v.GetAttr(name).Unmark()
	if s.IsNull() || !s.IsKnown() || s.Type() != cty.String {
		return ""
	}
	return s.AsString()
}
