package reference_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/internal/jsonschema"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const planSchema = docs + "plan.schema.json"

// actions are how a plan writes what happens to a resource.
func actions() jsonschema.Schema {
	var lists [][]string
	for _, a := range plan.Actions() {
		raw, err := json.Marshal(a)
		var list []string
		if err != nil || json.Unmarshal(raw, &list) != nil {
			panic(a)
		}
		lists = append(lists, list)
	}
	return jsonschema.Words(lists...)
}

// derivePlan makes the schema of plans.
func derivePlan(t *testing.T) jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.Derive(reflect.TypeFor[plan.Plan](), jsonschema.Options{
		Root: "../..", Module: "github.com/dstackai/dstack-planner", Known: map[reflect.Type]jsonschema.Schema{reflect.TypeFor[plan.Action](): actions()},
	})
	require.NoError(t, err)
	s.ID, s.Title = "urn:dstack:plan:1", "A plan of dstack"
	s.Description = "What `dstack show --json FILE` and `dstack plan --format json` print, format version " + plan.FormatVersion +
		". Later versions with the same major number add to it, and take nothing away: a reader ignores what it does not know."
	return s
}

// TestSchemaOfPlans keeps docs/plan.schema.json what the types of package plan say.
func TestSchemaOfPlans(t *testing.T) {
	text, err := jsonschema.Document(derivePlan(t))
	require.NoError(t, err)
	golden.Assert(t, planSchema, text)
}

// TestPlansAreOfTheirSchema holds all plans that the repository keeps against the schema, with nothing allowed that it
// does not name.
func TestPlansAreOfTheirSchema(t *testing.T) {
	schema, err := os.ReadFile(planSchema)
	require.NoError(t, err)
	c, err := jsonschema.Closed(schema)
	require.NoError(t, err)
	files, err := filepath.Glob("../../planner/render/testdata/json/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 60)
	for _, file := range append(files, docs+"reviewing/plan.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, c.Check(raw))
		})
	}
}

// TestSchemaSeesWhatItDoesNotKnow proves that the test above would notice.
func TestSchemaSeesWhatItDoesNotKnow(t *testing.T) {
	schema, err := os.ReadFile(planSchema)
	require.NoError(t, err)
	c, err := jsonschema.Closed(schema)
	require.NoError(t, err)
	raw, err := os.ReadFile(docs + "reviewing/plan.json")
	require.NoError(t, err)
	first := func(doc map[string]any, list string) map[string]any { return doc[list].([]any)[0].(map[string]any) }
	for name, tc := range map[string]struct {
		edit func(doc map[string]any)
		want string
	}{
		"nothing is changed":    {func(map[string]any) {}, ""},
		"a field more":          {func(doc map[string]any) { doc["mood"] = "good" }, "'mood'"},
		"a field of a change":   {func(doc map[string]any) { first(doc, "changes")["mood"] = "good" }, "'mood'"},
		"a field is gone":       {func(doc map[string]any) { delete(doc, "complete") }, "'complete'"},
		"an action that is not": {func(doc map[string]any) { first(doc, "changes")["actions"] = []any{"create", "create"} }, "/changes/0/actions"},
		"a result that is not":  {func(doc map[string]any) { first(doc, "policies")["result"] = "fine" }, "/policies/0/result"},
		"money as text":         {func(doc map[string]any) { doc["cost"].(map[string]any)["before"] = map[string]any{"hourly": "1"} }, "/cost/before"},
		"a list that is null":   {func(doc map[string]any) { doc["drift"] = nil }, "/drift"},
	} {
		t.Run(name, func(t *testing.T) {
			var doc map[string]any
			require.NoError(t, json.Unmarshal(raw, &doc))
			tc.edit(doc)
			edited, err := json.Marshal(doc)
			require.NoError(t, err)
			if err := c.Check(edited); tc.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.want)
			}
		})
	}
}

// TestPlanFormatNamesEveryField keeps the tables of docs/plan-format.md whole.
func TestPlanFormatNamesEveryField(t *testing.T) {
	page, err := os.ReadFile(docs + "plan-format.md")
	require.NoError(t, err)
	s := derivePlan(t)
	change, ok := s.Definitions.Get("change")
	require.True(t, ok)
	said := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, name := range regexp.MustCompile("[a-z_0-9]+").FindAllString(row[1], -1) {
			said[name] = true
		}
	}
	known := map[string]bool{}
	for _, p := range slices.Concat(s.Properties, change.Properties) {
		known[p.Name] = true
		require.Truef(t, said[p.Name], "docs/plan-format.md has no row for %s", p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		require.Truef(t, known[name], "docs/plan-format.md has a row for %s, which is nowhere in a plan", name)
	}
}
