package provtest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

func testProvider(t *testing.T, o Options) {
	t.Run("describes itself, and always the same", func(t *testing.T) {
		p, _ := o.Open(t)
		d, err := p.Describe(t.Context())
		require.NoError(t, err)
		again, err := p.Describe(t.Context())
		require.NoError(t, err)
		require.Equal(t, d, again)
		require.NotEmpty(t, d.Name)
		require.NotEmpty(t, d.Version)
		require.Equal(t, providers.Protocol, d.Protocol)
		require.NotEmpty(t, d.Kinds)
		for _, kind := range d.Kinds {
			require.Contains(t, addr.Kinds(), kind)
		}
		for _, s := range d.Settings {
			require.NotEmpty(t, s.Doc, "setting %s needs a word of documentation", s.Name)
			_, err := ctyjson.UnmarshalType(s.Type)
			require.NoError(t, err, "the type of setting %s", s.Name)
			if s.Env != "" {
				require.True(t, slices.ContainsFunc(d.Environment, func(v string) bool { return covers(v, s.Env) }),
					"setting %s comes from %s, which is not in Environment", s.Name, s.Env)
			}
		}
	})
	t.Run("has the kinds that it describes and no others", func(t *testing.T) {
		f := newFixture(t, o)
		for _, kind := range addr.Kinds() {
			has := providers.ResourceOf(f.Backend, kind) != nil
			require.Equal(t, slices.Contains(f.description.Kinds, kind), has, "kind %s", kind)
		}
	})
	t.Run("has one identity", func(t *testing.T) {
		f := newFixture(t, o)
		require.NotEmpty(t, f.Backend.Identity())
		require.Equal(t, f.Backend.Identity(), f.open().Identity())
	})
	for name, settings := range map[string]string{
		"an unknown setting is invalid":    `{"no_such_setting_of_any_provider": 1}`,
		"settings that are no object are":  `[1]`,
		"settings that are broken are too": `{"`,
	} {
		t.Run(name, func(t *testing.T) {
			p, config := o.Open(t)
			config.Settings = json.RawMessage(settings)
			b, err := p.Open(t.Context(), config)
			if err == nil {
				_ = b.Close()
			}
			require.Error(t, err)
			require.Equal(t, providers.Invalid, providers.KindOf(err), "%v", err)
		})
	}
}

// covers tells whether a name of Environment, which may end in *, is or begins that of a variable.
func covers(pattern, name string) bool {
	if n := len(pattern) - 1; n >= 0 && pattern[n] == '*' {
		return len(name) >= n && name[:n] == pattern[:n]
	}
	return pattern == name
}

func testOffers(t *testing.T, o Options) {
	f := newFixture(t, o)
	offerer, ok := f.Backend.(providers.Offerer)
	if !ok {
		t.Skip("the provider has no offers")
	}
	var busy atomic.Bool
	needs := []schema.Requirements{{}, {InstanceTypes: []string{"no-such-type-of-any-provider"}}}
	offers := map[int][]schema.Offer{}
	err := offerer.Offers(f.ctx(), needs, func(need int, offer schema.Offer) {
		require.True(t, busy.CompareAndSwap(false, true), "yield is called from one goroutine at a time")
		offers[need] = append(offers[need], offer)
		busy.Store(false)
	})
	require.NoError(t, err)
	require.NotEmpty(t, offers[0], "there is an offer for who needs nothing")
	quotas := map[string]int{}
	for need, list := range offers {
		require.Contains(t, []int{0, 1}, need)
		for _, offer := range list {
			require.Equal(t, f.config.Name, offer.Backend)
			require.NotEmpty(t, offer.InstanceType)
			require.Positive(t, offer.CPUs, "%s", offer.InstanceType)
			require.Positive(t, offer.MemoryMiB, "%s", offer.InstanceType)
			require.Zero(t, offer.TotalBlocks, "offers come undivided")
			require.Contains(t, []schema.Availability{schema.AvailabilityUnknown, schema.Available, schema.Idle, schema.Busy,
				schema.NotAvailable, schema.NoQuota}, offer.Availability)
			require.False(t, offer.PriceUnknown && offer.Price != 0, "%s has a price that is unknown", offer.InstanceType)
			if q := offer.Quota; q != nil {
				left, seen := quotas[q.Name]
				require.True(t, !seen || left == q.Left, "offers that share quota %s say that %d and %d are left", q.Name, left, q.Left)
				quotas[q.Name] = q.Left
			}
		}
	}
	ctx, cancel := context.WithCancel(f.ctx())
	cancel()
	require.Error(t, offerer.Offers(ctx, needs, func(int, schema.Offer) {}), "offers of a cancelled call")
}

func testPlan[T any](s *session[T]) {
	none, err := s.r.Plan(s.ctx(), nil)
	require.NoError(s.T, err)
	require.Empty(s.T, none)

	var changes []providers.Change
	for n := range 3 {
		changes = append(changes, s.change(n, s.sample.Value(n)))
	}
	planned, err := s.r.Plan(s.ctx(), changes)
	require.NoError(s.T, err)
	require.Len(s.T, planned, len(changes))
	again, err := s.r.Plan(s.ctx(), changes)
	require.NoError(s.T, err)
	for i, p := range planned {
		require.Nil(s.T, p.Err)
		require.Empty(s.T, p.Replace)
		require.Empty(s.T, contradiction(changes[i].Want, p.Value), "the answers are in the order of the changes")
		require.True(s.T, p.Value.RawEquals(again[i].Value), "two plans of the same are the same")
		require.Equal(s.T, p.Supports, again[i].Supports)
	}
	s.settle()
	found, err := s.r.List(s.ctx(), lineage)
	require.NoError(s.T, err)
	require.Empty(s.T, found, "plan writes nothing")
}

func testLife[T any](s *session[T]) {
	op := s.op()
	made, err := s.r.Create(s.ctx(), op, ignore[T])
	require.NoError(s.T, err)
	require.NotEmpty(s.T, made.ID)
	require.False(s.T, made.Tainted)
	require.Empty(s.T, contradiction(planOf(op.Planned), schema.Encode(made.Value)), "what plan said is what create returns")
	s.requirePresent(made)

	if s.sample.Update != nil {
		made = s.update(op, made)
	}
	s.requireNoChange(made, op)
	require.NoError(s.T, s.delete(op, made))
	require.Equal(s.T, providers.Gone, s.read(made).Presence, "what was deleted is gone")
	s.requireNothing(op)
	require.NoError(s.T, s.delete(op, made), "deleting what is gone succeeds")
}

// requireNothing checks that no object was made, or is left, under an operation's key.
func (s *session[T]) requireNothing(op providers.Op[T]) {
	s.T.Helper()
	s.settle()
	found, err := s.r.Find(s.ctx(), []string{op.Key})
	require.NoError(s.T, err)
	require.Empty(s.T, found, "nothing of this key is there")
	found, err = s.r.List(s.ctx(), op.Lineage)
	require.NoError(s.T, err)
	for _, f := range found {
		require.NotEqual(s.T, op.Address, f.Address, "nothing of this address is there")
	}
}

// requirePresent checks that a read shows what was recorded.
func (s *session[T]) requirePresent(o providers.Object[T]) {
	s.T.Helper()
	seen := s.read(o)
	require.NoError(s.T, seen.Err)
	require.Equal(s.T, providers.Present, seen.Presence)
	require.Equal(s.T, o.ID, seen.Object.ID)
	require.Empty(s.T, differences(o.Value, seen.Object.Value), "a read shows what was made: - recorded, + read")
	require.False(s.T, seen.Object.Tainted)
}

// requireNoChange checks that a plan of what exists already replaces nothing and contradicts nothing.
func (s *session[T]) requireNoChange(o providers.Object[T], op providers.Op[T]) {
	s.T.Helper()
	want := withoutStatus(o.Value)
	planned := s.plan(s.prior(o, op, want))
	require.Nil(s.T, planned.Err)
	require.Empty(s.T, planned.Replace, "what does not differ is not replaced")
	require.Empty(s.T, contradiction(want, planned.Value), "what is known in Want must stay in Planned")
}

func (s *session[T]) prior(o providers.Object[T], op providers.Op[T], want cty.Value) providers.Change {
	prior := needOf(op.Address, s.kind, s.config.Name, o).Object
	return providers.Change{Address: op.Address, Prior: &prior, Want: want}
}

func (s *session[T]) update(op providers.Op[T], made providers.Object[T]) providers.Object[T] {
	s.T.Helper()
	v := made.Value
	s.sample.Update(&v)
	want := withoutStatus(v)
	planned := s.plan(s.prior(made, op, want))
	require.Nil(s.T, planned.Err)
	require.Empty(s.T, planned.Replace, "the sample's Update can be done in place")
	typed, err := schema.Decode[T](planned.Value)
	require.NoError(s.T, err)
	change := op
	change.Planned, change.Key = typed, op.Key+"-update"
	updated, err := s.r.Update(s.ctx(), made, change, ignore[T])
	require.NoError(s.T, err)
	require.Equal(s.T, made.ID, updated.ID, "an update keeps the object")
	require.Empty(s.T, contradiction(planOf(typed), schema.Encode(updated.Value)), "what plan said is what update returns")
	require.NotEmpty(s.T, differences(made.Value, updated.Value), "the sample's Update changes something")
	s.requirePresent(updated)

	again, err := s.r.Update(s.ctx(), made, change, ignore[T])
	require.NoError(s.T, err, "an update whose answer was lost can be done again")
	require.Empty(s.T, differences(updated.Value, again.Value))
	return updated
}

func testReplace[T any](s *session[T]) {
	if s.sample.Replace == nil {
		s.T.Skip("the sample has no change that replaces")
	}
	op := s.op()
	made := s.create(op)
	v := made.Value
	path := s.sample.Replace(&v)
	planned := s.plan(s.prior(made, op, withoutStatus(v)))
	require.Nil(s.T, planned.Err)
	var paths []string
	for _, r := range planned.Replace {
		require.NotEmpty(s.T, r.Why, "a replacement has a reason")
		paths = append(paths, r.Path)
	}
	require.Contains(s.T, paths, path)
	s.requirePresent(made)
}

func testRead[T any](s *session[T]) {
	gone := s.op()
	first, err := s.r.Create(s.ctx(), gone, ignore[T])
	require.NoError(s.T, err)
	second := s.create(s.op())
	require.NoError(s.T, s.delete(gone, first))
	seen := s.readAll([]providers.Object[T]{second, first, second})
	require.Equal(s.T, providers.Present, seen[0].Presence)
	require.Equal(s.T, providers.Gone, seen[1].Presence)
	require.Equal(s.T, providers.Present, seen[2].Presence)
	require.Empty(s.T, s.readAll(nil))
}

func testConcurrent[T any](s *session[T]) {
	ops := make([]providers.Op[T], s.options.Parallel)
	for i := range ops {
		ops[i] = s.op()
	}
	made := make([]providers.Object[T], len(ops))
	s.atOnce(len(ops), func(i int) error {
		var err error
		made[i], err = s.r.Create(s.ctx(), ops[i], ignore[T])
		return err
	})
	ids := map[string]bool{}
	for _, o := range made {
		require.NotEmpty(s.T, o.ID)
		ids[o.ID] = true
	}
	require.Len(s.T, ids, len(ops), "each object has an id of its own")
	for i, seen := range s.readAll(made) {
		require.Equal(s.T, providers.Present, seen.Presence, "%v", seen.Err)
		require.Equal(s.T, made[i].ID, seen.Object.ID)
	}
	s.atOnce(len(ops), func(i int) error { return s.delete(ops[i], made[i]) })
	for _, seen := range s.readAll(made) {
		require.Equal(s.T, providers.Gone, seen.Presence)
	}
}

// atOnce calls do n times in parallel and fails the test for the first error.
func (s *session[T]) atOnce(n int, do func(i int) error) {
	s.T.Helper()
	errs := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { errs[i] = do(i) })
	}
	wait.Wait()
	for _, err := range errs {
		require.NoError(s.T, err)
	}
}
