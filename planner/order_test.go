package planner_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

func TestAVolumeThatTurnsOutToBeElsewhereIsRefused(t *testing.T) {
	l := newLife(t)
	why := l.refused(`
fleet "west" {
  nodes   = 1
  regions = ["us-west-2"]
}
volume "data" {
  region = fleet.west.instance[0].region
  size   = "1GB"
}
task "solo" {
  regions  = ["us-east-1"]
  commands = ["exit 0"]
  volumes  = [{ volume = volume.data, path = "/data" }]
}
`, planner.PlanOptions{})
	require.Contains(t, why, "that is in us-west-2, its instance task.solo.instance[0] in us-east-1")
}

// after proves that one step of a plan comes after another, directly or not.
func after(t *testing.T, p *plan.Plan, later, earlier string) {
	t.Helper()
	name := func(i int) string {
		s := string(p.Steps[i].Op) + " " + p.Steps[i].Address
		if p.Steps[i].Op == plan.OpDelete && p.Steps[i].Deposed != "" {
			s = "delete old " + p.Steps[i].Address
		}
		return s
	}
	before := make([]map[string]bool, len(p.Steps))
	found := false
	for i, s := range p.Steps {
		before[i] = map[string]bool{}
		for _, n := range s.Needs {
			before[i][name(n)] = true
			maps.Copy(before[i], before[n])
		}
		if name(i) == later {
			found = true
			require.Truef(t, before[i][earlier], "%q does not come after %q:\n%s", later, earlier, strings.Join(outline(p), "\n"))
		}
	}
	require.Truef(t, found, "there is no step %q:\n%s", later, strings.Join(outline(p), "\n"))
}

const (
	job0, job1   = "task.tune.job[0]", "task.tune.job[1]"
	node0, node1 = "fleet.train.instance[0]", "fleet.train.instance[1]"
	tie0         = node0 + `.support["attachment/volume.data[0]"]`
	close0       = `fleet.train.support["placement-group"]`
	open0        = `backend.cloud.support["security-group/us-east-1"]`
	route0       = `service.llama.support["route/0"]`
)

func TestOrder(t *testing.T) {
	change := func(pairs ...string) string {
		out := strings.NewReplacer(pairs...).Replace(cluster)
		require.NotEqual(t, cluster, out)
		return out
	}
	newMachines := change("  placement = \"cluster\"", "  placement = \"cluster\"\n  spot_policy = \"spot\"")
	for name, tc := range map[string]struct {
		from, to string // "" for nothing
		want     [][2]string
	}{
		"an instance is made after what it needs, then the volume is attached, then the job starts": {"", cluster, [][2]string{
			{"create " + node0, "create " + open0}, {"create " + node0, "create " + close0},
			{"create " + tie0, "create " + node0}, {"create " + tie0, "create volume.data[0]"}, {"create " + job0, "create " + tie0}}},
		"each node of a run starts after all of its instances": {"", cluster, [][2]string{{"create " + job0, "create " + node1}, {"create " + job1, "create " + node0}}},
		"a route is made after its replica and its gateway":    {"", cluster, [][2]string{{"create " + route0, "create service.llama.job[0]"}, {"create " + route0, "create gateway.public"}}},
		"a job is stopped before its volume is detached, which is before volume and instance go": {cluster, "", [][2]string{
			{"delete " + tie0, "delete " + job0}, {"delete " + node0, "delete " + tie0}, {"delete volume.data[0]", "delete " + tie0}}},
		"an instance goes before what it needed":                  {cluster, "", [][2]string{{"delete " + close0, "delete " + node1}, {"delete " + open0, "delete " + node0}}},
		"a route goes before its replica, and both before more":   {cluster, "", [][2]string{{"delete service.llama.job[0]", "delete " + route0}, {"delete gateway.public", "delete " + route0}, {"delete fleet.serve.instance[0]", "delete service.llama.job[0]"}}},
		"all nodes stop before any of their instances is touched": {cluster, newMachines, [][2]string{{"delete " + node0, "delete " + job1}, {"delete " + node1, "delete " + job0}, {"create " + job0, "delete " + job1}}},
		"the last node stops before the others start again":       {cluster, change("nodes    = 2", "nodes    = 1"), [][2]string{{"create " + job0, "delete " + job1}}},
		"an instance that comes first brings its placement group": {
			change("  placement = \"cluster\"", "  placement = \"cluster\"\n  regions   = [\"us-east-1\"]\n  lifecycle {\n    create_before_destroy = true\n  }", "volumes  =", "# "),
			change("  placement = \"cluster\"", "  placement = \"cluster\"\n  regions   = [\"us-west-2\"]\n  lifecycle {\n    create_before_destroy = true\n  }", "volumes  =", "# "),
			[][2]string{{"delete old " + node0, "create " + node0}, {"delete old " + node0, "delete " + job0}, {"create " + node0, "create " + close0}, {"delete old " + close0, "delete old " + node0}}},
		"a job starts after the volumes of a block that has for_each now": {
			change("count  = 2\n", "", "volumes  = [{ volume = volume.data[node.rank], path = \"/data\" }]", "env = { ID = try(volume.data.id, volume.data[\"a\"].id) }"),
			change("count  = 2", `for_each = toset(["a"])`, "volumes  = [{ volume = volume.data[node.rank], path = \"/data\" }]", "env = { ID = try(volume.data.id, volume.data[\"a\"].id) }"),
			[][2]string{{"create " + job0, `create volume.data["a"]`}}},
		"replicas are replaced one after another": {cluster, change(`["serve"]`, `["serve --v2"]`), [][2]string{
			{"update " + route0, "create service.llama.job[0]"}, {"delete old service.llama.job[0]", "update " + route0}, {"create service.llama.job[1]", "delete old service.llama.job[0]"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			if tc.from != "" {
				l.apply(tc.from)
			}
			p := l.planWith(tc.to, planner.PlanOptions{Destroy: tc.to == ""})
			for _, w := range tc.want {
				after(t, p, w[0], w[1])
			}
			res, err := l.carry(tc.to, p)
			require.NoError(t, err)
			require.True(t, res.Complete(), "%+v", res.Steps)
		})
	}
}

const moving = `
fleet "%s" {
  nodes   = 1
  regions = ["us-east-1"]
}
volume "data" {
  region            = "us-east-1"
  availability_zone = "us-east-1a"
  size              = "1GB"
}
task "solo" {
  fleet              = fleet.%s
  commands           = ["sleep 1000"]
  availability_zones = ["us-east-1a"]
  volumes            = [{ volume = volume.data, path = "/data" }]
}
`

func TestAVolumeIsDetachedBeforeItIsAttachedElsewhere(t *testing.T) {
	l := newLife(t)
	l.apply(strings.ReplaceAll(moving, "%s", "one"))
	p := l.apply(strings.ReplaceAll(moving, "%s", "two"))
	after(t, p, `create fleet.two.instance[0].support["attachment/volume.data"]`, `delete fleet.one.instance[0].support["attachment/volume.data"]`)
}

func TestAJobIsReplacedWithTheVolumeThatItMounts(t *testing.T) {
	l := newLife(t)
	running := strings.Replace(mounts, "exit 0", "sleep 1000", 1)
	l.apply(running)
	l.apply(strings.Replace(running, `"1GB"`, `"2GB"`, 1))
	p := l.apply(running) // it cannot shrink
	after(t, p, "delete volume.data", "delete task.solo.job[0]")
	after(t, p, "create task.solo.job[0]", "create volume.data")
	for _, c := range p.Changes {
		if c.Kind == "job" {
			require.Contains(t, c.Reason, "its volume is replaced")
		}
	}
}

func TestWhatIsGoneHoldsNothing(t *testing.T) {
	l := newLife(t)
	serving := strings.NewReplacer("task ", "service ", "  commands ", "  port = 8000\n  auth = false\n  commands ").Replace(moving)
	l.apply(strings.ReplaceAll(serving, "%s", "one"))
	require.NoError(t, l.world.Delete(l.objects("instance")[0].ID), "with all that stood on it")
	l.apply(strings.ReplaceAll(serving, "%s", "two"))
	require.Len(t, l.objects("instance"), 1)
}
