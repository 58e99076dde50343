package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// StaleError says that the state has moved since the plan was made, in a way that matters to the plan. Nothing was done.
type StaleError struct {
	Plan string
	// Reason is why the plan does not fit the state at all, "" if Moved says it.
	Reason string
	Moved  []Moved
}

// Moved is one thing that is not as it was when the plan was made.
type Moved struct {
	Address string
	What    string // a clause: "was changed"
	When    time.Time
	By      string
}

func (m Moved) String() string {
	s := m.Address + " " + m.What
	if m.By != "" {
		s += " by " + m.By
	}
	if !m.When.IsZero() {
		s += " at " + m.When.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return s
}

func (e *StaleError) Error() string {
	if e.Reason != "" {
		return "plan is stale: " + e.Reason + "; plan again"
	}
	lines := make([]string, len(e.Moved))
	for i, m := range e.Moved {
		lines[i] = m.String()
	}
	return "plan is stale: " + strings.Join(lines, "; ") + ". Nothing was done; plan again"
}

// check finds what has moved since the plan was made, and which steps an earlier apply of this very plan has done.
func (e *engine) check() (past []bool, err error) {
	if e.state.Lineage() != e.plan.Lineage {
		return nil, &StaleError{Plan: e.plan.ID, Reason: fmt.Sprintf("it was made from the state %s, and this one is %s", e.plan.Lineage, e.state.Lineage())}
	}
	past = e.past()
	moved := e.unmoved()
	if len(moved) > 0 {
		return nil, &StaleError{Plan: e.plan.ID, Moved: moved}
	}
	occupied := e.occupied(past)
	for _, address := range slices.SortedFunc(maps.Keys(e.plan.Revisions), statefile.CompareAddresses) {
		if m, ok := e.movedAt(address, e.plan.Revisions[address], occupied[address]); ok {
			moved = append(moved, m)
		}
	}
	moved = append(moved, e.foreignIntents()...)
	for _, r := range e.view.Resources() {
		if r.Tainted && r.Deposed == "" && r.Changed.Plan == e.plan.ID {
			moved = append(moved, Moved{Address: r.Address, What: "was left half made by this plan", When: r.Changed.At, By: r.Changed.By})
		}
	}
	if len(moved) > 0 {
		return nil, &StaleError{Plan: e.plan.ID, Moved: moved}
	}
	return past, nil
}

// movedAt compares one record with what the plan saw. What this plan has moved itself is not foreign.
func (e *engine) movedAt(address string, saw plan.Revision, own uint64) (Moved, bool) {
	r := e.view.Resource(address)
	gone, buried := e.view.Tombstone(statefile.Ref{Address: address})
	if old := e.movedTo[address]; r == nil && !buried && old != "" {
		address = old
		gone, buried = e.view.Tombstone(statefile.Ref{Address: old})
	}
	if r == nil {
		switch {
		// What was deleted in the session after the plan's serial may have been so before the plan: one that was cut off.
		case saw.Revision == 0 && (!buried || gone.Changed.Serial <= e.plan.Serial+1):
			return Moved{}, false
		case buried && gone.Changed.Plan == e.plan.ID:
			return Moved{}, false
		case saw.Revision == 0:
			return Moved{Address: address, What: "was created and is gone again", When: gone.Changed.At, By: gone.Changed.By}, true
		}
		return Moved{Address: address, What: "is not recorded any more", When: gone.Changed.At, By: gone.Changed.By}, true
	}
	if r.Changed.Plan == e.plan.ID {
		return Moved{}, false
	}
	m := Moved{Address: address, When: r.Changed.At, By: r.Changed.By}
	switch {
	case saw.Revision == 0:
		m.What = "was created"
		return m, true
	case r.Revision != saw.Revision:
		m.What = "was changed"
		return m, true
	case saw.Occupancy != 0 && (r.Occupancy < saw.Occupancy || r.Occupancy > saw.Occupancy+own):
		return e.movedIn(address), true
	}
	return Moved{}, false
}

// movedIn says who has put a job on an instance, or taken one away, since the plan was made. The record of the instance does
// not: that of the job does, while it is there.
func (e *engine) movedIn(address string) Moved {
	m := Moved{Address: address, What: "has got or lost a job"}
	for _, r := range e.state.Resources() {
		if r.Kind != addr.KindJob || r.Changed.Plan == e.plan.ID || r.Changed.Serial <= e.plan.Serial || r.Changed.At.Before(m.When) || instanceOf(r) != address {
			continue
		}
		m = Moved{Address: address, What: "has got " + r.Address, When: r.Changed.At, By: r.Changed.By}
	}
	return m
}

// foreignIntents are operations that are open on what the plan reads or changes, and that it does not know.
func (e *engine) foreignIntents() []Moved {
	known := map[string]bool{}
	for _, d := range e.plan.Intents {
		known[d.Key] = true
	}
	concerns := map[string]bool{}
	for address := range e.plan.Revisions {
		concerns[address] = true
	}
	for _, c := range e.plan.Changes {
		concerns[c.Address] = true
	}
	var out []Moved
	for _, in := range e.view.Intents() {
		if concerns[in.Address] && !known[in.Key] && in.Plan != e.plan.ID {
			out = append(out, Moved{Address: in.Address, What: fmt.Sprintf("has a %s that was cut off,", in.Operation), When: in.Since, By: in.By})
		}
	}
	return out
}

// past tells for each step whether an earlier apply of this plan has done it. A crash may have kept the change and lost
// the record of the step, so the former counts as well.
func (e *engine) past() []bool {
	out := make([]bool, len(e.steps))
	applied, _ := e.state.Plan(e.plan.ID)
	done := make(map[string]bool, len(applied.Steps))
	for _, id := range applied.Steps {
		done[id] = true
	}
	for i, s := range e.steps {
		out[i] = done[stepID(s.plan)] || e.evident(s)
	}
	return out
}

func (e *engine) evident(s *step) bool {
	ref := statefile.Ref{Address: s.plan.Address, Deposed: s.plan.Deposed}
	ours := func(r *statefile.Resource) bool { return r != nil && r.Changed.Plan == e.plan.ID }
	gone, _ := e.view.Tombstone(ref)
	buried := gone.Changed.Plan == e.plan.ID && e.plan.ID != ""
	r := e.view.Resource(s.plan.Address)
	asFound := s.change != nil && s.change.Import != nil && r != nil && r.Key == e.importKey(s.change) // it was only taken over so far
	switch s.plan.Op {
	case plan.OpImport:
		return ours(r)
	case plan.OpCreate, plan.OpUpdate, plan.OpRecord: // an update of what was taken over keeps its key, and is done again
		return ours(r) && !r.Tainted && !asFound
	case plan.OpDepose:
		return ours(e.view.Object(ref)) || buried
	case plan.OpDelete, plan.OpForget:
		if ref.Deposed == "" && ours(r) && !asFound {
			return true // and its successor is there
		}
		return buried && e.view.Object(ref) == nil
	}
	return false
}

// occupied counts by instance how often jobs of this plan have come or gone in an earlier apply.
func (e *engine) occupied(past []bool) map[string]uint64 {
	out := map[string]uint64{}
	for i, s := range e.steps {
		if !past[i] || s.change == nil || s.change.Kind != addr.KindJob {
			continue
		}
		switch s.plan.Op {
		case plan.OpCreate:
			if s.change.Placement != nil {
				out[s.change.Placement.Instance]++
			}
		case plan.OpDelete, plan.OpForget:
			if v, err := schema.UnmarshalValue(schema.KindObject(addr.KindJob), s.change.Before); err == nil {
				out[textOf(v, "instance")]++
			}
		}
	}
	return out
}

// stepID names a step in the state.
func stepID(s plan.Step) string {
	return string(s.Op) + " " + statefile.Ref{Address: s.Address, Deposed: s.Deposed}.String()
}
