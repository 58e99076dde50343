package planner_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

// evolveChecks is how many lives are played.
const evolveChecks = 60

func TestConfigurationsEvolveAndNothingIsLostOrLeft(t *testing.T) {
	law.Check(t, evolveChecks, func(rt *rapid.T) {
		stages := drawStages(rt)
		var failed error
		synctest.Test(t, func(t *testing.T) { failed = evolve(t, stages) })
		if failed != nil {
			rt.Fatalf("%v", failed)
		}
	})
}

// evolution is a life of which every property is looked at.
type evolution struct {
	t      *testing.T
	dir    string
	world  *fake.World
	store  *statefile.Local
	hcl    string
	base   string // hcl before blocks were renamed
	fault  string
	names  labels
	untold bool // an apply that moved things was cut off before it told the provider
	stage  int  // of renames
	told   strings.Builder
}

// evolve plays a life: each stage is planned and applied, what failed is applied again, and in the end all is destroyed.
func evolve(t *testing.T, stages []stage) (failed error) {
	dir := memoryFolder(t)
	e := &evolution{t: t, dir: dir, world: fake.Memory()}
	e.store = statefile.NewLocal(dir, statefile.LocalOptions{Version: "test", Now: time.Now})
	if _, err := e.store.Init(t.Context()); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			failed = fmt.Errorf("panic: %v", p)
		}
		if failed != nil {
			failed = fmt.Errorf("%w\n\n%s", failed, e.told.String())
		}
	}()
	for n, s := range stages {
		if err := e.play(s); err != nil {
			return fmt.Errorf("stage %d: %w", n, err)
		}
		if err := e.rename(s); err != nil {
			return fmt.Errorf("stage %d, renamed: %w", n, err)
		}
	}
	if err := e.converge(planner.PlanOptions{Destroy: true}); err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	state, err := e.store.Read(t.Context())
	if err != nil {
		return err
	}
	left, err := e.world.Objects()
	if err == nil && (len(left) > 0 || state.Len() > 0 || len(state.Intents()) > 0 || len(state.Outputs()) > 0) {
		err = fmt.Errorf("destroy has left %v in the world, and %d resources, %d intents and %d outputs in the state", left, state.Len(), len(state.Intents()), len(state.Outputs()))
	}
	return err
}

// memoryFolder is a folder in memory where the system has such a thing: thousands of syncs cost nothing there.
func memoryFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "evolve-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (e *evolution) tell(format string, args ...any) { fmt.Fprintf(&e.told, format+"\n", args...) }

// play lives one stage.
func (e *evolution) play(s stage) error {
	e.tell("--- wait %d min, %s %d, faults %s, break %d, stop %d %t\n%s", s.wait, s.before, s.which, s.faults, s.breakAt, s.stopAt, s.cancel, s.hcl)
	before, base := e.hcl, e.base
	e.hcl, e.base = e.names.text(s.hcl), s.hcl
	time.Sleep(time.Duration(s.wait) * time.Minute)
	undo, err := e.outside(s)
	if err != nil {
		return err
	}
	p, refused, err := e.plan(planner.PlanOptions{})
	if err == nil && undo != nil {
		err = undo()
		if err == nil {
			p, refused, err = e.plan(planner.PlanOptions{})
		}
	}
	switch {
	case err != nil:
		return err
	case refused:
		e.hcl, e.base = before, base
		return nil
	}
	if s.faults != "" || s.breakAt > 0 || s.stopAt > 0 {
		e.untold = e.untold || len(p.Moves) > 0
		if _, err := e.carry(p, s); err != nil {
			return err
		}
		if err := e.known(); err != nil {
			return fmt.Errorf("after a troubled apply: %w", err)
		}
	}
	return e.converge(planner.PlanOptions{})
}

// outside does something to the world behind the back of the planner.
func (e *evolution) outside(s stage) (undo func() error, err error) {
	objects, err := e.world.Objects()
	if err != nil || len(objects) == 0 || s.before == "" {
		return nil, err
	}
	o := objects[s.which%len(objects)]
	e.tell("%s %s %s", s.before, o.Address, o.ID)
	switch s.before {
	case "delete":
		return nil, e.world.Delete(o.ID)
	case "mutate":
		if o.Kind == addr.KindSupport {
			return nil, nil
		}
		return nil, e.world.Mutate(o.ID, func(a map[string]any) { a["name"] = "changed" })
	case "unreachable":
		return func() error { return e.world.SetReachable(o.ID, true) }, e.world.SetReachable(o.ID, false)
	}
	state, err := e.store.Read(e.t.Context())
	if o.Kind != addr.KindJob || err != nil || state.Resource(o.Address) == nil {
		return nil, err
	}
	p, err := e.planner()
	if err != nil {
		return nil, err
	}
	r := p.Open(e.t.Context(), state)
	defer r.Close()
	return nil, r.StopJob(e.t.Context(), o.Address, s.which%2 == 0)
}

func (e *evolution) planner() (*planner.Planner, error) {
	cfg, diags := config.Load(e.t.Context(), config.LoadOptions{Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(backendFake + e.hcl)}}, Dir: e.dir})
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	return &planner.Planner{
		Config: cfg, Providers: cloud{fake.New(fake.Options{World: e.world, Getenv: e.getenv})}, Now: time.Now,
		Getenv: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler), Version: "test", Store: "the test",
	}, nil
}

func (e *evolution) getenv(name string) string {
	if name == fake.FaultsEnv {
		return `[{"fault": "slow", "delay": "20ms"}` + e.fault + `]` // so that it can be told what was made before what
	}
	return ""
}

// plan makes a plan twice, which must be the same, and looks at its steps. A configuration may be refused.
func (e *evolution) plan(opts planner.PlanOptions) (p *plan.Plan, refused bool, err error) {
	state, err := e.store.Read(e.t.Context())
	if err != nil {
		return nil, false, err
	}
	opts.State = state
	for range 2 {
		pl, err := e.planner()
		if err != nil {
			return nil, true, e.clear(err)
		}
		next, diags := pl.Plan(e.t.Context(), opts)
		if diags.HasErrors() {
			return nil, true, e.refusal(diags)
		}
		if p != nil && next.ID != p.ID {
			return nil, false, fmt.Errorf("two plans of the same have the ids %s and %s: %s", p.ID, next.ID, cmp.Diff(p, next))
		}
		p = next
	}
	if now := planner.CostNow(p, state); len(p.Drift) == 0 && (now.Before != p.Cost.Before || now.After != p.Cost.After) {
		return nil, false, fmt.Errorf("the totals of plan %s are %+v, and added up again %+v", p.ID, p.Cost, now)
	}
	e.tell("plan %s:\n  %s", p.ID, strings.Join(outline(p), "\n  "))
	return p, false, errors.Join(inOrder(state, p)...)
}

// refusals are the headlines of errors by which a configuration that was drawn may be refused.
var refusals = []string{"No offer fits", "has room for", "Not enough quota", "Gateway is ambiguous", "Invalid index", "Name stands twice", "Volume is elsewhere", "References form a cycle"}

func (e *evolution) refusal(diags diag.List) error {
	for _, d := range diags.Errors() {
		if !slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(d.Summary, s) }) {
			return fmt.Errorf("refused with %q: %s", d.Summary, d.Detail)
		}
		e.tell("refused: %s", d.Summary)
	}
	return nil
}

func (e *evolution) clear(err error) error {
	for _, s := range refusals {
		if strings.Contains(err.Error(), s) {
			e.tell("refused: %v", err)
			return nil
		}
	}
	return fmt.Errorf("not loaded: %w", err)
}

// carry applies a plan with what goes wrong in a stage.
func (e *evolution) carry(p *plan.Plan, s stage) (*apply.Result, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session, err := e.store.Lock(ctx, statefile.NewHolder("apply", "ana", "laptop", 1, time.Now(), func(string) string { return "" }))
	if err != nil {
		return nil, err
	}
	pl, err := e.planner()
	if err != nil {
		return nil, err
	}
	e.fault = s.faults
	interrupt := make(chan struct{})
	events := 0
	res, err := pl.Apply(ctx, planner.ApplyOptions{Plan: p, Session: &brittle{Session: session, left: s.breakAt}, By: "ana", Policy: soon(), Interrupt: interrupt,
		Observe: func(apply.Event) {
			if events++; events == s.stopAt {
				if s.cancel {
					cancel()
				}
				close(interrupt)
			}
		}})
	e.fault = ""
	if errors.Is(err, errBroken) {
		err = nil
	}
	if res != nil {
		for _, r := range res.Steps {
			if r.Err != nil {
				e.tell("failed: %s %s: %v", r.Op, r.Address, r.Err)
			}
		}
	}
	return res, errors.Join(err, session.Close(context.Background()))
}

var errBroken = errors.New("the store is gone")

// brittle is a session in which nothing can be recorded after a number of records.
type brittle struct {
	statefile.Session
	mu   sync.Mutex // records of several workers come at the same time
	left int
}

func (b *brittle) Append(ctx context.Context, records ...statefile.Record) error {
	b.mu.Lock()
	if b.left > 0 {
		if b.left--; b.left == 0 {
			b.left = -1
		}
	}
	broken := b.left < 0
	b.mu.Unlock()
	if broken {
		return errBroken
	}
	return b.Session.Append(ctx, records...)
}

// converge plans and applies until nothing is left to do. Once is enough, but for what is deferred.
func (e *evolution) converge(opts planner.PlanOptions) error {
	complete := false
	for n := 0; ; n++ {
		p, refused, err := e.plan(opts)
		switch {
		case err != nil:
			return err
		case refused && n == 0:
			return nil // what went wrong before has left no room
		case refused:
			return errors.New("what was planned and applied is refused now")
		case !planner.Changed(p) && p.Complete:
			return e.same()
		case !planner.Changed(p):
			return nil
		}
		rest := beside(p)
		switch {
		case n > 0 && len(rest) == 0 && len(p.Changes) > 0:
			return nil
		case complete && slices.ContainsFunc(rest, func(c *plan.Change) bool { return !spare(c) }):
			return fmt.Errorf("a plan after the apply has changes: %s", diffs(p))
		case n == 4:
			return fmt.Errorf("plans have no end: %s", diffs(p))
		}
		complete = p.Complete
		res, err := e.carry(p, stage{})
		if err != nil {
			return err
		}
		for _, s := range res.Steps {
			if s.Err != nil {
				return fmt.Errorf("%s of %s: %w", s.Op, s.Address, s.Err)
			}
		}
		if err := e.known(); err != nil {
			return err
		}
	}
}

// spare tells whether a change deletes what only a candidate needed that was not taken.
func spare(c *plan.Change) bool {
	return c.Kind == addr.KindSupport && c.Action == plan.Delete && c.Reason == "nothing needs it any more"
}

// beside lists the changes of a plan beside those that start again what has ended and should not have.
func beside(p *plan.Plan) []*plan.Change {
	runs := map[string]bool{}
	block := func(c *plan.Change) string {
		a, _ := addr.ParseResource(c.Address)
		return a.Block.String()
	}
	for _, c := range p.Changes {
		if c.Kind == addr.KindJob && (strings.HasPrefix(c.Reason, "it failed") || strings.HasPrefix(c.Reason, "a service is to run")) {
			runs[block(c)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c *plan.Change) bool {
		return runs[block(c)] && c.Action != plan.Delete && c.Kind != addr.KindInstance
	})
}

// known proves that whatever is in the world is recorded, or is being made by an intent that is open or was closed lately.
func (e *evolution) known() error {
	state, err := e.store.Read(e.t.Context())
	if err != nil {
		return err
	}
	objects, err := e.world.Objects()
	if err != nil {
		return err
	}
	ids, keys := map[string]bool{}, map[string]bool{}
	for _, r := range state.Resources() {
		ids[r.ID] = true
	}
	for _, in := range state.Intents() {
		keys[in.Key] = true
	}
	for _, c := range state.Closed(time.Now()) {
		keys[c.Key] = true
	}
	for _, o := range objects {
		if !ids[o.ID] && !keys[o.Key] {
			return fmt.Errorf("%s %s is in the world, and nobody knows it", o.Address, o.ID)
		}
	}
	return nil
}

// same proves that the world holds exactly what is recorded, and nothing twice.
func (e *evolution) same() error {
	state, err := e.store.Read(e.t.Context())
	if err != nil {
		return err
	}
	objects, err := e.world.Objects()
	if err != nil {
		return err
	}
	var have, want []string
	for _, o := range objects {
		have = append(have, e.tag(o.Address)+" "+o.ID)
	}
	for _, r := range state.Resources() {
		want = append(want, e.tag(r.Ref().String())+" "+r.ID)
	}
	slices.Sort(have)
	slices.Sort(want)
	if d := cmp.Diff(want, have); d != "" {
		return fmt.Errorf("the state (-) and the world (+) differ:\n%s", d)
	}
	return nil
}

// inOrder lists the steps of a plan that come too early.
func inOrder(state *statefile.State, p *plan.Plan) []error {
	var out []error
	before := make([]map[int]bool, len(p.Steps)) // all steps that a step comes after
	ups, downs := map[string]int{}, map[string]int{}
	for i, s := range p.Steps {
		before[i] = map[int]bool{}
		for _, n := range s.Needs {
			if n >= i {
				return []error{fmt.Errorf("step %d needs step %d", i, n)}
			}
			before[i][n] = true
			for m := range before[n] {
				before[i][m] = true
			}
		}
		switch s.Op {
		case plan.OpDelete, plan.OpForget:
			downs[s.Address+" "+s.Deposed] = i
		case plan.OpCreate, plan.OpUpdate, plan.OpRecord:
			ups[s.Address] = i
		}
	}
	after := func(later, earlier int) {
		if !before[later][earlier] && later != earlier {
			l, e := p.Steps[later], p.Steps[earlier]
			out = append(out, fmt.Errorf("%s of %s does not come after %s of %s", l.Op, l.Address, e.Op, e.Address))
		}
	}
	needs := map[string][]string{}
	for _, c := range p.Changes {
		up, ok := ups[c.Address]
		if c.Deposed != "" || !ok {
			continue
		}
		needs[c.Address] = c.Needs
		for _, need := range c.Needs {
			if n, ok := ups[need]; ok {
				after(up, n)
			}
		}
	}
	gone := func(address string) (int, bool) { // the end of the object that is current before the plan
		for key, i := range downs {
			if a, deposed, _ := strings.Cut(key, " "); a == address && (deposed == "" || state.Object(statefile.Ref{Address: a, Deposed: deposed}) == nil && !strings.HasPrefix(deposed, "k")) {
				return i, true
			}
		}
		return 0, false
	}
	for _, r := range state.Resources() {
		if r.Deposed != "" {
			continue
		}
		for _, need := range r.Needs {
			on, _ := addr.ParseAny(need)
			if r.Kind != addr.KindSupport && on.Kind() != addr.KindSupport && (r.Kind != addr.KindJob || on.Kind() != addr.KindInstance) {
				continue // it refers to it, and stands on nothing
			}
			down, ok := gone(need)
			if !ok || p.Steps[down].Op == plan.OpForget {
				continue
			}
			if end, ends := gone(r.Address); ends && p.Steps[end].Op != plan.OpForget {
				after(down, end)
			} else if ends {
				continue // what is gone holds nothing
			} else if up, changes := ups[r.Address]; changes && p.Steps[up].Op != plan.OpCreate && !slices.Contains(needs[r.Address], need) {
				after(down, up)
			}
		}
	}
	return out
}
