package config

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// file is one source, parsed and sorted into blocks.
type file struct {
	blocks []*Block
	diags  diag.List
	broken bool // it could not be parsed
}

func parseFile(s Source) *file {
	if d := checkDepth(s); d != nil {
		return &file{diags: d, broken: true}
	}
	p := &fileReader{reader: reader{sited: asksMoment(s.Text) || bytes.Contains(s.Text, []byte(corePrefix))}, source: s, types: schema.BlockTypes()}
	if strings.HasSuffix(s.Path, ".json") {
		p.json()
	} else {
		p.native()
	}
	return &file{blocks: p.blocks, diags: p.diags, broken: p.broken}
}

type fileReader struct {
	reader
	source Source
	types  []schema.BlockType
	blocks []*Block
	broken bool
}

func (p *fileReader) native() {
	f, ds := hclsyntax.ParseConfig(p.source.Text, p.source.Path, hcl.InitialPos)
	if ds.HasErrors() {
		p.diags = append(p.diags, explainSyntax(p.source, ds)...)
	} else {
		p.diags = append(p.diags, translate(ds)...)
	}
	if f == nil || ds.HasErrors() {
		p.broken = true
		return // what a parser made of a broken text would only be reported a second time
	}
	in := f.Body.(*hclsyntax.Body)
	p.diags = append(p.diags, translate(prepare(in, p.source.Text, ""))...)
	for _, a := range in.Attributes {
		p.topLevel(a.Name, a.NameRange)
	}
	for _, b := range in.Blocks {
		p.block(b.AsHCLBlock())
	}
}

func (p *fileReader) json() {
	f, ds := hcljson.Parse(p.source.Text, p.source.Path)
	if ds.HasErrors() {
		p.diags = append(p.diags, explainJSON(p.source, ds)...)
	} else {
		p.diags = append(p.diags, translate(ds)...)
	}
	if f == nil || f.Body == nil || ds.HasErrors() {
		p.broken = true
		return
	}
	var want hcl.BodySchema
	for _, t := range schema.BlockTypes() {
		h := hcl.BlockHeaderSchema{Type: t.Name}
		if t.Label {
			h.LabelNames = []string{"name"}
			if len(t.Kinds()) > 0 {
				h.LabelNames = []string{"kind", "name"}
			}
		}
		want.Blocks = append(want.Blocks, h)
	}
	content, rest, ds := f.Body.PartialContent(&want)
	p.diags = append(p.diags, translate(ds)...)
	if rest != nil && (!ds.HasErrors() || len(content.Blocks) > 0) { // else it would say the same again
		attrs, ds := rest.JustAttributes()
		p.diags = append(p.diags, translate(ds)...)
		for _, a := range attrs {
			p.unknownBlock(a.Name, a.NameRange)
		}
	}
	if content == nil {
		return
	}
	blocks := content.Blocks
	for _, b := range blocks {
		atLabel(b)
	}
	slices.SortStableFunc(blocks, func(a, b *hcl.Block) int { return a.DefRange.Start.Byte - b.DefRange.Start.Byte })
	for _, b := range blocks {
		p.block(b)
	}
}

// topLevel reports an argument that stands outside of all blocks.
func (p *fileReader) topLevel(name string, rng hcl.Range) {
	if t, ok := schema.BlockTypeOf(name); ok {
		form := name + " { ... }"
		if t.Label {
			form = name + ` "name" { ... }`
		}
		p.errorAt(rng, "A block is needed", "%s is a block: write it without the equals sign, as in %s.", name, form)
		return
	}
	p.errorAt(rng, "Argument outside of a block", "%q stands outside of every block. To give a name to a value:\n  locals {\n    %s = ...\n  }\nThe values of variables stand in *.dstackvars files.", name, name)
}

func (p *fileReader) unknownBlock(name string, rng hcl.Range) {
	known := make([]string, 0, 12)
	for _, t := range schema.BlockTypes() {
		known = append(known, t.Name)
	}
	detail := schema.DidYouMean(name, known)
	switch {
	case detail != "":
	case name == "resource":
		detail = " Resources have blocks of their own here: fleet, volume, gateway, task, service, dev_environment."
	case name == "provider" || name == "terraform":
		detail = ` An account of a cloud is backend "aws" { ... }; settings of the configuration are dstack { ... }.`
	case name == "dev-environment":
		detail = ` Did you mean "dev_environment"?`
	default:
		detail = " Blocks are " + strings.Join(known, ", ") + "."
	}
	p.errorAt(rng, "Unknown block", "There is no block %q.%s", name, detail)
}

// block reads one block and keeps it, unless not even its address is known.
func (p *fileReader) block(in *hcl.Block) {
	i := slices.IndexFunc(p.types, func(t schema.BlockType) bool { return t.Name == in.Type })
	if i < 0 {
		p.unknownBlock(in.Type, in.TypeRange)
		return
	}
	t := p.types[i]
	b := &Block{Type: t, DefRange: in.DefRange, Personal: p.source.Personal, Addr: addr.Block{Type: t.Name}}
	if !p.labels(in, b) {
		return
	}
	if b.Personal && t.Name != "backend" && t.Name != "profile" {
		p.errorAt(in.DefRange, "Block has no place here", "This file is read with every configuration and holds backends and profiles only. Move %s to the folder of a configuration.", b.Addr)
		return
	}
	before := len(p.diags)
	p.written = !t.Repeat
	where := t.Name
	if t.Label {
		where += " " + quotedLabels(in.Labels)
	}
	switch {
	case t.Name == "module":
		p.call(in, b, where)
	case t.Open:
		b.body = p.open(in.Body, where)
	case t.Repeat:
		b.body = p.body(in.Body, where, t.Object, schema.Of[schema.Meta]())
	default:
		b.body = p.body(in.Body, where, t.Object)
	}
	p.required(b.body, in.DefRange, where)
	if t.Repeat {
		p.meta(b)
	}
	if refactors(t) {
		p.refactoring(b)
	}
	b.broken = p.diags[before:].For(b.address()).HasErrors()
	p.blocks = append(p.blocks, b)
}

// address is what diagnostics call the block: its address as expressions write it.
func (b *Block) address() string {
	switch b.Type.Name {
	case "variable":
		return "var." + b.Addr.Name
	case "locals", "dstack", "moved", "removed", "import":
		return ""
	}
	return b.Addr.String()
}

func (p *fileReader) labels(in *hcl.Block, b *Block) bool {
	switch {
	case !b.Type.Label && len(in.Labels) > 0:
		p.errorAt(in.LabelRanges[0], "A label too many", "%s has no label: write %s { ... }.", in.Type, in.Type)
		return false
	case b.Type.Label && len(in.Labels) == 0:
		p.errorAt(in.DefRange, "A label is needed", "%s needs a name: write %s \"name\" { ... }.", in.Type, in.Type)
		return false
	case len(b.Type.Kinds()) > 0:
		return p.twoLabels(in, b)
	case b.Type.Label && len(in.Labels) > 1:
		p.errorAt(in.LabelRanges[1], "A label too many", "%s has one label, its name: write %s %q { ... }.", in.Type, in.Type, in.Labels[0])
		return false
	case !b.Type.Label:
		return true
	}
	b.Addr.Name = in.Labels[0]
	return p.isName(in, 0)
}

func (p *fileReader) isName(in *hcl.Block, i int) bool {
	if !hclsyntax.ValidIdentifier(in.Labels[i]) {
		p.errorAt(in.LabelRanges[i], "Label is no name", "A label starts with a letter and has letters, digits, underscores and hyphens, because addresses such as %s.name are made of it.", in.Type)
		return false
	}
	return true
}

// twoLabels reads the labels of a block that has a kind before its name.
func (p *fileReader) twoLabels(in *hcl.Block, b *Block) bool {
	kinds := b.Type.Kinds()
	switch {
	case !slices.Contains(kinds, in.Labels[0]):
		hint := schema.DidYouMean(in.Labels[0], kinds)
		if len(in.Labels) == 1 {
			hint = ""
		}
		p.errorAt(in.LabelRanges[0], "Unknown kind", "The first label of %s says what is looked up: %s. There is no %s %q.%s", in.Type, strings.Join(kinds, ", "), in.Type, in.Labels[0], hint)
		return false
	case len(in.Labels) == 1:
		p.errorAt(in.LabelRanges[0], "A label is needed", "%s %q needs a name: write %s %q \"name\" { ... }.", in.Type, in.Labels[0], in.Type, in.Labels[0])
		return false
	case len(in.Labels) > 2:
		p.errorAt(in.LabelRanges[2], "A label too many", "%s has two labels, its kind and its name: write %s %q %q { ... }.", in.Type, in.Type, in.Labels[0], in.Labels[1])
		return false
	}
	b.Addr.Name = in.Labels[0] + "." + in.Labels[1]
	return p.isName(in, 1)
}

// quotedLabels prints the labels of the block as they are written.
func (b *Block) quotedLabels() string {
	if len(b.Type.Kinds()) > 0 {
		return quotedLabels(strings.SplitN(b.Addr.Name, ".", 2))
	}
	return quoted(b.Addr.Name)
}

// quotedLabels prints the labels of a block as they are written.
func quotedLabels(labels []string) string {
	out := make([]string, len(labels))
	for i, l := range labels {
		out[i] = quoted(l)
	}
	return strings.Join(out, " ")
}

// open reads a block whose names are the user's own.
func (p *fileReader) open(in hcl.Body, where string) *body {
	out := &body{end: in.MissingItemRange()}
	if native, ok := in.(*hclsyntax.Body); ok {
		out.end = native.EndRange
		for _, b := range native.Blocks {
			p.errorAt(b.DefRange(), "An argument is needed", "Blocks have no place in %s. Write a value: %s = { ... }", where, b.Type)
		}
		in = &hclsyntax.Body{Attributes: native.Attributes, SrcRange: native.SrcRange, EndRange: native.EndRange}
	}
	attrs, ds := in.JustAttributes()
	p.diags = append(p.diags, translate(ds)...)
	for _, a := range attrs {
		p.keysTwice(a.Expr)
		out.attrs = append(out.attrs, &attribute{name: a.Name, expr: p.located(a.Expr), rng: a.Range, nameRange: a.NameRange, uses: usesOf(a.Expr), context: where})
	}
	slices.SortFunc(out.attrs, func(a, b *attribute) int { return a.rng.Start.Byte - b.rng.Start.Byte })
	return out
}

// required reports what must be written and is not.
func (p *fileReader) required(b *body, header hcl.Range, where string) {
	if b.object == nil {
		return
	}
	for _, a := range b.object.Attrs {
		if a.Required && !a.Label && b.attr(a.Name) == nil && !slices.Contains(b.meant, a.Name) && !slices.ContainsFunc(b.blocks, func(n *nested) bool { return n.desc == a }) {
			form := a.Name + " = ..."
			if a.Block {
				form = a.Name + " {\n    ...\n  }"
			}
			p.errorAt(header, "An argument is missing", "%s needs %s: %s\n  %s", where, a.Name, a.Doc, form)
		}
	}
	for _, n := range b.blocks {
		p.required(n.body, n.defRange, where+", "+n.desc.Name)
	}
}

// meta takes out of the body what every block that makes resources has.
func (p *fileReader) meta(b *Block) {
	rest := b.body.attrs[:0:0]
	for _, a := range b.body.attrs {
		switch a.name {
		case "count":
			b.count = a
		case "for_each":
			b.forEach = a
		case "depends_on":
			b.dependOn = a
		default:
			rest = append(rest, a)
		}
	}
	b.body.attrs = rest
	if b.count != nil && b.forEach != nil {
		p.errorAt(b.forEach.nameRange, "Both count and for_each", "%s has count at %s and for_each. Keep one of them: for_each where each has a name, count where they are alike.", b.Addr, place(b.count.rng))
	}
	blocks := b.body.blocks[:0:0]
	for _, n := range b.body.blocks {
		if n.desc.Name == "lifecycle" {
			b.lifecycle = n
			continue
		}
		blocks = append(blocks, n)
	}
	b.body.blocks = blocks
}
