package statefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// change is the content of a record. Applying one cannot fail: what is not there
// to be changed is left alone, so that a journal that was written can always be
// replayed.
type change interface {
	recordType() Type
	apply(s *State, at time.Time)
}

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
// that were recorded before stay, until it is applied.
func NewPlan(at time.Time, plan AppliedPlan) Record {
	plan.Steps = slices.Clone(plan.Steps)
	return newRecord(at, &planChange{AppliedPlan: plan})
}

// NewStep records that a step of a plan is finished.
func NewStep(at time.Time, plan, step string) Record {
	return newRecord(at, &stepChange{Plan: plan, Step: step})
}

type (
	epochChange struct {
		Holder  Holder `json:"holder"`
		Format  int    `json:"format"`
		Version string `json:"dstack_version,omitempty"`
	}
	intentChange     struct{ *Intent }
	checkpointChange struct {
		Ref
		Checkpoint
	}
	tryChange struct {
		Ref
		Try
	}
	putChange struct {
		Closes   string    `json:"closes,omitempty"`
		Resource *Resource `json:"resource"`
	}
	deleteChange struct {
		Ref
		Removal
	}
	closeChange struct {
		Ref
		Key    string    `json:"key"`
		Reason string    `json:"reason,omitempty"`
		Until  time.Time `json:"until,omitzero"`
	}
	moveChange struct {
		From    Ref     `json:"from"`
		To      Ref     `json:"to"`
		Changed Changed `json:"changed,omitzero"`
	}
	statusChange struct {
		Ref
		Status string `json:"status"`
	}
	occupyChange struct {
		Address string `json:"address"`
	}
	backendChange struct {
		Name    string   `json:"name"`
		Backend *Backend `json:"backend"`
	}
	runChange struct {
		Address string `json:"address"`
		Run     *Run   `json:"run"`
	}
	outputsChange struct {
		Outputs map[string]Output `json:"outputs"`
	}
	planChange struct{ AppliedPlan }
	stepChange struct {
		Plan string `json:"plan"`
		Step string `json:"step"`
	}
)

func (*epochChange) recordType() Type      { return TypeEpoch }
func (*intentChange) recordType() Type     { return TypeIntent }
func (*checkpointChange) recordType() Type { return TypeCheckpoint }
func (*tryChange) recordType() Type        { return TypeTry }
func (*putChange) recordType() Type        { return TypePut }
func (*deleteChange) recordType() Type     { return TypeDelete }
func (*closeChange) recordType() Type      { return TypeClose }
func (*moveChange) recordType() Type       { return TypeMove }
func (*statusChange) recordType() Type     { return TypeStatus }
func (*occupyChange) recordType() Type     { return TypeOccupy }
func (*backendChange) recordType() Type    { return TypeBackend }
func (*runChange) recordType() Type        { return TypeRun }
func (*outputsChange) recordType() Type    { return TypeOutputs }
func (*planChange) recordType() Type       { return TypePlan }
func (*stepChange) recordType() Type       { return TypeStep }

// decodeChange reads the content of a record. A field that it does not know is
// an error, because the next snapshot would lose it.
func decodeChange(t Type, data []byte) (change, error) {
	var c change
	switch t {
	case TypeEpoch:
		// Read with every field allowed: this is the record that says whether the
		// others can be read.
		epoch := &epochChange{}
		if err := json.Unmarshal(data, epoch); err != nil {
			return nil, fmt.Errorf("the content of the epoch record cannot be read: %w", err)
		}
		if epoch.Format > FormatVersion {
			return nil, &NewerFormatError{Format: epoch.Format, Version: epoch.Version}
		}
		return epoch, nil
	case TypeIntent:
		c = &intentChange{Intent: &Intent{}}
	case TypeCheckpoint:
		c = &checkpointChange{}
	case TypeTry:
		c = &tryChange{}
	case TypePut:
		c = &putChange{}
	case TypeDelete:
		c = &deleteChange{}
	case TypeClose:
		c = &closeChange{}
	case TypeMove:
		c = &moveChange{}
	case TypeStatus:
		c = &statusChange{}
	case TypeOccupy:
		c = &occupyChange{}
	case TypeBackend:
		c = &backendChange{}
	case TypeRun:
		c = &runChange{}
	case TypeOutputs:
		c = &outputsChange{}
	case TypePlan:
		c = &planChange{}
	case TypeStep:
		c = &stepChange{}
	default:
		return nil, fmt.Errorf("the type of record %q is not known to this version of dstack", t)
	}
	if err := decodeStrict(data, c); err != nil {
		return nil, fmt.Errorf("the content of the %s record cannot be read: %w", t, err)
	}
	if put, ok := c.(*putChange); ok && put.Resource == nil {
		return nil, fmt.Errorf("the put record holds no resource")
	}
	return c, nil
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more than one value")
	}
	return nil
}

func (c *epochChange) apply(s *State, at time.Time) {
	s.written = Written{At: at, By: c.Holder.Who(), Operation: c.Holder.Operation, Plan: c.Holder.Plan}
	holder := c.Holder
	s.writer = &holder
}

func (c *intentChange) apply(s *State, _ time.Time) {
	if open := s.openIntent(c.Ref(), c.Key); open != nil {
		next := c.Intent.Clone()
		if next.Reached == nil {
			next.Reached = open.Reached
		}
		if next.LastError == nil {
			next.Tries, next.LastError = open.Tries, open.LastError
		}
		s.replaceIntent(open, next)
		return
	}
	s.intents[c.Ref()] = append(s.intents[c.Ref()], c.Intent)
}

func (c *checkpointChange) apply(s *State, _ time.Time) {
	if open := s.openIntent(c.Ref, c.Checkpoint.Key); open != nil {
		next := *open
		reached := c.Checkpoint
		next.Reached = &reached
		s.replaceIntent(open, &next)
	}
}

func (c *tryChange) apply(s *State, _ time.Time) {
	if open := s.openIntent(c.Ref, c.Try.Key); open != nil {
		next := *open
		last := c.Try
		next.Tries++
		next.LastError = &last
		s.replaceIntent(open, &next)
	}
}

func (c *putChange) apply(s *State, _ time.Time) {
	r := *c.Resource
	if r.Changed.Serial == 0 {
		r.Changed.Serial = s.serial + 1
	}
	s.closeIntent(r.Ref(), c.Closes)
	s.put(&r)
}

func (c *deleteChange) apply(s *State, _ time.Time) {
	s.closeIntent(c.Ref, c.Closes)
	old := s.object(c.Ref)
	if old == nil {
		return
	}
	changed := c.Changed
	if changed.Serial == 0 {
		changed.Serial = s.serial + 1
	}
	s.remove(c.Ref)
	s.bury(tombstone(old, c.Reason, changed))
}

func tombstone(old *Resource, reason DeleteReason, changed Changed) Tombstone {
	return Tombstone{
		Address: old.Address, Deposed: old.Deposed, Kind: old.Kind, ID: old.ID,
		Reason: reason, Revision: old.Revision, Changed: changed,
	}
}

func (c *closeChange) apply(s *State, at time.Time) {
	intent := s.closeIntent(c.Ref, c.Key)
	if intent == nil || c.Until.IsZero() {
		return
	}
	s.closed = append(s.closed, ClosedIntent{Intent: *intent, ClosedAt: at, Until: c.Until, Reason: c.Reason})
}

func (c *moveChange) apply(s *State, _ time.Time) {
	if c.From == c.To {
		return
	}
	if old := s.object(c.From); old != nil {
		moved := *old
		moved.Address, moved.Deposed = c.To.Address, c.To.Deposed
		moved.Revision = max(moved.Revision, s.nextRevision(c.To))
		if c.Changed != (Changed{}) {
			moved.Changed = c.Changed
			if moved.Changed.Serial == 0 {
				moved.Changed.Serial = s.serial + 1
			}
		}
		s.remove(c.From)
		s.bury(tombstone(old, Moved, moved.Changed))
		s.put(&moved)
	}
	if c.From.Deposed != c.To.Deposed {
		return
	}
	open := s.intents[c.From]
	delete(s.intents, c.From)
	for _, intent := range open {
		next := *intent
		next.Address = c.To.Address
		s.intents[c.To] = append(s.intents[c.To], &next)
	}
}

func (c *statusChange) apply(s *State, _ time.Time) {
	if old := s.object(c.Ref); old != nil {
		next := *old
		next.Status = c.Status
		s.put(&next)
	}
}

func (c *occupyChange) apply(s *State, _ time.Time) {
	if old := s.object(Ref{Address: c.Address}); old != nil {
		next := *old
		next.Occupancy++
		s.put(&next)
	}
}

func (c *backendChange) apply(s *State, _ time.Time) {
	if c.Backend == nil {
		delete(s.backends, c.Name)
		return
	}
	s.backends[c.Name] = *c.Backend
}

func (c *runChange) apply(s *State, _ time.Time) {
	if c.Run == nil {
		delete(s.runs, c.Address)
		return
	}
	s.runs[c.Address] = c.Run
}

func (c *outputsChange) apply(s *State, _ time.Time) {
	s.outputs = make(map[string]Output, len(c.Outputs))
	maps.Copy(s.outputs, c.Outputs)
}

func (c *planChange) apply(s *State, _ time.Time) {
	plan := c.AppliedPlan
	i := slices.IndexFunc(s.plans, func(p AppliedPlan) bool { return p.ID == plan.ID })
	if i >= 0 {
		plan.Steps = append(slices.Clone(s.plans[i].Steps), plan.Steps...)
		if plan.StartedAt.IsZero() {
			plan.StartedAt = s.plans[i].StartedAt
		}
		s.plans = slices.Delete(slices.Clone(s.plans), i, i+1)
	}
	if plan.Status == PlanApplied {
		plan.Steps = nil
	}
	s.plans = append(s.plans, plan)
	s.written.Plan = plan.ID
}

func (c *stepChange) apply(s *State, at time.Time) {
	i := slices.IndexFunc(s.plans, func(p AppliedPlan) bool { return p.ID == c.Plan })
	if i < 0 {
		s.plans = append(s.plans, AppliedPlan{ID: c.Plan, Status: PlanStarted, StartedAt: at})
		i = len(s.plans) - 1
	}
	s.plans[i].Steps = append(s.plans[i].Steps, c.Step)
}
