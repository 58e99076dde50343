package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/move"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// relocate finds out what is left to move of what the plan moves. That is one record, which is written before any step: a
// plan that was cut off has moved everything or nothing.
func (e *engine) relocate() error {
	e.view = e.state
	if len(e.plan.Moves) == 0 {
		return nil
	}
	var moves []move.Move
	for _, m := range e.plan.Moves {
		from, err := addr.ParseSubject(m.From)
		if err != nil {
			return fmt.Errorf("the plan is damaged: %w", err)
		}
		to, err := addr.ParseSubject(m.To)
		if err != nil {
			return fmt.Errorf("the plan is damaged: %w", err)
		}
		moves = append(moves, move.Move{From: from, To: to})
	}
	e.movedTo = map[string]string{}
	for _, c := range e.plan.Changes {
		if c.PreviousAddress != "" {
			e.movedTo[c.Address] = c.PreviousAddress
		}
	}
	var err error
	if e.rename, err = move.Rename(e.state, moves, e.changed()); err != nil {
		return err
	}
	if e.rename.IsZero() {
		return nil
	}
	e.view, err = e.state.With(statefile.NewRename(e.clock.Now(), e.rename))
	return err
}

// unmoved lists what the plan moves and what cannot move any more, because it is not where it was or something else is where it
// goes. An apply that goes on with the plan has moved everything before.
func (e *engine) unmoved() []Moved {
	if _, began := e.state.Plan(e.plan.ID); began || len(e.movedTo) == 0 {
		return nil
	}
	moves := make(map[statefile.Rename]bool, len(e.rename.Moves))
	for _, m := range e.rename.Moves {
		moves[m] = true
	}
	var out []Moved
	for _, c := range e.plan.Changes {
		ref := statefile.Ref{Address: c.Address, Deposed: c.Deposed}
		was := statefile.Ref{Address: c.PreviousAddress, Deposed: c.Deposed}
		if was.Address == "" || moves[statefile.Rename{From: was, To: ref}] {
			continue
		}
		if r := e.state.Object(ref); r != nil {
			out = append(out, Moved{Address: ref.String(), What: "was created", When: r.Changed.At, By: r.Changed.By})
			continue
		}
		gone, _ := e.state.Tombstone(was)
		out = append(out, Moved{Address: was.String(), What: "is not recorded any more", When: gone.Changed.At, By: gone.Changed.By})
	}
	return out
}

// move tells the provider of something that has another address, where it writes addresses beside its objects. The record
// is right already, and a tag is for people: what cannot be told is said and keeps nothing from being done.
func (e *engine) move(ctx context.Context, w *worker, s *step) error {
	r := e.state.Resource(s.plan.Address)
	if r == nil {
		return providers.Errorf(providers.Invalid, "%s is not recorded, although it has moved there; plan again", s.plan.Address)
	}
	b, d, err := e.open(ctx, w, r.Backend)
	if rec, broken := errors.AsType[*RecordError](err); broken {
		return rec
	}
	if err == nil {
		err = e.retag(ctx, b, r)
	}
	if err != nil {
		s.result.Note = fmt.Sprintf("it is recorded under its new address; the provider %q could not be told: %v", d.Name, err)
	}
	return nil
}

func (e *engine) retag(ctx context.Context, b providers.Backend, r *statefile.Resource) error {
	tagger, ok := b.(providers.Renamer)
	if !ok {
		return nil
	}
	o, err := object(r)
	if err != nil {
		return err
	}
	err, _ = e.guarded(ctx, e.policy.Find, func(ctx context.Context) error { return tagger.Rename(ctx, r.Kind, o, r.Address) })
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
