package config

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
)

// Limits of values. A few lines can describe what no machine can hold: locals each of which is twice the one before, a number
// of a thousand million digits. Who made such a mistake gets an error in place of a machine that stands still.
const (
	largestValue    = 16 << 20 // bytes of text, with perElement for each element
	perElement      = 64
	largestExponent = 1 << 14 // of 2: a number of some five thousand digits
)

var (
	errValueTooLarge  = fmt.Errorf("the value is larger than %d MB, which is taken for a mistake", largestValue>>20)
	errNumberTooLarge = errors.New("the number has thousands of digits, which is taken for a mistake")
)

// checkSize returns an error if a value is beyond the limits.
func checkSize(v cty.Value) error {
	left := int64(largestValue)
	return takeSize(&left, v)
}

// takeSize takes the size of a value off what is left.
func takeSize(left *int64, v cty.Value) error {
	if *left -= perElement; *left < 0 {
		return errValueTooLarge
	}
	v, _ = v.Unmark()
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		if *left -= int64(len(v.AsString())); *left < 0 {
			return errValueTooLarge
		}
	case ty == cty.Number:
		if exp := v.AsBigFloat().MantExp(nil); exp > largestExponent || exp < -largestExponent {
			return errNumberTooLarge
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, item := it.Element()
			if err := takeSize(left, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// tooLarge is what there is to say about a value that is beyond the limits.
func tooLarge(err error) (summary, detail string) {
	if errors.Is(err, errNumberTooLarge) {
		return "Number is too large", "It has thousands of digits, which is taken for a mistake."
	}
	return "Value is too large", fmt.Sprintf("It is larger than %d MB, which is taken for a mistake. Perhaps it is made of itself again and again; what is large stands in a file.", largestValue>>20)
}

// withinLimits is an error if what an expression gives is beyond the limits. What it only names was looked at before.
func withinLimits(a *attribute, v cty.Value) diag.List {
	if _, name := a.expr.(*hclsyntax.ScopeTraversalExpr); name {
		return nil
	}
	if err := checkSize(v); err != nil {
		summary, detail := tooLarge(err)
		return diag.Errorf(summary, "%s", detail).At(a.expr.Range().Ptr())
	}
	return nil
}
