package planner_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

const budget = `
policy "budget" {
  condition     = plan.cost.after.hourly_max <= 2
  error_message = "At most 2 an hour, and this is ${plan.cost.after.hourly_max}."
}
`

// oneLarge is a fleet that costs $1.6 an hour. Fleets of different names are in different regions, where they share nothing.
func oneLarge(name string) string {
	region := map[string]string{"one": "us-east-1", "two": "us-west-2"}[name]
	return "fleet \"" + name + "\" {\n  nodes          = 1\n  instance_types = [\"cpu.large\"]\n  regions        = [\"" + region + "\"]\n}\n"
}

// over applies a plan against policies.
func (l *life) over(hcl string, p *plan.Plan, policies []*config.Config, names ...string) (*apply.Result, error) {
	l.t.Helper()
	session, err := l.store.Lock(l.t.Context(), statefile.NewHolder("apply", "ana", "laptop", 1, l.now, func(string) string { return "" }))
	require.NoError(l.t, err)
	pl := l.planner(hcl)
	pl.Policies = policies
	res, err := pl.Apply(context.Background(), planner.ApplyOptions{Plan: p, Session: session, By: "ana", Policy: soon(), Override: names})
	require.NoError(l.t, session.Close(l.t.Context()))
	return res, err
}

func TestPlansThatKeepABudgetEachDoNotBreakItTogether(t *testing.T) {
	l := newLife(t)
	one, two := l.plan(budget+oneLarge("one")), l.plan(budget+oneLarge("two"))
	require.Empty(t, one.Denying())
	require.Empty(t, two.Denying())
	require.Equal(t, []diag.Value{{Traversal: "plan.cost.after.hourly_max", Statement: "is 1.6"}}, two.Policies[0].Values)
	_, err := l.carry(budget+oneLarge("one"), one)
	require.NoError(t, err)

	_, err = l.carry(budget+oneLarge("two"), two)
	denied, ok := errors.AsType[*planner.DeniedError](err)
	require.True(t, ok, err)
	require.True(t, denied.Moved)
	require.Empty(t, cmp.Diff([]plan.Policy{{
		Name: "budget", Enforcement: "deny", Result: "denied", Message: "At most 2 an hour, and this is 3.2.", Declared: "main.dstack.hcl:5",
		Values: []diag.Value{{Traversal: "plan.cost.after.hourly_max", Statement: "is 3.2"}},
	}}, denied.Policies))
	require.Nil(t, l.read().Resource("fleet.two.instance[0]"))

	_, err = l.over(budget+oneLarge("two"), two, nil, "budget")
	require.NoError(t, err)
	applied, ok := l.read().Plan(two.ID)
	require.True(t, ok)
	require.Empty(t, cmp.Diff([]statefile.PolicyOverride{{Policy: "budget", Result: "denied", Message: "At most 2 an hour, and this is 3.2.", By: "ana", At: l.now.UTC()}}, applied.Overrides))
	first, _ := l.read().Plan(one.ID)
	require.Empty(t, first.Overrides)
}

func (l *life) read() *statefile.State {
	l.t.Helper()
	state, err := l.store.Read(l.t.Context())
	require.NoError(l.t, err)
	return state
}

func TestPoliciesOfFoldersTravelWithThePlan(t *testing.T) {
	folder := func(limit string) *config.Config {
		c, list := config.LoadPolicies(t.Context(), config.PolicyOptions{
			Dir: "org", Values: map[string]cty.Value{"limit": cty.MustParseNumberVal(limit)},
			Sources: []config.Source{{Path: "org/p.dstack.hcl", Text: []byte("variable \"limit\" {}\npolicy \"few\" {\n  condition     = plan.summary.create <= var.limit\n  error_message = \"no\"\n}\n")}},
		})
		require.NoError(t, list.Err())
		return c
	}
	for name, tc := range map[string]struct {
		planned, given []*config.Config
		override       []string
		denied         int
	}{
		"the plan's own folder is not given again":         {planned: []*config.Config{folder("0")}, denied: 1},
		"it is given again":                                {planned: []*config.Config{folder("0")}, given: []*config.Config{folder("0")}, denied: 1},
		"it is given again, and says something else now":   {planned: []*config.Config{folder("0")}, given: []*config.Config{folder("9")}, denied: 1},
		"it was lax, and is strict now":                    {planned: []*config.Config{folder("9")}, given: []*config.Config{folder("0")}, denied: 1},
		"it is strict in two ways":                         {planned: []*config.Config{folder("0")}, given: []*config.Config{folder("-1")}, denied: 2},
		"the plan was made without":                        {given: []*config.Config{folder("0")}, denied: 1},
		"all of it is kept":                                {planned: []*config.Config{folder("9")}, given: []*config.Config{folder("9")}},
		"all of it is overridden":                          {planned: []*config.Config{folder("0")}, given: []*config.Config{folder("-1")}, override: []string{"few"}},
		"what is overridden does not stand for the others": {planned: []*config.Config{folder("0")}, override: []string{"many"}, denied: 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			pl := l.planner(oneLarge("one"))
			pl.Policies = tc.planned
			p, diags := pl.Plan(t.Context(), planner.PlanOptions{State: l.read()})
			require.NoError(t, diags.Err())
			require.Len(t, p.PolicySets, len(tc.planned))
			_, err := l.over(oneLarge("one"), p, tc.given, tc.override...)
			if tc.denied == 0 {
				require.NoError(t, err)
				return
			}
			denied, ok := errors.AsType[*planner.DeniedError](err)
			require.True(t, ok, err)
			require.Len(t, denied.Policies, tc.denied)
			require.Empty(t, l.read().Resources())
		})
	}
}

func TestAStalePlanIsCalledStaleAndNotDenied(t *testing.T) {
	l := newLife(t)
	hcl := budget + oneLarge("one")
	first := l.plan(hcl)
	second := l.plan(hcl + oneLarge("two"))
	require.Len(t, second.Denying(), 1)
	_, err := l.carry(hcl, first)
	require.NoError(t, err)
	_, err = l.carry(hcl+oneLarge("two"), second)
	_, stale := errors.AsType[*apply.StaleError](err)
	require.True(t, stale, err)
}

// The totals of a plan, added up again at once, are the plan's.
func TestTotalsAreTheSameAtOnce(t *testing.T) {
	l := newLife(t)
	for _, hcl := range []string{oneLarge("one"), oneLarge("one") + oneLarge("two"), oneLarge("two"), "volume \"vol\" {\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n" + oneLarge("two"), ""} {
		p := l.plan(hcl)
		require.Empty(t, cmp.Diff(p.Cost, planner.CostNow(p, l.read()), cmpopts.EquateEmpty()))
		_, err := l.carry(hcl, p)
		require.NoError(t, err)
		after := planner.CostNow(p, l.read())
		require.Equal(t, p.Cost.After, after.After, "also when it is applied already")
	}
}
