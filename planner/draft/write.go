package draft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// writer writes the blocks of a file, and before them the variables that they need.
type writer struct {
	options   Options
	variables *hclwrite.File
	blocks    *hclwrite.File
	named     map[string]bool // variables
}

func newWriter(o Options) *writer {
	return &writer{options: o, variables: hclwrite.NewEmptyFile(), blocks: hclwrite.NewEmptyFile(), named: map[string]bool{}}
}

func (w *writer) text() []byte { return append(w.variables.Bytes(), w.blocks.Bytes()...) }

// block writes one block for all of its repetitions.
func (w *writer) block(b addr.Block, reps []repetition) diag.List {
	var diags diag.List
	vals := make([]cty.Value, len(reps))
	for i, r := range reps {
		v, ds := r.said(w.options)
		vals[i], diags = v, append(diags, ds...)
	}
	w.write(b, reps, vals)
	return diags
}

// write writes a block of which each repetition is worth a value of the block's type.
func (w *writer) write(b addr.Block, reps []repetition, vals []cty.Value) {
	out := &page{writer: w, label: b.Name, reps: reps}
	out.look(objectOf(b.Type), vals, nil)
	body := w.blocks.Body().AppendNewBlock(b.Type, []string{b.Name}).Body()
	if reps[0].addr.Key.IsSet() {
		if isCount(reps[0].addr.Key) {
			body.SetAttributeValue("count", cty.NumberIntVal(int64(len(reps))))
		} else {
			body.SetAttributeRaw("for_each", out.forEach())
		}
	}
	out.body(body, objectOf(b.Type), vals, nil)
	w.blocks.Body().AppendNewline()
}

// page is one block that is being written.
type page struct {
	writer  *writer
	label   string
	reps    []repetition
	columns []column // what differs from one repetition to another
}

// column is an attribute in which repetitions differ.
type column struct {
	name string
	vals []cty.Value
	attr *schema.Attribute
}

// look finds what differs.
func (p *page) look(o *schema.Object, vals []cty.Value, path []string) {
	for _, a := range o.Attrs {
		here, of := append(slices.Clone(path), a.Name), pick(a, vals)
		switch {
		case a.Elem != nil && a.Block && !a.Many:
			p.look(a.Elem, of, here)
		case a.Sensitive || same(of):
		default:
			p.columns = append(p.columns, column{strings.Join(here, "_"), of, a})
		}
	}
}

// pick is an attribute of each repetition.
func pick(a *schema.Attribute, vals []cty.Value) []cty.Value {
	out := make([]cty.Value, len(vals))
	for i, v := range vals {
		if out[i] = cty.NullVal(a.Type); !v.IsNull() {
			out[i] = v.GetAttr(a.Name)
		}
	}
	return out
}

func same(vals []cty.Value) bool {
	return !slices.ContainsFunc(vals, func(v cty.Value) bool { return !v.RawEquals(vals[0]) })
}

func allNull(vals []cty.Value) bool {
	return !slices.ContainsFunc(vals, func(v cty.Value) bool { return !v.IsNull() })
}

// body writes the attributes of an object, and then what is nested in it.
func (p *page) body(body *hclwrite.Body, o *schema.Object, vals []cty.Value, path []string) {
	for _, a := range o.Attrs {
		of, name := pick(a, vals), strings.Join(append(slices.Clone(path), a.Name), "_")
		switch {
		case a.Elem != nil && a.Block:
		case a.Sensitive && (!allNull(of) || a.Required && !allNull(vals)):
			body.SetAttributeRaw(a.Name, p.secret(name, a))
		case allNull(of):
		case same(of):
			body.SetAttributeRaw(a.Name, tokens(a, of[0]))
		default:
			body.SetAttributeRaw(a.Name, p.each(name, a, of))
		}
	}
	for _, a := range o.Attrs {
		of, here := pick(a, vals), append(slices.Clone(path), a.Name)
		switch {
		case a.Elem == nil || !a.Block || allNull(of):
		case !a.Many:
			p.body(body.AppendNewBlock(a.Name, nil).Body(), a.Elem, of, here)
		case same(of):
			for _, v := range of[0].AsValueSlice() {
				p.body(body.AppendNewBlock(a.Name, nil).Body(), a.Elem, []cty.Value{v}, here)
			}
		}
	}
}

// each refers to what is another one for each repetition.
func (p *page) each(name string, a *schema.Attribute, vals []cty.Value) hclwrite.Tokens {
	if isCount(p.reps[0].addr.Key) {
		list := make([]hclwrite.Tokens, len(vals))
		for i, v := range vals {
			list[i] = tokens(a, v)
		}
		return append(hclwrite.TokensForTuple(list), expression("[count.index]")...)
	}
	if len(p.columns) == 1 {
		return expression("each.value")
	}
	return expression("each.value." + name)
}

// forEach lists the keys, with what differs under each.
func (p *page) forEach() hclwrite.Tokens {
	if len(p.columns) == 0 {
		keys := make([]cty.Value, len(p.reps))
		for i, r := range p.reps {
			keys[i] = cty.StringVal(r.addr.Key.Text())
		}
		return hclwrite.TokensForFunctionCall("toset", hclwrite.TokensForValue(cty.TupleVal(keys)))
	}
	var items []hclwrite.ObjectAttrTokens
	for i, r := range p.reps {
		of := tokens(p.columns[0].attr, p.columns[0].vals[i])
		if len(p.columns) > 1 {
			var fields []hclwrite.ObjectAttrTokens
			for _, c := range p.columns {
				fields = append(fields, hclwrite.ObjectAttrTokens{Name: hclwrite.TokensForIdentifier(c.name), Value: tokens(c.attr, c.vals[i])})
			}
			of = hclwrite.TokensForObject(fields)
		}
		items = append(items, hclwrite.ObjectAttrTokens{Name: key(r.addr.Key.Text()), Value: of})
	}
	return hclwrite.TokensForObject(items)
}

func key(text string) hclwrite.Tokens {
	if hclsyntax.ValidIdentifier(text) {
		return hclwrite.TokensForIdentifier(text)
	}
	return hclwrite.TokensForValue(cty.StringVal(text))
}

// secret refers to a variable in place of a secret, which nobody can read from what is there.
func (p *page) secret(name string, a *schema.Attribute) hclwrite.Tokens {
	variable := p.label + "_" + name
	for n := 2; p.writer.named[variable]; n++ {
		variable = fmt.Sprintf("%s_%s_%d", p.label, name, n)
	}
	p.writer.named[variable] = true
	body := p.writer.variables.Body().AppendNewBlock("variable", []string{variable}).Body()
	kind, of := typeOf(a.Type), "var."+variable
	if first := p.reps[0].addr.Key; isCount(first) {
		kind, of = "list("+kind+")", of+"[count.index]"
	} else if first.IsSet() {
		kind, of = "map("+kind+")", of+"[each.key]"
	}
	body.SetAttributeRaw("type", expression(kind))
	body.SetAttributeValue("description", cty.StringVal(a.Doc))
	body.SetAttributeValue("sensitive", cty.True)
	p.writer.variables.Body().AppendNewline()
	return expression(of)
}

func typeOf(t cty.Type) string {
	switch {
	case t.IsListType():
		return "list(" + typeOf(t.ElementType()) + ")"
	case t.IsMapType():
		return "map(" + typeOf(t.ElementType()) + ")"
	case t.IsPrimitiveType():
		return t.FriendlyName()
	}
	return "any"
}

// expression is HCL of our own as it stands.
func expression(text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(text)}}
}

// tokens writes a value as a person would: a count as a number, though it is kept as a text.
func tokens(a *schema.Attribute, v cty.Value) hclwrite.Tokens {
	if !v.IsNull() && a.Type == cty.String && slices.Contains([]string{"Blocks", "IntRange", "Price"}, a.Grammar) {
		if n, err := strconv.ParseFloat(v.AsString(), 64); err == nil {
			return hclwrite.TokensForValue(cty.NumberFloatVal(n))
		}
	}
	return hclwrite.TokensForValue(v)
}
