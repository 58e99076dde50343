package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// mismatch finds the first part of a value that keeps it from being of a type, and says why; "" if there is none. The
// conversion itself says so in one long sentence only.
func mismatch(v cty.Value, ty cty.Type, path cty.Path) (cty.Path, string) {
	path = slices.Clip(path)
	if v.IsNull() || !v.IsKnown() || ty == cty.DynamicPseudoType {
		return nil, ""
	}
	have := v.Type()
	switch {
	case ty.IsObjectType():
		if !isObject(have) {
			return path, needed(ty, have)
		}
		parts := v.AsValueMap()
		for _, name := range slices.Sorted(maps.Keys(ty.AttributeTypes())) {
			at := path.GetAttr(name)
			part, ok := parts[name]
			if !ok {
				if ty.AttributeOptional(name) {
					continue
				}
				return path, fmt.Sprintf("the attribute %q is missing", name)
			}
			if p, why := mismatch(part, ty.AttributeType(name), at); why != "" {
				return p, why
			}
		}
	case ty.IsMapType():
		if !isObject(have) {
			return path, needed(ty, have)
		}
		for it := v.ElementIterator(); it.Next(); {
			k, part := it.Element()
			if p, why := mismatch(part, ty.ElementType(), path.Index(k)); why != "" {
				return p, why
			}
		}
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType():
		if !have.IsTupleType() && !have.IsListType() && !have.IsSetType() {
			return path, needed(ty, have)
		}
		if ty.IsTupleType() && v.LengthInt() != ty.Length() {
			return path, fmt.Sprintf("%s are needed, and there are %d", counted(ty.Length(), "element"), v.LengthInt())
		}
		for i, part := range v.AsValueSlice() {
			if p, why := mismatch(part, elementType(ty, i), path.IndexInt(i)); why != "" {
				return p, why
			}
		}
	default:
		if _, err := convert.Convert(v, ty); err != nil {
			return path, needed(ty, have)
		}
	}
	return nil, ""
}

// elementType is the type of one element of a list, set or tuple.
func elementType(ty cty.Type, i int) cty.Type {
	if ty.IsTupleType() {
		return ty.TupleElementType(i)
	}
	return ty.ElementType()
}

func needed(want, have cty.Type) string {
	return fmt.Sprintf("%s is needed, and this is %s", named(want), named(have))
}

// named is a type in words.
func named(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsObjectType():
		return "an object"
	case ty.IsMapType():
		return "a map"
	case ty.IsSetType():
		return "a set"
	case ty.IsListType() || ty.IsTupleType():
		return "a list"
	}
	return "a " + ty.FriendlyName()
}
