package schema

import "github.com/dstackai/dstack-planner/schema/value"

// Offer is a type of machine that can be had now.
type Offer struct {
	Backend      string       `json:"backend"`
	Region       string       `json:"region"`
	Zones        []string     `json:"zones,omitempty"` // nil: the backend does not say
	InstanceType string       `json:"instance_type"`
	CPUs         int          `json:"cpus"`
	MemoryMiB    int64        `json:"memory_mib"`
	DiskMiB      int64        `json:"disk_mib"` // 0: as asked for
	GPUs         []GPU        `json:"gpus,omitempty"`
	Spot         bool         `json:"spot,omitempty"`
	Price        value.Money  `json:"price"` // dollars an hour, in millionths
	PriceUnknown bool         `json:"price_unknown,omitempty"`
	Availability Availability `json:"availability,omitempty"`
	Quota        *Quota       `json:"quota,omitempty"`
	Limit        int          `json:"limit,omitempty"` // how many can be had at most, 0: not known
	// TotalBlocks is the number of shares that placement divides the machine into; offers come with 0.
	TotalBlocks int `json:"total_blocks,omitempty"`
}

// Quota is a limit that several offers share.
type Quota struct {
	Name string `json:"name"` // the same for all offers that share it
	Left int    `json:"left"` // units left
	Cost int    `json:"cost"` // units that one machine of this offer takes
}

// Availability tells whether an offer can be used.
type Availability string

// Availabilities; the first three can be used.
const (
	AvailabilityUnknown Availability = ""
	Available           Availability = "available"
	Idle                Availability = "idle"
	Busy                Availability = "busy"
	NotAvailable        Availability = "not_available"
	NoQuota             Availability = "no_quota"
)

// Usable tells whether a machine of this kind may be had.
func (a Availability) Usable() bool {
	return a == AvailabilityUnknown || a == Available || a == Idle
}

// Requirements is what a machine must satisfy.
type Requirements struct {
	Resources     Resources        `json:"-"`
	Backends      []string         `json:"backends"` // in this and the next three: nil is any, empty is none
	Regions       []string         `json:"regions"`
	Zones         []string         `json:"zones"`
	InstanceTypes []string         `json:"instance_types"`
	Spot          value.SpotPolicy `json:"spot"`
	MaxPrice      value.Price      `json:"max_price,omitzero"`
	Reservation   string           `json:"reservation,omitempty"`
	MultiNode     bool             `json:"multi_node,omitempty"`
	Privileged    bool             `json:"privileged,omitempty"`
	Blocks        value.Blocks     `json:"blocks,omitzero"`
}

// Hourly is the price as a kind keeps it: dollars an hour, nil when nobody knows it.
func (o Offer) Hourly() *float64 {
	if o.PriceUnknown {
		return nil
	}
	d := o.Price.Dollars()
	return &d
}
