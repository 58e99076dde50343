package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema/value"
)

// planAs plans with a person's own file and a chosen profile beside the configuration.
func planAs(t *testing.T, hcl, personal, chosen string) (*plan.Plan, diag.List) {
	t.Helper()
	l := newLife(t)
	p := l.planner("")
	sources := []config.Source{{Path: "main.dstack.hcl", Text: []byte(backendFake + hcl)}}
	if personal != "" {
		sources = append(sources, config.Source{Path: "/home/ana/.dstack/config.dstack.hcl", Text: []byte(personal), Personal: true})
	}
	var diags diag.List
	p.Config, diags = config.Load(t.Context(), config.LoadOptions{Dir: t.TempDir(), Sources: sources, Profile: chosen})
	if diags.HasErrors() {
		return nil, diags
	}
	return p.Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
}

const (
	plainFleet = "fleet \"lab\" {\n  nodes = 1\n}\n"
	inEurope   = "profile \"europe\" {\n  default = true\n  regions = [\"eu-west-1\"]\n}\n"
	inTheWest  = "profile \"west\" {\n  regions = [\"us-west-2\"]\n}\n"
)

// PRF-01: where a profile stands does not matter, the configuration's own default comes before a person's, and
// DSTACK_PROFILE before both; a block that names one has that.
func TestWhichProfileIsTheDefault(t *testing.T) {
	westDefault := strings.Replace(inTheWest, "regions", "default = true\n  regions", 1)
	for name, tc := range map[string]struct{ hcl, personal, chosen, region string }{
		"one that stands behind the fleet":      {plainFleet + westDefault, "", "", "us-west-2"},
		"a person's":                            {plainFleet, westDefault, "", "us-west-2"},
		"the configuration's before a person's": {plainFleet + westDefault, inEurope, "", "us-west-2"},
		"the chosen one":                        {plainFleet + inEurope + inTheWest, "", "west", "us-west-2"},
		"the chosen one of a person":            {plainFleet + inEurope, inTheWest, "west", "us-west-2"},
		"the one that is named, not the chosen one": {
			strings.Replace(plainFleet, "nodes", "profile = profile.europe\n  nodes", 1) + inEurope + inTheWest, "", "west", "eu-west-1"},
		"the default behind a fleet whose profile is null": {
			strings.Replace(plainFleet, "nodes", "profile = var.none\n  nodes", 1) + westDefault + "variable \"none\" {\n  default = null\n}\n", "", "", "us-west-2"},
		"one whose default is a variable": {plainFleet + strings.Replace(westDefault, "= true", "= var.west", 1) + "variable \"west\" {\n  default = true\n}\n", "", "", "us-west-2"},
		"one that uses what is looked up": {plainFleet + strings.Replace(westDefault, "[\"us-west-2\"]", "[data.offers.west.first.region]", 1) +
			"data \"offers\" \"west\" {\n  regions = [\"us-west-2\"]\n}\n", "", "", "us-west-2"},
	} {
		t.Run(name, func(t *testing.T) {
			p, diags := planAs(t, tc.hcl, tc.personal, tc.chosen)
			require.NoError(t, diags.Err())
			require.Equal(t, tc.region, changeOf(p, "fleet.lab.instance[0]").Offer.Region)
			require.Equal(t, tc.chosen, p.Profile)
		})
	}
}

func TestProfilesThatCannotStandIn(t *testing.T) {
	for name, tc := range map[string]struct{ hcl, chosen, want string }{
		"two defaults":              {plainFleet + inEurope + strings.Replace(inEurope, "europe", "west", 1), "", "profile.west and profile.europe (main.dstack.hcl:7) both say default"},
		"a chosen one that is none": {plainFleet + inEurope, "erope", `there is none of that name. Did you mean "europe"?`},
		"one that is named and is none": {strings.Replace(plainFleet, "nodes", "profile = profile.erope\n  nodes", 1) + inEurope, "",
			"There is no profile \"erope\". Did you mean profile.europe?"},
		"a default that needs what it stands in for": {plainFleet + strings.Replace(inEurope, "[\"eu-west-1\"]", "[fleet.lab.instance[0].region]", 1), "", "form a cycle"},
		"no events to retry":                         {plainFleet + "profile \"p\" {\n  retry = { on_events = [], duration = \"1h\" }\n}\n", "", "on_events"},
		"a price of nothing":                         {plainFleet + "profile \"p\" {\n  max_price = 0\n}\n", "", "Price is not above zero"},
		"an unknown policy":                          {plainFleet + "profile \"p\" {\n  spot_policy = \"cheap\"\n}\n", "", "spot"},
		"an unknown key":                             {plainFleet + "profile \"p\" {\n  regoins = [\"x\"]\n}\n", "", `Did you mean "regions"?`},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := planAs(t, tc.hcl, "", tc.chosen)
			require.True(t, diags.HasErrors())
			require.Contains(t, diags.Err().Error(), tc.want)
		})
	}
}

// PRF-02: what the block says, else its profile, else the language's default, for every attribute that profiles have.
func TestWhatAProfileSays(t *testing.T) {
	const run = `
task "train" {
  commands = ["sleep 1000"]
  MORE
}
`
	profile := `
profile "mine" {
  default            = true
  regions            = ["us-east-1"]
  availability_zones = ["us-east-1b"]
  instance_types     = ["a10g.1"]
  spot_policy        = "spot"
  max_price          = 1
  retry              = { on_events = ["error"], duration = "2h" }
  max_duration       = "3h"
  stop_duration      = "4m"
  stop_grace         = "20s"
  idle_duration      = "7m"
}
`
	p, diags := planAs(t, strings.Replace(run, "MORE", "", 1)+profile, "", "")
	require.NoError(t, diags.Err())
	instance, job := changeOf(p, "task.train.instance[0]"), changeOf(p, "task.train.job[0]")
	require.Equal(t, "a10g.1", instance.Offer.InstanceType)
	require.True(t, instance.Offer.Spot)
	require.Equal(t, "us-east-1b", instance.Zone)
	require.Less(t, instance.Offer.Price, value.Dollar)
	for _, want := range []string{`"max_duration":"3h"`, `"stop_duration":"4m"`, `"stop_grace":"20s"`, `"retry":"2h[error]"`} {
		require.Contains(t, string(job.After), want)
	}
	require.Contains(t, string(instance.After), `"idle_duration":"7m"`)

	p, diags = planAs(t, strings.Replace(run, "MORE", "spot_policy = \"on-demand\"\n  max_price = 5\n  max_duration = \"9h\"", 1)+profile, "", "")
	require.NoError(t, diags.Err())
	require.False(t, changeOf(p, "task.train.instance[0]").Offer.Spot)
	require.Contains(t, string(changeOf(p, "task.train.job[0]").After), `"max_duration":"9h"`)

	p, diags = planAs(t, strings.Replace(run, "MORE", "", 1), "", "")
	require.NoError(t, diags.Err())
	require.False(t, changeOf(p, "task.train.instance[0]").Offer.Spot, "on-demand unless somebody says otherwise")
	require.Contains(t, string(changeOf(p, "task.train.job[0]").After), `"max_duration":"72h"`)
}

// PRF-06: with creation_policy = "reuse" a run takes what is there, and never brings an instance.
func TestReuse(t *testing.T) {
	const hcl = `
profile "mine" {
  creation_policy = "reuse"
}
task "train" {
  profile  = profile.mine
  commands = ["sleep 1000"]
  resources {
    gpu = "A10G:1"
  }
}
`
	_, diags := planAs(t, hcl, "", "")
	require.ErrorContains(t, diags.Err(), "task.train")
	require.ErrorContains(t, diags.Err(), "reuse")
	p, diags := planAs(t, hcl+"fleet \"pool\" {\n  nodes = 1\n  resources {\n    gpu = \"A10G:1\"\n  }\n}\n", "", "")
	require.NoError(t, diags.Err())
	require.Equal(t, "fleet.pool.instance[0]", changeOf(p, "task.train.job[0]").Placement.Instance)
}

// PRF-08: a reservation is taken from a backend that has any, and none else is asked.
func TestAReservationOfAProfile(t *testing.T) {
	p, diags := planAs(t, "profile \"mine\" {\n  default = true\n  reservation = \"cr-1\"\n}\n"+plainFleet, "", "")
	require.NoError(t, diags.Err())
	require.Contains(t, string(changeOf(p, "fleet.lab.instance[0]").After), `"reservation":"cr-1"`)
}

// A default profile that is not known yet defers what it stands in for.
func TestADeferredDefaultProfile(t *testing.T) {
	p, diags := planAs(t, oneVolume+plainFleet+`
data "offers" "late" {
  regions = [volume.data.location]
}
profile "late" {
  default = true
  regions = [data.offers.late.first.region]
}
`, "", "")
	require.NoError(t, diags.Err())
	require.Equal(t, []string{"create volume.data"}, actions(p), "%v", p.Deferred)
	require.Equal(t, plan.Note{Address: "fleet.lab", Text: "profile.late stands in for what it does not say, and is deferred"}, p.Deferred[2])
}
