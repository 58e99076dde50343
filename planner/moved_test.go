package planner_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

const everything = `
fleet "train" {
  nodes     = 2
  placement = "cluster"
  regions   = ["us-east-1"]
}
volume "data" {
  count  = 2
  region = "us-east-1"
  size   = "100GB"
}
gateway "public" {
  region = "us-east-1"
  domain = "*.x.example"
}
task "tune" {
  fleet    = fleet.train
  nodes    = 2
  commands = ["sleep 1000"]
  volumes  = [{ volume = volume.data[node.rank], path = "/data" }]
}
service "web" {
  commands = ["serve"]
  port     = 80
  replicas = 2
}
`

// says is a block moved.
func says(from, to string) string { return "moved {\n  from = " + from + "\n  to   = " + to + "\n}\n" }

// pure proves that a plan changes addresses and nothing else.
func pure(t *testing.T, p *plan.Plan) {
	t.Helper()
	for _, c := range p.Changes {
		require.Equal(t, plan.NoOp, c.Action, "%s because %s: %s", c.Address, c.Reason, diffs(p))
		require.NotEmpty(t, c.PreviousAddress, c.Address)
		require.Empty(t, c.Diff)
	}
	for _, s := range p.Steps {
		require.Equal(t, plan.OpMove, s.Op, s.Address)
	}
}

// identities are the ids of everything that the world has.
func (l *life) identities() map[string]bool {
	out := map[string]bool{}
	for _, o := range l.objects() {
		out[o.ID+" "+o.Key] = true
	}
	return out
}

func TestAMoveChangesAddressesAndNothingElse(t *testing.T) {
	rename := strings.NewReplacer(`fleet "train"`, `fleet "gpus"`, "fleet.train", "fleet.gpus", `volume "data"`, `volume "disk"`, "volume.data", "volume.disk", `task "tune"`, `task "train"`,
		`service "web"`, `service "site"`, `gateway "public"`, `gateway "entry"`)
	keys := strings.NewReplacer("  count  = 2\n", "  for_each = toset([\"a\", \"b\"])\n", "volume.data[node.rank]", `volume.data[["a", "b"][node.rank]]`)
	for name, tc := range map[string]struct {
		to   string
		move [][2]string
		want []string
	}{
		"blocks get other names": {rename.Replace(everything),
			[][2]string{{"fleet.train", "fleet.gpus"}, {"volume.data", "volume.disk"}, {"task.tune", "task.train"}, {"service.web", "service.site"}, {"gateway.public", "gateway.entry"}},
			[]string{"fleet.train -> fleet.gpus (2)", "gateway.public -> gateway.entry (1)", "service.web -> service.site (4)", "task.tune -> task.train (2)", "volume.data[0] -> volume.disk[0] (1)", "volume.data[1] -> volume.disk[1] (1)"}},
		"numbers become names": {keys.Replace(everything),
			[][2]string{{"volume.data[0]", `volume.data["a"]`}, {"volume.data[1]", `volume.data["b"]`}},
			[]string{`volume.data[0] -> volume.data["a"] (1)`, `volume.data[1] -> volume.data["b"] (1)`}},
		"a chain of two names": {strings.ReplaceAll(strings.ReplaceAll(everything, `task "tune"`, `task "three"`), "task.tune", "task.three"),
			[][2]string{{"task.two", "task.three"}, {"task.tune", "task.two"}}, []string{"task.tune -> task.three (2)"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(everything)
			before := l.identities()
			hcl := tc.to
			for _, m := range tc.move {
				hcl += says(m[0], m[1])
			}
			state, err := l.store.Read(t.Context())
			require.NoError(t, err)
			head := state.Head()

			p := l.plan(hcl)
			pure(t, p)
			var got []string
			for _, m := range p.Moves {
				require.NotEmpty(t, m.Declared)
				got = append(got, m.From+" -> "+m.To+strings.ReplaceAll(" (N)", "N", string(rune('0'+m.Count))))
			}
			require.Empty(t, cmp.Diff(tc.want, got))
			require.NotZero(t, p.Summary.Move)
			require.Zero(t, p.Summary.Changes()-p.Summary.Move)
			require.Equal(t, head, p.Head, "a plan changes nothing")

			res, err := l.carry(hcl, p)
			require.NoError(t, err)
			require.True(t, res.Complete(), "%+v", res.Steps)
			require.Empty(t, cmp.Diff(before, l.identities()))
			l.still(hcl)   // while the blocks stay
			l.still(tc.to) // and when they are taken out
			l.same()
			l.apply("")
			require.Empty(t, l.objects())
		})
	}
}

// same proves that what carries an address in the world carries the recorded one.
func (l *life) same() {
	l.t.Helper()
	state, err := l.store.Read(l.t.Context())
	require.NoError(l.t, err)
	want, have := map[string]string{}, map[string]string{}
	for _, r := range state.Resources() {
		want[r.ID] = r.Address
	}
	for _, o := range l.objects() {
		have[o.ID] = o.Address
	}
	require.Empty(l.t, cmp.Diff(want, have))
}

func TestAMoveAndAChangeInOnePlan(t *testing.T) {
	l := newLife(t)
	const old = "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n"
	l.apply(old)
	hcl := strings.NewReplacer(`"data"`, `"disk"`, "100GB", "200GB").Replace(old) + says("volume.data", "volume.disk")
	p := l.plan(hcl)
	require.Equal(t, []string{"update volume.disk", "step move volume.disk", "step update volume.disk <- volume.disk"}, outline(p))
	require.Equal(t, plan.Summary{Update: 1, Move: 1}, p.Summary)
	require.Equal(t, "volume.data", p.Changes[0].PreviousAddress)
	require.Len(t, p.Changes[0].Diff, 1)
	require.Equal(t, "size", p.Changes[0].Diff[0].Path)
	require.Equal(t, []plan.Move{{From: "volume.data", To: "volume.disk", Declared: []string{p.Moves[0].Declared[0]}, Name: "data", Count: 1}}, p.Moves)
	_, err := l.carry(hcl, p)
	require.NoError(t, err)
	l.still(hcl)
	l.same()
}

func TestARunKeepsItsHistoryItsAttemptsAndItsName(t *testing.T) {
	l := newLife(t)
	const run = "task \"tune\" {\n  commands = [\"exit 0\"]\n}\n"
	l.apply(run)
	l.now = l.now.Add(time.Hour) // the job is done, and its instance's idle time over
	l.apply(run)
	state, err := l.store.Read(t.Context())
	require.NoError(t, err)
	require.Zero(t, state.Len(), "only history is left")
	hcl := strings.ReplaceAll(run, "tune", "train") + says("task.tune", "task.train")
	p := l.plan(hcl)
	require.Empty(t, p.Changes)
	require.Equal(t, 1, p.Summary.Move)
	require.True(t, planner.Changed(p))
	_, err = l.carry(hcl, p)
	require.NoError(t, err)
	l.still(hcl)
	state, err = l.store.Read(t.Context())
	require.NoError(t, err)
	got := state.Run("task.train")
	require.Equal(t, "tune", got.Name)
	require.Equal(t, []string{"task.tune"}, got.Former)
	require.Equal(t, "done", got.Jobs[0].Status)

	p = l.apply(strings.ReplaceAll(hcl, "exit 0", "exit 0 # again"))
	require.Contains(t, actions(p), "create task.train.job[0] on task.train.instance[0]")
	for _, c := range p.Changes {
		if c.Kind == addr.KindJob {
			require.Equal(t, 2, c.Attempt)
			require.Contains(t, string(c.After), `"run":"tune"`)
		}
	}
}

func TestAKeptNameGivesWayToOneThatIsWritten(t *testing.T) {
	l := newLife(t)
	const old = "volume \"data\" {\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n"
	l.apply(old)
	renamed := strings.ReplaceAll(old, `"data"`, `"disk"`) + says("volume.data", "volume.disk")
	l.apply(renamed)
	p := l.apply(strings.ReplaceAll(renamed, "size ", "name   = \"disk\"\n  size "))
	require.Equal(t, []string{"update volume.disk"}, actions(p))
	require.Equal(t, "name", p.Changes[0].Diff[0].Path)

	_, diags := l.try(renamed + old)
	require.True(t, diags.HasErrors())
	require.Contains(t, diags.Err().Error(), "What moved is still there")
	l.apply(strings.ReplaceAll(renamed, says("volume.data", "volume.disk"), ""))
	_, diags = l.try(strings.ReplaceAll(renamed, says("volume.data", "volume.disk"), "") + old)
	require.ErrorContains(t, diags.Err(), `both called "data"`)
	require.ErrorContains(t, diags.Err(), "volume.disk moved and has kept the name that it had before")
}

// try makes a plan that may be refused.
func (l *life) try(hcl string) (*plan.Plan, diag.List) {
	l.t.Helper()
	p, diags := newPlanner(l.t, l.world, backendFake+hcl)
	if diags.HasErrors() {
		return nil, diags
	}
	state, err := l.store.Read(l.t.Context())
	require.NoError(l.t, err)
	return p.Plan(l.t.Context(), planner.PlanOptions{State: state})
}

func TestWhereAMoveFindsSomethingTheOtherOneStays(t *testing.T) {
	l := newLife(t)
	const two = "volume \"aa\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\nvolume \"bb\" {\n  region = \"us-east-1\"\n  size   = \"2GB\"\n}\n"
	l.apply(two)
	_, b, _ := strings.Cut(two, "}\n")
	p, diags := l.try(b + says("volume.aa", "volume.bb"))
	require.NoError(t, diags.Err())
	require.Equal(t, []string{"delete volume.aa"}, actions(p))
	require.Empty(t, p.Moves)
	require.Len(t, diags.Warnings(), 1)
	require.Equal(t, "Both addresses have something", diags[0].Summary)
}

func TestAThingThatIsStillWantedWhereItWasCannotMove(t *testing.T) {
	l := newLife(t)
	const keyed = "volume \"aa\" {\n  for_each = toset([\"x\", \"y\"])\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\n"
	l.apply(keyed)
	_, diags := l.try(keyed + says(`volume.aa["x"]`, `volume.aa["z"]`))
	require.ErrorContains(t, diags.Err(), `volume.aa["x"] moved to volume.aa["z"], but the configuration still has volume.aa["x"]`)
}

func TestCountImpliesAMove(t *testing.T) {
	l := newLife(t)
	const one = "volume \"aa\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\n"
	two := strings.Replace(one, "  region", "  count = 2\n  region", 1)
	l.apply(one)
	p := l.apply(two)
	require.Equal(t, []string{"no-op volume.aa[0]", "create volume.aa[1]"}, actions(p))
	require.Empty(t, p.Moves[0].Declared)
	p = l.apply(one)
	require.Equal(t, []string{"no-op volume.aa", "delete volume.aa[1]"}, actions(p))
	state, err := l.store.Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, state.Names())
}

func TestAMoveNeedsNoProvider(t *testing.T) {
	l := newLife(t)
	l.apply(everything)
	hcl := strings.NewReplacer(`fleet "train"`, `fleet "gpus"`, "fleet.train", "fleet.gpus").Replace(everything) + says("fleet.train", "fleet.gpus")
	p := l.planWith(hcl, planner.PlanOptions{Refresh: plan.RefreshNone})
	pure(t, p)
	l.fault = `[{"fault": "transient", "op": "rename", "times": 1000}]`
	res, err := l.carry(hcl, p)
	require.NoError(t, err)
	require.True(t, res.Complete())
	noted := 0
	for _, s := range res.Steps {
		if s.Note != "" {
			noted++
			require.Contains(t, s.Note, "recorded under its new address")
		}
	}
	require.NotZero(t, noted)
	l.fault = ""
	l.still(hcl)
}

func TestAMoveThatWasCutOff(t *testing.T) {
	hcl := strings.NewReplacer(`fleet "train"`, `fleet "gpus"`, "fleet.train", "fleet.gpus", "100GB", "200GB", `task "tune"`, `task "train"`).Replace(everything) +
		says("fleet.train", "fleet.gpus") + says("task.tune", "task.train")
	for n := 1; ; n++ {
		l := newLife(t)
		l.apply(everything)
		before := l.identities()
		p := l.plan(hcl)
		session, err := l.store.Lock(t.Context(), statefile.NewHolder("apply", "ana", "laptop", 1, l.now, func(string) string { return "" }))
		require.NoError(t, err)
		_, err = l.planner(hcl).Apply(context.Background(), planner.ApplyOptions{Plan: p, Session: &brittle{Session: session, left: n}, By: "ana", Policy: soon()})
		require.NoError(t, session.Close(t.Context()))
		state, rerr := l.store.Read(t.Context())
		require.NoError(t, rerr)
		old, moved := state.Resource("fleet.train.instance[0]") != nil, state.Resource("fleet.gpus.instance[0]") != nil
		require.NotEqual(t, old, moved, "all or nothing has moved")
		require.Equal(t, old, state.Resource("task.tune.job[1]") != nil)
		res, again := l.carry(hcl, p)
		require.NoError(t, again, "the same plan goes on, after %d records", n)
		require.True(t, res.Complete() || res.AlreadyApplied)
		require.Empty(t, cmp.Diff(before, l.identities()))
		l.still(hcl)
		l.same()
		if err == nil {
			return
		}
		require.ErrorIs(t, err, errBroken)
	}
}

func TestASavedMoveIsStaleWhenWhatMovesHasChanged(t *testing.T) {
	l := newLife(t)
	const one = "volume \"aa\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\n"
	l.apply(one)
	hcl := strings.ReplaceAll(one, `"aa"`, `"bb"`) + says("volume.aa", "volume.bb")
	p := l.plan(hcl)
	for name, tc := range map[string]struct{ between, want string }{
		"it was changed":             {strings.ReplaceAll(one, "1GB", "2GB"), "volume.bb was changed"},
		"it was destroyed":           {"", "volume.aa is not recorded any more"},
		"another one took its place": {strings.ReplaceAll(one, `"aa"`, `"bb"`), "volume."},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(one)
			l.now = l.now.Add(time.Minute)
			p := l.plan(hcl)
			l.apply(tc.between)
			_, err := l.carry(hcl, p)
			stale := &apply.StaleError{}
			require.ErrorAs(t, err, &stale)
			require.Contains(t, err.Error(), tc.want)
		})
	}
	_, err := l.carry(hcl, p)
	require.NoError(t, err)
	res, err := l.carry(hcl, p)
	require.NoError(t, err)
	require.True(t, res.AlreadyApplied)
}
