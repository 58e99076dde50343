package apply

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
)

const group0 = `fleet.train.support["placement-group"]`

// cluster is a plan of two machines in one place, with three places to choose from: two zones of one region and another
// region. Each place needs its own placement group, each region its own security group.
func (d *draft) cluster(values ...map[string]cty.Value) {
	d.l.t.Helper()
	places := []struct{ region, zone, group string }{{"us-east-1", "us-east-1a", inEast}, {"us-east-1", "us-east-1b", inEast}, {"us-west-2", "us-west-2a", inWest}}
	d.create(inEast, securityGroup("us-east-1"))
	d.create(inWest, securityGroup("us-west-2"))
	d.create(group0, placementGroup("us-east-1", "us-east-1a"))
	node := func(i int) cty.Value {
		v := with(machine("train", "a100.8", places[i].region, places[i].zone), map[string]cty.Value{"placement": cty.StringVal("cluster")})
		for _, set := range values {
			v = with(v, set)
		}
		return v
	}
	g := plan.Group{ID: "fleet.train", Members: []string{machine0, machine1}}
	for i, p := range places {
		c := plan.Candidate{Zone: p.zone, Offer: schema.Offer{Backend: "fake", Region: p.region, InstanceType: "a100.8"}, Supports: []string{p.group, group0}}
		if i > 0 {
			c.Values = map[string]json.RawMessage{group0: must(schema.MarshalValue(placementGroup(p.region, p.zone)))}
			for _, m := range g.Members {
				c.Values[m] = must(schema.MarshalValue(node(i)))
			}
		}
		g.Candidates = append(g.Candidates, c)
	}
	for _, m := range g.Members {
		d.create(m, node(0), inEast, inWest, group0).Group = g.ID
	}
	d.p.Groups = append(d.p.Groups, g)
}

// zones are where the machines of the world are.
func (l *lab) zones() []string {
	l.t.Helper()
	objects, err := l.world.Objects("instance")
	require.NoError(l.t, err)
	var out []string
	for _, o := range objects {
		out = append(out, o.Zone)
	}
	return out
}

func noCapacity(zone string) fake.Rule {
	return fake.Rule{Fault: fake.Fault(providers.NoCapacity), Kind: "instance", Zone: zone}
}

func TestCandidates(t *testing.T) {
	all := func(s ...string) []string { return s }
	// The other member is under way before this one is refused: a group of which nothing is under way moves.
	later := fake.Rule{Fault: fake.Slow, Address: machine1, When: fake.Before, Delay: fake.Duration(10 * time.Millisecond)}
	for name, tc := range map[string]struct {
		faults  []fake.Rule
		zones   []string
		objects []string // support objects
		status  map[string]Status
		moves   int
	}{
		"the first has room": {
			zones: all("us-east-1a", "us-east-1a"), objects: all(inEast, group0), status: map[string]Status{"create " + inWest: NotNeeded},
		},
		"no room for one of two: the whole group moves, and its placement group is made anew": {
			faults: []fake.Rule{noCapacity("us-east-1a")}, zones: all("us-east-1b", "us-east-1b"), objects: all(inEast, group0), moves: 1,
			status: map[string]Status{"create " + inWest: NotNeeded, "create " + group0: Done},
		},
		"no room in the region: what only the first region needed is deleted": {
			faults: []fake.Rule{noCapacity("us-east-1*")}, zones: all("us-west-2a", "us-west-2a"), objects: all(inWest, group0), moves: 2,
			status: map[string]Status{"create " + inEast: NotNeeded, "create " + inWest: Done},
		},
		"no quota is as no capacity": {
			faults: []fake.Rule{{Fault: fake.Fault(providers.NoQuota), Kind: "instance", Region: "us-east-1"}}, zones: all("us-west-2a", "us-west-2a"), objects: all(inWest, group0), moves: 2,
		},
		"no room anywhere": {
			faults: []fake.Rule{noCapacity("*")}, objects: all(inWest, group0), moves: 2,
			status: map[string]Status{"create " + machine0: Failed, "create " + machine1: Failed},
		},
		"room for one only: there it stays, and the other fails": {
			faults: []fake.Rule{later, {Fault: fake.Fault(providers.NoCapacity), Address: machine1, Zone: "us-east-1a"}}, zones: all("us-east-1a"), objects: all(inEast, group0),
			status: map[string]Status{"create " + machine0: Done, "create " + machine1: Failed},
		},
		"it is not known whether one is there: there it stays": {
			faults:  []fake.Rule{later, {Fault: fake.Fault(providers.Internal), Address: machine0}, {Fault: fake.Fault(providers.NoCapacity), Address: machine1, Zone: "us-east-1a"}},
			objects: all(inEast, group0),
			status:  map[string]Status{"create " + machine0: Failed, "create " + machine1: Failed},
		},
		"the support object of the next place cannot be made": {
			faults:  []fake.Rule{noCapacity("us-east-1a"), {Fault: fake.Fault(providers.Invalid), Kind: "support", Zone: "us-east-1b"}},
			objects: all(inEast), moves: 1,
			status: map[string]Status{"create " + machine0: Failed, "create " + machine1: Failed, "create " + group0: Failed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, tc.faults...)
				l.settings.Latency = fake.Duration(100 * time.Millisecond)
				d := l.draft()
				d.cluster()
				r, err := l.run(d.p)
				require.NoError(t, err)
				require.Equal(t, tc.zones, l.zones())
				require.ElementsMatch(t, tc.objects, l.objects("support"))
				require.Len(t, l.happened(EventCandidate), tc.moves)
				got := statuses(r)
				for step, want := range tc.status {
					require.Equal(t, want, got[step], step)
				}
				for _, m := range []string{machine0, machine1} {
					rec := l.state().Resource(m)
					if rec == nil {
						continue
					}
					require.Contains(t, string(rec.Attributes), `"availability_zone":"`+tc.zones[0]+`"`)
					for _, need := range rec.Needs {
						require.NotNil(t, l.state().Resource(need), "%s needs %s, which is not there", m, need)
					}
				}
				require.Len(t, l.objects(), len(l.recorded()))
			})
		})
	}
}

func TestAGroupWaitsForItsMembersInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One is refused when the other is under way, which takes ten seconds.
		l := newLab(t, fake.Rule{Fault: fake.Slow, Address: machine0, When: fake.Before, Delay: fake.Duration(10 * time.Millisecond)},
			fake.Rule{Fault: fake.Fault(providers.NoCapacity), Address: machine0, Times: 1}, fake.Rule{Fault: fake.Slow, Address: machine1, Delay: fake.Duration(10 * time.Second)})
		d := l.draft()
		d.cluster()
		r, err := l.run(d.p)
		require.NoError(t, err)
		require.Equal(t, []string{"us-east-1a"}, l.zones())
		s := stepOf(t, r, plan.OpCreate, machine0)
		require.ErrorContains(t, s.Err, "no capacity")
		require.ErrorContains(t, s.Err, "others of its group are there already")
		require.Equal(t, 10*time.Second, s.Elapsed)
		require.Empty(t, l.happened(EventCandidate))
	})
}

func TestAFixedGroupStaysWhereItIs(t *testing.T) {
	l := newLab(t, noCapacity("us-east-1a"))
	d := l.draft()
	d.cluster()
	d.p.Groups[0].Fixed = true
	r, err := l.run(d.p, quick)
	require.NoError(t, err)
	require.Equal(t, 2, r.Count(Failed))
	require.Empty(t, l.zones())
	require.Empty(t, l.happened(EventCandidate))
}

func TestAnInstanceWhosePolicySaysSoWaitsForCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, fake.Rule{Fault: fake.Fault(providers.NoCapacity), Kind: "instance", Times: 16})
		d := l.draft()
		d.cluster(map[string]cty.Value{"retry": cty.StringVal("1h[no-capacity]")})
		r := l.apply(d.p)
		require.Equal(t, []string{"us-west-2a", "us-west-2a"}, l.zones())
		require.Greater(t, r.Elapsed, 2*time.Minute)

		l = newLab(t, fake.Rule{Fault: fake.Fault(providers.NoCapacity), Kind: "instance"})
		d = l.draft()
		d.cluster(map[string]cty.Value{"retry": cty.StringVal("20m[no-capacity]")})
		r, err := l.run(d.p)
		require.NoError(t, err)
		require.Equal(t, 2, r.Count(Failed))
		require.Less(t, r.Elapsed, 20*time.Minute+time.Second)
		require.Greater(t, r.Elapsed, 18*time.Minute)
	})
}

func TestKeysOfCandidatesDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Both are under way before one is refused, so that each tries every candidate.
		l := newLab(t, fake.Rule{Fault: fake.Slow, Kind: "instance", When: fake.Before, Delay: fake.Duration(10 * time.Millisecond)}, noCapacity("us-east-1*"))
		seen := &needsSeen{}
		l.watch(seen)
		d := l.draft()
		d.cluster()
		l.apply(d.p)
		for _, m := range []string{machine0, machine1} {
			keys := seen.keys[m]
			require.Len(t, keys, 3)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(keys))), 3)
			require.Equal(t, []string{inWest, group0}, seen.of(m), "only what the candidate needs is there")
		}
	})
}

func TestAPlanGoesOnWithTheCandidateThatItHadTaken(t *testing.T) {
	l := newLab(t, noCapacity("us-east-1a"), fake.Rule{Fault: fake.Fault(providers.Invalid), Address: machine1, Zone: "us-east-1b", Times: 1})
	d := l.draft()
	d.cluster()
	r, err := l.run(d.p)
	require.NoError(t, err)
	require.Equal(t, 1, r.Count(Failed))
	require.Equal(t, []string{"us-east-1b"}, l.zones())
	l.reopen()
	l.apply(d.p)
	require.Equal(t, []string{"us-east-1b", "us-east-1b"}, l.zones())
	require.ElementsMatch(t, []string{inEast, group0}, l.objects("support"))
}

func TestTwoGroupsShareASupportObject(t *testing.T) {
	l := newLab(t, fake.Rule{Fault: fake.Fault(providers.NoCapacity), Address: machine0, Region: "us-east-1"})
	d := l.draft()
	d.create(inEast, securityGroup("us-east-1"))
	d.create(inWest, securityGroup("us-west-2"))
	for _, m := range []string{machine0, machine1} {
		other := must(schema.MarshalValue(machine("train", "cpu.small", "us-west-2", "us-west-2a")))
		d.create(m, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast, inWest)
		d.p.Groups = append(d.p.Groups, plan.Group{ID: m, Members: []string{m}, Candidates: []plan.Candidate{
			{Offer: schema.Offer{Backend: "fake", Region: "us-east-1"}, Supports: []string{inEast}},
			{Offer: schema.Offer{Backend: "fake", Region: "us-west-2"}, Supports: []string{inWest}, Values: map[string]json.RawMessage{m: other}},
		}})
	}
	l.apply(d.p)
	require.ElementsMatch(t, []string{"us-west-2a", "us-east-1a"}, l.zones())
	require.ElementsMatch(t, []string{inEast, inWest}, l.objects("support"), "each is needed by one of them")
}

func TestACrashWhileAGroupMoves(t *testing.T) {
	// After each record of a move the apply ends; then the plan is applied again, and the places have room by then.
	for n := 1; ; n++ {
		l := newLab(t, fake.Rule{Fault: fake.Fault(providers.NoCapacity), Kind: "instance", Region: "us-east-1"})
		d := l.draft()
		d.cluster()
		session := &breaking{Session: l.session, left: n, late: n%2 == 0}
		_, err := l.run(d.p, func(o *Options) { o.Session = session })
		if !session.broke() {
			require.NoError(t, err)
			require.Greater(t, n, 10)
			return
		}
		_, ok := errors.AsType[*RecordError](err)
		require.True(t, ok, err)
		l.settings.Faults = nil
		l.reopen()
		l.apply(d.p)
		zones := l.zones()
		require.Len(t, zones, 2, n)
		require.Equal(t, zones[0], zones[1], n)
		require.Equal(t, l.objects(), l.recorded(), "crash at record %d", n)
		require.Empty(t, l.intents(), n)
	}
}
