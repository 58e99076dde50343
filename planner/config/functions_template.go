package config

import (
	"errors"
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// templateNames are the functions that no template can call: that could go on for ever.
var templateNames = [...]string{"templatefile", "templatestring"}

// template is a text with ${ } and %{ } in it, and the functions that it can call.
type template struct {
	name      string // of its file, for messages and as the place of calls in it
	text      []byte
	functions map[string]function.Function
	site      string // where the call stands that renders it
}

// render evaluates a template with variables, which must be all that it mentions.
func (t template) render(vars cty.Value) (cty.Value, error) {
	if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return cty.DynamicVal, function.NewArgErrorf(1, "the variables are an object: { name = value }")
	}
	if list := checkDepth(Source{Path: t.name, Text: t.text}); list != nil {
		return cty.DynamicVal, function.NewArgErrorf(0, "%s", list[0].Detail)
	}
	expr, ds := hclsyntax.ParseTemplate(t.text, t.name, hcl.InitialPos)
	if ds.HasErrors() {
		return cty.DynamicVal, function.NewArgErrorf(0, "%s", templateProblem(t.name, ds[0]))
	}
	if ds := prepare(expr, t.text, t.site+" "); ds.HasErrors() {
		return cty.DynamicVal, function.NewArgErrorf(0, "%s", templateProblem(t.name, ds[0]))
	}
	ctx := &hcl.EvalContext{Functions: maps.Clone(t.functions), Variables: vars.AsValueMap()}
	for _, name := range templateNames {
		ctx.Functions[name] = noTemplateFunc(name)
	}
	for name := range ctx.Variables {
		if !hclsyntax.ValidIdentifier(name) {
			return cty.DynamicVal, function.NewArgErrorf(1, "%q cannot be the name of a variable, because no template could mention it", name)
		}
	}
	for _, mention := range expr.Variables() {
		if _, ok := ctx.Variables[mention.RootName()]; !ok {
			return cty.DynamicVal, function.NewArgErrorf(1, "%s mentions %q, which is not among the variables", place(mention.SourceRange()), mention.RootName())
		}
	}
	v, ds := expr.Value(ctx)
	switch {
	case ds.HasErrors():
		return cty.DynamicVal, function.NewArgErrorf(0, "%s", templateProblem(t.name, ds[0]))
	case v.IsNull():
		return cty.DynamicVal, function.NewArgErrorf(0, "%s gives null, and a template gives a value", t.name)
	}
	return v, nil
}

func templateProblem(name string, d *hcl.Diagnostic) string {
	if d.Subject != nil {
		return fmt.Sprintf("%s: %s", place(*d.Subject), d.Detail)
	}
	return name + ": " + d.Detail
}

// noTemplateFunc stands in a template for the functions that render one.
func noTemplateFunc(name string) function.Function {
	fail := errors.New("a template cannot call " + name)
	return function.New(&function.Spec{
		VarParam: siteParam,
		Type:     func([]cty.Value) (cty.Type, error) { return cty.DynamicPseudoType, fail },
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.DynamicVal, fail },
	})
}

// varsParam are the variables of a template.
var varsParam = function.Parameter{Name: "vars", Type: cty.DynamicPseudoType}

// templateFileFunc renders a file.
func templateFileFunc(dir string, functions map[string]function.Function, files *fileAnswers) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "path", Type: cty.String}, varsParam},
		VarParam: siteParam,
		Type: func(args []cty.Value) (cty.Type, error) {
			return cty.DynamicPseudoType, noMore(args, 2, "templatefile takes a path and an object with variables")
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			args, site := cutSite(args)
			path := args[0].AsString()
			text, mark, err := files.template(dir, path)
			if err != nil {
				return cty.DynamicVal, function.NewArgError(0, err)
			}
			v, err := template{name: path, text: []byte(text), functions: functions, site: site}.render(args[1])
			if err != nil || files == nil {
				return v, err
			}
			return v.Mark(mark), nil
		},
	})
}

// templateStringFunc renders a text that comes from elsewhere: from a local, a variable or an attribute. One that is
// written out needs no function, and would be evaluated before the function sees it.
var templateStringFunc = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "template", Type: customdecode.ExpressionClosureType}, varsParam},
	VarParam: siteParam,
	Type: func(args []cty.Value) (cty.Type, error) {
		return cty.DynamicPseudoType, noMore(args, 2, "templatestring takes a reference to a template and an object with variables")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		args, site := cutSite(args)
		closure := customdecode.ExpressionClosureFromVal(args[0])
		if !refersTo(closure.Expression) {
			return cty.DynamicVal, function.NewArgErrorf(0, "the template is a reference to a text that stands elsewhere, as in local.greeting; one that is written out needs no templatestring")
		}
		v, ds := closure.Value()
		if ds.HasErrors() {
			return cty.DynamicVal, ds
		}
		v, marks := v.Unmark()
		v, err := convert.Convert(v, cty.String)
		switch {
		case err != nil || v.IsNull():
			return cty.DynamicVal, function.NewArgErrorf(0, "the template is no text")
		case !v.IsKnown():
			return cty.DynamicVal.WithMarks(marks), nil
		}
		t := template{name: "<template>", text: []byte(v.AsString()), functions: functionsOf(closure.EvalContext), site: site}
		v, err = t.render(args[1])
		return v.WithMarks(marks), err
	},
})

// refersTo tells whether an expression is a reference and nothing else.
func refersTo(expr hcl.Expression) bool {
	for {
		switch e := expr.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			return true
		case *hclsyntax.RelativeTraversalExpr:
			expr = e.Source
		case *hclsyntax.IndexExpr:
			expr = e.Collection
		default:
			return false
		}
	}
}

// functionsOf are the functions of a context: those of the nearest parent that has any.
func functionsOf(ctx *hcl.EvalContext) map[string]function.Function {
	for ; ctx != nil; ctx = ctx.Parent() {
		if ctx.Functions != nil {
			return ctx.Functions
		}
	}
	return nil
}
