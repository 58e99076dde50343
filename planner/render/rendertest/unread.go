package rendertest

import (
	"fmt"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// unread are plans that were not to read everything that is recorded.
func unread() map[string]*plan.Plan {
	skipped := func(mode plan.RefreshMode, addresses ...string) []plan.Note {
		var out []plan.Note
		for i, a := range addresses {
			out = append(out, plan.Note{Address: a, Text: mode.Why(), Since: Noon().Add(-time.Duration(i+1) * 26 * time.Hour)})
		}
		return out
	}
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("volume.v%d", i))
	}
	grow := func() *plan.Plan {
		return One(plan.Change{Address: "volume.data", Kind: "volume", Action: plan.Update, Reason: "size grows", Diff: []plan.AttrDiff{{Path: "size", Before: JSON("100GB"), After: JSON("200GB")}}})
	}
	few, lots := grow(), grow()
	few.Unchanged, few.NotChecked = 4, append(skipped(plan.RefreshChanged, "fleet.lab.instance[0]", "fleet.lab.instance[1]", "fleet.lab.instance[2]", `fleet.lab.support["placement-group"]`),
		plan.Note{Address: "fleet.far.instance[0]", Text: "no route to host; kept as recorded", Since: Noon().Add(-time.Hour)})
	few.Refresh = &plan.Refresh{Mode: plan.RefreshChanged, Recorded: 6, Read: 2}
	lots.Unchanged, lots.NotChecked = len(many), skipped(plan.RefreshChanged, many...)
	lots.Refresh = &plan.Refresh{Mode: plan.RefreshChanged, Recorded: len(many) + 1, Read: 1}
	return map[string]*plan.Plan{
		"nothing-was-read": {Unchanged: 2, NotChecked: skipped(plan.RefreshNone, "volume.a", "volume.b"), Refresh: &plan.Refresh{Mode: plan.RefreshNone, Recorded: 2}},
		"nothing-but-unread": {
			Unchanged: 3, NotChecked: skipped(plan.RefreshChanged, "volume.a", "volume.b"), Refresh: &plan.Refresh{Mode: plan.RefreshChanged, Recorded: 3, Read: 1},
		},
		"a-few-unread": few,
		"many-unread":  lots,
	}
}
