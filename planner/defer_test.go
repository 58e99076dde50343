package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const madeForABackend = oneVolume + `
backend "other" {
  provider = "fake"
  settings = { account = volume.data.location }
}
`

// L13: the settings of a backend that depend on a resource of the same run defer what is made there instead of failing.
func TestABackendThatDependsOnAResource(t *testing.T) {
	for name, tc := range map[string]struct {
		hcl  string
		want []string // deferred, beside the backend
		made []string // in the first round, beside volume.data
		then []string // in the second
	}{
		"a volume on it": {`
volume "there" {
  backend = "other"
  region  = "us-east-1"
  size    = "1GB"
}`, []string{"volume.there"}, nil, []string{"create volume.there"}},
		"a volume on it by reference": {`
volume "there" {
  backend = backend.other.name
  region  = "us-east-1"
  size    = "1GB"
}`, []string{"volume.there"}, nil, []string{"create volume.there"}},
		"a volume elsewhere": {`
volume "here" {
  backend = "cloud"
  region  = "us-east-1"
  size    = "1GB"
}`, nil, []string{"create volume.here"}, nil},
		"a fleet on it, and what runs there": {`
fleet "there" {
  nodes    = 1
  backends = ["other"]
  resources {
    gpu = "A10G:1"
  }
}
task "train" {
  fleet    = fleet.there
  commands = ["sleep 1000"]
}`, []string{"fleet.there", "task.train"}, nil, []string{"create fleet.there.instance[0]", "create task.train.job[0] on fleet.there.instance[0]"}},
		"a run on any backend": {`
task "train" {
  regions  = ["us-east-1"]
  commands = ["sleep 1000"]
  resources {
    gpu = "A10G:1"
  }
}`, nil, []string{"create task.train.instance[0]", "create task.train.job[0] on task.train.instance[0]"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			hcl := strings.Replace(madeForABackend, "region = ", "backend = \"cloud\"\n  region = ", 1) + tc.hcl
			p := l.plan(hcl)
			require.False(t, p.Complete)
			var deferred []string
			for _, n := range p.Deferred {
				if n.Address == "backend.other" {
					require.Equal(t, "its settings depend on volume.data.location, which is known only after volume.data is created", n.Text)
					continue
				}
				deferred = append(deferred, n.Address)
				require.Regexp(t, `^the settings of backend\.other depend on volume\.data\.location, which is known only after volume\.data is created$|^it refers to `, n.Text)
			}
			require.Equal(t, tc.want, deferred)
			require.ElementsMatch(t, append([]string{"create volume.data"}, tc.made...), withoutSupport(actions(p)))
			_, err := l.carry(hcl, p)
			require.NoError(t, err)
			p = l.apply(hcl)
			require.True(t, p.Complete)
			require.ElementsMatch(t, tc.then, withoutSupport(actions(p)))
		})
	}
}

func withoutSupport(list []string) []string {
	var out []string
	for _, s := range list {
		if !strings.Contains(s, ".support[") {
			out = append(out, s)
		}
	}
	return out
}

// What is recorded stays reachable while the settings of its backend are about to change.
func TestABackendWhoseSettingsAreAboutToChange(t *testing.T) {
	l := newLife(t)
	hcl := strings.Replace(madeForABackend, "region = ", "backend = \"cloud\"\n  region = ", 1) + `
volume "there" {
  backend = "other"
  region  = "us-east-1"
  size    = "1GB"
}
`
	p := l.plan(hcl)
	_, err := l.carry(hcl, p)
	require.NoError(t, err)
	l.apply(hcl)
	moved := strings.Replace(hcl, "region = \"us-east-1\"", "region = \"us-west-2\"", 1)
	require.NotEqual(t, hcl, moved)
	p = l.plan(moved)
	require.Equal(t, []string{"delete,create volume.data"}, actions(p))
	require.Equal(t, []plan.Note{
		{Address: "volume.there", Text: "the settings of backend.other depend on volume.data.location, which is known only after volume.data is replaced"},
		{Address: "backend.other", Text: "its settings depend on volume.data.location, which is known only after volume.data is replaced"},
	}, p.Deferred)
	p, diags := l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: l.mustState(), Destroy: true})
	require.NoError(t, diags.Err())
	require.ElementsMatch(t, []string{"delete volume.data", "delete volume.there"}, actions(p))
	_, err = l.carry(hcl, p)
	require.NoError(t, err)
	require.Empty(t, l.objects("volume"))
}

func TestUnknownNumbersAndBackendsNameTheReference(t *testing.T) {
	for name, tc := range map[string]struct{ hcl, why string }{
		"nodes of a fleet": {`
fleet "lab" {
  nodes = length(volume.data.location)
}`, "its number of nodes depends on volume.data.location, which is known only after volume.data is created"},
		"nodes of a task": {`
task "lab" {
  nodes    = length(volume.data.location)
  commands = ["x"]
}`, "its number of nodes depends on volume.data.location, which is known only after volume.data is created"},
		"replicas of a service": {`
service "lab" {
  port     = 80
  replicas = length(volume.data.location)
  commands = ["x"]
}`, "its number of replicas depends on volume.data.location, which is known only after volume.data is created"},
		"backends of a fleet": {`
fleet "lab" {
  nodes    = 1
  backends = [volume.data.location]
}`, "its backends depend on volume.data.location, which is known only after volume.data is created"},
		"the backend of a volume": {`
locals {
  where = volume.data.location
}
volume "lab" {
  backend = local.where
  region  = "us-east-1"
  size    = "1GB"
}`, "its backend depends on volume.data.location (by way of local.where), which is known only after volume.data is created"},
		"for_each": {`
volume "lab" {
  for_each = toset([volume.data.location])
  region   = "us-east-1"
  size     = "1GB"
}`, "how many there are depends on volume.data.location, which is known only after volume.data is created"},
		"backends of a profile": {`
profile "where" {
  backends = [volume.data.location]
}
fleet "lab" {
  nodes   = 1
  profile = profile.where
}`, "its backends depend on volume.data.location (by way of profile.where), which is known only after volume.data is created"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			p := l.plan(oneVolume + tc.hcl)
			require.Len(t, p.Deferred, 1)
			require.Equal(t, tc.why, p.Deferred[0].Text)
			require.Equal(t, []string{"create volume.data"}, actions(p))
		})
	}
}
