package config

import (
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// limitFunctions keeps functions that make much of little within the limits of values.
func limitFunctions(f map[string]function.Function) {
	for name, check := range map[string]func(args []cty.Value) error{
		"format": formatFits, "formatlist": formatFits, "indent": indentFits, "join": joinFits, "replace": replaceFits, "setproduct": productFits,
	} {
		f[name] = limited(f[name], check, nil)
	}
	for _, name := range []string{"abs", "ceil", "floor", "jsondecode", "max", "min", "parseint", "pow", "sum", "tonumber", "yamldecode"} {
		f[name] = limited(f[name], nil, checkSize)
	}
}

// limited checks the arguments of a function before it is called, and its result after. What is not wholly known is the
// function's own affair.
func limited(f function.Function, before func(args []cty.Value) error, after func(cty.Value) error) function.Function {
	spec := &function.Spec{
		Description: f.Description(),
		VarParam:    anyArgument(f.VarParam()),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := fits(before, args); err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil || after == nil {
				return v, err
			}
			return v, after(v)
		},
	}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, *anyArgument(&p))
	}
	return function.New(spec)
}

// anyArgument is a parameter that takes everything of its type, so that the function behind it decides itself about what is
// unknown, null or marked.
func anyArgument(p *function.Parameter) *function.Parameter {
	if p == nil {
		return nil
	}
	own := *p
	own.AllowNull, own.AllowUnknown, own.AllowDynamicType, own.AllowMarked = true, true, true, true
	return &own
}

// fits asks about arguments that are all known, and not null.
func fits(check func(args []cty.Value) error, args []cty.Value) error {
	if check == nil {
		return nil
	}
	plain := make([]cty.Value, len(args))
	for i, a := range args {
		if !a.IsWhollyKnown() || a.IsNull() {
			return nil
		}
		plain[i], _ = a.UnmarkDeep()
	}
	return check(plain)
}

// wideVerb finds verbs that ask for a text of a hundred thousand characters or more.
var wideVerb = regexp.MustCompile(`%[^%A-Za-z]*[0-9]{6}`)

// formatFits allows each verb to show all that is given.
func formatFits(args []cty.Value) error {
	if len(args) == 0 || args[0].Type() != cty.String {
		return nil
	}
	verbs := args[0].AsString()
	if wideVerb.MatchString(verbs) {
		return function.NewArgErrorf(0, "a width of so many characters is taken for a mistake")
	}
	left := int64(largestValue)
	for _, a := range args {
		if err := takeSize(&left, a); err != nil {
			return err
		}
	}
	if strings.Contains(verbs, "[") { // a verb that names its argument, which others can name too
		return productFitsIn(largestValue-left, int64(strings.Count(verbs, "%")))
	}
	return nil
}

func indentFits(args []cty.Value) error {
	n, _ := args[0].AsBigFloat().Int64()
	return productFitsIn(n, int64(strings.Count(args[1].AsString(), "\n")))
}

func joinFits(args []cty.Value) error {
	left, items := int64(largestValue), 0
	for _, a := range args[1:] {
		if !a.CanIterateElements() {
			return nil // which the function itself refuses
		}
		if err := takeSize(&left, a); err != nil {
			return err
		}
		items += a.LengthInt()
	}
	return productFitsIn(int64(len(args[0].AsString())), int64(items))
}

func replaceFits(args []cty.Value) error {
	s, old, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
	if with == "" {
		return nil
	}
	found := strings.Count(s, old)
	if len(old) > 1 && old[0] == '/' && old[len(old)-1] == '/' {
		re, err := regexp.Compile(old[1 : len(old)-1])
		if err != nil {
			return nil // the function itself says so
		}
		found = len(re.FindAllStringIndex(s, largestValue/len(with)+1))
		if err := productFitsIn(int64(len(s)), int64(strings.Count(with, "$"))); err != nil {
			return err
		}
	}
	return productFitsIn(int64(found), int64(len(with)))
}

func productFits(args []cty.Value) error {
	n := int64(perElement)
	for _, a := range args {
		if !a.CanIterateElements() {
			return nil
		}
		if err := productFitsIn(n, int64(a.LengthInt())); err != nil {
			return err
		}
		n *= int64(a.LengthInt())
	}
	return nil
}

// productFitsIn tells whether a times b is within the limits.
func productFitsIn(a, b int64) error {
	if a > 0 && b > 0 && a > largestValue/b {
		return errValueTooLarge
	}
	return nil
}
