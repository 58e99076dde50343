package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// body is the content of a block, sorted into what its description knows.
type body struct {
	object *schema.Object
	attrs  []*attribute // in the order of writing
	blocks []*nested    // in the order of writing
	end    hcl.Range    // its closing brace; in JSON where something that is missing would stand

	dynamic bool     // some of blocks are dynamic
	meant   []string // what mistyped names were probably meant to be
}

// attribute is one `name = expression`.
type attribute struct {
	name      string
	desc      *schema.Attribute // nil for the user's own names
	expr      hcl.Expression
	rng       hcl.Range // name and expression
	nameRange hcl.Range
	uses      []use  // nil for a constant
	iterated  []use  // of dynamic blocks around it: host.value
	context   string // `fleet "train", resources`
	wrong     bool   // it is known to be wrong, and reported, before it is evaluated
}

// nested is a block in a block.
type nested struct {
	desc     *schema.Attribute
	label    string
	defRange hcl.Range
	body     *body
	dyn      *dynamic // it is the content of a dynamic block; nil for one that is written out
}

// attr returns the attribute of that name, nil if it is not written.
func (b *body) attr(name string) *attribute {
	for _, a := range b.attrs {
		if a.name == name {
			return a
		}
	}
	return nil
}

// nestedOf lists the nested blocks of that name.
func (b *body) nestedOf(name string) []*nested {
	var out []*nested
	for _, n := range b.blocks {
		if n.desc.Name == name {
			out = append(out, n)
		}
	}
	return out
}

// each calls f for every attribute of the body and of all blocks in it.
func (b *body) each(f func(*attribute)) {
	for _, a := range b.attrs {
		f(a)
	}
	for _, n := range b.blocks {
		n.each(f)
	}
}

// each calls f for every attribute of the block and of all blocks in it.
func (n *nested) each(f func(*attribute)) {
	if n.dyn != nil {
		f(n.dyn.forEach)
	}
	n.body.each(f)
}

// group lists the nested blocks that have the name of the i-th.
func (b *body) group(i int) []*nested {
	if n := b.blocks[i]; n.desc.Many || b.dynamic {
		return b.nestedOf(n.desc.Name)
	}
	return b.blocks[i : i+1]
}

// reader sorts bodies; it belongs to one file.
type reader struct {
	diags     diag.List
	iterators []string // of the dynamic blocks around what is being read
	sited     bool     // expressions of JSON must know where they stand
	written   bool     // what is being read is needed as it is written: it takes no dynamic blocks
}

func (r *reader) errorAt(rng hcl.Range, summary, format string, args ...any) {
	r.diags = append(r.diags, diag.Errorf(summary, format, args...).At(&rng)...)
}

// known looks an attribute up in several descriptions: a block's own and the ones that every block has.
type known []*schema.Object

func (k known) attr(name string) *schema.Attribute {
	for _, o := range k {
		if a := o.Attr(name); a != nil {
			return a
		}
	}
	return nil
}

func (k known) names(blocks bool) []string {
	var out []string
	for _, o := range k {
		for _, a := range o.Attrs {
			if a.Block == blocks && !a.Label {
				out = append(out, a.Name)
			}
		}
	}
	return out
}

// body sorts the content of a block. Where says what the block is, for messages: `fleet "train"`.
func (r *reader) body(in hcl.Body, where string, objects ...*schema.Object) *body {
	out := &body{object: objects[0], end: in.MissingItemRange()}
	if native, ok := in.(*hclsyntax.Body); ok {
		out.end = native.EndRange
		r.native(native, out, where, objects)
	} else {
		r.other(in, out, where, objects)
	}
	return out
}

// native reads HCL's own syntax without the generic interface, which costs several allocations for each attribute.
func (r *reader) native(in *hclsyntax.Body, out *body, where string, k known) {
	attrs := make([]*hclsyntax.Attribute, 0, len(in.Attributes))
	for _, a := range in.Attributes {
		attrs = append(attrs, a)
	}
	slices.SortFunc(attrs, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	own := make([]attribute, len(attrs))
	out.attrs = make([]*attribute, 0, len(attrs))
	for i, a := range attrs {
		own[i] = attribute{name: a.Name, expr: a.Expr, rng: a.SrcRange, nameRange: a.NameRange, context: where}
		r.attribute(&own[i], out, where, k)
	}
	for _, b := range in.Blocks {
		r.nested(b.AsHCLBlock(), out, where, k)
	}
}

// other reads JSON, where only the description tells attributes and blocks apart.
func (r *reader) other(in hcl.Body, out *body, where string, k known) {
	var want hcl.BodySchema
	for _, name := range k.names(true) {
		h := hcl.BlockHeaderSchema{Type: name}
		if label := labelOf(k.attr(name)); label != nil {
			h.LabelNames = []string{label.Name}
		}
		want.Blocks = append(want.Blocks, h)
	}
	want.Blocks = append(want.Blocks, hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"block"}})
	content, rest, ds := in.PartialContent(&want)
	r.diags = append(r.diags, translate(ds)...)
	if content == nil {
		return
	}
	attrs, ds := rest.JustAttributes()
	r.diags = append(r.diags, translate(ds)...)
	for _, a := range attrs {
		r.attribute(&attribute{name: a.Name, expr: r.located(a.Expr), rng: a.Range, nameRange: a.NameRange, context: where}, out, where, k)
	}
	slices.SortFunc(out.attrs, func(a, b *attribute) int { return a.rng.Start.Byte - b.rng.Start.Byte })
	for _, b := range content.Blocks {
		atLabel(b)
	}
	slices.SortStableFunc(content.Blocks, func(a, b *hcl.Block) int { return a.DefRange.Start.Byte - b.DefRange.Start.Byte })
	for _, b := range content.Blocks {
		r.nested(b, out, where, k)
	}
}

// atLabel gives a block of JSON its label, or its name, as its place: what stands there is only a brace.
func atLabel(b *hcl.Block) {
	b.DefRange = b.TypeRange
	if n := len(b.LabelRanges); n > 0 {
		b.DefRange = b.LabelRanges[n-1]
	}
}

func (r *reader) attribute(a *attribute, out *body, where string, k known) {
	a.desc = k.attr(a.name)
	switch {
	case a.desc == nil || a.desc.Label:
		out.meant = append(out.meant, r.unknownName(a.nameRange, a.name, "argument", where, k))
		return
	case a.desc.Block && a.desc.Name == "lifecycle":
		r.errorAt(a.nameRange, "A block is needed", "lifecycle is a block: write it without =, as in\n  lifecycle {\n    prevent_destroy = true\n  }")
		return
	}
	switch {
	case a.name == "ignore_changes": // names of the block's own arguments
	case a.desc.Address: // read as it stands, but for keys in it
		a.uses = usesOfKeys(a.expr)
	case a.name == "depends_on", a.name == "replace_triggered_by": // read as they stand, not evaluated
		a.uses = r.listed(a)
	default:
		a.uses = r.ownUses(a)
		r.keysTwice(a.expr)
	}
	out.attrs = append(out.attrs, a)
}

// listed reads a list of references.
func (r *reader) listed(a *attribute) []use {
	items, ds := hcl.ExprList(a.expr)
	if ds.HasErrors() {
		rng := a.expr.Range()
		r.errorAt(rng, "A list is needed", "%s is a list of references, as in %s = [%s].", a.name, a.name, referenceIn(a.expr, "volume.data"))
		return nil
	}
	var out []use
	for _, item := range items {
		t, ds := hcl.AbsTraversalForExpr(item)
		if ds.HasErrors() {
			if uses, ok := trigger(spelled(item)); ok && a.name == "replace_triggered_by" {
				out = append(out, uses...)
				continue
			}
			r.errorAt(item.Range(), "A reference is needed", "Every element of %s is a reference without quotes, such as %s.", a.name, unquoted(item, "volume.data or fleet.train[0]"))
			continue
		}
		out = append(out, useOf(t))
	}
	return out
}

// spelled is an expression that JSON writes as a text, for what is read as it stands.
func spelled(expr hcl.Expression) hcl.Expression {
	if _, native := expr.(hclsyntax.Expression); native {
		return expr
	}
	v, ds := expr.Value(nil)
	if ds.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return expr
	}
	at := expr.StartRange()
	at.Start.Column, at.Start.Byte = at.Start.Column+1, at.Start.Byte+1 // behind the quote
	own, ds := hclsyntax.ParseExpression([]byte(v.AsString()), at.Filename, at.Start)
	if ds.HasErrors() {
		return expr
	}
	return own
}

// unquoted is what a text says that should stand without quotes, or another example.
func unquoted(expr hcl.Expression, otherwise string) string {
	v, ds := expr.Value(nil)
	if ds.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return otherwise
	}
	if _, ds := hclsyntax.ParseTraversalAbs([]byte(v.AsString()), "", hcl.InitialPos); ds.HasErrors() {
		return otherwise
	}
	return v.AsString()
}

// referenceIn is the reference that an expression is, or another example.
func referenceIn(expr hcl.Expression, otherwise string) string {
	if t, ds := hcl.AbsTraversalForExpr(expr); !ds.HasErrors() {
		return traversalText(t)
	}
	return unquoted(expr, otherwise)
}

func (r *reader) nested(b *hcl.Block, out *body, where string, k known) {
	desc := k.attr(b.Type)
	switch {
	case b.Type == "dynamic":
		r.dynamic(b, out, where, k)
		return
	case desc == nil || desc.Label:
		out.meant = append(out.meant, r.unknownName(b.TypeRange, b.Type, "block", where, k))
		return
	case !desc.Block && desc.Elem == nil:
		r.errorAt(b.TypeRange, "An argument is needed", "%s is no block in %s. Write it with an equals sign: %s = ...", b.Type, where, b.Type)
		return
	case desc.Elem == nil:
		r.errorAt(b.TypeRange, "An argument is needed", "%s takes a value. Write it with an equals sign: %s = { ... }", b.Type, b.Type)
		return
	}
	n := &nested{desc: desc, defRange: b.DefRange}
	label := labelOf(desc)
	switch {
	case label == nil && len(b.Labels) > 0:
		r.errorAt(b.LabelRanges[0], "A label too many", "%s has no label: write %s { ... }.", b.Type, b.Type)
	case label != nil && len(b.Labels) != 1:
		r.errorAt(b.DefRange, "A label is needed", "%s has one label, its %s, as in %s %q { ... }.", b.Type, label.Name, b.Type, label.Rule)
	case label != nil:
		n.label = b.Labels[0]
	}
	for _, other := range out.blocks {
		if other.desc == desc && !desc.Many && other.dyn == nil {
			r.errorAt(b.DefRange, "Block stands twice", "%s has one %s only; the first is at %s. Merge the two.", where, b.Type, place(other.defRange))
			return
		}
	}
	if a := out.attr(desc.Name); a != nil {
		r.errorAt(b.DefRange, "Block stands twice", "%s is also given as an argument at %s. Keep one of them.", b.Type, place(a.rng))
		return
	}
	written := r.written
	r.written = written || desc.Name == "lifecycle"
	n.body = r.body(b.Body, where+", "+b.Type, desc.Elem)
	r.written = written
	out.blocks = append(out.blocks, n)
}

// unknownName reports a name that a block does not have, and returns what it was probably meant to be, "" if that cannot be
// said.
func (r *reader) unknownName(rng hcl.Range, name, what, where string, k known) string {
	detail := fmt.Sprintf("There is no %s %q in %s.", what, name, where)
	all := append(k.names(false), k.names(true)...)
	meant := schema.Suggest(name, all)
	kind, _, _ := strings.Cut(where, " ")
	switch {
	case meant != "":
		detail += fmt.Sprintf(" Did you mean %q?", meant)
	case strings.Contains(where, ","):
		detail += fmt.Sprintf(" It takes %s.", strings.Join(all, ", "))
	default:
		detail += fmt.Sprintf("%s To see what there is:\n  dstack help %s", othersWith(name, kind), kind)
	}
	r.errorAt(rng, "Unknown "+what, "%s", detail)
	return meant
}

// othersWith names the blocks that have what another does not.
func othersWith(name, kind string) string {
	var of []string
	for _, t := range schema.BlockTypes() {
		if t.Name != kind && t.Repeat && t.Object.Attr(name) != nil {
			of = append(of, t.Name)
		}
	}
	if len(of) == 0 || len(of) > 3 {
		return ""
	}
	return fmt.Sprintf(" It belongs to %s.", strings.Join(of, ", "))
}

// keysTwice reports objects that have a key twice, of which the library takes the last one without a word.
func (r *reader) keysTwice(expr hcl.Expression) {
	native, ok := expr.(hclsyntax.Expression)
	if !ok {
		return
	}
	switch expr.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.ScopeTraversalExpr, *hclsyntax.TemplateExpr:
		return
	}
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics { // it returns what the function does
		o, ok := n.(*hclsyntax.ObjectConsExpr)
		if !ok || len(o.Items) < 2 {
			return nil
		}
		first := make(map[string]hcl.Range, len(o.Items))
		for _, item := range o.Items {
			key := ""
			if k, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); ok && !k.ForceNonLiteral {
				key = hcl.ExprAsKeyword(k.Wrapped)
			}
			if key == "" {
				if k, ds := item.KeyExpr.Value(nil); !ds.HasErrors() && k.IsKnown() && !k.IsNull() && k.Type() == cty.String {
					key = k.AsString()
				}
			}
			if before, twice := first[key]; twice && key != "" {
				r.errorAt(item.KeyExpr.Range(), "Key stands twice", "%s is in this object already, at %s. Remove one of them.", key, place(before))
				continue
			}
			first[key] = item.KeyExpr.Range()
		}
		return nil
	})
}

func labelOf(a *schema.Attribute) *schema.Attribute {
	if a.Elem == nil {
		return nil
	}
	for _, e := range a.Elem.Attrs {
		if e.Label {
			return e
		}
	}
	return nil
}

// place prints file:line of a range.
func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
