package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const chosen = `
fleet "one" {
  nodes = 1
}
fleet "two" {
  nodes = 1
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
task "tt" {
  fleet    = fleet.one
  commands = ["exit 0"]
}
output "named" {
  value = volume.named.name
}
output "size" {
  value = volume.data.volume_id
}
`

func subjectsOf(t *testing.T, addresses ...string) []addr.Subject {
	t.Helper()
	var out []addr.Subject
	for _, a := range addresses {
		s, err := addr.ParseSubject(a)
		require.NoError(t, err)
		out = append(out, s)
	}
	return out
}

func TestTargetsAndExcludes(t *testing.T) {
	all := []string{"create fleet.one.instance[0]", "create fleet.two.instance[0]", "create task.tt.job[0] on fleet.one.instance[0]", "create volume.data", "create volume.named"}
	for name, tc := range map[string]struct {
		targets, excludes []string
		want              []string
		left              []string // those of which something is said
	}{
		"all of it": {want: all},
		"a target brings what it needs": {
			targets: []string{"task.tt"}, want: []string{"create fleet.one.instance[0]", "create task.tt.job[0] on fleet.one.instance[0]"},
			left: []string{"fleet.two.instance[0]: no target needs it", "volume.data: no target needs it", "volume.named: no target needs it"},
		},
		"a resource as target": {
			targets: []string{"fleet.two.instance[0]", "volume.named"}, want: []string{"create fleet.two.instance[0]", "create volume.data", "create volume.named"},
			left: []string{"fleet.one.instance[0]: no target needs it", "task.tt.job[0]: no target needs it"},
		},
		"an exclude takes along what needs it": {
			excludes: []string{"volume.data", "fleet.one"}, want: []string{"create fleet.two.instance[0]"},
			left: []string{
				"fleet.one.instance[0]: excluded", "task.tt.job[0]: it needs fleet.one.instance[0], which is left out", "volume.data: excluded",
				"volume.named: it needs volume.data, which is left out",
			},
		},
		"both": {
			targets: []string{"volume.named", "fleet.two"}, excludes: []string{"volume.data"}, want: []string{"create fleet.two.instance[0]"},
			left: []string{
				"fleet.one.instance[0]: no target needs it", "task.tt.job[0]: no target needs it", "volume.data: excluded",
				"volume.named: it needs volume.data, which is left out",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			p := l.planWith(chosen, planner.PlanOptions{Targets: subjectsOf(t, tc.targets...), Excludes: subjectsOf(t, tc.excludes...)})
			got := slices.DeleteFunc(actions(p), func(s string) bool { return strings.Contains(s, ".support[") })
			slices.Sort(got)
			require.Empty(t, cmp.Diff(tc.want, got))
			require.Equal(t, len(tc.targets)+len(tc.excludes) > 0, p.Partial)
			left := slices.DeleteFunc(notes(p.NotPlanned), func(s string) bool { return strings.Contains(s, ".support[") })
			require.Empty(t, cmp.Diff(tc.left, left))
			for _, s := range p.Steps {
				require.False(t, slices.ContainsFunc(tc.excludes, func(e string) bool { return strings.HasPrefix(s.Address, e) }), s.Address)
			}
			_, err := l.carry(chosen, p)
			require.NoError(t, err)
			l.apply(chosen) // the rest
			require.Len(t, l.objects("instance", "volume", "job"), 5)
		})
	}
}

// A support object that only what is left out would need is left out with it; one that something else needs is not.
func TestSupportOfWhatIsLeftOut(t *testing.T) {
	supports := func(p *plan.Plan) []string {
		return slices.DeleteFunc(actions(p), func(s string) bool { return !strings.Contains(s, ".support[") })
	}
	whole := supports(newLife(t).plan(chosen))
	require.NotEmpty(t, whole)
	p := newLife(t).planWith(chosen, planner.PlanOptions{Excludes: subjectsOf(t, "fleet.one", "fleet.two")})
	require.Empty(t, supports(p))
	for _, note := range notes(p.NotPlanned) {
		if strings.Contains(note, ".support[") {
			require.Contains(t, note, "what needs it is left out")
		}
	}
	for _, note := range []string{"fleet.one.instance[0]: excluded", "task.tt.job[0]: it needs fleet.one.instance[0], which is left out"} {
		require.Contains(t, notes(p.NotPlanned), note)
	}
	require.Equal(t, whole, supports(newLife(t).planWith(chosen, planner.PlanOptions{Excludes: subjectsOf(t, "fleet.one")})))
}

func TestExcludedThingsKeepWhatTheyStandOn(t *testing.T) {
	l := newLife(t)
	l.apply(chosen)
	without := strings.Replace(strings.Replace(chosen, "fleet \"one\" {\n  nodes = 1\n}\n", "", 1), "  fleet    = fleet.one\n", "  fleet    = fleet.two\n", 1)

	p := l.planWith(without, planner.PlanOptions{Excludes: subjectsOf(t, "task.tt")})
	require.Empty(t, actions(p), "the instance under the job cannot go")
	require.Contains(t, notes(p.NotPlanned), "fleet.one.instance[0]: it needs task.tt.job[0], which is left out")

	p = l.planWith(without, planner.PlanOptions{Targets: subjectsOf(t, "fleet.one")})
	require.Contains(t, actions(p), "delete fleet.one.instance[0]")
	require.True(t, slices.ContainsFunc(actions(p), func(a string) bool { return strings.Contains(a, "task.tt.job[0]") }), "the job on it has to go with it")
}

func TestTargetsThatMeanNothingAreMistakes(t *testing.T) {
	p, diags := newPlanner(t, newLife(t).world, backendFake+chosen)
	require.NoError(t, diags.Err())
	_, diags = p.Plan(t.Context(), planner.PlanOptions{State: emptyState(), Targets: subjectsOf(t, "volume.dta")})
	require.ErrorContains(t, diags.Err(), `--target volume.dta matches no block and no resource of the configuration or the state. Did you mean "volume.data"?`)
}

func TestReplace(t *testing.T) {
	l := newLife(t)
	l.apply(chosen)
	p := l.planWith(chosen, planner.PlanOptions{Replace: subjectsOf(t, "volume.named", "task.tt")})
	require.Empty(t, cmp.Diff([]string{"create task.tt.job[0]", "delete,create volume.named"}, withoutPlaces(actions(p))))
	for _, c := range p.Changes {
		require.True(t, strings.HasPrefix(c.Reason, "--replace asks for it"), c.Reason)
		require.Empty(t, c.ReplacePaths)
	}
	_, err := l.carry(chosen, p)
	require.NoError(t, err)
	l.still(chosen)
}

func withoutPlaces(list []string) []string {
	var out []string
	for _, s := range list {
		s, _, _ = strings.Cut(s, " on ")
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func TestRefreshOnly(t *testing.T) {
	l := newLife(t)
	l.apply(chosen)
	for _, o := range l.objects("volume") {
		if o.Address == "volume.named" {
			require.NoError(t, l.world.Delete(o.ID))
		}
	}
	p := l.planWith(chosen, planner.PlanOptions{RefreshOnly: true})
	require.Empty(t, cmp.Diff([]string{"forget volume.named"}, actions(p)))
	require.Equal(t, 1, p.Summary.Forget)
	require.Equal(t, p.Cost.Before, p.Cost.After, "a refresh pays for nothing, and nobody pays for what is gone")
	_, err := l.carry(chosen, p)
	require.NoError(t, err)
	require.Empty(t, actions(l.planWith(chosen, planner.PlanOptions{RefreshOnly: true})))
	require.Empty(t, cmp.Diff([]string{"create volume.named"}, actions(l.plan(chosen))))
	require.Equal(t, "new block, main.dstack.hcl:15", l.plan(chosen).Changes[0].Reason)
}

func TestRefreshOnlyShowsWhatTheRecordFollows(t *testing.T) {
	l := newLife(t)
	l.apply(chosen)
	for _, o := range l.objects("volume") {
		if o.Address == "volume.named" {
			require.NoError(t, l.world.Mutate(o.ID, func(a map[string]any) { a["size"] = "7GB" }))
		}
	}
	p := l.planWith(chosen, planner.PlanOptions{RefreshOnly: true})
	require.Empty(t, cmp.Diff([]string{"update volume.named"}, actions(p)))
	require.Empty(t, cmp.Diff([]plan.AttrDiff{{Path: "size", Before: []byte(`"1GB"`), After: []byte(`"7GB"`)}}, p.Changes[0].Diff))
	require.Empty(t, p.Drift, "it is what the plan is about")
	_, err := l.carry(chosen, p)
	require.NoError(t, err)
	require.Empty(t, actions(l.planWith(chosen, planner.PlanOptions{RefreshOnly: true})))
}

func TestDriftOfWhatIsLeftOut(t *testing.T) {
	l := newLife(t)
	l.apply(chosen)
	for _, o := range l.objects("volume") {
		switch o.Address {
		case "volume.named":
			require.NoError(t, l.world.Delete(o.ID))
		case "volume.data":
			require.NoError(t, l.world.Mutate(o.ID, func(a map[string]any) { a["size"] = "7GB" }))
		}
	}
	p := l.planWith(chosen, planner.PlanOptions{Excludes: subjectsOf(t, "volume.data", "volume.named")})
	require.Empty(t, actions(p))
	classes := map[string]string{}
	for _, d := range p.Drift {
		classes[d.Address] = d.Class
	}
	require.Equal(t, map[string]string{"volume.data": plan.DriftLeftAlone, "volume.named": plan.DriftLeftAlone}, classes, "the plan sets nothing of that back")
	require.Equal(t, p.Cost.Before, p.Cost.After, "what is gone and not made again costs nothing")
}

func TestDriftHasThreeClasses(t *testing.T) {
	const text = `
fleet "one" {
  nodes = 1
}
volume "data" {
  region = "us-east-1"
  size   = "1GB"
}
volume "user" {
  region = "us-east-1"
  size   = "1GB"
  name   = "by-${volume.data.name}"
}
`
	l := newLife(t)
	l.apply(text)
	change := func(address, attribute string, v any) {
		for _, o := range l.objects() {
			if o.Address == address {
				require.NoError(t, l.world.Mutate(o.ID, func(a map[string]any) { a[attribute] = v }))
			}
		}
	}
	classes := func(hcl string) map[string]string {
		out := map[string]string{}
		for _, d := range l.plan(hcl).Drift {
			out[d.Address] = d.Class
		}
		return out
	}
	change("fleet.one.instance[0]", "memory_mib", 1024)
	change("volume.data", "size", "7GB")
	require.Equal(t, map[string]string{"fleet.one.instance[0]": plan.DriftInformational, "volume.data": plan.DriftConflict}, classes(text))
	for _, c := range l.plan(text).Changes {
		require.Equal(t, "volume.data", c.Address)
		i := slices.IndexFunc(c.Diff, func(d plan.AttrDiff) bool { return d.Path == "size" })
		require.JSONEq(t, `"7GB"`, string(c.Diff[i].Before))
		require.JSONEq(t, `"1GB"`, string(c.Diff[i].After))
		require.JSONEq(t, `"1GB"`, string(c.Diff[i].Applied))
	}

	same := strings.Replace(text, `size   = "1GB"`, `size   = "7GB"`, 1) // the configuration follows
	require.Equal(t, plan.DriftInformational, classes(same)["volume.data"])
	fed := strings.Replace(same, `name   = "by-`, `name   = "for-`, 1)
	require.Equal(t, plan.DriftFeeds, classes(fed)["volume.data"])
}
