package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// translate takes over what the HCL library reports, in our words where people meet it often.
func translate(in hcl.Diagnostics) diag.List {
	var out diag.List
	for _, d := range in {
		own := diag.FromHCL(hcl.Diagnostics{d})
		own[0].Detail = columns.ReplaceAllString(own[0].Detail, "$1")
		if summary, detail := reword(d); summary != "" {
			own[0].Summary, own[0].Detail = summary, detail
		}
		if call, ok := d.Expression.(*hclsyntax.FunctionCallExpr); ok {
			if d.Summary != "Error in function call" || strings.Contains(d.Detail, "required") {
				own[0].Detail += signature(call.Name, d.EvalContext)
			}
			if d.Subject != nil && d.Subject.Start == call.NameRange.Start {
				own[0].Range = diag.FromRange(&call.NameRange)
			}
		}
		if d.Expression != nil && d.EvalContext != nil {
			var uses []use
			for _, t := range d.Expression.Variables() {
				uses = append(uses, useOf(t))
			}
			own[0].Snippet = &diag.Snippet{Values: mentionedValues(uses, withParents(d.EvalContext))}
		}
		out = append(out, own...)
	}
	return out
}

// columns finds the columns behind a place, which is said as file and line here: main.dstack.hcl:2,3-7.
var columns = regexp.MustCompile(`(\.dstack\.(?:hcl|json):\d+),\d+(?:-\d+)?(?:,\d+)?`)

// withParents flattens a context: a for expression has one of its own.
func withParents(ctx *hcl.EvalContext) *hcl.EvalContext {
	if ctx.Parent() == nil {
		return ctx
	}
	all := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	for ; ctx != nil; ctx = ctx.Parent() {
		for name, v := range ctx.Variables {
			if _, ok := all.Variables[name]; !ok {
				all.Variables[name] = v
			}
		}
	}
	return all
}

// reword says in our words what the library says in its own; nothing where its own will do.
func reword(d *hcl.Diagnostic) (summary, detail string) {
	detail = columns.ReplaceAllString(d.Detail, "$1")
	switch d.Summary {
	case "Invalid single-argument block definition":
		return "Two arguments in a one-line block", "A block on one line holds at most one argument. Give every argument a line of its own:\n  name {\n    first  = ...\n    second = ...\n  }"
	case "Unexpected comma after argument":
		return "Comma behind an argument", "Arguments stand on lines of their own, with nothing between them. Remove the comma."
	case "Attribute redefined", "Duplicate argument", "Duplicate attribute definition":
		return "Argument stands twice", strings.TrimSuffix(detail, " Each argument may be set only once.") + " Keep one of the two."
	case "Call to unknown function":
		return "Unknown function", unknownFunction(d)
	case "Error in function call":
		return "Function failed", detail
	case "Unsupported attribute":
		return "Unknown attribute", missingPart(d)
	case "Invalid index":
		return "Invalid index", missingPart(d)
	case "Invalid multi-line string", "Unterminated template string":
		return "A quote is missing", "A text in quotes ends on the line on which it starts, with a second quote. For a text of several lines:\n  <<-EOT\n    ...\n  EOT"
	case "Missing argument separator": // in a text, where it is not known where the call begins
		return "Call is not closed", "The arguments of a function are separated by commas and end with ); one of them is missing before this."
	case "Incorrect condition type":
		return "Condition is neither true nor false", "What stands before ? is true or false, as in var.size > 0 ? a : b."
	case "Inconsistent conditional result types":
		return "Results of two types", "Both results of a condition are of one type, since nobody can rely on the result otherwise. " + strings.TrimPrefix(detail, "The true and false result expressions must have consistent types. ")
	case "Invalid template interpolation value":
		return "Value is no text", textOf(d)
	case "Invalid type specification":
		return "Type cannot be read", typeHint(d)
	}
	return jsonWords(d)
}

// textOf explains why a value cannot stand in a text.
func textOf(d *hcl.Diagnostic) string {
	switch {
	case strings.HasSuffix(d.Detail, "have tuple."), strings.Contains(d.Detail, "have list"), strings.Contains(d.Detail, "have set"):
		return "What stands in ${ } becomes part of a text, and this is a list. Put its elements together:\n  ${join(\", \", ...)}"
	case strings.HasSuffix(d.Detail, "have object."), strings.Contains(d.Detail, "have map"):
		return "What stands in ${ } becomes part of a text, and this is an object. Take one of its attributes, or write it as JSON:\n  ${jsonencode(...)}"
	case strings.Contains(d.Detail, "null"):
		return "What stands in ${ } becomes part of a text, and this is null. Give it another value where it is null:\n  ${coalesce(..., \"none\")}"
	}
	return d.Detail
}

// elsewhere are names that functions have in other languages.
var elsewhere = map[string]string{
	"append": "concat", "count": "length", "dict": "tomap", "env": "", "float": "tonumber", "getenv": "", "int": "tonumber",
	"json": "jsonencode", "len": "length", "list": "tolist", "lowercase": "lower", "map": "tomap", "path": "abspath", "read": "file",
	"readfile": "file", "set": "toset", "size": "length", "str": "tostring", "string": "tostring", "uppercase": "upper", "yaml": "yamlencode",
}

func unknownFunction(d *hcl.Diagnostic) string {
	extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d)
	if !ok {
		return d.Detail
	}
	name := extra.CalledFunctionName()
	switch other, known := elsewhere[name]; {
	case known && other != "":
		return fmt.Sprintf("There is no function named %q. What it does elsewhere %q does here.", name, other)
	case known:
		return fmt.Sprintf("There is no function named %q. What stands in the environment comes in by variables: DSTACK_VAR_name is var.name.", name)
	}
	return d.Detail
}

// signature says how a function is called.
func signature(name string, ctx *hcl.EvalContext) string {
	var f function.Function
	for ; ctx != nil; ctx = ctx.Parent() {
		if own, ok := ctx.Functions[name]; ok {
			f = own
			break
		}
	}
	if f == (function.Function{}) {
		return ""
	}
	var params []string
	for _, p := range f.Params() {
		params = append(params, p.Name)
	}
	if p := f.VarParam(); p != nil {
		params = append(params, p.Name+"...")
	}
	return fmt.Sprintf(" It is called as %s(%s).", name, strings.Join(params, ", "))
}

// missingPart says what a value has, where something was asked of it that it does not have.
func missingPart(d *hcl.Diagnostic) string {
	var of cty.Value
	var text string
	var key cty.Value
	switch e := d.Expression.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		of, text, key = lastPart(e.Traversal, cty.NilVal, withParents(d.EvalContext))
	case *hclsyntax.RelativeTraversalExpr:
		if source, ds := e.Source.Value(d.EvalContext); !ds.HasErrors() {
			of, text, key = lastPart(e.Traversal, source, nil)
		}
	case *hclsyntax.IndexExpr:
		of, _ = e.Collection.Value(d.EvalContext)
		if t, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr); ok {
			text = traversalText(t.Traversal)
		}
		key, _ = e.Key.Value(d.EvalContext)
	}
	of, key = unanswered(of), unanswered(key)
	if of == cty.NilVal || key == cty.NilVal || of.IsMarked() || key.IsMarked() || !key.IsKnown() || key.IsNull() {
		return d.Detail
	}
	if text == "" {
		text = "This"
	}
	return partsOf(of, text, key, d.Detail)
}

// lastPart follows a traversal as far as it leads, and returns the value there, its name, and the step that fails.
func lastPart(t hcl.Traversal, v cty.Value, ctx *hcl.EvalContext) (of cty.Value, text string, key cty.Value) {
	if ctx != nil {
		var ds hcl.Diagnostics
		if v, ds = t[:1].TraverseAbs(ctx); ds.HasErrors() {
			return cty.NilVal, "", cty.NilVal
		}
		text = t.RootName()
		t = t[1:]
	}
	for _, step := range t {
		next, ds := step.TraversalStep(v)
		if !ds.HasErrors() {
			v = next
			if text != "" {
				text += traversalText(hcl.Traversal{step})
			}
			continue
		}
		switch step := step.(type) {
		case hcl.TraverseAttr:
			return v, text, cty.StringVal(step.Name)
		case hcl.TraverseIndex:
			return v, text, step.Key
		}
		break
	}
	return cty.NilVal, "", cty.NilVal
}

// partsOf says what the value of that name has instead of the key.
func partsOf(of cty.Value, text string, key cty.Value, otherwise string) string {
	ty := of.Type()
	name := ""
	if key.Type() == cty.String {
		name = key.AsString()
	}
	switch {
	case ty.IsPrimitiveType():
		hint := ""
		if ty == cty.String && strings.HasPrefix(text, "var.") {
			hint = " What is given with --var or in the environment is a text, unless the variable has a type."
		}
		return fmt.Sprintf("%s is %s, which has no parts.%s", text, named(ty), hint)
	case (ty.IsListType() || ty.IsTupleType()) && key.Type() == cty.Number:
		switch {
		case ty.IsListType() && !of.IsKnown():
			return otherwise
		case of.LengthInt() == 0:
			return fmt.Sprintf("%s is an empty list, so there is no element %s.", text, numberText(key))
		}
		n := of.LengthInt()
		return fmt.Sprintf("%s has %s, numbered from 0 to %d; there is no element %s.", text, counted(n, "element"), n-1, numberText(key))
	case ty.IsListType() || ty.IsTupleType() || ty.IsSetType():
		return fmt.Sprintf("%s is %s, so %q belongs to its elements. Take one of them, as in %s[0].%s, or all of them, as in %s[*].%s.", text, named(ty), name, text, name, text, name)
	case name == "":
		return otherwise
	case ty.IsObjectType():
		return fmt.Sprintf("%s has no attribute %q.%s", text, name, among(name, slices.Sorted(maps.Keys(ty.AttributeTypes()))))
	case ty.IsMapType() && of.IsKnown():
		return fmt.Sprintf("%s has no key %q.%s", text, name, among(name, slices.Sorted(maps.Keys(of.AsValueMap()))))
	}
	return otherwise
}

// among suggests one of a few names, or lists them.
func among(name string, known []string) string {
	if s := schema.DidYouMean(name, known); s != "" {
		return s
	}
	switch {
	case len(known) == 0:
		return " It is empty."
	case len(known) > 12:
		known = append(known[:12:12], "...")
	}
	return " It has " + strings.Join(known, ", ") + "."
}

func numberText(v cty.Value) string {
	f := v.AsBigFloat()
	if n, acc := f.Int64(); acc == 0 {
		return strconv.FormatInt(n, 10)
	}
	return f.Text('g', 10)
}

// typeHint explains a type that is none.
func typeHint(d *hcl.Diagnostic) string {
	const types = "A type is string, number, bool or any, or made of others: list(string), set(string), map(number), object({ name = string, size = optional(number, 1) }), tuple([string, number])."
	words := map[string]string{
		"array": "list(string)", "bool": "bool", "boolean": "bool", "dict": "map(string)", "double": "number", "float": "number",
		"int": "number", "integer": "number", "number": "number", "str": "string", "string": "string", "strin": "string", "text": "string",
	}
	m := regexp.MustCompile(`keyword "([^"]*)"`).FindStringSubmatch(d.Detail)
	switch {
	case m != nil && words[strings.ToLower(m[1])] != "":
		return fmt.Sprintf("There is no type %q. Write %s.", m[1], words[strings.ToLower(m[1])])
	case m != nil:
		return fmt.Sprintf("There is no type %q. %s", m[1], types)
	case strings.HasPrefix(d.Detail, "A type specification is either"):
		return "A type stands without quotes. " + types
	}
	return d.Detail + " " + types
}

// jsonWords is reword for what is reported of JSON.
func jsonWords(d *hcl.Diagnostic) (summary, detail string) {
	switch d.Summary {
	case "Trailing comma in object", "Trailing comma in array":
		return "Comma too many", "JSON has no comma behind the last of several. Remove it."
	case "Unclosed object":
		what := "brace, }"
		if strings.Contains(d.Detail, "bracket") {
			what = "bracket, ]"
		}
		return "Brace is not closed", "What begins here has no end: its closing " + what + ", is missing."
	case "Missing attribute seperator comma":
		return "A comma is missing", "Commas stand between the members of an object and the elements of a list, and what is no number, true, false, null, list or object stands in quotes."
	case "Missing property value colon":
		return "A colon is missing", "In JSON a colon stands between a name and its value: \"nodes\": 2."
	case "Root value must be object":
		return "This is no JSON", "A file that ends with .json holds one object, which begins with {. Blocks written as name \"label\" { ... } belong in a file that ends with .dstack.hcl."
	case "Incorrect JSON value type":
		if i := strings.Index(d.Detail, "contents of one or more \""); i >= 0 {
			name, _, _ := strings.Cut(d.Detail[i+len("contents of one or more \""):], `"`)
			return "An object is needed", fmt.Sprintf("%s is a block, so its content is an object here.%s", name, labelHint(name))
		}
		return "An object is needed", "The content of a block is an object: { \"name\": value }."
	case "Missing block label":
		return "A label is needed", d.Detail
	}
	return "", ""
}

func labelHint(name string) string {
	if t, ok := schema.BlockTypeOf(name); ok && t.Label {
		return fmt.Sprintf(" The name stands around it:\n  \"%s\": { \"name\": { ... } }", name)
	}
	return fmt.Sprintf(" Write it as\n  \"%s\": { ... }", name)
}

// explainJSON reports what is wrong with JSON that does not parse: the first of it, since all else follows from that.
func explainJSON(s Source, ds hcl.Diagnostics) diag.List {
	ds = slices.Clone(ds)
	slices.SortStableFunc(ds, func(a, b *hcl.Diagnostic) int { return jsonRank(a) - jsonRank(b) })
	first := ds[:1]
	if d := ds[0]; d.Summary == "Unclosed object" { // the innermost is the one that was forgotten
		for _, other := range ds {
			if other.Summary == d.Summary && other.Subject != nil && d.Subject != nil && other.Subject.Start.Byte > d.Subject.Start.Byte {
				first, d = hcl.Diagnostics{other}, other
			}
		}
	}
	list := translate(first)
	if end := len(strings.TrimRight(string(s.Text), " \t\r\n")); end > 0 && list[0].Range != nil && list[0].Range.Start.Byte >= end {
		rng := rangeOf(s, end-1, end) // there is nothing to mark behind the end
		list[0].Range = diag.FromRange(&rng)
	}
	return list
}

// jsonRank puts last what follows from anything else.
func jsonRank(d *hcl.Diagnostic) int {
	switch d.Summary {
	case "Invalid JSON keyword":
		if d.Subject != nil && d.Subject.Start.Byte == 0 {
			return 2
		}
	case "Root value must be object":
		return 1
	case "Extraneous data after value":
		return 3
	}
	return 0
}
