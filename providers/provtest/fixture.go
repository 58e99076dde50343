package provtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

const lineage = "provtest"

// Fixture is an open backend in which a test makes objects. They are deleted, the last first, when the test ends.
type Fixture struct {
	T       *testing.T
	Backend providers.Backend

	options     Options
	provider    providers.Provider
	config      providers.BackendConfig
	description providers.Description

	mu       sync.Mutex
	last     int
	supports map[string]providers.Need // those that plans named, by address
}

func newFixture(t *testing.T, o Options) *Fixture {
	t.Helper()
	f := &Fixture{T: t, options: o, supports: map[string]providers.Need{}}
	f.provider, f.config = o.Open(t)
	var err error
	f.description, err = f.provider.Describe(f.ctx())
	require.NoError(t, err, "describe")
	f.Backend = f.open()
	return f
}

// open opens one more handle for the same backend.
func (f *Fixture) open() providers.Backend {
	f.T.Helper()
	b, err := f.provider.Open(f.ctx(), f.config)
	require.NoError(f.T, err, "open")
	f.T.Cleanup(func() { require.NoError(f.T, b.Close(), "close") })
	return b
}

// ctx returns a context that ends after the time that a call may take. Cleanups can use it, too.
func (f *Fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.T.Context()), f.options.Timeout)
	f.T.Cleanup(cancel)
	return ctx
}

// next returns a number that no object of the test has.
func (f *Fixture) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return f.last
}

// Instance makes an instance of its sample.
func (f *Fixture) Instance() providers.Need {
	f.T.Helper()
	return makeNeed(f, f.options.Instance, addr.KindInstance, f.Backend.Instances())
}

// Volume makes a volume of its sample.
func (f *Fixture) Volume() providers.Need {
	f.T.Helper()
	return makeNeed(f, f.options.Volume, addr.KindVolume, f.Backend.Volumes())
}

// Gateway makes a gateway of its sample.
func (f *Fixture) Gateway() providers.Need {
	f.T.Helper()
	return makeNeed(f, f.options.Gateway, addr.KindGateway, f.Backend.Gateways())
}

// Job makes a job of its sample.
func (f *Fixture) Job() providers.Need {
	f.T.Helper()
	return makeNeed(f, f.options.Job, addr.KindJob, f.Backend.Jobs())
}

// Support makes a support object of the sample of that type, on needs, or on what the sample needs if there are none.
func (f *Fixture) Support(ty string, needs ...providers.Need) providers.Need {
	f.T.Helper()
	sample := f.options.Supports[ty]
	if sample == nil {
		f.T.Skipf("NOT TESTED: no sample of a support object of type %s was given", ty)
	}
	given := *sample
	if len(needs) > 0 {
		given.Needs = func(*Fixture, int) []providers.Need { return needs }
	}
	return makeNeed(f, &given, addr.KindSupport, f.Backend.Supports())
}

func makeNeed[T any](f *Fixture, sample *Sample[T], kind string, r providers.Resource[T]) providers.Need {
	f.T.Helper()
	if sample == nil {
		f.T.Skipf("NOT TESTED: it needs an object of the kind %s, and no sample of that was given", kind)
	}
	s := &session[T]{Fixture: f, kind: kind, sample: sample, r: r}
	op := s.op()
	o := s.create(op)
	return needOf(op.Address, kind, f.config.Name, o)
}

func needOf[T any](address, kind, backend string, o providers.Object[T]) providers.Need {
	return providers.Need{Address: address, Kind: kind, Backend: backend, Object: providers.Object[cty.Value]{
		ID: o.ID, Value: schema.Encode(o.Value), Private: o.Private, Tainted: o.Tainted,
	}}
}

// session is a test of one kind.
type session[T any] struct {
	*Fixture
	kind   string
	sample *Sample[T]
	r      providers.Resource[T]
	of     func(providers.Backend) providers.Resource[T]
}

func newSession[T any](t *testing.T, o Options, kind string, sample *Sample[T], of func(providers.Backend) providers.Resource[T]) *session[T] {
	t.Helper()
	f := newFixture(t, o)
	r := of(f.Backend)
	require.NotNil(t, r, "the provider describes the kind, and its backend does not have it")
	return &session[T]{Fixture: f, kind: kind, sample: sample, r: r, of: of}
}

// address returns that of the n-th object of the test.
func address[T any](n int) string {
	switch any(*new(T)).(type) {
	case schema.Instance:
		return fmt.Sprintf("fleet.provtest.instance[%d]", n)
	case schema.Volume:
		return fmt.Sprintf("volume.provtest[%d]", n)
	case schema.Gateway:
		return fmt.Sprintf("gateway.provtest[%d]", n)
	case schema.Job:
		return fmt.Sprintf("task.provtest.job[%d]", n)
	}
	return fmt.Sprintf("task.provtest.support[\"sample/%d\"]", n)
}

// op plans a new object, makes what it needs, and returns the call that makes it.
func (s *session[T]) op() providers.Op[T] {
	s.T.Helper()
	n := s.next()
	return s.opOf(n, s.sample.Value(n))
}

func (s *session[T]) opOf(n int, v T) providers.Op[T] {
	s.T.Helper()
	change := s.change(n, v)
	planned := s.plan(change)
	require.Nil(s.T, planned.Err, "plan of a new object")
	require.Empty(s.T, planned.Replace, "plan of a new object cannot replace")
	require.Empty(s.T, contradiction(change.Want, planned.Value), "what is known in Want must stay in Planned")
	typed, err := schema.Decode[T](planned.Value)
	require.NoError(s.T, err, "the planned value")
	return providers.Op[T]{
		Address: change.Address, Lineage: lineage, Key: s.key(n), Attempt: 1, Planned: typed,
		Needs: append(s.needs(n), s.planned(change.Address, planned.Supports)...),
	}
}

// key returns an idempotency key; it is unlike that of any other run of the test.
func (s *session[T]) key(n int) string {
	return fmt.Sprintf("%s-%d-%x", strings.ReplaceAll(s.T.Name(), "/", "-"), n, time.Now().UnixNano())
}

func (s *session[T]) needs(n int) []providers.Need {
	s.T.Helper()
	if s.sample.Needs == nil {
		return nil
	}
	return s.sample.Needs(s.Fixture, n)
}

// change asks for a new object as core does: what the provider says, and what it may say, is unknown.
func (s *session[T]) change(n int, v T) providers.Change {
	c := providers.Change{Address: address[T](n), Want: wanted(v)}
	if s.sample.Offer != nil {
		c.Offer = s.sample.Offer(n)
	}
	return c
}

// wanted is a value as core asks for it: what its provider will say is unknown.
func wanted[T any](v T) cty.Value {
	attributes := schema.Encode(v).AsValueMap()
	for _, a := range schema.Of[T]().Attrs {
		if a.Computed || a.Status || a.Kept && attributes[a.Name].IsNull() {
			attributes[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	return cty.ObjectVal(attributes)
}

func (s *session[T]) plan(change providers.Change) providers.Planned {
	s.T.Helper()
	planned, err := s.r.Plan(s.ctx(), []providers.Change{change})
	require.NoError(s.T, err, "plan")
	require.Len(s.T, planned, 1, "plan has one answer for each change")
	return planned[0]
}

// planned makes the support objects that a plan named, unless the test has them.
func (s *session[T]) planned(of string, supports []providers.PlannedSupport) []providers.Need {
	s.T.Helper()
	out := make([]providers.Need, 0, len(supports))
	for _, named := range supports {
		owner := of
		switch named.Owner {
		case "":
		case "block":
			owner = strings.Split(of, ".instance[")[0]
		case "backend":
			owner = "backend." + s.config.Name
		default:
			require.Failf(s.T, "plan", "the owner of support object %s is %q; it is \"\", block or backend", named.Name, named.Owner)
		}
		at := fmt.Sprintf("%s.support[%q]", owner, named.Name)
		need, ok := s.supports[at]
		if !ok {
			r := s.Backend.Supports()
			require.NotNil(s.T, r, "plan named the support object %s, and the provider has no support objects", named.Name)
			v := named.Value
			v.Owner = owner
			helper := &session[schema.Support]{Fixture: s.Fixture, kind: addr.KindSupport, r: r}
			o := helper.create(providers.Op[schema.Support]{Address: at, Lineage: lineage + "-support", Key: s.key(s.next()), Attempt: 1, Planned: v})
			need = needOf(at, addr.KindSupport, s.config.Name, o)
			s.supports[at] = need
		}
		out = append(out, need)
	}
	return out
}

// create makes an object and deletes it at the end of the test.
func (s *session[T]) create(op providers.Op[T]) providers.Object[T] {
	s.T.Helper()
	o, err := s.r.Create(s.ctx(), op, ignore[T])
	require.NoError(s.T, err, "create %s", op.Address)
	require.NotEmpty(s.T, o.ID, "a made object has an id")
	s.deleteLater(op, o)
	return o
}

func (s *session[T]) deleteLater(op providers.Op[T], o providers.Object[T]) {
	s.T.Cleanup(func() { require.NoError(s.T, s.delete(op, o), "delete %s", op.Address) })
}

// delete removes an object as core would: with the same needs, and nothing planned.
func (s *session[T]) delete(op providers.Op[T], o providers.Object[T]) error {
	var none T
	op.Planned, op.Key = none, op.Key+"-delete"
	return s.r.Delete(s.ctx(), o, op, ignore[T])
}

// read returns what is there of one recorded object.
func (s *session[T]) read(o providers.Object[T]) providers.Observed[T] {
	s.T.Helper()
	seen := s.readAll([]providers.Object[T]{o})
	return seen[0]
}

func (s *session[T]) readAll(recorded []providers.Object[T]) []providers.Observed[T] {
	s.T.Helper()
	seen := make([]providers.Observed[T], len(recorded))
	times := make([]int, len(recorded)) // a yield from two goroutines at a time is found by -race
	err := s.r.Read(s.ctx(), recorded, func(i int, o providers.Observed[T]) {
		seen[i] = o
		times[i]++
	})
	require.NoError(s.T, err, "read")
	for i, n := range times {
		require.Equal(s.T, 1, n, "read must answer once for each object, and did not for %d", i)
	}
	return seen
}

// find looks for a key until it is there, for as long as the provider says that it may take.
func (s *session[T]) find(r providers.Resource[T], key string) []providers.Found[T] {
	s.T.Helper()
	var found []providers.Found[T]
	s.eventually(func() bool {
		var err error
		found, err = r.Find(s.ctx(), []string{key})
		require.NoError(s.T, err, "find")
		return len(found) > 0
	})
	return found
}

// eventually asks until the answer is yes or the provider's consistency delay has passed.
func (s *session[T]) eventually(ask func() bool) bool {
	deadline := time.Now().Add(s.description.Capabilities.ConsistencyDelay)
	for {
		late := time.Now().After(deadline)
		if ask() {
			return true
		}
		if late {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// settle waits until the provider must show all that was made.
func (s *session[T]) settle() { time.Sleep(s.description.Capabilities.ConsistencyDelay) }

func ignore[T any](providers.Progress[T]) error { return nil }
