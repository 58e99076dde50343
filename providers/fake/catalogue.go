package fake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Catalogue is what a fake cloud sells.
type Catalogue struct {
	// Zones lists the zones of each region. A region may have none that it tells of.
	Zones map[string][]string `json:"zones"`
	// Machines are sold in all regions that they do not exclude.
	Machines []Machine `json:"machines"`
	// Quotas are the units that an account may use in each region, by the quota's name; what is not listed has no bound.
	Quotas map[string]int `json:"quotas,omitempty"`
}

// Machine is one type of instance.
type Machine struct {
	Type      string      `json:"type"`
	CPUs      int         `json:"cpus"`
	MemoryGB  float64     `json:"memory_gb"`
	DiskGB    float64     `json:"disk_gb,omitempty"` // 0: as asked for
	GPU       *MachineGPU `json:"gpu,omitempty"`
	Price     float64     `json:"price,omitempty"`      // dollars an hour; 0: nobody knows
	SpotPrice float64     `json:"spot_price,omitempty"` // 0: not sold as spot
	Zones     []string    `json:"zones,omitempty"`      // of all regions; nil: all
	// Quota names the quota that the machine takes QuotaUnits of, at least one.
	Quota      string `json:"quota,omitempty"`
	QuotaUnits int    `json:"quota_units,omitempty"`
	// Limit is how many there are in each region, spot and on demand apart; 0: any number.
	Limit int `json:"limit,omitempty"`
	// Availability is the same for each region, or that of one: {"us-east-1": "not_available", "*": "available"}.
	Availability map[string]schema.Availability `json:"availability,omitempty"`
}

// MachineGPU says which GPUs a machine has.
type MachineGPU struct {
	Name     string  `json:"name"`
	Vendor   string  `json:"vendor,omitempty"` // nvidia unless said
	Count    int     `json:"count,omitempty"`  // 1 unless said
	MemoryGB float64 `json:"memory_gb"`
}

// gpu describes the GPUs of a machine of the default catalogue.
func gpu(count int, name string, memoryGB float64) *MachineGPU {
	return &MachineGPU{Name: name, Count: count, MemoryGB: memoryGB}
}

// DefaultCatalogue is what a backend sells without a catalogue of its own: the table in the package's documentation.
func DefaultCatalogue() Catalogue {
	mi300x := gpu(8, "MI300X", 192)
	mi300x.Vendor = "amd"
	notAvailable := func(regions ...string) map[string]schema.Availability {
		out := map[string]schema.Availability{}
		for _, region := range regions {
			out[region] = schema.NotAvailable
		}
		return out
	}
	return Catalogue{
		Zones: map[string][]string{
			"us-east-1": {"us-east-1a", "us-east-1b", "us-east-1c"},
			"us-west-2": {"us-west-2a", "us-west-2b"},
			"eu-west-1": {"eu-west-1a", "eu-west-1b"},
		},
		Machines: []Machine{
			{Type: "cpu.small", CPUs: 2, MemoryGB: 8, Price: 0.10, SpotPrice: 0.03},
			{Type: "cpu.medium", CPUs: 8, MemoryGB: 32, Price: 0.40, SpotPrice: 0.12},
			{Type: "cpu.large", CPUs: 32, MemoryGB: 128, Price: 1.60, SpotPrice: 0.48},
			{Type: "l4.1", CPUs: 8, MemoryGB: 32, GPU: gpu(1, "L4", 24), Price: 0.80, SpotPrice: 0.24, Quota: "g", QuotaUnits: 8},
			{Type: "a10g.1", CPUs: 8, MemoryGB: 32, GPU: gpu(1, "A10G", 24), Price: 1.20, SpotPrice: 0.45, Quota: "g", QuotaUnits: 8},
			{Type: "a10g.4", CPUs: 48, MemoryGB: 192, GPU: gpu(4, "A10G", 24), Price: 5.67, SpotPrice: 2.10, Quota: "g", QuotaUnits: 48},
			{Type: "a100.1", CPUs: 12, MemoryGB: 144, DiskGB: 1000, GPU: gpu(1, "A100", 40), Price: 4.10, SpotPrice: 1.60, Quota: "p", QuotaUnits: 12},
			{Type: "a100.8", CPUs: 96, MemoryGB: 1152, DiskGB: 8000, GPU: gpu(8, "A100", 40), Price: 32.77, SpotPrice: 12.55, Quota: "p", QuotaUnits: 96},
			{Type: "a100-80.8", CPUs: 96, MemoryGB: 1152, DiskGB: 8000, GPU: gpu(8, "A100", 80), Price: 40.97, SpotPrice: 15.70, Quota: "p",
				QuotaUnits: 96, Availability: notAvailable("eu-west-1")},
			{Type: "h100.8", CPUs: 192, MemoryGB: 2048, DiskGB: 30000, GPU: gpu(8, "H100", 80), Price: 98.32, SpotPrice: 39.00, Quota: "p5", QuotaUnits: 192,
				Zones: []string{"us-east-1a", "us-east-1b", "us-west-2a"}},
			{Type: "mi300x.8", CPUs: 192, MemoryGB: 1536, DiskGB: 14000, GPU: mi300x, Price: 48.00, Limit: 2, Zones: []string{"us-west-2b"}},
		},
		// Three machines with four A10G, or eight with A100; the account has no quota for H100.
		Quotas: map[string]int{"g": 256, "p": 768, "p5": 0},
	}
}

// check finds what cannot be sold.
func (c Catalogue) check() error {
	if len(c.Zones) == 0 {
		return fmt.Errorf("the catalogue has no regions: zones is {\"us-east-1\": [\"us-east-1a\"]} or the like")
	}
	known := slices.Concat(slices.Collect(maps.Values(c.Zones))...)
	seen := map[string]bool{}
	for i, m := range c.Machines {
		switch {
		case m.Type == "":
			return fmt.Errorf("machine %d of the catalogue has no type", i)
		case seen[m.Type]:
			return fmt.Errorf("two machines of the catalogue have the type %s", m.Type)
		case m.CPUs < 1 || m.MemoryGB <= 0 || m.DiskGB < 0:
			return fmt.Errorf("%s in the catalogue needs cpus of 1 or more, memory_gb above 0, and a disk_gb that is not negative", m.Type)
		case m.Price < 0 || m.SpotPrice < 0 || m.Limit < 0 || m.QuotaUnits < 0:
			return fmt.Errorf("%s in the catalogue has a price, limit or quota_units below 0", m.Type)
		case m.GPU != nil && (m.GPU.Name == "" || m.GPU.MemoryGB <= 0 || m.GPU.Count < 0):
			return fmt.Errorf("the gpu of %s in the catalogue needs a name and a memory_gb above 0", m.Type)
		}
		for _, zone := range m.Zones {
			if !slices.Contains(known, zone) {
				return fmt.Errorf("%s in the catalogue is sold in zone %s, which is in none of its regions", m.Type, zone)
			}
		}
		seen[m.Type] = true
	}
	return nil
}

func (c Catalogue) regions() []string { return slices.Sorted(maps.Keys(c.Zones)) }

func (c Catalogue) machine(name string) (Machine, bool) {
	for _, m := range c.Machines {
		if m.Type == name {
			return m, true
		}
	}
	return Machine{}, false
}

// zonesOf returns the zones of a region in which a machine is sold, and whether it is sold there at all.
func (c Catalogue) zonesOf(m Machine, region string) ([]string, bool) {
	all, ok := c.Zones[region]
	if !ok || m.Zones == nil {
		return all, ok
	}
	var out []string
	for _, zone := range all {
		if slices.Contains(m.Zones, zone) {
			out = append(out, zone)
		}
	}
	return out, len(out) > 0
}

func (m Machine) availability(region string) schema.Availability {
	for _, at := range []string{region, "*"} {
		if a, ok := m.Availability[at]; ok {
			return a
		}
	}
	return schema.Available
}

// gpus returns one for each GPU of the machine.
func (m Machine) gpus() []schema.GPU {
	if m.GPU == nil {
		return nil
	}
	vendor := m.GPU.Vendor
	if vendor == "" {
		vendor = "nvidia"
	}
	one := schema.GPU{Name: m.GPU.Name, Vendor: vendor, MemoryMiB: mib(m.GPU.MemoryGB)}
	return slices.Repeat([]schema.GPU{one}, max(1, m.GPU.Count))
}

func (m Machine) price(spot bool) value.Money {
	if spot {
		return value.MoneyOf(m.SpotPrice)
	}
	return value.MoneyOf(m.Price)
}

// uses is what one machine takes of the quotas and limits of a region.
func (m Machine) uses(account, region string, spot bool) map[string]int {
	out := map[string]int{}
	if m.Quota != "" {
		out[quotaName(account, m.Quota, region)] = max(1, m.QuotaUnits)
	}
	if m.Limit > 0 {
		out[limitName(m.Type, region, spot)] = 1
	}
	return out
}

// Quotas belong to an account, limits to the cloud: what one account took no other can have.
func quotaName(account, quota, region string) string {
	return strings.Join([]string{"quota", account, quota, region}, "/")
}

func limitName(machine, region string, spot bool) string {
	name := strings.Join([]string{"limit", machine, region}, "/")
	if spot {
		name += "/spot"
	}
	return name
}

func mib(gb float64) int64 { return value.MemoryOf(gb).MiB() }
