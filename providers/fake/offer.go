package fake

import (
	"context"
	"slices"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Offers lists what the catalogue sells in the backend's regions, with what is left now of quotas and limits.
func (b *backend) Offers(ctx context.Context, needs []schema.Requirements, yield func(int, schema.Offer)) error {
	if err := b.ask(ctx, call{op: "offers"}); err != nil {
		return err
	}
	offers, err := b.offers()
	if err != nil {
		return worldError(err)
	}
	for i, need := range needs {
		for _, offer := range offers {
			if wanted(need, offer) {
				yield(i, offer)
			}
		}
	}
	return nil
}

func (b *backend) offers() ([]schema.Offer, error) {
	var out []schema.Offer
	err := b.world.view(func(c *contents) error {
		for _, region := range b.regions {
			for _, m := range b.settings.Catalogue.Machines {
				zones, ok := b.settings.Catalogue.zonesOf(m, region)
				if !ok {
					continue
				}
				out = append(out, b.offer(c, m, region, zones, false))
				if m.SpotPrice > 0 {
					out = append(out, b.offer(c, m, region, zones, true))
				}
			}
		}
		return nil
	})
	return out, err
}

func (b *backend) offer(c *contents, m Machine, region string, zones []string, spot bool) schema.Offer {
	o := schema.Offer{
		Backend: b.name, Region: region, Zones: slices.Clone(zones), InstanceType: m.Type,
		CPUs: m.CPUs, MemoryMiB: mib(m.MemoryGB), DiskMiB: mib(m.DiskGB), GPUs: m.gpus(), Spot: spot,
		Price: m.price(spot), PriceUnknown: m.price(spot) == 0, Availability: m.availability(region), Quota: b.quota(c, m, region),
	}
	if o.Quota != nil && o.Quota.Left < o.Quota.Cost {
		o.Availability = schema.NoQuota
	}
	if m.Limit > 0 {
		o.Limit = m.Limit - c.used[limitName(m.Type, region, spot)]
		if o.Limit <= 0 {
			o.Limit, o.Availability = 0, schema.NotAvailable
		}
	}
	return o
}

// quota says what is left of the quota that a machine takes of; nil when it has none.
func (b *backend) quota(c *contents, m Machine, region string) *schema.Quota {
	total, ok := b.settings.Catalogue.Quotas[m.Quota]
	if m.Quota == "" || !ok {
		return nil
	}
	left := total - c.used[quotaName(b.settings.Account, m.Quota, region)]
	return &schema.Quota{Name: m.Quota + "/" + region, Left: max(0, left), Cost: max(1, m.QuotaUnits)}
}

// wanted leaves out what certainly does not fit; core looks at the rest.
func wanted(need schema.Requirements, offer schema.Offer) bool {
	spot, set := need.Spot.Requires()
	return (need.Backends == nil || slices.Contains(need.Backends, offer.Backend)) &&
		(need.Regions == nil || slices.Contains(need.Regions, offer.Region)) &&
		(need.InstanceTypes == nil || slices.Contains(need.InstanceTypes, offer.InstanceType)) &&
		(need.Spot == "" || !set || spot == offer.Spot)
}

var _ providers.Offerer = (*backend)(nil)
