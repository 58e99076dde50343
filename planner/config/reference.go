package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// use is one mention of a name in an expression.
type use struct {
	root      string // var, local, each, count, path, node, replica, self, or the type of a block
	name      string // the step after it, "" if that is not a plain name; of a block with two labels both: offers.cheap
	traversal hcl.Traversal
	own       string // each.key or count.index, where that is the key that stands in the traversal
}

func (u use) rng() hcl.Range { return u.traversal.SourceRange() }

// short is the part of the traversal that names something: var.gpu, fleet.train.
func (u use) short() string {
	if u.name == "" {
		return u.root
	}
	return u.root + "." + u.name
}

// perJob tells whether the name has another value for each job.
func (u use) perJob() bool { return u.root == "node" || u.root == "replica" }

// usesOf lists what an expression mentions; nil for a constant.
func usesOf(expr hcl.Expression) []use {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return nil
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return nil
		}
	}
	traversals := expr.Variables()
	if len(traversals) == 0 {
		return nil
	}
	out := make([]use, len(traversals))
	for i, t := range traversals {
		out[i] = useOf(t)
	}
	return out
}

func useOf(t hcl.Traversal) use {
	u := use{root: t.RootName(), traversal: t}
	u.name = stepText(t, 1)
	if labels(u.root) == 2 {
		if second := stepText(t, 2); second != "" {
			u.name += "." + second
		}
	}
	return u
}

// labels is how many steps behind the root of a traversal name a block.
func labels(root string) int {
	if root == "data" {
		return 2
	}
	return 1
}

// stepText is the name that a step of a traversal says, "" if it says none.
func stepText(t hcl.Traversal, i int) string {
	if len(t) <= i {
		return ""
	}
	switch step := t[i].(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString()
		}
	}
	return ""
}

// key is the repetition that a traversal of a block names.
func (u use) key() addr.Key {
	at := 1 + labels(u.root)
	if len(u.traversal) <= at {
		return addr.NoKey
	}
	step, ok := u.traversal[at].(hcl.TraverseIndex)
	if !ok || step.Key.IsNull() || !step.Key.IsKnown() {
		return addr.NoKey
	}
	switch step.Key.Type() {
	case cty.String:
		return addr.String(step.Key.AsString())
	case cty.Number:
		if n, acc := step.Key.AsBigFloat().Int64(); acc == 0 && n >= 0 {
			return addr.Int(int(n))
		}
	}
	return addr.NoKey
}

// traversalText prints a traversal as it is written.
func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteByte('.')
			b.WriteString(step.Name)
		case hcl.TraverseSplat:
			b.WriteString("[*]")
		case hcl.TraverseIndex:
			b.WriteByte('[')
			switch {
			case step.Key.IsNull() || !step.Key.IsKnown():
				b.WriteByte('?')
			case step.Key.Type() == cty.String:
				b.WriteString(strconv.Quote(step.Key.AsString()))
			case step.Key.Type() == cty.Number:
				b.WriteString(step.Key.AsBigFloat().Text('f', -1))
			}
			b.WriteByte(']')
		}
	}
	return b.String()
}

// output is the output of a module that a use names, "" where it means the module as a whole.
func (u use) output() string {
	rest := u.traversal[min(2, len(u.traversal)):]
	if len(rest) > 0 {
		if _, key := rest[0].(hcl.TraverseIndex); key {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		if step, ok := rest[0].(hcl.TraverseAttr); ok {
			return step.Name
		}
	}
	return ""
}

// reference makes of a use of a block in a module what the planner gets.
func (u use) reference(m *Module, dependsOn bool) Reference {
	return Reference{To: m.block(u), Key: u.key(), Range: u.rng(), Traversal: traversalText(u.traversal), DependsOn: dependsOn}
}

// links are the blocks that something refers to, also by way of locals, variables of modules and their outputs.
type links struct {
	closed  bool // refs was computed, or is being computed
	refs    []Reference
	endless bool // it is part of a cycle, or depends on one, so it is not evaluated
}

// linker collects references, each block once for each key.
type linker struct {
	refs []Reference
	seen map[linkKey]int // where it is in refs
}

type linkKey struct {
	to        addr.Block
	key       addr.Key
	dependsOn bool
}

func (l *linker) add(refs ...Reference) {
	for _, r := range refs {
		k := linkKey{r.To, r.Key, r.DependsOn}
		if at, ok := l.seen[k]; ok {
			l.refs[at].Named = l.refs[at].Named && r.Named
			continue
		}
		if l.seen == nil {
			l.seen = map[linkKey]int{}
		}
		l.seen[k] = len(l.refs)
		l.refs = append(l.refs, r)
	}
}

// link adds what a list of uses in a module refers to.
func (c *Config) link(l *linker, m *Module, uses []use, dependsOn bool) {
	for _, u := range uses {
		switch u.root {
		case "local":
			if o := m.locals[u.name]; o != nil {
				l.add(c.closure(&o.links, m, o.attr.uses)...)
			}
		case "var":
			if v := m.variables[u.name]; v != nil {
				l.add(c.inputRefs(m, v)...)
			}
		case "module":
			child := m.children[u.name]
			switch {
			case child == nil:
			case dependsOn:
				l.add(u.reference(m, true))
			default:
				l.add(c.outputRefs(child, u.output())...)
			}
		default:
			if c.byAddr[m.block(u)] != nil || u.root == PlanName {
				l.add(u.reference(m, dependsOn))
			}
		}
	}
}

// closure finds the blocks that something depends on, once.
func (c *Config) closure(l *links, m *Module, uses []use) []Reference {
	if !l.closed {
		l.closed = true
		var found linker
		c.link(&found, m, uses, false)
		l.refs = found.refs
	}
	return l.refs
}

// inputRefs are the blocks that the value of a variable depends on: what the module is called with.
func (c *Config) inputRefs(m *Module, v *variable) []Reference {
	if m.Call == nil || v.closed {
		return v.refs
	}
	if a := m.Call.body.attr(v.name); a != nil {
		return c.closure(&v.links, m.parent, a.uses)
	}
	return nil
}

// outputRefs are the blocks that an output of a module depends on; all of them for "".
func (c *Config) outputRefs(m *Module, name string) []Reference {
	names := []string{name}
	if name == "" {
		names = m.names["output"]
	}
	var out []Reference
	for _, n := range names {
		if b := c.output(m, n); b != nil {
			out = append(out, c.blockRefs(b)...)
		}
	}
	return out
}

// blockRefs finds the blocks that a block depends on. What stands in a module also depends on what its call does.
func (c *Config) blockRefs(b *Block) []Reference {
	if b.closed {
		return b.refs
	}
	b.closed = true
	m := b.module
	var found linker
	b.eachAttribute(func(a *attribute, top *schema.Attribute) {
		if b.Type.Name == "module" && a != b.count && a != b.forEach && a != b.dependOn {
			return // each variable depends on what it is given
		}
		direct := linker{}
		c.link(&direct, m, a.uses, a == b.dependOn || a.name == "depends_on")
		if top != nil && top.Ref && !slices.ContainsFunc(a.uses, func(u use) bool { return u.root == "local" || u.root == "var" || u.root == "module" }) {
			for i := range direct.refs {
				direct.refs[i].Named = true
			}
		}
		found.add(direct.refs...)
	})
	if m.Call != nil {
		call := c.blockRefs(m.Call)
		for _, r := range call {
			if r.DependsOn {
				found.add(r)
			}
		}
		if slices.ContainsFunc(call, func(r Reference) bool { return !r.DependsOn }) {
			found.add(Reference{To: m.Call.Addr, Range: m.Call.DefRange, Traversal: m.Call.Addr.String()})
		}
	}
	b.refs = found.refs
	return b.refs
}
