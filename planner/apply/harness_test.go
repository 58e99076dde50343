package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// lab is a store, a fake cloud, and what happened there.
type lab struct {
	t        testing.TB
	dir      string
	world    *fake.World
	settings fake.Settings
	session  statefile.Session
	backends map[string]providers.Backend // instead of the fake one
	plans    int

	opening chan struct{}
	opened  map[string]providers.Backend // by name and settings

	mu     sync.Mutex
	events []Event
}

func newLab(t testing.TB, faults ...fake.Rule) *lab {
	t.Helper()
	return newLabIn(t, t.TempDir(), faults...)
}

func newLabIn(t testing.TB, dir string, faults ...fake.Rule) *lab {
	t.Helper()
	l := &lab{t: t, dir: filepath.Join(dir, "state"), world: fake.Memory(), settings: fake.Settings{Faults: script(t, faults...)}, opening: make(chan struct{}, 1)}
	_, err := l.store().Init(t.Context())
	require.NoError(t, err)
	l.lock()
	t.Cleanup(func() { l.session.Close(context.Background()) })
	return l
}

// script checks rules as the provider's settings would.
func script(t testing.TB, rules ...fake.Rule) fake.Script {
	t.Helper()
	if len(rules) == 0 {
		return nil
	}
	data, err := json.Marshal(rules)
	require.NoError(t, err)
	var out fake.Script
	require.NoError(t, json.Unmarshal(data, &out))
	return out
}

func (l *lab) store() *statefile.Local { return statefile.NewLocal(l.dir, statefile.LocalOptions{}) }

func (l *lab) lock() {
	l.t.Helper()
	session, err := l.store().Lock(context.Background(), statefile.Holder{User: "ana", Host: "laptop", Operation: "apply"})
	require.NoError(l.t, err)
	l.session = session
}

// reopen ends the session and begins another.
func (l *lab) reopen() {
	l.t.Helper()
	require.NoError(l.t, l.session.Close(context.Background()))
	l.lock()
}

func (l *lab) state() *statefile.State { return l.session.State() }

// open gives a backend of the fake cloud, or one of the test's own.
func (l *lab) open(ctx context.Context, name string) (providers.Backend, providers.Description, error) {
	p := fake.New(fake.Options{World: l.world, Getenv: func(string) string { return "" }, Exit: func(int) { panic("crash") }})
	d, err := p.Describe(ctx)
	if err != nil {
		return nil, d, err
	}
	if b := l.backends[name]; b != nil {
		return b, d, nil
	}
	config := providers.BackendConfig{Name: name, Settings: l.settings.JSON()}
	key := name + string(config.Settings)
	l.opening <- struct{}{} // a mutex would keep the bubble's clock from going on
	defer func() { <-l.opening }()
	if b := l.opened[key]; b != nil {
		return b, d, nil
	}
	b, err := p.Open(ctx, config)
	if err == nil {
		if l.opened == nil {
			l.opened = map[string]providers.Backend{}
		}
		l.opened[key] = b
	}
	return b, d, err
}

func (l *lab) options(p *plan.Plan) Options {
	return Options{
		Plan: p, Session: l.session, Backends: l.open, By: "ana@laptop", Random: func() float64 { return 0 },
		Observe: func(ev Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, ev)
		},
	}
}

func (l *lab) run(p *plan.Plan, more ...func(*Options)) (*Result, error) {
	l.t.Helper()
	o := l.options(p)
	for _, f := range more {
		f(&o)
	}
	l.events = nil
	return Run(l.t.Context(), o)
}

// apply runs a plan that must succeed.
func (l *lab) apply(p *plan.Plan, more ...func(*Options)) *Result {
	l.t.Helper()
	r, err := l.run(p, more...)
	require.NoError(l.t, err)
	for _, s := range r.Steps {
		require.NoError(l.t, s.Err, s.Address)
	}
	require.True(l.t, r.Complete())
	return r
}

// happened are the events of that type, as addresses.
func (l *lab) happened(types ...EventType) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, ev := range l.events {
		if slices.Contains(types, ev.Type) {
			out = append(out, ev.Address)
		}
	}
	return out
}

// objects are what the world holds, as sorted addresses.
func (l *lab) objects(kinds ...string) []string {
	l.t.Helper()
	list, err := l.world.Objects(kinds...)
	require.NoError(l.t, err)
	out := []string{}
	for _, o := range list {
		out = append(out, o.Address)
	}
	slices.Sort(out)
	return out
}

func (l *lab) recorded() []string {
	out := []string{}
	for _, r := range l.state().Resources() {
		out = append(out, r.Ref().String())
	}
	return out
}

func (l *lab) intents() []string {
	out := []string{}
	for _, in := range l.state().Intents() {
		out = append(out, string(in.Operation)+" "+in.Ref().String())
	}
	return out
}

// draft builds plans by hand.
type draft struct {
	l *lab
	p *plan.Plan
	// made has the index of the step after which an address is there.
	made map[string]int
}

func (l *lab) draft() *draft {
	l.plans++
	s := l.state()
	return &draft{l: l, made: map[string]int{}, p: &plan.Plan{
		FormatVersion: plan.FormatVersion, ID: "plan-" + strconv.Itoa(l.plans), Lineage: s.Lineage(), Serial: s.Serial(), Head: s.Head(),
		Backends: map[string]plan.Backend{"fake": {Provider: "fake", Version: fake.Version, Identity: "fake"}}, Revisions: map[string]plan.Revision{},
	}}
}

func (d *draft) step(s plan.Step) int {
	slices.Sort(s.Needs)
	s.Needs = slices.Compact(s.Needs)
	d.p.Steps = append(d.p.Steps, s)
	return len(d.p.Steps) - 1
}

// revision notes what is recorded now.
func (d *draft) revision(address string, occupancy bool) {
	var rev plan.Revision
	if r := d.l.state().Resource(address); r != nil {
		rev.Revision = r.Revision
		if occupancy {
			rev.Occupancy = r.Occupancy
		}
	}
	d.p.Revisions[address] = rev
}

// change adds a change with its value. Computed attributes that are unset are unknown.
func (d *draft) change(c plan.Change, v cty.Value) *plan.Change {
	d.l.t.Helper()
	object := schema.KindObject(c.Kind)
	if v != cty.NilVal {
		for _, a := range object.Attrs {
			if !a.Configured() && v.GetAttr(a.Name).IsNull() {
				c.AfterUnknown = append(c.AfterUnknown, a.Name)
			}
		}
		var err error
		c.After, err = schema.MarshalValue(v)
		require.NoError(d.l.t, err)
	}
	if c.Backend == "" {
		c.Backend = "fake"
	}
	if c.Declared == "" {
		c.Declared = "main.dstack.hcl:7"
	}
	if r := d.l.state().Object(statefile.Ref{Address: c.Address, Deposed: c.Deposed}); r != nil {
		c.Before = r.Attributes
	}
	d.p.Changes = append(d.p.Changes, &c)
	if c.Deposed == "" {
		d.revision(c.Address, false)
	}
	for _, need := range c.Needs {
		if a, err := addr.ParseResource(need); err == nil && a.Kind() != "" {
			d.revision(need, c.Kind == addr.KindJob && c.Placement != nil && need == c.Placement.Instance)
		}
	}
	return &c
}

func (d *draft) indices(needs []string) []int {
	var out []int
	for _, n := range needs {
		if i, ok := d.made[n]; ok {
			out = append(out, i)
		}
	}
	return out
}

// create adds the change and the step that make an object.
func (d *draft) create(address string, v cty.Value, needs ...string) *plan.Change {
	d.l.t.Helper()
	kind := addr.MustParse(address).Kind()
	c := plan.Change{Address: address, Kind: kind, Action: plan.Create, Needs: needs}
	if kind == addr.KindJob {
		for _, n := range needs {
			if addr.MustParse(n).Kind() == addr.KindInstance {
				c.Placement = &plan.Placement{Instance: n}
				break
			}
		}
	}
	out := d.change(c, v)
	d.p.Changes[len(d.p.Changes)-1] = out
	d.made[address] = d.step(plan.Step{Address: address, Op: plan.OpCreate, Needs: d.indices(needs)})
	return out
}

func (d *draft) update(address string, v cty.Value) *plan.Change {
	d.l.t.Helper()
	c := d.change(plan.Change{Address: address, Kind: addr.MustParse(address).Kind(), Action: plan.Update}, v)
	d.p.Changes[len(d.p.Changes)-1] = c
	d.made[address] = d.step(plan.Step{Address: address, Op: plan.OpUpdate})
	return c
}

func (d *draft) delete(address string, after ...int) int {
	d.l.t.Helper()
	d.change(plan.Change{Address: address, Kind: addr.MustParse(address).Kind(), Action: plan.Delete}, cty.NilVal)
	return d.step(plan.Step{Address: address, Op: plan.OpDelete, Needs: after})
}

// Values.

func volume(name string) cty.Value {
	return schema.Encode(schema.Volume{Name: name, Backend: "fake", Region: "us-east-1", Zone: "us-east-1a", Size: must(value.ParseMemory("10GB"))})
}

func volumeIn(name, region string) cty.Value {
	return schema.Encode(schema.Volume{Name: name, Backend: "fake", Region: region, Size: must(value.ParseMemory("10GB"))})
}

func machine(name, kind, region, zone string) cty.Value {
	v := schema.Encode(schema.Instance{Name: name, Backend: "fake", Region: region, Zone: zone, InstanceType: kind, TotalBlocks: 2})
	return with(v, map[string]cty.Value{"ssh_port": cty.NullVal(cty.Number)})
}

func securityGroup(region string) cty.Value {
	return schema.Encode(schema.Support{Type: "security-group", Backend: "fake", Region: region, Config: map[string]string{"ingress": "22/tcp"}})
}

func placementGroup(region, zone string) cty.Value {
	return schema.Encode(schema.Support{Type: "placement-group", Backend: "fake", Region: region, Zone: zone, Config: map[string]string{"strategy": "cluster"}})
}

func job(run string, instance string, commands ...string) cty.Value {
	v := schema.Encode(schema.Job{Run: run, Name: run + "-0", Type: "task", Nodes: 1, Instance: instance, Blocks: 1, Commands: commands})
	unset := map[string]cty.Value{}
	for _, a := range schema.Of[schema.Job]().Attrs {
		if a.Status {
			unset[a.Name] = cty.NullVal(a.Type)
		}
	}
	return with(v, unset)
}

func with(v cty.Value, set map[string]cty.Value) cty.Value {
	attrs := v.AsValueMap()
	for name, a := range set {
		attrs[name] = a
	}
	return cty.ObjectVal(attrs)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const (
	inEast   = `backend.fake.support["security-group/us-east-1"]`
	inWest   = `backend.fake.support["security-group/us-west-2"]`
	machine0 = `fleet.train.instance[0]`
	machine1 = `fleet.train.instance[1]`
)

// quick is a policy whose times are short enough for tests in real time.
func quick(o *Options) {
	o.Policy = Policy{Call: time.Second, Deadline: 2 * time.Second, Find: time.Second, Grace: 20 * time.Millisecond}
	o.Policy.Retries = map[providers.ErrorKind]Backoff{}
	for kind, b := range DefaultPolicy().Retries {
		b.First, b.Max = time.Millisecond, time.Millisecond
		o.Policy.Retries[kind] = b
	}
}

func stepOf(t testing.TB, r *Result, op plan.Op, address string) StepResult {
	t.Helper()
	for _, s := range r.Steps {
		if s.Op == op && s.Address == address {
			return s
		}
	}
	t.Fatalf("no step %s of %s", op, address)
	return StepResult{}
}

// statuses has what became of each step.
func statuses(r *Result) map[string]Status {
	out := map[string]Status{}
	for _, s := range r.Steps {
		out[fmt.Sprintf("%s %s", s.Op, statefile.Ref{Address: s.Address, Deposed: s.Deposed})] = s.Status
	}
	return out
}
