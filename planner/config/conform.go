package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// conform makes of a value what the attribute keeps, and finds the very part that is wrong.
func (c *Config) conform(a *attribute, v cty.Value, ctx *hcl.EvalContext) (cty.Value, diag.List) {
	if a.desc.Elem != nil && a.desc.Block && a.desc.Many && isObject(v.Type()) {
		v = cty.TupleVal([]cty.Value{v}) // one of many, written as one object
	}
	out, err := a.desc.Conform(v, c.inputs.lookup)
	if err == nil {
		return out, nil
	}
	ce, ok := errors.AsType[*schema.ConformError](err)
	if !ok {
		ce = &schema.ConformError{Summary: "Value cannot be read", Detail: err.Error(), Offset: -1}
	}
	rng, rest := narrow(a.expr, ce.Path)
	if at, ok := keyRange(a.expr, ce.Path); ok && ce.Key {
		rng = at
	}
	detail := ce.Detail
	switch {
	case v.ContainsMarked():
		kind, _, _ := strings.Cut(a.context, " ")
		detail = fmt.Sprintf("The value of %s is sensitive, so nothing more of it is shown. What can be written there:\n  dstack help %s", a.desc.Name, kind)
	case a.desc.Ref:
		detail = c.refHint(a, v, detail)
	case len(rest) > 0 || !isLiteral(a.expr):
		if where := origin(a, rest); where != "" {
			detail += " The value is " + where + "."
		}
	}
	if part, ok := c.within(a.expr, ce, rng); ok {
		rng = part
	}
	if !a.desc.Ref {
		detail += c.quotesHint(a, v)
	}
	return cty.NilVal, c.about(a, ctx, rng, ce.Summary, "%s", detail)
}

func isObject(ty cty.Type) bool { return ty.IsObjectType() || ty.IsMapType() }

func isLiteral(e hcl.Expression) bool { return usesOf(e) == nil }

// origin names a value with the path inside it: var.fleets[2].gpu.
func origin(a *attribute, rest cty.Path) string {
	e, ok := a.expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return ""
	}
	return traversalText(e.Traversal) + pathText(rest)
}

// quotesHint says so when a text looks like a reference that stands in quotes.
func (c *Config) quotesHint(a *attribute, v cty.Value) string {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String || !isLiteral(a.expr) {
		return ""
	}
	t, ds := hclsyntax.ParseTraversalAbs([]byte(v.AsString()), "", hcl.InitialPos)
	if ds.HasErrors() || len(t) < 2 {
		return ""
	}
	if u := useOf(t); c.exists(c.main, u) {
		return fmt.Sprintf(" Without quotes %s is a reference.", v.AsString())
	}
	return ""
}

// refHint says which reference a text was probably meant to be.
func (c *Config) refHint(a *attribute, v cty.Value, detail string) string {
	if t, ok := a.expr.(*hclsyntax.ScopeTraversalExpr); ok && !v.ContainsMarked() && v.IsKnown() && !v.IsNull() && v.Type() != cty.String && v.CanIterateElements() {
		return oneOfMany(traversalText(t.Traversal), v)
	}
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return detail
	}
	kind, name, found := strings.Cut(v.AsString(), ".")
	if !found {
		kind, name = a.desc.Name, kind
	}
	switch known := c.main.names[kind]; {
	case kind != a.desc.Name:
		return detail
	case slices.Contains(known, name):
		return fmt.Sprintf("This is a text, and a %s is meant. Write the block itself, without quotes:\n  %s = %s.%s", kind, a.name, kind, name)
	case len(known) > 0:
		return fmt.Sprintf("This is a text, and a %s is meant: a reference without quotes, such as %s.%s.%s", kind, kind, known[0], schema.DidYouMean(name, known))
	}
	return detail + fmt.Sprintf(" The configuration has no block %s.", kind)
}

// oneOfMany explains a reference to a block of which there are several, or none.
func oneOfMany(name string, v cty.Value) string {
	it := v.ElementIterator()
	if !it.Next() {
		return fmt.Sprintf("%s has count or for_each, and there is none of it.", name)
	}
	key, _ := it.Element()
	return fmt.Sprintf("%s has count or for_each, so it stands for %d of them. Choose one, as in %s%s.", name, v.LengthInt(), name, pathText(cty.Path{cty.IndexStep{Key: key}}))
}

// within finds the part of a quoted text that is wrong.
func (c *Config) within(expr hcl.Expression, ce *schema.ConformError, rng hcl.Range) (hcl.Range, bool) {
	if ce.Offset < 0 {
		return rng, false
	}
	text := c.texts[rng.Filename]
	if rng.End.Byte > len(text) || rng.Start.Byte+2 > rng.End.Byte {
		return rng, false
	}
	code := string(text[rng.Start.Byte:rng.End.Byte])
	if code[0] != '"' || code[len(code)-1] != '"' || strings.ContainsAny(code, "\\\n") || strings.Contains(code, "${") {
		return rng, false // columns of what was written differ from those of the value
	}
	start, end := 1+ce.Offset, 1+ce.Offset+max(ce.Length, 1)
	if end > len(code)-1 {
		end = len(code) - 1
	}
	if start >= end {
		return rng, false
	}
	return hcl.Range{Filename: rng.Filename, Start: advance(rng.Start, code[:start]), End: advance(rng.Start, code[:end])}, true
}

// advance moves a position behind a text of one line.
func advance(p hcl.Pos, text string) hcl.Pos {
	p.Byte += len(text)
	p.Column += graphemes(text)
	return p
}

// narrow follows a path into an expression as far as it is written out, and returns the place of that part and the rest
// of the path.
func narrow(expr hcl.Expression, path cty.Path) (hcl.Range, cty.Path) {
	at, rest := follow(expr, path)
	return at.Range(), rest
}

// follow is narrow for the expression itself.
func follow(expr hcl.Expression, path cty.Path) (hcl.Expression, cty.Path) {
	for len(path) > 0 {
		var next hcl.Expression
		switch e := expr.(type) {
		case *hclsyntax.ParenthesesExpr:
			expr = e.Expression
			continue
		case *hclsyntax.ObjectConsExpr:
			name, ok := stepName(path[0])
			for _, item := range e.Items {
				k, ds := item.KeyExpr.Value(nil)
				if ok && !ds.HasErrors() && k.IsKnown() && !k.IsNull() && k.Type() == cty.String && k.AsString() == name {
					next = item.ValueExpr
				}
			}
		case *hclsyntax.TupleConsExpr:
			if i, ok := stepIndex(path[0]); ok && i < len(e.Exprs) {
				next = e.Exprs[i]
			}
		default:
			if items, ds := hcl.ExprList(expr); !ds.HasErrors() {
				if i, ok := stepIndex(path[0]); ok && i < len(items) {
					next = items[i]
				}
			} else if pairs, ds := hcl.ExprMap(expr); !ds.HasErrors() {
				name, _ := stepName(path[0])
				for _, p := range pairs {
					if k, ds := p.Key.Value(nil); !ds.HasErrors() && k.Type() == cty.String && k.AsString() == name {
						next = p.Value
					}
				}
			}
		}
		if next == nil {
			break
		}
		expr, path = next, path[1:]
	}
	return expr, path
}

// keyRange is the place of the key that a path ends with, where that is written out.
func keyRange(expr hcl.Expression, path cty.Path) (hcl.Range, bool) {
	if len(path) == 0 {
		return hcl.Range{}, false
	}
	name, ok := stepName(path[len(path)-1])
	of, rest := follow(expr, path[:len(path)-1])
	pairs, ds := hcl.ExprMap(of)
	if !ok || len(rest) > 0 || ds.HasErrors() {
		return hcl.Range{}, false
	}
	for _, p := range pairs {
		if k, ds := p.Key.Value(nil); !ds.HasErrors() && k.IsKnown() && !k.IsNull() && k.Type() == cty.String && k.AsString() == name {
			return p.Key.Range(), true
		}
	}
	return hcl.Range{}, false
}

func stepName(s cty.PathStep) (string, bool) {
	switch s := s.(type) {
	case cty.GetAttrStep:
		return s.Name, true
	case cty.IndexStep:
		if s.Key.IsKnown() && s.Key.Type() == cty.String {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

func stepIndex(s cty.PathStep) (int, bool) {
	i, ok := s.(cty.IndexStep)
	if !ok || !i.Key.IsKnown() || i.Key.Type() != cty.Number {
		return 0, false
	}
	n, _ := i.Key.AsBigFloat().Int64()
	return int(n), n >= 0
}

// pathText prints a path as it is written behind a name: [2].gpu.
func pathText(p cty.Path) string {
	var b strings.Builder
	for _, s := range p {
		if n, ok := stepIndex(s); ok {
			fmt.Fprintf(&b, "[%d]", n)
			continue
		}
		name, ok := stepName(s)
		switch {
		case !ok:
			b.WriteString("[?]")
		case hclsyntax.ValidIdentifier(name):
			b.WriteString("." + name)
		default:
			b.WriteString("[" + strconv.Quote(name) + "]")
		}
	}
	return b.String()
}

// errorPath is the path in an error of package convert.
func errorPath(err error) cty.Path {
	if pe, ok := errors.AsType[cty.PathError](err); ok {
		return pe.Path
	}
	return nil
}

func convertTo(v cty.Value, ty cty.Type) (cty.Value, error) { return convert.Convert(v, ty) }

// faults makes a diagnostic of an error of package value or schema.
func faults(err error, at hcl.Range) diag.List {
	if ve, ok := errors.AsType[*value.Error](err); ok {
		return diag.Errorf(ve.Summary, "%s", ve.Detail).At(&at)
	}
	if ce, ok := errors.AsType[*schema.ConformError](err); ok {
		return diag.Errorf(ce.Summary, "%s", ce.Detail).At(&at)
	}
	return diag.From(err, "Value cannot be read").At(&at)
}

// about makes an error about an argument, with the values that its expression mentions.
func (c *Config) about(a *attribute, ctx *hcl.EvalContext, at hcl.Range, summary, format string, args ...any) diag.List {
	list := diag.Errorf(summary, format, args...).At(&at)
	list[0].Snippet = &diag.Snippet{Values: mentionedValues(a.mentions(), ctx)}
	if a.context != "" {
		list[0].Snippet.Context = "in " + a.context
	}
	return list
}

// mentionedValues says what the names in an expression are worth.
func mentionedValues(uses []use, ctx *hcl.EvalContext) []diag.Value {
	if ctx == nil {
		return nil
	}
	var out []diag.Value
	seen := map[string]bool{}
	for _, u := range uses {
		name := traversalText(u.traversal)
		if seen[name] {
			continue
		}
		seen[name] = true
		v, ds := u.traversal.TraverseAbs(ctx)
		if !ds.HasErrors() {
			out = append(out, diag.Value{Traversal: name, Statement: statement(v)})
		}
	}
	return out
}

// statement says of a value what may be shown in one line.
func statement(v cty.Value) string {
	if v = unanswered(v); v.IsMarked() { // how much there is in something that has secrets in it is none
		return "is sensitive"
	}
	switch ty := v.Type(); {
	case !v.IsKnown():
		if ty == cty.Number {
			if least, _ := v.Range().NumberLowerBound(); least.IsKnown() && !least.AsBigFloat().IsInf() {
				return "is at least " + least.AsBigFloat().Text('g', 15)
			}
		}
		return "is known only after apply"
	case v.IsNull():
		return "is null"
	case ty == cty.String:
		return "is " + quoted(v.AsString())
	case ty == cty.Bool:
		return "is " + strconv.FormatBool(v.True())
	case ty == cty.Number:
		return "is " + v.AsBigFloat().Text('g', 15)
	case ty.IsObjectType() || ty.IsMapType():
		return "is an object with " + counted(v.LengthInt(), "attribute")
	case ty.IsListType() || ty.IsTupleType():
		return "is a list of " + counted(v.LengthInt(), "element")
	case ty.IsSetType():
		return "is a set of " + counted(v.LengthInt(), "element")
	}
	return "is a " + v.Type().FriendlyName()
}

// shown is statement as the end of a sentence: ", and this is 2.5"; nothing for what may not be shown.
func shown(v cty.Value) string {
	if v.ContainsMarked() {
		return ""
	}
	return ", and this " + statement(v)
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// quoted prints a text in quotes, shortened in the middle.
func quoted(s string) string {
	const longest = 60
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest/2]) + "..." + string(r[len(r)-longest/4:])
	}
	return strconv.Quote(s)
}
