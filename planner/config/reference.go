package config

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
)

// use is one mention of a name in an expression.
type use struct {
	root      string // var, local, each, count, path, node, replica, self, or the type of a block
	name      string // the step after it, "" if that is not a plain name; of a block with two labels both: offers.cheap
	traversal hcl.Traversal
}

func (u use) rng() hcl.Range { return u.traversal.SourceRange() }

// block is the address of the block that is meant, if the root is the type of one.
func (u use) block() addr.Block { return addr.Block{Type: u.root, Name: u.name} }

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

// reference makes of a use of a block what the planner gets.
func (u use) reference(dependsOn bool) Reference {
	return Reference{To: u.block(), Key: u.key(), Range: u.rng(), Traversal: traversalText(u.traversal), DependsOn: dependsOn}
}
