package config

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// longLists makes a function that takes lists of texts, numbers or truth values ready for long ones. A for expression gives
// a tuple, and the library's way from a tuple to a list compares every element's type with every other's: 10,000 take it a
// second. Elements that are of the right type already are taken as they are here, and anything else goes the library's way.
func longLists(f function.Function) function.Function {
	params, rest := slices.Clone(f.Params()), f.VarParam()
	loosen := func(p *function.Parameter) cty.Type {
		want := p.Type
		if !want.IsListType() || !want.ElementType().IsPrimitiveType() {
			return cty.NilType
		}
		p.Type, p.AllowDynamicType = cty.DynamicPseudoType, true
		return want
	}
	wants := make([]cty.Type, len(params))
	for i := range params {
		wants[i] = loosen(&params[i])
	}
	if rest != nil {
		loose := *rest
		wants = append(wants, loosen(&loose))
		rest = &loose
	}
	lists := func(args []cty.Value) ([]cty.Value, error) {
		out := slices.Clone(args)
		for i := range args {
			want := wants[min(i, len(wants)-1)]
			if want == cty.NilType {
				continue
			}
			var err error
			if out[i], err = asList(args[i], want); err != nil {
				return nil, function.NewArgError(i, err)
			}
		}
		return out, nil
	}
	return function.New(&function.Spec{
		Description: f.Description(), Params: params, VarParam: rest,
		Type: func(args []cty.Value) (cty.Type, error) {
			args, err := lists(args)
			if err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			args, err := lists(args)
			if err != nil {
				return cty.DynamicVal, err
			}
			return f.Call(args)
		},
	})
}

func asList(v cty.Value, want cty.Type) (cty.Value, error) {
	bare, marks := v.Unmark()
	if !bare.Type().IsTupleType() || bare.IsNull() || !bare.IsKnown() || bare.LengthInt() == 0 {
		return convert.Convert(v, want)
	}
	elements := bare.AsValueSlice()
	for _, e := range elements {
		if e.Type() != want.ElementType() {
			return convert.Convert(v, want)
		}
	}
	return cty.ListVal(elements).WithMarks(marks), nil
}
