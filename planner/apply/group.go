package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// group is a group of the plan with the candidate that it has taken.
type group struct {
	plan    *plan.Group
	chosen  int
	exists  bool            // some member is there, or may be
	active  int             // members whose create is under way, or was when an earlier apply was cut off
	open    map[string]bool // members of the latter kind, by address
	moving  bool
	changed chan struct{} // closed and made anew whenever something of the above changes
}

// groups are all groups of a plan.
type groups struct {
	e        *engine
	all      []*group
	byMember map[string]*group
	byValue  map[string]*group // addresses for which some candidate has a value of its own
	supports map[string]bool   // that only some candidates need
	creates  map[string]*step
	turn     chan struct{} // holds one token: who moves a group has it

	mu sync.Mutex // guards what changes in groups
}

// newGroups takes over the plan's groups, and finds out which candidates an earlier apply of it has taken.
func (e *engine) newGroups() (*groups, error) {
	gs := &groups{e: e, byMember: map[string]*group{}, byValue: map[string]*group{}, supports: map[string]bool{}, creates: map[string]*step{}, turn: make(chan struct{}, 1)}
	for _, s := range e.steps {
		if s.plan.Op == plan.OpCreate {
			gs.creates[s.plan.Address] = s
		}
	}
	for i := range e.plan.Groups {
		p := &e.plan.Groups[i]
		if len(p.Candidates) == 0 {
			return nil, fmt.Errorf("group %s of the plan has no candidate; the plan is damaged", p.ID)
		}
		g := &group{plan: p, open: map[string]bool{}, changed: make(chan struct{})}
		gs.all = append(gs.all, g)
		for _, m := range p.Members {
			gs.byMember[m] = g
			if s := gs.creates[m]; s != nil {
				s.group = g
			}
		}
		for _, c := range p.Candidates {
			for address := range c.Values {
				gs.byValue[address] = g
			}
			for _, s := range c.Supports {
				gs.supports[s] = true
			}
		}
	}
	for _, g := range gs.all {
		gs.resume(g)
	}
	return gs, nil
}

// resume finds the candidate of a group of which an earlier apply has made something, or may have.
func (gs *groups) resume(g *group) {
	e := gs.e
	for _, m := range g.plan.Members {
		if r := e.view.Resource(m); r != nil && r.Changed.Plan == e.plan.ID {
			g.exists = true
			g.chosen = gs.match(g, m, r.Attributes, g.chosen)
		}
		for _, in := range e.intents[statefile.Ref{Address: m}] {
			if in.Operation == statefile.Create && !e.closes(in.Key) {
				g.open[m] = true
				g.active = len(g.open)
				g.chosen = gs.match(g, m, in.Want, g.chosen)
			}
		}
	}
}

// closes tells whether the plan closes the intent of that key.
func (e *engine) closes(key string) bool {
	return slices.ContainsFunc(e.plan.Intents, func(d plan.IntentDecision) bool { return d.Key == key && d.Close })
}

// match finds the candidate whose placed attributes are those of a member that is there.
func (gs *groups) match(g *group, member string, attributes json.RawMessage, otherwise int) int {
	c := gs.e.changes[statefile.Ref{Address: member}]
	if c == nil {
		return otherwise
	}
	object := schema.KindObject(c.Kind)
	have, err := schema.UnmarshalValue(object, attributes)
	if err != nil || have.IsNull() {
		return otherwise
	}
	for i, candidate := range g.plan.Candidates {
		raw := c.After
		if v, ok := candidate.Values[member]; ok {
			raw = v
		} else if i > 0 {
			continue
		}
		want, err := schema.UnmarshalValue(object, raw)
		if err != nil || want.IsNull() {
			continue
		}
		same := true
		for _, a := range object.Attrs {
			if w := want.GetAttr(a.Name); a.Placed && !w.IsNull() && !w.RawEquals(have.GetAttr(a.Name)) {
				same = false
			}
		}
		if same {
			return i
		}
	}
	return otherwise
}

// candidateFor is the candidate that decides about an address, nil if none does.
func (gs *groups) candidateFor(address string) *plan.Candidate {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.of(address)
	if g == nil {
		return nil
	}
	return &g.plan.Candidates[g.chosen]
}

func (gs *groups) of(address string) *group {
	if g := gs.byMember[address]; g != nil {
		return g
	}
	return gs.byValue[address]
}

// override is the value that an address has with the candidate that was taken, if it is not the plan's own.
func (gs *groups) override(address string) (json.RawMessage, bool) {
	c := gs.candidateFor(address)
	if c == nil {
		return nil, false
	}
	v, ok := c.Values[address]
	return v, ok
}

// unneeded tells whether an address is a support object of candidates that were not taken.
func (gs *groups) unneeded(address string) bool {
	if !gs.supports[address] {
		return false
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return !slices.ContainsFunc(gs.all, func(g *group) bool {
		return slices.Contains(g.plan.Candidates[g.chosen].Supports, address)
	})
}

// tell wakes all who wait for a group. mu is held.
func (g *group) tell() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// enter counts a member in whose create is about to begin, and says which candidate it is for. It waits while the group
// moves; false tells that the apply ends.
func (gs *groups) enter(ctx context.Context, w *worker, s *step) (candidate int, ok bool) {
	g := s.group
	gs.mu.Lock()
	for g.moving {
		signal := g.changed
		gs.mu.Unlock()
		w.flush(ctx)
		if !gs.e.schedule.pause(ctx, nil, signal) {
			return 0, false
		}
		gs.mu.Lock()
	}
	if g.open[s.plan.Address] {
		delete(g.open, s.plan.Address)
	} else {
		g.active++
	}
	candidate, s.entered = g.chosen, true
	gs.mu.Unlock()
	return candidate, true
}

// leave counts a member out. exists tells that it is there, or may be.
func (gs *groups) leave(g *group, exists bool) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g.active--
	g.exists = g.exists || exists
	g.tell()
}

// lost is told of a step that will not run. What an earlier apply may have made of it is there for all that is known.
func (gs *groups) lost(s *step) {
	g := s.group
	if g == nil {
		return
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g.open[s.plan.Address] {
		delete(g.open, s.plan.Address)
		g.active--
		g.exists = true
		g.tell()
	}
}

// next is asked by a member that was told that there is no capacity for the candidate it tried. It waits for the others
// of the group. true tells to try again: the group has another candidate by then. For false why says why not.
func (gs *groups) next(ctx context.Context, w *worker, s *step, tried int, cause error) (again bool, why string) {
	g := s.group
	gs.e.leaveGroup(s, false)
	gs.mu.Lock()
	for {
		switch {
		case g.chosen != tried && !g.moving:
			gs.mu.Unlock()
			return true, ""
		case g.exists && len(g.plan.Candidates) > 1 && !g.plan.Fixed:
			gs.mu.Unlock()
			return false, "others of its group are there already, so it takes no other offer"
		case g.exists || g.plan.Fixed || len(g.plan.Candidates) == 1:
			gs.mu.Unlock()
			return false, ""
		case g.active == 0 && !g.moving && tried+1 == len(g.plan.Candidates):
			gs.mu.Unlock()
			return false, fmt.Sprintf("no candidate is left; %d were tried", len(g.plan.Candidates))
		case g.active == 0 && !g.moving:
			g.moving = true
			gs.mu.Unlock()
			err := gs.move(ctx, w, s, tried, cause)
			gs.mu.Lock()
			g.moving = false
			if err != nil {
				g.exists = true // the others must not try what did not work here
			}
			g.tell()
			if err != nil {
				gs.mu.Unlock()
				return false, "the next candidate cannot be taken: " + err.Error()
			}
			continue
		}
		signal := g.changed
		gs.mu.Unlock()
		w.flush(ctx)
		if !gs.e.schedule.pause(ctx, nil, signal) {
			return false, "the apply was interrupted before another offer was tried"
		}
		gs.mu.Lock()
	}
}

// move gives a group of which nothing exists its next candidate: the support objects of the old one that nobody else
// needs go, and those of the new one come.
func (gs *groups) move(ctx context.Context, w *worker, s *step, tried int, cause error) error {
	g := s.group
	w.flush(ctx)
	for {
		select {
		case gs.turn <- struct{}{}:
		default:
			// Another group is moving, which may take long.
			if !gs.e.schedule.pause(ctx, gs.e.clock.After(turnPoll), nil) {
				return fmt.Errorf("the apply was interrupted")
			}
			continue
		}
		break
	}
	defer func() { <-gs.turn }()
	if gs.e.schedule.halted() {
		return fmt.Errorf("the apply was interrupted")
	}
	old := &g.plan.Candidates[tried]
	gs.mu.Lock()
	g.chosen = tried + 1
	gs.mu.Unlock()
	taken := &g.plan.Candidates[tried+1]
	gs.e.emitStep(s, Event{Type: EventCandidate, Error: cause.Error(), Message: fmt.Sprintf("%s: trying %s for the whole group %s", describeCandidate(old), describeCandidate(taken), g.plan.ID)})
	return gs.exchange(ctx, w, old.Supports, taken.Supports)
}

// turnPoll is how often a group that is to move looks whether another one still does.
const turnPoll = 50 * time.Millisecond

func describeCandidate(c *plan.Candidate) string {
	where := c.Zone
	if where == "" {
		where = c.Offer.Region
	}
	return fmt.Sprintf("%s %s %s", c.Offer.Backend, where, c.Offer.InstanceType)
}

// exchange removes the support objects that this plan has made and that do not fit any more, and makes those that are needed.
func (gs *groups) exchange(ctx context.Context, w *worker, old, taken []string) error {
	var steps []*step
	for _, address := range append(slices.Clone(old), taken...) {
		if s := gs.creates[address]; s != nil && !slices.Contains(steps, s) {
			steps = append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b *step) int { return a.index - b.index })
	for _, s := range slices.Backward(steps) {
		if slices.Contains(taken, s.plan.Address) || !gs.unneeded(s.plan.Address) {
			continue
		}
		if err := gs.e.unmake(ctx, w, s); err != nil {
			return err
		}
		gs.e.schedule.resettle(s, NotNeeded)
	}
	for _, s := range steps {
		if !slices.Contains(taken, s.plan.Address) {
			continue
		}
		s.started = gs.e.clock.Now()
		gs.e.emitStep(s, Event{Type: EventStart})
		en, err := gs.e.ensure(ctx, w, s)
		if err == nil {
			err = w.writeEntry(ctx, gs.e.finishing(s, en))
		}
		if err != nil {
			s.result.Err = err
			gs.e.schedule.resettle(s, Failed)
			gs.e.emitStep(s, Event{Type: EventFailed, Error: err.Error()})
			return fmt.Errorf("%s: %w", s.plan.Address, err)
		}
		gs.e.schedule.resettle(s, Done)
		gs.e.emitStep(s, Event{Type: EventDone})
	}
	return nil
}

// tidy deletes, when all is done, support objects that this plan has made for candidates that were not taken in the end:
// those of an earlier apply that was cut off while a group moved.
func (gs *groups) tidy(ctx context.Context) {
	e := gs.e
	if len(gs.supports) == 0 || e.schedule.halted() || !e.allDone() {
		return
	}
	w := &worker{e: e}
	for _, s := range slices.Backward(e.steps) {
		if s.plan.Op != plan.OpCreate || !gs.unneeded(s.plan.Address) {
			continue
		}
		ref := statefile.Ref{Address: s.plan.Address}
		err := e.unmake(ctx, w, s)
		if !s.takenUp {
			for _, in := range e.takenUp(ref, statefile.Create, s.change) {
				err = errors.Join(err, e.abandon(ctx, w, s, in))
			}
		}
		if err != nil {
			s.result.Err = err
			e.schedule.resettle(s, Failed)
			e.emitStep(s, Event{Type: EventFailed, Error: err.Error()})
		}
	}
}
