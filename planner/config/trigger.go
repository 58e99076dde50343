package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Trigger is a reference in replace_triggered_by.
type Trigger struct {
	Reference
	Path string // what is meant of the block: size, instance[0].id; "" for all of it
}

// trigger reads an element of replace_triggered_by. Beside what any list of references takes, its key may be that of the
// block's own repetition: volume.data[each.key].size. Such a key is unknown in the traversal; what says it is a use too.
func trigger(expr hcl.Expression) ([]use, bool) {
	var rest hcl.Traversal
	if rel, ok := expr.(*hclsyntax.RelativeTraversalExpr); ok {
		expr, rest = rel.Source, rel.Traversal
	}
	index, ok := expr.(*hclsyntax.IndexExpr)
	if !ok {
		return nil, false
	}
	of, ok := index.Collection.(*hclsyntax.ScopeTraversalExpr)
	key, isKey := index.Key.(*hclsyntax.ScopeTraversalExpr)
	if !ok || !isKey || len(of.Traversal) != 1+labels(of.Traversal.RootName()) {
		return nil, false
	}
	own := useOf(key.Traversal)
	if own.short() != "each.key" && own.short() != "count.index" || len(own.traversal) != 2 {
		return nil, false
	}
	t := append(of.Traversal[:len(of.Traversal):len(of.Traversal)], hcl.TraverseIndex{Key: cty.DynamicVal, SrcRange: index.BracketRange})
	u := useOf(append(t, rest...))
	u.own = own.short()
	return []use{u, own}, true
}

// triggers are the references of replace_triggered_by, for one repetition of the block.
func (d *decoder) triggers(a *attribute, out *Decoded) {
	for _, u := range a.uses {
		if !replaceable(u.root) {
			continue // the key of another one
		}
		t := Trigger{Reference: u.reference(out.Block.module, false), Path: u.path()}
		if u.own != "" && !out.inst.unknown {
			t.Key = out.Addr.Key
			t.Traversal = strings.Replace(t.Traversal, "[?]", t.Key.String(), 1)
		}
		out.Meta.ReplaceTriggeredBy = append(out.Meta.ReplaceTriggeredBy, t)
	}
}

// replaceable tells whether blocks of a type stand for resources.
func replaceable(root string) bool {
	switch root {
	case "fleet", "volume", "gateway", "task", "service", "dev_environment":
		return true
	}
	return false
}

// checkTrigger says what is wrong with a name in replace_triggered_by.
func checkTrigger(u use) (summary, detail string) {
	if replaceable(u.root) || u.root == "each" || u.root == "count" {
		return "", ""
	}
	return "Reference is no resource", fmt.Sprintf("replace_triggered_by names what is made and destroyed, such as volume.data, or an attribute of it, such as volume.data.size; %s is neither. What depends on a plain value goes into an attribute that replaces when it changes.", u.short())
}

// path is what a traversal says behind a block and its key: size, instance[0].id.
func (u use) path() string {
	at := 1 + labels(u.root)
	if len(u.traversal) <= at {
		return ""
	}
	rest := u.traversal[at:]
	if _, ok := rest[0].(hcl.TraverseIndex); ok {
		rest = rest[1:]
	}
	return strings.TrimPrefix(traversalText(rest), ".")
}
