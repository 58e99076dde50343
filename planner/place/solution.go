package place

import (
	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// MostCandidates is how many alternatives a group has at most.
const MostCandidates = 5

// Solution says what is made and where everything runs.
type Solution struct {
	// Groups are all machines to be made, those that placement added included, in the order of their first members.
	Groups []Made
	// Jobs says where each job runs. A job that is not in it has an error, or a machine that it or another node of its
	// replica was to be on has.
	Jobs map[addr.Resource]Assignment
	// Added are the machines that placement added: of elastic fleets, and of runs that bring their own.
	Added []addr.Resource
	// Zones are those that volumes without one take from the machine that mounts them. With another candidate they take
	// that one's.
	Zones map[addr.Resource]string
	// Errors are what could not be placed.
	Errors []Unplaceable
}

// Made is machines that are made together, with the alternatives for all of them.
type Made struct {
	ID      string // the fleet of a cluster, else the first member
	Fleet   addr.Instance
	Members []addr.Resource
	Fixed   bool // something confines it to one place
	// Candidates are at most MostCandidates; the first is planned. It is empty if the group has an error.
	Candidates []Candidate
	LeftOut    []plan.LeftOut
}

// Candidate is one alternative: all members of the group are made of this offer in this zone.
type Candidate struct {
	Offer schema.Offer // TotalBlocks is set
	Zone  string       // "" if the backend names none
	// Shares are what jobs on the members take with this candidate, where that differs from the first one.
	Shares map[addr.Resource]Share
}

// Share is what a job takes of a machine.
type Share struct {
	Blocks, Of int
	GPUs       int
	Price      value.Money // of the share, not of the machine
	Volumes    []addr.Resource
}

// Assignment says where a job runs.
type Assignment struct {
	Instance addr.Resource
	// Share is what it takes there, with the first candidate if the machine is made. Share.Volumes has one volume for
	// each mount, in order.
	Share
	// Moved says that it ran elsewhere before.
	Moved bool
	// Beside says that there is room for it while the job that it replaces still runs.
	Beside bool
}

// Error kinds tell what an Unplaceable is about.
const (
	NoOffer = "no offer" // no offer fits machines that are to be made
	NoRoom  = "no room"  // no machine has room for a job
	NoQuota = "no quota" // offers fit, but not so many machines
)

// Unplaceable is something for which there is no place, with what is needed to explain it.
type Unplaceable struct {
	Kind  string
	Addrs []addr.Resource // machines or jobs
	Block addr.Instance   // the fleet or run that they belong to
	Need  schema.Requirements
	Count int  // machines needed together
	One   bool // they must be in one region
	// Closest are the nearest offers, or machines, with what each lacks.
	Closest []Near
	// Failed are backends that could not be asked.
	Failed []FailedBackend
	// Why are sentences that say what else is in the way.
	Why []string
	// NextStep is what to do.
	NextStep string
}

// Near is an offer, or a machine that exists, that does not do.
type Near struct {
	Machine addr.Resource // zero for an offer
	Offer   schema.Offer
	Lacks   []offer.Lack
}

// FailedBackend is a backend whose offers are not known.
type FailedBackend struct {
	Name, Why, Hint string
}
