package statefile

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

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
