package config

import (
	"errors"
	"math"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// signumFunc gives the sign of a whole number.
var signumFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "num", Type: cty.Number}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: refineSign,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if f := args[0].AsBigFloat(); !f.IsInt() {
			return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "a whole number is needed")
		}
		return stdlib.Signum(args[0])
	},
})

// sumFunc adds numbers.
var sumFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		items, err := elements(args[0])
		if err == nil && len(items) == 0 {
			err = function.NewArgErrorf(0, "there is nothing to add; for a sum that may be empty write sum(concat([0], ...))")
		}
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

// wholeNumber reads an argument.
func wholeNumber(v cty.Value) (int, error) {
	v, err := convert.Convert(v, cty.Number)
	if err != nil {
		return 0, err
	}
	n, acc := v.AsBigFloat().Int64()
	if acc != 0 || n > math.MaxInt32 || n < math.MinInt32 {
		return 0, errors.New("a whole number is needed")
	}
	return int(n), nil
}

// checked makes a function of the library refuse arguments with which it would panic.
func checked(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Params:       f.Params(),
		Type:         func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			if err := check(args); err != nil {
				return cty.UnknownVal(ty), err
			}
			return f.Call(args)
		},
	})
}

var (
	logFunc = checked(stdlib.LogFunc, func(args []cty.Value) error {
		num, base := float(args[0]), float(args[1])
		switch {
		case num < 0:
			return function.NewArgErrorf(0, "a number below zero has no logarithm")
		case math.IsNaN(math.Log(num) / math.Log(base)):
			return function.NewArgErrorf(1, "there is no logarithm to this base")
		}
		return nil
	})
	powFunc = checked(stdlib.PowFunc, func(args []cty.Value) error {
		if math.IsNaN(math.Pow(float(args[0]), float(args[1]))) {
			return function.NewArgErrorf(1, "a number below zero has no power of a fraction")
		}
		return nil
	})
	indentFunc = checked(stdlib.IndentFunc, func(args []cty.Value) error {
		if n, err := wholeNumber(args[0]); err != nil || n < 0 {
			return function.NewArgErrorf(0, "a whole number from 0 is needed")
		}
		return nil
	})
)

func float(v cty.Value) float64 {
	f, _ := v.AsBigFloat().Float64()
	return f
}
