package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

const thousand = `
volume "many" {
  count  = 1000
  region = "us-east-1"
  size   = "1GB"
  lifecycle {
    KIND {
      condition     = CONDITION
      error_message = "Volume ${count.index} is no good."
    }
  }
}
`

// L9: one condition that fails for many is told once, with how many there are and the first of them.
func TestAConditionThatFailsForManyIsToldOnce(t *testing.T) {
	for name, tc := range map[string]struct{ kind, condition string }{
		"precondition":  {"precondition", "count.index < 2"},
		"postcondition": {"postcondition", "self.size != \"1GB\" || count.index < 2"},
	} {
		t.Run(name, func(t *testing.T) {
			hcl := strings.NewReplacer("KIND", tc.kind, "CONDITION", tc.condition).Replace(thousand)
			l := newLife(t)
			p, diags := l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
			require.Nil(t, p)
			require.Len(t, diags, 1)
			require.Equal(t, diag.Error, diags[0].Severity)
			require.Equal(t, "volume.many", diags[0].Address)
			require.Equal(t, "Volume 2 is no good.\nIt does not hold for 998 of them; this is about the first: volume.many[2], volume.many[3], volume.many[4] and 995 more.", diags[0].Detail)
			require.Equal(t, 1, strings.Count(render.Diagnostics(diags, render.Options{}), "Error:"))
		})
	}
}

func TestWhatBecameOfConditions(t *testing.T) {
	const hcl = `
volume "data" {
  count  = 2
  region = "us-east-1"
  size   = "1GB"
  lifecycle {
    precondition {
      condition     = count.index < 2
      error_message = "no"
    }
    postcondition {
      condition     = self.id != "" && self.size == "1GB"
      error_message = "no"
    }
  }
}
output "size" {
  value = volume.data[0].size
  precondition {
    condition     = volume.data[0].size == "1GB"
    error_message = "no"
  }
}
check "small" {
  assert {
    condition     = volume.data[0].size == "2GB"
    error_message = "It is ${volume.data[0].size}."
  }
  assert {
    condition     = volume.data[5].size == "2GB"
    error_message = "no"
  }
}
`
	p, diags := newLifePlan(t, hcl)
	require.False(t, diags.HasErrors())
	for i := range p.Checks {
		for j := range p.Checks[i].Problems {
			p.Checks[i].Problems[j].Place = ""
		}
	}
	require.Equal(t, []plan.Check{
		{Address: "check.small", Kind: "check", Status: plan.CheckError, Failed: 2, Problems: []plan.Problem{{Message: "It is 1GB."}, {Message: "It cannot be evaluated."}}},
		{Address: "output.size", Kind: "output", Status: plan.CheckPass, Passed: 1},
		{Address: "volume.data", Kind: "resource", Status: plan.CheckUnknown, Passed: 2, Unknown: 2},
	}, p.Checks)
}

func newLifePlan(t *testing.T, hcl string) (*plan.Plan, diag.List) {
	t.Helper()
	l := newLife(t)
	return l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
}

// stepOf finds a step by what it does.
func stepOf(t *testing.T, r *apply.Result, op plan.Op, address string) apply.StepResult {
	t.Helper()
	for _, s := range r.Steps {
		if s.Op == op && s.Address == address {
			return s
		}
	}
	t.Fatalf("there is no %s of %s", op, address)
	return apply.StepResult{}
}

func TestAPostconditionThatFailsStopsWhatDependsOnIt(t *testing.T) {
	const hcl = `
volume "data" {
  region = "us-east-1"
  size   = "100GB"
  lifecycle {
    postcondition {
      condition     = startswith(self.location, "LOCATION")
      error_message = "It is at ${self.location}."
    }
  }
}
volume "next" {
  region = "us-east-1"
  size   = "1GB"
  name   = "after-${volume.data.name}"
}
volume "other" {
  region = "us-east-1"
  size   = "1GB"
}
`
	l := newLife(t)
	wrong, right := strings.Replace(hcl, "LOCATION", "nowhere", 1), strings.Replace(hcl, "LOCATION", "", 1)
	p := l.plan(wrong)
	require.Equal(t, []string{"create volume.data", "create volume.next", "create volume.other"}, actions(p))
	require.Contains(t, outline(p), "step postcondition volume.data <- volume.data")
	require.Contains(t, outline(p), "step create volume.next <- volume.data")
	res, err := l.carry(wrong, p)
	require.NoError(t, err)
	require.Equal(t, apply.Failed, stepOf(t, res, plan.OpPostcondition, "volume.data").Status)
	require.ErrorContains(t, stepOf(t, res, plan.OpPostcondition, "volume.data").Err, "It is at ")
	require.Equal(t, apply.Skipped, stepOf(t, res, plan.OpCreate, "volume.next").Status)
	require.Equal(t, apply.Done, stepOf(t, res, plan.OpCreate, "volume.other").Status)
	require.Len(t, res.Broken(), 1)
	require.NotNil(t, l.mustState().Resource("volume.data"), "what was made stays recorded")
	require.False(t, l.mustState().Resource("volume.data").Tainted)

	// The same plan is not done, and does not go on as long as it does not hold.
	res, err = l.carry(wrong, p)
	require.NoError(t, err)
	require.Equal(t, apply.Failed, stepOf(t, res, plan.OpPostcondition, "volume.data").Status)
	require.Nil(t, l.mustState().Resource("volume.next"))

	// What is known now is refused by the next plan.
	require.Contains(t, l.refused(wrong, planner.PlanOptions{}), "It is at ")
	require.Equal(t, []string{"create volume.next"}, actions(l.apply(right)))
}

func TestAPreconditionIsLookedAtBeforeAnythingIsDone(t *testing.T) {
	const hcl = oneVolume + `
volume "next" {
  count  = 2
  region = "us-east-1"
  size   = "1GB"
  lifecycle {
    precondition {
      condition     = startswith(volume.data.location, "LOCATION")
      error_message = "${count.index} is not at ${volume.data.location}."
    }
  }
}
`
	l := newLife(t)
	wrong := strings.Replace(hcl, "LOCATION", "nowhere", 1)
	p := l.plan(wrong)
	require.Contains(t, outline(p), "step precondition volume.next[0] <- volume.data")
	res, err := l.carry(wrong, p)
	require.NoError(t, err)
	require.Len(t, res.Broken(), 2)
	require.Len(t, l.objects("volume"), 1)
	l.apply(strings.Replace(hcl, "LOCATION", "", 1))
	require.Len(t, l.objects("volume"), 3)
}

func TestWhatAFleetPromisesIsKnownBeforeItsJobsStart(t *testing.T) {
	const hcl = `
fleet "lab" {
  nodes   = 2
  regions = ["us-east-1"]
  resources {
    gpu = "A10G:1"
  }
  lifecycle {
    postcondition {
      condition     = alltrue([for i in self.instance : startswith(i.id, "PREFIX")])
      error_message = "Instances ${join(", ", self.instance[*].id)} are none of ours."
    }
  }
}
task "train" {
  fleet    = fleet.lab
  commands = ["exit 0"]
  lifecycle {
    postcondition {
      condition     = self.job[0].status != ""
      error_message = "It has no status."
    }
  }
}
`
	l := newLife(t)
	res, err := l.carry(strings.Replace(hcl, "PREFIX", "nope", 1), l.plan(strings.Replace(hcl, "PREFIX", "nope", 1)))
	require.NoError(t, err)
	require.Len(t, res.Broken(), 1)
	require.Len(t, l.objects("instance"), 2)
	require.Empty(t, l.objects("job"))
	l.apply(strings.Replace(hcl, "PREFIX", "", 1))
	require.NotNil(t, l.mustState().Resource("task.train.job[0]"))
}

func TestOutputsAreNotGivenWithoutTheirPreconditions(t *testing.T) {
	const hcl = oneVolume + `
output "where" {
  value = volume.data.location
  precondition {
    condition     = startswith(volume.data.location, "LOCATION")
    error_message = "It is at ${volume.data.location}."
  }
}
`
	l := newLife(t)
	wrong := strings.Replace(hcl, "LOCATION", "nowhere", 1)
	_, err := l.carry(wrong, l.plan(wrong))
	require.ErrorContains(t, err, "It is at ")
	require.NotNil(t, l.mustState().Resource("volume.data"))
	require.NotContains(t, l.mustState().Outputs(), "where")
	require.Contains(t, l.refused(wrong, planner.PlanOptions{}), "It is at ")
	l.apply(strings.Replace(hcl, "LOCATION", "", 1))
}

// A validation may speak of other objects: what is known of them makes no plan, what is not is looked at in the end.
func TestValidationsThatReferToBlocks(t *testing.T) {
	const hcl = oneVolume + `
data "offers" "cheap" {
  resources {
    gpu = "A10G:1"
  }
}
locals {
  price = data.offers.cheap.first.price
  place = volume.data.location
}
variable "most" {
  type    = number
  default = 5
  validation {
    condition     = var.most >= local.price
    error_message = "The cheapest is ${local.price}."
  }
  validation {
    condition     = var.most != 3 || startswith(local.place, "nowhere")
    error_message = "Not three at ${local.place}."
  }
}
`
	l := newLife(t)
	l.vars = []config.Assignment{{Name: "most", Text: "1"}}
	require.Contains(t, l.refused(hcl, planner.PlanOptions{}), "The cheapest is 1.2.")
	l.vars[0].Text = "3"
	_, err := l.carry(hcl, l.plan(hcl))
	require.ErrorContains(t, err, "Not three at ")
	require.Contains(t, l.refused(hcl, planner.PlanOptions{}), "Not three at ")
	l.vars[0].Text = "4"
	l.apply(hcl)
}
