package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// leave adds what is recorded and wanted by nobody: it is destroyed. In a destroy plan that is everything.
func (w *walk) leave() {
	for _, rec := range slices.SortedFunc(maps.Values(w.records), func(a, b *record) int {
		return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.Deposed, b.Deposed))
	}) {
		a := rec.addr
		if it := w.items[a]; it != nil && rec.Deposed == "" {
			if w.opts.Destroy {
				w.destroy(it, "destroy was asked for")
			} else if w.ended[a] {
				w.endedLeaves(it)
			} else if it.frozen {
				w.frozenLeaves(it)
			}
			continue
		}
		if (w.dropped[a.Block.Block] || rec.imported != nil && w.isDropped(a.Block.Block)) && !w.opts.Destroy {
			continue // deferred: nothing is known about it
		}
		why := w.whyDestroy(a, rec.Deposed)
		it := &item{addr: a, name: rec.Address, kind: rec.Kind, object: schema.KindObject(rec.Kind), backend: rec.Backend, rec: rec, forced: map[string]string{}}
		w.order = append(w.order, it)
		if rec.Deposed == "" {
			w.items[a] = it
		}
		w.destroy(it, why)
		w.forget(it)
	}
	w.forgetShared()
	if !w.opts.Destroy {
		return
	}
	w.order = slices.DeleteFunc(w.order, func(it *item) bool { return it.rec == nil })
}

// destroy makes an item one that goes.
func (w *walk) destroy(it *item, why string) {
	it.action, it.reason, it.want, it.fresh = plan.Delete, why, cty.NilVal, false
	it.note, it.supports, it.placement = "", nil, nil
	it.endsRun = it.kind == addr.KindJob && (w.opts.Destroy || !w.hasRepetition(it.addr.Block))
	it.result, it.after = diff.Result{}, diff.Result{}
	it.needs = it.rec.Needs
}

// endedLeaves takes an ended job out of the record when its instance goes; the section runs keeps how it ended.
func (w *walk) endedLeaves(it *item) {
	if !w.leaves(it, w.instanceOf(it)) {
		return
	}
	it.action, it.reason = plan.Delete, "it has "+it.note+", and what it ran on goes"
	it.want = cty.NilVal
	it.needs = it.rec.Needs
}

// frozenLeaves ends what is recorded of a deferred block where what it stands on goes. The block is planned by the next run.
func (w *walk) frozenLeaves(it *item) {
	switch {
	case !it.exists():
	case it.kind == addr.KindJob && w.leaves(it, w.instanceOf(it)):
		w.destroy(it, "its block is deferred, and what it runs on goes")
	case it.kind == addr.KindSupport:
		for _, name := range []string{"owner", "target"} {
			a, err := addr.ParseResource(desired.Text(it.rec.value, name))
			if on := w.items[a]; err == nil && (on == nil || on.goes()) {
				w.destroy(it, "its block is deferred, and "+a.String()+" goes")
				return
			}
		}
	}
}

// whyDestroy says why nobody wants an address any more.
func (w *walk) whyDestroy(a addr.Resource, deposed string) string {
	if deposed != "" {
		return "it was replaced, and waits to be deleted"
	}
	if w.opts.Destroy {
		return "destroy was asked for"
	}
	if why := w.discarded[a]; why != "" {
		return why
	}
	rec := w.ownRecord(a)
	was := ""
	if rec.Declared.File != "" {
		was = fmt.Sprintf(" (was %s:%d)", rec.Declared.File, rec.Declared.Line)
	}
	b := w.p.Config.Block(a.Block.Block)
	switch {
	case a.Kind() == addr.KindSupport:
		return "nothing needs it any more"
	case b == nil && w.moved.previous[rec.Ref()] != "":
		return fmt.Sprintf("it moved here, and there is no block %s", a.Block.Block)
	case b == nil:
		return "no block of this name any more" + was
	case a.Block.Key.IsSet() && !b.Repeats():
		return "its block has neither count nor for_each any more" + was
	case !a.Block.Key.IsSet() && b.Repeats():
		return "its block has count or for_each now" + was
	case !w.hasRepetition(a.Block):
		if _, isInt := a.Block.Key.Int(); isInt {
			return "count is smaller now" + was
		}
		return "its key is not in for_each any more" + was
	case a.Kind() == addr.KindInstance && (a.Block.Type != "fleet"):
		return "its run has no job on it, and its idle time is over"
	case a.Kind() == addr.KindInstance:
		return "its fleet has fewer instances now" + was
	case a.Kind() == addr.KindJob:
		return "its run has fewer jobs now" + was
	}
	return "nobody wants it any more" + was
}

func (w *walk) hasRepetition(a addr.Instance) bool {
	for _, f := range w.fleets[a.Block] {
		if f.Addr == a {
			return true
		}
	}
	for _, r := range w.runs[a.Block] {
		if r.Addr == a {
			return true
		}
	}
	return w.items[a.Self()] != nil
}

// declOf finds the decoded block of an instance that is still there.
func (w *walk) declOf(a addr.Instance) *config.Decoded {
	for _, f := range w.fleets[a.Block] {
		if f.Addr == a || !f.Addr.Key.IsSet() {
			return f.decl
		}
	}
	for _, r := range w.runs[a.Block] {
		if r.Addr == a || !r.Addr.Key.IsSet() {
			return r.decl
		}
	}
	for _, it := range w.selves[a.Block] {
		return it.decl
	}
	return nil
}

// dataAtRisk says what is lost with a volume.
func dataAtRisk(it *item) string {
	if it.kind != addr.KindVolume || it.rec == nil || it.rec.presence == providers.Gone || desired.Text(it.rec.live(), "volume_id") != "" {
		return ""
	}
	if size := desired.Text(it.rec.live(), "size"); size != "" {
		return size + " of data"
	}
	return "its data"
}
