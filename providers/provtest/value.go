package provtest

import (
	"fmt"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// contradiction compares two values of one type: what is known in said must be the same in is. It returns the first
// difference in words, "" if there is none.
func contradiction(said, is cty.Value) string {
	return contradict("", said, is)
}

func contradict(path string, said, is cty.Value) string {
	if !said.IsKnown() {
		return ""
	}
	if said.IsMarked() || is.IsMarked() {
		return fmt.Sprintf("%s is marked", path)
	}
	if !is.IsKnown() || said.IsNull() || is.IsNull() || !(said.CanIterateElements() && is.CanIterateElements()) ||
		said.LengthInt() != is.LengthInt() {
		if said.RawEquals(is) {
			return ""
		}
		return fmt.Sprintf("%s was %#v and is %#v", path, said, is)
	}
	for it := said.ElementIterator(); it.Next(); {
		k, v := it.Element()
		at := path
		var other cty.Value
		switch ty := is.Type(); {
		case ty.IsObjectType():
			at = join(path, k.AsString())
			other = is.GetAttr(k.AsString())
		case is.HasIndex(k).True():
			at = fmt.Sprintf("%s[%#v]", path, k)
			other = is.Index(k)
		default:
			return fmt.Sprintf("%s[%#v] is missing", path, k)
		}
		if c := contradict(at, v, other); c != "" {
			return c
		}
	}
	return ""
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// withoutStatus is a value with its status attributes unknown: they come and go.
func withoutStatus[T any](v T) cty.Value {
	attributes := schema.Encode(v).AsValueMap()
	for _, a := range schema.Of[T]().Attrs {
		if a.Status {
			attributes[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	return cty.ObjectVal(attributes)
}

// planOf is a planned value in which only what was really said is known: the zero of what a provider computes is not.
func planOf[T any](v T) cty.Value {
	attributes := schema.Encode(v).AsValueMap()
	zero := schema.Encode(*new(T)).AsValueMap()
	for _, a := range schema.Of[T]().Attrs {
		if a.Status || (a.Computed || a.Kept) && attributes[a.Name].RawEquals(zero[a.Name]) {
			attributes[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	return cty.ObjectVal(attributes)
}

// differences compares two values but for their status, for people.
func differences[T any](want, got T) string {
	show := func(v T) map[string]string {
		out := map[string]string{}
		for name, v := range withoutStatus(v).AsValueMap() {
			if v.IsKnown() {
				out[name] = fmt.Sprintf("%#v", v)
			}
		}
		return out
	}
	return cmp.Diff(show(want), show(got))
}
