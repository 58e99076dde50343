package render

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

func TestJSONOfSituations(t *testing.T) {
	all := rendertest.Situations()
	require.GreaterOrEqual(t, len(all), 60)
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			got, err := JSON(s.Plan)
			require.NoError(t, err)
			if len(s.Plan.Changes) <= 500 {
				golden.Assert(t, "testdata/json/"+s.Name+".json", string(got))
			}
			var read plan.Plan
			require.NoError(t, json.Unmarshal(got, &read))
			require.Equal(t, Text(s.Plan, Options{}), Text(&read, Options{}), "who reads it sees the same plan")
		})
	}
}

func TestJSONIsPrintable(t *testing.T) {
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"letters of other scripts": {"größe 日本 👩", `"größe 日本 👩"`},
		"what HTML reads":          {"<a&b>", `"<a&b>"`},
		"a direction":              {"a\u202eb", `"a\u202eb"`},
		"beyond 16 bits":           {"\U000e0041", `"\udb40\udc41"`},
		"C1":                       {"\u009b2J", `"\u009b2J"`},
		"a logging command":        {"##[group]x ##vso[y]", `"\u0023#[group]x \u0023#vso[y]"`},
		"a heading":                {"## x", `"## x"`},
		"a name":                   {map[string]int{"\u200b": 1}, `{"\u200b":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := JSONLine(c.in)
			require.NoError(t, err)
			require.Equal(t, c.want+"\n", string(got))
		})
	}
	_, err := JSON(json.RawMessage("{bad"))
	require.Error(t, err)
}
