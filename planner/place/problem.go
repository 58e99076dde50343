package place

import (
	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Unlimited is the Max of a fleet that may grow without end.
const Unlimited = -1

// Problem is everything that decides where jobs run.
type Problem struct {
	// Machines are those whose facts are known or given: recorded ones that stay, and planned ones of SSH fleets.
	Machines []Machine
	// Groups are the machines that are to be made of an offer.
	Groups []Group
	// Fleets are those that may add machines for the jobs that are bound to them.
	Fleets []Fleet
	// Jobs are those to be placed. Jobs that stay as they are stand in Machine.Holds.
	Jobs []Job
	// Reserved are addresses that new machines must not take, beside those of Machines and Groups.
	Reserved []addr.Resource
	// Offers are what the backends answered, by offer.Key of the need that was asked for, see Needs. They are in order
	// as offer.Merge makes it.
	Offers map[string][]schema.Offer
	// Backends says what each backend can do. One that is not in it has no usable machines and offers.
	Backends map[string]offer.Backend
}

// Machine is one whose facts are known.
type Machine struct {
	Addr addr.Resource
	// Facts are backend, region, type, resources, spot and price as an offer has them. Zones has its one zone, or is
	// empty. TotalBlocks is its number of host blocks; 0 and 1 both mean that it is not divided.
	Facts schema.Offer
	// FactsUnknown says that the resources are known only once it is made, as with a host that nobody has connected to
	// yet. Its Facts restrict nothing then, but for backend and region.
	FactsUnknown bool
	Unreachable  bool // never gets a job that is not on it already
	Closed       bool // takes no job at all: it ends, or its disks are being detached
	Holds        []Hold
}

// Hold is a job that has a share of a machine before the plan is applied.
type Hold struct {
	Job    addr.Resource
	Blocks int // at least 1
	GPUs   int
	Ports  []int
	// Keep says that the job stays. Without it the job ends or is placed again in this plan, and its share is free.
	Keep bool
}

// Group is machines to be made that are in one place, or, without Cluster, machines that have nothing in common but
// what is needed of each.
type Group struct {
	Fleet   addr.Instance // whose they are: fleet.train
	Members []addr.Resource
	Need    schema.Requirements
	// Within confines the members: to where the others of a cluster are, or to where a volume is.
	Within offer.Location
	// Cluster says that all members are made of one offer in one zone.
	Cluster bool
}

// Fleet is one that may grow by the jobs that are bound to it.
type Fleet struct {
	Addr addr.Instance
	// Count is the number of machines that it has already, planned ones included; Max the most that it may have, or
	// Unlimited.
	Count, Max int
	Need       schema.Requirements
	Within     offer.Location // as in Group
	Cluster    bool
}

// Job is one job to be placed.
type Job struct {
	Addr addr.Resource
	// Fleet is the fleet that it is bound to; the zero value stands for any, and for machines that its run brings.
	Fleet addr.Instance
	Need  schema.Requirements
	// Replica, Rank and Nodes are its place in its run. All nodes of a replica are placed together, or none.
	Replica, Rank, Nodes int
	// Current is the machine that it is on. It stays there if it fits.
	Current addr.Resource
	// Rolling says that it replaces a job that should run on while its successor starts, if there is room beside it.
	Rolling bool
	// Mounts are the volumes that it mounts.
	Mounts []Mount
	// InstanceMounts says that it mounts a folder of its machine that is not optional.
	InstanceMounts bool
	// Creation says whether its run may bring machines when it is not bound to a fleet. Unset means that it may.
	Creation value.CreationPolicy
	// Ports are those on which it listens. They matter on backends whose machines share one network.
	Ports []int
}

// Mount is a path with the volumes of which one is mounted there: the first that is where the machine is.
type Mount struct {
	Path         string
	Alternatives []Volume
}

// Volume is what can be mounted.
type Volume struct {
	Addr addr.Resource
	// At is where it is. A volume without a zone takes that of the machine that mounts it.
	At offer.Location
	// Unknown says that its place is not known yet, so that it restricts nothing.
	Unknown bool
}

// Needs lists the requirements that offers are wanted for, each once, in a stable order. Answers go to Problem.Offers
// under their offer.Key.
func Needs(p Problem) []schema.Requirements {
	var out []schema.Requirements
	seen := map[string]bool{}
	add := func(n schema.Requirements) {
		if k := offer.Key(n); !seen[k] {
			seen[k] = true
			out = append(out, n)
		}
	}
	for _, g := range p.Groups {
		add(groupNeed(g.Need, g.Cluster))
	}
	bound := map[addr.Instance]bool{}
	for _, j := range p.Jobs {
		if j.Fleet != (addr.Instance{}) {
			bound[j.Fleet] = true
		} else if j.Creation != value.Reuse {
			add(ownNeed(j))
		}
	}
	for _, f := range p.Fleets {
		if bound[f.Addr] && (f.Max < 0 || f.Count < f.Max) {
			add(groupNeed(f.Need, f.Cluster))
		}
	}
	return out
}

// groupNeed is what a fleet needs of its machines; those of a cluster must be able to reach each other.
func groupNeed(n schema.Requirements, cluster bool) schema.Requirements {
	n.MultiNode = n.MultiNode || cluster
	return n
}

// ownNeed is what a job needs of a machine that its run brings, which is never divided.
func ownNeed(j Job) schema.Requirements {
	n := j.Need
	n.MultiNode = n.MultiNode || j.Nodes > 1
	n.Blocks = value.BlocksOf(1)
	return n
}
