package planner_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const oneVolume = `
volume "data" {
  region = "us-east-1"
  size   = "100GB"
}
`

const oneCluster = `
fleet "train" {
  nodes     = 2
  placement = "cluster"
  regions   = ["us-east-1"]
  resources {
    gpu = "A100:40GB:8"
  }
}
`

// broken applies with a fault, and expects that steps fail.
func (l *life) broken(hcl, fault string) *apply.Result {
	l.t.Helper()
	p := l.plan(hcl)
	l.fault = fault
	res, err := l.carry(hcl, p)
	require.NoError(l.t, err)
	l.fault = ""
	return res
}

func TestAGroupFallsBackAsAWhole(t *testing.T) {
	l := newLife(t)
	res := l.broken(oneCluster, `[{"fault": "no_capacity", "kind": "instance", "zone": "us-east-1a"}]`)
	for _, s := range res.Steps {
		require.NoErrorf(t, s.Err, "%s", s.Address)
	}
	require.True(t, res.Complete())
	state, err := l.store.Read(t.Context())
	require.NoError(t, err)
	for _, a := range []string{"fleet.train.instance[0]", "fleet.train.instance[1]", `fleet.train.support["placement-group"]`} {
		require.Contains(t, string(state.Resource(a).Attributes), `"availability_zone":"us-east-1b"`, a)
	}
	require.Len(t, l.objects("instance"), 2)
	l.still(oneCluster)
}

func TestALostAnswerIsFoundAgain(t *testing.T) {
	l := newLife(t)
	res := l.broken(oneVolume, `[{"fault": "lost", "kind": "volume", "times": 1}]`)
	require.True(t, res.Complete(), "%+v", res.Steps)
	require.Len(t, l.objects("volume"), 1)
	l.still(oneVolume)
}

func TestWhatACutOffApplyMadeIsAdopted(t *testing.T) {
	l := newLife(t)
	res := l.broken(oneVolume, `[{"fault": "lost", "kind": "volume"}, {"fault": "transient", "op": "find"}]`)
	require.False(t, res.Complete())
	require.Len(t, l.objects("volume"), 1)

	p := l.plan(oneVolume)
	require.Equal(t, []string{"create volume.data"}, actions(p))
	c := p.Changes[0]
	require.NotNil(t, c.InFlight)
	require.True(t, c.InFlight.Found)
	require.Equal(t, l.objects("volume")[0].ID, c.InFlight.ID)
	require.Equal(t, plan.Summary{Adopt: 1}, p.Summary)
	l.apply(oneVolume)
	require.Len(t, l.objects("volume"), 1, "it was not made a second time")
}

func TestWhatACutOffApplyMadeIsDestroyedWhenNobodyWantsItAnyMore(t *testing.T) {
	for name, hcl := range map[string]string{
		"the block is gone":      "",
		"other values are asked": "volume \"data\" {\n  region = \"us-west-2\"\n  size = \"1GB\"\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.broken(oneVolume, `[{"fault": "lost", "kind": "volume"}, {"fault": "transient", "op": "find"}]`)
			l.apply(hcl)
			want := 0
			if hcl != "" {
				want = 1
			}
			require.Len(t, l.objects("volume"), want)
			require.Len(t, l.mustState().Intents(), 0)
		})
	}
}

func TestAPartialObjectIsReplaced(t *testing.T) {
	l := newLife(t)
	res := l.broken(oneVolume, `[{"fault": "partial", "kind": "volume"}]`)
	require.False(t, res.Complete())
	p := l.plan(oneVolume)
	require.Equal(t, []string{"delete,create volume.data"}, actions(p))
	require.True(t, p.Changes[0].Tainted)
	l.apply(oneVolume)
	require.Len(t, l.objects("volume"), 1)
}

func TestTheUnreachableIsKeptAsRecorded(t *testing.T) {
	l := newLife(t)
	l.apply(oneVolume)
	l.fault = `[{"fault": "unreachable", "op": "read", "kind": "volume"}]`
	p := l.plan(oneVolume)
	require.Empty(t, actions(p))
	require.Len(t, p.NotChecked, 1)
	require.Equal(t, "volume.data", p.NotChecked[0].Address)
}

func TestDriftIsShownAndRepaired(t *testing.T) {
	l := newLife(t)
	l.apply(oneVolume)
	require.NoError(t, l.world.Mutate(l.objects("volume")[0].ID, func(a map[string]any) { a["name"] = "other" }))
	p := l.plan(oneVolume)
	require.Equal(t, []string{"update volume.data"}, actions(p))
	require.Len(t, p.Drift, 1)
	require.Equal(t, "conflict", p.Drift[0].Class)
	l.apply(oneVolume)
}

func TestABackendWithoutOffersIsAWarning(t *testing.T) {
	l := newLife(t)
	const two = "backend \"other\" {\n  provider = \"fake\"\n}\n" + oneCluster
	l.fault = `[{"fault": "auth", "op": "offers", "nth": 1, "times": 1}]`
	p := l.plan(two)
	require.Len(t, p.Diagnostics, 1)
	require.Equal(t, "Backend gave no offers", p.Diagnostics[0].Summary)
	require.Contains(t, actions(p), "create fleet.train.instance[0]")
}

const preemptible = `
fleet "work" {
  nodes = 1
  resources {
    gpu = "A10G:1"
  }
}
task "job1" {
  fleet    = fleet.work
  commands = ["exit 3"]
  resources {
    gpu = "A10G:1"
  }
}
`

func TestAFailedJobComesAgainAndADoneOneDoesNot(t *testing.T) {
	l := newLife(t)
	p := l.plan(preemptible)
	_, err := l.carry(preemptible, p)
	require.NoError(t, err)
	p = l.plan(preemptible)
	require.Equal(t, []string{"create task.job1.job[0] on fleet.work.instance[0]"}, actions(p))
	require.Contains(t, p.Changes[0].Reason, "it failed")
	require.Equal(t, 2, p.Changes[0].Attempt)

	done := `
fleet "work" {
  nodes = 1
  resources {
    gpu = "A10G:1"
  }
}
task "job1" {
  fleet    = fleet.work
  commands = ["exit 0"]
  resources {
    gpu = "A10G:1"
  }
}
`
	p = l.plan(done)
	_, err = l.carry(done, p)
	require.NoError(t, err)
	p = l.plan(done)
	require.Empty(t, actions(p), diffs(p))
	require.Len(t, p.Notes, 1)
	require.Contains(t, p.Notes[0].Text, "ended done")
	require.Len(t, l.objects("job"), 1)
}

func TestDestroyOfTheUnreachableFailsAndSaysWhich(t *testing.T) {
	l := newLife(t)
	l.apply(oneCluster)
	p := l.planWith(oneCluster, planner.PlanOptions{Destroy: true})
	require.Empty(t, cmp.Diff([]string{
		`delete backend.cloud.support["security-group/us-east-1"]`,
		`delete fleet.train.support["placement-group"]`,
		"delete fleet.train.instance[0]", "delete fleet.train.instance[1]",
	}, actions(p)))
	l.fault = `[{"fault": "unreachable", "op": "delete", "address": "fleet.train.instance[1]"}]`
	res, err := l.carry(oneCluster, p)
	require.NoError(t, err)
	l.fault = ""
	require.Equal(t, 1, res.Count(apply.Failed))
	require.Equal(t, 2, res.Count(apply.Skipped), "group and security group wait for it")
	res, err = l.carry(oneCluster, l.planWith(oneCluster, planner.PlanOptions{Destroy: true}))
	require.NoError(t, err)
	require.True(t, res.Complete())
	require.Empty(t, l.objects())
}

func TestWhatCandidatesDifferInIsKnownOnlyWhenOneIsTaken(t *testing.T) {
	l := newLife(t)
	const hcl = oneCluster + `
volume "near" {
  region = fleet.train.instance[0].region
  name   = "in-${fleet.train.instance[0].availability_zone}"
  size   = "1GB"
}
`
	p := l.plan(hcl)
	for _, c := range p.Changes {
		if c.Address == "volume.near" {
			require.Contains(t, string(c.After), `"region":"us-east-1"`, "all candidates are there")
			require.Contains(t, c.AfterUnknown, "name")
		}
	}
	res := l.broken(hcl, `[{"fault": "no_capacity", "kind": "instance", "zone": "us-east-1a"}]`)
	require.True(t, res.Complete())
	require.Contains(t, string(l.objects("volume")[0].Attributes), "in-us-east-1b")
	l.still(hcl)
}

func TestAReplacementThatWasCutOffIsAdopted(t *testing.T) {
	const four = `
fleet "lab" {
  nodes = 1
  resources {
    gpu = "A10G:4"
  }
}
`
	l := newLife(t)
	l.apply(four)
	shared := strings.Replace(four, "nodes = 1", "nodes = 1\n  blocks = 2", 1)
	res := l.broken(shared, `[{"fault": "lost", "kind": "instance"}, {"fault": "transient", "op": "find"}]`)
	require.False(t, res.Complete())
	made := l.objects("instance")[0].ID
	l.apply(shared)
	require.Len(t, l.objects("instance"), 1)
	require.Equal(t, made, l.objects("instance")[0].ID)
}

func TestWhatACutOffApplyMadeIsDestroyedBeforeWhatItStandsOn(t *testing.T) {
	l := newLife(t)
	l.broken(oneCluster, `[{"fault": "lost", "kind": "instance"}, {"fault": "transient", "op": "find"}]`)
	require.Len(t, l.objects("instance"), 2)
	p := l.planWith(oneCluster, planner.PlanOptions{Destroy: true})
	after(t, p, `delete fleet.train.support["placement-group"]`, "delete old fleet.train.instance[0]")
	after(t, p, `delete backend.cloud.support["security-group/us-east-1"]`, "delete old fleet.train.instance[1]")
	res, err := l.carry(oneCluster, p)
	require.NoError(t, err)
	require.True(t, res.Complete(), "%+v", res.Steps)
	require.Empty(t, l.objects())
}
