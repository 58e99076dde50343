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

// Run is what is remembered of a dev environment, task or service beside its
// jobs' resources: what the agent and watch did to it, and how it ended.
type Run struct {
	// Address is that of the block, such as task.finetune; Name is what the user calls it.
	Address string `json:"address"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`
	// Scale is the number of replicas that autoscaling chose, nil before it has.
	Scale *int `json:"scale,omitempty"`
	// Attempts is the number of the latest attempt.
	Attempts int `json:"attempts,omitempty"`
	// Specification is the run as it was last started, as JSON with sensitive leaves null.
	Specification json.RawMessage `json:"specification,omitempty"`
	// Secrets maps the path of each sensitive leaf of Specification to its [Digest].
	Secrets map[string]string `json:"secrets,omitempty"`
	// Jobs are the final jobs: those that ended, in the order in which they were submitted.
	Jobs        []RunJob  `json:"jobs,omitempty"`
	SubmittedAt time.Time `json:"submitted_at,omitzero"`
	Changed     Changed   `json:"changed,omitzero"`
}

// RunJob is one attempt at a job of a run.
type RunJob struct {
	Index   int    `json:"index"`
	Attempt int    `json:"attempt"`
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`
	// ExitCode is nil while the job runs, and if it never exited by itself.
	ExitCode    *int      `json:"exit_code,omitempty"`
	Instance    string    `json:"instance,omitempty"`
	SubmittedAt time.Time `json:"submitted_at,omitzero"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
}

// Clone is a copy that shares nothing with r.
func (r *Run) Clone() *Run {
	if r == nil {
		return nil
	}
	c := *r
	if r.Scale != nil {
		scale := *r.Scale
		c.Scale = &scale
	}
	c.Specification = bytes.Clone(r.Specification)
	c.Secrets = maps.Clone(r.Secrets)
	c.Jobs = slices.Clone(r.Jobs)
	for i, job := range c.Jobs {
		if job.ExitCode != nil {
			code := *job.ExitCode
			c.Jobs[i].ExitCode = &code
		}
	}
	return &c
}

// Operation is what an intent is about to do.
type Operation string

// The operations that change something outside.
const (
	Create Operation = "create"
	Update Operation = "update"
	Delete Operation = "delete"
)

// Intent is something that was about to be done when it was recorded, and of
// which no end is recorded yet: its provider may have been called, or not.
type Intent struct {
	Address string `json:"address"`
	Deposed string `json:"deposed,omitempty"`
	Kind    string `json:"kind"`
	Backend string `json:"backend"`
	// Operation is what the provider is asked to do.
	Operation Operation `json:"operation"`
	// Key is the idempotency key that goes with the call, see [NewKey].
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
	// Want is the planned object as JSON, sensitive leaves null; nil for a delete.
	Want json.RawMessage `json:"want,omitempty"`
	// Secrets maps the path of each sensitive leaf of Want to its [Digest].
	Secrets map[string]string `json:"secrets,omitempty"`
	// Needs are the direct dependencies that the finished resource will have.
	Needs []string `json:"needs,omitempty"`
	// Schema is the version of the schema that Want follows.
	Schema int       `json:"schema,omitempty"`
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"`
	Plan   string    `json:"plan,omitempty"`
	// Declared is where the configuration declares the address.
	Declared Declared `json:"declared,omitzero"`
	// Reached is the last checkpoint, nil before there was one.
	Reached *Checkpoint `json:"reached,omitempty"`
	// Tries counts the attempts that failed, LastError is the last one's.
	Tries     int  `json:"tries,omitempty"`
	LastError *Try `json:"last_error,omitempty"`
}

// Ref is the name of the object that is being changed.
func (i *Intent) Ref() Ref { return Ref{Address: i.Address, Deposed: i.Deposed} }

// Clone is a copy that shares nothing with i.
func (i *Intent) Clone() *Intent {
	if i == nil {
		return nil
	}
	c := *i
	c.Want = bytes.Clone(i.Want)
	c.Secrets = maps.Clone(i.Secrets)
	c.Needs = slices.Clone(i.Needs)
	if i.Reached != nil {
		reached := i.Reached.clone()
		c.Reached = &reached
	}
	if i.LastError != nil {
		last := *i.LastError
		c.LastError = &last
	}
	return &c
}

// Checkpoint is the object of an intent as far as its provider got.
type Checkpoint struct {
	// Key is that of the intent.
	Key string `json:"key"`
	// ID is the provider's name for the object, known before it is finished.
	ID         string            `json:"id,omitempty"`
	Phase      string            `json:"phase,omitempty"`
	Attributes json.RawMessage   `json:"attributes,omitempty"`
	Secrets    map[string]string `json:"secrets,omitempty"`
	Private    []byte            `json:"private,omitempty"`
	At         time.Time         `json:"at,omitzero"`
}

func (c Checkpoint) clone() Checkpoint {
	c.Attributes = bytes.Clone(c.Attributes)
	c.Secrets = maps.Clone(c.Secrets)
	c.Private = bytes.Clone(c.Private)
	return c
}

// Try is a failed attempt at an intent.
type Try struct {
	// Key is that of the intent.
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
	// Kind is the kind of the provider's error, such as no_capacity.
	Kind    string    `json:"kind"`
	Message string    `json:"message"`
	At      time.Time `json:"at,omitzero"`
}

// ClosedIntent is an intent that was given up although its provider may still
// turn out to have done it. Every refresh asks for its key until Until.
type ClosedIntent struct {
	Intent
	ClosedAt time.Time `json:"closed_at"`
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason,omitempty"`
}

// AppliedPlan is a plan that was applied to this state, wholly or in part.
type AppliedPlan struct {
	// ID is the plan's digest.
	ID     string     `json:"id"`
	Status PlanStatus `json:"status"`
	By     string     `json:"by,omitempty"`
	// StartedAt is when its first step was recorded, FinishedAt when apply ended.
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Steps are the ids of the finished steps, for a plan that was applied in part.
	Steps []string `json:"steps,omitempty"`
}

// PlanStatus says how far a plan got.
type PlanStatus string

// How far a plan got.
const (
	// PlanStarted: it is being applied, or its apply was killed.
	PlanStarted PlanStatus = "started"
	// PlanPartly: apply ended with steps left.
	PlanPartly PlanStatus = "partly"
	// PlanApplied: nothing is left of it.
	PlanApplied PlanStatus = "applied"
)
