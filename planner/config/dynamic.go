package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// dynamic is what a block `dynamic` says beside the content of the blocks that it stands for:
//
//	dynamic "host" {
//	  for_each = var.hosts
//	  iterator = machine # host unless set
//	  content {
//	    hostname = machine.value
//	  }
//	}
type dynamic struct {
	forEach  *attribute
	iterator string
}

// taken are names that an iterator would hide.
var taken = [...]string{"var", "local", "path", "each", "count", "node", "replica", "self"}

// dynamic reads a block `dynamic` as a nested block of what its label names.
func (r *reader) dynamic(b *hcl.Block, out *body, where string, k known) {
	if len(b.Labels) != 1 {
		r.errorAt(b.DefRange, "A label is needed", "dynamic has one label, the block that it stands for, as in dynamic \"host\" { ... }.")
		return
	}
	name := b.Labels[0]
	desc := k.attr(name)
	switch {
	case r.written || name == "lifecycle":
		hint := ""
		if s := k.attr(name); s != nil && s.Elem != nil && s.Elem.Attr("condition") != nil {
			hint = " A condition that does not always apply says so itself:\n  condition = !var.strict || ..."
		}
		r.errorAt(b.DefRange, "No dynamic blocks here", "%s in %s is read as it stands, before anything is evaluated. Write it out.%s", name, where, hint)
		return
	case desc == nil || desc.Label || desc.Elem == nil:
		r.unknownName(b.LabelRanges[0], name, "block", where, k)
		return
	}
	for _, other := range out.blocks {
		if other.desc == desc && !desc.Many && other.dyn == nil {
			r.errorAt(b.DefRange, "Block stands twice", "%s has one %s only; the first is at %s. Merge the two.", where, name, place(other.defRange))
			return
		}
	}
	if a := out.attr(name); a != nil {
		r.errorAt(b.DefRange, "Block stands twice", "%s is also given as an argument at %s. Keep one of them.", name, place(a.rng))
		return
	}
	inner := where + ", " + name
	dyn, content := r.dynamicParts(b, name, inner)
	if dyn == nil || content == nil {
		return
	}
	r.iterators = append(r.iterators, dyn.iterator)
	n := &nested{desc: desc, defRange: b.DefRange, dyn: dyn, body: r.body(content.Body, inner, desc.Elem)}
	r.iterators = r.iterators[:len(r.iterators)-1]
	out.blocks = append(out.blocks, n)
	out.dynamic = true
}

// dynamicParts takes a block `dynamic` apart. Without for_each or content there is nothing to go on with, which is reported.
func (r *reader) dynamicParts(b *hcl.Block, name, where string) (*dynamic, *hcl.Block) {
	attrs, blocks := r.contentOf(b.Body)
	dyn := &dynamic{iterator: name}
	var content *hcl.Block
	mistyped := false
	for _, a := range attrs {
		a.context = where
		switch a.name {
		case "for_each":
			a.uses = r.ownUses(a)
			dyn.forEach = a
		case "iterator":
			dyn.iterator = hcl.ExprAsKeyword(a.expr)
			switch {
			case dyn.iterator == "":
				r.errorAt(a.expr.Range(), "A name is needed", "iterator is the name that stands for one element in content, without quotes, as in iterator = %s. It is %s unless set.", "item", name)
				return nil, nil
			case slices.Contains(taken[:], dyn.iterator):
				r.errorAt(a.expr.Range(), "Name is taken", "%s has a meaning of its own, which the iterator would hide. Use another name, or none: it is %s unless set.", dyn.iterator, name)
				return nil, nil
			}
		default:
			mistyped = true
			r.errorAt(a.nameRange, "Unknown argument", "There is no argument %q in dynamic.%s It takes for_each, iterator and a block content, which holds the arguments of %s.", a.name, schema.DidYouMean(a.name, []string{"for_each", "iterator", "content"}), name)
		}
	}
	for _, inner := range blocks {
		switch {
		case inner.Type != "content":
			r.errorAt(inner.DefRange, "Unknown block", "There is no block %q in dynamic. What %s holds stands in its block content:\n  content {\n    %s { ... }\n  }", inner.Type, name, inner.Type)
		case content != nil:
			r.errorAt(inner.DefRange, "Block stands twice", "dynamic %q has one content only; the first is at %s. Merge the two.", name, place(content.DefRange))
		case len(inner.Labels) > 0:
			r.errorAt(inner.LabelRanges[0], "A label too many", "content has no label: write content { ... }.")
			content = inner
		default:
			content = inner
		}
	}
	if dyn.forEach == nil {
		if !mistyped {
			r.errorAt(b.LabelRanges[0], "An argument is missing", "dynamic %q needs for_each: a map, a set or a list; there is one %s for each element.", name, name)
		}
		return nil, nil
	}
	if content == nil {
		r.errorAt(b.LabelRanges[0], "A block is missing", "dynamic %q needs a block content, which says what each %s holds:\n  content {\n    ...\n  }", name, name)
	}
	return dyn, content
}

// contentOf lists the arguments and blocks of a body `dynamic` in the order of writing.
func (r *reader) contentOf(in hcl.Body) ([]*attribute, []*hcl.Block) {
	var attrs []*attribute
	var blocks []*hcl.Block
	add := func(name string, expr hcl.Expression, rng, nameRange hcl.Range) {
		attrs = append(attrs, &attribute{name: name, expr: expr, rng: rng, nameRange: nameRange})
	}
	if native, ok := in.(*hclsyntax.Body); ok {
		for _, a := range native.Attributes {
			add(a.Name, a.Expr, a.SrcRange, a.NameRange)
		}
		for _, b := range native.Blocks {
			blocks = append(blocks, b.AsHCLBlock())
		}
	} else {
		content, rest, ds := in.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "content"}}})
		r.diags = append(r.diags, translate(ds)...)
		if content == nil {
			return nil, nil
		}
		blocks = content.Blocks
		all, ds := rest.JustAttributes()
		r.diags = append(r.diags, translate(ds)...)
		for _, a := range all {
			add(a.Name, a.Expr, a.Range, a.NameRange)
		}
	}
	slices.SortFunc(attrs, func(a, b *attribute) int { return a.rng.Start.Byte - b.rng.Start.Byte })
	return attrs, blocks
}

// ownUses lists what an expression mentions. What names an iterator of a dynamic block around it is kept apart: it has a
// value in that block only.
func (r *reader) ownUses(a *attribute) []use {
	all := usesOf(a.expr)
	if len(r.iterators) == 0 || all == nil {
		return all
	}
	var out []use
	for _, u := range all {
		if !slices.Contains(r.iterators, u.root) {
			out = append(out, u)
			continue
		}
		a.iterated = append(a.iterated, u)
		if summary, detail := oneOf(u, "key", "value"); summary != "" {
			r.errorAt(u.rng(), summary, "%s", detail)
			a.wrong = true
		}
	}
	return out
}

// mentions lists all that an expression mentions, iterators too.
func (a *attribute) mentions() []use {
	if a.iterated == nil {
		return a.uses
	}
	return slices.Concat(a.uses, a.iterated)
}

// element is one element that a dynamic block stands for a block for.
type element struct{ key, value cty.Value }

// blocks evaluates all nested blocks of one name.
func (d *decoder) blocks(group []*nested) cty.Value {
	desc := group[0].desc
	if slices.ContainsFunc(group, func(n *nested) bool { return n.dyn != nil }) {
		return d.expand(desc, group)
	}
	if !desc.Many {
		return d.nested(group[0], -1)
	}
	items := make([]cty.Value, len(group))
	for i, n := range group {
		items[i] = d.nested(n, i)
	}
	return listOf(desc, items)
}

func listOf(desc *schema.Attribute, items []cty.Value) cty.Value {
	if !cty.CanListVal(items) { // a value of any type in them
		return cty.UnknownVal(desc.Type)
	}
	return cty.ListVal(items)
}

// expand evaluates nested blocks of one name some of which are dynamic. Where the number of them is not known yet, all
// are unknown; the content is then evaluated once, for what is wrong with it in any case.
func (d *decoder) expand(desc *schema.Attribute, group []*nested) cty.Value {
	var items []cty.Value
	var from []*nested
	complete := true
	for _, n := range group {
		elements, known := []element{{}}, true
		if n.dyn != nil {
			elements, known = d.elements(n)
			complete = complete && known
		}
		for _, e := range elements {
			at := -1
			if desc.Many {
				at = len(items)
			}
			items = append(items, d.repeated(n, e, at))
			from = append(from, n)
		}
	}
	if d.origins == nil {
		d.origins = map[string][]*nested{}
	}
	d.origins[pathOf(d.trail, desc.Name)] = from
	switch {
	case !complete:
		return cty.UnknownVal(desc.Type)
	case len(items) == 0:
		return cty.NullVal(desc.Type)
	case desc.Many:
		return listOf(desc, items)
	case len(items) > 1:
		d.list = append(d.list, diag.Errorf("Block stands twice", "%s stands here at most once, and this makes %d of it. Let all for_each together have one element at most.", desc.Name, len(items)).At(&from[1].defRange)...)
		return cty.UnknownVal(desc.Type)
	}
	return items[0]
}

// repeated evaluates a nested block for one element. What is wrong with it says for which.
func (d *decoder) repeated(n *nested, e element, at int) cty.Value {
	if n.dyn == nil {
		return d.nested(n, at)
	}
	outer, before := d.ctx, len(d.list)
	d.ctx = outer.NewChild()
	d.ctx.Variables = map[string]cty.Value{n.dyn.iterator: cty.ObjectVal(map[string]cty.Value{"key": e.key, "value": e.value})}
	out := d.nested(n, at)
	d.ctx = outer
	key := diag.Value{Traversal: n.dyn.iterator + ".key", Statement: statement(e.key)}
	for _, diagnostic := range d.list[before:] {
		s := diagnostic.Snippet
		if s == nil {
			s = &diag.Snippet{}
			diagnostic.Snippet = s
		}
		if e.key.IsKnown() && !slices.ContainsFunc(s.Values, func(v diag.Value) bool { return v.Traversal == key.Traversal }) {
			s.Values = append(s.Values, key)
		}
	}
	return out
}

// elements evaluates for_each of a dynamic block. Where its elements are not known, one that stands for any is returned.
func (d *decoder) elements(n *nested) (all []element, known bool) {
	a := n.dyn.forEach
	unknown := []element{{cty.DynamicVal, cty.DynamicVal}}
	v, ds := d.c.eval(a, d.ctx)
	d.list = append(d.list, ds...)
	if ds.HasErrors() {
		return unknown, false
	}
	fail := func(summary, format string, args ...any) ([]element, bool) {
		d.list = append(d.list, d.c.about(a, d.ctx, a.expr.Range(), summary, format, args...)...)
		return unknown, false
	}
	written := v
	v, marks := v.Unmark()
	ty := v.Type()
	switch {
	case v.IsNull():
		return fail("for_each is null", "for_each of dynamic %q needs a map, a set or a list. For no %s write [].", n.desc.Name, n.desc.Name)
	case !v.IsKnown():
		return unknown, false
	case !v.CanIterateElements():
		return fail("for_each has the wrong type", "for_each of dynamic %q needs a map, a set or a list%s. For one block or none write var.wanted ? [1] : [].", n.desc.Name, shown(written))
	case ty.IsSetType() && !v.IsWhollyKnown():
		return unknown, false
	case v.LengthInt() > mostInstances:
		return fail("for_each is too large", "%d of one block are more than the %d that are allowed.", v.LengthInt(), mostInstances)
	}
	for it := v.ElementIterator(); it.Next(); {
		key, val := it.Element()
		if ty.IsSetType() {
			key = val
		}
		all = append(all, element{key.WithMarks(marks), val.WithMarks(marks)})
	}
	return all, true
}

// pathOf prints where a nested block stands: ssh.host[1].proxy_jump.
func pathOf(trail []pathStep, name string) string {
	out := ""
	for _, s := range trail {
		out += s.name
		if s.index >= 0 {
			out += fmt.Sprintf("[%d]", s.index)
		}
		out += "."
	}
	return out + name
}
