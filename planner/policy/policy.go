package policy

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// longestMessage is where a message that a policy made of a plan is cut off, in characters.
const longestMessage = 4000

// Evaluate judges a plan by all policies of the given configurations. The list has what is wrong with policies that could
// not be judged, as warnings. The plan's own results do not matter and are not changed.
func Evaluate(p *plan.Plan, from ...*config.Config) ([]plan.Policy, diag.List) {
	out := []plan.Policy{}
	var list diag.List
	for _, c := range from {
		if len(c.Policies()) == 0 {
			continue
		}
		doc := newDocument(p, demandOf(c))
		for _, rule := range c.Policies() {
			r, ds := judge(rule, doc)
			if len(ds) > 0 { // what is wrong is explained by what there is, not by what was looked at
				r, ds = judge(rule, newDocument(p, &need{all: true}))
			}
			out = append(out, r)
			list = append(list, ds...)
		}
	}
	return out, list
}

// judge evaluates one policy.
func judge(rule *config.Policy, scope config.Scope) (plan.Policy, diag.List) {
	out := plan.Policy{Name: rule.Name, Enforcement: "deny", Declared: rule.Declared(), Result: plan.PolicyPassed}
	if rule.Warn {
		out.Enforcement = "warn"
	}
	v := rule.Evaluate(scope)
	out.Values = v.Values
	switch {
	case !v.Holds.IsKnown() && len(v.Problems) > 0:
		out.Result, out.Message = plan.PolicyUnknown, "Its condition cannot be evaluated: "+v.Problems[0].Summary+"."
	case !v.Holds.IsKnown():
		out.Result, out.Message = plan.PolicyUnknown, "Whether its condition holds is not known when the plan is made."
	case v.Holds.True():
	case rule.Warn:
		out.Result, out.Message = plan.PolicyWarned, shorten(v.Message)
	default:
		out.Result, out.Message = plan.PolicyDenied, shorten(v.Message)
	}
	return out, v.Problems
}

func shorten(s string) string {
	runes := []rune(s)
	if len(runes) <= longestMessage {
		return s
	}
	return fmt.Sprintf("%s... (%d characters)", string(runes[:longestMessage]), len(runes))
}

// Check finds what the policies of configurations mention and no plan has, and policies that have the same name. It needs
// no plan.
func Check(from ...*config.Config) diag.List {
	list := twice(from)
	for _, c := range from {
		if len(c.Policies()) == 0 {
			continue
		}
		found := checkParts(c)
		if !found.HasErrors() {
			found = checkInside(c)
		}
		c.Snippets(found)
		list = append(list, found...)
	}
	return list
}

// twice finds policies that could not be told apart where one of them is overridden.
func twice(from []*config.Config) diag.List {
	first := map[string]*config.Policy{}
	var list diag.List
	for _, c := range from {
		for _, p := range c.Policies() {
			if other := first[p.Name]; other != nil {
				again := diag.Errorf("Policy stands twice", "policy.%s is also written at %s. Rename one of them.", p.Name, other.Declared()).At(&p.DefRange).For("policy." + p.Name)
				c.Snippets(again)
				list = append(list, again...)
				continue
			}
			first[p.Name] = p
		}
	}
	return list
}

// checkParts finds names behind plan that no plan has.
func checkParts(c *config.Config) diag.List {
	known := parts()
	var list diag.List
	check := func(expr hcl.Expression, about string) {
		for _, t := range expr.Variables() {
			if t.RootName() != config.PlanName || len(t) < 2 {
				continue
			}
			name, _ := nameOf(t[1])
			if _, ok := known[name]; ok {
				continue
			}
			names := sortedKeys(known)
			detail := schema.DidYouMean(name, names)
			if detail == "" {
				detail = " It has " + strings.Join(names, ", ") + "."
			}
			rng := t.SourceRange()
			list = append(list, diag.Errorf("Unknown attribute", "A plan has no %q.%s", name, detail).At(&rng).For(about)...)
		}
	}
	for _, p := range c.Policies() {
		check(p.Condition(), "policy."+p.Name)
		check(p.Message(), "policy."+p.Name)
	}
	for _, n := range c.Names() {
		if n.Type == "local" && n.Module == addr.Root { // policies stand in the root module
			check(c.LocalExpr(n.Name), n.Address)
		}
	}
	return list
}

// checkInside finds what parts of a plan do not have, by a plan that has one of everything and of which nothing is known.
func checkInside(c *config.Config) diag.List {
	doc := newDocument(&plan.Plan{}, &need{all: true})
	doc.open = true
	var list diag.List
	for _, rule := range c.Policies() {
		for _, d := range rule.Problems(doc) {
			if d.Summary == "Unknown attribute" {
				d.Severity = diag.Error
				list = append(list, d)
			}
		}
	}
	return list
}
