package apply

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// unset stands for a value that nobody wants.
var unset = cty.NilVal

func TestHowAJobEndedIsKept(t *testing.T) {
	code := func(n int) *int { return &n }
	for name, tc := range map[string]struct {
		commands []string
		gone     bool // it is not there any more, and the plan takes it out of the record
		want     statefile.RunJob
	}{
		"it ended long before it is deleted": {
			commands: []string{"sleep 60", "exit 3"},
			want:     statefile.RunJob{Status: "failed", Reason: "container_exited_with_error", ExitCode: code(3)},
		},
		"it was running": {
			commands: []string{"serve"}, want: statefile.RunJob{Status: "terminated", Reason: "terminated_by_user"},
		},
		"it is gone, and nobody saw its end": {
			commands: []string{"serve"}, gone: true, want: statefile.RunJob{Status: "lost"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				d := l.draft()
				d.create(inEast, securityGroup("us-east-1"))
				d.create(machine0, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast)
				d.create("task.a.job[0]", job("a", machine0, tc.commands...), machine0).Attempt = 2
				l.apply(d.p)
				require.Equal(t, uint64(1), l.state().Resource(machine0).Occupancy)
				require.Equal(t, "running", l.state().Resource("task.a.job[0]").Status)
				time.Sleep(time.Hour)

				d = l.draft()
				if tc.gone {
					d.change(plan.Change{Address: "task.a.job[0]", Kind: "job", Action: plan.Delete}, unset)
					d.step(plan.Step{Address: "task.a.job[0]", Op: plan.OpForget})
				} else {
					d.delete(machine0, d.delete("task.a.job[0]"))
				}
				logs := []string{}
				l.apply(d.p, func(o *Options) {
					o.KeepLog = func(_ context.Context, _ providers.Backend, j providers.Need, needs []providers.Need) {
						logs = append(logs, j.Address)
						require.Equal(t, machine0, needs[0].Address)
					}
				})
				run := l.state().Run("task.a")
				require.NotNil(t, run)
				require.Equal(t, "a", run.Name)
				require.Equal(t, "task", run.Type)
				require.Equal(t, 2, run.Attempts)
				require.Equal(t, tc.want.Status, run.Status)
				require.Contains(t, string(run.Specification), `"commands":`)
				require.NotContains(t, string(run.Specification), `"status":`)
				require.Len(t, run.Jobs, 1)
				got := run.Jobs[0]
				require.Equal(t, tc.want.Status, got.Status)
				require.Equal(t, tc.want.Reason, got.Reason)
				require.Equal(t, tc.want.ExitCode, got.ExitCode)
				require.Equal(t, machine0, got.Instance)
				require.Equal(t, 2, got.Attempt)
				require.False(t, got.SubmittedAt.IsZero())
				if tc.gone {
					require.Equal(t, uint64(1), l.state().Resource(machine0).Occupancy)
					return
				}
				require.Equal(t, []string{"task.a.job[0]"}, logs)
				require.False(t, got.FinishedAt.IsZero())
				require.Empty(t, l.objects("job", "instance"))
			})
		})
	}
}

func TestTheNextAttemptOfAJob(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create(inEast, securityGroup("us-east-1"))
	d.create(machine0, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast)
	d.create("task.a.job[0]", job("a", machine0, "exit 1"), machine0).Attempt = 1
	l.apply(d.p)

	// Shown as a create, because the old one has ended; done by a delete and a create.
	d = l.draft()
	c := d.create("task.a.job[0]", job("a", machine0, "exit 0"), machine0)
	c.Attempt = 2
	d.p.Steps = nil
	gone := d.step(plan.Step{Address: "task.a.job[0]", Op: plan.OpDelete})
	d.step(plan.Step{Address: "task.a.job[0]", Op: plan.OpCreate, Needs: []int{gone}})
	l.apply(d.p)
	require.Equal(t, []string{"task.a.job[0]"}, l.objects("job"))
	require.Contains(t, string(l.state().Resource("task.a.job[0]").Attributes), `"attempt":2`)
	run := l.state().Run("task.a")
	require.Len(t, run.Jobs, 1)
	require.Equal(t, "failed", run.Jobs[0].Status)
	require.Equal(t, 1, run.Jobs[0].Attempt)
	require.Equal(t, uint64(3), l.state().Resource(machine0).Occupancy)
}

func TestJobsOfOneRunEndSideBySide(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create(inEast, securityGroup("us-east-1"))
	const n = 8
	addresses := []string{}
	for i := range n {
		m := "fleet.train.instance[" + string(rune('0'+i)) + "]"
		j := "task.a.job[" + string(rune('0'+i)) + "]"
		d.create(m, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast)
		d.create(j, job("a", m), m)
		addresses = append(addresses, j)
	}
	l.apply(d.p)
	d = l.draft()
	for _, j := range addresses {
		d.delete(j)
	}
	l.apply(d.p)
	require.Len(t, l.state().Run("task.a").Jobs, n)
}

func TestAnInstanceThatIsUpdatedKeepsItsOccupancy(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create(inEast, securityGroup("us-east-1"))
	d.create(machine0, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast)
	d.create("task.a.job[0]", job("a", machine0), machine0)
	d.create("task.b.job[0]", job("b", machine0), machine0)
	l.apply(d.p)
	d = l.draft()
	d.update(machine0, machine("renamed", "cpu.small", "us-east-1", "us-east-1a"))
	d.delete("task.a.job[0]")
	d.delete("task.b.job[0]")
	l.apply(d.p)
	require.Equal(t, uint64(4), l.state().Resource(machine0).Occupancy)
	v, err := object(l.state().Resource(machine0))
	require.NoError(t, err)
	require.Equal(t, "renamed", schema.Encode(must(schema.Decode[schema.Instance](v.Value))).GetAttr("name").AsString())
}
