package jsontwin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Of writes a file of HCL's own syntax in JSON syntax.
func Of(name string, text []byte) ([]byte, error) {
	f, ds := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if ds.HasErrors() {
		return nil, ds
	}
	w := writer{text: text}
	out := w.body(f.Body.(*hclsyntax.Body), "")
	if w.err != nil {
		return nil, w.err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(out)
	return b.Bytes(), err
}

type writer struct {
	text []byte
	err  error
}

// member is one name of an object and its value.
type member struct {
	name  string
	value any
}

// object keeps the order of its members, as a reader of the twin does.
type object struct{ members []member }

func (o *object) get(name string) *member {
	for i := range o.members {
		if o.members[i].name == name {
			return &o.members[i]
		}
	}
	return nil
}

// add sets a member; a second value of one name makes a list of both.
func (o *object) add(name string, value any) {
	m := o.get(name)
	if m == nil {
		o.members = append(o.members, member{name, value})
		return
	}
	if list, ok := m.value.([]any); ok {
		m.value = append(list, value)
		return
	}
	m.value = []any{m.value, value}
}

// under finds the object of that name, or makes it; nil if there is something else of that name.
func (o *object) under(name string) *object {
	if m := o.get(name); m != nil {
		inner, _ := m.value.(*object)
		return inner
	}
	inner := &object{}
	o.members = append(o.members, member{name, inner})
	return inner
}

// MarshalJSON writes the members in their order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o.members {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (w *writer) body(in *hclsyntax.Body, block string) *object {
	out := &object{}
	attrs := make([]*hclsyntax.Attribute, 0, len(in.Attributes))
	for _, a := range in.Attributes {
		attrs = append(attrs, a)
	}
	slices.SortFunc(attrs, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	for _, a := range attrs {
		out.add(a.Name, w.attribute(a, block))
	}
	for _, b := range in.Blocks {
		at := out
		path := append([]string{b.Type}, b.Labels...)
		for _, step := range path[:len(path)-1] {
			if at = at.under(step); at == nil {
				w.err = fmt.Errorf("line %d: JSON cannot say %s with different labels, or as an argument too", b.Range().Start.Line, b.Type)
				return out
			}
		}
		at.add(path[len(path)-1], w.body(b.Body, b.Type))
	}
	return out
}

// read lists the arguments that are read as they stand, by the block that they are in; "" is any.
var read = map[string][]string{
	"":         {"depends_on", "ignore_changes", "replace_triggered_by"},
	"variable": {"type"},
	"dynamic":  {"iterator"},
	"moved":    {"from", "to"},
	"removed":  {"from"},
	"import":   {"to"},
}

func (w *writer) attribute(a *hclsyntax.Attribute, block string) any {
	if !slices.Contains(read[block], a.Name) && !slices.Contains(read[""], a.Name) {
		return w.value(a.Expr)
	}
	list, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		return w.source(a.Expr)
	}
	out := make([]any, len(list.Exprs))
	for i, e := range list.Exprs {
		out[i] = w.source(e)
	}
	return out
}

func (w *writer) source(e hclsyntax.Expression) string {
	return string(e.Range().SliceBytes(w.text))
}

// value is an expression as JSON: what JSON can say itself, else a text with the expression in it.
func (w *writer) value(e hclsyntax.Expression) any {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return w.literal(e.Val)
	case *hclsyntax.TemplateExpr:
		return w.template(e)
	case *hclsyntax.TemplateWrapExpr:
		return "${" + w.source(e.Wrapped) + "}"
	case *hclsyntax.TupleConsExpr:
		out := make([]any, len(e.Exprs))
		for i, item := range e.Exprs {
			out[i] = w.value(item)
		}
		return out
	case *hclsyntax.ObjectConsExpr:
		out := &object{}
		for _, item := range e.Items {
			key, ds := item.KeyExpr.Value(nil)
			if ds.HasErrors() || key.Type() != cty.String || !key.IsKnown() || key.IsNull() {
				return "${" + w.source(e) + "}"
			}
			out.add(escape(key.AsString()), w.value(item.ValueExpr))
		}
		return out
	}
	return "${" + w.source(e) + "}"
}

func (w *writer) literal(v cty.Value) any {
	if v.Type() == cty.String && !v.IsNull() {
		return escape(v.AsString())
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write %#v: %w", v, err)
	}
	return json.RawMessage(raw)
}

// template writes a text with expressions and directives in it. White space that the source leaves out, because of ~ or of
// the indentation of a heredoc, is left out already.
func (w *writer) template(e hclsyntax.Expression) string {
	var b strings.Builder
	parts := []hclsyntax.Expression{e}
	if t, ok := e.(*hclsyntax.TemplateExpr); ok {
		parts = t.Parts
	}
	for _, part := range parts {
		switch part := part.(type) {
		case *hclsyntax.LiteralValueExpr:
			b.WriteString(escape(part.Val.AsString()))
			continue
		case *hclsyntax.TemplateJoinExpr:
			loop := part.Tuple.(*hclsyntax.ForExpr)
			names := loop.ValVar
			if loop.KeyVar != "" {
				names = loop.KeyVar + ", " + loop.ValVar
			}
			b.WriteString("%{ for " + names + " in " + w.source(loop.CollExpr) + " }" + w.template(loop.ValExpr) + "%{ endfor }")
			continue
		case *hclsyntax.ConditionalExpr:
			if strings.HasPrefix(w.source(part), "%{") {
				b.WriteString("%{ if " + w.source(part.Condition) + " }" + w.template(part.TrueResult) + "%{ else }" + w.template(part.FalseResult) + "%{ endif }")
				continue
			}
		}
		b.WriteString("${" + w.source(part) + "}")
	}
	return b.String()
}

// escape writes a text so that nothing in it is an expression.
func escape(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
}
