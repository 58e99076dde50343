package statefile

import (
	"bytes"
	"maps"
	"slices"
	"time"
)

// NewEpoch records who writes from here on. A store appends it by itself.
func NewEpoch(at time.Time, holder Holder, version string) Record {
	return newRecord(at, &epochChange{Holder: holder, Format: FormatVersion, Version: version})
}

// NewIntent records what is about to be done, before the provider is called. An
// intent with the same key that is still open keeps its checkpoint.
func NewIntent(at time.Time, intent Intent) Record {
	return newRecord(at, &intentChange{Intent: intent.Clone()})
}

// NewCheckpoint records how far the provider got with the open intent at ref
// that has the checkpoint's key.
func NewCheckpoint(at time.Time, ref Ref, reached Checkpoint) Record {
	reached = reached.clone()
	if reached.At.IsZero() {
		reached.At = at.UTC().Round(0)
	}
	return newRecord(at, &checkpointChange{Ref: ref, Checkpoint: reached})
}

// NewTry records a failed attempt at the open intent at ref that has the try's key.
func NewTry(at time.Time, ref Ref, try Try) Record {
	if try.At.IsZero() {
		try.At = at.UTC().Round(0)
	}
	return newRecord(at, &tryChange{Ref: ref, Try: try})
}

// NewPut records a resource as it is now, new or changed, and closes the open
// intent at its address that has the key closes ("" closes none). A Changed
// without a serial gets that of the next snapshot.
func NewPut(at time.Time, resource *Resource, closes string) Record {
	return newRecord(at, &putChange{Resource: resource.Clone(), Closes: closes})
}

// Removal says how an object left the state.
type Removal struct {
	Reason DeleteReason `json:"reason"`
	// Closes is the key of the open intent that this ends, "" for none.
	Closes  string  `json:"closes,omitempty"`
	Changed Changed `json:"changed"`
}

// NewDelete records that an object is no longer there, or no longer ours. A
// [Tombstone] of it stays.
func NewDelete(at time.Time, ref Ref, removal Removal) Record {
	return newRecord(at, &deleteChange{Ref: ref, Removal: removal})
}

// NewClose records that an intent ended with nothing made. With keep above zero
// that is not certain: the intent moves to the closed ones, and its key is asked
// for until keep has passed.
func NewClose(at time.Time, ref Ref, key, reason string, keep time.Duration) Record {
	c := &closeChange{Ref: ref, Key: key, Reason: reason}
	if keep > 0 {
		c.Until = at.UTC().Round(0).Add(keep)
	}
	return newRecord(at, c)
}

// NewMove records that an object has another name: an address that moved, or an
// object that is deposed (To.Deposed is its key then) or put back. Open intents
// follow an address, not a deposed object. What stands at to is replaced.
func NewMove(at time.Time, from, to Ref, changed Changed) Record {
	return newRecord(at, &moveChange{From: from, To: to, Changed: changed})
}

// NewStatus records a status, which is no change of a resource's revision.
func NewStatus(at time.Time, ref Ref, status string) Record {
	return newRecord(at, &statusChange{Ref: ref, Status: status})
}

// NewOccupy records that a job was placed on the instance at address, or left
// it: its occupancy rises by one.
func NewOccupy(at time.Time, address string) Record {
	return newRecord(at, &occupyChange{Address: address})
}

// NewBackend records a backend under its name, or with nil that it is not needed
// any more.
func NewBackend(at time.Time, name string, backend *Backend) Record {
	c := &backendChange{Name: name}
	if backend != nil {
		b := *backend
		b.Config, b.Secrets = bytes.Clone(b.Config), maps.Clone(b.Secrets)
		c.Backend = &b
	}
	return newRecord(at, c)
}

// NewRun records a run under its address, or with nil that it is forgotten.
func NewRun(at time.Time, address string, run *Run) Record {
	return newRecord(at, &runChange{Address: address, Run: run.Clone()})
}

// NewOutputs records all outputs; those that are not among them are removed.
func NewOutputs(at time.Time, outputs map[string]Output) Record {
	outputs = maps.Clone(outputs)
	for name, o := range outputs {
		o.Value, o.Type = bytes.Clone(o.Value), bytes.Clone(o.Type)
		outputs[name] = o
	}
	return newRecord(at, &outputsChange{Outputs: outputs})
}

// NewPlan records that a plan is being applied, or how its apply ended. Steps
// that were recorded before stay, until it is applied; overrides of policies stay for good.
func NewPlan(at time.Time, plan AppliedPlan) Record {
	plan.Overrides = slices.Clone(plan.Overrides)
	plan.Steps = slices.Clone(plan.Steps)
	return newRecord(at, &planChange{AppliedPlan: plan})
}

// NewStep records that a step of a plan is finished.
func NewStep(at time.Time, plan, step string) Record {
	return newRecord(at, &stepChange{Plan: plan, Step: step})
}
