package planner

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// backendBlock is an evaluated backend block.
type backendBlock struct {
	block             *config.Block
	provider, runtime string
	regions           []string
	settings          cty.Value    // an object, unmarked per leaf kept; null when unset
	written           cty.Value    // all that the block says
	open              *config.Open // what it depends on that is not known yet, nil if nothing
	declared          string
	at                *diag.Range
	settingAt         func(name string) *diag.Range // where a setting is written, nil for one that is not
}

// backendBlocks evaluates the blocks `backend`. What they refer to counts as the scope has it: when a plan is made, as it is
// recorded.
func (p *Planner) backendBlocks(scope config.Scope) (map[string]backendBlock, diag.List) {
	out := map[string]backendBlock{}
	var diags diag.List
	for _, b := range p.Config.Blocks() {
		if b.Addr.Type != "backend" {
			continue
		}
		d, ds := p.Config.Decode(config.Instance{Addr: b.Addr.Instance(addr.NoKey), Block: b}, scope)
		diags = append(diags, ds...)
		if ds.HasErrors() {
			continue
		}
		v := desired.Merge(b.Type.Object, d.Value, cty.NullVal(cty.EmptyObject))
		conf, err := schema.Decode[schema.Backend](v)
		if err != nil {
			diags = append(diags, diag.From(err, "Backend cannot be read").At(&b.DefRange)...)
			continue
		}
		if conf.Provider == "" {
			conf.Provider = b.Addr.Name
		}
		one := backendBlock{block: b, provider: conf.Provider, runtime: conf.Runtime, regions: conf.Regions, settings: v.GetAttr("settings"), written: v,
			declared: fmt.Sprintf("%s:%d", b.DefRange.Filename, b.DefRange.Start.Line), at: diag.FromRange(&b.DefRange), settingAt: settingPlace(d)}
		if plain, _ := v.UnmarkDeep(); !plain.IsWhollyKnown() {
			open := d.Open()
			one.open = &open
		}
		out[b.Addr.Name] = one
	}
	return out, diags
}

// settingPlace says where a setting is written; nil for one that is not.
func settingPlace(d *config.Decoded) func(name string) *diag.Range {
	return func(name string) *diag.Range {
		rng, _, ok := d.Origin("settings." + name)
		if !ok {
			return nil
		}
		return diag.FromRange(&rng)
	}
}

// errBackendDeferred says that a plan is to be begun anew, without a backend.
var errBackendDeferred = errors.New("a backend is deferred")

// withdraw finds backends whose blocks depend on something that this very plan changes: they were opened as it is recorded,
// and what it will be is seen only now. Nothing new is planned on them, as long as that is not done.
func (w *walk) withdraw() bool {
	found := false
	for _, name := range slices.Sorted(maps.Keys(w.blocks)) {
		b := w.blocks[name]
		if _, before := w.backends.deferred[name]; before || len(w.p.Config.References(b.block)) == 0 {
			continue
		}
		d, ds := w.p.Config.Decode(config.Instance{Addr: b.block.Addr.Instance(addr.NoKey), Block: b.block}, w)
		if ds.HasErrors() {
			continue // it could be evaluated with what is recorded
		}
		v := desired.Merge(b.block.Type.Object, d.Value, cty.NullVal(cty.EmptyObject))
		if v.RawEquals(b.written) {
			continue
		}
		open := d.Open()
		if open.Reference == "" { // known, and another one
			for _, ref := range w.p.Config.References(b.block) {
				if w.changing(ref.To) != nil {
					open = config.Open{Reference: ref.Traversal, To: ref.To}
				}
			}
		}
		w.backends.deferred[name] = open
		if b := w.backends.all[name]; b != nil {
			b.declared = ""
		}
		found = true
	}
	return found
}

// waitsForBackend defers a block that names a backend that is deferred, or that has no other to be made on.
func (w *walk) waitsForBackend(d *config.Decoded, names []string) bool {
	if len(w.backends.deferred) == 0 {
		return false
	}
	if names == nil && len(w.backends.declaredNames()) == 0 {
		names = slices.Sorted(maps.Keys(w.backends.deferred))
	}
	for _, name := range names {
		if _, deferred := w.backends.deferred[name]; deferred {
			w.heldBy[d.Addr.Block.String()] = name
			w.postpone(d.Addr.Block, w.whyHeld(name))
			return true
		}
	}
	return false
}

func (w *walk) whyHeld(name string) string {
	return fmt.Sprintf("the settings of backend.%s depend on %s", name, w.untilRecorded(w.backends.deferred[name]))
}

// deferredBackends tells about backends that are deferred themselves. What names no backend was planned without them. Now
// that all is settled it is also known what becomes of what they depend on.
func (w *walk) deferredBackends() {
	for i, n := range w.deferred {
		if name := w.heldBy[n.Address]; name != "" {
			w.deferred[i].Text = w.whyHeld(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.backends.deferred)) {
		w.postpone(addr.Block{Type: "backend", Name: name}, "its settings depend on "+w.untilRecorded(w.backends.deferred[name]))
	}
}

// untilRecorded says when a value is known that depends on what is recorded.
func (w *walk) untilRecorded(o config.Open) string {
	text := o.Reference
	if o.By != "" {
		text += " (by way of " + o.By + ")"
	}
	switch it := w.changing(o.To); {
	case o.Reference == "":
		return "what is known only after apply"
	case it != nil && it.action != plan.Delete:
		return text + ", which is known only after " + it.name + " " + will(it.action)
	case !w.known[o.To]:
		return text + ", which is known only after " + o.To.String() + " is created"
	}
	return text + ", which is known only after apply"
}

// backendNames are the backends that a fleet or run names, nil if any will do. Unknown names defer it.
func (w *walk) backendNames(d *config.Decoded, v cty.Value) (names []string, known bool) {
	list, _ := v.GetAttr("backends").UnmarkDeep()
	if !list.IsWhollyKnown() {
		w.postpone(d.Addr.Block, "its backends depend on "+w.until(d.Open("backends", "profile")))
		return nil, false
	}
	if list.IsNull() {
		return nil, true
	}
	names = []string{}
	for _, n := range list.AsValueSlice() {
		if !n.IsNull() {
			names = append(names, n.AsString())
		}
	}
	return names, true
}

// waitsToBePlaced tells whether a fleet or run has to wait for its backend.
func (w *walk) waitsToBePlaced(d *config.Decoded, v cty.Value) bool {
	names, known := w.backendNames(d, v)
	return !known || w.waitsForBackend(d, names)
}

// staysPutOff tells whether the first walk has deferred a fleet or run: then it has no place, so that it stays deferred.
func (w *walk) staysPutOff(d *config.Decoded) bool {
	if !w.putOff[d.Addr.Block] {
		return false
	}
	w.postpone(d.Addr.Block, "it depends on where others are placed, which is known only after apply")
	return true
}

// backendValue is what references to a backend get: nothing that may be secret.
func backendValue(name string, written cty.Value) cty.Value {
	provider := written.GetAttr("provider")
	if provider.IsNull() {
		provider = cty.StringVal(name)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal("backend." + name), "name": cty.StringVal(name), "provider": provider,
		"regions": written.GetAttr("regions"), "runtime": written.GetAttr("runtime"),
	})
}
