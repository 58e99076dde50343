package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// engine carries out one plan.
type engine struct {
	opts    Options
	plan    *plan.Plan
	session statefile.Session
	state   *statefile.State
	view    *statefile.State   // state as it was when the apply began, with what moves where it goes
	rename  statefile.Renaming // what is left to move
	movedTo map[string]string  // old addresses by the new ones of what moves
	clock   Clock
	policy  Policy

	overrides []statefile.PolicyOverride // policies against which the plan is applied

	steps    []*step
	schedule *schedule
	groups   *groups
	locks    locks
	changes  map[statefile.Ref]*plan.Change
	intents  map[statefile.Ref][]*statefile.Intent // open when the apply began
	opened   sync.Map                              // names of backends that were asked for before

	observing sync.Mutex
	mu        sync.Mutex // guards the rest
	flying    map[*step]bool
	broken    error // why nothing can be recorded any more
}

// Run carries out a plan and says what became of each step. Failed steps are in the result and no error; an error is a
// *StaleError, a *RecordError, or says that the plan or the options are of no use. Unless the plan was stale or applied
// already, the result is there beside an error as well.
func Run(ctx context.Context, opts Options) (*Result, error) {
	if opts.Plan == nil || opts.Backends == nil {
		return nil, errors.New("apply: a plan and backends are needed")
	}
	if opts.Session == nil {
		return nil, &StaleError{Plan: opts.Plan.ID, Reason: "there is no state here; a local state does not travel with the plan"}
	}
	opts = opts.withDefaults()
	e := &engine{
		opts: opts, plan: opts.Plan, session: opts.Session, state: opts.Session.State(), clock: opts.Clock, policy: opts.Policy,
		flying: map[*step]bool{}, intents: map[statefile.Ref][]*statefile.Intent{},
	}
	began := e.clock.Now()
	if old, ok := e.state.Plan(e.plan.ID); ok && old.Status == statefile.PlanApplied && e.state.Lineage() == e.plan.Lineage {
		return &Result{AlreadyApplied: true, AppliedAt: old.FinishedAt}, nil
	}
	if err := e.prepare(); err != nil {
		return nil, err
	}
	if e.opts.Permit != nil {
		overrides, err := e.opts.Permit(ctx)
		if err != nil {
			return nil, err
		}
		e.overrides = overrides
	}
	if err := e.append(ctx, &entry{records: e.firstRecords}); err != nil {
		return nil, err
	}
	e.walk(ctx)
	e.groups.tidy(ctx)
	err := e.end(ctx)
	return e.result(began), err
}

// prepare checks that the plan still fits, links its steps, and settles those that need not run.
func (e *engine) prepare() error {
	if err := e.index(); err != nil {
		return err
	}
	if err := e.relocate(); err != nil {
		return err
	}
	for _, in := range e.view.Intents() {
		e.intents[in.Ref()] = append(e.intents[in.Ref()], in)
	}
	past, err := e.check()
	if err != nil {
		return err
	}
	e.schedule, err = newSchedule(e.steps, e.opts.Parallelism)
	if err != nil {
		return err
	}
	if e.groups, err = e.newGroups(); err != nil {
		return err
	}
	for i, s := range e.steps {
		switch {
		case e.groups.supports[s.plan.Address] && s.plan.Op == plan.OpCreate:
			if e.groups.unneeded(s.plan.Address) {
				e.schedule.settleBefore(s, NotNeeded)
			}
		case past[i]:
			s.result.Before = true
			e.schedule.settleBefore(s, Done)
		}
	}
	return nil
}

// index finds the change of each step.
func (e *engine) index() error {
	e.changes = make(map[statefile.Ref]*plan.Change, len(e.plan.Changes))
	for _, c := range e.plan.Changes {
		e.changes[statefile.Ref{Address: c.Address, Deposed: c.Deposed}] = c
	}
	e.steps = make([]*step, len(e.plan.Steps))
	for i, p := range e.plan.Steps {
		s := &step{index: i, plan: p, result: StepResult{Step: p, Status: NotStarted}}
		if p.Op != plan.OpJoin && !p.Op.IsCondition() {
			s.change = e.changes[statefile.Ref{Address: p.Address, Deposed: p.Deposed}]
			if s.change == nil {
				s.change = e.changes[statefile.Ref{Address: p.Address}]
			}
			if s.change == nil {
				return fmt.Errorf("step %d of the plan (%s of %s) has no change; the plan is damaged", i, p.Op, p.Address)
			}
		}
		e.steps[i] = s
	}
	return nil
}

// firstRecords are written before any step: that the plan is being applied, on which backends, and which intents it closes.
func (e *engine) firstRecords() ([]statefile.Record, error) {
	now := e.clock.Now()
	out := []statefile.Record{statefile.NewPlan(now, statefile.AppliedPlan{ID: e.plan.ID, Status: statefile.PlanStarted, By: e.opts.By, StartedAt: now.UTC(), Overrides: e.overrides})}
	if !e.rename.IsZero() {
		out = append(out, statefile.NewRename(now, e.rename))
	}
	for _, d := range e.plan.Intents {
		if d.Close {
			out = append(out, statefile.NewClose(now, statefile.Ref{Address: d.Address, Deposed: d.Deposed}, d.Key, "the plan wants something else", keepClosed))
		}
	}
	used := map[string]bool{}
	for _, c := range e.plan.Changes {
		if c.Action != plan.Delete && c.Action != plan.Forget {
			used[c.Backend] = true
		}
		if c.Import != nil {
			used[c.Import.Backend] = true
		}
	}
	for _, g := range e.plan.Groups {
		for _, c := range g.Candidates {
			used[c.Offer.Backend] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.plan.Backends)) {
		b := e.plan.Backends[name]
		old, known := e.state.Backend(name)
		same := known && old.Provider == b.Provider && old.Version == b.Version && old.Identity == b.Identity && string(old.Config) == string(b.Config) &&
			maps.Equal(old.Secrets, b.Secrets)
		if same || !used[name] && !known {
			continue
		}
		rec := statefile.Backend{Provider: b.Provider, Version: b.Version, Identity: b.Identity, Config: b.Config, Secrets: b.Secrets, Changed: e.changed()}
		out = append(out, statefile.NewBackend(now, name, &rec))
	}
	return out, nil
}

// keepClosed is how long the key of an intent that was given up is asked for.
const keepClosed = 24 * time.Hour

// walk runs the steps, and returns when nothing is under way any more.
func (e *engine) walk(ctx context.Context) {
	e.schedule.run = func(s *step) { e.work(ctx, s) }
	e.schedule.skipped = func(s, because *step) {
		e.groups.lost(s)
		e.emitStep(s, Event{Type: EventSkipped, Message: "needs " + because.plan.Address})
	}
	over := make(chan struct{})
	var listener sync.WaitGroup
	listener.Go(func() {
		select {
		case <-e.opts.Interrupt:
		case <-ctx.Done():
		case <-over:
			return
		}
		e.schedule.halt()
		e.emit(Event{Type: EventInterrupted, Message: "in flight: " + orNone(e.inFlight())})
	})
	e.schedule.begin()
	e.schedule.workers.Wait()
	close(over)
	listener.Wait()
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return joinNames(names)
}

// inFlight names the steps that are under way, in the order of the plan.
func (e *engine) inFlight() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	steps := slices.SortedFunc(maps.Keys(e.flying), func(a, b *step) int { return a.index - b.index })
	out := make([]string, len(steps))
	for i, s := range steps {
		out[i] = s.plan.Address
	}
	return out
}

// end records how far the plan came.
func (e *engine) end(ctx context.Context) error {
	e.mu.Lock()
	broken := e.broken
	e.mu.Unlock()
	if broken != nil {
		return broken
	}
	status := statefile.PlanApplied
	if !e.allDone() {
		status = statefile.PlanPartly
	}
	var failed error
	var outputs map[string]statefile.Output
	if status == statefile.PlanApplied && e.opts.Outputs != nil {
		if outputs, failed = e.opts.Outputs(ctx); failed != nil {
			status = statefile.PlanPartly
			failed = fmt.Errorf("all steps are done, and the outputs cannot be evaluated: %w", failed)
		}
	}
	now := e.clock.Now()
	records := []statefile.Record{statefile.NewPlan(now, statefile.AppliedPlan{ID: e.plan.ID, Status: status, By: e.opts.By, FinishedAt: now.UTC()})}
	if status == statefile.PlanApplied && e.opts.Outputs != nil {
		records = append(records, statefile.NewOutputs(now, outputs))
	}
	for _, name := range e.unusedBackends() {
		records = append(records, statefile.NewBackend(now, name, nil))
	}
	err := e.append(ctx, &entry{records: func() ([]statefile.Record, error) { return records, nil }})
	return errors.Join(failed, err)
}

// allDone tells whether nothing of the plan is left.
func (e *engine) allDone() bool {
	return !slices.ContainsFunc(e.steps, func(s *step) bool { return s.result.Status != Done && s.result.Status != NotNeeded })
}

// unusedBackends are recorded backends on which nothing is left: they need not be opened to destroy anything.
func (e *engine) unusedBackends() []string {
	used := map[string]bool{}
	for _, r := range e.state.Resources() {
		used[r.Backend] = true
	}
	for _, in := range e.state.Intents() {
		used[in.Backend] = true
	}
	for _, c := range e.state.Closed(e.clock.Now()) {
		used[c.Backend] = true
	}
	var out []string
	for name := range e.state.Backends() {
		if !used[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// result gathers what became of the steps.
func (e *engine) result(began time.Time) *Result {
	r := &Result{Elapsed: e.clock.Now().Sub(began), Interrupted: e.schedule.halted() && e.broken == nil && !e.allDone()}
	for _, s := range e.steps {
		if s.plan.Op != plan.OpJoin {
			r.Steps = append(r.Steps, s.result)
		}
	}
	return r
}

// open gives the backend of that name, and checks that it is the account that the plan was made for.
func (e *engine) open(ctx context.Context, w *worker, name string) (providers.Backend, providers.Description, error) {
	if _, before := e.opened.LoadOrStore(name, true); !before {
		w.flush(ctx) // a provider that is started first may take its time
	}
	b, d, err := e.opts.Backends(ctx, name)
	if err != nil {
		return nil, d, fmt.Errorf("open backend %q: %w", name, err)
	}
	if want := e.plan.Backends[name].Identity; want != "" && b.Identity() != "" && b.Identity() != want {
		return nil, d, providers.Errorf(providers.Auth, "backend %q is another account now: the plan was made for %s, the credentials open %s; use the former's, or plan again", name, want, b.Identity())
	}
	if rec, known := e.state.Backend(name); known && rec.Version != d.Version { // the provider is another one than when the plan was made
		rec.Version, rec.Changed = d.Version, e.changed()
		put := []statefile.Record{statefile.NewBackend(e.clock.Now(), name, &rec)}
		if err := e.append(ctx, &entry{records: func() ([]statefile.Record, error) { return put, nil }}); err != nil {
			return nil, d, err
		}
	}
	return b, d, nil
}
