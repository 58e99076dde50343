package config

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// corePrefix is how a name can begin that means one of the functions here and nothing else.
const corePrefix = "core::"

// prepare changes what was parsed of a text before it is evaluated:
//
//   - A call of a function that is not pure says where it stands. That place is the same as long as the text of the file is,
//     and that text is part of a plan. What is evaluated by a call that stands elsewhere itself has the place of that, by,
//     in front.
//   - Terraform's core:: before the name of a function, where all functions are, is taken off.
//   - && and || refuse null, which the library takes for false.
//
// What it returns are numbers that would take for ever to print.
func prepare(node hclsyntax.Node, text []byte, by string) hcl.Diagnostics {
	if !asksMoment(text) && !bytes.Contains(text, []byte(corePrefix)) && !bytes.Contains(text, []byte("&&")) && !bytes.Contains(text, []byte("||")) && !longExponent(text) {
		return nil
	}
	return hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		switch e := n.(type) {
		case *hclsyntax.FunctionCallExpr:
			e.Name = strings.TrimPrefix(e.Name, corePrefix)
			if slices.Contains(impureNames[:], e.Name) && !e.ExpandFinal {
				e.Args = append(e.Args, &hclsyntax.LiteralValueExpr{Val: siteValue(by + siteOf(e.NameRange)), SrcRange: e.CloseParenRange})
			}
		case *hclsyntax.BinaryOpExpr:
			switch e.Op {
			case hclsyntax.OpLogicalAnd:
				e.Op = strictAnd
			case hclsyntax.OpLogicalOr:
				e.Op = strictOr
			}
		case *hclsyntax.LiteralValueExpr:
			return noLongNumber(&e.Val, e.SrcRange)
		case *hclsyntax.ScopeTraversalExpr:
			return noLongIndex(e.Traversal)
		case *hclsyntax.RelativeTraversalExpr:
			return noLongIndex(e.Traversal)
		}
		return nil
	})
}

// noLongNumber refuses a number that would take for ever to print, and puts another one in its place.
func noLongNumber(v *cty.Value, rng hcl.Range) hcl.Diagnostics {
	if v.Type() != cty.Number || !v.IsKnown() || v.IsNull() || !v.AsBigFloat().IsInf() && checkSize(*v) == nil {
		return nil
	}
	*v = cty.Zero
	summary, detail := tooLarge(errNumberTooLarge)
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &rng}}
}

func noLongIndex(t hcl.Traversal) hcl.Diagnostics {
	var ds hcl.Diagnostics
	for i, step := range t {
		if index, ok := step.(hcl.TraverseIndex); ok {
			ds = append(ds, noLongNumber(&index.Key, index.SrcRange)...)
			t[i] = index
		}
	}
	return ds
}

// longExponent tells whether a text may hold a number with an exponent of four digits or more.
func longExponent(text []byte) bool {
	digit := func(i int) bool { return i < len(text) && '0' <= text[i] && text[i] <= '9' }
	for i := 1; i < len(text); i++ {
		if text[i]|0x20 != 'e' || !digit(i-1) {
			continue
		}
		from := i + 1
		if from < len(text) && (text[from] == '+' || text[from] == '-') {
			from++
		}
		if digit(from) && digit(from+1) && digit(from+2) && digit(from+3) {
			return true
		}
	}
	return false
}

var (
	strictAnd = &hclsyntax.Operation{Impl: stdlib.AndFunc, Type: cty.Bool, ShortCircuit: refuseNull(hclsyntax.OpLogicalAnd, cty.False)}
	strictOr  = &hclsyntax.Operation{Impl: stdlib.OrFunc, Type: cty.Bool, ShortCircuit: refuseNull(hclsyntax.OpLogicalOr, cty.True)}
)

// refuseNull decides as the library does, but leaves null to the function behind the operator, which refuses it. What
// stands to the right of a decision does not matter.
func refuseNull(op *hclsyntax.Operation, decides cty.Value) func(lhs, rhs cty.Value, lhsDiags, rhsDiags hcl.Diagnostics) (cty.Value, hcl.Diagnostics) {
	return func(lhs, rhs cty.Value, lhsDiags, rhsDiags hcl.Diagnostics) (cty.Value, hcl.Diagnostics) {
		if !lhs.RawEquals(decides) && (lhs.IsNull() || rhs.IsNull()) {
			return cty.NilVal, nil
		}
		if rhs.IsNull() {
			return decides, lhsDiags
		}
		return op.ShortCircuit(lhs, rhs, lhsDiags, rhsDiags)
	}
}

func siteOf(rng hcl.Range) string {
	return rng.Filename + ":" + strconv.Itoa(rng.Start.Line) + "," + strconv.Itoa(rng.Start.Column)
}

// sited is an expression in JSON. What is called in it stands in a text that is parsed when it is evaluated, so calls say
// where the whole expression stands.
type sited struct{ hcl.Expression }

// Value evaluates the expression with functions that know its place.
func (s sited) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if ctx == nil {
		return s.Expression.Value(nil)
	}
	site := siteValue(siteOf(s.Range()))
	own := *ctx
	own.Functions = map[string]function.Function{}
	for name, f := range functionsOf(ctx) {
		if slices.Contains(impureNames[:], name) {
			f = withSite(f, site)
		}
		own.Functions[name], own.Functions[corePrefix+name] = f, f
	}
	return s.Expression.Value(&own)
}

// withSite calls a function with the place of the call as last argument.
func withSite(f function.Function, site cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: siteParam,
		Type: func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(append(args, site)) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(append(args, site)) },
	})
}

// UnwrapExpression lets the library see what kind of expression it is.
func (s sited) UnwrapExpression() hcl.Expression { return s.Expression }

// located makes an expression of JSON one that knows its place. Others know it already.
func (r *reader) located(expr hcl.Expression) hcl.Expression {
	if _, native := expr.(hclsyntax.Node); native || !r.sited {
		return expr
	}
	return sited{expr}
}
