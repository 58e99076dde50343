package planner

import (
	"fmt"
	"slices"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
)

// forgotten is the block `removed` that lets a recorded thing go on outside of the state, nil if there is none.
func (w *walk) forgotten(a addr.Resource) *config.Removed {
	for _, r := range w.p.Config.Removed() {
		if !r.Destroy && r.From.Within(r.Module).Contains(a) {
			return &r
		}
	}
	return nil
}

// forget takes out of the state, in place of destroying it, what a block `removed` wants to go on. Old objects that wait for
// their end are none of it.
func (w *walk) forget(it *item) {
	if it.rec.Deposed != "" || it.rec.presence == providers.Gone {
		return
	}
	if r := w.forgotten(it.addr); r != nil {
		it.action = plan.Forget
		it.reason = fmt.Sprintf("removed block with destroy = false, %s:%d", r.Place.Filename, r.Place.Start.Line)
	}
}

// forgetShared takes out of the state what several things of a backend share, when only forgotten ones still stand on it:
// they go on, so that it could not be destroyed.
func (w *walk) forgetShared() {
	for _, it := range w.order {
		if it.kind != addr.KindSupport || it.addr.Block.Type != "backend" || it.action != plan.Delete {
			continue
		}
		for _, user := range w.order {
			if user.action == plan.Forget && user.rec != nil && slices.Contains(user.rec.Needs, it.name) {
				it.action, it.reason = plan.Forget, user.name+" is forgotten, and stands on it"
				break
			}
		}
	}
}

// stillThere finds things that are said to be removed and that the configuration wants.
func (w *walk) stillThere() diag.List {
	var diags diag.List
	for _, r := range w.p.Config.Removed() {
		if r.From.IsModule() || r.From.Block().Module != addr.Root || r.Module != addr.Root {
			continue // the blocks themselves were compared when they were read
		}
		from := r.From.Resource()
		switch it := w.items[from]; {
		case r.From.IsBlock() && !w.hasRepetition(r.From.Block()):
			continue
		case !r.From.IsBlock() && (it == nil || it.decl == nil):
			continue
		}
		diags = append(diags, diag.Errorf("What was removed is still there", "%s is said to be removed, but the configuration still has it. Take it out, or remove this block.", r.From).At(&r.FromRange)...)
	}
	return diags
}
