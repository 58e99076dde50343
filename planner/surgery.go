package planner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/move"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// MovePair is one address that somebody changes by hand.
type MovePair struct{ From, To addr.Subject }

// Moves are changes of addresses, one after another.
type Moves struct {
	Renamings []statefile.Renaming
	Objects   []statefile.Rename // what they come to, in the order of the old names
	state     *statefile.State
}

// MoveRecorded says what moving recorded things by hand does to a state: one pair after another. Nothing is written.
func MoveRecorded(state *statefile.State, pairs []MovePair, changed statefile.Changed) (Moves, diag.List) {
	out := Moves{state: state}
	var diags diag.List
	was := map[statefile.Ref]statefile.Ref{} // the first name by the latest
	for _, p := range pairs {
		r, ds := moveOne(out.state, p, changed)
		if diags = append(diags, ds...); ds.HasErrors() {
			continue
		}
		next, err := out.state.With(statefile.NewRename(changed.At, r))
		if err != nil {
			return out, append(diags, diag.From(err, "State cannot be read")...)
		}
		out.state, out.Renamings = next, append(out.Renamings, r)
		step := map[statefile.Ref]statefile.Ref{}
		for _, m := range r.Moves {
			first, moved := was[m.From]
			if !moved {
				first = m.From
			}
			delete(was, m.From)
			step[m.To] = first
		}
		maps.Copy(was, step)
	}
	for to, from := range was {
		if from != to {
			out.Objects = append(out.Objects, statefile.Rename{From: from, To: to})
		}
	}
	slices.SortFunc(out.Objects, func(a, b statefile.Rename) int { return statefile.CompareAddresses(a.From.String(), b.From.String()) })
	return out, diags
}

func moveOne(state *statefile.State, p MovePair, changed statefile.Changed) (statefile.Renaming, diag.List) {
	var none statefile.Renaming
	if summary, detail := config.MoveProblem(p.From, p.To); summary != "" {
		return none, diag.Errorf(summary, "%s", detail)
	}
	recorded, err := move.Recorded(state)
	if err != nil {
		return none, diag.From(err, "State cannot be read")
	}
	if !slices.ContainsFunc(recorded, p.From.Contains) {
		return none, nothingAt(state, p.From)
	}
	moves, blocked := move.Resolve([]move.Statement{{From: p.From, To: p.To}}, recorded)
	var diags diag.List
	for _, b := range blocked {
		diags = append(diags, diag.Errorf("Something is there already", "%s cannot move to %s, because something is recorded there. Move that elsewhere first, or take it out of the state.", b.From, b.To).For(b.To.String())...)
	}
	if diags.HasErrors() {
		return none, diags
	}
	r, err := move.Rename(state, moves, changed)
	return r, diag.From(err, "State cannot be read")
}

// nothingAt says that nothing is recorded under an address.
func nothingAt(state *statefile.State, s addr.Subject) diag.List {
	var known []string
	for _, r := range state.Resources() {
		known = append(known, r.Address)
		if a, err := addr.ParseResource(r.Address); err == nil {
			known = append(known, a.Block.String(), a.Block.Block.String())
		}
	}
	return diag.Errorf("Nothing is recorded there", "There is nothing in the state under %s.%s To see all:\n  dstack state list", s, schema.DidYouMean(s.String(), known))
}

// ForgetRecorded lists what is taken out of a state with some addresses: all that is under them, and the support objects that
// tie it to something else. What stays must not stand on it. runs are those of which nothing is left.
func ForgetRecorded(state *statefile.State, subjects []addr.Subject) (objects []*statefile.Resource, runs []string, diags diag.List) {
	goes := map[string]bool{}
	for _, s := range subjects {
		found := false
		for _, r := range state.Resources() {
			if a, err := addr.ParseResource(r.Address); err == nil && s.Contains(a) {
				goes[r.Address], found = true, true
			}
		}
		for address := range state.Runs() {
			if a, err := addr.ParseAny(address); err == nil && s.Contains(a) {
				runs, found = append(runs, address), true
			}
		}
		if !found {
			diags = append(diags, nothingAt(state, s)...)
		}
	}
	if diags.HasErrors() {
		return nil, nil, diags
	}
	for _, r := range state.Resources() { // what ties something to what goes
		if v, err := schema.UnmarshalValue(schema.KindObject(r.Kind), r.Attributes); err == nil && r.Kind == addr.KindSupport {
			if goes[desired.Text(v, "owner")] || goes[desired.Text(v, "target")] {
				goes[r.Address] = true
			}
		}
	}
	for _, r := range state.Resources() {
		if goes[r.Address] {
			objects = append(objects, r)
			continue
		}
		diags = append(diags, standsOn(r, goes)...)
	}
	for _, in := range state.Intents() {
		if goes[in.Address] {
			diags = append(diags, diag.Errorf("An operation was cut off there", "The %s of %s was cut off at %s, and what became of it is not known. Find out first:\n  dstack plan", in.Operation, in.Address, in.Since.UTC().Format("2006-01-02 15:04:05 UTC")).For(in.Address)...)
		}
	}
	slices.Sort(runs)
	return objects, slices.Compact(runs), diags
}

// standsOn finds what stays and could not be managed without what goes: a job without its instance or volume.
func standsOn(r *statefile.Resource, goes map[string]bool) diag.List {
	var on []string
	for _, need := range r.Needs {
		a, err := addr.ParseResource(need)
		if err != nil || !goes[need] {
			continue
		}
		if r.Kind == addr.KindJob && (a.Kind() == addr.KindInstance || a.Kind() == addr.KindVolume) {
			on = append(on, need)
		}
	}
	if len(on) == 0 {
		return nil
	}
	run := r.Address
	if a, err := addr.ParseResource(r.Address); err == nil {
		run = a.Block.String()
	}
	return diag.Errorf("Something stands on it", "%s stands on %s and stays; without that it can neither be read nor stopped. Take the run out of the state as well, by naming %s too, or let it end first.", r.Address, strings.Join(on, " and "), run).For(r.Address)
}

// Tell lets the providers of renamed objects write down the new addresses, where they write any. It is best effort: what could
// not be told is a note each.
func (r *Recorded) Tell(ctx context.Context, renamed []statefile.Rename) []plan.Note {
	var notes []plan.Note
	for _, m := range renamed {
		res := r.state.Object(m.To)
		if res == nil || m.To.Deposed != "" {
			continue
		}
		if err := r.tell(ctx, res); err != nil {
			notes = append(notes, plan.Note{Address: m.To.String(), Text: fmt.Sprintf("its tags still have the old address: %v", err)})
		}
	}
	return notes
}

func (r *Recorded) tell(ctx context.Context, res *statefile.Resource) error {
	b, err := r.open(ctx, res)
	if err != nil {
		return err
	}
	renamer, ok := b.(providers.Renamer)
	if !ok {
		return nil
	}
	o, err := objectOf(res)
	if err != nil {
		return err
	}
	if err := renamer.Rename(ctx, res.Kind, o, res.Address); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
