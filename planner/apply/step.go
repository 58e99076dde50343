package apply

import (
	"context"
	"errors"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// work is the life of a worker: one step, then others as long as there are any and its slot is its own.
func (e *engine) work(ctx context.Context, s *step) {
	w := &worker{e: e}
	defer e.schedule.leave()
	for s != nil {
		e.perform(ctx, w, s)
		pending := s
		if w.carry == nil {
			pending = nil
		}
		if s = e.schedule.next(pending); s == nil && w.carry != nil {
			w.flush(ctx)
			s = e.schedule.next(nil)
		}
	}
}

// perform carries out one step. What it leaves is durable when the worker writes the next time.
func (e *engine) perform(ctx context.Context, w *worker, s *step) {
	e.mu.Lock()
	e.flying[s] = true
	e.mu.Unlock()
	s.started = e.clock.Now()
	s.result.Started = s.started
	if s.plan.Op != plan.OpMove { // what moves is there already
		e.emitStep(s, Event{Type: EventStart})
	}
	en, err := e.safely(ctx, w, s)
	if err != nil {
		w.flush(ctx)
		e.settle(s, err)
		return
	}
	w.flush(ctx) // of a step that wrote nothing itself
	last := e.finishing(s, en)
	last.written = func(err error) { e.settle(s, err) }
	w.carry = last
}

// safely makes a panic the step's error.
func (e *engine) safely(ctx context.Context, w *worker, s *step) (en *entry, err error) {
	defer func() {
		if p := recover(); p != nil {
			en, err = nil, describePanic(p)
			s.result.Unknown = true
			e.leaveGroup(s, true)
		}
	}()
	return e.do(ctx, w, s)
}

// finishing adds to what a step leaves that it is done.
func (e *engine) finishing(s *step, en *entry) *entry {
	out := &entry{written: func(error) {}}
	if en != nil {
		out.locks = en.locks
	}
	out.records = func() ([]statefile.Record, error) {
		var records []statefile.Record
		if en != nil {
			var err error
			if records, err = en.records(); err != nil {
				return nil, err
			}
		}
		return append(records, statefile.NewStep(e.clock.Now(), e.plan.ID, stepID(s.plan))), nil
	}
	return out
}

// settle says what became of a step.
func (e *engine) settle(s *step, err error) {
	s.result.Elapsed = e.clock.Now().Sub(s.started)
	s.result.Err = err
	e.mu.Lock()
	delete(e.flying, s)
	broken, isBroken := errors.AsType[*RecordError](err)
	if isBroken && e.broken == nil {
		e.broken = broken
	}
	e.mu.Unlock()
	if isBroken {
		s.result.Unknown = true
		e.schedule.halt() // nothing that is done from here on could be recorded
	}
	if err == nil {
		e.emitStep(s, Event{Type: EventDone, Message: s.result.Note})
		e.schedule.finish(s, Done)
		return
	}
	e.groups.lost(s)
	e.emitStep(s, Event{Type: EventFailed, Error: err.Error()})
	e.schedule.finish(s, Failed)
}

// do carries out a step and returns what it leaves.
func (e *engine) do(ctx context.Context, w *worker, s *step) (*entry, error) {
	switch s.plan.Op {
	case plan.OpCreate:
		if e.groups.supports[s.plan.Address] {
			return e.ensure(ctx, w, s)
		}
		return e.create(ctx, w, s)
	case plan.OpUpdate:
		return e.update(ctx, w, s)
	case plan.OpDelete:
		return e.delete(ctx, w, s)
	case plan.OpRecord:
		return e.recordOnly(ctx, w, s)
	case plan.OpForget:
		return e.forget(s), nil
	case plan.OpDepose:
		return e.depose(s), nil
	case plan.OpMove:
		return nil, e.move(ctx, w, s)
	case plan.OpImport:
		return e.takeOver(ctx, w, s)
	case plan.OpPrecondition, plan.OpPostcondition:
		w.flush(ctx) // evaluating takes its time
		if e.opts.Condition == nil {
			return nil, nil
		}
		return nil, e.opts.Condition(ctx, s.plan.Address, s.plan.Op)
	}
	return nil, providers.Errorf(providers.Invalid, "the plan has a step %q, which this dstack does not know; use the dstack that made the plan", s.plan.Op)
}

// recordOnly takes over planned values without a call.
func (e *engine) recordOnly(ctx context.Context, w *worker, s *step) (*entry, error) {
	c := s.change
	ref := statefile.Ref{Address: c.Address}
	prior := e.state.Object(ref)
	if prior == nil {
		return nil, providers.Errorf(providers.Invalid, "%s is not recorded, so its record cannot be changed; plan again", c.Address)
	}
	if c.Evaluate {
		w.flush(ctx)
	}
	want, err := e.wanted(ctx, c)
	if err != nil {
		return nil, err
	}
	return &entry{
		locks: []lockName{{name: ref.Address}},
		records: func() ([]statefile.Record, error) {
			next := prior.Clone()
			if e.opts.Plan.RefreshOnly { // nothing else of it is new
				next.Attributes, next.Changed = want.json, e.changed()
				return []statefile.Record{statefile.NewPut(e.clock.Now(), next, "")}, nil
			}
			next.Attributes, next.Secrets, next.Needs = want.json, want.clean.Digests, e.needsOf(c)
			next.Declared, next.Protected, next.Changed = declared(c.Declared), c.Protected, e.changed()
			e.succeed(next, prior)
			return []statefile.Record{statefile.NewPut(e.clock.Now(), next, "")}, nil
		},
	}, nil
}

// forget takes an object out of the state alone.
func (e *engine) forget(s *step) *entry {
	ref := statefile.Ref{Address: s.plan.Address, Deposed: s.plan.Deposed}
	reason := statefile.Gone
	if s.change.Action == plan.Forget && !e.opts.Plan.RefreshOnly {
		reason = statefile.Forgotten
	}
	out := &entry{}
	if reason == statefile.Forgotten {
		out.records = func() ([]statefile.Record, error) { return e.forgotten(ref, s.change), nil }
		return out
	}
	rec := e.state.Object(ref)
	end := e.endOfJob(rec, s.change, true)
	out.locks = append(out.locks, end.locks()...)
	out.records = func() ([]statefile.Record, error) {
		records, err := end.records()
		return append(records, statefile.NewDelete(e.clock.Now(), ref, statefile.Removal{Reason: reason, Closes: s.change.IdempotencyKey, Changed: e.changed()})), err
	}
	return out
}

// forgotten takes something out of the record that goes on. Nobody knows how a job will end that is none of this state any
// more, so nothing is remembered of its run.
func (e *engine) forgotten(ref statefile.Ref, c *plan.Change) []statefile.Record {
	now := e.clock.Now()
	records := []statefile.Record{statefile.NewDelete(now, ref, statefile.Removal{Reason: statefile.Forgotten, Closes: c.IdempotencyKey, Changed: e.changed()})}
	if a, err := addr.ParseResource(ref.Address); err == nil && a.Kind() == addr.KindJob && c.EndsRun && e.state.Run(a.Block.String()) != nil {
		records = append(records, statefile.NewRun(now, a.Block.String(), nil))
	}
	return records
}

// depose gives the current object the name under which it waits for its end.
func (e *engine) depose(s *step) *entry {
	from, to := statefile.Ref{Address: s.plan.Address}, statefile.Ref{Address: s.plan.Address, Deposed: s.plan.Deposed}
	return &entry{
		locks: []lockName{{name: from.Address}},
		records: func() ([]statefile.Record, error) {
			return []statefile.Record{statefile.NewMove(e.clock.Now(), from, to, e.changed())}, nil
		},
	}
}

// backendOf is the backend of what a change makes: that of the candidate that was taken, and a job's is its instance's.
func (e *engine) backendOf(c *plan.Change, want *wanted) string {
	if c.Kind == addr.KindJob && c.Placement != nil {
		if on := e.state.Resource(c.Placement.Instance); on != nil {
			return on.Backend
		}
	}
	if _, ok := e.groups.override(c.Address); ok {
		if name := textOf(want.plain, "backend"); name != "" {
			return name
		}
	}
	return c.Backend
}
