package config

import (
	"errors"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

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
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: refineNotNull,
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

// coalesceFunc gives the first argument that says something: neither null nor an empty text.
var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, v := range args {
			types[i] = v.Type()
		}
		ty, _ := convert.UnifyUnsafe(types)
		if ty == cty.NilType {
			return cty.NilType, errors.New("all arguments must be of one type")
		}
		return ty, nil
	},
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, v := range args {
			v, err := convert.Convert(v, ty)
			switch {
			case err != nil:
				return cty.UnknownVal(ty), err
			case !v.IsKnown():
				return cty.UnknownVal(ty), nil
			case v.IsNull(), v.Type() == cty.String && v.AsString() == "":
				continue
			}
			return v, nil
		}
		return cty.UnknownVal(ty), errors.New("every argument is null or an empty text")
	},
})

// containsFunc tells whether a list has an element.
var containsFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowDynamicType: true}, {Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if _, err := elements(args[0]); err != nil {
			return cty.UnknownVal(cty.Bool), err
		}
		return stdlib.Contains(args[0], args[1])
	},
})

// elementFunc gives an element by number, counted in a circle from 0.
var elementFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "list", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true},
		{Name: "index", Type: cty.Number, AllowMarked: true, AllowUnknown: true},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if args[0].Type() == cty.DynamicPseudoType {
			return cty.DynamicPseudoType, nil
		}
		index, _ := args[1].Unmark()
		if index.IsKnown() && index.AsBigFloat().Sign() < 0 {
			return cty.NilType, function.NewArgErrorf(1, "the first element is 0, and there is none before it")
		}
		if ty := args[0].Type(); ty.IsTupleType() && !index.IsKnown() {
			return oneType(ty.TupleElementTypes()), nil
		}
		return stdlib.ElementFunc.ReturnTypeForValues([]cty.Value{args[0], index})
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		list, marks := args[0].Unmark()
		index, more := args[1].Unmark()
		if !list.IsKnown() || !index.IsKnown() {
			return cty.UnknownVal(ty).WithMarks(marks, more), nil
		}
		v, err := stdlib.Element(list, index)
		return v.WithMarks(marks, more), err
	},
})

// indexFunc finds the place of an element in a list.
var indexFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowDynamicType: true}, {Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: refineFromZero,
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
	Params:       []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: refineFromZero,
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
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true},
		{Name: "key", Type: cty.String, AllowMarked: true, AllowUnknown: true},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true, AllowMarked: true, AllowUnknown: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		v, err := lookup(args)
		return v.Type(), err
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return lookup(args) },
})

func lookup(args []cty.Value) (cty.Value, error) {
	if len(args) > 3 {
		return cty.DynamicVal, errors.New("lookup takes a map, a key and at most one value instead")
	}
	m, marks := args[0].Unmark()
	key, more := args[1].Unmark()
	ty := m.Type()
	unknown, instead := cty.DynamicVal, cty.NilVal
	switch {
	case ty == cty.DynamicPseudoType:
		return unknown.WithMarks(marks, more), nil
	case !ty.IsObjectType() && !ty.IsMapType():
		return unknown, function.NewArgErrorf(0, "a map or an object is needed, and this is %s", ty.FriendlyName())
	case ty.IsMapType():
		unknown = cty.UnknownVal(ty.ElementType())
	}
	if len(args) == 3 {
		if instead = args[2]; ty.IsMapType() {
			var err error
			if instead, err = convert.Convert(instead, ty.ElementType()); err != nil {
				return unknown, function.NewArgErrorf(2, "the value instead must be of the type of the map's elements: %s", err)
			}
		}
	}
	if !key.IsKnown() {
		if ty.IsObjectType() {
			types := slices.Collect(maps.Values(ty.AttributeTypes()))
			if instead != cty.NilVal {
				types = append(types, instead.Type())
			}
			unknown = cty.UnknownVal(oneType(types))
		}
		return unknown.WithMarks(marks, more), nil
	}
	name := key.AsString()
	switch {
	case ty.IsObjectType() && ty.HasAttribute(name):
		return m.GetAttr(name).WithMarks(marks, more), nil
	case ty.IsObjectType():
	case !m.IsKnown():
		return unknown.WithMarks(marks, more), nil
	case m.HasIndex(key).True():
		return m.Index(key).WithMarks(marks, more), nil
	}
	if instead == cty.NilVal {
		return unknown, function.NewArgErrorf(1, "there is no key %q, and no value instead is given", name)
	}
	return instead.WithMarks(marks, more), nil
}

// oneType is the type that all of some types are; else any may come.
func oneType(types []cty.Type) cty.Type {
	if len(types) == 0 || slices.ContainsFunc(types, func(ty cty.Type) bool { return !ty.Equals(types[0]) }) {
		return cty.DynamicPseudoType
	}
	return types[0]
}

// matchKeysFunc takes the values at the places where keys has one of those searched for.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)}, {Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if ty, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()}); ty == cty.NilType {
			return cty.NilType, errors.New("keys and searchset must have elements of the same type")
		}
		return args[0].Type(), nil
	},
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if common, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()}); common != cty.DynamicPseudoType {
			for i := 1; i < 3; i++ {
				v, err := convert.Convert(args[i], common)
				if err != nil {
					return cty.UnknownVal(ty), function.NewArgError(i, err)
				}
				args[i] = v
			}
		}
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
	Params:       []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:         function.StaticReturnType(cty.Map(cty.List(cty.String))),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		lists := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			k, list := it.Element()
			if list.IsNull() {
				return cty.UnknownVal(ty), function.NewArgErrorf(0, "the list of %q is null", k.AsString())
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
