package cli

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/internal/jsonschema"
	"github.com/dstackai/dstack-planner/planner/apply"
)

const docs = "../../../../docs/"

func deriveSchema(t *testing.T, of reflect.Type) jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.Derive(of, jsonschema.Options{Root: "../../../..", Module: "github.com/dstackai/dstack-planner"})
	require.NoError(t, err)
	return s
}

// TestSchemaOfEvents keeps docs/events.schema.json what the type says. Scripts hold the lines of real runs against it.
func TestSchemaOfEvents(t *testing.T) {
	s := deriveSchema(t, reflect.TypeFor[event]())
	s.ID, s.Title = "urn:dstack:event:1", "A line of the events of dstack"
	s.Description = "What `dstack plan --json` and `dstack apply --json` print on each line. Types and fields are added, and none is taken away: a reader ignores what it does not know."
	text, err := jsonschema.Document(s)
	require.NoError(t, err)
	golden.Assert(t, docs+"events.schema.json", text)
}

func TestEventsPageHasEachType(t *testing.T) {
	page, err := os.ReadFile(docs + "events.md")
	require.NoError(t, err)
	var said []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		said = append(said, row[1])
	}
	types, ok := deriveSchema(t, reflect.TypeFor[event]()).Properties.Get("type")
	require.True(t, ok)
	require.Equal(t, types.Enum, said)

	ofSteps, ok := deriveSchema(t, reflect.TypeFor[apply.Event]()).Properties.Get("type")
	require.True(t, ok)
	for _, one := range ofSteps.Enum {
		require.True(t, slices.Contains(types.Enum, "apply_"+one), "what happens to steps is an event: %s", one)
	}
}
