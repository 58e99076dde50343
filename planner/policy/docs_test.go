package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/policy"
)

// fenced are the blocks of a page that begin with a fence of that sort.
func fenced(page, fence string) []string {
	var out []string
	for _, part := range strings.Split(page, "```"+fence+"\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		out = append(out, text)
	}
	return out
}

func TestTheExamplesOfThePageWork(t *testing.T) {
	page, err := os.ReadFile("../../docs/policies.md")
	require.NoError(t, err)
	rules, tests := fenced(string(page), "hcl"), fenced(string(page), "dstacktest")
	require.Len(t, rules, 2)
	require.Len(t, tests, 1)
	for _, text := range rules {
		got, problems := policy.Evaluate(night(), mustLoad(t, text))
		require.Empty(t, problems)
		require.NotEmpty(t, got)
		for _, r := range got {
			require.NotEqual(t, "unknown", string(r.Result), r.Name)
		}
	}
	parsed, list := policy.ParseTests("page.dstacktest.hcl", []byte(tests[0]))
	require.NoError(t, list.Err())
	require.Len(t, parsed, 3)
	findings, list := parsed[1].Run(nil, mustLoad(t, rules[0]))
	require.NoError(t, list.Err())
	require.Len(t, findings, 1)
	require.True(t, findings[0].Passed, findings[0].Why)
}

func TestFilesOfTestsThatAreWrong(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"not HCL":                       {"test {", "Unclosed configuration block"},
		"an argument outside":           {"x = 1\n", "Argument outside of a block"},
		"another block":                 {"policy \"p\" {\n}\n", "Unknown block"},
		"no name":                       {"test {\n}\n", "Unknown block"},
		"nothing in it":                 {"test \"a\" {\n}\n", "An argument is missing"},
		"an unknown argument":           {"test \"a\" {\n  plan = \"x\"\n  expects = {}\n}\n", "Did you mean \"expect\"?"},
		"the same name twice":           {"test \"a\" {\n  plan = \"x\"\n  expect = { p = \"denied\" }\n}\ntest \"a\" {\n  plan = \"x\"\n  expect = { p = \"denied\" }\n}\n", "Test stands twice"},
		"nothing is expected":           {"test \"a\" {\n  plan = \"x\"\n  expect = {}\n}\n", "Nothing is expected"},
		"an unknown result":             {"test \"a\" {\n  plan = \"x\"\n  expect = { p = \"denid\" }\n}\n", "Did you mean \"denied\"?"},
		"a message that is no pattern":  {"test \"a\" {\n  plan = \"x\"\n  expect = { p = { result = \"denied\", message = \"(\" } }\n}\n", "no regular expression"},
		"an expectation without result": {"test \"a\" {\n  plan = \"x\"\n  expect = { p = { message = \"x\" } }\n}\n", "a result is"},
		"a plan that is a number":       {"test \"a\" {\n  plan = 1\n  expect = { p = \"denied\" }\n}\n", "No plan"},
		"a plan that is a variable":     {"test \"a\" {\n  plan = var.x\n  expect = { p = \"denied\" }\n}\n", "Variables not allowed"},
		"a block for an object":         {"test \"a\" {\n  plan = \"x\"\n  expect {\n    p = \"denied\"\n  }\n}\n", "An argument is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, list := policy.ParseTests("a.dstacktest.hcl", []byte(tc.text))
			require.True(t, list.HasErrors())
			var all []string
			for _, d := range list {
				require.NotNil(t, d.Range)
				all = append(all, d.Summary+": "+d.Detail)
			}
			require.Contains(t, strings.Join(all, "\n"), tc.want)
		})
	}
}

func TestPlansInTests(t *testing.T) {
	for name, tc := range map[string]struct {
		plan, condition, want, wrong string
	}{
		"what is not said is as in an empty plan":   {plan: `{}`, condition: `length(plan.changes) == 0 && plan.summary.create == 0 && !plan.destroy && plan.cost.after.hourly == 0`, want: "passed"},
		"changes are completed":                     {plan: `{ changes = [{ kind = "instance", after = { price = 3 } }] }`, condition: `plan.changes[0].after.price == 3 && plan.changes[0].after.region == null && plan.changes[0].cost.after.hourly == 0 && plan.changes[0].address == ""`, want: "passed"},
		"prices are dollars":                        {plan: `{ cost = { after = { hourly_max = 2.5 } } }`, condition: `plan.cost.after.hourly_max == 2.5`, want: "passed"},
		"outputs and variables have names of yours": {plan: `{ outputs = { url = { after = "x" } }, variables = { team = { value = "a" } } }`, condition: `plan.outputs.url.after == "x" && plan.outputs.url.before == null && plan.variables.team.value == "a"`, want: "passed"},
		"a part that no plan has":                   {plan: `{ changse = [] }`, condition: `true`, wrong: `A plan has no "changse". Did you mean "changes"?`},
		"an attribute that no change has":           {plan: `{ changes = [{ adress = "x" }] }`, condition: `true`, wrong: `changes[0] has no "adress". Did you mean "address"?`},
		"an attribute of a price":                   {plan: `{ cost = { after = { max = 1 } } }`, condition: `true`, wrong: `cost.after has no "max".`},
	} {
		t.Run(name, func(t *testing.T) {
			tests, list := policy.ParseTests("a.dstacktest.hcl", []byte("test \"a\" {\n  plan   = "+tc.plan+"\n  expect = { p = \"passed\" }\n}\n"))
			require.NoError(t, list.Err())
			findings, list := tests[0].Run(nil, mustLoad(t, rule(tc.condition)))
			if tc.wrong != "" {
				require.ErrorContains(t, list.Err(), tc.wrong)
				return
			}
			require.NoError(t, list.Err())
			require.Equal(t, tc.want, string(findings[0].Got), findings[0].Why)
		})
	}
}

func FuzzParseTests(f *testing.F) {
	page, err := os.ReadFile("../../docs/policies.md")
	require.NoError(f, err)
	f.Add(fenced(string(page), "dstacktest")[0])
	f.Fuzz(func(t *testing.T, text string) {
		tests, list := policy.ParseTests("a.dstacktest.hcl", []byte(text))
		for _, x := range tests {
			if x.Name != "" && !list.HasErrors() && len(x.Expect) == 0 {
				t.Fatal("a test without an expectation cannot fail")
			}
		}
	})
}
