package planner_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

const found = `
fleet "lab" {
  nodes   = 1
  regions = ["us-east-1"]
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
`

// lost is a life whose world has things that its state knows nothing of, by the address that they had in the former one.
func lost(t *testing.T, hcl string) (*life, map[string]fake.Object) {
	t.Helper()
	before := newLife(t)
	before.apply(hcl)
	there := map[string]fake.Object{}
	for _, o := range before.objects("instance", "volume", "gateway") {
		there[o.Address] = o
	}
	l := newLife(t)
	l.world = before.world
	return l, there
}

// takes is a block import.
func takes(to, id string) string {
	return fmt.Sprintf("import {\n  to = %s\n  id = %q\n}\n", to, id)
}

func takesAll(there map[string]fake.Object) string {
	hcl := ""
	for _, address := range []string{"fleet.lab.instance[0]", "volume.data[0]", "volume.data[1]", "gateway.public"} {
		hcl += takes(address, there[address].ID)
	}
	return hcl
}

func TestWhatExistsIsTakenOver(t *testing.T) {
	for name, tc := range map[string]struct {
		change []string // of the configuration
		want   []string
		sum    plan.Summary
	}{
		"as it is": {nil, []string{"no-op fleet.lab.instance[0]", "no-op gateway.public", "no-op volume.data[0]", "no-op volume.data[1]"}, plan.Summary{Import: 4}},
		"and changed in place": {[]string{`"100GB"`, `"200GB"`}, []string{"no-op fleet.lab.instance[0]", "no-op gateway.public", "update volume.data[0]", "update volume.data[1]"},
			plan.Summary{Import: 4, Update: 2}},
		"and replaced": {[]string{`"100GB"`, `"50GB"`}, []string{"no-op fleet.lab.instance[0]", "no-op gateway.public", "delete,create volume.data[0]", "delete,create volume.data[1]"},
			plan.Summary{Import: 4, Replace: 2}},
		"with what only the record knows": {[]string{"nodes   = 1", "nodes   = 1\n  idle_duration = \"1h\""},
			[]string{"update fleet.lab.instance[0]", "no-op gateway.public", "no-op volume.data[0]", "no-op volume.data[1]"}, plan.Summary{Import: 4}},
		"beside what is new": {[]string{"count  = 2", "count  = 3"},
			[]string{"no-op fleet.lab.instance[0]", "no-op gateway.public", "no-op volume.data[0]", "no-op volume.data[1]", "create volume.data[2]"}, plan.Summary{Import: 4, Create: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l, there := lost(t, found)
			hcl := strings.NewReplacer(tc.change...).Replace(found)
			p := l.plan(hcl + takesAll(there))
			got := actions(p)
			got = withoutSupport(got)
			require.Empty(t, cmp.Diff(tc.want, got), diffs(p))
			tc.sum.Support = p.Summary.Support
			require.Equal(t, tc.sum, p.Summary)
			require.True(t, planner.Changed(p))
			for _, c := range p.Changes {
				if c.Import != nil {
					require.Equal(t, there[c.Address].ID, c.Import.ID)
					require.Contains(t, c.Import.Declared, "main.dstack.hcl:")
				}
			}
			res, err := l.carry(hcl, p)
			require.NoError(t, err)
			require.True(t, res.Complete(), "%+v", res.Steps)
			state := l.mustState()
			for _, o := range l.objects("instance", "volume", "gateway") {
				r := state.Resource(o.Address)
				require.NotNil(t, r, o.Address)
				require.Equal(t, o.ID, r.ID)
				require.Equal(t, o.Key, r.Key)
				require.Equal(t, state.Lineage(), o.Lineage)
			}
			l.still(hcl + takesAll(there))
			l.still(hcl)
		})
	}
}

func TestRunsStandOnWhatIsTakenOver(t *testing.T) {
	l, there := lost(t, found)
	run := `
task "tune" {
  fleet    = fleet.lab
  commands = ["sleep 1000"]
  volumes  = [{ volume = volume.data[0], path = "/data" }]
}
`
	hcl := found + run + takesAll(there)
	p := l.plan(hcl)
	require.Contains(t, actions(p), "create task.tune.job[0] on fleet.lab.instance[0]")
	taken := map[string]int{}
	for i, s := range p.Steps {
		if s.Op == plan.OpImport {
			taken[s.Address] = i
		}
	}
	for _, s := range p.Steps {
		if s.Op == plan.OpCreate && s.Address == "task.tune.job[0]" {
			require.Contains(t, s.Needs, taken["fleet.lab.instance[0]"])
		}
	}
	l.apply(hcl)
}

func TestImportsThatCannotBe(t *testing.T) {
	l, there := lost(t, found)
	data := there["volume.data[0]"].ID
	one := "volume \"one\" {\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n"
	for name, tc := range map[string]struct{ hcl, summary, detail string }{
		"nothing is there":           {one + takes("volume.one", "vol-404"), "Nothing is there to import", "There is no volume vol-404 in the account"},
		"a thing of another kind":    {one + takes("volume.one", there["gateway.public"].ID), "Nothing is there to import", "There is no volume"},
		"there is no block":          {takes("volume.one", data), "There is no block for it", "--generate-config-out"},
		"the block has no such key":  {strings.Replace(one, "  region", "  count = 1\n  region", 1) + takes("volume.one[3]", data), "Nobody wants what is imported", "volume.one has no such repetition"},
		"the block has no keys":      {one + takes(`volume.one["x"]`, data), "Nobody wants what is imported", "has no such repetition"},
		"one thing at two addresses": {one + strings.Replace(one, `"one"`, `"two"`, 1) + takes("volume.one", data) + takes("volume.two", data), "One thing imported twice", data},
		"an unknown backend":         {one + "import {\n  to = volume.one\n  id = \"x\"\n  backend = \"clod\"\n}\n", "No such backend", `"cloud"`},
		"the backend is another one": {strings.Replace(one, "  region", "  backend = \"cloud\"\n  region", 1) + "backend \"two\" {\n  provider = \"fake\"\n}\nimport {\n  to = volume.one\n  id = \"x\"\n  backend = \"two\"\n}\n", "Backends differ", `volume.one is on backend "cloud"`},
		"which backend is not said":  {found + "backend \"two\" {\n  provider = \"fake\"\n}\n" + takes("fleet.lab.instance[0]", "x"), "Backend is not said", "backend = \"cloud\""},
		"what nobody takes over":     {found + "task \"tt\" {\n  commands = [\"sleep 1\"]\n}\n" + takes("task.tt.job[0]", "x"), "A job cannot be imported", "Volumes, gateways and instances"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := l.try(tc.hcl)
			require.True(t, diags.HasErrors())
			require.Equal(t, tc.summary, diags[0].Summary, diags[0].Detail)
			require.Contains(t, diags[0].Detail, tc.detail)
			require.NotNil(t, diags[0].Range, "it says where")
		})
	}
	require.Empty(t, l.mustState().Resources())
}

// stranger is a provider that takes nothing over.
type stranger struct{ providers.Provider }

func (s stranger) Describe(ctx context.Context) (providers.Description, error) {
	d, err := s.Provider.Describe(ctx)
	d.Capabilities.Imports = maps.Clone(d.Capabilities.Imports)
	delete(d.Capabilities.Imports, "volume")
	return d, err
}

func TestABackendThatTakesNothingOver(t *testing.T) {
	l, there := lost(t, found)
	p := l.planner(found + takesAll(there))
	p.Providers = cloud{stranger{p.Providers.(cloud).provider}}
	_, diags := p.Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
	require.Len(t, diags.Errors(), 2)
	require.Equal(t, "Backend takes nothing over", diags.Errors()[0].Summary)
	require.Contains(t, diags.Errors()[0].Detail, `The provider "fake" of backend "cloud" cannot import a volume. It imports instances, gateways.`)
}

func TestAnAddressHasOneThingAndAThingOneAddress(t *testing.T) {
	l := newLife(t)
	l.apply(found)
	state := l.mustState()
	first, second := state.Resource("volume.data[0]"), state.Resource("volume.data[1]")
	_, diags := l.try(found + takes("volume.data[0]", second.ID))
	require.Equal(t, "Another thing is recorded there", diags[0].Summary)
	require.Contains(t, diags[0].Detail, "state rm 'volume.data[0]'")

	_, diags = l.try(strings.Replace(found, "count  = 2", "count  = 3", 1) + takes("volume.data[2]", first.ID))
	require.Equal(t, "It is recorded already", diags[0].Summary)
	require.Contains(t, diags[0].Detail, "from = volume.data[0]\n    to   = volume.data[2]")

	l.still(found + takes("volume.data[0]", first.ID))               // done long ago
	l.still(found + takes("volume.data[0]", "vol-of-a-former-life")) // which was replaced since
	require.Empty(t, actions(l.planWith(found+takes("volume.data[0]", second.ID), planner.PlanOptions{Refresh: plan.RefreshNone})))
	p := l.planWith(found+takes("volume.data[0]", second.ID), planner.PlanOptions{Destroy: true})
	require.NotZero(t, p.Summary.Destroy, "a destroy takes nothing over")
}

func TestWhatAnotherStateHasMadeIsTakenOverWithAWarning(t *testing.T) {
	l, there := lost(t, found)
	p, diags := l.try(found + takesAll(there))
	require.NoError(t, diags.Err())
	require.Len(t, diags.Warnings(), 1)
	require.Equal(t, "Another state has made it", diags[0].Summary)
	require.Contains(t, diags[0].Detail, "fleet.lab.instance[0] and 3 more are tagged as made by the state")
	require.Contains(t, diags[0].Detail, "dstack state rm 'fleet.lab.instance[0]' gateway.public 'volume.data[0]' 'volume.data[1]'")
	require.Equal(t, there["volume.data[0]"].Address, changeOf(p, "volume.data[0]").Import.Address)
}

func TestAPartialPlanLeavesImportsOut(t *testing.T) {
	l, there := lost(t, found)
	hcl := found + takesAll(there)
	p := l.planWith(hcl, planner.PlanOptions{Targets: subjectsOf(t, "volume.data[0]")})
	require.Equal(t, []string{"no-op volume.data[0]"}, actions(p))
	require.Len(t, p.NotPlanned, 3)
	p = l.planWith(hcl, planner.PlanOptions{Excludes: subjectsOf(t, "volume.data", "gateway.public")})
	require.Equal(t, []string{"no-op fleet.lab.instance[0]"}, withoutSupport(actions(p)))
	res, err := l.carry(hcl, p)
	require.NoError(t, err)
	require.True(t, res.Complete())
	p = l.plan(hcl)
	require.Equal(t, 3, p.Summary.Import)
	l.apply(hcl)
}

func TestAnImportToADeferredBlockWaits(t *testing.T) {
	l, there := lost(t, found)
	hcl := "volume \"other\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\nvolume \"data\" {\n  count  = volume.other.location == \"\" ? 1 : 2\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n" +
		takes("volume.data[0]", there["volume.data[0]"].ID)
	p := l.plan(hcl)
	require.Equal(t, []string{"create volume.other"}, actions(p))
	require.Zero(t, p.Summary.Import, "it may be destroyed once the number is known")
	require.Len(t, p.Deferred, 1)
	_, err := l.carry(hcl, p)
	require.NoError(t, err)
	p = l.apply(hcl)
	require.Equal(t, []string{"no-op volume.data[0]", "create volume.data[1]"}, actions(p))
	require.Equal(t, 1, p.Summary.Import)
}

func TestASavedImportIsTakenOverAsItWasFound(t *testing.T) {
	hcl := func(id string) string {
		return "volume \"one\" {\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n" + takes("volume.one", id)
	}
	t.Run("somebody has changed it since", func(t *testing.T) {
		before := newLife(t)
		before.apply(found)
		id := before.mustState().Resource("volume.data[0]").ID
		l := newLife(t)
		l.world = before.world
		p := l.plan(hcl(id))
		before.apply(strings.Replace(found, "100GB", "300GB", 1))
		res, err := l.carry(hcl(id), p)
		require.NoError(t, err)
		require.False(t, res.Complete())
		require.ErrorContains(t, res.Steps[0].Err, "size of "+id+" was changed after the plan was made; plan again")
		require.Empty(t, l.mustState().Resources())
	})
	t.Run("another state has taken it over since", func(t *testing.T) {
		l, there := lost(t, found)
		id := there["volume.data[0]"].ID
		p := l.plan(hcl(id))
		other := newLife(t)
		other.world = l.world
		other.apply(hcl(id))
		res, err := l.carry(hcl(id), p)
		require.NoError(t, err)
		require.ErrorContains(t, res.Steps[0].Err, "has taken "+id+" over after the plan was made, as volume.one; plan again")
		require.Empty(t, l.mustState().Resources())
		for _, o := range l.objects("volume") {
			require.Equal(t, o.ID == id, o.Lineage == other.mustState().Lineage(), "it is theirs")
		}
	})
	t.Run("it is gone", func(t *testing.T) {
		l, there := lost(t, found)
		id := there["volume.data[0]"].ID
		p := l.plan(hcl(id))
		require.NoError(t, l.world.Delete(id))
		res, err := l.carry(hcl(id), p)
		require.NoError(t, err)
		require.ErrorContains(t, res.Steps[0].Err, "there is no volume "+id)
	})
	t.Run("something else was made there", func(t *testing.T) {
		l, there := lost(t, found)
		id := there["volume.data[0]"].ID
		p := l.plan(hcl(id))
		text, _, _ := strings.Cut(hcl(id), "import")
		l.now = l.now.Add(time.Minute)
		l.apply(text)
		_, err := l.carry(hcl(id), p)
		stale := &apply.StaleError{}
		require.ErrorAs(t, err, &stale)
		require.Contains(t, err.Error(), "volume.one was created")
	})
}

func TestImportsAreTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		faults string
		tries  int
		fails  string
	}{
		"looking for it fails twice":      {`[{"fault":"transient","op":"locate","times":2}]`, 3, ""},
		"the cloud is asked too often":    {`[{"fault":"throttled","op":"adopt","times":3}]`, 4, ""},
		"it never ends":                   {`[{"fault":"transient","op":"adopt"}]`, 5, "adopt of volume: transient"},
		"it may not be done":              {`[{"fault":"auth","op":"adopt"}]`, 1, "take over vol-"},
		"the answer is lost":              {`[{"fault":"lost","op":"adopt","times":1}]`, 1, "the answer to adopt was lost"},
		"somebody else is at it just now": {`[{"fault":"conflict","op":"adopt","times":1}]`, 1, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			l, there := lost(t, found)
			hcl := "volume \"one\" {\n  region = \"us-east-1\"\n  size   = \"200GB\"\n}\n" + takes("volume.one", there["volume.data[0]"].ID)
			p := l.plan(hcl)
			require.Equal(t, []string{"update volume.one"}, actions(p))
			l.fault = tc.faults
			res, err := l.carry(hcl, p)
			require.NoError(t, err)
			if tc.fails == "" {
				require.True(t, res.Complete(), "%+v", res.Steps)
				require.Equal(t, tc.tries-1, res.Steps[0].Tries)
			} else {
				require.ErrorContains(t, res.Steps[0].Err, tc.fails)
				require.Equal(t, tc.tries, res.Steps[0].Tries)
				require.Equal(t, apply.Skipped, res.Steps[1].Status, "it is not updated before it is ours")
				require.Empty(t, l.mustState().Resources())
				l.fault = ""
				res, err = l.carry(hcl, p)
				require.NoError(t, err)
				require.True(t, res.Complete(), "the same plan goes on: %+v", res.Steps)
			}
			l.still(hcl)
			require.Len(t, l.objects("volume"), 2)
		})
	}
}

func TestAnImportThatWasCutOff(t *testing.T) {
	for name, change := range map[string][]string{"as it is": nil, "updated": {`"100GB"`, `"200GB"`}, "replaced": {`"100GB"`, `"50GB"`},
		"replaced, the new one first": {`"100GB"`, `"50GB"`, "  count", "  lifecycle {\n    create_before_destroy = true\n  }\n  count"}} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				l, there := lost(t, found)
				hcl := strings.NewReplacer(change...).Replace(found) + takesAll(there)
				p := l.plan(hcl)
				session, err := l.store.Lock(t.Context(), statefile.NewHolder("apply", "ana", "laptop", 1, l.now, func(string) string { return "" }))
				require.NoError(t, err)
				_, err = l.planner(hcl).Apply(context.Background(), planner.ApplyOptions{Plan: p, Session: &brittle{Session: session, left: n}, By: "ana", Policy: soon(), Parallelism: 1})
				require.NoError(t, session.Close(t.Context()))
				res, again := l.carry(hcl, p)
				require.NoError(t, again, "the same plan goes on, after %d records", n)
				require.True(t, res.Complete() || res.AlreadyApplied, "%+v", res.Steps)
				require.Len(t, l.objects("instance", "volume", "gateway"), 4, "nothing was made twice, after %d records", n)
				l.still(hcl)
				if err == nil {
					return
				}
				require.ErrorIs(t, err, errBroken)
			}
		})
	}
}
