package planner_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// refused plans what must not be planned.
func (l *life) refused(hcl string, opts planner.PlanOptions) string {
	l.t.Helper()
	opts.State = l.mustState()
	p, diags := l.planner(hcl).Plan(l.t.Context(), opts)
	require.Nil(l.t, p)
	require.True(l.t, diags.HasErrors())
	return diags.Err().Error()
}

func TestPreventDestroyHoldsForEveryWayToLoseAVolume(t *testing.T) {
	kept := strings.Replace(oneVolume, "size ", "lifecycle {\n    prevent_destroy = true\n  }\n  size ", 1)
	for name, tc := range map[string]struct {
		hcl     string
		destroy bool
	}{
		"replace": {strings.Replace(kept, "us-east-1", "us-west-2", 1), false},
		"shrink":  {strings.Replace(kept, "100GB", "50GB", 1), false},
		"destroy": {kept, true},
		"count":   {strings.Replace(kept, "  region", "  count = 0\n  region", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(kept)
			require.Contains(t, l.refused(tc.hcl, planner.PlanOptions{Destroy: tc.destroy}), "prevent_destroy")
		})
	}
}

func TestCreateBeforeDestroy(t *testing.T) {
	l := newLife(t)
	hcl := strings.Replace(oneVolume, "size ", "lifecycle {\n    create_before_destroy = true\n  }\n  size ", 1)
	l.apply(hcl)
	old := l.objects("volume")[0].ID
	moved := strings.Replace(hcl, "us-east-1", "us-west-2", 1)
	p := l.apply(moved)
	require.Equal(t, plan.CreateThenDelete, p.Changes[0].Action)
	require.Equal(t, []plan.Op{plan.OpDepose, plan.OpCreate, plan.OpDelete}, []plan.Op{p.Steps[0].Op, p.Steps[1].Op, p.Steps[2].Op})
	require.Equal(t, "100GB of data", p.Changes[0].DataAtRisk)
	require.Len(t, l.objects("volume"), 1)
	require.NotEqual(t, old, l.objects("volume")[0].ID)
}

func TestCreateBeforeDestroyIsInheritedAndSaysByWhom(t *testing.T) {
	const of = `
volume "base" {
  backend = "cloud"
  region  = "us-east-1"
  size    = "100GB"
}
volume "middle" {
  backend = "cloud"
  region  = volume.base.region
  size    = "100GB"
}
volume "top" {
  backend = "cloud"
  region  = volume.middle.region
  size    = "100GB"
  lifecycle {
    create_before_destroy = true
  }
}
volume "beside" {
  backend = "cloud"
  region  = volume.base.region
  size    = "100GB"
}
`
	l := newLife(t)
	l.apply(of)
	moved := strings.Replace(of, "us-east-1", "us-west-2", 1)
	p := l.apply(moved)
	got := map[string]string{}
	for _, c := range p.Changes {
		got[c.Address] = string(c.Action) + " for " + c.NewFirstFor
	}
	require.Empty(t, cmp.Diff(map[string]string{
		"volume.base": "create,delete for volume.middle", "volume.middle": "create,delete for volume.top", "volume.top": "create,delete for ",
		"volume.beside": "delete,create for ",
	}, got))
	at := map[string]int{}
	for i, s := range p.Steps {
		at[string(s.Op)+" "+s.Address] = i
	}
	require.Less(t, at["create volume.top"], at["delete volume.top"])
	require.Less(t, at["delete volume.top"], at["delete volume.middle"], "what stands on it goes first")
	require.Less(t, at["delete volume.middle"], at["delete volume.base"])
	require.Len(t, l.objects("volume"), 4)

	// Without anybody who asks for it the old one goes first everywhere.
	l.apply(strings.Replace(moved, "create_before_destroy = true", "prevent_destroy = false", 1))
	p = l.plan(strings.Replace(of, "create_before_destroy = true", "prevent_destroy = false", 1))
	for _, c := range p.Changes {
		require.Equal(t, plan.DeleteThenCreate, c.Action, c.Address)
		require.Empty(t, c.NewFirstFor)
	}
}

func TestADeposedObjectIsDeletedByTheNextApply(t *testing.T) {
	l := newLife(t)
	hcl := strings.Replace(oneVolume, "size ", "lifecycle {\n    create_before_destroy = true\n  }\n  size ", 1)
	l.apply(hcl)
	moved := strings.Replace(hcl, "us-east-1", "us-west-2", 1)
	l.broken(moved, `[{"fault": "invalid", "op": "delete", "kind": "volume"}]`)
	require.Len(t, l.objects("volume"), 2)
	p := l.plan(moved)
	require.Equal(t, []string{"delete volume.data"}, actions(p))
	require.NotEmpty(t, p.Changes[0].Deposed)
	l.apply(moved)
	require.Len(t, l.objects("volume"), 1)
}

const own = `
task "solo" {
  regions  = ["us-east-1"]
  commands = ["exit 0"]
  resources {
    gpu = "A10G:1"
  }
}
`

func TestARunBringsItsOwnInstanceAndItGoesWhenItIdles(t *testing.T) {
	l := newLife(t)
	p := l.apply(own)
	require.Equal(t, []string{`create backend.cloud.support["security-group/us-east-1"]`, "create task.solo.instance[0]", "create task.solo.job[0] on task.solo.instance[0]"}, actions(p))
	l.still(own)
	l.now = l.now.Add(time.Hour)
	p = l.plan(own)
	require.Empty(t, cmp.Diff([]string{`delete backend.cloud.support["security-group/us-east-1"]`, "delete task.solo.instance[0]", "delete task.solo.job[0]"}, actions(p)))
	l.apply(own)
	require.Empty(t, l.objects())
	run := l.mustState().Run("task.solo")
	require.NotNil(t, run)
	require.Equal(t, "done", run.Jobs[0].Status)
	l.still(own) // it has ended, and does not run again
	changed := strings.Replace(own, "exit 0", "echo again && exit 0", 1)
	p = l.plan(changed)
	require.Contains(t, actions(p), "create task.solo.job[0] on task.solo.instance[0]")
	for _, c := range p.Changes {
		if c.Kind == "job" {
			require.Equal(t, 2, c.Attempt)
		}
	}
}

func TestARunWithoutFleetTakesWhatIsIdle(t *testing.T) {
	l := newLife(t)
	const fleet = `
fleet "pool" {
  nodes   = 1
  regions = ["us-east-1"]
  resources {
    gpu = "A10G:1"
  }
}
`
	l.apply(fleet)
	p := l.plan(fleet + own)
	require.Equal(t, []string{"create task.solo.job[0] on fleet.pool.instance[0]"}, actions(p))
}

func TestReuseNeverBringsAnInstance(t *testing.T) {
	l := newLife(t)
	why := l.refused(strings.Replace(own, "commands", "creation_policy = \"reuse\"\n  commands", 1), planner.PlanOptions{})
	require.Contains(t, why, "task.solo")
}

const replicas = `
fleet "serve" {
  nodes  = 1
  blocks = 4
  resources {
    gpu = "A10G:4"
  }
}
gateway "public" {
  region = "us-east-1"
  domain = "*.example.com"
}
service "llama" {
  fleet    = fleet.serve
  port     = 8000
  replicas = 3
  auth     = false
  commands = ["serve"]
  resources {
    gpu = "A10G:1"
  }
}
`

func TestReplicasAreReplacedOneAfterAnotherWhereThereIsRoom(t *testing.T) {
	l := newLife(t)
	l.apply(replicas)
	p := l.apply(strings.Replace(replicas, `["serve"]`, `["serve --v2"]`, 1))
	for _, c := range p.Changes {
		if c.Kind == "job" {
			require.Equal(t, plan.CreateThenDelete, c.Action, c.Address)
		} else {
			require.Equal(t, plan.Update, c.Action, c.Address)
		}
	}
	require.Len(t, l.objects("job"), 3)
	full := strings.Replace(replicas, "replicas = 3", "replicas = 4", 1)
	l.apply(full)
	p = l.apply(strings.Replace(full, `["serve"]`, `["serve --v3"]`, 1))
	for _, c := range p.Changes {
		if c.Kind == "job" {
			require.Equal(t, plan.DeleteThenCreate, c.Action, c.Address)
		}
	}
}

const secretTask = `
variable "token" {
  sensitive = true
}
` + own

func TestSecretsAreKeptAsDigests(t *testing.T) {
	l := newLife(t)
	hcl := strings.Replace(secretTask, "commands", "env      = { TOKEN = var.token, PLAIN = \"x\" }\n  commands", 1)
	l.vars = []config.Assignment{{Name: "token", Text: "canary-1"}}
	p := l.apply(hcl)
	raw, err := l.mustState().Pull()
	require.NoError(t, err)
	require.NotContains(t, string(raw), "canary")
	require.NotContains(t, text(t, p), "canary")
	require.Contains(t, text(t, p), `"PLAIN":"x"`)

	l.vars[0].Text = "canary-2"
	p = l.plan(hcl)
	require.Equal(t, []string{"create task.solo.job[0] on task.solo.instance[0]"}, actions(p))
	require.Equal(t, `env["TOKEN"]`, p.Changes[0].Diff[0].Path)
	require.True(t, p.Changes[0].Diff[0].Sensitive)
	require.NotContains(t, text(t, p), "canary")

	l.vars[0].Text = "canary-3"
	_, err = l.carry(hcl, p)
	var changed *planner.ChangedInputError
	require.ErrorAs(t, err, &changed)
	require.Equal(t, "var.token", changed.Name)
}

// text is all that stands in a saved plan, unpacked.
func text(t *testing.T, p *plan.Plan) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "saved.plan")
	require.NoError(t, plan.Write(path, p))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	header, packed, found := bytes.Cut(raw, []byte("}\n"))
	require.True(t, found)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	body, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(header) + string(body)
}

func TestCountAndKeys(t *testing.T) {
	l := newLife(t)
	counted := "volume \"data\" {\n  count = %d\n  region = \"us-east-1\"\n  size = \"1GB\"\n}\n"
	three := strings.Replace(counted, "%d", "3", 1)
	l.apply(three)
	p := l.apply(strings.Replace(counted, "%d", "2", 1))
	require.Equal(t, []string{"delete volume.data[2]"}, actions(p))
	require.Contains(t, p.Changes[0].Reason, "count is smaller now")

	keyed := "volume \"data\" {\n  for_each = toset([%s])\n  region = \"us-east-1\"\n  size = \"1GB\"\n}\n"
	l = newLife(t)
	l.apply(strings.Replace(keyed, "%s", `"a1", "b1", "c1"`, 1))
	p = l.apply(strings.Replace(keyed, "%s", `"a1", "c1"`, 1))
	require.Equal(t, []string{`delete volume.data["b1"]`}, actions(p))
	require.Contains(t, p.Changes[0].Reason, "not in for_each any more")
}

func TestWhatDependsOnUnknownNumbersIsDeferred(t *testing.T) {
	l := newLife(t)
	const hcl = oneVolume + `
volume "more" {
  count  = volume.data.location == "" ? 0 : 2
  region = "us-east-1"
  size   = "1GB"
}
output "names" {
  value = [for v in volume.more : v.name]
}
`
	p := l.plan(hcl)
	require.Equal(t, []string{"create volume.data"}, actions(p))
	require.False(t, p.Complete)
	require.Len(t, p.Deferred, 1)
	require.Contains(t, p.Deferred[0].Text, "volume.data.location")
	_, err := l.carry(hcl, p)
	require.NoError(t, err)
	p = l.apply(hcl)
	require.True(t, p.Complete)
	require.Equal(t, []string{"create volume.more[0]", "create volume.more[1]"}, actions(p))
	require.JSONEq(t, `["more-0","more-1"]`, string(l.mustState().Outputs()["names"].Value))
}

func TestUnknownLeavesAreFilledInByApply(t *testing.T) {
	l := newLife(t)
	const hcl = oneVolume + `
task "solo" {
  commands = ["echo ${volume.data.location}", "exit 0"]
  env      = { WHERE = volume.data.id, PLACE = local.place, MODE = "fast", BOTH = "${volume.data.region} ${volume.data.location}" }
  resources {
    gpu = "A10G:1"
  }
}
locals {
  place = upper(volume.data.location)
}
`
	p := l.plan(hcl)
	var job *plan.Change
	for _, c := range p.Changes {
		if c.Kind == "job" {
			job = c
		}
	}
	require.Contains(t, job.AfterUnknown, `env["WHERE"]`)
	require.Equal(t, map[string]string{
		`env["WHERE"]`: "volume.data.id", `env["PLACE"]`: "volume.data.location", `env["BOTH"]`: "volume.data.location", "commands[0]": "volume.data.location",
	}, job.WaitsFor, "each leaf says what it waits for; what an offer decides waits for no reference")
	require.True(t, job.Evaluate)
	l.apply(hcl)
	require.Contains(t, string(l.mustState().Resource("task.solo.job[0]").Attributes), l.objects("volume")[0].ID)
}

func TestAnotherAccountIsRefusedWhileResourcesAreRecorded(t *testing.T) {
	l := newLife(t)
	l.apply(oneVolume)
	p := l.planner(oneVolume)
	cfg, diags := config.Load(t.Context(), config.LoadOptions{Dir: t.TempDir(), Sources: []config.Source{{Path: "main.dstack.hcl",
		Text: []byte("backend \"cloud\" {\n  provider = \"fake\"\n  settings = { account = \"else\" }\n}\n" + oneVolume)}}})
	require.NoError(t, diags.Err())
	p.Config = cfg
	_, diags = p.Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
	require.ErrorContains(t, diags.Err(), "another account")
}

func TestWhatWasMadeIsDestroyedAfterBlockAndBackendAreGone(t *testing.T) {
	l := newLife(t)
	l.apply(oneVolume)
	p := l.planner("")
	cfg, diags := config.Load(t.Context(), config.LoadOptions{Dir: t.TempDir(), Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte("locals {\n  a = 1\n}\n")}}})
	require.NoError(t, diags.Err())
	p.Config = cfg
	out, diags := p.Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
	require.NoError(t, diags.Err())
	require.Equal(t, []string{"delete volume.data"}, actions(out))
	session, err := l.store.Lock(t.Context(), statefile.Holder{})
	require.NoError(t, err)
	res, err := p.Apply(context.Background(), planner.ApplyOptions{Plan: out, Session: session})
	require.NoError(t, err)
	require.NoError(t, session.Close(t.Context()))
	require.True(t, res.Complete())
	require.Empty(t, l.objects())
}

func TestWhatWasDestroyedStartsAnew(t *testing.T) {
	l := newLife(t)
	l.apply(own)
	for name, hcl := range map[string]string{"by destroy": own, "by taking the block out": ""} {
		t.Run(name, func(t *testing.T) {
			res, err := l.carry(hcl, l.planWith(hcl, planner.PlanOptions{Destroy: hcl != ""}))
			require.NoError(t, err)
			require.True(t, res.Complete())
			require.Equal(t, "done", l.mustState().Run("task.solo").Status, "how it ended is kept")
			p := l.apply(own)
			require.Contains(t, actions(p), "create task.solo.job[0] on task.solo.instance[0]")
		})
	}
}

func TestAStoppedServiceStaysStopped(t *testing.T) {
	l := newLife(t)
	l.apply(replicas)
	rec := l.planner(replicas).Open(t.Context(), l.mustState())
	require.NoError(t, rec.StopJob(t.Context(), "service.llama.job[1]", false))
	rec.Close()
	p := l.plan(replicas)
	require.Empty(t, actions(p), diffs(p))
	require.Contains(t, p.Notes[0].Text, "terminated")
	l.apply(strings.Replace(replicas, `["serve"]`, `["serve again"]`, 1))
}

func TestWhatSomebodyIsChangingIsLeftAlone(t *testing.T) {
	l := newLife(t)
	l.broken(oneVolume, `[{"fault": "lost", "kind": "volume"}, {"fault": "transient", "op": "find"}]`)
	p := l.planWith(oneVolume, planner.PlanOptions{Writer: &statefile.Holder{User: "ana", Host: "laptop"}})
	require.Empty(t, actions(p))
	require.Contains(t, p.Notes[0].Text, "being changed by ana@laptop")
}

func TestWhatIsRecordedOfADeferredBlockStays(t *testing.T) {
	const late = `
fleet "late" {
  nodes   = 1
  count   = %s
  regions = ["us-west-2"]
}
task "solo" {
  commands   = ["sleep 1000"]
  depends_on = [fleet.late]
  volumes    = [{ volume = "here", path = "/data" }]
}
volume "here" {
  region = "us-east-1"
  size   = "1GB"
}
fleet "pool" {
  nodes   = "1..2"
  regions = ["us-east-1"]
}
`
	l := newLife(t)
	l.apply(strings.Replace(late, "%s", "1", 1))
	before := l.objects()
	other := strings.Replace(own, "solo", "other", 1)
	other = strings.Replace(other, "gpu = \"A10G:1\"", "cpu = \"1..\"", 1)
	p := l.plan(strings.Replace(late, "%s", `volume.data.location == "" ? 0 : 1`, 1) + oneVolume + other)
	require.False(t, p.Complete)
	require.Equal(t, []string{"create task.other.instance[0]", "create task.other.job[0] on task.other.instance[0]", "create volume.data"}, actions(p), "the job of a deferred run keeps its machine")
	l.apply(strings.Replace(late, "%s", "1", 1))
	require.Equal(t, len(before), len(l.objects()))
}

func TestWhatCannotBeEvaluatedAnyMoreIsDestroyed(t *testing.T) {
	const refers = `
fleet "pool" {
  nodes   = %s
  regions = ["us-east-1"]
}
volume "data" {
  region = fleet.pool.instance[0].region
  size   = "1GB"
  lifecycle {
    prevent_destroy = %s
  }
}
`
	l := newLife(t)
	l.apply(strings.NewReplacer("nodes   = %s", "nodes = 1", "%s", "false").Replace(refers))
	none := strings.NewReplacer("nodes   = %s", "nodes = 0", "%s", "false").Replace(refers)
	require.Contains(t, l.refused(none, planner.PlanOptions{}), "Invalid index")
	res, err := l.carry(none, l.planWith(none, planner.PlanOptions{Destroy: true}))
	require.NoError(t, err)
	require.True(t, res.Complete())
	require.Empty(t, l.objects())

	l.apply(strings.NewReplacer("nodes   = %s", "nodes = 1", "%s", "true").Replace(refers))
	require.Contains(t, l.refused(none, planner.PlanOptions{Destroy: true}), "prevent_destroy", "the record keeps it")
}

func TestAFleetWhoseHostsAreNotKnownYetIsDeferred(t *testing.T) {
	for name, hosts := range map[string]string{
		"an unknown name":             `host { hostname = volume.data.location }`,
		"an unknown list":             `host = [for x in volume.data.location == "" ? [] : ["a"] : { hostname = x }]`,
		"unknown elements of dynamic": "dynamic \"host\" {\n for_each = [for x in [1, 2] : x if volume.data.location == \"\"]\n content { hostname = host.value }\n}",
		"an unknown value in dynamic": "dynamic \"host\" {\n for_each = [1]\n content { hostname = volume.data.location }\n}",
	} {
		t.Run(name, func(t *testing.T) {
			p := newLife(t).plan(oneVolume + "fleet \"lab\" {\n ssh {\n  user = \"u\"\n  identity_file = \"k\"\n" + hosts + "\n }\n}\n")
			require.False(t, p.Complete)
			require.Len(t, p.Deferred, 1)
			require.Contains(t, p.Deferred[0].Text, "hosts")
			require.Equal(t, []string{"create volume.data"}, actions(p))
		})
	}
}
