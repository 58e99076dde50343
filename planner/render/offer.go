package render

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// offer is what was chosen, what comes next if it cannot be had, and what was cheaper and left out.
func (v *changeView) offer(c *plan.Change) []field {
	if c.Offer == nil {
		return nil
	}
	zone := c.Zone
	if zone == "" && len(c.Candidates) > 0 {
		zone = c.Candidates[0].Zone
	}
	lines := []string{join("  ", place(*c.Offer, []string{zone}), clean(c.Offer.InstanceType), market(*c.Offer), price(*c.Offer))}
	if m := Machine(c.Offer.CPUs, c.Offer.MemoryMiB, c.Offer.GPUs); m != "" {
		lines = append(lines, m)
	}
	out := []field{{label: "offer", lines: lines, each: true}}
	if others := alternatives(c); len(others) > 0 {
		out = append(out, field{label: "if none", lines: others})
	} else if c.NoOther != "" {
		out = append(out, field{label: "no other", lines: []string{clean(c.NoOther)}, address: true})
	}
	var left []string
	for _, l := range c.LeftOut {
		left = append(left, join(" ", clean(l.Offer.Backend), clean(l.Offer.InstanceType), price(l.Offer))+": "+clean(l.Why))
	}
	if len(left) > 0 {
		out = append(out, field{label: "left out", lines: left})
	}
	return out
}

// alternatives are the candidates after the first, those that differ in their zone alone on one line.
func alternatives(c *plan.Change) []string {
	type group struct {
		offer schema.Offer
		zones []string
	}
	var groups []group
	for _, cand := range c.Candidates[min(1, len(c.Candidates)):] {
		if i := len(groups) - 1; i >= 0 && groups[i].offer.Backend == cand.Offer.Backend && groups[i].offer.Region == cand.Offer.Region &&
			groups[i].offer.InstanceType == cand.Offer.InstanceType && groups[i].offer.Price == cand.Offer.Price && groups[i].offer.Spot == cand.Offer.Spot {
			groups[i].zones = append(groups[i].zones, cand.Zone)
			continue
		}
		groups = append(groups, group{cand.Offer, []string{cand.Zone}})
	}
	var out []string
	for _, g := range groups {
		gpus := ""
		if all := groupGPUs(g.offer.GPUs); len(all) > 0 {
			gpus = gpuText(all[0])
		}
		spot := ""
		if g.offer.Spot != c.Offer.Spot {
			spot = market(g.offer)
		}
		out = append(out, join("  ", place(g.offer, g.zones), clean(g.offer.InstanceType), gpus, spot, price(g.offer)))
	}
	return out
}

// place writes backend and zones: "aws us-east-1a, 1b", or the region where no zone is chosen.
func place(o schema.Offer, zones []string) string {
	var parts []string
	for _, z := range zones {
		if z == "" {
			continue
		}
		if short, ok := strings.CutPrefix(z, o.Region); ok && short != "" && len(parts) > 0 {
			// us-east-1b after us-east-1a is 1b: the region's own last part stays.
			z = o.Region[strings.LastIndexByte(o.Region, '-')+1:] + short
		}
		parts = append(parts, clean(z))
	}
	if len(parts) == 0 {
		parts = []string{clean(o.Region)}
	}
	return join(" ", clean(o.Backend), strings.Join(parts, ", "))
}

func market(o schema.Offer) string {
	if o.Spot {
		return "spot"
	}
	return "on-demand"
}

func price(o schema.Offer) string {
	if o.PriceUnknown {
		return "price unknown"
	}
	return o.Price.Hourly()
}

// place says where a job runs and how much of the machine it takes.
func (v *changeView) place(c *plan.Change, s shown) []field {
	p := c.Placement
	if p == nil || s == showDestroy || s == showForget {
		return nil
	}
	text := clean(p.Instance)
	switch {
	case p.Of <= 1 || p.Blocks == p.Of:
		text += ", whole"
	case p.Blocks > 0:
		text += fmt.Sprintf(", %d of %s", p.Blocks, Count(p.Of, "block"))
	}
	return []field{{label: "runs on", lines: []string{text}, address: true}}
}
