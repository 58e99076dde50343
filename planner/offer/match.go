package offer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Kind is what a Lack is about.
type Kind string

// Kinds of lacks.
const (
	LackPrice        Kind = "price"
	LackSpot         Kind = "spot"
	LackZone         Kind = "zone"
	LackRegion       Kind = "region"
	LackBackend      Kind = "backend"
	LackType         Kind = "type"
	LackCPU          Kind = "cpu"
	LackMemory       Kind = "memory"
	LackDisk         Kind = "disk"
	LackGPU          Kind = "gpu"
	LackBlocks       Kind = "blocks"
	LackCapability   Kind = "capability"
	LackAvailability Kind = "availability"
	LackLocation     Kind = "location"
)

// Lack is one thing for which an offer does not satisfy what is needed.
type Lack struct {
	Kind Kind
	// Text is a clause: "over max_price by $10.97", "40GB for each GPU, 80GB needed".
	Text string
	// Weight says how far the offer is from what is needed: the more, the farther. It is above zero.
	Weight float64
}

// Match compares an offer with what is needed and returns everything that it lacks; nothing means that it fits.
// Bounds are included, names of GPUs compare in any case, and everything that is not written matches. A list that is
// nil allows anything and an empty one nothing. Availability, capabilities of backends and host blocks are not
// compared: Select does that.
//
// An unset spot policy means on-demand. Zones fit if any of the offer's zones is asked for; an offer that names none
// does not fit when zones are asked for.
func Match(need schema.Requirements, o schema.Offer) []Lack {
	return append(matchResources(need.Resources, o), matchTerms(need, o)...)
}

// matchTerms compares everything but the resources.
func matchTerms(need schema.Requirements, o schema.Offer) []Lack {
	var lacks []Lack
	add := func(k Kind, weight float64, text string) {
		lacks = append(lacks, Lack{k, text, weight})
	}
	if !allowed(need.Backends, o.Backend) {
		add(LackBackend, 4, "not in backends")
	}
	if !allowed(need.Regions, o.Region) {
		add(LackRegion, 2, "not in regions")
	}
	if need.Zones != nil {
		if len(o.Zones) == 0 {
			add(LackZone, 2, "names no zone, and availability_zones is set")
		} else if len(narrowed(o.Zones, need.Zones)) == 0 {
			add(LackZone, 1, "not in availability_zones")
		}
	}
	if !allowed(need.InstanceTypes, o.InstanceType) {
		add(LackType, 3, "not in instance_types")
	}
	if spot, set := need.Spot.Requires(); set && spot != o.Spot {
		text := "on-demand only"
		if o.Spot {
			text = "spot only"
		}
		add(LackSpot, 1, text)
	}
	if limit := need.MaxPrice.Money(); limit > 0 {
		switch over := o.Price - limit; {
		case o.PriceUnknown:
			add(LackPrice, 2, "price unknown, and max_price is set")
		case over > 0:
			add(LackPrice, relative(float64(o.Price), float64(limit)), "over max_price by "+over.String())
		}
	}
	return lacks
}

// matchResources compares CPUs, memory, disk and GPUs.
func matchResources(need schema.Resources, o schema.Offer) []Lack {
	var lacks []Lack
	if r := need.CPU.Range(); !r.Contains(o.CPUs) {
		lacks = append(lacks, Lack{LackCPU, strconv.Itoa(o.CPUs) + " CPU, " + need.CPU.Canonical() + " needed",
			1 + distance(float64(o.CPUs), float64(r.Min), float64(r.Max))})
	}
	if !need.Memory.ContainsMiB(o.MemoryMiB) {
		r := need.Memory.Range()
		lacks = append(lacks, Lack{LackMemory, sizeText(o.MemoryMiB) + " of memory, " + need.Memory.Canonical() + " needed",
			1 + distance(float64(o.MemoryMiB)/1024, r.Min, r.Max)})
	}
	if o.DiskMiB > 0 && !need.Disk.ContainsMiB(o.DiskMiB) {
		r := need.Disk.Range()
		lacks = append(lacks, Lack{LackDisk, sizeText(o.DiskMiB) + " of disk, " + need.Disk.Canonical() + " needed",
			distance(float64(o.DiskMiB)/1024, r.Min, r.Max)})
	}
	if ok, why := need.GPU.Matches(gpuFacts(o.GPUs)); !ok {
		for clause := range strings.SplitSeq(why, "; ") {
			weight := 4.0
			if strings.Contains(clause, "for each GPU") || strings.Contains(clause, "in total") {
				weight = 2
			} else if len(o.GPUs) == 0 {
				weight = 12
			}
			lacks = append(lacks, Lack{LackGPU, clause, weight})
		}
	}
	return lacks
}

// Narrow returns the offer with those of its zones that are asked for. The offer that is handed in stays as it is.
func Narrow(o schema.Offer, zones []string) schema.Offer {
	if zones != nil {
		o.Zones = narrowed(o.Zones, zones)
	}
	return o
}

// expandZones returns one offer for each zone of the offer, in the order of its zones, or the offer itself if it names
// none.
func expandZones(o schema.Offer) []schema.Offer {
	if len(o.Zones) < 2 {
		return []schema.Offer{o}
	}
	out := make([]schema.Offer, len(o.Zones))
	for i := range o.Zones {
		out[i] = o
		out[i].Zones = o.Zones[i : i+1 : i+1]
	}
	return out
}

// FoldZones makes one offer of those that differ in their zone alone.
func FoldZones(list []schema.Offer) []schema.Offer {
	type same struct {
		backend, region, kind string
		spot                  bool
		price                 value.Money
		availability          schema.Availability
	}
	out := []schema.Offer{}
	at := map[same]int{}
	for _, o := range list {
		key := same{o.Backend, o.Region, o.InstanceType, o.Spot, o.Price, o.Availability}
		if i, ok := at[key]; ok {
			out[i].Zones = slices.Concat(out[i].Zones, o.Zones)
			continue
		}
		at[key] = len(out)
		out = append(out, o)
	}
	return out
}

// Zone is the zone of an offer that names exactly one, else "".
func Zone(o schema.Offer) string {
	if len(o.Zones) == 1 {
		return o.Zones[0]
	}
	return ""
}

func allowed(list []string, s string) bool { return list == nil || slices.Contains(list, s) }

func narrowed(have, want []string) []string {
	var out []string
	for _, z := range have {
		if slices.Contains(want, z) {
			out = append(out, z)
		}
	}
	return out
}

func gpuFacts(gpus []schema.GPU) []value.GPUFact {
	if len(gpus) == 0 {
		return nil
	}
	facts := make([]value.GPUFact, len(gpus))
	for i, g := range gpus {
		facts[i] = value.GPUFact{Name: g.Name, Vendor: value.Vendor(g.Vendor), MemoryMiB: g.MemoryMiB}
	}
	return facts
}

func sizeText(mib int64) string { return value.MemoryFromMiB(mib).Display() }

// relative is by how many times is exceeds what is allowed, never zero.
func relative(is, allowed float64) float64 { return max(is/allowed-1, 0.001) }

// distance is how far a number is outside of its bounds, in relation to the bound that it breaks.
func distance(is, low, high float64) float64 {
	if is < low {
		return relative(low, max(is, 0.001*low))
	}
	return relative(is, max(high, 0.001*is))
}
