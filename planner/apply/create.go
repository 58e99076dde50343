package apply

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// numbersPerCandidate keeps the keys of candidates apart: each has so many numbers of its own.
const numbersPerCandidate = 1000

// create makes an object, with the candidates of its group and the retries of its own policy.
func (e *engine) create(ctx context.Context, w *worker, s *step) (*entry, error) {
	began := e.clock.Now()
	waits, number := 0, 0
	for {
		candidate := 0
		if s.group != nil {
			var ok bool
			if candidate, ok = e.groups.enter(ctx, w, s); !ok {
				return nil, fmt.Errorf("the apply was interrupted before it was tried")
			}
		}
		a, err := e.creation(ctx, w, s)
		if err != nil {
			e.leaveGroup(s, s.result.Unknown)
			return nil, err
		}
		a.number += candidate*numbersPerCandidate + number
		o, failed := a.run(ctx)
		number = a.number - candidate*numbersPerCandidate - 1
		if failed == nil {
			en, err := e.made(ctx, a, o)
			e.leaveGroup(s, true)
			return en, err
		}
		kind := providers.KindOf(failed.err)
		if failed.object.ID != "" {
			e.leaveGroup(s, true)
			return nil, e.taint(ctx, a, failed.object, failed.err)
		}
		s.result.Unknown = !failed.nothing
		if !failed.nothing || kind != providers.NoCapacity && kind != providers.NoQuota {
			e.leaveGroup(s, !failed.nothing)
			return nil, failed.err
		}
		why := ""
		if s.group != nil {
			var again bool
			if again, why = e.groups.next(ctx, w, s, candidate, failed.err); again {
				number = 0
				continue
			}
		}
		waits++
		number++
		if !e.waitForCapacity(ctx, a, kind, waits, began, failed.err) {
			if why != "" {
				return nil, &providers.Error{Kind: kind, Message: failed.err.Error() + "; " + why, Cause: failed.err}
			}
			return nil, failed.err
		}
	}
}

// leaveGroup counts a member out, once.
func (e *engine) leaveGroup(s *step, exists bool) {
	if s.entered {
		s.entered = false
		e.groups.leave(s.group, exists)
	}
}

// creation gathers what a create needs, and takes up the intent of an earlier one.
func (e *engine) creation(ctx context.Context, w *worker, s *step) (*attempt, error) {
	c := s.change
	if c.Evaluate {
		w.flush(ctx) // evaluating takes its time
	}
	want, err := e.wanted(ctx, c)
	if err != nil {
		return nil, err
	}
	ref := statefile.Ref{Address: c.Address}
	a, err := e.newAttempt(ctx, w, s, statefile.Create, ref, c.Kind, e.backendOf(c, want))
	if err != nil {
		return nil, err
	}
	a.wants(want)
	if a.op.Needs, err = e.needs(c.Address, e.needsOf(c)); err != nil {
		return nil, err
	}
	if s.takenUp {
		return a, nil
	}
	s.takenUp = true
	for _, in := range e.takenUp(ref, statefile.Create, c) {
		// The same key stands for the same request only.
		if a.op.Key == "" && in.Backend == a.backend && bytes.Equal(in.Want, want.json) && maps.Equal(in.Secrets, want.clean.Digests) {
			a.op.Key = in.Key
			continue
		}
		if err := e.abandon(ctx, w, s, in); err != nil {
			s.result.Unknown = true
			return nil, err
		}
	}
	return a, nil
}

// abandon ends an intent of an earlier apply that wanted something else: what was made is deleted.
func (e *engine) abandon(ctx context.Context, w *worker, s *step, in *statefile.Intent) error {
	a, err := e.newAttempt(ctx, w, s, statefile.Delete, in.Ref(), in.Kind, in.Backend)
	if err != nil {
		return err
	}
	found, err := e.find(ctx, a.res, in.Key)
	if err != nil {
		return fmt.Errorf("find what an earlier apply has made of %s: %w", in.Address, err)
	}
	if found != nil {
		a.prior = found.Object
		if _, failed := a.run(ctx); failed != nil {
			return fmt.Errorf("delete what an earlier apply has made of %s: %w", in.Address, failed.err)
		}
	}
	now := e.clock.Now()
	records := []statefile.Record{statefile.NewClose(now, in.Ref(), in.Key, "another offer was taken", keepClosed)}
	if a.op.Key != "" {
		records = append(records, statefile.NewClose(now, in.Ref(), a.op.Key, "deleted", 0))
	}
	return w.write(ctx, records...)
}

// made is what a create leaves.
func (e *engine) made(ctx context.Context, a *attempt, o providers.Object[cty.Value]) (*entry, error) {
	c := a.step.change
	if err := contradiction(a.want, a.desc.Name, c.Address, o.Value); err != nil {
		return nil, e.taint(ctx, a, o, err)
	}
	if o.Tainted {
		return nil, e.taint(ctx, a, o, providers.Errorf(providers.Internal, "the provider %q says that %s is not whole", a.desc.Name, c.Address))
	}
	return e.putNew(a, o)
}

// putNew records a new object.
func (e *engine) putNew(a *attempt, o providers.Object[cty.Value]) (*entry, error) {
	c := a.step.change
	r, err := e.resource(c, a.ref, a.backend, a.op.Key, o, a.want)
	if err != nil {
		return nil, err
	}
	old := e.state.Object(a.ref) // of something that is gone
	end := e.endOfJob(old, c, true)
	out := &entry{locks: end.locks()}
	if c.Kind == addr.KindJob && c.Placement != nil {
		out.locks = append(out.locks, lockName{name: c.Placement.Instance, shared: true})
	}
	out.records = func() ([]statefile.Record, error) {
		records, err := end.records()
		if err != nil {
			return nil, err
		}
		e.succeed(r, nil)
		records = append(records, statefile.NewPut(e.clock.Now(), r, a.op.Key))
		if c.Kind == addr.KindJob && c.Placement != nil {
			records = append(records, statefile.NewOccupy(e.clock.Now(), c.Placement.Instance))
		}
		return records, nil
	}
	return out, nil
}

// taint records an object that is there and not as it should be, and returns why.
func (e *engine) taint(ctx context.Context, a *attempt, o providers.Object[cty.Value], cause error) error {
	o.Tainted = true
	if o.Value == cty.NilVal || o.Value.IsNull() {
		o.Value = a.want.plain
	}
	en, err := e.putNew(a, o)
	if err == nil {
		err = a.w.writeEntry(ctx, en)
	}
	if err != nil {
		return fmt.Errorf("%w; and %s, which is half made, cannot be recorded: %w", cause, a.ref.Address, err)
	}
	return cause
}

// waitForCapacity waits before an instance whose own policy asks for it is tried again. waits counts from 1.
func (e *engine) waitForCapacity(ctx context.Context, a *attempt, kind providers.ErrorKind, waits int, began time.Time, cause error) bool {
	b, ok := e.policy.Retries[providers.NoCapacity]
	if !ok || kind != providers.NoCapacity || a.kind != addr.KindInstance {
		return false
	}
	machine, err := schema.Decode[schema.Instance](a.want.plain)
	if err != nil || !machine.Retry.On(value.RetryNoCapacity) {
		return false
	}
	b.Deadline = machine.Retry.Duration()
	wait := b.wait(waits, e.opts.Random())
	return b.allows(waits, e.clock.Now().Sub(began), wait) && a.wait(ctx, wait, cause)
}

// ensure makes a support object of the candidate that was taken, unless it is there. One that was made for another
// candidate is replaced.
func (e *engine) ensure(ctx context.Context, w *worker, s *step) (*entry, error) {
	c := s.change
	r := e.state.Resource(c.Address)
	if r != nil && r.Changed.Plan == e.plan.ID && e.halfDeleted(s) {
		if err := e.unmake(ctx, w, s); err != nil {
			return nil, err
		}
		r = nil
	}
	if r != nil && r.Changed.Plan == e.plan.ID {
		w.flush(ctx)
		want, err := e.wanted(ctx, c)
		if err != nil {
			return nil, err
		}
		o, err := object(r)
		if err != nil {
			return nil, err
		}
		if contradiction(want, "", c.Address, o.Value) == nil && r.Backend == e.backendOf(c, want) {
			return nil, nil
		}
		if n := e.groups.takers(c.Address); n > 1 {
			return nil, fmt.Errorf("%s was made for another group, which needs it as it is", c.Address)
		}
		if err := e.unmake(ctx, w, s); err != nil {
			return nil, err
		}
	}
	return e.create(ctx, w, s)
}

// halfDeleted tells, once, whether an earlier apply of the plan was about to delete a support object that it had made.
func (e *engine) halfDeleted(s *step) bool {
	if s.looked {
		return false
	}
	s.looked = true
	return len(e.takenUp(statefile.Ref{Address: s.plan.Address}, statefile.Delete, nil)) > 0
}

// unmake deletes a support object that this plan has made.
func (e *engine) unmake(ctx context.Context, w *worker, s *step) error {
	r := e.state.Resource(s.plan.Address)
	if r == nil || r.Changed.Plan != e.plan.ID {
		return nil
	}
	en, err := e.remove(ctx, w, s, r)
	if err == nil {
		err = w.writeEntry(ctx, en)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", r.Address, err)
	}
	return nil
}

// takers counts the groups whose candidate lists a support object.
func (gs *groups) takers(address string) int {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	n := 0
	for _, g := range gs.all {
		for _, s := range g.plan.Candidates[g.chosen].Supports {
			if s == address {
				n++
				break
			}
		}
	}
	return n
}
