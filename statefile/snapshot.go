package statefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// FormatVersion is the newest version of the format that this package reads,
// and the one that it writes.
const FormatVersion = 1

// Snapshot is a state at one moment, as it is written. The lists are sorted:
// resources by address, intents and plans by time.
type Snapshot struct {
	FormatVersion int `json:"format_version"`
	// Version is that of the program that wrote the snapshot. It is what the error
	// for a newer format names.
	Version string `json:"dstack_version,omitempty"`
	// Lineage is made once, with the state, and never changes.
	Lineage string `json:"lineage"`
	// Serial is raised by each session that recorded something.
	Serial uint64 `json:"serial"`
	// Head is the sum of the last record of the chain, or what a new chain starts from.
	Head string `json:"head"`
	// Records is the number of records that the chain has.
	Records uint64 `json:"records"`
	// DigestKey is the key of [Digest]. [State.Pull] leaves it out.
	DigestKey []byte `json:"digest_key,omitempty"`
	// Written says when, by whom and for which operation the snapshot was made.
	Written Written `json:"written,omitzero"`

	Backends map[string]Backend `json:"backends,omitempty"`
	Runs     map[string]*Run    `json:"runs"`
	Outputs  map[string]Output  `json:"outputs"`
	// Names are the names that blocks have kept from an address that they had
	// before, by address of the block's repetition. See [State.Name].
	Names   map[string]string `json:"names,omitempty"`
	Intents []*Intent         `json:"intents,omitempty"`
	Closed  []ClosedIntent    `json:"closed,omitempty"`
	Plans   []AppliedPlan     `json:"plans,omitempty"`
	// Gone are the objects that were deleted last.
	Gone []Tombstone `json:"gone,omitempty"`
	// RevisionFloor is at least the highest revision of any object that is
	// neither in Resources nor in Gone.
	RevisionFloor uint64      `json:"revision_floor,omitempty"`
	Resources     []*Resource `json:"resources"`
}

// Written says who made a snapshot.
type Written struct {
	At        time.Time `json:"at,omitzero"`
	By        string    `json:"by,omitempty"`
	Operation string    `json:"operation,omitempty"`
	// Plan is the id of the last plan that was applied in the session.
	Plan string `json:"plan,omitempty"`
}

// Pull is the snapshot as state pull prints it: all of it but the digest key,
// indented, with a line feed at the end.
func (s *State) Pull() ([]byte, error) {
	snap := s.Snapshot()
	snap.DigestKey = nil
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(snap); err != nil {
		return nil, fmt.Errorf("print state: %w", err)
	}
	return out.Bytes(), nil
}

// MarshalJSON is [State.Pull] without the layout, so that a state can never be
// printed with its digest key by accident.
func (s *State) MarshalJSON() ([]byte, error) {
	snap := s.Snapshot()
	snap.DigestKey = nil
	return encodeJSON(snap)
}
