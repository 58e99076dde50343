package statefile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// State is what is known, in memory. It may be read while a session records:
// each method sees the state between two records. What its methods return is
// never changed by it later, and must not be changed by the caller.
type State struct {
	mu sync.RWMutex

	version   string
	lineage   string
	serial    uint64
	head      string
	records   uint64
	digestKey []byte
	written   Written
	writer    *Holder

	backends  map[string]Backend
	resources map[string]*Resource
	deposed   map[string][]*Resource
	runs      map[string]*Run
	outputs   map[string]Output
	intents   map[Ref][]*Intent
	closed    []ClosedIntent
	plans     []AppliedPlan
	gone      map[Ref]Tombstone
	floor     uint64
	names     map[string]string
}

// New is the state in which nothing is known yet.
func New(lineage string, digestKey []byte) *State {
	return &State{
		lineage: lineage, head: genesis(lineage), digestKey: bytes.Clone(digestKey),
		backends: map[string]Backend{}, resources: map[string]*Resource{}, deposed: map[string][]*Resource{},
		runs: map[string]*Run{}, outputs: map[string]Output{}, intents: map[Ref][]*Intent{}, gone: map[Ref]Tombstone{}, names: map[string]string{},
	}
}

// FromSnapshot is the state that a snapshot describes. It takes over what the
// snapshot holds.
func FromSnapshot(snap *Snapshot) (*State, error) {
	switch {
	case snap.FormatVersion != FormatVersion:
		return nil, fmt.Errorf("format_version is %d, not %d", snap.FormatVersion, FormatVersion)
	case snap.Lineage == "":
		return nil, fmt.Errorf("lineage is missing")
	case !isSum([]byte(snap.Head)):
		return nil, fmt.Errorf("head is not a SHA-256 in hex")
	}
	s := New(snap.Lineage, snap.DigestKey)
	s.version, s.serial, s.head, s.records = snap.Version, snap.Serial, snap.Head, snap.Records
	s.written, s.floor = snap.Written, snap.RevisionFloor
	s.resources = make(map[string]*Resource, len(snap.Resources))
	for i, r := range snap.Resources {
		switch {
		case r == nil || r.Address == "":
			return nil, fmt.Errorf("resource %d has no address", i)
		case s.object(r.Ref()) != nil:
			return nil, fmt.Errorf("resource %s stands there twice", r.Ref())
		}
		s.put(r)
	}
	for name, run := range snap.Runs {
		if run == nil {
			return nil, fmt.Errorf("run %s is null", name)
		}
		s.runs[name] = run
	}
	for _, intent := range snap.Intents {
		if intent == nil || intent.Address == "" {
			return nil, fmt.Errorf("an intent has no address")
		}
		s.intents[intent.Ref()] = append(s.intents[intent.Ref()], intent)
	}
	maps.Copy(s.backends, snap.Backends)
	maps.Copy(s.outputs, snap.Outputs)
	maps.Copy(s.names, snap.Names)
	s.closed, s.plans = snap.Closed, snap.Plans
	for _, t := range snap.Gone {
		s.gone[t.Ref()] = t
	}
	return s, nil
}

// Snapshot is the state at this moment, in the order in which it is written.
func (s *State) Snapshot() *Snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	snap := &Snapshot{
		FormatVersion: FormatVersion, Version: s.version,
		Lineage: s.lineage, Serial: s.serial, Head: s.head, Records: s.records,
		DigestKey: bytes.Clone(s.digestKey), Written: s.written,
		Backends: maps.Clone(s.backends), Runs: maps.Clone(s.runs), Outputs: maps.Clone(s.outputs), Names: maps.Clone(s.names),
		Intents: s.sortedIntents(), Closed: slices.Clone(s.closed), Plans: slices.Clone(s.plans),
		RevisionFloor: s.floor, Resources: s.sortedResources(),
	}
	for i := range snap.Plans {
		snap.Plans[i].Steps = slices.Clone(snap.Plans[i].Steps)
		snap.Plans[i].Overrides = slices.Clone(snap.Plans[i].Overrides)
	}
	snap.Gone = slices.SortedFunc(maps.Values(s.gone), compareTombstones)
	return snap
}

// Lineage is the name that the state got when it was made.
func (s *State) Lineage() string { return s.lineage }

// Serial is that of the snapshot which the state began with.
func (s *State) Serial() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.serial
}

// Head is the sum of the last record.
func (s *State) Head() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head
}

// Records is the number of records in the chain.
func (s *State) Records() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.records
}

// Written says who recorded last, and when.
func (s *State) Written() Written {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.written
}

// Writer is who recorded last according to the journal, nil if nothing was
// recorded since the snapshot.
func (s *State) Writer() *Holder {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.writer
}

// Digest stands for the secret value at path, see [Digest].
func (s *State) Digest(path string, value []byte) string { return Digest(s.digestKey, path, value) }

// Encrypt hides a small secret in a text that only this state can read again,
// see [Encrypt].
func (s *State) Encrypt(name string, secret []byte) (string, error) {
	return Encrypt(s.digestKey, name, secret)
}

// Decrypt reads what [State.Encrypt] has hidden.
func (s *State) Decrypt(name, hidden string) ([]byte, error) {
	return Decrypt(s.digestKey, name, hidden)
}

// NewKey is the idempotency key for an attempt at address that a plan of the
// state with that head makes, see [NewKey].
func (s *State) NewKey(address, head string, attempt int) string {
	return NewKey(s.lineage, address, head, attempt)
}

// ImportKey is the idempotency key that something without one gets when it is
// taken over to an address. It is none of [State.NewKey], so that what is made
// in its place is not taken for it.
func (s *State) ImportKey(address, head string) string {
	return NewKey(s.lineage, address+" import", head, 1)
}

// Resource is the current object of an address, nil if there is none.
func (s *State) Resource(address string) *Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.resources[address]
}

// Object is the object with that name, current or deposed, nil if there is none.
func (s *State) Object(ref Ref) *Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.object(ref)
}

// Deposed are the deposed objects of an address.
func (s *State) Deposed(address string) []*Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.deposed[address])
}

// Resources are all objects, current and deposed, sorted by address.
func (s *State) Resources() []*Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sortedResources()
}

// Len is the number of objects.
func (s *State) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := len(s.resources)
	for _, list := range s.deposed {
		n += len(list)
	}
	return n
}

// NextRevision is the revision that a changed or new object at ref gets: above
// all that an object of this address ever had.
func (s *State) NextRevision(ref Ref) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.nextRevision(ref)
}

func (s *State) nextRevision(ref Ref) uint64 {
	if r := s.object(ref); r != nil {
		return r.Revision + 1
	}
	if t, ok := s.gone[ref]; ok {
		return t.Revision + 1
	}
	return s.floor + 1
}

// Tombstone is what is left of the object that was last deleted at ref.
func (s *State) Tombstone(ref Ref) (Tombstone, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.gone[ref]
	return t, ok
}

// Backend is the recorded backend of that name.
func (s *State) Backend(name string) (Backend, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.backends[name]
	return b, ok
}

// Backends are the recorded backends by name.
func (s *State) Backends() map[string]Backend {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.backends)
}

// Run is what is remembered of the run at address, nil if nothing is.
func (s *State) Run(address string) *Run {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.runs[address]
}

// Runs are all remembered runs by address.
func (s *State) Runs() map[string]*Run {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.runs)
}

// Outputs are the recorded outputs by name.
func (s *State) Outputs() map[string]Output {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.outputs)
}

// Intents are the open intents, oldest first.
func (s *State) Intents() []*Intent {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sortedIntents()
}

// Intent is the newest open intent at ref, nil if there is none.
func (s *State) Intent(ref Ref) *Intent {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if open := s.intents[ref]; len(open) > 0 {
		return open[len(open)-1]
	}
	return nil
}

// Closed are the closed intents whose keys are still asked for at now.
func (s *State) Closed(now time.Time) []ClosedIntent {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(s.closed), func(c ClosedIntent) bool { return !now.Before(c.Until) })
}

// Plan is the plan with that id, if it was applied lately.
func (s *State) Plan(id string) (AppliedPlan, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.plans {
		if p.ID == id {
			p.Steps, p.Overrides = slices.Clone(p.Steps), slices.Clone(p.Overrides)
			return p, true
		}
	}
	return AppliedPlan{}, false
}

// Plans are the plans that were applied lately, oldest first. Those that were
// applied against policies are kept longer than others.
func (s *State) Plans() []AppliedPlan {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := slices.Clone(s.plans)
	for i := range out {
		out[i].Steps, out[i].Overrides = slices.Clone(out[i].Steps), slices.Clone(out[i].Overrides)
	}
	return out
}

// Apply replays one sealed record. One that does not continue the head is a
// *[ForkError]; nothing else can go wrong.
func (s *State) Apply(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applyLocked(r)
}

func (s *State) applyLocked(r Record) error {
	if r.change == nil || r.Sum == "" {
		return fmt.Errorf("apply %s record: it is not sealed", r.Type)
	}
	if r.Prev != s.head || r.N != s.records+1 {
		return &ForkError{Snapshot: s.head, Journal: r.Prev}
	}
	r.change.apply(s, r.Time)
	s.head, s.records = r.Sum, r.N
	return nil
}

// Seal gives records their places behind the head and returns them with their
// lines. The state is not changed: apply them once the lines are durable.
func (s *State) Seal(records []Record) (sealed []Record, lines []byte, err error) {
	s.mu.RLock()
	prev, n := s.head, s.records
	s.mu.RUnlock()
	sealed = slices.Clone(records)
	for i := range sealed {
		n++
		if lines, err = sealed[i].appendLine(lines, n, prev); err != nil {
			return nil, nil, err
		}
		prev = sealed[i].Sum
	}
	return sealed, lines, nil
}

const (
	// keepPlans is the number of applied plans that a snapshot names.
	keepPlans = 20
	// keepOverridden is the same for plans that were applied against policies: the
	// record of that outlives what is of use to the next apply.
	keepOverridden = 200
	// keepGone is the number of tombstones in a snapshot.
	keepGone = 1000
)

// Compact makes the state the one of the next serial: what is kept only for a
// while and is out of date at now is dropped. Version is that of the program.
func (s *State) Compact(now time.Time, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	s.version = version
	s.written.At = now.UTC().Round(0)
	s.closed = slices.DeleteFunc(slices.Clone(s.closed), func(c ClosedIntent) bool { return !now.Before(c.Until) })
	s.dropNames()
	s.plans = newestPlans(s.plans)
	if len(s.gone) > keepGone {
		oldest := slices.SortedFunc(maps.Values(s.gone), compareTombstones)
		for _, t := range oldest[:len(oldest)-keepGone] {
			s.floor = max(s.floor, t.Revision)
			delete(s.gone, t.Ref())
		}
	}
}

// newestPlans are those of the plans that a snapshot names.
func newestPlans(plans []AppliedPlan) []AppliedPlan {
	var out []AppliedPlan
	overridden := 0
	for i, p := range slices.Backward(plans) {
		late := len(plans)-i <= keepPlans
		if len(p.Overrides) > 0 {
			overridden++
			late = late || overridden <= keepOverridden
		}
		if late {
			out = append(out, p)
		}
	}
	slices.Reverse(out)
	return out
}
