package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// L8: what is refused names the rule, where it stands, and how to lift it for one run.
func TestARefusedDestroySaysHowToLiftIt(t *testing.T) {
	const hcl = `
variable "prod" {
  type    = bool
  default = true
}
variable "stage" {
  default = "live"
}
volume "data" {
  region = "us-east-1"
  size   = "100GB"
  lifecycle {
    prevent_destroy = RULE
  }
}
`
	for name, tc := range map[string]struct {
		rule    string
		destroy bool
		want    string
	}{
		"a variable": {"var.prod", false,
			"The plan would replace it, because region cannot change in place, and prevent_destroy = var.prod (main.dstack.hcl:16) forbids that. To allow it for one run:\n  dstack apply --var prod=false"},
		"a variable, by destroy": {"var.prod", true,
			"The plan would destroy it, because destroy was asked for, and prevent_destroy = var.prod (main.dstack.hcl:16) forbids that. To allow it for one run:\n  dstack destroy --var prod=false"},
		"an expression": {"var.stage == \"live\"", false,
			"The plan would replace it, because region cannot change in place, and prevent_destroy = var.stage == \"live\" (main.dstack.hcl:16) forbids that. To allow it for one run:\n  dstack apply --var stage=..."},
		"a constant": {"true", false,
			"The plan would replace it, because region cannot change in place, and prevent_destroy = true (main.dstack.hcl:16) forbids that. To allow it for one run, let a variable decide, prevent_destroy = var.protected, and then:\n  dstack apply --var protected=false"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			rule := strings.Replace(hcl, "RULE", tc.rule, 1)
			l.apply(rule)
			if !tc.destroy {
				rule = strings.Replace(rule, "us-east-1", "us-west-2", 1)
			}
			p, diags := l.planner(rule).Plan(t.Context(), planner.PlanOptions{State: l.mustState(), Destroy: tc.destroy})
			require.Nil(t, p)
			require.Len(t, diags, 1)
			require.Equal(t, "volume.data", diags[0].Address)
			require.Equal(t, 16, diags[0].Range.Start.Line)
			require.Equal(t, tc.want, diags[0].Detail)

			l.vars = []config.Assignment{{Name: "prod", Text: "false"}, {Name: "stage", Text: "test"}}
			p, diags = l.planner(rule).Plan(t.Context(), planner.PlanOptions{State: l.mustState(), Destroy: tc.destroy})
			if tc.rule == "true" {
				require.Nil(t, p)
				return
			}
			require.NoError(t, diags.Err())
			require.NotEmpty(t, p.Changes)
		})
	}
	t.Run("a block that was taken out", func(t *testing.T) {
		l := newLife(t)
		l.apply(strings.Replace(hcl, "RULE", "true", 1))
		require.Contains(t, l.refused("", planner.PlanOptions{}), "(was main.dstack.hcl:12), and it was made with prevent_destroy = true, which is recorded. Put it back")
	})
}

func TestIgnoredChanges(t *testing.T) {
	const hcl = `
fleet "lab" {
  nodes   = 1
  regions = ["us-east-1"]
  resources {
    gpu    = "A10G:1"
    memory = "16GB.."
  }
}
task "train" {
  fleet    = fleet.lab
  commands = ["sleep 1000"]
  env      = { A = "1", B = "1" }
  resources {
    gpu = "A10G:1"
  }
  lifecycle {
    ignore_changes = IGNORED
  }
}
`
	change := strings.NewReplacer(`A = "1"`, `A = "2"`)
	both := strings.NewReplacer(`A = "1", B = "1"`, `A = "2", B = "2"`)
	deep := strings.NewReplacer("resources {\n    gpu = \"A10G:1\"\n  }\n  lifecycle", "resources {\n    gpu = \"A10G:1\"\n    cpu = \"4..\"\n  }\n  lifecycle")
	for name, tc := range map[string]struct {
		ignored string
		change  *strings.Replacer
		changes bool
	}{
		"the whole attribute":              {"[env]", both, false},
		"a key that changes":               {`[env["A"]]`, change, false},
		"a key beside one that changes":    {`[env["B"]]`, change, true},
		"one key of two":                   {`[env["A"]]`, both, true},
		"a path inside":                    {"[resources.cpu]", deep, false},
		"another path inside":              {"[resources.memory]", deep, true},
		"what is around it":                {"[resources]", deep, false},
		"everything":                       {"all", both, false},
		"nothing of what changes":          {"[image]", change, true},
		"a key with a dot before its name": {`[env.A]`, change, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			before := strings.Replace(hcl, "IGNORED", tc.ignored, 1)
			l.apply(before)
			after := tc.change.Replace(before)
			require.NotEqual(t, before, after)
			p := l.plan(after)
			if !tc.changes {
				require.Empty(t, actions(p), diffs(p))
				return
			}
			require.NotEmpty(t, actions(p))
		})
	}
}

func TestReplaceTriggeredBy(t *testing.T) {
	const hcl = `
volume "data" {
  count  = 2
  region = "REGION"
  size   = count.index == 0 ? "SIZE" : "100GB"
}
fleet "lab" {
  nodes   = 1
  regions = ["us-east-1"]
  lifecycle {
    FLEET
  }
}
volume "next" {
  count  = 2
  region = "us-east-1"
  size   = "1GB"
  lifecycle {
    VOLUME
  }
}
task "train" {
  fleet    = fleet.lab
  commands = ["sleep 1000"]
  lifecycle {
    TASK
  }
}
`
	grown, moved := []string{"SIZE", "200GB", "REGION", "us-east-1"}, []string{"SIZE", "100GB", "REGION", "us-west-2"}
	for name, tc := range map[string]struct {
		fleet, volume, task string
		change              []string
		want                []string
		why                 string
	}{
		"an update of any of a block": {"", "replace_triggered_by = [volume.data]", "", grown,
			[]string{"update volume.data[0]", "delete,create volume.next[0]", "delete,create volume.next[1]"}, "volume.data changes, and replace_triggered_by names it"},
		"an update of one": {"", "replace_triggered_by = [volume.data[0]]", "", grown,
			[]string{"update volume.data[0]", "delete,create volume.next[0]", "delete,create volume.next[1]"}, "volume.data[0] changes, and replace_triggered_by names it"},
		"no update of the other": {"", "replace_triggered_by = [volume.data[1]]", "", grown,
			[]string{"update volume.data[0]"}, ""},
		"the own key": {"", "replace_triggered_by = [volume.data[count.index]]", "", grown,
			[]string{"update volume.data[0]", "delete,create volume.next[0]"}, "volume.data[0] changes, and replace_triggered_by names it"},
		"an attribute": {"", "replace_triggered_by = [volume.data[count.index].size]", "", grown,
			[]string{"update volume.data[0]", "delete,create volume.next[0]"}, "volume.data[0].size changes, and replace_triggered_by names it"},
		"an attribute that stays": {"", "replace_triggered_by = [volume.data.region]", "", grown,
			[]string{"update volume.data[0]"}, ""},
		"an attribute that is made anew": {"", "replace_triggered_by = [volume.data.id]", "", moved,
			[]string{"delete,create volume.data[0]", "delete,create volume.data[1]", "delete,create volume.next[0]", "delete,create volume.next[1]"}, "volume.data.id changes, and replace_triggered_by names it"},
		"a job": {"", "", "replace_triggered_by = [volume.data[0]]", grown,
			[]string{"delete,create task.train.job[0] on fleet.lab.instance[0]", "update volume.data[0]"}, ""},
		"a fleet, and the jobs on it": {"replace_triggered_by = [volume.data]", "", "", grown,
			[]string{"delete,create fleet.lab.instance[0]", "delete,create task.train.job[0] on fleet.lab.instance[0]", "update volume.data[0]"}, ""},
		"an instance of a fleet that is triggered itself": {"replace_triggered_by = [volume.data]", "replace_triggered_by = [fleet.lab.instance[0]]", "", grown,
			[]string{"delete,create fleet.lab.instance[0]", "delete,create task.train.job[0] on fleet.lab.instance[0]", "update volume.data[0]", "delete,create volume.next[0]", "delete,create volume.next[1]"}, "fleet.lab.instance[0] changes, and replace_triggered_by names it"},
		"an instance that is not there": {"replace_triggered_by = [volume.data]", "replace_triggered_by = [fleet.lab.instance[1].id]", "", grown,
			[]string{"delete,create fleet.lab.instance[0]", "delete,create task.train.job[0] on fleet.lab.instance[0]", "update volume.data[0]"}, ""},
		"a job by its part": {"", "replace_triggered_by = [task.train.job]", "replace_triggered_by = [volume.data[0]]", grown,
			[]string{"delete,create task.train.job[0] on fleet.lab.instance[0]", "update volume.data[0]", "delete,create volume.next[0]", "delete,create volume.next[1]"}, "task.train.job changes, and replace_triggered_by names it"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			now := strings.NewReplacer("FLEET", tc.fleet, "VOLUME", tc.volume, "TASK", tc.task)
			before := now.Replace(strings.NewReplacer("SIZE", "100GB", "REGION", "us-east-1").Replace(hcl))
			l.apply(before)
			p := l.plan(now.Replace(strings.NewReplacer(tc.change...).Replace(hcl)))
			require.ElementsMatch(t, tc.want, actions(p), diffs(p))
			for _, c := range p.Changes {
				if tc.why != "" && strings.HasPrefix(c.Address, "volume.next") {
					require.Equal(t, tc.why, c.Reason)
					require.Equal(t, []string{"replace_triggered_by"}, c.ReplacePaths)
				}
			}
			l.apply(now.Replace(strings.NewReplacer(tc.change...).Replace(hcl)))
		})
	}
}

// What nothing but a trigger replaces is new at first, and a job that has ended runs again for it.
func TestATriggerOfWhatIsNewOrHasEnded(t *testing.T) {
	const hcl = `
volume "data" {
  region = "us-east-1"
  size   = "SIZE"
}
` + own
	with := func(size string) string {
		return strings.Replace(strings.Replace(hcl, "SIZE", size, 1), "commands", "lifecycle {\n    replace_triggered_by = [volume.data]\n  }\n  commands", 1)
	}
	l := newLife(t)
	l.apply(with("100GB"))
	l.still(with("100GB"))
	p := l.plan(with("200GB"))
	require.Equal(t, []string{"create task.solo.job[0] on task.solo.instance[0]", "update volume.data"}, actions(p))
	require.Contains(t, p.Changes[0].Reason, "volume.data changes, and replace_triggered_by names it; ended done")
	require.Equal(t, 2, p.Changes[0].Attempt)
	l.apply(with("200GB"))
}

func TestCreateBeforeDestroyOfAFleet(t *testing.T) {
	const hcl = `
fleet "lab" {
  nodes   = 1
  regions = ["us-east-1"]
  resources {
    gpu = "A10G:1"
  }
  lifecycle {
    create_before_destroy = true
  }
}
task "train" {
  fleet    = fleet.lab
  commands = ["sleep 1000"]
}
`
	l := newLife(t)
	l.apply(hcl)
	moved := strings.Replace(hcl, "us-east-1", "us-west-2", 1)
	p := l.plan(moved)
	require.Contains(t, actions(p), "create,delete fleet.lab.instance[0]")
	var order []string
	for _, s := range p.Steps {
		if s.Address == "fleet.lab.instance[0]" || s.Address == "task.train.job[0]" {
			order = append(order, string(s.Op)+" "+s.Address)
		}
	}
	require.Equal(t, plan.OpDelete, p.Steps[len(p.Steps)-1].Op)
	require.Less(t, indexOf(order, "create fleet.lab.instance[0]"), indexOf(order, "delete fleet.lab.instance[0]"))
	require.Less(t, indexOf(order, "delete task.train.job[0]"), indexOf(order, "delete fleet.lab.instance[0]"))
	l.apply(moved)
	require.Len(t, l.objects("instance"), 1)
	require.Len(t, l.objects("job"), 1)
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}
