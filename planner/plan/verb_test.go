package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
)

func TestVerbs(t *testing.T) {
	found := &plan.InFlight{Found: true}
	for name, tc := range map[string]struct {
		change plan.Change
		want   []string
	}{
		"a create":                             {plan.Change{Action: plan.Create}, []string{"create"}},
		"a create that was cut off":            {plan.Change{Action: plan.Create, InFlight: &plan.InFlight{}}, []string{"create"}},
		"what a cut off create had made":       {plan.Change{Action: plan.Create, InFlight: found}, []string{"adopt"}},
		"the same, and it is not as it should": {plan.Change{Action: plan.Update, InFlight: found}, []string{"adopt", "update"}},
		"the same, of no use":                  {plan.Change{Action: plan.DeleteThenCreate, InFlight: found}, []string{"adopt", "replace"}},
		"the same, not wanted any more":        {plan.Change{Action: plan.Delete, InFlight: found}, []string{"adopt", "destroy"}},
		"the same, and only recorded":          {plan.Change{Action: plan.Update, RecordOnly: true, InFlight: found}, []string{"adopt"}},
		"what is taken over as it is":          {plan.Change{Action: plan.NoOp, Import: &plan.Import{}}, []string{"import"}},
		"the same, and updated":                {plan.Change{Action: plan.Update, Import: &plan.Import{}}, []string{"import", "update"}},
		"the same, and only its record":        {plan.Change{Action: plan.Update, RecordOnly: true, Import: &plan.Import{}}, []string{"import"}},
		"the same, and replaced":               {plan.Change{Action: plan.CreateThenDelete, Import: &plan.Import{}}, []string{"import", "replace"}},
		"an update of the record":              {plan.Change{Action: plan.Update, RecordOnly: true}, []string{"update"}},
		"both orders of a replace":             {plan.Change{Action: plan.CreateThenDelete}, []string{"replace"}},
		"a destroy":                            {plan.Change{Action: plan.Delete}, []string{"destroy"}},
		"a forget":                             {plan.Change{Action: plan.Forget}, []string{"forget"}},
		"nothing":                              {plan.Change{Action: plan.NoOp}, nil},
		"support":                              {plan.Change{Action: plan.Delete, Kind: "support"}, nil},
		"what only another candidate needs":    {plan.Change{Action: plan.Create, OnlyCandidate: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.change.Verbs())
			for _, v := range tc.want {
				require.Contains(t, plan.Verbs(), v)
			}
		})
	}
}
