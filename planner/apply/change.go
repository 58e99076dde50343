package apply

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// update changes an object in place.
func (e *engine) update(ctx context.Context, w *worker, s *step) (*entry, error) {
	c := s.change
	ref := statefile.Ref{Address: c.Address}
	prior := e.state.Object(ref)
	if prior == nil {
		return nil, providers.Errorf(providers.Invalid, "%s is not recorded, so it cannot be updated; plan again", c.Address)
	}
	if c.Evaluate {
		w.flush(ctx)
	}
	want, err := e.wanted(ctx, c)
	if err != nil {
		return nil, err
	}
	a, err := e.newAttempt(ctx, w, s, statefile.Update, ref, c.Kind, prior.Backend)
	if err != nil {
		return nil, err
	}
	a.wants(want)
	if a.prior, err = object(prior); err != nil {
		return nil, err
	}
	if a.op.Needs, err = e.needs(c.Address, e.needsOf(c)); err != nil {
		return nil, err
	}
	a.takeKey(e.takenUp(ref, statefile.Update, c))
	o, failed := a.run(ctx)
	var cause error
	switch {
	case failed != nil && failed.object.ID == "":
		s.result.Unknown = !failed.nothing
		return nil, failed.err
	case failed != nil:
		o, cause = failed.object, failed.err
	default:
		cause = contradiction(want, a.desc.Name, c.Address, o.Value)
	}
	if cause != nil {
		o.Tainted = true
		if o.Value == cty.NilVal || o.Value.IsNull() {
			o.Value = want.plain
		}
	}
	r, err := e.resource(c, ref, prior.Backend, prior.Key, o, want)
	if err != nil {
		return nil, err
	}
	en := &entry{
		locks: []lockName{{name: ref.Address}},
		records: func() ([]statefile.Record, error) {
			e.succeed(r, prior)
			return []statefile.Record{statefile.NewPut(e.clock.Now(), r, a.op.Key)}, nil
		},
	}
	if cause == nil {
		return en, nil
	}
	if err := w.writeEntry(ctx, en); err != nil {
		return nil, fmt.Errorf("%w; and %s, which is half changed, cannot be recorded: %w", cause, c.Address, err)
	}
	return nil, cause
}

// takeKey goes on under the key of an earlier apply.
func (a *attempt) takeKey(taken []*statefile.Intent) {
	if len(taken) > 0 {
		a.op.Key = taken[len(taken)-1].Key
	}
}

// delete removes an object: the current one, one that was deposed, or one that no record knows and only its key finds.
func (e *engine) delete(ctx context.Context, w *worker, s *step) (*entry, error) {
	ref := statefile.Ref{Address: s.plan.Address, Deposed: s.plan.Deposed}
	if r := e.state.Object(ref); r != nil {
		return e.remove(ctx, w, s, r)
	}
	if key := s.change.IdempotencyKey; key != "" && ref.Deposed != "" {
		return e.removeStray(ctx, w, s, ref, key)
	}
	return nil, nil // it is gone, and so is its record
}

// remove deletes a recorded object.
func (e *engine) remove(ctx context.Context, w *worker, s *step, r *statefile.Resource) (*entry, error) {
	ref := r.Ref()
	a, err := e.newAttempt(ctx, w, s, statefile.Delete, ref, r.Kind, r.Backend)
	if err != nil {
		return nil, err
	}
	if a.prior, err = object(r); err != nil {
		return nil, err
	}
	a.op.Needs = e.recordedNeeds(r)
	a.takeKey(e.takenUp(ref, statefile.Delete, s.change))
	end := e.endOfJob(r, s.change, false)
	if end != nil {
		if err := e.lastLook(ctx, w, a, end); err != nil {
			return nil, err
		}
	}
	if _, failed := a.run(ctx); failed != nil {
		s.result.Unknown = !failed.nothing
		return nil, failed.err
	}
	end.deleted(a.last)
	out := &entry{locks: append(end.locks(), lockName{name: ref.Address})}
	on := ""
	if r.Kind == addr.KindJob {
		if on = instanceOf(r); on != "" {
			out.locks = append(out.locks, lockName{name: on, shared: true})
		}
	}
	out.records = func() ([]statefile.Record, error) {
		records, err := end.records()
		if err != nil {
			return nil, err
		}
		now := e.clock.Now()
		records = append(records, statefile.NewDelete(now, ref, statefile.Removal{Reason: statefile.Destroyed, Closes: a.op.Key, Changed: e.changed()}))
		if on != "" && e.state.Resource(on) != nil {
			records = append(records, statefile.NewOccupy(now, on))
		}
		return records, nil
	}
	return out, nil
}

// removeStray deletes what an abandoned create has left.
func (e *engine) removeStray(ctx context.Context, w *worker, s *step, ref statefile.Ref, key string) (*entry, error) {
	a, err := e.newAttempt(ctx, w, s, statefile.Delete, ref, s.change.Kind, s.change.Backend)
	if err != nil {
		return nil, err
	}
	found, err := e.find(ctx, a.res, key)
	if err != nil {
		return nil, fmt.Errorf("find what was made under the key %s: %w", key, err)
	}
	if found == nil {
		return nil, nil
	}
	a.prior = found.Object
	if _, failed := a.run(ctx); failed != nil {
		s.result.Unknown = !failed.nothing
		return nil, failed.err
	}
	return &entry{records: func() ([]statefile.Record, error) {
		return []statefile.Record{statefile.NewDelete(e.clock.Now(), ref, statefile.Removal{Reason: statefile.Destroyed, Closes: a.op.Key, Changed: e.changed()})}, nil
	}}, nil
}
