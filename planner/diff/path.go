package diff

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A path leads from an object to what is in it: resources.gpu, env["HF_TOKEN"], commands[2], volumes[0].path. The
// attribute stands first, map keys are quoted as Go quotes strings.

// step is one part of a path: an attribute, a map key, or an index of a list.
type step struct {
	name  string
	index int
	kind  stepKind
}

type stepKind uint8

const (
	stepAttr stepKind = iota
	stepKey
	stepIndex
)

// splitPath reads a path.
func splitPath(path string) ([]step, error) {
	var steps []step
	rest := path
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, `["`):
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || !strings.HasPrefix(rest[1+len(quoted):], "]") {
				return nil, fmt.Errorf("path %q: the key at %q is not closed", path, rest)
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("path %q: key %s: %w", path, quoted, err)
			}
			steps = append(steps, step{kind: stepKey, name: key})
			rest = rest[len(quoted)+2:]
		case rest[0] == '[':
			digits, after, closed := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(digits)
			if !closed || err != nil || n < 0 {
				return nil, fmt.Errorf("path %q: %q is no index", path, rest)
			}
			steps = append(steps, step{kind: stepIndex, index: n})
			rest = after
		default:
			if len(steps) > 0 {
				if rest[0] != '.' {
					return nil, fmt.Errorf("path %q: a dot or a bracket is needed at %q", path, rest)
				}
				rest = rest[1:]
			}
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("path %q: a name is needed at %q", path, rest)
			}
			steps = append(steps, step{kind: stepAttr, name: rest[:end]})
			rest = rest[end:]
		}
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("path is empty")
	}
	return steps, nil
}

// appendKey adds a map key to a path.
func appendKey(b []byte, key string) []byte {
	b = append(b, '[')
	b = strconv.AppendQuote(b, key)
	return append(b, ']')
}

// appendIndex adds an index to a path.
func appendIndex(b []byte, i int) []byte {
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(i), 10)
	return append(b, ']')
}

// indexed is the path of an element. It is a function so that the text is made before path grows again: two appends in one
// expression would write to the same place.
func indexed(path []byte, i int) string { return string(appendIndex(path, i)) }

// appendAttr adds an attribute to a path.
func appendAttr(b []byte, name string) []byte {
	if len(b) > 0 {
		b = append(b, '.')
	}
	return append(b, name...)
}

// Under tells whether path is at what root leads to, or inside it.
func Under(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Get follows a path. The second result is false where the path ends in nothing: a null or unknown container, a missing
// key, an index out of range. Marks on the way are added to what is found.
func Get(v cty.Value, path string) (cty.Value, bool) {
	steps, err := splitPath(path)
	if err != nil {
		return cty.NilVal, false
	}
	for _, s := range steps {
		bare, marks := v.Unmark()
		next, ok := child(bare, s)
		if !ok {
			return cty.NilVal, false
		}
		v = next.WithMarks(marks)
	}
	return v, true
}

func child(v cty.Value, s step) (cty.Value, bool) {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return cty.NilVal, false
	}
	ty := v.Type()
	switch s.kind {
	case stepAttr:
		if ty.IsObjectType() && ty.HasAttribute(s.name) {
			return v.GetAttr(s.name), true
		}
	case stepKey:
		if ty.IsMapType() {
			k := cty.StringVal(s.name)
			if v.HasIndex(k).True() {
				return v.Index(k), true
			}
		}
	case stepIndex:
		if (ty.IsListType() || ty.IsTupleType()) && s.index < v.LengthInt() {
			return v.Index(cty.NumberIntVal(int64(s.index))), true
		}
	}
	return cty.NilVal, false
}

// Set returns v with what path leads to replaced by leaf. Null objects and maps on the way come into being. A leaf that is
// cty.NilVal takes a map's key or a list's element away and makes an attribute null; an index that is the length of its
// list appends. An unknown container stays unknown, because what is set in it will be known with it.
func Set(v cty.Value, path string, leaf cty.Value) (cty.Value, error) {
	steps, err := splitPath(path)
	if err != nil {
		return cty.NilVal, err
	}
	out, err := setIn(v, steps, leaf)
	if err != nil {
		return cty.NilVal, fmt.Errorf("path %q: %w", path, err)
	}
	return out, nil
}

func setIn(v cty.Value, steps []step, leaf cty.Value) (cty.Value, error) {
	if len(steps) == 0 {
		return leaf, nil
	}
	v, marks := v.Unmark()
	if !v.IsKnown() {
		return v.WithMarks(marks), nil
	}
	var out cty.Value
	var err error
	ty := v.Type()
	switch s := steps[0]; {
	case s.kind == stepAttr && ty.IsObjectType():
		out, err = setAttr(v, s.name, steps[1:], leaf)
	case s.kind == stepKey && ty.IsMapType():
		out, err = setKey(v, s.name, steps[1:], leaf)
	case s.kind == stepIndex && ty.IsListType():
		out, err = setIndex(v, s.index, steps[1:], leaf)
	default:
		return cty.NilVal, fmt.Errorf("no such place in %s", ty.FriendlyName())
	}
	if err != nil {
		return cty.NilVal, err
	}
	return out.WithMarks(marks), nil
}

func setAttr(v cty.Value, name string, rest []step, leaf cty.Value) (cty.Value, error) {
	ty := v.Type()
	if !ty.HasAttribute(name) {
		return cty.NilVal, fmt.Errorf("no attribute %q", name)
	}
	attrs := make(map[string]cty.Value, len(ty.AttributeTypes()))
	for n, t := range ty.AttributeTypes() {
		if v.IsNull() {
			attrs[n] = cty.NullVal(t)
		} else {
			attrs[n] = v.GetAttr(n)
		}
	}
	next, err := setIn(attrs[name], rest, leaf)
	if err != nil {
		return cty.NilVal, err
	}
	if next == cty.NilVal {
		next = cty.NullVal(ty.AttributeType(name))
	}
	attrs[name] = next
	return cty.ObjectVal(attrs), nil
}

func setKey(v cty.Value, key string, rest []step, leaf cty.Value) (cty.Value, error) {
	elem := v.Type().ElementType()
	elems := map[string]cty.Value{}
	if !v.IsNull() {
		maps.Copy(elems, v.AsValueMap())
	}
	old, ok := elems[key]
	if !ok {
		old = cty.NullVal(elem)
	}
	next, err := setIn(old, rest, leaf)
	if err != nil {
		return cty.NilVal, err
	}
	if next == cty.NilVal {
		delete(elems, key)
	} else {
		elems[key] = next
	}
	if len(elems) == 0 {
		return cty.MapValEmpty(elem), nil
	}
	return cty.MapVal(elems), nil
}

func setIndex(v cty.Value, i int, rest []step, leaf cty.Value) (cty.Value, error) {
	elem := v.Type().ElementType()
	var elems []cty.Value
	if !v.IsNull() {
		elems = v.AsValueSlice()
	}
	if i > len(elems) {
		return cty.NilVal, fmt.Errorf("index %d is beyond a list of %d", i, len(elems))
	}
	if i == len(elems) {
		elems = append(elems, cty.NullVal(elem))
	}
	next, err := setIn(elems[i], rest, leaf)
	if err != nil {
		return cty.NilVal, err
	}
	if next == cty.NilVal {
		elems = slices.Delete(elems, i, i+1)
	} else {
		elems[i] = next
	}
	if len(elems) == 0 {
		return cty.ListValEmpty(elem), nil
	}
	return cty.ListVal(elems), nil
}

// Paths lists the paths of all leaves that are not null, unknown ones included, in the order of attribute names, keys and
// indices. An empty or unknown container is a leaf of its own.
func Paths(v cty.Value) []string {
	var out []string
	walkLeaves(v, nil, func(path []byte, _ cty.Value) { out = append(out, string(path)) })
	return out
}

// Leaves visits what Paths lists, with the marks of all that a leaf is in.
func Leaves(v cty.Value, visit func(path string, leaf cty.Value)) {
	walkLeaves(v, nil, func(path []byte, leaf cty.Value) { visit(string(path), leaf) })
}

func walkLeaves(v cty.Value, path []byte, visit func([]byte, cty.Value)) {
	bare, marks := v.Unmark()
	if bare.IsNull() {
		return
	}
	ty := bare.Type()
	isObject := ty.IsObjectType()
	if !bare.IsKnown() || !isObject && !ty.IsMapType() && !ty.IsListType() && !ty.IsTupleType() || bare.LengthInt() == 0 {
		visit(path, v)
		return
	}
	for it := bare.ElementIterator(); it.Next(); {
		k, e := it.Element()
		var at []byte
		switch {
		case isObject:
			at = appendAttr(path, k.AsString())
		case ty.IsMapType():
			at = appendKey(path, k.AsString())
		default:
			n, _ := k.AsBigFloat().Int64()
			at = appendIndex(path, int(n))
		}
		walkLeaves(e.WithMarks(marks), at, visit)
	}
}
