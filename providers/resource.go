package providers

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// Resource is what a backend can do with one kind. T is schema.Instance, Volume, Gateway, Job or Support; core's own
// form is Resource[cty.Value]. All methods may be called concurrently.
type Resource[T any] interface {
	// Plan writes nothing. It says for each change what is replaced and why, fills in computed values it can
	// promise, and names the support objects that are needed. The answer has one element for each change, in order.
	Plan(ctx context.Context, changes []Change) ([]Planned, error)

	// Create makes the object, or finds the one that was made under the same idempotency key. It reports a checkpoint as
	// soon as it knows an id. An object returned with an error is recorded as tainted.
	Create(ctx context.Context, op Op[T], report Report[T]) (Object[T], error)
	// Update changes the object in place to op.Planned.
	Update(ctx context.Context, prior Object[T], op Op[T], report Report[T]) (Object[T], error)
	// Delete removes the object and returns when it is gone. Deleting what is gone succeeds. op.Planned is unset.
	Delete(ctx context.Context, prior Object[T], op Op[T], report Report[T]) error

	// Read says for each recorded object what is there now. yield is called once for each, in any order, from one
	// goroutine at a time. An object that cannot be asked is Unknown with its error; only a failure of the whole is an error.
	Read(ctx context.Context, recorded []Object[T], yield func(i int, seen Observed[T])) error
	// Find looks for objects by the keys they were made under. Keys without an object are not in the answer.
	Find(ctx context.Context, keys []string) ([]Found[T], error)
	// List returns everything tagged with the lineage: for orphans and recovery.
	List(ctx context.Context, lineage string) ([]Found[T], error)
}

// Object is what exists.
type Object[T any] struct {
	ID      string
	Value   T
	Private []byte // the provider's own, versioned by it; no secrets
	Tainted bool   // it is there but not whole
}

// Change asks what would happen. Want is of the kind's type, with unknown leaves and without marks.
type Change struct {
	Address string
	Prior   *Object[cty.Value] // nil: it does not exist
	Want    cty.Value
	Offer   *schema.Offer // for an instance: what placement chose
}

// Planned is the answer to a Change.
type Planned struct {
	Value    cty.Value        // Want with more known; what is known in Want stays
	Replace  []ReplaceReason  // why an update will not do
	Supports []PlannedSupport // what else is needed
	Err      *Error           // why the change cannot be made at all
	Warnings []string         // sentences for people, shown with the plan
}

// ReplaceReason says which attribute forces a replacement.
type ReplaceReason struct {
	Path string // size, resources.gpu
	Why  string // "a volume cannot shrink"
}

// PlannedSupport is a support object that a change needs. Owner says whose it is: the changed resource (""), its
// block ("block"), or the backend ("backend").
type PlannedSupport struct {
	Owner string
	Name  string // placement-group, security-group/us-east-1
	Value schema.Support
}

// Op is one call that changes something.
type Op[T any] struct {
	Address string
	Lineage string
	Key     string // idempotency key; it goes into the object's tags
	Attempt int    // of a job: the number of the try
	Planned T      // all known
	// Needs are the recorded objects that its edges name. A job's are the instances of all nodes of its replica in the order
	// of their ranks (its own is the one that Planned.Instance names), the volumes that it mounts, and their attachments.
	Needs []Need
}

// Need is a recorded object that an operation stands on.
type Need struct {
	Address string
	Kind    string
	Backend string
	Object  Object[cty.Value]
}

// Report tells core how far an operation is. It returns when the journal holds what was reported; an error means that
// the operation must stop.
type Report[T any] func(Progress[T]) error

// Progress is a phase, a count, a checkpoint, or any of them.
type Progress[T any] struct {
	Phase       string // "waiting for SSH"
	Done, Total int64  // Total 0: no count
	Checkpoint  *Object[T]
}

// Presence says whether an object is there.
type Presence int

// Presences. Only Gone leads to a create.
const (
	Unknown Presence = iota
	Present
	Gone
)

// Observed is what a read saw.
type Observed[T any] struct {
	Presence Presence
	Object   Object[T] // when present
	Err      error     // why it is unknown
}

// Found is an object that was made under a key.
type Found[T any] struct {
	Key      string
	Address  string // as tagged
	Object   Object[T]
	Complete bool // whether the provider vouches that it is whole
}

// NeedOf returns the first need of that kind, decoded.
func NeedOf[T any](needs []Need, kind string) (Object[T], string, bool) {
	for _, n := range needs {
		if n.Kind == kind {
			if o, err := decodeObject[T](n.Object); err == nil {
				return o, n.Address, true
			}
		}
	}
	return Object[T]{}, "", false
}

// NeedsOf returns all needs of that kind, decoded, with their addresses, in order.
func NeedsOf[T any](needs []Need, kind string) ([]Object[T], []string) {
	var objects []Object[T]
	var addresses []string
	for _, n := range needs {
		if n.Kind == kind {
			if o, err := decodeObject[T](n.Object); err == nil {
				objects, addresses = append(objects, o), append(addresses, n.Address)
			}
		}
	}
	return objects, addresses
}
