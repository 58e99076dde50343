package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Decoded is what one instance of a block says.
type Decoded struct {
	Addr  addr.Instance
	Block *Block
	// Value is the object that Block.Type.Object describes. What was not written is null, defaults are not filled in.
	// Unknown values and marks are kept. Attributes that differ between jobs are unknown here; see Job.
	Value cty.Value
	// Name is the name of the run, fleet, volume or gateway: the attribute `name`, else the label and key. It is ""
	// where `name` is unknown and for other blocks.
	Name     string
	NameKept bool // it is that of an address that the block had before, as who decodes it found out
	Meta     Meta

	config *Config
	inst   Instance
	scope  Scope
	perJob []*schema.Attribute // attributes that mention node or replica
	jobs   cty.Value           // Value as jobs get it
	before []Verdict           // of the preconditions

	origins map[string][]*nested // as in decoder
}

// Meta is what every block that makes resources can say beside its own attributes.
type Meta struct {
	DependsOn           []Reference
	PreventDestroy      bool
	CreateBeforeDestroy bool
	IgnoreChanges       []string // names of attributes, with the path inside: size, resources.gpu
	IgnoreAll           bool
	ReplaceTriggeredBy  []Trigger
	PreventRange        hcl.Range // where prevent_destroy stands
	PreventText         string    // as it is written: prevent_destroy = var.prod
	PreventFrom         []string  // from what it was made: var.prod
}

// Decode evaluates one instance of a block and checks it against the rules of its type. With errors the result holds
// what could be evaluated, unknown in place of the rest.
func (c *Config) Decode(inst Instance, scope Scope) (*Decoded, diag.List) {
	d := &Decoded{Addr: inst.Addr, Block: inst.Block, config: c, inst: inst, scope: scope}
	b := inst.Block
	ctx, list := c.contextOf(inst.site(), scope, inst.names(), b.uses()...)
	dec := decoder{c: c, ctx: ctx, list: list}
	attrs := dec.object(b.body, func(a *schema.Attribute, uses []use) bool {
		if !a.PerJob || !slices.ContainsFunc(uses, use.perJob) {
			return false
		}
		d.perJob = append(d.perJob, a)
		return true
	})
	d.Value = cty.ObjectVal(attrs)
	d.origins = dec.origins
	d.jobs = d.Value
	if dec.code(d, attrs) {
		d.jobs = cty.ObjectVal(attrs)
	}
	dec.meta(d)
	if b.Type.Repeat && b.Type.Object.Attr("name") != nil {
		dec.name(d)
	}
	if !b.broken {
		dec.rules(d)
	}
	list = dec.list
	if len(list) > 0 {
		list.For(inst.label())
		list.Sort()
		c.Snippets(list)
	}
	return d, list
}

// label is the address of an instance as far as it is known.
func (i Instance) label() string {
	if i.unknown {
		return i.Block.at(i.site()).String()
	}
	return i.Addr.String()
}

// uses lists what all expressions of the block mention.
func (b *Block) uses() [][]use {
	var out [][]use
	add := func(a *attribute) {
		if a.uses != nil {
			out = append(out, a.uses)
		}
	}
	b.body.each(add)
	if b.lifecycle != nil {
		b.lifecycle.body.each(func(a *attribute) {
			if a.name != "replace_triggered_by" {
				add(a)
			}
		})
	}
	return out
}

// decoder evaluates the bodies of one instance.
type decoder struct {
	c    *Config
	ctx  *hcl.EvalContext
	list diag.List

	trail   []pathStep           // the nested blocks around what is being evaluated
	origins map[string][]*nested // by path: the blocks that dynamic ones stand for, and what they were made from
}

// object evaluates a body. What skip tells to leave out is unknown.
func (d *decoder) object(b *body, skip func(*schema.Attribute, []use) bool) map[string]cty.Value {
	out := make(map[string]cty.Value, len(b.object.Attrs))
	for _, a := range b.object.Attrs {
		out[a.Name] = cty.NullVal(a.Type)
	}
	for _, a := range b.attrs {
		if a.desc.Type == cty.DynamicPseudoType && conditional(a.desc) {
			continue
		}
		if skip != nil && skip(a.desc, a.uses) {
			out[a.name] = cty.UnknownVal(a.desc.Type)
			continue
		}
		out[a.name] = d.attribute(a)
	}
	for i, n := range b.blocks {
		if slices.ContainsFunc(b.blocks[:i], func(o *nested) bool { return o.desc == n.desc }) {
			continue // evaluated with the first
		}
		group := b.group(i)
		if skip != nil && n.desc.PerJob && skip(n.desc, usesOfAll(group)) {
			out[n.desc.Name] = cty.UnknownVal(n.desc.Type)
			continue
		}
		out[n.desc.Name] = d.blocks(group)
	}
	return out
}

// conditional tells whether an argument is no value but a rule that is checked by itself.
func conditional(a *schema.Attribute) bool { return a.Name == "condition" }

// uses lists what all expressions of a nested block mention.
func (n *nested) uses() []use {
	var out []use
	n.each(func(a *attribute) { out = append(out, a.uses...) })
	return out
}

func usesOfAll(group []*nested) []use {
	var out []use
	for _, n := range group {
		out = append(out, n.uses()...)
	}
	return out
}

// nested evaluates one nested block; index is its number where there may be several, else -1.
func (d *decoder) nested(n *nested, index int) cty.Value {
	d.trail = append(d.trail, pathStep{name: n.desc.Name, index: index})
	attrs := d.object(n.body, nil)
	d.trail = d.trail[:len(d.trail)-1]
	if label := labelOf(n.desc); label != nil {
		attrs[label.Name] = cty.StringVal(n.label)
	}
	return cty.ObjectVal(attrs)
}

// attribute evaluates an argument and conforms it; with an error it is unknown.
func (d *decoder) attribute(a *attribute) cty.Value {
	v, ds := d.c.eval(a, d.ctx)
	d.list = append(d.list, ds...)
	if ds.HasErrors() {
		return cty.UnknownVal(a.desc.Type)
	}
	if !takesEphemeral(a.desc) {
		if ds := d.c.ephemeralIn(a, v, d.ctx); ds != nil {
			d.list = append(d.list, ds...)
			return cty.UnknownVal(a.desc.Type)
		}
	}
	v, ds = d.c.conform(a, v, d.ctx)
	d.list = append(d.list, ds...)
	if ds.HasErrors() {
		return cty.UnknownVal(a.desc.Type)
	}
	if a.desc.Required && v.IsNull() {
		rng := a.expr.Range()
		d.list = append(d.list, d.c.about(a, d.ctx, rng, "An argument is null", "%s is needed, and this is null: %s", a.name, a.desc.Doc)...)
		return cty.UnknownVal(a.desc.Type)
	}
	return v
}

// name finds the name of a run, fleet, volume or gateway.
func (d *decoder) name(out *Decoded) {
	v := out.Value.GetAttr("name")
	v, marks := v.Unmark()
	at := out.Block.DefRange
	if a := out.Block.body.attr("name"); a != nil {
		at = a.expr.Range()
	}
	switch {
	case !v.IsKnown():
		return
	case len(marks) > 0:
		d.list = append(d.list, diag.Errorf("A name is sensitive", "Names are shown everywhere, and this value is sensitive. Use another one, or nonsensitive(...) if it may be shown.").At(&at)...)
		return
	case !v.IsNull():
		out.Name = v.AsString()
		return
	case out.inst.unknown, out.inst.site().unknown():
		return
	}
	words := out.Addr.Words()
	name, err := value.NameFromLabel(words[0], words[1:]...)
	if err != nil {
		d.list = append(d.list, faults(err, at)...)
		return
	}
	out.Name = name.String()
}

// Job returns the value of the block for one job: rank of count nodes of a task, or a replica of a service. Attributes
// that do not mention node or replica are shared with Value. The code of the run, `repo` and `files`, is of the types that a
// job has: with what was found there, in place of where it is.
func (d *Decoded) Job(rank, count, replica int) (cty.Value, diag.List) {
	if len(d.perJob) == 0 {
		return d.jobs, nil
	}
	return d.job(cty.NumberIntVal(int64(rank)), cty.NumberIntVal(int64(count)), cty.NumberIntVal(int64(replica)))
}

func (d *Decoded) job(rank, count, replica cty.Value) (cty.Value, diag.List) {
	names := extra{
		"node":    cty.ObjectVal(map[string]cty.Value{"rank": rank, "count": count}),
		"replica": cty.ObjectVal(map[string]cty.Value{"index": replica}),
	}
	maps.Copy(names, d.inst.names())
	b := d.Block.body
	var uses [][]use
	for _, desc := range d.perJob {
		if a := b.attr(desc.Name); a != nil {
			uses = append(uses, a.uses)
		}
		uses = append(uses, usesOfAll(b.nestedOf(desc.Name)))
	}
	ctx, list := d.config.contextOf(d.inst.site(), d.scope, names, uses...)
	dec := decoder{c: d.config, ctx: ctx, list: list}
	attrs := d.jobs.AsValueMap()
	for _, desc := range d.perJob {
		if a := b.attr(desc.Name); a != nil {
			attrs[desc.Name] = dec.attribute(a)
		}
		if group := b.nestedOf(desc.Name); len(group) > 0 {
			attrs[desc.Name] = dec.blocks(group)
		}
	}
	dec.code(d, attrs)
	out := cty.ObjectVal(attrs)
	dec.jobRules(d, out)
	list = dec.list
	list.For(d.inst.label())
	list.Sort()
	d.config.Snippets(list)
	return out, list
}

// Origin says where an attribute was written, such as resources.gpu or volumes[0].path, and from what it was made:
// "var.gpu", "local.size". It is false for what was not written in this block.
func (d *Decoded) Origin(path string) (hcl.Range, []string, bool) {
	w, ok := d.written(path)
	return w.rng, mentioned(w.uses), ok
}

// writing is what a block says of an attribute.
type writing struct {
	rng  hcl.Range
	uses []use
}

// written finds where an attribute was written.
func (d *Decoded) written(path string) (writing, bool) {
	b := d.Block.body
	steps := splitPath(path)
	var around []use // what for_each of dynamic blocks around it mention
	for i, step := range steps {
		if a := b.attr(step.name); a != nil {
			part, _ := follow(a.expr, step.rest(steps[i+1:]))
			rng := part.Range()
			uses, iterated := usesIn(a.uses, rng), usesIn(a.iterated, rng)
			if len(iterated) > 0 {
				uses = slices.Concat(uses, around)
			}
			return writing{rng, uses}, true
		}
		var list []*nested
		if d.origins != nil {
			list = d.origins[pathOf(steps[:i], step.name)]
		}
		if list == nil {
			list = b.nestedOf(step.name)
		}
		n := max(step.index, 0)
		if n >= len(list) {
			return writing{}, false
		}
		if i == len(steps)-1 {
			return writing{list[n].defRange, list[n].uses()}, true
		}
		if list[n].dyn != nil {
			around = append(around, list[n].dyn.forEach.uses...)
		}
		b = list[n].body
	}
	return writing{}, false
}

// usesIn are the uses that stand in a part of an expression.
func usesIn(uses []use, part hcl.Range) []use {
	return slices.DeleteFunc(slices.Clone(uses), func(u use) bool {
		at := u.rng().Start.Byte
		return at < part.Start.Byte || at >= part.End.Byte
	})
}

// mentioned lists the names in uses, each once, in order of writing.
func mentioned(uses []use) []string {
	var out []string
	for _, u := range uses {
		if s := u.short(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// pathStep is one part of the path of an attribute: host[1].
type pathStep struct {
	name  string
	index int // -1 if there is none
	key   string
	keyed bool
}

func splitPath(path string) []pathStep {
	var out []pathStep
	for part := range strings.SplitSeq(path, ".") {
		name, index, found := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		s := pathStep{name: name, index: -1}
		if found {
			if n, ok := number(index); ok {
				s.index = n
			} else {
				s.key, s.keyed = strings.Trim(index, `"`), true
			}
		}
		out = append(out, s)
	}
	return out
}

// rest is the path below an attribute.
func (s pathStep) rest(below []pathStep) cty.Path {
	var p cty.Path
	for i, b := range append([]pathStep{s}, below...) {
		if i > 0 {
			p = p.GetAttr(b.name)
		}
		switch {
		case b.index >= 0:
			p = p.IndexInt(b.index)
		case b.keyed:
			p = p.IndexString(b.key)
		}
	}
	return p
}

func number(s string) (int, bool) {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, s != ""
}
