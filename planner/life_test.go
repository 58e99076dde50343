package planner_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

// life is one configuration's life: a world, a store, and time that passes.
type life struct {
	t     *testing.T
	world *fake.World
	store *statefile.Local
	now   time.Time
	vars  []config.Assignment
	fault string        // the fake's script of what goes wrong
	reads *reads        // notes what is read, where somebody wants to know
	token func() string // makes tokens of services

	dir     string            // of the store
	secret  string            // that the provider tells
	observe func(apply.Event) // hears what happens in an apply
}

func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{t: t, world: fake.Memory(), now: time.Now(), dir: t.TempDir()}
	l.store = statefile.NewLocal(l.dir, statefile.LocalOptions{Version: "test", Now: func() time.Time { return l.now }})
	_, err := l.store.Init(t.Context())
	require.NoError(t, err)
	return l
}

func (l *life) planner(hcl string) *planner.Planner {
	l.t.Helper()
	cfg, diags := config.Load(l.t.Context(), config.LoadOptions{Sources: sources(backendFake + hcl), Dir: l.t.TempDir(), Vars: l.vars})
	require.NoError(l.t, diags.Err())
	var provider providers.Provider = fake.New(fake.Options{World: l.world, Getenv: l.getenv})
	if l.reads != nil {
		provider = watched{provider, l.reads}
	}
	if l.secret != "" {
		provider = telltale{provider, l.secret}
	}
	return &planner.Planner{
		Config: cfg, Providers: cloud{provider}, Now: func() time.Time { return l.now },
		Getenv: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler), Version: "test", Store: "the test",
	}
}

func (l *life) getenv(name string) string {
	if name == fake.FaultsEnv {
		return l.fault
	}
	return ""
}

func (l *life) plan(hcl string) *plan.Plan {
	l.t.Helper()
	return l.planWith(hcl, planner.PlanOptions{})
}

func (l *life) planWith(hcl string, opts planner.PlanOptions) *plan.Plan {
	l.t.Helper()
	state, err := l.store.Read(l.t.Context())
	require.NoError(l.t, err)
	opts.State = state
	p, diags := l.planner(hcl).Plan(l.t.Context(), opts)
	require.NoError(l.t, diags.Err())
	return p
}

func (l *life) carry(hcl string, p *plan.Plan) (*apply.Result, error) {
	l.t.Helper()
	session, err := l.store.Lock(l.t.Context(), statefile.NewHolder("apply", "ana", "laptop", 1, l.now, func(string) string { return "" }))
	require.NoError(l.t, err)
	res, err := l.planner(hcl).Apply(context.Background(), planner.ApplyOptions{Plan: p, Session: session, By: "ana", Policy: soon(), Observe: l.observe, Token: l.token})
	require.NoError(l.t, session.Close(l.t.Context()))
	return res, err
}

// soon tries again as often as usual, but at once.
func soon() apply.Policy {
	p := apply.DefaultPolicy()
	for kind, b := range p.Retries {
		b.First, b.Max = time.Millisecond, 2*time.Millisecond
		p.Retries[kind] = b
	}
	return p
}

// apply plans and applies, and proves that nothing is left to do.
func (l *life) apply(hcl string) *plan.Plan {
	l.t.Helper()
	p := l.plan(hcl)
	res, err := l.carry(hcl, p)
	require.NoError(l.t, err)
	for _, s := range res.Steps {
		require.NoErrorf(l.t, s.Err, "%s %s", s.Op, s.Address)
	}
	require.True(l.t, res.Complete())
	l.still(hcl)
	return p
}

// still proves that a plan has no changes.
func (l *life) still(hcl string) {
	l.t.Helper()
	p := l.plan(hcl)
	require.Emptyf(l.t, outline(p), "a plan after the apply has changes: %s", diffs(p))
	require.False(l.t, planner.Changed(p))
}

func diffs(p *plan.Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		b.WriteString(c.Address + " because " + c.Reason + "\n")
		for _, d := range c.Diff {
			b.WriteString("  " + d.Path + ": " + string(d.Before) + " -> " + string(d.After) + "\n")
		}
	}
	return b.String()
}

// objects are what the cloud really has.
func (l *life) objects(kinds ...string) []fake.Object {
	l.t.Helper()
	out, err := l.world.Objects(kinds...)
	require.NoError(l.t, err)
	return out
}

// actions are the changes of a plan without its steps.
func actions(p *plan.Plan) []string {
	return slices.DeleteFunc(outline(p), func(s string) bool { return strings.HasPrefix(s, "step ") })
}

const cluster = `
fleet "train" {
  nodes     = 2
  placement = "cluster"
  resources {
    gpu = "A100:40GB:8"
  }
}
volume "data" {
  count  = 2
  region = "us-east-1"
  size   = "100GB"
}
task "tune" {
  fleet    = fleet.train
  nodes    = 2
  commands = ["sleep 1000"]
  volumes  = [{ volume = volume.data[node.rank], path = "/data" }]
  resources {
    gpu = "A100:8"
  }
}
gateway "public" {
  region = "us-east-1"
  domain = "*.example.com"
}
fleet "serve" {
  nodes  = 1
  blocks = 4
  resources {
    gpu = "A10G:4"
  }
}
service "llama" {
  fleet    = fleet.serve
  port     = 8000
  replicas = 2
  auth     = false
  commands = ["serve"]
  resources {
    gpu = "A10G:1"
  }
}
output "ip" {
  value = fleet.train.instance[0].internal_ip
}
`

func TestLifeOfACluster(t *testing.T) {
	l := newLife(t)
	p := l.apply(cluster)
	require.Equal(t, 10, p.Summary.Create)
	state, err := l.store.Read(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, state.Outputs()["ip"].Value)

	p = l.planWith(cluster, planner.PlanOptions{Destroy: true})
	res, err := l.carry(cluster, p)
	require.NoError(t, err)
	for _, s := range res.Steps {
		require.NoErrorf(t, s.Err, "%s %s", s.Op, s.Address)
	}
	require.Empty(t, l.objects(), "destroy leaves nothing behind")
	state, err = l.store.Read(t.Context())
	require.NoError(t, err)
	require.Zero(t, state.Len())
	require.Empty(t, state.Outputs())
}

func TestChangesOfACluster(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string // parts of the configuration
		want     []string
	}{
		"a volume grows in place":      {`size   = "100GB"`, `size   = "200GB"`, []string{"update volume.data[0]", "update volume.data[1]"}},
		"the same size in other words": {`size   = "100GB"`, `size   = "102400MB"`, nil},
		"commands replace all nodes of a task": {`"sleep 1000"`, `"sleep 2000"`, []string{
			"delete,create task.tune.job[0] on fleet.train.instance[0]", "delete,create task.tune.job[1] on fleet.train.instance[1]"}},
		"a constraint that the machines keep changes the record alone": {"  placement = \"cluster\"", "  placement = \"cluster\"\n  max_price = 40",
			[]string{"update fleet.train.instance[0]", "update fleet.train.instance[1]"}},
		"a second replica goes":         {"replicas = 2", "replicas = 1", []string{`delete service.llama.support["route/1"]`, "delete service.llama.job[1]"}},
		"a gateway gets another domain": {`"*.example.com"`, `"*.example.org"`, []string{"update gateway.public"}},
		"spot alone breaks the constraint of all machines": {"  placement = \"cluster\"", "  placement   = \"cluster\"\n  spot_policy = \"spot\"", []string{
			"delete,create fleet.train.instance[0]", `delete,create fleet.train.instance[0].support["attachment/volume.data[0]"]`,
			"delete,create fleet.train.instance[1]", `delete,create fleet.train.instance[1].support["attachment/volume.data[1]"]`,
			"delete,create task.tune.job[0] on fleet.train.instance[0]", "delete,create task.tune.job[1] on fleet.train.instance[1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(cluster)
			changed := strings.Replace(cluster, tc.from, tc.to, 1)
			require.NotEqual(t, cluster, changed)
			p := l.plan(changed)
			require.Empty(t, cmp.Diff(tc.want, actions(p)), diffs(p))
			l.apply(changed)
		})
	}
}

func TestAPlanIsStaleWhenWhatItChangesHasMoved(t *testing.T) {
	l := newLife(t)
	const small = "volume \"data\" {\n  region = \"us-east-1\"\n  size = \"100GB\"\n}\n"
	l.apply(small)
	larger := strings.Replace(small, "100GB", "200GB", 1)
	saved := l.plan(larger)
	l.apply(strings.Replace(small, "100GB", "150GB", 1))
	_, err := l.carry(larger, saved)
	var stale *apply.StaleError
	require.True(t, errors.As(err, &stale), "%v", err)
	require.Contains(t, err.Error(), "volume.data")
}

func TestOutsideDeletionIsPlannedAgainAndSaysSo(t *testing.T) {
	l := newLife(t)
	const small = "volume \"data\" {\n  region = \"us-east-1\"\n  size = \"100GB\"\n}\n"
	l.apply(small)
	require.NoError(t, l.world.Delete(l.objects("volume")[0].ID))
	p := l.plan(small)
	require.Equal(t, []string{"create volume.data"}, actions(p))
	require.Equal(t, "it was deleted outside of dstack", p.Changes[0].Reason)
	require.Len(t, p.Drift, 1)
	require.True(t, p.Drift[0].Gone)
	l.apply(small)
}

func TestTwoPlansOfTheSameInputsDifferInTheirTimeAlone(t *testing.T) {
	l := newLife(t)
	a := l.plan(cluster)
	l.now = l.now.Add(time.Hour)
	b := l.plan(cluster)
	require.Equal(t, a.ID, b.ID)
	require.NotEqual(t, a.CreatedAt, b.CreatedAt)
	b.CreatedAt = a.CreatedAt
	require.Empty(t, cmp.Diff(a, b))
}

func (l *life) mustState() *statefile.State {
	l.t.Helper()
	state, err := l.store.Read(l.t.Context())
	require.NoError(l.t, err)
	return state
}
