package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
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
