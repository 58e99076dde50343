package offer

import (
	"cmp"
	"slices"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Backend is what counts of a backend when its offers are chosen.
type Backend struct {
	MultiNode      bool // several nodes can reach each other
	Spot           bool
	Blocks         bool // machines can be divided
	Reservations   bool
	Privileged     bool
	InstanceMounts bool
	// ExistingMachines says that its machines are there already: what nobody wrote is not asked of them.
	ExistingMachines bool
	// SharedNetwork says that all its machines have the same ports.
	SharedNetwork bool
	// Failed says why it could not be asked, and Hint what to do: a command. Both are for messages only.
	Failed, Hint string
}

// Location is where a machine, a volume or a group is. What is empty is open.
type Location struct {
	Backend, Region, Zone string
}

// Admits tells whether an offer can be had at the location. An offer that names no zone is admitted in any.
func (l Location) Admits(o schema.Offer) bool {
	return (l.Backend == "" || l.Backend == o.Backend) && (l.Region == "" || l.Region == o.Region) &&
		(l.Zone == "" || len(o.Zones) == 0 || slices.Contains(o.Zones, l.Zone))
}

// String names the location: "aws us-east-1a".
func (l Location) String() string {
	where := l.Zone
	if where == "" {
		where = l.Region
	}
	return join(l.Backend, where)
}

// Query is everything that decides about offers.
type Query struct {
	// Need is what was written. Defaults are added for machines that are made, see WithDefaults.
	Need schema.Requirements
	// InstanceMounts says that folders of the instance must be mounted.
	InstanceMounts bool
	// Within confines all machines to a place.
	Within Location
	// Count is how many machines are needed, at least 1. Offers with a limit or a quota for fewer do not fit.
	Count int
}

// Rejected is an offer that does not fit, with everything that it lacks.
type Rejected struct {
	Offer schema.Offer
	Lacks []Lack
}

// Selection is what is left of all offers, and what is not.
type Selection struct {
	// Usable are the offers that fit, in the order in which they should be taken, each with at most one zone and with
	// its number of host blocks.
	Usable []schema.Offer
	// LeftOut are cheaper offers than the first usable one that were not taken, three at most.
	LeftOut []plan.LeftOut
	// Rejected are all that do not fit, in order.
	Rejected []Rejected
}

// Merge makes one list of what each backend offers: by price, keeping each backend's own order, and what cannot be used
// last. Equal prices come in the order of the lists.
func Merge(lists [][]schema.Offer) []schema.Offer {
	next := make([]int, len(lists))
	total := 0
	for _, l := range lists {
		total += len(l)
	}
	usable := make([]schema.Offer, 0, total)
	var unusable []schema.Offer
	for range total {
		best := -1
		for i, l := range lists {
			if next[i] < len(l) && (best < 0 || cheaper(l[next[i]], lists[best][next[best]])) {
				best = i
			}
		}
		o := lists[best][next[best]]
		next[best]++
		if o.Availability.Usable() {
			usable = append(usable, o)
		} else {
			unusable = append(unusable, o)
		}
	}
	return append(usable, unusable...)
}

// Effective is the query's need as it counts on a backend: with defaults unless its machines are there already.
func (q Query) Effective(b Backend) schema.Requirements {
	need := q.Need
	if !b.ExistingMachines {
		need.Resources = WithDefaults(need.Resources)
	} else if need.Spot == "" {
		need.Spot = value.SpotAuto
	}
	return need
}

// Check returns everything that an offer of the backend lacks, capabilities, place and availability included, and the
// offer with its zones narrowed and its host blocks counted.
func (q Query) Check(o schema.Offer, b Backend) (schema.Offer, []Lack) {
	need := q.Effective(b)
	lacks := Match(need, o)
	lacks = append(lacks, q.missing(b, o)...)
	o = Narrow(o, need.Zones)
	if !q.Within.Admits(o) {
		lacks = append(lacks, Lack{LackLocation, "not in " + q.Within.String(), 2})
	} else if q.Within.Zone != "" && len(o.Zones) > 0 {
		o = Narrow(o, []string{q.Within.Zone})
	}
	divided, err := Divide(o, need.Blocks)
	switch {
	case err != nil:
		lacks = append(lacks, Lack{LackBlocks, err.Error(), 2})
	case divided.TotalBlocks > 1 && !b.Blocks:
		lacks = append(lacks, Lack{LackBlocks, "machines cannot be divided into blocks there", 3})
	}
	return divided, append(lacks, q.availability(o)...)
}

// missing lists the capabilities that are needed and not there.
func (q Query) missing(b Backend, o schema.Offer) []Lack {
	var lacks []Lack
	for _, c := range []struct {
		needed, there bool
		text          string
	}{
		{q.Need.MultiNode, b.MultiNode, "its machines cannot form a cluster"},
		{q.Need.Privileged, b.Privileged, "no privileged containers there"},
		{q.InstanceMounts, b.InstanceMounts, "no instance folders to mount there"},
		{q.Need.Reservation != "", b.Reservations, "no reservations there"},
		{o.Spot, b.Spot, "no spot instances there"},
	} {
		if c.needed && !c.there {
			lacks = append(lacks, Lack{LackCapability, c.text, 5})
		}
	}
	return lacks
}

// availability says whether so many can be had at all.
func (q Query) availability(o schema.Offer) []Lack {
	n := max(q.Count, 1)
	var text string
	switch {
	case o.Availability == schema.NoQuota:
		text = "no quota"
	case o.Availability == schema.Busy:
		text = "busy"
	case !o.Availability.Usable():
		text = "not available"
	case o.Limit > 0 && n > o.Limit:
		text = count(o.Limit, "can be had", "can be had") + ", " + count(n, "needed", "needed")
	case o.Quota != nil && n*o.Quota.Cost > o.Quota.Left:
		text = QuotaText(*o.Quota, n*o.Quota.Cost)
	default:
		return nil
	}
	return []Lack{{LackAvailability, text, 2}}
}

// Select filters and orders offers. backends says what each backend can do; an offer of a backend that is not in it is
// rejected. Order is by price, keeping the order of offers for equal prices; Merge makes such a list of several.
func Select(q Query, offers []schema.Offer, backends map[string]Backend) Selection {
	var s Selection
	for _, o := range offers {
		b, known := backends[o.Backend]
		if !known {
			s.Rejected = append(s.Rejected, Rejected{o, []Lack{{LackBackend, "no backend of that name is open", 6}}})
			continue
		}
		fitted, lacks := q.Check(o, b)
		if len(lacks) > 0 {
			s.Rejected = append(s.Rejected, Rejected{o, lacks})
			continue
		}
		s.Usable = append(s.Usable, expandZones(fitted)...)
	}
	slices.SortStableFunc(s.Usable, compare)
	s.LeftOut = leftOut(s)
	return s
}

// mostLeftOut is how many offers a reader wants to know about that were not taken.
const mostLeftOut = 3

// leftOut picks the cheapest rejected offers below the price of the first usable one. Only what a reader can decide
// about is worth a line: not that a machine without GPU has no GPU.
func leftOut(s Selection) []plan.LeftOut {
	if len(s.Usable) == 0 {
		return nil
	}
	var out []plan.LeftOut
	for _, r := range s.Rejected {
		if r.Offer.PriceUnknown || r.Offer.Price >= s.Usable[0].Price || slices.ContainsFunc(r.Lacks, Lack.ofResources) {
			continue
		}
		out = append(out, plan.LeftOut{Offer: r.Offer, Why: LacksText(r.Lacks)})
	}
	slices.SortStableFunc(out, func(a, b plan.LeftOut) int { return compare(a.Offer, b.Offer) })
	return out[:min(len(out), mostLeftOut)]
}

func (l Lack) ofResources() bool {
	switch l.Kind {
	case LackCPU, LackMemory, LackGPU, LackDisk:
		return true
	}
	return false
}

func cheaper(a, b schema.Offer) bool { return compare(a, b) < 0 }

// compare orders offers by price, with an unknown price last.
func compare(a, b schema.Offer) int {
	if a.PriceUnknown != b.PriceUnknown {
		if b.PriceUnknown {
			return -1
		}
		return 1
	}
	if a.PriceUnknown {
		return 0
	}
	return cmp.Compare(a.Price, b.Price)
}
