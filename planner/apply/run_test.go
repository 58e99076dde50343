package apply

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

func TestWhatIsMadeIsRecorded(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	c := d.create("volume.data", volume("data"))
	r := l.apply(d.p)

	got := l.state().Resource("volume.data")
	require.NotNil(t, got)
	objects, err := l.world.Objects()
	require.NoError(t, err)
	require.Len(t, objects, 1)
	require.Equal(t, objects[0].ID, got.ID)
	require.Equal(t, objects[0].Key, got.Key)
	require.Equal(t, statefile.NewKey(d.p.Lineage, "volume.data", d.p.Head, 1), got.Key)
	require.Equal(t, addr.KindVolume, got.Kind)
	require.Equal(t, "fake", got.Backend)
	require.Equal(t, uint64(1), got.Revision)
	require.Equal(t, statefile.Declared{File: "main.dstack.hcl", Line: 7}, got.Declared)
	require.Equal(t, "ana@laptop", got.Changed.By)
	require.Equal(t, d.p.ID, got.Changed.Plan)
	require.Equal(t, "active", got.Status)
	require.NotEmpty(t, got.Private)
	require.False(t, got.Tainted)
	require.Contains(t, string(got.Attributes), `"location":`)
	require.Empty(t, l.intents())
	require.Equal(t, "main.dstack.hcl:7", c.Declared)

	applied, ok := l.state().Plan(d.p.ID)
	require.True(t, ok)
	require.Equal(t, statefile.PlanApplied, applied.Status)
	require.Equal(t, "ana@laptop", applied.By)
	require.False(t, applied.FinishedAt.IsZero())
	b, ok := l.state().Backend("fake")
	require.True(t, ok)
	require.Equal(t, "fake", b.Identity)

	require.Equal(t, []string{"volume.data"}, l.happened(EventStart))
	require.Equal(t, []string{"volume.data"}, l.happened(EventDone))
	require.Equal(t, 1, r.Count(Done))
	require.False(t, r.Steps[0].Started.IsZero())
}

func TestTheSamePlanTwice(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.data", volume("data"))
	l.apply(d.p)
	l.reopen()
	r, err := l.run(d.p, func(o *Options) {
		o.Backends = func(context.Context, string) (providers.Backend, providers.Description, error) {
			panic("no backend is to be opened")
		}
	})
	require.NoError(t, err)
	require.True(t, r.AlreadyApplied)
	require.False(t, r.AppliedAt.IsZero())
	require.Empty(t, l.events)
}

func TestAFailedStepStopsWhatNeedsItAlone(t *testing.T) {
	l := newLab(t, fake.Rule{Fault: fake.Fault(providers.Invalid), Address: "volume.b", Times: 1})
	d := l.draft()
	d.create("volume.a", volume("a"))
	d.create("volume.b", volume("b"), "volume.a")
	d.create("volume.c", volume("c"), "volume.b")
	d.create("volume.d", volume("d"), "volume.c")
	d.create("volume.e", volume("e"), "volume.a")
	r, err := l.run(d.p)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(map[string]Status{
		"create volume.a": Done, "create volume.b": Failed, "create volume.c": Skipped, "create volume.d": Skipped, "create volume.e": Done,
	}, statuses(r)))
	require.Equal(t, "volume.b", stepOf(t, r, plan.OpCreate, "volume.d").Because)
	require.Equal(t, providers.Invalid, providers.KindOf(stepOf(t, r, plan.OpCreate, "volume.b").Err))
	require.Equal(t, []string{"volume.a", "volume.e"}, l.objects())
	require.Empty(t, l.intents(), "nothing was made, so nothing is open")
	require.ElementsMatch(t, []string{"volume.c", "volume.d"}, l.happened(EventSkipped))
	require.False(t, r.Complete())

	applied, _ := l.state().Plan(d.p.ID)
	require.Equal(t, statefile.PlanPartly, applied.Status)

	l.reopen()
	r = l.apply(d.p)
	require.True(t, stepOf(t, r, plan.OpCreate, "volume.a").Before)
	require.Equal(t, []string{"volume.b", "volume.c", "volume.d"}, l.happened(EventDone))
	require.Equal(t, []string{"volume.a", "volume.b", "volume.c", "volume.d", "volume.e"}, l.objects())
}

func TestHowAttemptsEnd(t *testing.T) {
	const v = "volume.data"
	for name, tc := range map[string]struct {
		rule     fake.Rule
		kind     providers.ErrorKind // "" means that the step is done
		tries    int
		objects  []string
		recorded []string
		intents  []string
		tainted  bool
		waits    time.Duration
	}{
		"invalid: nothing was made, the intent is closed": {
			rule: fake.Rule{Fault: fake.Fault(providers.Invalid)}, kind: providers.Invalid, tries: 1,
		},
		"no quota, and no group: the same": {
			rule: fake.Rule{Fault: fake.Fault(providers.NoQuota)}, kind: providers.NoQuota, tries: 1,
		},
		"throttled twice: tried again after one second and two": {
			rule: fake.Rule{Fault: fake.Fault(providers.Throttled), Times: 2}, tries: 2, objects: []string{v}, recorded: []string{v}, waits: 3 * time.Second,
		},
		"throttled, and told how long: not before that": {
			rule: fake.Rule{Fault: fake.Fault(providers.Throttled), Times: 2, Retry: fake.Duration(20 * time.Second)}, tries: 2, objects: []string{v}, recorded: []string{v}, waits: 40 * time.Second,
		},
		"throttled for ever: given up after a quarter of an hour": {
			rule: fake.Rule{Fault: fake.Fault(providers.Throttled)}, kind: providers.Throttled, tries: 34, waits: 14*time.Minute + 31*time.Second,
		},
		"transient before anything was made: found nowhere, tried again under the same key": {
			rule: fake.Rule{Fault: fake.Fault(providers.Transient), Times: 1}, tries: 1, objects: []string{v}, recorded: []string{v},
			waits: time.Second + fake.ConsistencyDelay,
		},
		"transient for ever: given up after five tries, and open": {
			rule: fake.Rule{Fault: fake.Fault(providers.Transient)}, kind: providers.Transient, tries: 5, intents: []string{"create " + v},
			waits: 15*time.Second + 5*fake.ConsistencyDelay,
		},
		"lost answer: found by its key": {
			rule: fake.Rule{Fault: fake.Lost}, tries: 1, objects: []string{v}, recorded: []string{v}, waits: fake.ConsistencyDelay,
		},
		"internal before anything was made: not tried again, and open": {
			rule: fake.Rule{Fault: fake.Fault(providers.Internal)}, kind: providers.Internal, tries: 1, intents: []string{"create " + v}, waits: fake.ConsistencyDelay,
		},
		"conflict: open": {
			rule: fake.Rule{Fault: fake.Fault(providers.Conflict)}, kind: providers.Conflict, tries: 1, intents: []string{"create " + v}, waits: fake.ConsistencyDelay,
		},
		"panic after it was made: there, not whole, and open": {
			rule: fake.Rule{Fault: fake.Panic}, kind: providers.Internal, tries: 1, objects: []string{v}, intents: []string{"create " + v}, waits: fake.ConsistencyDelay,
		},
		"partial: recorded as tainted": {
			rule: fake.Rule{Fault: fake.Partial}, kind: providers.Transient, tries: 1, objects: []string{v}, recorded: []string{v}, tainted: true,
		},
		"wrong answer: recorded as tainted": {
			rule: fake.Rule{Fault: fake.Wrong}, kind: providers.Internal, objects: []string{v}, recorded: []string{v}, tainted: true,
		},
		"no id: found by its key": {
			rule: fake.Rule{Fault: fake.BadID}, tries: 1, objects: []string{v}, recorded: []string{v}, waits: fake.ConsistencyDelay,
		},
		"no answer at all: given up after half an hour, and found nowhere": {
			rule: fake.Rule{Fault: fake.Hang, Delay: fake.Duration(time.Minute)}, kind: providers.Transient, tries: 1, intents: []string{"create " + v},
			waits: 30*time.Minute + time.Second + fake.ConsistencyDelay,
		},
		"no answer once: made by the next try": {
			rule: fake.Rule{Fault: fake.Hang, Times: 1}, tries: 1, objects: []string{v}, recorded: []string{v},
			waits: 10*time.Minute + fake.ConsistencyDelay + time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, tc.rule)
				d := l.draft()
				d.create(v, volume("data"))
				r, err := l.run(d.p, func(o *Options) {
					if name == "no answer once: made by the next try" {
						o.Policy.Call = 10*time.Minute - 2*time.Second
						o.Policy.Retries = map[providers.ErrorKind]Backoff{providers.Transient: {First: 3 * time.Second}}
					}
				})
				require.NoError(t, err)
				s := r.Steps[0]
				if tc.kind == "" {
					require.NoError(t, s.Err)
				} else {
					require.Error(t, s.Err)
					require.Equal(t, tc.kind, providers.KindOf(s.Err), s.Err)
				}
				require.Equal(t, tc.tries, s.Tries)
				require.Equal(t, len(tc.intents) > 0, s.Unknown)
				require.ElementsMatch(t, tc.objects, l.objects())
				require.ElementsMatch(t, tc.recorded, l.recorded())
				require.ElementsMatch(t, tc.intents, l.intents())
				for _, in := range l.state().Intents() {
					require.Equal(t, tc.tries, in.Tries)
					require.Equal(t, string(tc.kind), in.LastError.Kind)
				}
				if tc.tainted {
					require.True(t, l.state().Resource(v).Tainted)
					require.NotEmpty(t, l.state().Resource(v).ID)
				}
				require.Equal(t, tc.waits, r.Elapsed)
				time.Sleep(2 * time.Minute) // calls that were left behind end
			})
		})
	}
}

func TestAWrongAnswerNamesProviderAndBothValues(t *testing.T) {
	l := newLab(t, fake.Rule{Fault: fake.Wrong, Set: map[string]any{"availability_zone": "us-east-1c"}})
	d := l.draft()
	d.create("volume.data", volume("data"))
	r, err := l.run(d.p)
	require.NoError(t, err)
	require.EqualError(t, r.Steps[0].Err, `the provider "fake" returned availability_zone = "us-east-1c" for volume.data, and the plan has "us-east-1a"; that is a defect of the provider`)
	require.True(t, l.state().Resource("volume.data").Tainted)

	_, err = l.run(d.p)
	stale, ok := errors.AsType[*StaleError](err)
	require.True(t, ok, "a plan that left something tainted is not gone on with: %v", err)
	require.Equal(t, "volume.data", stale.Moved[0].Address)
}

func TestChangesOfWhatIsThere(t *testing.T) {
	const v = "volume.data"
	for name, tc := range map[string]struct {
		draft    func(d *draft)
		recorded []string
		names    []string // in the world
		revision uint64
	}{
		"update in place": {
			draft: func(d *draft) { d.update(v, volume("new")) }, recorded: []string{v}, names: []string{"new"}, revision: 2,
		},
		"record only": {
			draft: func(d *draft) {
				c := d.change(plan.Change{Address: v, Kind: addr.KindVolume, Action: plan.Update, RecordOnly: true}, volume("noted"))
				d.p.Changes[0] = c
				d.step(plan.Step{Address: v, Op: plan.OpRecord})
			}, recorded: []string{v}, names: []string{"old"}, revision: 2,
		},
		"destroy": {draft: func(d *draft) { d.delete(v) }},
		"forget": {
			draft: func(d *draft) {
				d.change(plan.Change{Address: v, Kind: addr.KindVolume, Action: plan.Forget}, cty.NilVal)
				d.step(plan.Step{Address: v, Op: plan.OpForget})
			}, names: []string{"old"},
		},
		"delete, then create": {
			draft: func(d *draft) {
				d.change(plan.Change{Address: v, Kind: addr.KindVolume, Action: plan.DeleteThenCreate}, volumeIn("new", "eu-west-1"))
				gone := d.step(plan.Step{Address: v, Op: plan.OpDelete})
				d.step(plan.Step{Address: v, Op: plan.OpCreate, Needs: []int{gone}})
			}, recorded: []string{v}, names: []string{"new"}, revision: 2,
		},
		"create, then delete": {
			draft: func(d *draft) {
				d.change(plan.Change{Address: v, Kind: addr.KindVolume, Action: plan.CreateThenDelete}, volumeIn("new", "eu-west-1"))
				deposed := d.step(plan.Step{Address: v, Op: plan.OpDepose, Deposed: "r1"})
				made := d.step(plan.Step{Address: v, Op: plan.OpCreate, Needs: []int{deposed}})
				d.step(plan.Step{Address: v, Op: plan.OpDelete, Deposed: "r1", Needs: []int{made}})
			}, recorded: []string{v}, names: []string{"new"}, revision: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			first := l.draft()
			first.create(v, volume("old"))
			l.apply(first.p)
			old := l.state().Resource(v)
			d := l.draft()
			tc.draft(d)
			l.apply(d.p)
			require.ElementsMatch(t, tc.recorded, l.recorded())
			require.Empty(t, l.intents())
			objects, err := l.world.Objects()
			require.NoError(t, err)
			require.Len(t, objects, len(tc.names))
			for i, o := range objects {
				require.Contains(t, string(o.Attributes), `"name":"`+tc.names[i]+`"`)
			}
			if r := l.state().Resource(v); r != nil {
				require.Equal(t, tc.revision, r.Revision)
				if r.ID == old.ID {
					require.Equal(t, old.CreatedAt, r.CreatedAt)
					require.Equal(t, old.Key, r.Key, "the key is the one under which it was made")
				}
			}
			l.reopen()
			r, err := l.run(d.p)
			require.NoError(t, err)
			require.True(t, r.AlreadyApplied)
		})
	}
}

func TestAJoinStandsForAllOfABlock(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.a[0]", volume("a0"))
	d.create("volume.a[1]", volume("a1"))
	join := d.step(plan.Step{Address: "volume.a", Op: plan.OpJoin, Needs: []int{0, 1}})
	d.create("volume.b", volume("b"), "volume.a")
	d.p.Steps[len(d.p.Steps)-1].Needs = []int{join}
	d.step(plan.Step{Address: "volume.none", Op: plan.OpJoin})
	r := l.apply(d.p)
	require.Len(t, r.Steps, 3)
	require.Equal(t, "volume.b", l.happened(EventStart)[2])
	require.Equal(t, []string{"volume.a"}, l.state().Resource("volume.b").Needs)
}

func TestADamagedPlanIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(*plan.Plan)
		want   string
	}{
		"a step needs a later one":    {func(p *plan.Plan) { p.Steps[0].Needs = []int{1} }, "does not come before it"},
		"a step needs one before all": {func(p *plan.Plan) { p.Steps[1].Needs = []int{-1} }, "does not come before it"},
		"a step has no change":        {func(p *plan.Plan) { p.Steps[1].Address = "volume.x" }, "has no change"},
		"a group has no candidate":    {func(p *plan.Plan) { p.Groups = []plan.Group{{ID: "g"}} }, "has no candidate"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			d := l.draft()
			d.create("volume.a", volume("a"))
			d.create("volume.b", volume("b"))
			tc.damage(d.p)
			_, err := l.run(d.p)
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, l.objects())
		})
	}
	t.Run("a value is missing", func(t *testing.T) {
		l := newLab(t)
		d := l.draft()
		d.create("volume.a", volume("a")).After = nil
		r, err := l.run(d.p)
		require.NoError(t, err)
		require.ErrorContains(t, r.Steps[0].Err, "no value")
	})
	t.Run("an operation is of the future", func(t *testing.T) {
		l := newLab(t)
		d := l.draft()
		d.create("volume.a", volume("a"))
		d.p.Steps[0].Op = "polish"
		r, err := l.run(d.p)
		require.NoError(t, err)
		require.ErrorContains(t, r.Steps[0].Err, `"polish"`)
	})
	t.Run("no plan at all", func(t *testing.T) {
		_, err := Run(t.Context(), Options{})
		require.Error(t, err)
	})
}

func TestAnotherAccountIsRefusedBeforeAnyCall(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.a", volume("a"))
	d.p.Backends["fake"] = plan.Backend{Provider: "fake", Identity: "111122223333"}
	r, err := l.run(d.p)
	require.NoError(t, err)
	require.ErrorContains(t, r.Steps[0].Err, "the plan was made for 111122223333, the credentials open fake")
	require.Empty(t, l.objects())
	require.Empty(t, l.intents())
}

func TestOutputsAreRecordedWhenAllIsDone(t *testing.T) {
	l := newLab(t, fake.Rule{Fault: fake.Fault(providers.Invalid), Times: 1})
	d := l.draft()
	d.create("volume.a", volume("a"))
	calls := 0
	outputs := func(o *Options) {
		o.Outputs = func(context.Context) (map[string]statefile.Output, error) {
			calls++
			return map[string]statefile.Output{"id": {Value: []byte(`"` + l.state().Resource("volume.a").ID + `"`)}}, nil
		}
	}
	_, err := l.run(d.p, outputs)
	require.NoError(t, err)
	require.Zero(t, calls)
	l.apply(d.p, outputs)
	require.Equal(t, 1, calls)
	require.Equal(t, `"`+l.state().Resource("volume.a").ID+`"`, string(l.state().Outputs()["id"].Value))
}

func TestABackendOnWhichNothingIsLeftIsForgotten(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.a", volume("a"))
	l.apply(d.p)
	require.Len(t, l.state().Backends(), 1)
	d = l.draft()
	d.delete("volume.a")
	l.apply(d.p)
	require.Empty(t, l.state().Backends())
}
