package planner

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// item is one resource instance on its way into the plan: what is wanted, what is there, and what follows.
type item struct {
	addr    addr.Resource
	name    string // the address as text
	kind    string
	object  *schema.Object
	backend string

	rec  *record         // what is recorded under the address, nil if nothing
	decl *config.Decoded // the block that wants it; nil for support and for what nobody wants
	want cty.Value       // of the kind's type, marks kept; cty.NilVal when nobody wants it

	result  diff.Result
	clean   diff.Value        // want without secrets
	forced  map[string]string // paths that force a replacement, with why
	action  plan.Action
	reason  string
	note    string // what is worth a word though nothing happens
	planned cty.Value
	kept    bool       // planned has what is kept of the old object
	final   diff.Value // planned without secrets
	after   diff.Result
	fresh   bool // the old one has ended: shown as a create though it is deleted first

	newFirstFor string // the address of what needs the new one before the old one goes

	asked     bool // --replace names it
	frozen    bool // of a deferred block: it stays as it is
	unplanned bool // something would be done with it, and the plan is asked to leave it out

	needs    []string // addresses of resources and blocks that it stands on
	supports []plannedSupport

	offer     *schema.Offer
	zone      string
	group     string
	open      []string // attributes in which the candidates of its group differ
	leftOut   []plan.LeftOut
	placement *plan.Placement
	mounts    []string // volumes that its job mounts, as chosen by placement
	attempt   int
	endsRun   bool
	stray     string // idempotency key of an object that no record knows
	intent    *statefile.Intent
	found     *providers.Found[cty.Value]
}

// plannedSupport is a support object that the provider named for an item.
type plannedSupport struct {
	addr  addr.Resource
	value schema.Support
	other bool // only a candidate after the first needs it
}

// exists tells whether there is an object now, as far as anybody knows.
func (it *item) exists() bool {
	return it.rec != nil && it.rec.presence != providers.Gone
}

// acts tells whether anything is done with it.
func (it *item) acts() bool { return it.action != plan.NoOp || it.importing() }

// comes tells whether a new object is made.
func (it *item) comes() bool {
	return it.action == plan.Create || it.action.IsReplace()
}

// goes tells whether the object that is there ends.
func (it *item) goes() bool {
	return it.action == plan.Delete || it.action.IsReplace() || it.fresh && it.exists()
}

// settled is the planned value as references get it: what the candidates of its group do not agree in is not known before
// one of them is taken.
func (it *item) settled() cty.Value {
	if len(it.open) == 0 {
		return it.planned
	}
	set := map[string]cty.Value{}
	for _, name := range it.open {
		set[name] = cty.UnknownVal(it.object.Attr(name).Type)
	}
	return desired.WithAttrs(it.planned, set)
}

// stays tells whether the object that is there is there afterwards.
func (it *item) stays() bool { return it.exists() && !it.goes() && it.action != plan.Forget }

// sortItems orders items as people read them.
func sortItems(items []*item) {
	slices.SortStableFunc(items, func(a, b *item) int { return a.addr.Compare(b.addr) })
}
