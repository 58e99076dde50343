package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// scenario is a random world, and what goes wrong in it. It is drawn as a whole, because rapid's own goroutine is not the
// one in which it is played.
type scenario struct {
	vertices []vertex
	faults   []fake.Rule
	seed     uint64
	latency  time.Duration
	parallel int
	rounds   []round
}

// vertex is a volume that is wanted in the end, on top of others with lower numbers.
type vertex struct {
	needs  []int
	action string // create, keep, update, replace, depose, leave
}

// round is one apply that is cut off at some record (0: not), or interrupted after some time (0: not).
type round struct {
	breakAt int
	late    bool
	stopAt  time.Duration
	cancel  time.Duration
	replan  bool // else the same plan is applied again
}

func drawScenario(t *rapid.T) scenario {
	var s scenario
	actions := []string{"create", "create", "create", "keep", "update", "replace", "depose", "leave"}
	for i := range rapid.IntRange(1, 30).Draw(t, "vertices") {
		v := vertex{action: rapid.SampledFrom(actions).Draw(t, "action")}
		if v.action != "leave" && i > 0 {
			v.needs = rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(i, 3), rapid.ID[int]).Draw(t, "needs")
			v.needs = slices.DeleteFunc(v.needs, func(n int) bool { return s.vertices[n].action == "leave" })
		}
		s.vertices = append(s.vertices, v)
	}
	kinds := []fake.Fault{fake.Fault(providers.Transient), fake.Fault(providers.Throttled), fake.Fault(providers.Internal), fake.Fault(providers.Invalid), fake.Lost, fake.Panic, fake.Partial, fake.Wrong, fake.BadID, fake.Hang}
	for range rapid.IntRange(0, 4).Draw(t, "faults") {
		r := fake.Rule{Fault: rapid.SampledFrom(kinds).Draw(t, "fault"), Probability: rapid.Float64Range(0.05, 0.5).Draw(t, "probability"), Times: rapid.IntRange(1, 10).Draw(t, "times")}
		if r.Fault != fake.Partial && r.Fault != fake.Wrong && r.Fault != fake.BadID {
			r.Op = rapid.SampledFrom([]string{"create", "update", "delete", "create|update|delete|find"}).Draw(t, "op")
		}
		s.faults = append(s.faults, r)
	}
	s.seed = rapid.Uint64().Draw(t, "seed")
	s.latency = time.Duration(rapid.IntRange(0, 2000).Draw(t, "latency")) * time.Millisecond
	s.parallel = rapid.IntRange(1, 12).Draw(t, "parallel")
	for range rapid.IntRange(0, 4).Draw(t, "rounds") {
		r := round{late: rapid.Bool().Draw(t, "late"), replan: rapid.Bool().Draw(t, "replan")}
		switch rapid.IntRange(0, 3).Draw(t, "end") {
		case 0:
			r.breakAt = rapid.IntRange(1, 120).Draw(t, "break")
		case 1:
			r.stopAt = time.Duration(rapid.IntRange(1, 20000).Draw(t, "stop")) * time.Millisecond
		case 2:
			r.cancel = time.Duration(rapid.IntRange(1, 20000).Draw(t, "cancel")) * time.Millisecond
		}
		s.rounds = append(s.rounds, r)
	}
	return s
}

func TestWhateverHappensNothingIsLostAndAllIsDoneInTheEnd(t *testing.T) {
	law.Check(t, 100, func(rt *rapid.T) {
		s := drawScenario(rt)
		var failed error
		synctest.Test(t, func(t *testing.T) { failed = s.play(t) })
		if failed != nil {
			rt.Fatalf("%v\n%+v", failed, s)
		}
	})
}

func address(i int) string { return "volume.v[" + strconv.Itoa(i) + "]" }

// play applies the scenario until it is done, and destroys everything. After each apply, whatever its end, what the world
// holds must be known.
func (s scenario) play(t *testing.T) error {
	l := newLabIn(t, memoryFolder(t))
	w := &wanting{l: l, vertices: s.vertices}
	l.settings.Latency = fake.Duration(s.latency)
	if err := w.before(); err != nil {
		return err
	}
	for i := range s.faults {
		if err := w.faulty(s); err != nil {
			return fmt.Errorf("fault %d: %w", i, err)
		}
	}
	random := rand.New(rand.NewPCG(s.seed, 0))
	var last *plan.Plan
	for n := 0; ; n++ {
		var r round
		if n < len(s.rounds) {
			r = s.rounds[n]
		}
		if n > len(s.rounds)+40 {
			return fmt.Errorf("it is not done after %d applies; the last: %s; open are %v", n, w.last, l.intents())
		}
		if n > len(s.rounds)+5 {
			l.settings.Faults = nil // faults that last for ever are no reason to end
		}
		d := w.plan()
		if !r.replan && last != nil {
			d = &draft{l: l, p: last}
		}
		last = d.p
		if len(d.p.Steps) == 0 && n >= len(s.rounds) {
			break
		}
		complete, err := w.round(d.p, r, s, random)
		w.last = fmt.Sprintf("%t, %v, %+v", complete, err, d.p.Steps)
		if stale := (*StaleError)(nil); errors.As(err, &stale) {
			last = nil
			continue
		}
		if err != nil {
			return fmt.Errorf("apply %d: %w", n, err)
		}
		if err := w.known(); err != nil {
			return fmt.Errorf("after apply %d: %w", n, err)
		}
		if complete {
			last = nil
		}
	}
	if err := w.settled(); err != nil {
		return err
	}
	for i := range w.vertices {
		w.vertices[i].action = "leave"
	}
	l.settings.Faults = nil
	for range 3 {
		if _, err := w.round(w.plan().p, round{}, s, random); err != nil {
			return fmt.Errorf("destroy: %w", err)
		}
	}
	if left := append(l.objects(), l.recorded()...); len(left) > 0 || len(l.state().Intents()) > 0 {
		return fmt.Errorf("destroy has left %v and the intents %v", left, l.intents())
	}
	return nil
}

// memoryFolder is a folder in memory where the system has such a thing: thousands of syncs cost nothing there.
func memoryFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "apply-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// wanting is a small planner of volumes, and what is true of every apply of its plans.
type wanting struct {
	l        *lab
	vertices []vertex

	mu     sync.Mutex
	wrong  error
	copies int
	last   string // what became of the last apply
}

func (w *wanting) faulty(s scenario) error {
	data := make([]fake.Rule, len(s.faults))
	copy(data, s.faults)
	w.l.settings.Faults = script(w.l.t, data...)
	w.l.settings.Seed = int64(s.seed >> 1)
	return nil
}

// before makes what is there at the start.
func (w *wanting) before() error {
	d := w.l.draft()
	for i, v := range w.vertices {
		if v.action != "create" {
			d.create(address(i), w.first(i))
		}
	}
	if len(d.p.Steps) == 0 {
		return nil
	}
	r, err := w.l.run(d.p)
	if err == nil && !r.Complete() {
		err = fmt.Errorf("the start was not made: %v", statuses(r))
	}
	w.l.reopen()
	return err
}

func (w *wanting) first(i int) cty.Value {
	if w.vertices[i].action == "keep" {
		return w.want(i)
	}
	return volumeIn("old-"+strconv.Itoa(i), w.region(i, "replace", "depose"))
}

func (w *wanting) want(i int) cty.Value { return volumeIn("new-"+strconv.Itoa(i), "us-east-1") }

func (w *wanting) region(i int, elsewhere ...string) string {
	if slices.Contains(elsewhere, w.vertices[i].action) {
		return "eu-west-1"
	}
	return "us-east-1"
}

// plan compares what is wanted with what is recorded and found, as the planner does.
func (w *wanting) plan() *draft {
	l := w.l
	d := l.draft()
	state := l.state()
	open := map[string]*statefile.Intent{}
	for _, in := range state.Intents() {
		decision := plan.IntentDecision{Address: in.Address, Deposed: in.Deposed, Key: in.Key, Close: true}
		i := 0
		_, _ = fmt.Sscanf(in.Address, "volume.v[%d]", &i)
		wanted := w.vertices[i].action != "leave"
		if in.Operation == statefile.Create && wanted && state.Resource(in.Address) == nil {
			decision.Close = false
			open[in.Address] = in
		}
		d.p.Intents = append(d.p.Intents, decision)
		if in.Operation == statefile.Create && decision.Close {
			w.stray(d, in)
		}
	}
	up, down := map[int]int{}, map[int]int{}
	for i, v := range w.vertices {
		a := address(i)
		var after []int
		var needs []string
		for _, n := range v.needs {
			needs = append(needs, address(n))
			if s, ok := up[n]; ok {
				after = append(after, s)
			}
		}
		r := state.Resource(a)
		c := plan.Change{Address: a, Kind: "volume", Needs: needs}
		switch {
		case v.action == "leave" && r != nil:
			c.Action = plan.Delete
			d.change(c, cty.NilVal)
			down[i] = d.step(plan.Step{Address: a, Op: plan.OpDelete})
		case v.action == "leave":
		case r == nil:
			c.Action = plan.Create
			if in := open[a]; in != nil {
				c.IdempotencyKey, c.InFlight = in.Key, &plan.InFlight{Since: in.Since}
			}
			d.change(c, w.want(i))
			up[i] = d.step(plan.Step{Address: a, Op: plan.OpCreate, Needs: after})
		case w.differs(r, i) == "" && !r.Tainted:
		case w.differs(r, i) == "name" && !r.Tainted:
			c.Action = plan.Update
			d.change(c, w.want(i))
			up[i] = d.step(plan.Step{Address: a, Op: plan.OpUpdate, Needs: after})
		case v.action == "depose":
			c.Action = plan.CreateThenDelete
			d.change(c, w.want(i))
			key := "r" + strconv.FormatUint(r.Revision, 10)
			gone := d.step(plan.Step{Address: a, Op: plan.OpDepose, Deposed: key})
			up[i] = d.step(plan.Step{Address: a, Op: plan.OpCreate, Needs: append(after, gone)})
			d.step(plan.Step{Address: a, Op: plan.OpDelete, Deposed: key, Needs: []int{up[i]}})
		default:
			c.Action = plan.DeleteThenCreate
			d.change(c, w.want(i))
			gone := d.step(plan.Step{Address: a, Op: plan.OpDelete})
			up[i] = d.step(plan.Step{Address: a, Op: plan.OpCreate, Needs: append(after, gone)})
		}
		for _, old := range state.Deposed(a) {
			d.change(plan.Change{Address: a, Deposed: old.Deposed, Kind: "volume", Action: plan.Delete}, cty.NilVal)
			d.step(plan.Step{Address: a, Deposed: old.Deposed, Op: plan.OpDelete})
		}
	}
	return d
}

// stray plans the end of what an intent has made that is closed.
func (w *wanting) stray(d *draft, in *statefile.Intent) {
	objects, _ := w.l.world.Objects()
	for _, o := range objects {
		if o.Key == in.Key && (w.l.state().Resource(in.Address) == nil || w.l.state().Resource(in.Address).ID != o.ID) {
			c := plan.Change{Address: in.Address, Deposed: "k" + in.Key[:8], Kind: "volume", Action: plan.Delete, IdempotencyKey: in.Key}
			d.change(c, cty.NilVal)
			d.step(plan.Step{Address: in.Address, Deposed: c.Deposed, Op: plan.OpDelete})
		}
	}
}

// differs says whether a record is of another region or name than wanted.
func (w *wanting) differs(r *statefile.Resource, i int) string {
	have, err := schema.UnmarshalValue(schema.Of[schema.Volume](), r.Attributes)
	if err != nil {
		return "region"
	}
	for _, name := range []string{"region", "name"} {
		if !have.GetAttr(name).RawEquals(w.want(i).GetAttr(name)) {
			return name
		}
	}
	return ""
}

// round applies a plan once. When it is cut off, the store is read again as a new process would.
func (w *wanting) round(p *plan.Plan, r round, s scenario, random *rand.Rand) (bool, error) {
	l := w.l
	session := &breaking{Session: l.session, left: 1 << 30, late: r.late}
	if r.breakAt > 0 {
		session.left = r.breakAt
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	interrupt := make(chan struct{})
	if r.stopAt > 0 {
		defer time.AfterFunc(r.stopAt, func() { close(interrupt) }).Stop()
	}
	if r.cancel > 0 {
		defer time.AfterFunc(r.cancel, cancel).Stop()
	}
	l.backends = nil
	seen := &needsSeen{hook: func(op, a string) error { return w.check(p, op, a) }}
	l.watch(seen)
	o := l.options(p)
	o.Session, o.Interrupt, o.Parallelism, o.Random = session, interrupt, s.parallel, random.Float64
	var mu sync.Mutex
	o.Random = func() float64 { mu.Lock(); defer mu.Unlock(); return random.Float64() }
	began := time.Now()
	res, err := Run(ctx, o)
	if r.cancel > 0 && time.Since(began) > r.cancel+2*time.Second && time.Since(began) > 11*time.Second {
		return false, fmt.Errorf("it left %s after it was cancelled", time.Since(began)-r.cancel)
	}
	time.Sleep(time.Hour) // calls that were left behind end
	if w.wrong != nil {
		return false, w.wrong
	}
	if rec := (*RecordError)(nil); errors.As(err, &rec) && session.broke() {
		return false, w.copyStore()
	}
	if err != nil {
		return false, err
	}
	for _, st := range res.Steps {
		if st.Status == Done && !session.broke() {
			if err := w.recorded(st); err != nil {
				return false, err
			}
		}
	}
	if session.broke() {
		return false, w.copyStore()
	}
	l.reopen()
	return res.Complete(), nil
}

// copyStore goes on with a copy of the files as they are, as after a kill.
func (w *wanting) copyStore() error {
	w.copies++
	to := filepath.Join(filepath.Dir(w.l.dir), "state-"+strconv.Itoa(w.copies))
	if err := os.CopyFS(to, os.DirFS(w.l.dir)); err != nil {
		return err
	}
	old := w.l.session
	w.l.dir = to
	w.l.lock()
	return old.Close(context.Background())
}

// check holds when a provider is called: all that the object needs is recorded, an intent is open, and the world does not
// have the object already.
func (w *wanting) check(p *plan.Plan, op, a string) error {
	state := w.l.state()
	fail := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.wrong == nil {
			w.wrong = fmt.Errorf(format, args...)
		}
	}
	ours := 0
	for _, in := range state.Intents() {
		if in.Address == a && string(in.Operation) == op {
			ours++
		}
	}
	if ours == 0 {
		fail("%s of %s is called without an intent", op, a)
	}
	// The call may be for any of the steps that do this at this address: at least one must be ready.
	why := ""
	for _, s := range p.Steps {
		if s.Address != a || string(s.Op) != op {
			continue
		}
		missing := w.missing(p, s)
		if missing == "" {
			return nil
		}
		why = missing
	}
	if why != "" {
		fail("%s of %s runs before %s", op, a, why)
	}
	return nil
}

// missing names a step that s needs and that is not recorded as done.
func (w *wanting) missing(p *plan.Plan, s plan.Step) string {
	for _, n := range s.Needs {
		need := p.Steps[n]
		r := w.l.state().Object(statefile.Ref{Address: need.Address, Deposed: need.Deposed})
		done := true
		switch need.Op {
		case plan.OpCreate, plan.OpUpdate:
			done = r != nil && !r.Tainted && r.Changed.Plan == p.ID
		case plan.OpDelete:
			done = r == nil || need.Deposed == "" && r.Changed.Plan == p.ID
		}
		if !done {
			return fmt.Sprintf("%s of %s", need.Op, need.Address)
		}
	}
	return ""
}

// recorded holds for a step that is done.
func (w *wanting) recorded(st StepResult) error {
	r := w.l.state().Object(statefile.Ref{Address: st.Address, Deposed: st.Deposed})
	switch st.Op {
	case plan.OpCreate, plan.OpUpdate:
		if r == nil || r.Tainted {
			return fmt.Errorf("%s of %s is done and not recorded", st.Op, st.Address)
		}
	}
	return nil
}

// known holds after every apply: each object of the world is recorded, or was made under a key that is asked for.
func (w *wanting) known() error {
	objects, err := w.l.world.Objects()
	if err != nil {
		return err
	}
	ids, keys := map[string]string{}, map[string]bool{}
	for _, r := range w.l.state().Resources() {
		if other := ids[r.ID]; other != "" {
			return fmt.Errorf("%s and %s are recorded as one object %s", other, r.Ref(), r.ID)
		}
		ids[r.ID] = r.Ref().String()
	}
	for _, in := range w.l.state().Intents() {
		keys[in.Key] = true
	}
	for _, c := range w.l.state().Closed(time.Now()) {
		keys[c.Key] = true
	}
	for _, o := range objects {
		if ids[o.ID] == "" && !keys[o.Key] {
			return fmt.Errorf("%s of %s is known to nobody; recorded are %v, and open %v", o.ID, o.Address, slices.Sorted(maps.Values(ids)), w.l.intents())
		}
	}
	return nil
}

// settled holds in the end: what is wanted is there, once, and recorded as it is.
func (w *wanting) settled() error {
	var want []string
	for i, v := range w.vertices {
		if v.action != "leave" {
			want = append(want, address(i))
		}
	}
	slices.Sort(want)
	if got := w.l.objects(); !slices.Equal(got, want) {
		return fmt.Errorf("the world holds %v, wanted are %v", got, want)
	}
	got := w.l.recorded()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("recorded are %v, wanted are %v", got, want)
	}
	objects, _ := w.l.world.Objects()
	for _, o := range objects {
		if r := w.l.state().Resource(o.Address); r.ID != o.ID || r.Tainted || !o.Ready {
			return fmt.Errorf("%s is %s in the world and %s in the state", o.Address, o.ID, r.ID)
		}
	}
	if open := w.l.intents(); len(open) > 0 {
		return fmt.Errorf("these intents are open: %v", open)
	}
	return nil
}
