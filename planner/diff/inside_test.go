package diff_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

func asText(t testing.TB, s string) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return b
}

func within(path, before, after string) plan.InsideDiff {
	d := change(path, before, after)
	return plan.InsideDiff{Path: d.Path, Before: d.Before, After: d.After}
}

func TestTextsAreComparedByWhatTheyMean(t *testing.T) {
	type diffs = []plan.InsideDiff
	for name, c := range map[string]struct {
		old, new string
		want     *plan.Inside
	}{
		"a value of JSON": {`{"a":1,"b":{"c":[1,2,3]}}`, `{"a":1,"b":{"c":[1,9,3]}}`, &plan.Inside{Format: plan.InsideJSON, Diff: diffs{within("b.c[1]", "2", "9")}}},
		"keys come and go, by their names": {
			`{"a":{"x":null},"b c":1}`, `{"a":{},"":{"y":[]}}`,
			&plan.Inside{Format: plan.InsideJSON, Diff: diffs{within(`[""]`, "", `{"y":[]}`), within("a.x", "null", ""), within(`["b c"]`, "1", "")}},
		},
		"a list of JSON that shifts":      {`["a","b","c"]`, `["z","a","b"]`, &plan.Inside{Format: plan.InsideJSON, Diff: diffs{within("[0]", "", `"z"`), within("[2]", `"c"`, "")}}},
		"an object becomes a list within": {`{"a":{"b":1}}`, `{"a":[1]}`, &plan.Inside{Format: plan.InsideJSON, Diff: diffs{within("a", `{"b":1}`, "[1]")}}},
		"blanks and the order of keys":    {`{"a":1,"b":2}`, "{\n  \"b\": 2,\n  \"a\": 1\n}\n", &plan.Inside{Format: plan.InsideJSON, Layout: true}},
		"the order of keys alone":         {`{"a":1,"b":2}`, `{"b":2,"a":1}`, &plan.Inside{Format: plan.InsideJSON, Layout: true}},
		"an escaped letter":               {`{"a":"\u0041"}`, `{"a":"A"}`, &plan.Inside{Format: plan.InsideJSON, Layout: true}},
		"a value and the indentation": {
			`{"a":1}`, "{\n  \"a\": 2\n}", &plan.Inside{Format: plan.InsideJSON, Diff: diffs{within("a", "1", "2")}, Layout: true},
		},
		"a number is what it is worth":         {`{"a":1.0,"b":1e1}`, `{"a":1,"b":10}`, &plan.Inside{Format: plan.InsideJSON, Layout: true}},
		"a long number is what its digits say": {`[12345678901234567890]`, `[12345678901234567891]`, &plan.Inside{Format: plan.InsideJSON, Diff: diffs{within("[0]", "12345678901234567890", "12345678901234567891")}}},
		"an exponent that no machine holds":    {`[1e999999999]`, `[1e999999998]`, &plan.Inside{Format: plan.InsideJSON, Diff: diffs{within("[0]", "1e999999999", "1e999999998")}}},
		"a value of YAML": {
			"a: 1\nb:\n  c: x\n", "a: 1\nb:\n  c: y\n", &plan.Inside{Format: plan.InsideYAML, Diff: diffs{within("b.c", `"x"`, `"y"`)}},
		},
		"scalars of YAML have types": {
			"a: 1\nb: yes\nc: ~\nd: 2026-01-02\n", "a: \"1\"\nb: true\nc: null\nd: \"2026-01-02\"\n",
			&plan.Inside{Format: plan.InsideYAML, Diff: diffs{within("a", "1", `"1"`), within("b", `"yes"`, "true")}},
		},
		"a list of objects of YAML":     {"- name: a\n  x: 1\n- name: b\n", "- name: a\n  x: 2\n- name: b\n", &plan.Inside{Format: plan.InsideYAML, Diff: diffs{within("[0].x", "1", "2")}}},
		"a comment of YAML":             {"# one\na: 1\n", "# two\na: 1\n", &plan.Inside{Format: plan.InsideYAML, Layout: true}},
		"a comment and a value":         {"a: 1 # one\nb: 2\n", "a: 2 # two\nb: 2\n", &plan.Inside{Format: plan.InsideYAML, Diff: diffs{within("a", "1", "2")}, Layout: true}},
		"quotes of YAML":                {"a: x\nb: y\n", "a: 'x'\nb: y\n", &plan.Inside{Format: plan.InsideYAML, Layout: true}},
		"several documents":             {"a: 1\n---\nb: 2\n", "a: 1\n---\nb: 3\n", nil},
		"anchors and aliases":           {"a: &x 1\nb: *x\n", "a: &x 2\nb: *x\n", nil},
		"a merge":                       {"a: {x: 1}\n<<: {y: 1}\n", "a: {x: 1}\n<<: {y: 2}\n", nil},
		"a type of its own":             {"a: !Ref x\nb: 1\n", "a: !Ref y\nb: 1\n", nil},
		"a key twice, JSON":             {`{"a":1,"a":2}`, `{"a":1,"a":3}`, nil},
		"a key twice, YAML":             {"a: 1\na: 2\n", "a: 1\na: 3\n", nil},
		"JSON on one side alone":        {`{"a":1}`, `{"a":`, nil},
		"two values of JSON":            {`{"a":1} {}`, `{"a":2} {}`, nil},
		"a JSON text and a JSON text":   {`"a"`, `"b"`, nil},
		"an object and a list":          {`{"a":1}`, `[1]`, nil},
		"a program":                     {"set -e\npython train.py\n", "set -e\npython eval.py\n", nil},
		"a program with a colon":        {"if x:\n  run()\nelse:\n  stop()\n", "if x:\n  walk()\nelse:\n  stop()\n", nil},
		"a list of sentences":           {"- one: two three\n- four\n", "- one: two three\n- five\n", nil},
		"one line that looks like YAML": {"a: b", "a: c", nil},
		"nothing":                       {"", "{}", nil},
		"too deep":                      {strings.Repeat("[", 70) + strings.Repeat("]", 70), strings.Repeat("[", 69) + strings.Repeat("]", 69), nil},
		"too long":                      {`["` + strings.Repeat("x", 300<<10) + `"]`, `["y"]`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := diff.Inside(asText(t, c.old), asText(t, c.new))
			require.Empty(t, cmp.Diff(c.want, got, cmpopts.EquateEmpty()))
		})
	}
}

func TestWhatDiffersInsideIsBounded(t *testing.T) {
	var old, new strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&old, "k%d: a\n", i)
		fmt.Fprintf(&new, "k%d: b\n", i)
	}
	in := diff.Inside(asText(t, old.String()), asText(t, new.String()))
	require.NotNil(t, in)
	require.Len(t, in.Diff, 50)
	require.Equal(t, 19_950, in.More)
}

// TestSecretsAreNotLookedInto has texts that are secrets on one side or both: what they mean is nobody's business.
func TestSecretsAreNotLookedInto(t *testing.T) {
	hide := func(s string) cty.Value { return cty.StringVal(s).Mark(schema.SensitiveMark) }
	const before, after = `{"password":"hunter2"}`, `{"password":"hunter3"}`
	for name, c := range map[string]struct{ old, new cty.Value }{
		"both":            {hide(before), hide(after)},
		"the one before":  {hide(before), cty.StringVal(after)},
		"the one after":   {cty.StringVal(before), hide(after)},
		"one known later": {cty.StringVal(before), cty.UnknownVal(cty.String)},
	} {
		t.Run(name, func(t *testing.T) {
			of := func(v cty.Value) diff.Value {
				return object[schema.Job](t, leaves{"env": cty.MapVal(leaves{"C": v})})
			}
			r := diff.Compare(schema.Of[schema.Job](), of(c.old), of(c.new), diff.Options{})
			require.Len(t, r.Diffs, 1)
			require.Nil(t, r.Diffs[0].Inside)
			if r.Diffs[0].Sensitive {
				raw, err := json.Marshal(r.Diffs)
				require.NoError(t, err)
				require.NotContains(t, string(raw), "hunter")
			}
		})
	}
	open := object[schema.Job](t, leaves{`env["C"]`: cty.StringVal(before)})
	r := diff.Compare(schema.Of[schema.Job](), open, object[schema.Job](t, leaves{`env["C"]`: cty.StringVal(after)}), diff.Options{})
	require.NotNil(t, r.Diffs[0].Inside, "what is no secret is looked into")
}

func FuzzInside(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"a":[1,{"b":null}]}`, `{"a":[{"b":2}]}`}, {"a: 1\nb:\n  - c: d\n", "a: 2\nb: []\n"}, {"a: &x {b: *x}\n", "a: !!binary aGk=\nb: 0x10\n"}, {"? [a]\n: b\n", "a: .inf\nb: 1_000\n"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, old, new string) {
		a, b := asText(t, old), asText(t, new)
		if in := diff.Inside(a, b); in != nil {
			raw, err := json.Marshal(in)
			require.NoError(t, err)
			require.True(t, json.Valid(raw))
			require.True(t, in.Layout || len(in.Diff) > 0 || string(a) == string(b))
		}
		if in := diff.Inside(a, a); in != nil {
			require.Empty(t, in.Diff, "nothing differs from itself")
		}
	})
}
