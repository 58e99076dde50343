package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

func TestPicked(t *testing.T) {
	list := pickables(&plan.Plan{Changes: []*plan.Change{
		{Address: "volume.old", Kind: "volume", Action: plan.Delete},
		{Address: "fleet.lab.instance[0]", Kind: "instance", Action: plan.Create},
		{Address: "fleet.lab.instance[1]", Kind: "instance", Action: plan.Create},
		{Address: `fleet.lab.support["placement-group"]`, Kind: "support", Action: plan.Create},
		{Address: "fleet.big.instance[0]", Kind: "instance", Action: plan.CreateThenDelete},
		{Address: "fleet.big.instance[1]", Kind: "instance", Action: plan.Create},
		{Address: "fleet.big.instance[2]", Kind: "instance", Action: plan.Create},
		{Address: `fleet.hosts.instance["a, \"b\""]`, Kind: "instance", Action: plan.Create},
	}})
	require.Equal(t, "  1  destroy  volume.old\n"+
		"  2  create   fleet.lab.instance[0] and [1]\n"+
		"  3  replace  fleet.big.instance[0]\n"+
		"  4  create   fleet.big.instance[1] and [2]\n"+
		"  5  create   fleet.hosts.instance[\"a, \\\"b\\\"\"]\n", listed(list))
	for name, tc := range map[string]struct {
		answer      string
		take, leave []string
		wrong       string
	}{
		"nothing":                      {answer: "  , "},
		"a number":                     {answer: "1", take: []string{"volume.old"}},
		"all of a block":               {answer: "2", take: []string{"fleet.lab"}},
		"a part of a block":            {answer: "4", take: []string{"fleet.big.instance[1]", "fleet.big.instance[2]"}},
		"a range":                      {answer: "1-3", take: []string{"volume.old", "fleet.lab", "fleet.big.instance[0]"}},
		"numbers and commas":           {answer: "1, 3", take: []string{"volume.old", "fleet.big.instance[0]"}},
		"an address":                   {answer: "fleet.big", take: []string{"fleet.big"}},
		"an address with a comma":      {answer: `fleet.hosts.instance["a, \"b\""] 1`, take: []string{`fleet.hosts.instance["a, \"b\""]`, "volume.old"}},
		"without a number":             {answer: "-1", leave: []string{"volume.old"}},
		"without a range":              {answer: "-1-2", leave: []string{"volume.old", "fleet.lab"}},
		"with and without":             {answer: "2 -fleet.lab.instance[1]", take: []string{"fleet.lab"}, leave: []string{"fleet.lab.instance[1]"}},
		"zero":                         {answer: "0", wrong: "there is no 0: the list goes from 1 to 5"},
		"beyond the list":              {answer: "4-6", wrong: "there is no 4-6"},
		"more digits than numbers":     {answer: "99999999999999999999", wrong: "there is no 9999"},
		"backwards":                    {answer: "3-2", wrong: "3-2 runs backwards"},
		"an address that is unchanged": {answer: "volume.data", wrong: "none of these changes is of volume.data"},
		"no address":                   {answer: "all", wrong: `"all" is neither a number of the list nor an address`},
		"a minus alone":                {answer: "-", wrong: `"" is neither`},
		"an open quote":                {answer: `fleet.hosts.instance["a`, wrong: "is neither a number of the list nor an address"},
		"a control character":          {answer: "\x1b[2J", wrong: `"\x1b[2J" is neither`},
	} {
		t.Run(name, func(t *testing.T) {
			take, leave, err := picked(tc.answer, list)
			if tc.wrong != "" {
				require.ErrorContains(t, err, tc.wrong)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.take, texts(take))
			require.Equal(t, tc.leave, texts(leave))
		})
	}
}

func texts(list []addr.Subject) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.String())
	}
	return out
}

func TestApprovalsRefuseWhatTheyDoNotName(t *testing.T) {
	change := func(address, kind string, a plan.Action) *plan.Change {
		return &plan.Change{Address: address, Kind: kind, Action: a}
	}
	adopted := change("volume.data", "volume", plan.CreateThenDelete)
	adopted.InFlight = &plan.InFlight{Found: true}
	for name, tc := range map[string]struct {
		p     *plan.Plan
		wrong string
	}{
		"a create":              {&plan.Plan{Changes: []*plan.Change{change("volume.data", "volume", plan.Create)}}, ""},
		"an update":             {&plan.Plan{Changes: []*plan.Change{change("volume.data", "volume", plan.Update)}}, ""},
		"a replace":             {&plan.Plan{Changes: []*plan.Change{change("volume.data", "volume", plan.DeleteThenCreate)}}, "replace  volume.data"},
		"a replace, new first":  {&plan.Plan{Changes: []*plan.Change{change("volume.data", "volume", plan.CreateThenDelete)}}, "replace  volume.data"},
		"a destroy":             {&plan.Plan{Changes: []*plan.Change{change("volume.data", "volume", plan.Delete)}}, "destroy  volume.data"},
		"what is forgotten":     {&plan.Plan{Changes: []*plan.Change{change("volume.data", "volume", plan.Forget)}}, "forget  volume.data"},
		"what is adopted":       {&plan.Plan{Changes: []*plan.Change{adopted}}, "replace  volume.data\n  adopt  volume.data"},
		"a move":                {&plan.Plan{Moves: []plan.Move{{From: "volume.a", To: "volume.b"}}}, "move  volume.b"},
		"support goes along":    {&plan.Plan{Changes: []*plan.Change{change(`fleet.lab.support["placement-group"]`, "support", plan.Delete)}}, ""},
		"several of one action": {&plan.Plan{Changes: []*plan.Change{change("volume.a[0]", "volume", plan.Delete), change("volume.a[1]", "volume", plan.Delete)}}, "destroy  volume.a[0] and [1]"},
	} {
		t.Run(name, func(t *testing.T) {
			err := approvals{"create", "update"}.check(tc.p)
			if tc.wrong == "" {
				require.NoError(t, err)
				return
			}
			var e *exitErr
			require.ErrorAs(t, err, &e)
			require.Equal(t, exitDenied, e.code)
			for line := range strings.SplitSeq(tc.wrong, "\n") {
				require.Contains(t, e.diags[0].Detail, strings.TrimSpace(line))
			}
		})
	}
}
