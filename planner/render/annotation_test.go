package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

func TestAnnotations(t *testing.T) {
	var b strings.Builder
	for _, name := range []string{"night", "policies-of-all-results", "warnings", "500-resources", "nothing-to-do", "support-alone", "hostile"} {
		fmt.Fprintf(&b, "# %s\n%s", name, Annotations(rendertest.Named(name), "infra/research"))
	}
	golden.Assert(t, "testdata/annotation/situations.golden", b.String())
}

// TestAnnotationsKeepTheirLimits has more of each level than GitHub shows.
func TestAnnotationsKeepTheirLimits(t *testing.T) {
	p := &plan.Plan{}
	for i := range 25 {
		p.Changes = append(p.Changes,
			&plan.Change{Address: fmt.Sprintf("volume.a%d", i), Kind: "volume", Action: plan.Delete, Reason: "a reason"},
			&plan.Change{Address: fmt.Sprintf("volume.b%d", i), Kind: "volume", Action: plan.Create, Declared: fmt.Sprintf("main.dstack.hcl:%d", i+1)},
			&plan.Change{Address: fmt.Sprintf("volume.c%d", i), Kind: "volume", Action: plan.Create, Declared: "main.dstack.hcl:1"})
		p.Policies = append(p.Policies, plan.Policy{Name: fmt.Sprint("p", i), Result: plan.PolicyDenied, Declared: fmt.Sprintf("main.dstack.hcl:%d", i+1)})
	}
	text := Annotations(p, "")
	for level, rest := range map[string]int{"error": 16, "warning": 16, "notice": 16} {
		require.Equal(t, 10, strings.Count(text, "::"+level+" "), level)
		require.Contains(t, text, fmt.Sprintf("::%s title=dstack plan::and %d more, which the plan lists\n", level, rest))
	}
	require.Contains(t, text, "::notice file=main.dstack.hcl,line=1,title=dstack plan::volume.b0 will be created%0Avolume.c0 will be created%0A", "what is of one place is one")
	require.Contains(t, text, "%0Aand 17 more\n")
}
