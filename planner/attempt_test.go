package planner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// NAM-04, PLN-03: a run keeps its name when it runs again; what ended well stays as it is until its specification
// changes, and what failed comes again.
func TestHowAnEndedJobIsPlanned(t *testing.T) {
	const task = `
fleet "lab" {
  nodes = 1
}
task "train" {
  fleet    = fleet.lab
  commands = ["COMMAND"]
}
`
	type want struct {
		Actions []string
		Attempt int
		Reason  string // a part of it
	}
	for name, tc := range map[string]struct {
		first, then string // commands
		want        want
	}{
		"done, and nothing changed: it stays":    {"exit 0", "exit 0", want{}},
		"done, and changed: the next attempt":    {"exit 0", "exit 00", want{[]string{"create task.train.job[0] on fleet.lab.instance[0]"}, 2, "commands[0] changed; ended done"}},
		"failed, and nothing changed: once more": {"exit 3", "exit 3", want{[]string{"create task.train.job[0] on fleet.lab.instance[0]"}, 2, "it failed"}},
		"running, and changed: replaced":         {"sleep 100000", "sleep 200000", want{[]string{"delete,create task.train.job[0] on fleet.lab.instance[0]"}, 2, "commands[0] cannot change in place"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			before := strings.Replace(task, "COMMAND", tc.first, 1)
			p := l.plan(before)
			res, err := l.carry(before, p)
			require.NoError(t, err)
			require.True(t, res.Complete())
			l.now = l.now.Add(time.Hour)

			p = l.plan(strings.Replace(task, "COMMAND", tc.then, 1))
			got := want{Actions: actions(p)}
			if c := changeOf(p, "task.train.job[0]"); c != nil {
				got.Attempt = c.Attempt
				if strings.Contains(c.Reason, tc.want.Reason) {
					got.Reason = tc.want.Reason
				} else {
					got.Reason = c.Reason
				}
			}
			require.Empty(t, cmp.Diff(tc.want, got))
		})
	}
}

// STM-05: one node that failed takes all nodes of its replica with it, for they know each other by their first addresses.
func TestAllNodesStartAgainTogether(t *testing.T) {
	const hcl = `
fleet "lab" {
  nodes     = 2
  placement = "cluster"
}
task "train" {
  fleet    = fleet.lab
  nodes    = 2
  commands = [node.rank == 0 ? "sleep 100000" : "exit 1"]
}
`
	l := newLife(t)
	res, err := l.carry(hcl, l.plan(hcl))
	require.NoError(t, err)
	require.True(t, res.Complete())

	p := l.plan(hcl)
	require.Equal(t, []string{
		"delete,create task.train.job[0] on fleet.lab.instance[0]",
		"create task.train.job[1] on fleet.lab.instance[1]",
	}, actions(p))
	require.Contains(t, changeOf(p, "task.train.job[0]").Reason, "another node of the run starts again")
	for i, s := range p.Steps {
		if s.Op == plan.OpCreate {
			require.Contains(t, needed(p, i), "delete task.train.job[0]", "%s starts when all have stopped", s.Address)
		}
	}
}

// INS-06: what could not be destroyed stays in the state, so that the next plan has it again.
func TestADeleteThatFailedIsPlannedAgain(t *testing.T) {
	const hcl = "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\n"
	l := newLife(t)
	l.apply(hcl)
	l.fault = `[{"fault": "auth", "op": "delete", "message": "you may not"}]`
	res, err := l.carry("", l.plan(""))
	require.NoError(t, err)
	require.False(t, res.Complete())
	require.Len(t, l.objects("volume"), 1)

	l.fault = ""
	require.Equal(t, []string{"delete volume.data"}, actions(l.plan("")))
	l.apply("")
	require.Empty(t, l.objects("volume"))
}

func changeOf(p *plan.Plan, address string) *plan.Change {
	for _, c := range p.Changes {
		if c.Address == address {
			return c
		}
	}
	return nil
}

// OFR-03: a backend that cannot be asked is a warning, and the others' offers are taken.
func TestABackendThatFailsIsAWarningThatNamesIt(t *testing.T) {
	const hcl = `
backend "broken" {
  provider = "fake"
  settings = {
    faults = [{ fault = "transient", op = "offers", message = "the cloud has a bad day" }]
  }
}
fleet "lab" {
  nodes = 1
}
`
	p := newLife(t).plan(hcl)
	require.Equal(t, "cloud", changeOf(p, "fleet.lab.instance[0]").Backend)
	var warnings []string
	for _, d := range p.Diagnostics {
		warnings = append(warnings, d.Summary+": "+d.Detail)
	}
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], `Backend "broken" could not be asked what it offers`)
	require.Contains(t, warnings[0], "the cloud has a bad day")
}
