package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func section(t *testing.T, block string, inside ...string) schema.Section {
	t.Helper()
	b, ok := schema.BlockTypeOf(block)
	require.True(t, ok)
	s := b.Describe()
next:
	for _, name := range inside {
		for _, in := range s.Sections {
			if in.Name == name {
				s = in
				continue next
			}
		}
		t.Fatalf("%s has nothing called %s", s.Name, name)
	}
	return s
}

func row(t *testing.T, s schema.Section, name string) schema.Row {
	t.Helper()
	for _, r := range s.Rows {
		if r.Name == name {
			r.Doc, r.Change = "", ""
			return r
		}
	}
	t.Fatalf("%s has no row %s", s.Name, name)
	return schema.Row{}
}

func TestRowsSayWhatIsWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		in   schema.Section
		want schema.Row
	}{
		"a plain type": {section(t, "task"), schema.Row{Name: "nodes", Type: "number", Default: "1", Rule: "at least 1"}},
		"a list":       {section(t, "task"), schema.Row{Name: "commands", Type: "list of string", Rule: "commands or image is needed", PerJob: true}},
		"a grammar is named as its page heads it": {section(t, "task", "resources"),
			schema.Row{Name: "memory", Type: "Memory range", Grammar: "Memory range", Default: "8GB.."}},
		"a list of a grammar": {section(t, "task"), schema.Row{Name: "ports", Type: "list of Port mapping", Grammar: "Port mapping", PerJob: true}},
		"a reference":         {section(t, "task"), schema.Row{Name: "fleet", Type: "reference"}},
		"an environment":      {section(t, "task"), schema.Row{Name: "env", Type: "Environment", Grammar: "Environment", PerJob: true}},
		"objects that have a text form": {section(t, "task"),
			schema.Row{Name: "volumes", Type: "list of Mount", Grammar: "Mount", Nested: true, PerJob: true}},
		"an object that is written as a text too": {section(t, "service"), schema.Row{Name: "model", Type: "object or string", Nested: true}},
		"a block": {section(t, "task"), schema.Row{Name: "resources", Type: "block", Block: true, Nested: true}},
		"a block that is there several times": {section(t, "fleet", "ssh"),
			schema.Row{Name: "host", Type: "block", Block: true, Many: true, Nested: true}},
		"a label":        {section(t, "dstack", "state"), schema.Row{Name: "store", Type: "label", Required: true, Rule: "local"}},
		"any expression": {section(t, "output"), schema.Row{Name: "value", Type: "any", Required: true}},
		"a secret":       {section(t, "task", "registry_auth"), schema.Row{Name: "password", Type: "string", Required: true, Sensitive: true}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Source = schema.FromConfiguration
			require.Empty(t, cmp.Diff(tc.want, row(t, tc.in, tc.want.Name)))
		})
	}
}

func TestRowsSayWhoDecides(t *testing.T) {
	s := schema.KindObject(addr.KindInstance).Describe("instance")
	for name, want := range map[string]schema.Source{
		"blocks": schema.FromConfiguration, "id": schema.FromProvider, "region": schema.FromPlacement, "status": schema.FromStatus,
	} {
		require.Equal(t, want, row(t, s, name).Source, name)
	}
}

func TestHeadsAreAsWritten(t *testing.T) {
	for want, s := range map[string]schema.Section{
		`fleet "NAME"`:        section(t, "fleet"),
		`locals`:              section(t, "locals"),
		`state "STORE"`:       section(t, "dstack", "state"),
		`proxy_jump`:          section(t, "fleet", "ssh", "host", "proxy_jump"),
		`volumes = [{ ... }]`: section(t, "task", "volumes"),
		`model = { ... }`:     section(t, "service", "model"),
	} {
		require.Equal(t, want, s.Head)
	}
	require.True(t, section(t, "locals").Open)
	require.True(t, section(t, "volume").Repeat)
	require.False(t, section(t, "output").Repeat)
	require.NotEmpty(t, schema.DescribeMeta().Sections, "lifecycle is a block")
}

func TestGrammarsOfASectionAreThoseOfItsRows(t *testing.T) {
	var names []string
	for _, g := range section(t, "volume").Grammars() {
		names = append(names, g.Name)
	}
	require.Equal(t, []string{"Memory", "Name"}, names)
	require.Empty(t, section(t, "locals").Grammars())
}

// A grammar that no row names would be explained to nobody, and a row whose grammar is unknown explains nothing.
func TestEveryGrammarOfTheSchemaHasAPage(t *testing.T) {
	pages := map[string]bool{}
	for _, k := range value.All() {
		pages[k.Grammar.Name] = true
	}
	var walk func(s schema.Section)
	walk = func(s schema.Section) {
		for _, r := range s.Rows {
			require.NotEmptyf(t, r.Type, "%s.%s", s.Name, r.Name)
			if r.Grammar != "" {
				require.Truef(t, pages[r.Grammar], "%s.%s: %s", s.Name, r.Name, r.Grammar)
			}
		}
		for _, in := range s.Sections {
			walk(in)
		}
	}
	for _, b := range schema.BlockTypes() {
		walk(b.Describe())
	}
	for _, k := range addr.Kinds() {
		walk(schema.KindObject(k).Describe(k))
	}
}
