package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// Offers asks every backend of the configuration once for what would satisfy a need, and gives what fits, best first, and
// what does not. A backend that cannot be asked is a warning, unless none can.
func (p *Planner) Offers(ctx context.Context, state *statefile.State, query offer.Query) (offer.Selection, diag.List) {
	blocks, diags := p.backendBlocks(p.Scope(state))
	if diags.HasErrors() {
		return offer.Selection{}, p.explained(diags)
	}
	bs, ds := p.collect(ctx, state, blocks, true)
	diags = append(diags, ds...)
	if diags.HasErrors() {
		return offer.Selection{}, p.explained(diags)
	}
	defer bs.close()
	sel, ds := bs.offers(ctx, query)
	return sel, p.explained(append(diags, ds...))
}

// offers asks all backends that new things may be made on, or those that the query names.
func (bs *backends) offers(ctx context.Context, query offer.Query) (offer.Selection, diag.List) {
	var diags diag.List
	for _, n := range query.Need.Backends {
		if !slices.Contains(bs.declaredNames(), n) {
			return offer.Selection{}, diag.Errorf("Unknown backend", "The configuration has no backend %q.%s It has %s.", n, schema.DidYouMean(n, bs.declaredNames()), strings.Join(bs.declaredNames(), ", "))
		}
	}
	names := slices.DeleteFunc(bs.declaredNames(), func(n string) bool {
		return query.Need.Backends != nil && !slices.Contains(query.Need.Backends, n)
	})
	lists := make([][]schema.Offer, len(names))
	errs := make([]error, len(names))
	known := map[string]offer.Backend{}
	for _, n := range names {
		known[n] = offerBackend(bs.all[n])
	}
	var wg sync.WaitGroup
	for i, n := range names {
		wg.Go(func() {
			b, err := bs.open(ctx, n)
			if err != nil {
				errs[i] = err
				return
			}
			o, ok := b.handle.(providers.Offerer)
			if !ok {
				return
			}
			errs[i] = bs.veil().Error(o.Offers(ctx, []schema.Requirements{query.Effective(known[n])}, func(_ int, of schema.Offer) {
				of.Backend = n
				lists[i] = append(lists[i], of)
			}))
		})
	}
	wg.Wait()
	failedOnes := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		failedOnes++
		diags = append(diags, diag.Warnf("Backend cannot be asked", "%s", sentence(fmt.Sprintf("Backend %q: %v", names[i], err))).For("backend."+names[i])...)
	}
	if failedOnes > 0 && failedOnes == len(names) {
		for _, d := range diags {
			d.Severity = diag.Error
		}
	}
	return offer.Select(query, offer.Merge(lists), known), diags
}

// offerBackend is what counts of a backend when offers are chosen.
func offerBackend(b *backend) offer.Backend {
	c := b.description.Capabilities
	return offer.Backend{MultiNode: c.MultiNode, Spot: c.Spot, Blocks: c.Blocks, Reservations: c.Reservations, Privileged: c.Privileged,
		InstanceMounts: c.InstanceMounts, ExistingMachines: c.ExistingMachines, SharedNetwork: c.SharedNetwork}
}
