package config

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"go.yaml.in/yaml/v3"

	"github.com/dstackai/dstack-planner/schema"
)

func startsWith(s, affix string) bool { return strings.HasPrefix(s, affix) }
func endsWith(s, affix string) bool   { return strings.HasSuffix(s, affix) }
func contains(s, affix string) bool   { return strings.Contains(s, affix) }

// affixFunc makes a function that tells whether a text has a part.
func affixFunc(param string, test func(s, affix string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: param, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// replaceFunc replaces a part of a text, or what matches a pattern between slashes.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		s, old, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(old) > 1 && old[0] == '/' && old[len(old)-1] == '/' {
			re, err := regexp.Compile(old[1 : len(old)-1])
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "the pattern cannot be read: %s", err)
			}
			return cty.StringVal(re.ReplaceAllString(s, with)), nil
		}
		return cty.StringVal(strings.ReplaceAll(s, old, with)), nil
	},
})

// sumFunc adds numbers.
var sumFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		items, err := elements(args[0])
		if err != nil {
			return cty.UnknownVal(cty.Number), err
		}
		total := cty.Zero
		for _, item := range items {
			n, err := convert.Convert(item, cty.Number)
			if err != nil || n.IsNull() {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "every element must be a number")
			}
			if n.IsKnown() && n.AsBigFloat().IsInf() {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "an element is infinite")
			}
			total = total.Add(n)
		}
		return total, nil
	},
})

// elements lists what is in a list, set or tuple.
func elements(v cty.Value) ([]cty.Value, error) {
	ty := v.Type()
	if !ty.IsListType() && !ty.IsSetType() && !ty.IsTupleType() {
		return nil, function.NewArgErrorf(0, "a list or set is needed, and this is %s", ty.FriendlyName())
	}
	return v.AsValueSlice(), nil
}

// everyFunc makes alltrue (want true) and anytrue (want false): the answer is want unless one element is its opposite.
func everyFunc(want bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for it := args[0].ElementIterator(); it.Next(); {
				_, e := it.Element()
				switch {
				case !e.IsKnown():
					unknown = true
				case e.IsNull() && want, !e.IsNull() && e.True() != want:
					return cty.BoolVal(!want), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(want), nil
		},
	})
}

// indexFunc finds the place of an element in a list.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type().IsSetType() {
			return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "the elements of a set have no places")
		}
		items, err := elements(args[0])
		if err != nil {
			return cty.UnknownVal(cty.Number), err
		}
		for i, item := range items {
			eq, err := stdlib.Equal(item, args[1])
			if err != nil {
				return cty.UnknownVal(cty.Number), err
			}
			if !eq.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if eq.True() {
				return cty.NumberIntVal(int64(i)), nil
			}
		}
		return cty.UnknownVal(cty.Number), function.NewArgErrorf(1, "the list has no such element")
	},
})

// lengthFunc counts elements, or the characters of a text.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v := args[0]
		switch ty := v.Type(); {
		case ty == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number), nil
		case ty == cty.String:
			return stdlib.Strlen(v)
		case ty.IsTupleType():
			return cty.NumberIntVal(int64(ty.Length())), nil
		case ty.IsObjectType():
			return cty.NumberIntVal(int64(len(ty.AttributeTypes()))), nil
		case ty.IsCollectionType():
			return v.Length(), nil
		}
		return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "a text, a list, a map or an object has a length; this is %s", v.Type().FriendlyName())
	},
})

// lookupFunc takes an element of a map, else what is given instead, which may be left out.
var lookupFunc = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "map", Type: cty.DynamicPseudoType}, {Name: "key", Type: cty.String}},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		v, err := lookup(args)
		return v.Type(), err
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return lookup(args) },
})

func lookup(args []cty.Value) (cty.Value, error) {
	m, key := args[0], args[1]
	if len(args) > 3 {
		return cty.DynamicVal, errors.New("lookup takes a map, a key and at most one value instead")
	}
	if ty := m.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return cty.DynamicVal, function.NewArgErrorf(0, "a map or an object is needed, and this is %s", ty.FriendlyName())
	}
	if !m.IsKnown() || !key.IsKnown() {
		if m.Type().IsMapType() {
			return cty.UnknownVal(m.Type().ElementType()), nil
		}
		return cty.DynamicVal, nil
	}
	if v, ok := m.AsValueMap()[key.AsString()]; ok {
		return v, nil
	}
	if len(args) == 3 {
		return args[2], nil
	}
	return cty.DynamicVal, function.NewArgErrorf(1, "there is no key %q, and no value instead is given", key.AsString())
}

// matchKeysFunc takes the values at the places where keys has one of those searched for.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)}, {Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		values, keys, wanted := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
		if len(values) != len(keys) {
			return cty.UnknownVal(ty), errors.New("values and keys must have equally many elements")
		}
		if !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		var out []cty.Value
		for i, k := range keys {
			if slices.ContainsFunc(wanted, k.RawEquals) {
				out = append(out, values[i])
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// oneFunc takes the only element, null if there is none.
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		switch {
		case ty.IsListType() || ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && ty.Length() == 1:
			return ty.TupleElementType(0), nil
		}
		return cty.DynamicPseudoType, nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		items, err := elements(args[0])
		switch {
		case err != nil:
			return cty.UnknownVal(ty), err
		case len(items) == 0:
			return cty.NullVal(ty), nil
		case len(items) > 1:
			return cty.UnknownVal(ty), function.NewArgErrorf(0, "there are %d elements, and at most one is expected", len(items))
		}
		return items[0], nil
	},
})

// transposeFunc swaps keys and values of a map of lists.
var transposeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		lists := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			k, list := it.Element()
			if list.IsNull() {
				continue
			}
			for _, e := range list.AsValueSlice() {
				if e.IsNull() {
					return cty.UnknownVal(ty), function.NewArgErrorf(0, "a list has an element that is null")
				}
				lists[e.AsString()] = append(lists[e.AsString()], k)
			}
		}
		if len(lists) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := make(map[string]cty.Value, len(lists))
		for k, list := range lists {
			out[k] = cty.ListVal(list)
		}
		return cty.MapVal(out), nil
	},
})

// marking makes a function that returns its argument with other marks.
func marking(f func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true, AllowNull: true, AllowUnknown: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return f(args[0]).Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0]), nil },
	})
}

var (
	// sensitiveFunc marks a value, so that it is not shown.
	sensitiveFunc = marking(func(v cty.Value) cty.Value { return v.Mark(schema.SensitiveMark) })
	// nonsensitiveFunc takes the mark away.
	nonsensitiveFunc = marking(func(v cty.Value) cty.Value {
		v, _ = v.UnmarkDeep()
		return v
	})
	// isSensitiveFunc tells whether a value is marked.
	isSensitiveFunc = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true, AllowNull: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(args[0].HasMark(schema.SensitiveMark)), nil
		},
	})
)

// base64GzipFunc packs a text.
var base64GzipFunc = stringFunc("str", func(s string) (cty.Value, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		return cty.UnknownVal(cty.String), err
	}
	if err := w.Close(); err != nil {
		return cty.UnknownVal(cty.String), err
	}
	return cty.StringVal(base64Text(b.Bytes())), nil
})

// yamlEncodeFunc writes a value as YAML.
var yamlEncodeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(cty.String), nil
		}
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(yamlNode(args[0])); err != nil {
			return cty.UnknownVal(cty.String), err
		}
		return cty.StringVal(b.String()), nil
	},
})

func yamlNode(v cty.Value) *yaml.Node {
	scalar := func(tag, text string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
	}
	ty := v.Type()
	switch {
	case v.IsNull():
		return scalar("!!null", "null")
	case ty == cty.String:
		n := &yaml.Node{}
		if err := n.Encode(v.AsString()); err != nil { // it chooses the quotes
			return scalar("!!str", v.AsString())
		}
		return n
	case ty == cty.Bool:
		return scalar("!!bool", fmt.Sprint(v.True()))
	case ty == cty.Number:
		tag, f := "!!float", v.AsBigFloat()
		if f.IsInt() {
			tag = "!!int"
		}
		return scalar(tag, f.Text('f', -1))
	case ty.IsObjectType(), ty.IsMapType():
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			n.Content = append(n.Content, yamlNode(k), yamlNode(e))
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		n.Content = append(n.Content, yamlNode(e))
	}
	return n
}

// yamlDecodeFunc reads one document of YAML.
var yamlDecodeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "src", Type: cty.String}},
	Type: func(args []cty.Value) (cty.Type, error) {
		if !args[0].IsKnown() {
			return cty.DynamicPseudoType, nil
		}
		v, err := yamlValue(args[0].AsString())
		return v.Type(), err
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return yamlValue(args[0].AsString()) },
})

func yamlValue(src string) (cty.Value, error) {
	var data any
	if err := yaml.Unmarshal([]byte(src), &data); err != nil {
		return cty.DynamicVal, function.NewArgError(0, err)
	}
	return fromYAML(data)
}

func fromYAML(data any) (cty.Value, error) {
	switch d := data.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case string:
		return cty.StringVal(d), nil
	case bool:
		return cty.BoolVal(d), nil
	case int:
		return cty.NumberIntVal(int64(d)), nil
	case uint64:
		return cty.NumberUIntVal(d), nil
	case int64:
		return cty.NumberIntVal(d), nil
	case float64:
		f := new(big.Float)
		if d != d {
			return cty.DynamicVal, function.NewArgErrorf(0, "a number is .nan, which is no value here")
		}
		return cty.NumberVal(f.SetFloat64(d)), nil
	case []any:
		out := make([]cty.Value, len(d))
		for i, e := range d {
			v, err := fromYAML(e)
			if err != nil {
				return cty.DynamicVal, err
			}
			out[i] = v
		}
		return cty.TupleVal(out), nil
	case map[string]any:
		out := make(map[string]cty.Value, len(d))
		for k, e := range d {
			v, err := fromYAML(e)
			if err != nil {
				return cty.DynamicVal, err
			}
			out[k] = v
		}
		return cty.ObjectVal(out), nil
	case map[any]any:
		out := make(map[string]any, len(d))
		for k, e := range d {
			out[fmt.Sprint(k)] = e
		}
		return fromYAML(out)
	}
	if t, ok := data.(time.Time); ok {
		return cty.StringVal(t.Format(time.RFC3339Nano)), nil
	}
	return cty.DynamicVal, function.NewArgErrorf(0, "a value of type %T has no counterpart here", data)
}
