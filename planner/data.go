package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// readings are the blocks `data` of a plan: what is to be looked up, and what was found. What was found once is not asked
// again in the second walk.
type readings struct {
	open    []*config.Decoded                     // of the level at hand
	found   map[addr.Block]map[addr.Key]cty.Value // in this walk
	answers map[string]*answer                    // by what was asked, for all walks
}

// answer is what backends said to one question.
type answer struct {
	offers []schema.Offer
	more   int // that were left out because of the limit
	diags  diag.List
}

// data notes a block to be looked up. What it asks for must be known, and what it is to wait for must be done.
func (w *walk) data(d *config.Decoded) {
	plain, _ := d.Value.UnmarkDeep()
	if !plain.IsWhollyKnown() {
		w.postpone(d.Addr.Block, "what it looks up depends on "+w.until(d.Open()))
		return
	}
	for _, ref := range d.Meta.DependsOn {
		if it := w.changing(config.Target(d.Addr.Block, ref)); it != nil {
			w.postpone(d.Addr.Block, "it depends on "+ref.Traversal+", and "+it.name+" "+will(it.action)+" first")
			return
		}
	}
	w.reads.open = append(w.reads.open, d)
}

// until says when a value is known that is not known yet.
func (w *walk) until(o config.Open) string {
	if o.Reference == "" {
		return "what is known only after apply"
	}
	text := o.Reference
	if o.By != "" {
		text += " (by way of " + o.By + ")"
	}
	if it := w.changing(o.To); it != nil && it.action != plan.Delete {
		return text + ", which is known only after " + it.name + " " + will(it.action)
	}
	return text + ", which is known only after apply"
}

// changing is the first item of a block, or in a module, that does not stay as it is, nil if there is none. Steps of the
// path without a key stand for all instances of the module.
func (w *walk) changing(target addr.Block) *item {
	for _, it := range w.order {
		if it.kind != addr.KindSupport && it.action != "" && it.action != plan.NoOp && means(target, it.addr.Block.Block) {
			return it
		}
	}
	return nil
}

// means tells whether a reference to a block or module is about b.
func means(target, b addr.Block) bool {
	switch {
	case target == b:
		return true
	case target.Type == "module":
		return b.Module.Within(target.Module.Child(target.Name, addr.NoKey))
	}
	return b.Type == target.Type && b.Name == target.Name && b.Module.Static() == target.Module.Static() && b.Module.Within(target.Module)
}

// will says what happens to something.
func will(a plan.Action) string {
	switch {
	case a == plan.Create:
		return "is created"
	case a.IsReplace():
		return "is replaced"
	case a == plan.Update:
		return "is changed"
	}
	return "goes"
}

// lookUp asks for what was noted, all of it side by side.
func (w *walk) lookUp(ctx context.Context) {
	open := w.reads.open
	w.reads.open = nil
	if len(open) == 0 || w.opts.Destroy {
		return
	}
	queries := make([]offer.Query, len(open))
	limits := make([]int, len(open))
	keys := make([]string, len(open))
	for i, d := range open {
		q, limit, err := query(d)
		if err != nil {
			w.fail(d, "Offers cannot be looked up", err)
			continue
		}
		queries[i], limits[i] = q, limit
		keys[i] = fmt.Sprintf("%s %d %d", offer.Key(q.Need), q.Count, limit)
	}
	asked := make([]*answer, len(open))
	var wg sync.WaitGroup
	for i, key := range keys {
		if key == "" || w.reads.answers[key] != nil || slices.Contains(keys[:i], key) {
			continue
		}
		wg.Go(func() { asked[i] = w.askOffers(ctx, queries[i], limits[i]) })
	}
	wg.Wait()
	for i, a := range asked {
		if a != nil {
			w.reads.answers[keys[i]] = a
		}
	}
	for i, d := range open {
		a := w.reads.answers[keys[i]]
		if a == nil {
			continue
		}
		for _, said := range a.diags {
			one := *said
			w.diags = append(w.diags, (diag.List{&one}).At(&d.Block.DefRange).For(d.Addr.String())...)
		}
		if !a.diags.HasErrors() {
			putRepetition(w.reads.found, d.Addr, withAddress(found(a.offers), d.Addr.String()))
		}
	}
}

// query is what a block `data "offers"` asks for, and how many offers it takes.
func query(d *config.Decoded) (offer.Query, int, error) {
	v := desired.Merge(d.Block.Type.Object, d.Value, cty.NullVal(cty.EmptyObject))
	need, err := desired.Requirements(v)
	if err != nil {
		return offer.Query{}, 0, err
	}
	asked, err := schema.Decode[schema.OffersData](v)
	if err != nil {
		return offer.Query{}, 0, fmt.Errorf("read what is asked for: %w", err)
	}
	need.MultiNode = asked.Nodes > 1
	return offer.Query{Need: need, Count: asked.Nodes}, asked.Limit, nil
}

// askOffers puts one question to the backends.
func (w *walk) askOffers(ctx context.Context, q offer.Query, limit int) *answer {
	sel, diags := w.backends.offers(ctx, q)
	all := offer.FoldZones(sel.Usable)
	taken := all[:min(len(all), limit)]
	return &answer{offers: taken, more: len(all) - len(taken), diags: diags}
}

// found is what a block `data "offers"` is worth.
func found(offers []schema.Offer) cty.Value {
	out := schema.OffersFound{Offers: []schema.FoundOffer{}}
	for _, o := range offers {
		out.Offers = append(out.Offers, o.Found())
	}
	if len(out.Offers) > 0 {
		out.First = &out.Offers[0]
	}
	return schema.Encode(out)
}

func putRepetition(of map[addr.Block]map[addr.Key]cty.Value, a addr.Instance, v cty.Value) {
	if of[a.Block] == nil {
		of[a.Block] = map[addr.Key]cty.Value{}
	}
	of[a.Block][a.Key] = v
}

// lookedUp writes down what was found.
func (w *walk) lookedUp(p *plan.Plan) error {
	for b, of := range w.reads.found {
		for k, v := range of {
			a := b.Instance(k)
			raw, err := schema.MarshalValue(v)
			if err != nil {
				return fmt.Errorf("%s: %w", a, err)
			}
			p.Data = append(p.Data, plan.Data{Address: a.String(), Value: raw, Found: inWords(v)})
		}
	}
	slices.SortFunc(p.Data, func(a, b plan.Data) int { return cmp.Compare(a.Address, b.Address) })
	return nil
}

// inWords says in a few words what was found.
func inWords(v cty.Value) string {
	offers, err := schema.Decode[schema.OffersFound](v)
	if err != nil || len(offers.Offers) == 0 {
		return "no offer"
	}
	n := "1 offer"
	if len(offers.Offers) > 1 {
		n = fmt.Sprintf("%d offers", len(offers.Offers))
	}
	f := offers.First
	parts := []string{strings.TrimSpace(f.Backend + " " + f.Region), f.InstanceType}
	if f.Spot {
		parts = append(parts, "spot")
	}
	if f.Price != nil {
		parts = append(parts, value.MoneyOf(*f.Price).Hourly())
	} else {
		parts = append(parts, "price unknown")
	}
	return n + ", first " + strings.Join(parts, "  ")
}

// recordedData reads what a plan has found.
func recordedData(p *plan.Plan) (map[addr.Block]map[addr.Key]cty.Value, error) {
	out := map[addr.Block]map[addr.Key]cty.Value{}
	for _, d := range p.Data {
		a, err := addr.ParseInstance(d.Address)
		if err != nil {
			return nil, err
		}
		v, err := schema.UnmarshalValue(schema.Of[schema.OffersFound](), d.Value)
		if err != nil {
			return nil, fmt.Errorf("what the plan has found for %s cannot be read: %w", d.Address, err)
		}
		putRepetition(out, a, withAddress(v, d.Address))
	}
	return out, nil
}
