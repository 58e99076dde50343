package apply

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

// foreign changes the state as somebody else would.
func (l *lab) foreign(records ...statefile.Record) {
	l.t.Helper()
	require.NoError(l.t, l.session.Append(l.t.Context(), records...))
	l.reopen()
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestStalePlans(t *testing.T) {
	bob := statefile.Changed{At: noon, By: "bob@ci", Plan: "other"}
	put := func(l *lab, address string) statefile.Record {
		r := l.state().Resource(address)
		if r == nil {
			r = &statefile.Resource{Address: address, Kind: "volume", Backend: "fake", ID: "vol-x"}
		}
		r = r.Clone()
		r.Revision, r.Changed = l.state().NextRevision(r.Ref()), bob
		return statefile.NewPut(noon, r, "")
	}
	for name, tc := range map[string]struct {
		change func(l *lab, d *draft)
		want   []Moved
		reason string
	}{
		"nothing has moved": {},
		"what others did to others does not matter": {
			change: func(l *lab, _ *draft) { l.foreign(put(l, "volume.other")) },
		},
		"what is to be updated was changed": {
			change: func(l *lab, _ *draft) { l.foreign(put(l, "volume.old")) },
			want:   []Moved{{Address: "volume.old", What: "was changed", When: noon, By: "bob@ci"}},
		},
		"what is to be updated was deleted": {
			change: func(l *lab, _ *draft) {
				l.foreign(statefile.NewDelete(noon, statefile.Ref{Address: "volume.old"}, statefile.Removal{Reason: statefile.Destroyed, Changed: bob}))
			},
			want: []Moved{{Address: "volume.old", What: "is not recorded any more", When: noon, By: "bob@ci"}},
		},
		"what is to be created was created": {
			change: func(l *lab, _ *draft) { l.foreign(put(l, "volume.new")) },
			want:   []Moved{{Address: "volume.new", What: "was created", When: noon, By: "bob@ci"}},
		},
		"what is to be created was created and destroyed": {
			change: func(l *lab, _ *draft) {
				l.foreign(put(l, "volume.new"))
				l.foreign(statefile.NewDelete(noon, statefile.Ref{Address: "volume.new"}, statefile.Removal{Reason: statefile.Destroyed, Changed: bob}))
			},
			want: []Moved{{Address: "volume.new", What: "was created and is gone again", When: noon, By: "bob@ci"}},
		},
		"a status is no change": {
			change: func(l *lab, _ *draft) {
				l.foreign(statefile.NewStatus(noon, statefile.Ref{Address: "volume.old"}, "attached"))
			},
		},
		"an intent that the plan does not know": {
			change: func(l *lab, _ *draft) {
				l.foreign(statefile.NewIntent(noon, statefile.Intent{Address: "volume.new", Kind: "volume", Operation: statefile.Create, Key: "k", Since: noon, By: "bob@ci", Plan: "other"}))
			},
			want: []Moved{{Address: "volume.new", What: "has a create that was cut off,", When: noon, By: "bob@ci"}},
		},
		"an intent elsewhere": {
			change: func(l *lab, _ *draft) {
				l.foreign(statefile.NewIntent(noon, statefile.Intent{Address: "volume.other", Kind: "volume", Operation: statefile.Create, Key: "k", Since: noon, Plan: "other"}))
			},
		},
		"an intent that the plan closes": {
			change: func(l *lab, d *draft) {
				l.foreign(statefile.NewIntent(noon, statefile.Intent{Address: "volume.new", Kind: "volume", Backend: "fake", Operation: statefile.Create, Key: "k", Since: noon, Plan: "other"}))
				d.p.Intents = []plan.IntentDecision{{Address: "volume.new", Key: "k", Close: true}}
			},
		},
		"a job came to an instance on which the plan places one": {
			change: func(l *lab, d *draft) {
				l.foreign(statefile.NewPut(noon, &statefile.Resource{Address: machine0, Kind: "instance", Backend: "fake", ID: "i-1", Revision: 1, Occupancy: 3}, ""))
				d.p.Revisions[machine0] = plan.Revision{Revision: 1, Occupancy: 2}
			},
			want: []Moved{{Address: machine0, What: "has got or lost a job"}},
		},
		"a job came, and its record says who put it there": {
			change: func(l *lab, d *draft) {
				l.foreign(statefile.NewPut(noon, &statefile.Resource{Address: machine0, Kind: "instance", Backend: "fake", ID: "i-1", Revision: 1, Occupancy: 3}, ""))
				l.foreign(statefile.NewPut(noon, &statefile.Resource{Address: "task.other.job[0]", Kind: "job", Backend: "fake", ID: "j-1", Revision: 1,
					Attributes: []byte(`{"instance":"` + machine0 + `"}`), Changed: bob}, ""))
				d.p.Revisions[machine0] = plan.Revision{Revision: 1, Occupancy: 2}
			},
			want: []Moved{{Address: machine0, What: "has got task.other.job[0]", When: noon, By: "bob@ci"}},
		},
		"another state": {
			change: func(_ *lab, d *draft) { d.p.Lineage = "elsewhere" }, reason: "it was made from the state elsewhere",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			first := l.draft()
			first.create("volume.old", volume("old"))
			l.apply(first.p)
			l.reopen()
			d := l.draft()
			d.update("volume.old", volume("newer"))
			d.create("volume.new", volume("new"))
			if tc.change != nil {
				tc.change(l, d)
			}
			before := l.state().Head()
			_, err := l.run(d.p)
			if tc.want == nil && tc.reason == "" {
				require.NoError(t, err)
				require.Contains(t, l.objects(), "volume.new")
				return
			}
			stale, ok := errors.AsType[*StaleError](err)
			require.True(t, ok, err)
			require.Empty(t, cmp.Diff(tc.want, stale.Moved, cmpopts.EquateEmpty()))
			require.Contains(t, stale.Reason, tc.reason)
			require.Contains(t, err.Error(), "plan again")
			require.Equal(t, before, l.state().Head(), "nothing is recorded")
			require.Equal(t, []string{"volume.old"}, l.objects())
		})
	}
	t.Run("no state", func(t *testing.T) {
		l := newLab(t)
		d := l.draft()
		_, err := l.run(d.p, func(o *Options) { o.Session = nil })
		stale, ok := errors.AsType[*StaleError](err)
		require.True(t, ok)
		require.Contains(t, stale.Reason, "does not travel")
	})
}

func TestWhatThePlanHasMovedItselfIsNotForeign(t *testing.T) {
	// Jobs raise the occupancy of their instance; the plan goes on nevertheless.
	l := newLab(t)
	first := l.draft()
	first.create(inEast, securityGroup("us-east-1"))
	first.create(machine0, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast)
	first.create("task.old.job[0]", job("old", machine0), machine0)
	l.apply(first.p)
	l.reopen()
	require.Equal(t, uint64(1), l.state().Resource(machine0).Occupancy)

	l.settings.Faults = script(t, fake.Rule{Fault: fake.Fault(providers.Invalid), Address: "task.b.job[0]", Times: 1})
	d := l.draft()
	gone := d.delete("task.old.job[0]")
	d.create("task.a.job[0]", job("a", machine0), machine0)
	d.create("task.b.job[0]", job("b", machine0), machine0)
	for i := 1; i <= 2; i++ {
		d.p.Steps[i].Needs = []int{gone}
	}
	r, err := l.run(d.p)
	require.NoError(t, err)
	require.Equal(t, 1, r.Count(Failed))
	require.Equal(t, uint64(3), l.state().Resource(machine0).Occupancy)

	l.reopen()
	l.apply(d.p)
	require.Equal(t, uint64(4), l.state().Resource(machine0).Occupancy)

	d.p.ID = "the same, but another plan"
	_, err = l.run(d.p)
	_, stale := errors.AsType[*StaleError](err)
	require.True(t, stale)
}

func TestAnObjectThatAnEarlierApplyHadMadeIsAdopted(t *testing.T) {
	for name, faults := range map[string][]fake.Rule{
		"it was made, and nobody was told": {{Fault: fake.Panic, Times: 1}},
		"it was not made":                  {{Fault: fake.Panic, When: fake.Before, Times: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, faults...)
			d := l.draft()
			d.create("volume.a", volume("a"))
			_, err := l.run(d.p)
			require.NoError(t, err)
			require.Len(t, l.state().Intents(), 1)
			key := l.state().Intents()[0].Key
			l.reopen()

			next := l.draft()
			c := next.create("volume.a", volume("a"))
			c.IdempotencyKey, c.InFlight = key, &plan.InFlight{}
			next.p.Intents = []plan.IntentDecision{{Address: "volume.a", Key: key}}
			l.apply(next.p)
			require.Equal(t, []string{"volume.a"}, l.objects())
			require.Equal(t, key, l.state().Resource("volume.a").Key)
			require.Empty(t, l.intents())
		})
	}
}

func TestWhatAnAbandonedCreateHasLeftIsDeletedByItsKey(t *testing.T) {
	l := newLab(t, fake.Rule{Fault: fake.Panic, Times: 1})
	d := l.draft()
	d.create("volume.a", volume("a"))
	_, err := l.run(d.p)
	require.NoError(t, err)
	key := l.state().Intents()[0].Key
	require.Equal(t, []string{"volume.a"}, l.objects())

	next := l.draft()
	ref := statefile.Ref{Address: "volume.a", Deposed: "k" + key[:8]}
	c := next.change(plan.Change{Address: ref.Address, Deposed: ref.Deposed, Kind: "volume", Action: plan.Delete, IdempotencyKey: key}, unset)
	next.p.Changes[0] = c
	next.step(plan.Step{Address: ref.Address, Deposed: ref.Deposed, Op: plan.OpDelete})
	next.p.Intents = []plan.IntentDecision{{Address: "volume.a", Key: key, Close: true}}
	l.apply(next.p)
	require.Empty(t, l.objects())
	require.Empty(t, l.intents())
	require.Len(t, l.state().Closed(time.Now()), 1, "its key is asked for a while longer")
	l.reopen()
	require.Len(t, l.state().Backends(), 1, "and its backend is kept for that")
}
