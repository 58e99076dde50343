package value_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema/value"
)

func envRows() map[string]reading {
	return map[string]reading{
		// VAL-11
		"a map":                            {hcl: `{ B = "2", A = "1" }`, canonical: `["A=1","B=2"]`},
		"a map of strings":                 {hcl: `strings`, canonical: `["A=1","B=2"]`},
		"numbers and bools become strings": {hcl: `{ STEPS = 100, RATE = 0.1, FAST = true, DRY = false }`, canonical: `["DRY=false","FAST=true","RATE=0.1","STEPS=100"]`},
		"an empty value":                   {hcl: `{ A = "" }`, canonical: `["A="]`},
		"an empty map is set":              {hcl: `{}`, canonical: `[]`},
		"an empty list is set":             {hcl: `[]`, canonical: `[]`},
		"a list":                           {hcl: `["A=1", "_b2=x=y", "C="]`, written: `["A=1","_b2=x=y","C="]`, canonical: `["A=1","C=","_b2=x=y"]`},
		"a reference":                      {hcl: `["HF_TOKEN"]`, canonical: `["HF_TOKEN"]`}, // VAL-12
		"a value with quotes and newlines": {hcl: `["A=\"<x>\n&"]`, canonical: `["A=\"<x>\n&"]`},
		"a name twice in a list":           {hcl: `["A=1", "B=", "A"]`, err: "Environment variable is set twice", says: "A is entry 1 and entry 3.", path: "[2]"},
		"a name that starts with a digit":  {hcl: `["1A=1"]`, err: "Environment variable has an invalid name", says: `"1A" starts with a digit.`, path: "[0]"},
		"a name with a dash":               {hcl: `["A-B=1"]`, err: "Environment variable has an invalid name", says: `"A-B" contains "-".`, path: "[0]"},
		"a bad name of a reference":        {hcl: `["A B"]`, err: "Environment variable has an invalid name", path: "[0]"},
		"no name":                          {hcl: `["=1"]`, err: "Environment variable has an invalid name", says: `"" is no name.`, path: "[0]"},
		"a bad name in a map":              {hcl: `{ "A-B" = "1" }`, err: "Environment variable has an invalid name", says: `"A-B" contains "-".`, path: "[A-B]"},
		"a name with an accent in a map":   {hcl: `{ "Aé" = "1" }`, err: "Environment variable has an invalid name", says: `contains "é".`, path: "[Aé]"},
		"null in a map":                    {hcl: `{ A = null }`, err: "Environment variable is null", says: `["NAME"]`, path: "[A]"},
		"a list in a map":                  {hcl: `{ A = [] }`, err: "Environment variable has the wrong type", path: "[A]"},
		"an unknown value":                 {hcl: `{ A = unknown }`, err: "Environment variable is not known yet", path: "[A]"},
		"a sensitive value":                {hcl: `{ A = sensitive }`, err: "Environment variable is marked", path: "[A]"},
		"a number in a list":               {hcl: `["A=1", 2]`, err: "Environment variable has the wrong type", path: "[1]"},
		"a string is not allowed":          {hcl: `"A=1"`, err: "Environment has the wrong type", says: "This is a string."},
	}
}

func TestEnv(t *testing.T) {
	readAll[value.Env](t, envRows())
}

func TestEnvKeepsItsOrder(t *testing.T) {
	env := value.Must(value.EnvOf("B=2", "HF_TOKEN", "A=1", "EMPTY="))
	require.Equal(t, `["B=2","HF_TOKEN","A=1","EMPTY="]`, env.String())
	require.Empty(t, cmp.Diff([]value.EnvEntry{
		{Name: "B", Value: "2"}, {Name: "HF_TOKEN", Unresolved: true}, {Name: "A", Value: "1"}, {Name: "EMPTY"},
	}, env.Entries()))
	require.Equal(t, 4, env.Len())
	require.Equal(t, map[string]string{"A": "1", "B": "2", "EMPTY": ""}, env.Map())
	require.Equal(t, []string{"HF_TOKEN"}, env.Unresolved())
	got, ok := env.Lookup("A")
	require.True(t, ok)
	require.Equal(t, "1", got)
	_, ok = env.Lookup("HF_TOKEN")
	require.False(t, ok)
	_, ok = env.Lookup("C")
	require.False(t, ok)

	other := value.Must(value.EnvOf("A=1", "B=2", "EMPTY=", "HF_TOKEN"))
	require.True(t, env.Equal(other), "the order means nothing")
	require.False(t, env.Equal(value.Must(value.EnvOf("A=1", "B=2", "EMPTY=", "HF_TOKEN="))), "an empty value is no reference")
	require.False(t, value.Must(value.EnvOf()).Equal(value.Env{}), "an empty environment is set")
}

func TestEnvIsResolved(t *testing.T) { // VAL-12
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"HF_TOKEN": "hf_1", "EMPTY": "", "A": "other", "BAD": "a\x00b"}[name]
		return v, ok
	}
	env := value.Must(value.EnvOf("A=1", "HF_TOKEN", "EMPTY"))
	resolved, err := env.Resolve(lookup)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"A": "1", "HF_TOKEN": "hf_1", "EMPTY": ""}, resolved.Map())
	require.Empty(t, resolved.Unresolved())
	require.Len(t, env.Unresolved(), 2, "the original is unchanged")

	_, err = value.Must(value.EnvOf("X", "HF_TOKEN", "Y")).Resolve(lookup)
	var e *value.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "Environment variable is not set", e.Summary)
	require.Contains(t, e.Detail, "takes X, Y from the environment")

	_, err = value.Must(value.EnvOf("BAD")).Resolve(lookup)
	require.EqualError(t, err, "Environment variable has an invalid value: The value of BAD in the environment contains a zero byte, which no environment can hold.")

	unset, err := value.Env{}.Resolve(lookup)
	require.NoError(t, err)
	require.True(t, unset.IsZero())
}

func TestEnvsAreMerged(t *testing.T) {
	base := value.Must(value.EnvOf("A=1", "B=2"))
	over := value.Must(value.EnvOf("C=3", "A"))
	require.Equal(t, `["A","B=2","C=3"]`, base.Merge(over).String())
	require.Equal(t, `["A=1","B=2"]`, base.String())
	require.True(t, value.Env{}.Merge(value.Env{}).IsZero())
	require.Equal(t, `[]`, value.Env{}.Merge(value.Must(value.EnvOf())).String())
	require.Equal(t, base, base.Merge(value.Env{}))
}

func TestErrorsOfEnvHideValues(t *testing.T) {
	for name, v := range map[string]cty.Value{
		"twice":         cty.ListVal([]cty.Value{cty.StringVal("A=hunter2"), cty.StringVal("A=hunter2")}),
		"a bad name":    cty.ListVal([]cty.Value{cty.StringVal("A B=hunter2")}),
		"a bad value":   cty.ListVal([]cty.Value{cty.StringVal("A=hunter2\x00")}),
		"a bad map":     cty.MapVal(map[string]cty.Value{"A B": cty.StringVal("hunter2")}),
		"a wrong value": cty.ObjectVal(map[string]cty.Value{"A": cty.TupleVal([]cty.Value{cty.StringVal("hunter2")})}),
		"a string":      cty.StringVal("hunter2"),
	} {
		t.Run(name, func(t *testing.T) {
			var env value.Env
			err := env.UnmarshalCty(v)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	var env value.Env
	err := env.UnmarshalText([]byte(`["A=hunter2"`))
	require.EqualError(t, err, `Environment is not a list: The text form of an environment is a JSON list: ["NAME=value","NAME"].`)
	require.Error(t, env.UnmarshalText([]byte("null")))
	require.Error(t, env.UnmarshalText([]byte(`[null]`)))
	_, err = value.EnvOf("A=\xff")
	require.Error(t, err)
	_, err = value.EnvFromMap(map[string]string{"": "x"})
	require.Error(t, err)
}
