package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// load reads a configuration of policies.
func load(t testing.TB, hcl string, vars ...config.Assignment) (*config.Config, diag.List) {
	t.Helper()
	return config.Load(t.Context(), config.LoadOptions{Dir: t.TempDir(), Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(hcl)}}, Vars: vars})
}

func mustLoad(t testing.TB, hcl string) *config.Config {
	t.Helper()
	c, list := load(t, hcl)
	require.NoError(t, list.Err())
	require.NoError(t, policy.Check(c).Err())
	return c
}

// rule is a policy with a condition.
func rule(condition string) string {
	return "policy \"p\" {\n  condition     = " + condition + "\n  error_message = \"broken\"\n}\n"
}

const dollar = value.Dollar

// night is a plan with a bit of everything.
func night() *plan.Plan {
	return &plan.Plan{
		FormatVersion: "1.0", CreatedAt: time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC), Lineage: "lineage", Complete: true, Unchanged: 3,
		Summary: plan.Summary{Create: 1, Replace: 1, Destroy: 1},
		Changes: []*plan.Change{
			{
				Address: "volume.scratch", Kind: "volume", Backend: "aws", Action: plan.Delete, DataAtRisk: "500GB of data",
				Before: json.RawMessage(`{"size":"500GB","region":"us-east-1","price":0.0548}`),
				Cost:   &plan.CostLine{Address: "volume.scratch", Before: plan.Amount{Hourly: 54_800, HourlyMax: 54_800}},
			},
			{
				Address: "fleet.train.instance[0]", Kind: "instance", Backend: "aws", Action: plan.DeleteThenCreate,
				Before:       json.RawMessage(`{"instance_type":"p4d.24xlarge","price":32.77,"env":{"TOKEN":null,"MODE":"a"}}`),
				After:        json.RawMessage(`{"instance_type":"p4de.24xlarge","price":40.97,"region":"us-east-1","gpus":[{"name":"A100","vendor":"nvidia","memory_mib":81920}],"env":{"TOKEN":null,"MODE":"b"}}`),
				AfterUnknown: []string{"id", "hostname"}, Sensitive: []string{`env["TOKEN"]`},
				Cost:  &plan.CostLine{Address: "fleet.train.instance[0]", Before: plan.Amount{Hourly: 3277 * dollar / 100}, After: plan.Amount{Hourly: 4097 * dollar / 100, HourlyMax: 42 * dollar}},
				Offer: &schema.Offer{Backend: "aws", InstanceType: "p4de.24xlarge", Price: 4097 * dollar / 100},
			},
			{
				Address: "task.a.job[0]", Kind: "job", Backend: "aws", Action: plan.Create, After: json.RawMessage(`{"commands":["true"]}`),
				Placement: &plan.Placement{Instance: "fleet.train.instance[0]", Blocks: 1, Of: 1},
			},
		},
		Drift: []*plan.Drift{{Address: "fleet.lab.instance[0]", Kind: "instance", Class: "informational", Diff: []plan.AttrDiff{
			{Path: "env[\"K\"]", Sensitive: true}, {Path: "memory_mib", Before: json.RawMessage("1"), After: json.RawMessage("2")},
		}}},
		Outputs: map[string]*plan.Output{
			"url":   {Action: plan.Update, Before: json.RawMessage(`"http://a"`), After: json.RawMessage(`"http://b"`)},
			"token": {Action: plan.Create, Sensitive: true},
			"later": {Action: plan.Create, Unknown: true},
		},
		Cost: plan.Cost{
			Before: plan.Amount{Hourly: 7844 * dollar / 100, HourlyMax: 7844 * dollar / 100}, After: plan.Amount{Hourly: 9879 * dollar / 100, HourlyMax: 10046 * dollar / 100, Monthly: 9879 * dollar / 100 * 730},
			Difference: plan.Amount{Hourly: 2035 * dollar / 100},
		},
		Variables: map[string]plan.Input{"team": {Value: json.RawMessage(`"research"`)}},
	}
}

func TestConditions(t *testing.T) {
	const passed, denied, unknown = plan.PolicyPassed, plan.PolicyDenied, plan.PolicyUnknown
	for name, tc := range map[string]struct {
		condition string
		want      plan.PolicyResult
	}{
		"prices are dollars":                             {`plan.cost.after.hourly_max == 100.46`, passed},
		"a budget that is kept":                          {`plan.cost.after.hourly_max <= 120`, passed},
		"a budget that is not":                           {`plan.cost.after.hourly_max <= 100`, denied},
		"a month":                                        {`plan.cost.after.monthly == 72116.7`, passed},
		"the difference":                                 {`plan.cost.difference.hourly == 20.35`, passed},
		"counts":                                         {`plan.summary.destroy == 1 && plan.summary.update == 0`, passed},
		"actions are lists":                              {`[for c in plan.changes : c.actions] == [["delete"], ["delete", "create"], ["create"]]`, passed},
		"no volume with data is destroyed":               {`alltrue([for c in plan.changes : c.data_at_risk == null if contains(c.actions, "delete")])`, denied},
		"attributes after":                               {`plan.changes[1].after.instance_type == "p4de.24xlarge"`, passed},
		"an attribute that is not set is null":           {`plan.changes[1].after.reservation == null`, passed},
		"what goes has nothing after":                    {`plan.changes[0].after == null && plan.changes[2].before == null`, passed},
		"what goes has nothing after, seen from outside": {`[for c in plan.changes : c.after == null] == [true, false, false]`, passed},
		"a list of objects inside":                       {`plan.changes[1].after.gpus[0].name == "A100"`, passed},
		"what is known only after apply":                 {`plan.changes[1].after.hostname != "x"`, unknown},
		"a secret after":                                 {`plan.changes[1].after.env["TOKEN"] != ""`, unknown},
		"a secret before":                                {`plan.changes[1].before.env["TOKEN"] != ""`, unknown},
		"the neighbour of a secret":                      {`plan.changes[1].after.env["MODE"] == "b" && plan.changes[1].before.env["MODE"] == "a"`, passed},
		"a secret output":                                {`plan.outputs.token.after != "x"`, unknown},
		"an output that is known after apply":            {`plan.outputs.later.after != "x"`, unknown},
		"an output":                                      {`plan.outputs.url.before == "http://a" && plan.outputs["url"].after == "http://b"`, passed},
		"keys of outputs":                                {`keys(plan.outputs) == ["later", "token", "url"]`, passed},
		"how many outputs there are":                     {`length(plan.outputs) == 3`, passed},
		"drift":                                          {`length([for d in plan.drift : d if d.class == "conflict"]) == 0`, passed},
		"a secret that drifted":                          {`plan.drift[0].diff[0].after == 1`, unknown},
		"what drifted":                                   {`plan.drift[0].diff[*].path == ["env[\"K\"]", "memory_mib"]`, passed},
		"sums over what costs nothing":                   {`sum(plan.changes[*].cost.after.hourly) == 40.97`, passed},
		"the time":                                       {`formatdate("EEE", plan.created_at) == "Mon"`, passed},
		"offers":                                         {`plan.changes[1].offer.price == 40.97 && plan.changes[0].offer == null`, passed},
		"placement":                                      {`plan.changes[2].placement.instance == "fleet.train.instance[0]"`, passed},
		"variables of the configuration":                 {`plan.variables.team.value == "research"`, passed},
		"a whole change":                                 {`jsondecode(jsonencode(plan.changes[2])).after.commands == ["true"]`, passed},
		"all attributes of a part":                       {`sum(values(plan.summary)) == 3`, passed},
		"any attribute by name":                          {`sum([for n in ["create", "destroy"] : plan.summary[n]]) == 2`, passed},
		"how many attributes a part has":                 {`length(plan.summary) > 5`, passed},
		"objects that are made on the way":               {`{ for c in plan.changes : c.address => c.kind }["task.a.job[0]"] == "job"`, passed},
		"grouped objects":                                {`length({ for c in plan.changes : c.kind => c.address... }["volume"]) == 1`, passed},
		"objects in lists that are made on the way":      {`[for x in [{ it = plan.changes[0] }] : x.it.address] == ["volume.scratch"]`, passed},
		"try":                             {`try(plan.changes[0].after.size, "none") == "none"`, passed},
		"try finds what is there":         {`try(plan.changes[0].before.size, "none") == "500GB"`, passed},
		"can":                             {`can(plan.changes[9])`, denied},
		"objects of two types":            {`(plan.destroy ? plan.changes[0] : plan.changes[1]).address == "fleet.train.instance[0]"`, unknown},
		"elements that functions pick":    {`one([for c in plan.changes : c if c.kind == "job"]).address == "task.a.job[0]" && reverse(plan.changes)[0].kind == "job" && element(plan.changes, 1).kind == "instance"`, passed},
		"slices":                          {`slice(plan.changes, 0, 1)[0].kind == "volume"`, passed},
		"concatenations":                  {`concat(plan.changes, plan.drift)[3].class == "informational"`, passed},
		"a text in which the plan stands": {`"${plan.summary.create} and ${plan.changes[0].address}" == "1 and volume.scratch"`, passed},
		"texts with a for":                {`"%{for c in plan.changes}${c.kind} %{endfor}" == "volume instance job "`, passed},
		"each key and value":              {`[for i, c in plan.changes : i if c.kind == "job"] == [2]`, passed},
		"an index that is computed":       {`plan.changes[length(plan.changes) - 1].kind == "job"`, passed},
		"a number that is text":           {`plan.summary.create == "1"`, denied},
		"a text that is true":             {`"true"`, passed},
		"a text that is no condition":     {`"yes"`, unknown},
		"null is no condition":            {`null`, unknown},
		"an error in the condition":       {`plan.changes[7].address == ""`, unknown},
		"unknown or true is true":         {`plan.changes[1].after.hostname == "x" || plan.complete`, passed},
		"what is not said is false or zero, and not absent": {`!plan.destroy && !plan.changes[0].tainted && plan.changes[0].attempt == 0 && plan.changes[0].deposed == null`, passed},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := policy.Evaluate(night(), mustLoad(t, rule(tc.condition)))
			require.Len(t, got, 1)
			require.Equal(t, tc.want, got[0].Result, got[0].Message)
		})
	}
}

// What is left out of the document because nobody mentions it must not be seen: with and without that the answer is the same.
func TestWhatIsNotMentionedMakesNoDifference(t *testing.T) {
	local := func(name, expr string) string { return "locals {\n  " + name + " = " + expr + "\n}\n" }
	for name, tc := range map[string]struct{ hcl, want string }{
		"a local that picks": {local("gone", `[for c in plan.changes : c if contains(c.actions, "delete")]`) + rule(`alltrue([for c in local.gone : c.kind == "volume"])`), "denied"},
		"a local of a local": {local("all", `plan.changes`) + local("first", `local.all[0]`) + rule(`local.first.before.size == "500GB"`), "passed"},
		"a local with a map": {local("by", `{ for c in plan.changes : c.address => c }`) + rule(`local.by["volume.scratch"].data_at_risk == "500GB of data"`), "passed"},
		"a local as a whole": {local("c", `plan.cost`) + rule(`jsonencode(local.c.before) != "" && local.c.after.hourly > 98`), "passed"},
		"a name that hides":  {rule(`alltrue([for plan in plan.changes : plan.address != ""])`), "passed"},
		"an inner for":       {rule(`length(flatten([for c in plan.changes : [for d in plan.drift : "${c.kind}${d.class}"]])) == 3`), "passed"},
		"a list of what":     {rule(`contains([for c in plan.changes : { k = c.kind, a = c.address }], { k = "job", a = "task.a.job[0]" })`), "passed"},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := policy.Evaluate(night(), mustLoad(t, tc.hcl))
			require.Empty(t, problems)
			require.Equal(t, tc.want, string(got[0].Result))
		})
	}
}

func TestATotalThatLacksPrices(t *testing.T) {
	for name, tc := range map[string]struct {
		condition string
		change    func(*plan.Plan)
		want      plan.PolicyResult
		value     string
	}{
		"may be within the budget":         {`plan.cost.after.hourly_max <= 120`, nil, plan.PolicyUnknown, "is at least 100.46"},
		"is above the budget in any case":  {`plan.cost.after.hourly_max <= 100`, nil, plan.PolicyDenied, "is at least 100.46"},
		"is above something in any case":   {`plan.cost.after.hourly_max > 100`, nil, plan.PolicyPassed, "is at least 100.46"},
		"rises by as much in any case":     {`plan.cost.difference.hourly <= 20`, nil, plan.PolicyDenied, "is at least 20.35"},
		"may rise by less":                 {`plan.cost.difference.hourly <= 20`, func(p *plan.Plan) { p.Cost.Before.Unknown = 1 }, plan.PolicyUnknown, "is known only after apply"},
		"how many are missing is known":    {`plan.cost.after.unknown <= 1`, nil, plan.PolicyPassed, "is 1"},
		"what was paid before is known":    {`plan.cost.before.hourly <= 80`, nil, plan.PolicyPassed, "is 78.44"},
		"an offer's price that is unknown": {`plan.changes[1].offer.price <= 80`, func(p *plan.Plan) { p.Changes[1].Offer.PriceUnknown = true }, plan.PolicyUnknown, "is known only after apply"},
	} {
		t.Run(name, func(t *testing.T) {
			p := night()
			p.Cost.After.Unknown, p.Cost.Difference.Unknown = 1, 1
			if tc.change != nil {
				tc.change(p)
			}
			got, _ := policy.Evaluate(p, mustLoad(t, rule(tc.condition)))
			require.Equal(t, tc.want, got[0].Result)
			require.Len(t, got[0].Values, 1)
			require.Equal(t, tc.value, got[0].Values[0].Statement)
		})
	}
}

func TestResults(t *testing.T) {
	c := mustLoad(t, `
variable "limit" {
  default = 100
}
policy "budget" {
  condition     = plan.cost.after.hourly_max <= var.limit
  error_message = <<-EOT
    At most $${var.limit} an hour, and this is $${plan.cost.after.hourly_max}:
    ask for more.
  EOT
}
policy "small" {
  condition     = length(plan.changes) < 2
  error_message = "Large: ${join(", ", [for c in plan.changes : c.address])}."
  enforcement   = "warn"
}
policy "calm" {
  condition     = plan.summary.update < 100
  error_message = "x"
}
policy "host" {
  condition     = plan.changes[1].after.hostname != ""
  error_message = "x"
  enforcement   = "warn"
}
policy "vague" {
  condition     = false
  error_message = "The name is ${plan.changes[1].after.hostname}."
}
policy "secret" {
  condition     = plan.changes[0].kind != "volume"
  error_message = "The token is ${plan.changes[1].after.env["TOKEN"]}."
}
policy "clumsy" {
  condition     = false
  error_message = "It is ${plan.changes[7].address}."
}
`)
	got, problems := policy.Evaluate(night(), c)
	want := []plan.Policy{
		{Name: "budget", Enforcement: "deny", Result: "denied", Declared: "main.dstack.hcl:5", Message: "At most ${var.limit} an hour, and this is ${plan.cost.after.hourly_max}:\nask for more.",
			Values: []diag.Value{{Traversal: "plan.cost.after.hourly_max", Statement: "is 100.46"}, {Traversal: "var.limit", Statement: "is 100"}}},
		{Name: "small", Enforcement: "warn", Result: "warned", Declared: "main.dstack.hcl:12", Message: "Large: volume.scratch, fleet.train.instance[0], task.a.job[0].",
			Values: []diag.Value{{Traversal: "plan.changes", Statement: "is a list of 3 elements"}}},
		{Name: "calm", Enforcement: "deny", Result: "passed", Declared: "main.dstack.hcl:17", Values: []diag.Value{{Traversal: "plan.summary.update", Statement: "is 0"}}},
		{Name: "host", Enforcement: "warn", Result: "unknown", Declared: "main.dstack.hcl:21", Message: "Whether its condition holds is not known when the plan is made.",
			Values: []diag.Value{{Traversal: "plan.changes[1].after.hostname", Statement: "is known only after apply"}}},
		{Name: "vague", Enforcement: "deny", Result: "denied", Declared: "main.dstack.hcl:26", Message: "The condition does not hold. Its message mentions what is known only after apply."},
		{Name: "secret", Enforcement: "deny", Result: "denied", Declared: "main.dstack.hcl:30", Message: "The condition does not hold. Its message is sensitive, so it is not shown.",
			Values: []diag.Value{{Traversal: "plan.changes[0].kind", Statement: `is "volume"`}}},
		{Name: "clumsy", Enforcement: "deny", Result: "denied", Declared: "main.dstack.hcl:34", Message: "The condition does not hold. Its message cannot be evaluated."},
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Len(t, problems, 1)
	require.Equal(t, "policy.clumsy", problems[0].Address)
	require.Equal(t, diag.Warning, problems[0].Severity)
	require.NotNil(t, problems[0].Snippet)
	p := night()
	p.Policies = got
	var names []string
	for _, d := range p.Denying() {
		names = append(names, d.Name)
	}
	require.Equal(t, []string{"budget", "vague", "secret", "clumsy"}, names)
}

func TestAMistakeIsExplainedByWhatThereIs(t *testing.T) {
	got, problems := policy.Evaluate(night(), mustLoad(t, rule(`plan.changes[1].after.instance_typ == ""`)))
	require.Equal(t, plan.PolicyUnknown, got[0].Result)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].Detail, `Did you mean "instance_type"?`)
}

func TestALongMessageIsCut(t *testing.T) {
	c := mustLoad(t, "policy \"p\" {\n  condition     = false\n  error_message = \""+strings.Repeat("ä", 5000)+"\"\n}\n")
	got, _ := policy.Evaluate(night(), c)
	require.Equal(t, strings.Repeat("ä", 4000)+"... (5000 characters)", got[0].Message)
}

func TestSecretsAreNeverShown(t *testing.T) {
	const canary = "xyzzy-4711"
	c, list := load(t, `
variable "token" {
  sensitive = true
}
policy "a" {
  condition     = var.token == "other"
  error_message = "The token is ${var.token}."
}
policy "b" {
  condition     = tonumber(var.token) > 1
  error_message = "x"
}
policy "c" {
  condition     = var.token
  error_message = "x"
}
policy "d" {
  condition     = false
  error_message = base64encode(var.token)
}
`, config.Assignment{Name: "token", Text: canary})
	require.NoError(t, list.Err())
	got, problems := policy.Evaluate(night(), c)
	text, err := json.Marshal([]any{got, problems})
	require.NoError(t, err)
	require.NotContains(t, string(text), canary)
	require.NotContains(t, string(text), "eHl6enk")
	require.Contains(t, string(text), "is sensitive")
	require.Len(t, problems, 2)
}

func TestMistakesThatAreFoundWithoutAPlan(t *testing.T) {
	for name, tc := range map[string]struct {
		hcl  string
		want []string
	}{
		"a part that no plan has":       {rule(`plan.costs.after.hourly > 1`), []string{`A plan has no "costs". Did you mean "cost"?`}},
		"results of policies":           {rule(`length(plan.policies) > 1`), []string{`A plan has no "policies".`}},
		"an attribute of a part":        {rule(`plan.cost.afterwards.hourly > 1`), []string{`plan.cost has no attribute "afterwards". It has after, before, difference, lines.`}},
		"an attribute of a change":      {rule(`alltrue([for c in plan.changes : c.adress != ""])`), []string{`c has no attribute "adress". Did you mean "address"?`}},
		"an attribute in a local":       {"locals {\n  x = plan.summary.creates\n}\n" + rule(`local.x > 1`), []string{`plan.summary has no attribute "creates". Did you mean "create"?`}},
		"an attribute in the message":   {"policy \"p\" {\n  condition     = plan.complete\n  error_message = \"${plan.cost.xx}\"\n}\n", []string{`plan.cost has no attribute "xx".`}},
		"attributes of resources vary":  {rule(`alltrue([for c in plan.changes : c.after.gpus != null])`), nil},
		"a try is no mistake":           {rule(`try(plan.cost.nothing, true)`), nil},
		"an index is no mistake":        {rule(`plan.changes[3].address != ""`), nil},
		"a key that may be there":       {rule(`plan.outputs.url.after != "" && plan.variables["x"].value == 1`), nil},
		"the same name twice":           {rule("true") + "policy \"q\" {\n  condition     = true\n  error_message = \"x\"\n}\n", nil},
		"everything that a change has":  {rule(`alltrue([for c in plan.changes : c.placement.instance != "" || c.offer.gpus[0].name != "" || c.candidates[0].offer.price > 1 || c.in_flight.since != "" || c.cost.before.hourly_max > 1])`), nil},
		"everything that the plan has":  {rule(`plan.steps[0].op == "create" || plan.groups[0].fixed || plan.sources[0].path == "" || plan.revisions["a"].revision == 1 || plan.backends.aws.version == "" || plan.not_checked[0].text == ""`), nil},
		"one of several repeated parts": {rule(`plan.deferred[0].adress == ""`), []string{`plan.deferred[0] has no attribute "adress". Did you mean "address"?`}},
	} {
		t.Run(name, func(t *testing.T) {
			c, list := load(t, tc.hcl)
			require.NoError(t, list.Err())
			found := policy.Check(c)
			var got []string
			for _, d := range found {
				got = append(got, d.Detail)
				require.Equal(t, diag.Error, d.Severity)
				require.NotNil(t, d.Range)
				require.NotNil(t, d.Snippet)
			}
			require.Len(t, got, len(tc.want), got)
			for i := range got {
				require.Contains(t, got[i], tc.want[i])
			}
		})
	}
}

func TestTwoPoliciesOfOneName(t *testing.T) {
	one, two := mustLoad(t, rule("true")), mustLoad(t, rule("false"))
	found := policy.Check(one, two)
	require.Len(t, found, 1)
	require.Equal(t, "Policy stands twice", found[0].Summary)
}

func TestJSONConditions(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.dstack.json"), []byte(`{"policy": {"p": {"condition": "${plan.changes[1].after.instance_type == \"p4de.24xlarge\" && length(plan.changes) == 3}", "error_message": "${plan.changes[0].address} is in the way"}}}`), 0o600))
	c, list := config.LoadPolicies(t.Context(), config.PolicyOptions{Dir: dir})
	require.NoError(t, list.Err())
	got, problems := policy.Evaluate(night(), c)
	require.Empty(t, problems)
	require.Equal(t, plan.PolicyPassed, got[0].Result)
}

func many(n int) *plan.Plan {
	p := night()
	one := p.Changes[1]
	p.Changes = make([]*plan.Change, n)
	for i := range p.Changes {
		c := *one
		c.Address = fmt.Sprintf("fleet.train.instance[%d]", i)
		p.Changes[i] = &c
	}
	return p
}

func BenchmarkEvaluate(b *testing.B) {
	for name, condition := range map[string]string{
		"budget":     `plan.cost.after.hourly_max <= 120`,
		"addresses":  `alltrue([for c in plan.changes : c.address != ""])`,
		"attributes": `alltrue([for c in plan.changes : c.after.instance_type != c.before.instance_type])`,
		"everything": `length(jsonencode(plan.changes)) > 0`,
	} {
		for _, n := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				p, c := many(n), mustLoad(b, rule(condition))
				for b.Loop() {
					if got, _ := policy.Evaluate(p, c); got[0].Result == plan.PolicyUnknown {
						b.Fatal(got)
					}
				}
			})
		}
	}
}
