package statefile

import (
	"maps"
	"slices"
	"time"
)

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
		plan.Overrides = append(slices.Clone(s.plans[i].Overrides), plan.Overrides...)
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
