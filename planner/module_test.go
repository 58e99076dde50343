package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// sources are the files of a configuration: one text, or several as txtar has them.
func sources(text string) []config.Source {
	out := []config.Source{{Path: "main.dstack.hcl", Text: []byte(text)}}
	if !strings.Contains(text, "-- main.dstack.hcl --\n") {
		return out
	}
	ar := txtar.Parse([]byte(text))
	out[0].Text = ar.Comment
	for _, f := range ar.Files {
		if f.Name == out[0].Path {
			out[0].Text = append(out[0].Text, f.Data...)
			continue
		}
		out = append(out, config.Source{Path: f.Name, Text: f.Data})
	}
	return out
}

// large is a configuration of twelve modules, with for_each at three levels.
const large = `-- main.dstack.hcl --
variable "teams" {
  default = {
    ap = ["one", "two", "three"]
    eu = ["one", "two", "three"]
    us = ["one", "two", "three"]
  }
}
module "site" {
  source   = "./site"
  for_each = var.teams
  teams    = toset(each.value)
}
output "instances" {
  value = sum(flatten([for s in module.site : s.instances]))
}
-- site/main.dstack.hcl --
variable "teams" {
  type = set(string)
}
fleet "shared" {
  count = 2
  nodes = 5
}
task "shared" {
  count    = 2
  nodes    = 5
  fleet    = fleet.shared[count.index]
  commands = ["exit 0"]
}
module "team" {
  source   = "../team"
  for_each = var.teams
  fleets   = { for n in range(6) : "f${n}" => 5 }
}
output "instances" {
  value = concat([for f in fleet.shared : length(f.instance)], values(module.team)[*].instances)
}
-- team/main.dstack.hcl --
variable "fleets" {
  type = map(number)
}
fleet "own" {
  for_each = var.fleets
  nodes    = each.value
}
task "own" {
  for_each = var.fleets
  fleet    = fleet.own[each.key]
  nodes    = each.value
  commands = ["exit 0"]
}
output "instances" {
  value = sum([for f in fleet.own : length(f.instance)])
}
`

func TestModulesAtThreeLevels(t *testing.T) {
	if testing.Short() {
		t.Skip("600 resources, seven times over; go test without -short")
	}
	l := newLife(t)
	first := l.apply(large)
	count := map[string]int{}
	blocks := map[string]bool{}
	for _, c := range first.Changes {
		count[c.Kind]++
		if c.Kind == "support" {
			continue
		}
		at, _, _ := strings.Cut(c.Address, ".instance[")
		at, _, _ = strings.Cut(at, ".job[")
		blocks[at] = true
	}
	require.Equal(t, map[string]int{"instance": 300, "job": 300, "support": 2}, count, "two firewalls, one for each region")
	require.Len(t, blocks, 120, "60 fleets and 60 tasks")
	require.JSONEq(t, "300", string(first.Outputs["instances"].After))

	t.Run("a key that goes takes exactly its objects along", func(t *testing.T) {
		fewer := strings.Replace(large, `eu = ["one", "two", "three"]`, `eu = ["one", "three"]`, 1)
		var want []string
		for f := range 6 {
			for n := range 5 {
				want = append(want, fmt.Sprintf(`delete module.site["eu"].module.team["two"].fleet.own["f%d"].instance[%d]`, f, n),
					fmt.Sprintf(`delete module.site["eu"].module.team["two"].task.own["f%d"].job[%d]`, f, n))
			}
		}
		got := actions(l.plan(fewer))
		slices.Sort(want)
		slices.Sort(got)
		require.Empty(t, cmp.Diff(want, got))
	})
	t.Run("renaming with moved changes nothing", func(t *testing.T) {
		renamed := strings.NewReplacer(`module "team" {`, `module "squad" {`, "module.team", "module.squad", `module "site" {`, `module "place" {`, "module.site", "module.place",
			`fleet "own" {`, `fleet "ours" {`, "fleet.own", "fleet.ours").Replace(large)
		renamed = strings.Replace(renamed, "-- site/main.dstack.hcl --\n", "moved {\n  from = module.site\n  to   = module.place\n}\n-- site/main.dstack.hcl --\nmoved {\n  from = module.team\n  to   = module.squad\n}\n", 1)
		renamed += "moved {\n  from = fleet.own\n  to   = fleet.ours\n}\n"
		p := l.plan(renamed)
		for _, c := range p.Changes {
			require.Equal(t, plan.NoOp, c.Action, c.Address)
			require.NotEmpty(t, c.PreviousAddress)
			require.Empty(t, c.Diff)
		}
		require.Equal(t, plan.Summary{Move: 600}, p.Summary)
		_, err := l.carry(renamed, p)
		require.NoError(t, err)
		l.still(renamed)
		back := strings.Replace(large, "-- site/main.dstack.hcl --\n", "moved {\n  from = module.place\n  to   = module.site\n}\n-- site/main.dstack.hcl --\nmoved {\n  from = module.squad\n  to   = module.team\n}\n", 1)
		back += "moved {\n  from = fleet.ours\n  to   = fleet.own\n}\n"
		l.apply(back)
		l.still(large)
	})
	t.Run("a key that comes changes nothing else", func(t *testing.T) {
		more := strings.Replace(large, `us = ["one", "two", "three"]`, `us = ["a", "one", "two", "three"]`, 1)
		for _, a := range actions(l.plan(more)) {
			require.Contains(t, a, `create module.site["us"].module.team["a"].`)
		}
	})
}

func TestModules(t *testing.T) {
	for name, tc := range map[string]struct {
		files string
		want  []string // changes and steps
	}{
		"a module waits for what it is called with": {`-- main.dstack.hcl --
volume "first" {
  region = "us-east-1"
  size   = "1GB"
}
module "m" {
  source = "./m"
  label  = volume.first.name
}
-- m/main.dstack.hcl --
variable "label" {}
volume "second" {
  region = "us-east-1"
  size   = "1GB"
  name   = "${var.label}-second"
}
`, []string{
			"create volume.first", "create module.m.volume.second",
			"step create volume.first", "step create module.m.volume.second <- volume.first",
		}},
		"what uses an output waits for what the output is made of alone": {`-- main.dstack.hcl --
module "m" {
  source = "./m"
}
volume "last" {
  region = "us-east-1"
  size   = "1GB"
  name   = "last-${module.m.used}"
}
-- m/main.dstack.hcl --
volume "used" {
  region = "us-east-1"
  size   = "1GB"
}
volume "other" {
  region = "us-east-1"
  size   = "1GB"
}
output "used" {
  value = volume.used.name
}
`, []string{
			"create volume.last", "create module.m.volume.other", "create module.m.volume.used",
			"step create module.m.volume.other", "step create module.m.volume.used", "step create volume.last <- module.m.volume.used",
		}},
		"depends_on a module waits for all of it, and one of a module holds for all in it": {`-- main.dstack.hcl --
module "m" {
  source     = "./m"
  count      = 2
  depends_on = [volume.before]
}
volume "before" {
  region = "us-east-1"
  size   = "1GB"
}
volume "after" {
  region     = "us-east-1"
  size       = "1GB"
  depends_on = [module.m]
}
-- m/main.dstack.hcl --
volume "in" {
  region = "us-east-1"
  size   = "1GB"
}
`, []string{
			"create volume.after", "create volume.before", "create module.m[0].volume.in", "create module.m[1].volume.in",
			"step create volume.before", "step create module.m[0].volume.in <- volume.before", "step create module.m[1].volume.in <- volume.before",
			"step join module.m <- module.m[0].volume.in <- module.m[1].volume.in", "step create volume.after <- module.m",
		}},
		"the output of one instance of a module": {`-- main.dstack.hcl --
module "m" {
  source   = "./m"
  for_each = toset(["a", "b"])
}
volume "last" {
  region = "us-east-1"
  size   = "1GB"
  name   = "last-${module.m["b"].used}"
}
-- m/main.dstack.hcl --
volume "v" {
  region = "us-east-1"
  size   = "1GB"
}
output "used" {
  value = volume.v.name
}
`, []string{
			"create volume.last", `create module.m["a"].volume.v`, `create module.m["b"].volume.v`,
			`step create module.m["a"].volume.v`, `step create module.m["b"].volume.v`,
			`step join module.m.volume.v <- module.m["a"].volume.v <- module.m["b"].volume.v`, "step create volume.last <- module.m.volume.v",
		}},
		"what stands in one instance of a module waits for that instance alone": {`-- main.dstack.hcl --
module "m" {
  source   = "./m"
  for_each = toset(["a", "b"])
}
-- m/main.dstack.hcl --
volume "v" {
  region = "us-east-1"
  size   = "1GB"
}
module "n" {
  source = "./n"
  name   = volume.v.name
}
volume "w" {
  region = "us-east-1"
  size   = "1GB"
  name   = module.n.name
}
-- m/n/main.dstack.hcl --
variable "name" {}
volume "x" {
  region = "us-east-1"
  size   = "1GB"
  name   = "x-${var.name}"
}
output "name" {
  value = "of-${volume.x.name}"
}
`, []string{
			`create module.m["a"].volume.v`, `create module.m["a"].volume.w`, `create module.m["a"].module.n.volume.x`,
			`create module.m["b"].volume.v`, `create module.m["b"].volume.w`, `create module.m["b"].module.n.volume.x`,
			`step create module.m["a"].volume.v`, `step create module.m["a"].module.n.volume.x <- module.m["a"].volume.v`,
			`step create module.m["a"].volume.w <- module.m["a"].module.n.volume.x`,
			`step create module.m["b"].volume.v`, `step create module.m["b"].module.n.volume.x <- module.m["b"].volume.v`,
			`step create module.m["b"].volume.w <- module.m["b"].module.n.volume.x`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, diags := makePlan(t, emptyState(), backendFake+tc.files)
			require.NoError(t, diags.Err())
			got := outline(p)
			slices.Sort(got)
			slices.Sort(tc.want)
			require.Empty(t, cmp.Diff(tc.want, got))
		})
	}
}

// late is a configuration whose modules are known only once a volume is there.
const late = `-- main.dstack.hcl --
volume "first" {
  region = "us-east-1"
  size   = "1GB"
}
module "m" {
  source   = "./m"
  for_each = toset([volume.first.id])
}
module "n" {
  source = "./m"
}
volume "last" {
  region = "us-east-1"
  size   = "1GB"
  name   = "last-${length(module.m)}"
}
-- m/main.dstack.hcl --
volume "v" {
  region = "us-east-1"
  size   = "1GB"
}
output "v" {
  value = volume.v.name
}
`

func notes(of []plan.Note) []string {
	var out []string
	for _, n := range of {
		out = append(out, n.Address+": "+n.Text)
	}
	return out
}

func TestAModuleOfWhichTheNumberIsUnknownIsDeferred(t *testing.T) {
	l := newLife(t)
	p := l.plan(late)
	require.False(t, p.Complete)
	require.Empty(t, cmp.Diff([]string{"create volume.first", "create module.n.volume.v"}, actions(p)))
	require.Empty(t, cmp.Diff([]string{
		"module.m: how many there are depends on volume.first.id, which is known only after volume.first is created",
		"volume.last: it refers to module.m.volume.v.name, which is deferred",
	}, notes(p.Deferred)))
	_, err := l.carry(late, p)
	require.NoError(t, err)
}
