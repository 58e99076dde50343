package config

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/dstackai/dstack-planner/schema"
)

// toFunc makes a function that converts to a type. The library's own gives one mark to the whole of a list of which an
// element is marked; here the element keeps it.
func toFunc(want cty.Type) function.Function {
	plain := stdlib.MakeToFunc(want)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "v", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true, AllowMarked: true, AllowUnknown: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			bare, _ := args[0].UnmarkDeep()
			return plain.ReturnTypeForValues([]cty.Value{bare})
		},
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			bare, _ := args[0].UnmarkDeep()
			if v, err := plain.Call([]cty.Value{bare}); err != nil {
				return v, err
			}
			return convert.Convert(args[0], ty)
		},
	})
}

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
	// nonsensitiveFunc takes the mark away: that of the value itself, not those of what is in it.
	nonsensitiveFunc = marking(func(v cty.Value) cty.Value {
		v, marks := v.Unmark()
		delete(marks, schema.SensitiveMark)
		return v.WithMarks(marks)
	})
	// ephemeralAsNullFunc puts null in the place of what must be kept nowhere.
	ephemeralAsNullFunc = marking(func(v cty.Value) cty.Value {
		out, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
			if v.HasMark(schema.EphemeralMark) {
				return cty.NullVal(v.Type()), nil
			}
			return v, nil
		})
		if err != nil { // the callback gives none
			return cty.NullVal(v.Type())
		}
		return out
	})
	// isSensitiveFunc tells whether a value is marked. One that is unknown may still turn out to be.
	isSensitiveFunc = function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true, AllowNull: true, AllowUnknown: true}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch {
			case args[0].HasMark(schema.SensitiveMark):
				return cty.True, nil
			case !args[0].IsKnown():
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.False, nil
		},
	})
)
