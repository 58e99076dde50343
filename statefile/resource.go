package statefile

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Ref names one recorded object: the current object of an address, or one of
// those that were deposed by a create-before-destroy and wait to be deleted.
type Ref struct {
	Address string `json:"address"`
	// Deposed is the key of a deposed object, "" for the current one.
	Deposed string `json:"deposed,omitempty"`
}

// String is the address, with the key of a deposed object behind it.
func (r Ref) String() string {
	if r.Deposed == "" {
		return r.Address
	}
	return r.Address + " (deposed " + r.Deposed + ")"
}

// Resource is one recorded object. A resource that a [State] hands out is never
// changed in place by it, and must not be changed by who got it: change a
// [Resource.Clone] and record that.
type Resource struct {
	Address string `json:"address"`
	// Deposed is the key of a deposed object, "" for the current one.
	Deposed string `json:"deposed,omitempty"`
	Kind    string `json:"kind"`
	Backend string `json:"backend"`
	// ID is the provider's name for the object, "" while none is known.
	ID     string `json:"id"`
	Status string `json:"status"`
	// Tainted says that the object is there but not as it should be: it is
	// replaced by the next plan.
	Tainted bool `json:"tainted,omitempty"`
	// Protected says that its block had prevent_destroy when it was last applied,
	// which holds even when the block is gone.
	Protected bool `json:"protected,omitempty"`
	// Schema is the version of the schema that Attributes follow.
	Schema int `json:"schema"`
	// Attributes is a JSON object. Sensitive leaves in it are null.
	Attributes json.RawMessage `json:"attributes,omitempty"`
	// Secrets maps the path of each sensitive leaf to its [Digest].
	Secrets map[string]string `json:"secrets,omitempty"`
	// Private belongs to the provider and is not looked into.
	Private []byte `json:"private,omitempty"`
	// Needs holds the addresses that this one directly depends on, not those
	// behind them.
	Needs []string `json:"needs,omitempty"`
	// Key is the idempotency key under which the object was made.
	Key string `json:"key,omitempty"`
	// Revision is raised whenever existence, identity or a planned attribute
	// changes, and not by a change of status. See [State.NextRevision].
	Revision uint64 `json:"revision"`
	// Occupancy is raised whenever a job is placed on the instance or leaves
	// it. See [NewOccupy].
	Occupancy uint64    `json:"occupancy,omitempty"`
	Changed   Changed   `json:"changed"`
	Declared  Declared  `json:"declared,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Ref is the name of the object.
func (r *Resource) Ref() Ref { return Ref{Address: r.Address, Deposed: r.Deposed} }

// Clone is a copy that shares nothing with r.
func (r *Resource) Clone() *Resource {
	if r == nil {
		return nil
	}
	c := *r
	c.Attributes = bytes.Clone(r.Attributes)
	c.Secrets = maps.Clone(r.Secrets)
	c.Private = bytes.Clone(r.Private)
	c.Needs = slices.Clone(r.Needs)
	return &c
}

// Changed says when something was changed, by whom, in which serial of the
// state, and by which plan.
type Changed struct {
	At     time.Time `json:"at,omitzero"`
	By     string    `json:"by,omitempty"`
	Serial uint64    `json:"serial,omitempty"`
	Plan   string    `json:"plan,omitempty"`
}

// Declared is the place in the configuration that a resource comes from.
type Declared struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Tombstone is what is left of a deleted object: enough to say who deleted it,
// and to never give its revision to a successor.
type Tombstone struct {
	Address string `json:"address"`
	Deposed string `json:"deposed,omitempty"`
	Kind    string `json:"kind,omitempty"`
	ID      string `json:"id,omitempty"`
	// Reason is why the object is not recorded under this name any more.
	Reason   DeleteReason `json:"reason,omitempty"`
	Revision uint64       `json:"revision"`
	Changed  Changed      `json:"changed"`
}

// Ref is the name that the object had.
func (t Tombstone) Ref() Ref { return Ref{Address: t.Address, Deposed: t.Deposed} }

// DeleteReason says why an object is no longer recorded.
type DeleteReason string

// The reasons for which an object leaves the state.
const (
	// Destroyed: its provider deleted it.
	Destroyed DeleteReason = "destroyed"
	// Gone: its provider says that it does not exist any more.
	Gone DeleteReason = "gone"
	// Forgotten: it may exist, and is no longer ours to manage.
	Forgotten DeleteReason = "forgotten"
	// Ended: it was expected to end by itself, and did.
	Ended DeleteReason = "ended"
	// Moved: it is recorded under another name.
	Moved DeleteReason = "moved"
)

// Backend is what destroying needs to know of a backend whose block may be gone
// from the configuration.
type Backend struct {
	Provider string `json:"provider"`
	// Version is the version of the provider that last changed something.
	Version string `json:"version,omitempty"`
	// Identity is the account (or machine) that the provider reported.
	Identity string `json:"identity,omitempty"`
	// Config is the block's configuration as JSON, without secrets.
	Config json.RawMessage `json:"config,omitempty"`
	// Secrets maps the path of each sensitive setting to its [Digest].
	Secrets map[string]string `json:"secrets,omitempty"`
	Changed Changed           `json:"changed,omitzero"`
}

// Output is the recorded value of an output.
type Output struct {
	// Value is null for a sensitive output of a state that is not encrypted.
	Value json.RawMessage `json:"value"`
	// Type is the type of the value in the encoding of go-cty, if one is kept.
	Type      json.RawMessage `json:"type,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	// Digest is the [Digest] of a sensitive value.
	Digest string `json:"digest,omitempty"`
}
