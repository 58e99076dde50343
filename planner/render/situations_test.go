package render_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/internal/jsonschema"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
	"github.com/dstackai/dstack-planner/schema"
)

// TestSituationsHaveEachActionOfEachKind has golden files of all of them, because each situation has its own.
func TestSituationsHaveEachActionOfEachKind(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range rendertest.Situations() {
		for _, c := range s.Plan.Changes {
			seen[c.Kind+" "+string(c.Action)] = true
			if c.Deposed != "" {
				seen["deposed"] = true
			}
		}
	}
	for _, kind := range addr.Kinds() {
		for _, action := range plan.Actions() {
			require.True(t, seen[kind+" "+string(action)], "no situation has the action %s of the kind %s", action, kind)
		}
	}
	require.True(t, seen["deposed"])
}

// onlyForApply is what no rendering for people shows, and what cannot stand in a plan: one with an error is not made.
var onlyForApply = []string{
	"diagnostic.rule", "diagnostic.severity=error", "refresh.mode=all",
	"plan.answers", "plan.policy_sets", "plan.variables", "plan.secrets", "plan.moment", "plan.backends", "plan.revisions", "plan.intents", "plan.groups", "plan.sources",
	"change.evaluate", "change.idempotency_key", "change.group", "change.digests", "change.protected", "candidate.values", "candidate.supports",
	"offer.availability", "offer.quota", "offer.limit", "offer.total_blocks", "step.deposed",
	"import.key", "step.op=import", "step.op=move", "step.op=forget", "step.op=record", "step.op=update", "step.op=depose", "step.op=precondition", "step.op=postcondition",
}

// TestSituationsHaveEachFieldOfAPlan finds parts of a plan, and words that can stand there, that no situation shows.
func TestSituationsHaveEachFieldOfAPlan(t *testing.T) {
	s, err := jsonschema.Derive(reflect.TypeFor[plan.Plan](), jsonschema.Options{
		Root: "../..", Module: "github.com/dstackai/dstack-planner", Known: map[reflect.Type]jsonschema.Schema{reflect.TypeFor[plan.Action](): {}},
	})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, one := range rendertest.Situations() {
		raw, err := json.Marshal(one.Plan)
		require.NoError(t, err)
		var doc any
		require.NoError(t, json.Unmarshal(raw, &doc))
		note(seen, s.Definitions, s, "plan", doc)
	}
	var missing []string
	of := func(name string, s jsonschema.Schema) {
		for _, p := range s.Properties {
			field := name + "." + p.Name
			if !seen[field] {
				missing = append(missing, field)
			}
			for _, word := range p.Schema.Enum {
				if word != "" && seen[field] && !seen[field+"="+word] {
					missing = append(missing, field+"="+word)
				}
			}
		}
	}
	of("plan", s)
	reached := definitions(s, s.Definitions, onlyForApply)
	for _, d := range s.Definitions {
		if reached[d.Name] {
			of(d.Name, d.Schema)
		}
	}
	slices.Sort(missing)
	require.Equal(t, slices.Sorted(slices.Values(onlyForApply)), missing, "what no situation shows is what only apply needs")
}

// note remembers the fields of a value that are there, and the words in them.
func note(seen map[string]bool, all jsonschema.Properties, s jsonschema.Schema, name string, v any) {
	if ref, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		s, _ = all.Get(ref)
		name = ref
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if s.Items != nil {
				note(seen, all, *s.Items, name, e)
			}
		}
	case map[string]any:
		for key, e := range v {
			if s.Values != nil {
				note(seen, all, *s.Values, name, e)
			} else if p, ok := s.Properties.Get(key); ok {
				seen[name+"."+key] = true
				if word, ok := e.(string); ok {
					seen[name+"."+key+"="+word] = true
				}
				note(seen, all, p, name, e)
			}
		}
	}
}

// definitions are those that are part of what renderings show.
func definitions(s jsonschema.Schema, all jsonschema.Properties, but []string) map[string]bool {
	out := map[string]bool{}
	var walk func(name string, s jsonschema.Schema)
	walk = func(name string, s jsonschema.Schema) {
		if ref, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
			if out[ref] {
				return
			}
			out[ref] = true
			s, _ = all.Get(ref)
			name = ref
		}
		for _, p := range s.Properties {
			if !slices.Contains(but, name+"."+p.Name) {
				walk(name, p.Schema)
			}
		}
		for _, inner := range []*jsonschema.Schema{s.Items, s.Values} {
			if inner != nil {
				walk(name, *inner)
			}
		}
	}
	walk("plan", s)
	return out
}

// TestSituationsHaveEachAttribute finds shapes of values that no situation has a difference of.
func TestSituationsHaveEachAttribute(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range rendertest.Situations() {
		for _, c := range s.Plan.Changes {
			for _, d := range c.Diff {
				first, _, _ := strings.Cut(strings.ReplaceAll(d.Path, "[", "."), ".")
				for way, is := range map[string]bool{"changed": d.Before != nil && d.After != nil, "new": d.Before == nil && d.After != nil, "gone": d.Before != nil && d.After == nil && !d.Unknown, "unknown": d.Unknown, "sensitive": d.Sensitive, "forces": d.Forces, "outside": d.Applied != nil} {
					seen[fmt.Sprintf("%s %s %s", c.Kind, first, way)] = seen[fmt.Sprintf("%s %s %s", c.Kind, first, way)] || is
				}
			}
		}
	}
	for _, kind := range addr.Kinds() {
		for _, a := range schema.KindObject(kind).Attrs {
			for _, way := range []string{"changed", "new", "gone", "unknown", "sensitive", "forces", "outside"} {
				require.True(t, seen[fmt.Sprintf("%s %s %s", kind, a.Name, way)], "no situation has %s of %s %s", a.Name, kind, way)
			}
		}
	}
	require.NotEmpty(t, slices.Collect(maps.Keys(seen)))
}
