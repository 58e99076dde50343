package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// PRF-01, PRF-02: the profile that is named, else the default one, stands in for what is not written.
func TestWhichProfileStandsIn(t *testing.T) {
	const profiles = `
profile "europe" {
  default = true
  regions = ["eu-west-1"]
}
profile "america" {
  regions = ["us-east-1"]
}
fleet "lab" {
  nodes = 1
  MORE
}
`
	for name, tc := range map[string]struct{ more, region string }{
		"none is named: the default":          {"", "eu-west-1"},
		"one is named":                        {"profile = profile.america", "us-east-1"},
		"what the block says comes before it": {"profile = profile.america\n  regions = [\"eu-west-1\"]", "eu-west-1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newLife(t).plan(strings.Replace(profiles, "MORE", tc.more, 1))
			require.Equal(t, tc.region, changeOf(p, "fleet.lab.instance[0]").Offer.Region)
		})
	}
}

// GTW-02: a service is published by the gateway that it names, else by the default, else by the only one.
func TestWhichGatewayPublishesAService(t *testing.T) {
	const service = `
fleet "lab" {
  nodes = 1
}
service "llama" {
  fleet    = fleet.lab
  port     = 8000
  auth     = false
  commands = ["serve"]
  MORE
}
`
	const one = "gateway \"one\" {\n  region = \"us-east-1\"\n  domain = \"*.one.example\"\n}\n"
	const two = "gateway \"two\" {\n  region = \"us-east-1\"\n  domain = \"*.two.example\"\n}\n"
	first := strings.Replace(two, "domain", "default = true\n  domain", 1)
	for name, tc := range map[string]struct{ gateways, more, target string }{
		"there is none":                 {"", "", ""},
		"the only one":                  {one, "", "gateway.one"},
		"the default of two":            {one + first, "", "gateway.two"},
		"the one that is named":         {one + first, "gateway = gateway.one", "gateway.one"},
		"false is none":                 {one, "gateway = false", ""},
		"two, and none is the default":  {one + two, "", "Gateway is ambiguous"},
		"two, and both are the default": {strings.Replace(one, "domain", "default = true\n  domain", 1) + first, "", "Gateway is ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			hcl := tc.gateways + strings.Replace(service, "MORE", tc.more, 1)
			p, diags := l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
			if !strings.HasPrefix(tc.target, "gateway.") && tc.target != "" {
				require.True(t, diags.HasErrors())
				require.Equal(t, tc.target, diags[0].Summary)
				require.Contains(t, diags[0].Detail, "gateway.one")
				return
			}
			require.NoError(t, diags.Err())
			target := ""
			if c := changeOf(p, `service.llama.support["route/0"]`); c != nil {
				i := slices.Index(c.Needs, tc.target)
				require.GreaterOrEqual(t, i, 0, "%v", c.Needs)
				target = c.Needs[i]
			}
			require.Equal(t, tc.target, target)
		})
	}
}

// RUN-06: a node starts when all instances of its replica are there, since DSTACK_NODES_IPS names them all.
func TestEveryNodeWaitsForAllInstances(t *testing.T) {
	p := newLife(t).plan(cluster)
	for _, job := range []string{"task.tune.job[0]", "task.tune.job[1]"} {
		var before []string
		for i := range p.Steps {
			if p.Steps[i].Address == job && p.Steps[i].Op == plan.OpCreate {
				before = needed(p, i)
			}
		}
		for _, in := range []string{"fleet.train.instance[0]", "fleet.train.instance[1]"} {
			require.Contains(t, before, "create "+in, job)
		}
	}
}

// needed lists all steps that come before one because of an edge.
func needed(p *plan.Plan, step int) []string {
	var out []string
	for _, n := range p.Steps[step].Needs {
		out = append(out, string(p.Steps[n].Op)+" "+p.Steps[n].Address)
		out = append(out, needed(p, n)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Edges stay few: what refers to a block of several waits for one step that stands for them all, and a reference to one
// of them is a reference to the block.
func TestAReferenceToABlockIsOneEdge(t *testing.T) {
	const hcl = `
volume "many" {
  count  = 3
  region = "us-east-1"
  size   = "1GB"
}
volume "next" {
  count  = 2
  region = "us-east-1"
  size   = "1GB"
  name   = "next-${volume.many[count.index].name}"
}
`
	p := newLife(t).plan(hcl)
	var got []string
	for i, s := range p.Steps {
		if len(s.Needs) > 0 {
			var needs []string
			for _, n := range p.Steps[i].Needs {
				needs = append(needs, string(p.Steps[n].Op)+" "+p.Steps[n].Address)
			}
			got = append(got, string(s.Op)+" "+s.Address+" after "+strings.Join(needs, ", "))
		}
	}
	slices.Sort(got)
	require.Empty(t, cmp.Diff([]string{
		"create volume.next[0] after join volume.many",
		"create volume.next[1] after join volume.many",
		"join volume.many after create volume.many[0], create volume.many[1], create volume.many[2]",
	}, got))
}

// VOL-08: what a job mounts must be there, in one place, for every node.
func TestMountsOfVolumesThatAreNotThere(t *testing.T) {
	const hcl = `
fleet "lab" {
  nodes = 1
}
volume "data" {
  region = "us-east-1"
  size   = "1GB"
}
task "train" {
  fleet    = fleet.lab
  commands = ["train"]
  volumes  = ["MOUNTED:/data"]
}
`
	l := newLife(t)
	_, diags := l.planner(strings.Replace(hcl, "MOUNTED", "date", 1)).Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
	require.ErrorContains(t, diags.Err(), `mounts the volume "date", and there is no such volume`)
	require.ErrorContains(t, diags.Err(), `Did you mean "data"?`)
	_, diags = l.planner(strings.Replace(hcl, "MOUNTED", "data", 1)).Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
	require.NoError(t, diags.Err())
}
