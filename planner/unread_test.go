package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const refreshed = `
fleet "work" {
  nodes = 3
  resources {
    gpu = "A10G:1"
  }
}
volume "data" {
  region = "us-east-1"
  size   = "1GB"
}
volume "named" {
  region = "us-east-1"
  size   = "1GB"
  name   = "by-${volume.data.name}"
}
volume "pair" {
  count  = 2
  region = "us-east-1"
  size   = "1GB"
}
volume "second" {
  region = "us-east-1"
  size   = "1GB"
  name   = "by-${volume.pair[1].name}"
}
task "tt" {
  fleet    = fleet.work
  commands = ["sleep 1000"]
  resources {
    gpu = "A10G:1"
  }
}
`

// edited is a configuration with some text in it replaced.
func edited(t *testing.T, hcl string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, hcl, pairs[i])
		hcl = strings.Replace(hcl, pairs[i], pairs[i+1], 1)
	}
	return hcl
}

// asked are the recorded objects that a plan asks about, each as often as it does.
func (l *life) asked(hcl string, opts planner.PlanOptions) ([]string, *plan.Plan) {
	l.t.Helper()
	l.reads = &reads{}
	p := l.planWith(hcl, opts)
	address := map[string]string{}
	for _, r := range l.mustState().Resources() {
		address[r.ID] = r.Address
	}
	var asked []string
	for _, id := range l.reads.ids {
		asked = append(asked, address[id])
	}
	l.reads = nil
	slices.Sort(asked)
	return asked, p
}

func TestAMinimalRefreshReadsWhatChangesAndWhatThatNeeds(t *testing.T) {
	l := newLife(t)
	l.apply(refreshed)
	recorded := l.mustState().Resources()
	on := l.mustState().Resource("task.tt.job[0]")
	require.NotNil(t, on)
	var instance string
	for _, need := range on.Needs {
		if strings.Contains(need, ".instance[") {
			instance = need
		}
	}
	require.NotEmpty(t, instance)
	for name, tc := range map[string]struct {
		hcl  string
		opts planner.PlanOptions
		want []string
	}{
		"nothing changes: nothing is read": {hcl: refreshed},
		"one thing changes: it is read": {
			hcl: edited(t, refreshed, "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"", "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"2GB\""), want: []string{"volume.data"},
		},
		"what it takes values from is read": {hcl: edited(t, refreshed, `"by-${volume.data.name}"`, `"of-${volume.data.name}"`), want: []string{"volume.data", "volume.named"}},
		"of repetitions the one that it names": {
			hcl: edited(t, refreshed, `"by-${volume.pair[1].name}"`, `"of-${volume.pair[1].name}"`), want: []string{"volume.pair[1]", "volume.second"},
		},
		"a job is read with its instance, and not with its whole fleet": {
			hcl: edited(t, refreshed, "sleep 1000", "sleep 2000"), want: []string{instance, "task.tt.job[0]"},
		},
		"what is not wanted any more is read before it goes": {hcl: edited(t, refreshed, "count  = 2", "count  = 1", `volume.pair[1]`, "volume.pair[0]"), want: []string{"volume.pair[0]", "volume.pair[1]", "volume.second"}},
		"of what a target leaves out nothing is read": {
			hcl:  edited(t, refreshed, "sleep 1000", "sleep 2000", `"by-${volume.data.name}"`, `"of-${volume.data.name}"`),
			opts: planner.PlanOptions{Targets: subjectsOf(t, "volume.named")}, want: []string{"volume.data", "volume.named"},
		},
		"what is replaced on request is read": {
			hcl: refreshed, opts: planner.PlanOptions{Replace: subjectsOf(t, "volume.pair[0]")}, want: []string{"volume.pair[0]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.opts.Refresh = plan.RefreshChanged
			asked, p := l.asked(tc.hcl, tc.opts)
			require.Empty(t, cmp.Diff(tc.want, slices.DeleteFunc(asked, func(a string) bool { return strings.Contains(a, ".support[") })))
			require.Equal(t, &plan.Refresh{Mode: plan.RefreshChanged, Recorded: len(recorded), Read: len(asked)}, p.Refresh)
			for _, n := range p.NotChecked {
				require.WithinDuration(t, l.now, n.Since, time.Minute, n.Address)
			}
		})
	}
}

func TestOfManyThingsOnlyTheChangedOneIsRead(t *testing.T) {
	const n = 300
	write := func(edit int) string {
		var out strings.Builder
		for i := range n {
			size := "1GB"
			if i == edit {
				size = "2GB"
			}
			volumeText(&out, fmt.Sprintf("v%d", i), "", fmt.Sprintf("v-%d", i), size)
		}
		return out.String()
	}
	l := newLife(t)
	p := l.plan(write(-1))
	_, err := l.carry(write(-1), p)
	require.NoError(t, err)
	p = l.planWith(write(7), planner.PlanOptions{Refresh: plan.RefreshChanged})
	require.Equal(t, []string{"update volume.v7"}, actions(p))
	require.Equal(t, &plan.Refresh{Mode: plan.RefreshChanged, Recorded: n, Read: 1}, p.Refresh)
	require.Len(t, p.NotChecked, n-1)
	require.Equal(t, "as recorded; --refresh=changed", p.NotChecked[0].Text)
}

func TestAMinimalRefreshPlansWithWhatItSees(t *testing.T) {
	grown := strings.Replace(refreshed, "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"", "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"2GB\"", 1)
	changed := func(t *testing.T, l *life, hcl string) *plan.Plan {
		return l.planWith(hcl, planner.PlanOptions{Refresh: plan.RefreshChanged})
	}
	remove := func(t *testing.T, l *life, address string) {
		require.NoError(t, l.world.Delete(l.mustState().Resource(address).ID))
	}
	t.Run("what is to change and is gone is created", func(t *testing.T) {
		l := newLife(t)
		l.apply(refreshed)
		remove(t, l, "volume.data")
		p := changed(t, l, grown)
		require.Contains(t, actions(p), "create volume.data")
		_, err := l.carry(grown, p)
		require.NoError(t, err)
		l.still(grown)
	})
	t.Run("what is gone and does not change is not missed", func(t *testing.T) {
		l := newLife(t)
		l.apply(refreshed)
		remove(t, l, "volume.pair[0]")
		p := changed(t, l, grown)
		require.Equal(t, []string{"update volume.data"}, actions(p))
		require.Contains(t, notes(p.NotChecked), "volume.pair[0]: as recorded; --refresh=changed")
		require.Empty(t, p.Drift)
	})
	t.Run("what a read finds to change is followed by what that needs", func(t *testing.T) {
		l := newLife(t)
		l.apply(refreshed)
		var instance string
		for _, need := range l.mustState().Resource("task.tt.job[0]").Needs {
			if strings.Contains(need, ".instance[") {
				instance = need
			}
		}
		remove(t, l, instance)
		other := strings.Replace(refreshed, "sleep 1000", "sleep 2000", 1)
		p := changed(t, l, other)
		require.Contains(t, actions(p), "create "+instance)
		_, err := l.carry(other, p)
		require.NoError(t, err)
		l.still(other)
	})
	t.Run("a condition that the record alone breaks is no mistake", func(t *testing.T) {
		l := newLife(t)
		l.apply(refreshed)
		id := l.mustState().Resource("volume.data").ID
		require.NoError(t, l.world.Mutate(id, func(a map[string]any) { a["name"] = "elsewhere" }))
		// The plan writes the name back, so it is of the record that the condition does not hold.
		with := refreshed + "volume \"checked\" {\n  region = \"us-east-1\"\n  size = \"1GB\"\n  lifecycle {\n    precondition {\n      condition = volume.data.name == \"data\"\n      error_message = \"wrong\"\n    }\n  }\n}\n"
		p := changed(t, l, with)
		require.Contains(t, actions(p), "create volume.checked")
		require.Contains(t, actions(p), "update volume.data", "what the new one looks at was read, and is set right")
	})
}

func TestNothingIsReadOnRequest(t *testing.T) {
	l := newLife(t)
	l.apply(refreshed)
	asked, p := l.asked(refreshed, planner.PlanOptions{Refresh: plan.RefreshNone})
	require.Empty(t, asked)
	require.Equal(t, 0, p.Refresh.Read)
	require.Len(t, p.NotChecked, p.Refresh.Recorded)
	require.Equal(t, "as recorded; --no-refresh", p.NotChecked[0].Text)
	asked, p = l.asked(refreshed, planner.PlanOptions{})
	require.Len(t, asked, len(l.mustState().Resources()))
	require.Nil(t, p.Refresh, "everything was to be read")
}
