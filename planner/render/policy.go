package render

import (
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// shownValues is how many of the values that a condition mentions are shown.
const shownValues = 4

// PolicyText says what became of a policy, and of which values: "budget passed: plan.cost.after.hourly_max is 100.46". A
// message of several lines stays one.
func PolicyText(p plan.Policy) string {
	text := clean(p.Name) + " " + clean(string(p.Result))
	values := policyValues(p)
	if p.Result == plan.PolicyPassed {
		if values != "" {
			text += ": " + values
		}
		return text
	}
	if p.Result == plan.PolicyUnknown && p.Enforcement == "warn" {
		text += " (it only warns)"
	}
	if p.Message != "" {
		text += ": " + cleanLines(p.Message)
	}
	if values != "" {
		text += "\n" + values
	}
	if p.Declared != "" {
		text += "\n" + clean(p.Declared)
	}
	return text
}

// policyValues are the values that the condition mentions, on one line.
func policyValues(p plan.Policy) string {
	var parts []string
	for i, v := range p.Values {
		if i == shownValues && len(p.Values) > shownValues+1 {
			parts = append(parts, "and "+Count(len(p.Values)-i, "other value"))
			break
		}
		parts = append(parts, clean(v.Traversal)+" "+clean(v.Statement))
	}
	return strings.Join(parts, ", ")
}

// cleanLines makes a text of several lines safe to print.
func cleanLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, l := range lines {
		lines[i] = clean(strings.TrimSuffix(l, "\r"))
	}
	return strings.Join(lines, "\n")
}

// Policies writes what became of policies, one after the other.
func Policies(list []plan.Policy, o Options) string {
	var b strings.Builder
	for _, p := range list {
		for i, line := range strings.Split(PolicyText(p), "\n") {
			prefix := ""
			if i > 0 {
				prefix = "  "
			}
			indent(&b, prefix, line, o.width())
		}
	}
	return b.String()
}
