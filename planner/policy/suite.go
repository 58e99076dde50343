package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// Test is a block `test`: what policies should say of one plan.
type Test struct {
	Name  string
	Range hcl.Range // its header
	// PlanFile is a saved plan or its JSON, relative to the file of the test; "" where the plan stands in the test itself.
	PlanFile  string
	Variables map[string]cty.Value
	Expect    []Expectation

	sample hclsyntax.Expression // a plan that stands in the test
}

// Expectation is what one policy should say.
type Expectation struct {
	Policy  string
	Result  plan.PolicyResult
	Message *regexp.Regexp // nil: any
}

// Finding is what became of one expectation.
type Finding struct {
	Policy string            `json:"policy"`
	Want   plan.PolicyResult `json:"want"`
	Got    plan.PolicyResult `json:"got,omitempty"`
	Passed bool              `json:"passed"`
	Why    string            `json:"why,omitempty"` // why not
}

// ParseTests reads a file of tests.
func ParseTests(path string, text []byte) ([]Test, diag.List) {
	f, ds := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if ds.HasErrors() {
		return nil, diag.FromHCL(ds)
	}
	p := testParser{}
	body := f.Body.(*hclsyntax.Body)
	for _, a := range body.Attributes {
		p.fail(a.NameRange, "Argument outside of a block", "A file of tests has test blocks only.")
	}
	for _, b := range body.Blocks {
		p.test(b)
	}
	p.list.Sort()
	return p.out, p.list
}

type testParser struct {
	out  []Test
	list diag.List
}

func (p *testParser) fail(at hcl.Range, summary, format string, args ...any) {
	p.list = append(p.list, diag.Errorf(summary, format, args...).At(&at)...)
}

func (p *testParser) test(b *hclsyntax.Block) {
	if b.Type != "test" || len(b.Labels) != 1 {
		p.fail(b.DefRange(), "Unknown block", "A file of tests has blocks such as test \"small plans pass\" { ... } only.")
		return
	}
	t := Test{Name: b.Labels[0], Range: b.DefRange()}
	if slices.ContainsFunc(p.out, func(o Test) bool { return o.Name == t.Name }) {
		p.fail(b.DefRange(), "Test stands twice", "There is a test %q in this file already.", t.Name)
	}
	for _, inner := range b.Body.Blocks {
		p.fail(inner.DefRange(), "An argument is needed", "Write %s with an equals sign: %s = { ... }", inner.Type, inner.Type)
	}
	for _, a := range b.Body.Attributes {
		switch a.Name {
		case "plan":
			p.plan(&t, a.Expr)
		case "variables":
			if v, ok := p.object(a.Expr, "variables"); ok {
				t.Variables = v
			}
		case "expect":
			if v, ok := p.object(a.Expr, "expect"); ok {
				p.expect(&t, a, v)
			}
		default:
			p.fail(a.NameRange, "Unknown argument", "A test has plan, expect and variables.%s", schema.DidYouMean(a.Name, []string{"plan", "expect", "variables"}))
		}
	}
	for _, need := range []string{"plan", "expect"} {
		if b.Body.Attributes[need] == nil {
			p.fail(b.DefRange(), "An argument is missing", "A test needs %s.", need)
		}
	}
	p.out = append(p.out, t)
}

// plan takes the plan of a test: the name of a file, or an object.
func (p *testParser) plan(t *Test, expr hclsyntax.Expression) {
	v, ds := expr.Value(nil)
	switch {
	case ds.HasErrors():
		p.list = append(p.list, diag.FromHCL(ds)...)
	case v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() != "":
		t.PlanFile = v.AsString()
	case v.Type().IsObjectType() && !v.IsNull():
		t.sample = expr
	default:
		p.fail(expr.Range(), "No plan", "plan is the name of a file that dstack plan --out or dstack show --json has written, or an object with what matters of a plan:\n  plan = { cost = { after = { hourly_max = 130 } } }")
	}
}

func (p *testParser) object(expr hclsyntax.Expression, name string) (map[string]cty.Value, bool) {
	v, ds := expr.Value(nil)
	if ds.HasErrors() {
		p.list = append(p.list, diag.FromHCL(ds)...)
		return nil, false
	}
	if !v.Type().IsObjectType() || v.IsNull() {
		p.fail(expr.Range(), "An object is needed", "%s is an object: %s = { name = ... }", name, name)
		return nil, false
	}
	return v.AsValueMap(), true
}

func (p *testParser) expect(t *Test, a *hclsyntax.Attribute, all map[string]cty.Value) {
	if len(all) == 0 {
		p.fail(a.Expr.Range(), "Nothing is expected", "A test that expects nothing cannot fail. Name a policy and its result:\n  expect = { budget = \"denied\" }")
	}
	for _, name := range sortedKeys(all) {
		e, why := expectation(name, all[name])
		if why != "" {
			p.fail(a.Expr.Range(), "Expectation cannot be read", "What is expected of %s: %s", name, why)
			continue
		}
		t.Expect = append(t.Expect, e)
	}
}

// expectation reads "denied", or { result = "denied", message = "a regular expression" }.
func expectation(name string, v cty.Value) (Expectation, string) {
	out := Expectation{Policy: name}
	parts := map[string]cty.Value{"result": v}
	if v.Type().IsObjectType() && !v.IsNull() {
		parts = v.AsValueMap()
	}
	for _, part := range sortedKeys(parts) {
		text := parts[part]
		if text.IsNull() || !text.IsKnown() || text.Type() != cty.String {
			return out, part + " is a text."
		}
		switch part {
		case "result":
			out.Result = plan.PolicyResult(text.AsString())
		case "message":
			re, err := regexp.Compile(text.AsString())
			if err != nil {
				return out, fmt.Sprintf("message is no regular expression: %v.", err)
			}
			out.Message = re
		default:
			return out, fmt.Sprintf("there is no %s, only result and message.", part)
		}
	}
	results := []string{string(plan.PolicyPassed), string(plan.PolicyDenied), string(plan.PolicyWarned), string(plan.PolicyUnknown)}
	if !slices.Contains(results, string(out.Result)) {
		return out, fmt.Sprintf("a result is %s.%s", strings.Join(results, ", "), schema.DidYouMean(string(out.Result), results))
	}
	return out, ""
}

// Run judges the plan of the test by the policies of a configuration. The plan is that of PlanFile, nil without one. The
// list has what is wrong with the test itself.
func (t Test) Run(p *plan.Plan, c *config.Config) ([]Finding, diag.List) {
	var results []plan.Policy
	var problems diag.List
	if t.sample != nil {
		doc := newDocument(&plan.Plan{}, &need{all: true})
		if list := doc.sample(t.sample); list.HasErrors() {
			return nil, list
		}
		for _, rule := range c.Policies() {
			r, ds := judge(rule, doc)
			results, problems = append(results, r), append(problems, ds...)
		}
	} else {
		results, problems = Evaluate(p, c)
	}
	var out []Finding
	var list diag.List
	for _, e := range t.Expect {
		i := slices.IndexFunc(results, func(r plan.Policy) bool { return r.Name == e.Policy })
		if i < 0 {
			var known []string
			for _, r := range results {
				known = append(known, r.Name)
			}
			list = append(list, diag.Errorf("No such policy", "There is no policy %q.%s", e.Policy, schema.DidYouMean(e.Policy, known)).At(&t.Range)...)
			continue
		}
		out = append(out, e.compare(results[i], problems))
	}
	return out, list
}

func (e Expectation) compare(got plan.Policy, problems diag.List) Finding {
	f := Finding{Policy: e.Policy, Want: e.Result, Got: got.Result, Passed: true}
	switch {
	case got.Result != e.Result:
		f.Passed = false
		var values []string
		for _, v := range got.Values {
			values = append(values, v.Traversal+" "+v.Statement)
		}
		f.Why = strings.Join(values, ", ")
		for _, d := range problems {
			if d.Address == "policy."+e.Policy {
				f.Why = strings.TrimPrefix(f.Why+"; "+d.Summary+": "+d.Detail, "; ")
			}
		}
	case e.Message != nil && !e.Message.MatchString(got.Message):
		f.Passed = false
		f.Why = fmt.Sprintf("its message is %q, which %s does not match", got.Message, e.Message)
	}
	return f
}
