package schema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/schema/value"
)

// OffersData is the block `data "offers"`.
type OffersData struct {
	Resources *Resources `name:"resources,block" doc:"What each machine must have."`
	Limits    `name:",inline"`
	Nodes     int `name:"nodes" default:"1" rule:"at least 1" doc:"How many machines there must be of an offer; more than one must be able to form a cluster."`
	Limit     int `name:"limit" default:"20" rule:"1 to 1000" doc:"How many offers are taken at most, the best first."`
}

// OffersFound is what a block `data "offers"` is worth.
type OffersFound struct {
	Offers []FoundOffer `name:"offers" doc:"What fits, the cheapest first."`
	First  *FoundOffer  `name:"first" doc:"The first of them, null if there is none."`
}

// FoundOffer is an offer as expressions see it.
type FoundOffer struct {
	Backend      string          `name:"backend" doc:"The backend that offers it."`
	Region       string          `name:"region" doc:"Its region."`
	Zones        []string        `name:"zones" doc:"Zones where it can be had; null where the backend does not say."`
	InstanceType string          `name:"instance_type" doc:"The type of machine, as the backend writes it."`
	Resources    *FoundResources `name:"resources" doc:"What it has."`
	GPUs         []FoundGPU      `name:"gpus" doc:"Its GPUs, equal ones counted."`
	Spot         bool            `name:"spot" doc:"Whether it can be taken away."`
	Price        *float64        `name:"price" doc:"Dollars an hour; null where nobody knows it."`
	Availability string          `name:"availability" doc:"available, idle, or null where the backend does not say."`
}

// FoundResources is what an offered machine has, as a block `resources` writes it.
type FoundResources struct {
	CPU    value.IntRange    `name:"cpu" doc:"Logical CPUs."`
	Memory value.MemoryRange `name:"memory" doc:"Memory."`
	GPU    value.GPU         `name:"gpu" doc:"GPUs; null without."`
	Disk   value.DiskSize    `name:"disk" doc:"Disk; null where it is as large as asked for."`
}

// FoundGPU is a number of equal GPUs.
type FoundGPU struct {
	Name   string       `name:"name" doc:"A100, MI300X, v5litepod..."`
	Vendor string       `name:"vendor" doc:"nvidia, amd, google or intel."`
	Memory value.Memory `name:"memory" doc:"The memory of each."`
	Count  int          `name:"count" doc:"How many of them there are."`
}

// Found is the offer as expressions see it.
func (o Offer) Found() FoundOffer {
	out := FoundOffer{
		Backend: o.Backend, Region: o.Region, Zones: slices.Clone(o.Zones), InstanceType: o.InstanceType, GPUs: []FoundGPU{},
		Spot: o.Spot, Price: o.Hourly(), Availability: string(o.Availability), Resources: &FoundResources{},
	}
	if o.CPUs > 0 {
		out.Resources.CPU = value.IntRangeOf(value.Exactly(o.CPUs))
	}
	if o.MemoryMiB > 0 {
		out.Resources.Memory = value.MemoryRangeOf(value.Exactly(float64(o.MemoryMiB) / 1024))
	}
	if o.DiskMiB > 0 {
		out.Resources.Disk = value.DiskSizeOf(value.Exactly(float64(o.DiskMiB) / 1024))
	}
	for _, g := range o.GPUs {
		one := FoundGPU{Name: g.Name, Vendor: g.Vendor, Memory: value.MemoryFromMiB(g.MemoryMiB)}
		if g.MemoryMiB == 0 {
			one.Memory = value.Memory{}
		}
		i := slices.IndexFunc(out.GPUs, func(f FoundGPU) bool {
			return f.Name == one.Name && f.Vendor == one.Vendor && f.Memory.Canonical() == one.Memory.Canonical()
		})
		if i < 0 {
			i = len(out.GPUs)
			out.GPUs = append(out.GPUs, one)
		}
		out.GPUs[i].Count++
	}
	if len(out.GPUs) == 1 {
		out.Resources.GPU = out.GPUs[0].wanted()
	}
	return out
}

// wanted asks for GPUs like these. What the grammar cannot say, because a backend has its own names, is left out.
func (f FoundGPU) wanted() value.GPU {
	parts := []string{f.Name}
	if m := f.Memory.Canonical(); m != "" {
		parts = append(parts, m)
	}
	g, err := value.ParseGPU(strings.Join(append(parts, strconv.Itoa(f.Count)), ":"))
	if err != nil {
		return value.GPU{}
	}
	return g
}
