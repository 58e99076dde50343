package planner_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// leaves is a block removed.
func leaves(from string, destroy bool) string {
	text := "removed {\n  from = " + from + "\n"
	if !destroy {
		text += "  lifecycle {\n    destroy = false\n  }\n"
	}
	return text + "}\n"
}

// without takes blocks out of a configuration.
func without(hcl string, blocks ...string) string {
	for _, b := range blocks {
		kind, label, _ := strings.Cut(b, ".")
		head, rest, ok := strings.Cut(hcl, "\n"+kind+` "`+label+`" {`)
		if !ok {
			panic("there is no " + b)
		}
		_, rest, _ = strings.Cut(rest, "\n}\n")
		hcl = head + "\n" + rest
	}
	return hcl
}

func TestWhatIsRemovedIsDestroyedOrForgotten(t *testing.T) {
	for name, tc := range map[string]struct {
		to   string
		want []string
		left []string // kinds of what is there and not recorded any more
	}{
		"a volume goes on without us": {without(everything, "task.tune", "volume.data") + leaves("volume.data", false) + leaves("task.tune", true),
			[]string{`delete fleet.train.instance[0].support["attachment/volume.data[0]"]`, `delete fleet.train.instance[1].support["attachment/volume.data[1]"]`,
				"delete task.tune.job[0]", "delete task.tune.job[1]", "forget volume.data[0]", "forget volume.data[1]"},
			[]string{"volume", "volume"}},
		"a run goes on with all that it stands on": {without(everything, "task.tune", "volume.data", "fleet.train") + leaves("volume.data", false) + leaves("task.tune", false) + leaves("fleet.train", false),
			[]string{`forget backend.cloud.support["security-group/us-east-1"]`, `forget fleet.train.support["placement-group"]`, "forget fleet.train.instance[0]", `forget fleet.train.instance[0].support["attachment/volume.data[0]"]`, "forget fleet.train.instance[1]",
				`forget fleet.train.instance[1].support["attachment/volume.data[1]"]`, "forget task.tune.job[0]", "forget task.tune.job[1]", "forget volume.data[0]", "forget volume.data[1]"},
			[]string{"support", "support", "instance", "instance", "volume", "volume", "support", "support", "job", "job"}},
		"one repetition of a volume": {without(strings.ReplaceAll(everything, "count  = 2", "count  = 1"), "task.tune") + leaves("volume.data[1]", false),
			[]string{`delete fleet.train.instance[0].support["attachment/volume.data[0]"]`, `delete fleet.train.instance[1].support["attachment/volume.data[1]"]`,
				"delete task.tune.job[0]", "delete task.tune.job[1]", "forget volume.data[1]"},
			[]string{"volume"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(everything)
			p := l.apply(tc.to)
			require.Empty(t, cmp.Diff(tc.want, actions(p)))
			state, err := l.store.Read(t.Context())
			require.NoError(t, err)
			ids := map[string]bool{}
			for _, r := range state.Resources() {
				ids[r.ID] = true
			}
			var left []string
			for _, o := range l.objects() {
				if !ids[o.ID] {
					left = append(left, o.Kind)
				}
			}
			require.ElementsMatch(t, tc.left, left)
			run := state.Run("task.tune")
			require.True(t, run == nil || run.Destroyed)
		})
	}
}

func TestWhatIsForgottenIsCountedAndStaysForgotten(t *testing.T) {
	l := newLife(t)
	l.apply(everything)
	hcl := without(everything, "gateway.public", "service.web") + leaves("gateway.public", false)
	p := l.apply(hcl)
	require.Equal(t, 1, p.Summary.Forget)
	for _, c := range p.Changes {
		if c.Action == plan.Forget {
			require.Contains(t, c.Reason, "removed block with destroy = false, main.dstack.hcl:")
			require.Nil(t, c.After)
		}
	}
	state, err := l.store.Read(t.Context())
	require.NoError(t, err)
	gone, ok := state.Tombstone(statefile.Ref{Address: "gateway.public"})
	require.True(t, ok)
	require.Equal(t, statefile.Forgotten, gone.Reason)
}

func TestDestroyForgetsWhatIsNotToBeDestroyed(t *testing.T) {
	l := newLife(t)
	l.apply(everything)
	p := l.planWith(without(everything, "gateway.public", "service.web")+leaves("gateway.public", false), planner.PlanOptions{Destroy: true})
	require.Contains(t, actions(p), "forget gateway.public")
	require.Contains(t, actions(p), "delete fleet.train.instance[0]")
}

func TestWhatStandsOnSomethingForgottenFindsAnotherPlace(t *testing.T) {
	l := newLife(t)
	hcl := without(everything, "task.tune", "volume.data")
	l.apply(hcl + "\ntask \"tt\" {\n  commands = [\"sleep 9\"]\n  fleet = fleet.train\n}\n")
	p := l.plan(without(hcl, "fleet.train") + "\ntask \"tt\" {\n  commands = [\"sleep 9\"]\n}\n" + leaves("fleet.train", false))
	require.Contains(t, actions(p), "forget fleet.train.instance[0]")
	require.Contains(t, actions(p), "delete,create task.tt.job[0] on task.tt.instance[0]")
	for i, s := range p.Steps {
		if s.Op == plan.OpDelete && s.Address == "task.tt.job[0]" {
			for _, later := range p.Steps[i:] {
				if later.Op == plan.OpForget && later.Address == "fleet.train.instance[0]" {
					return
				}
			}
			t.Fatal("the job lets go of the instance before that is forgotten")
		}
	}
}

func TestWhatIsRemovedMustNotBeThere(t *testing.T) {
	l := newLife(t)
	l.apply(everything)
	_, diags := l.try(everything + leaves("volume.data[1]", false))
	require.ErrorContains(t, diags.Err(), "volume.data[1] is said to be removed, but the configuration still has it")
	_, diags = l.try(everything + leaves("volume.data[7]", false))
	require.NoError(t, diags.Err())
}

func TestPreventDestroyHoldsForRemovedAndNotForForgotten(t *testing.T) {
	l := newLife(t)
	guarded := strings.Replace(everything, "  size   = \"100GB\"\n", "  size   = \"100GB\"\n  lifecycle {\n    prevent_destroy = true\n  }\n", 1)
	l.apply(guarded)
	_, diags := l.try(without(guarded, "task.tune", "volume.data") + leaves("volume.data", true))
	require.ErrorContains(t, diags.Err(), "prevent_destroy")
	l.apply(without(guarded, "task.tune", "volume.data") + leaves("volume.data", false))
}
