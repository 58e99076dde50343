package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// refineNotNull says of an unknown answer that it will not be null.
func refineNotNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

// refineFromZero says of an unknown number that it will not be below zero.
func refineFromZero(b *cty.RefinementBuilder) *cty.RefinementBuilder {
	return b.NotNull().NumberRangeLowerBound(cty.Zero, true)
}

// refineSign says of an unknown number that it will be -1, 0 or 1.
func refineSign(b *cty.RefinementBuilder) *cty.RefinementBuilder {
	return b.NotNull().NumberRangeInclusive(cty.NumberIntVal(-1), cty.NumberIntVal(1))
}

// refined makes of a function of the library one whose unknown answers say more: a type, unless that is cty.NilType, what
// refine says, unless that is nil, and all marks of the arguments. The library loses the marks of unknown arguments, so that
// a secret of which nothing is known yet would look like none.
func refined(f function.Function, ty cty.Type, refine func(*cty.RefinementBuilder) *cty.RefinementBuilder) function.Function {
	loosen := func(p function.Parameter) function.Parameter {
		p.AllowMarked, p.AllowUnknown, p.AllowDynamicType = true, true, true
		return p
	}
	spec := &function.Spec{
		Description: f.Description(), RefineResult: refine,
		Type: func(args []cty.Value) (cty.Type, error) {
			if ty != cty.NilType {
				return ty, nil
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil || v.IsKnown() {
				return v, err
			}
			if v.Type() == cty.DynamicPseudoType {
				v = cty.UnknownVal(ty).WithMarks(v.Marks())
			}
			for _, arg := range args {
				_, marks := arg.UnmarkDeep()
				v = v.WithMarks(marks)
			}
			return v, nil
		},
	}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, loosen(p))
	}
	if p := f.VarParam(); p != nil {
		loose := loosen(*p)
		spec.VarParam = &loose
	}
	return function.New(spec)
}

// losesMarks tells whether a function looks after marks itself, which those of the library do not do for what is unknown.
func losesMarks(f function.Function) bool {
	marked := func(p function.Parameter) bool { return p.AllowMarked }
	return slices.ContainsFunc(f.Params(), marked) || f.VarParam() != nil && marked(*f.VarParam())
}

// joinFunc puts the elements of lists together. Of a text that is not known whole, the part before the first unknown
// element is.
var joinFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "separator", Type: cty.String}},
	VarParam:     &function.Parameter{Name: "lists", Type: cty.List(cty.String), AllowUnknown: true},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		v, err := stdlib.JoinFunc.Call(args)
		if err != nil || v.IsKnown() {
			return v, err
		}
		var known strings.Builder
		for _, list := range args[1:] {
			if !list.IsKnown() {
				break
			}
			for _, e := range list.AsValueSlice() {
				if !e.IsKnown() {
					known.WriteString(e.Range().StringPrefix())
					return cty.UnknownVal(ty).Refine().StringPrefix(known.String()).NewValue(), nil
				}
				known.WriteString(e.AsString())
				known.WriteString(args[0].AsString())
			}
		}
		// What stands after the last known element is its separator, or the end.
		return cty.UnknownVal(ty).Refine().StringPrefix(strings.TrimSuffix(known.String(), args[0].AsString())).NewValue(), nil
	},
})

// tryFunc gives the first of its arguments that has a value, evaluating none after it. Of one that is not wholly known it
// cannot be said yet whether it will have one.
var tryFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "expressions", Type: customdecode.ExpressionClosureType},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) == 0 {
			return cty.NilType, errors.New("at least one expression is needed")
		}
		return cty.DynamicPseudoType, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var failed hcl.Diagnostics
		for _, arg := range args {
			v, ds := customdecode.ExpressionClosureFromVal(arg).Value()
			if ds.HasErrors() {
				failed = append(failed, ds...)
				continue
			}
			if !v.IsWhollyKnown() {
				_, marks := v.UnmarkDeep()
				return cty.DynamicVal.WithMarks(marks), nil
			}
			return v, nil
		}
		var why strings.Builder
		why.WriteString("no expression has a value:")
		for _, d := range failed {
			fmt.Fprintf(&why, "\n  %s", d.Summary)
			if d.Subject != nil {
				fmt.Fprintf(&why, " (%s)", place(*d.Subject))
			}
			fmt.Fprintf(&why, ": %s", d.Detail)
		}
		return cty.DynamicVal, errors.New(strings.TrimSuffix(why.String(), ".")) // it is put into a sentence
	},
})

// canFunc tells whether an expression has a value.
var canFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "expression", Type: customdecode.ExpressionClosureType}},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, ds := customdecode.ExpressionClosureFromVal(args[0]).Value()
		switch {
		case ds.HasErrors():
			return cty.False, nil
		case !v.IsWhollyKnown():
			return cty.UnknownVal(cty.Bool), nil
		}
		return cty.True, nil
	},
})
