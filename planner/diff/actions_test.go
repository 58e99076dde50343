package diff_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/schema"
)

// samples are two different texts for each grammar that an attribute of a kind has.
var samples = map[string][2]string{
	"Blocks": {"2", "4"}, "DiskSize": {"100GB", "200GB"}, "Duration": {"10s", "20s"}, "GPU": {"A100:40GB:8", "A100:80GB:8"},
	"IdleDuration": {"1h", "2h"}, "IntRange": {"2..", "4.."}, "Memory": {"16GB", "32GB"}, "MemoryRange": {"16GB..", "32GB.."},
	"OffDuration": {"1h", "off"}, "Placement": {"any", "cluster"}, "PortMapping": {"8000", "8001"}, "RetryPolicy": {"true", "false"},
	"Price": {"2.5", "3"}, "ServicePort": {"80", "81"}, "SpotPolicy": {"spot", "on-demand"}, "UnixUser": {"root", "ubuntu"},
}

// spot is one place of a kind that can change: an attribute, an element, or an object as a whole.
type spot struct {
	path          string // as the golden table has it: volumes[].path
	prior, wanted cty.Value
}

// spots enumerates all places of a kind, each with two values that differ there alone.
func spots(t *testing.T, o *schema.Object) []spot {
	var out []spot
	for _, a := range o.Attrs {
		x, y := sample(t, a, a.Type, 0), sample(t, a, a.Type, 1)
		add := func(path string, p, w cty.Value) {
			out = append(out, spot{path, with(o, a.Name, p), with(o, a.Name, w)})
		}
		switch {
		case a.Type.IsMapType():
			add(a.Name+"[]", cty.MapVal(map[string]cty.Value{"A": sample(t, a, a.Type.ElementType(), 0)}), cty.MapVal(map[string]cty.Value{"A": sample(t, a, a.Type.ElementType(), 1)}))
		case a.Type.IsListType() && a.Elem != nil:
			one := sample(t, a, a.Type.ElementType(), 0)
			add(a.Name+"[]", cty.ListVal([]cty.Value{one}), cty.ListValEmpty(one.Type()))
			for _, s := range spots(t, a.Elem) {
				add(a.Name+"[]."+s.path, cty.ListVal([]cty.Value{s.prior}), cty.ListVal([]cty.Value{s.wanted}))
			}
		case a.Type.IsListType():
			add(a.Name+"[]", cty.ListVal([]cty.Value{sample(t, a, a.Type.ElementType(), 0)}), cty.ListVal([]cty.Value{sample(t, a, a.Type.ElementType(), 1)}))
		case a.Elem != nil:
			add(a.Name, cty.NullVal(a.Type), x)
			for _, s := range spots(t, a.Elem) {
				add(a.Name+"."+s.path, s.prior, s.wanted)
			}
		default:
			add(a.Name, x, y)
		}
	}
	return out
}

// with is an object of which one attribute has a value.
func with(o *schema.Object, name string, v cty.Value) cty.Value {
	attrs := map[string]cty.Value{}
	for _, a := range o.Attrs {
		attrs[a.Name] = cty.NullVal(a.Type)
	}
	attrs[name] = v
	return cty.ObjectVal(attrs)
}

func sample(t *testing.T, a *schema.Attribute, ty cty.Type, i int) cty.Value {
	switch {
	case ty == cty.String && a.Grammar != "":
		pair, ok := samples[a.Grammar]
		require.True(t, ok, "no samples of the grammar %s (attribute %s)", a.Grammar, a.Name)
		return cty.StringVal(pair[i])
	case ty == cty.String:
		return cty.StringVal([]string{"one", "two"}[i])
	case ty == cty.Number:
		return cty.NumberIntVal(int64(i) + 1)
	case ty == cty.Bool:
		return cty.BoolVal(i == 1)
	case ty.IsObjectType():
		attrs := map[string]cty.Value{}
		for _, f := range a.Elem.Attrs {
			attrs[f.Name] = sample(t, f, f.Type, i)
		}
		return cty.ObjectVal(attrs)
	case ty.IsListType():
		return cty.ListVal([]cty.Value{sample(t, a, ty.ElementType(), i)})
	case ty.IsMapType():
		return cty.MapVal(map[string]cty.Value{"A": sample(t, a, ty.ElementType(), i)})
	}
	t.Fatalf("no sample of %s", ty.FriendlyName())
	return cty.NilVal
}

// TestEveryChangeHasItsAction compares what a change of each attribute alone does with a table that people keep. A new
// attribute without a line fails, and so does a line without an attribute. No flag writes the table anew.
func TestEveryChangeHasItsAction(t *testing.T) {
	want := map[string]string{}
	f, err := os.Open("testdata/actions.golden")
	require.NoError(t, err)
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		line, _, _ := strings.Cut(in.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		require.Len(t, words, 3, "a line is kind, attribute, action: %q", line)
		key := words[0] + " " + words[1]
		require.NotContains(t, want, key, "the line stands twice")
		want[key] = words[2]
	}
	for _, kind := range addr.Kinds() {
		o := schema.KindObject(kind)
		for _, s := range spots(t, o) {
			key := kind + " " + s.path
			got := string(diff.Compare(o, diff.Value{V: s.prior}, diff.Value{V: s.wanted}, diff.Options{}).Action)
			action, ok := want[key]
			if !ok {
				t.Errorf("no line for %q, which gives %s: decide what changing it does, and write it", key, got)
			} else if action != got {
				t.Errorf("%s: the table says %s, a change gives %s", key, action, got)
			}
			delete(want, key)
		}
	}
	for key := range want {
		t.Errorf("a line for %q, which is no attribute", key)
	}
}

// TestEveryGrammarIsComparedByMeaning finds a grammar that the comparison does not know: its texts would differ by
// spelling. Words that have one spelling only are in oneSpelling.
func TestEveryGrammarIsComparedByMeaning(t *testing.T) {
	spellings := map[string][2]string{
		"Blocks": {" 2", "2"}, "DiskSize": {"100gb", "100GB"}, "Duration": {"60s", "1m"}, "GPU": {"A100:8", "8:A100"},
		"IdleDuration": {"3600s", "1h"}, "IntRange": {"2 ..", "2.."}, "Memory": {"1024MB", "1GB"}, "MemoryRange": {"16gb..", "16GB.."},
		"OffDuration": {"60m", "1h"}, "PortMapping": {"8000:8000", "8000"}, "Price": {"2.50", "2.5"},
	}
	oneSpelling := []string{"Placement", "RetryPolicy", "ServicePort", "SpotPolicy", "UnixUser"}
	var check func(kind string, o *schema.Object, wrap func(cty.Value) cty.Value)
	check = func(kind string, o *schema.Object, wrap func(cty.Value) cty.Value) {
		for _, a := range o.Attrs {
			if a.Elem != nil && !a.Many {
				check(kind, a.Elem, func(v cty.Value) cty.Value { return wrap(with(o, a.Name, v)) })
			}
			if a.Grammar == "" || !a.Configured() || slices.Contains(oneSpelling, a.Grammar) {
				continue
			}
			pair, ok := spellings[a.Grammar]
			require.True(t, ok, "%s.%s: no two spellings of %s", kind, a.Name, a.Grammar)
			value := func(i int) diff.Value {
				v := cty.StringVal(pair[i])
				if a.Type.IsListType() {
					v = cty.ListVal([]cty.Value{v})
				}
				return diff.Value{V: wrap(with(o, a.Name, v))}
			}
			got := diff.Compare(schema.KindObject(kind), value(0), value(1), diff.Options{})
			if got.Action != diff.None {
				t.Errorf("%s.%s: %q and %q differ: %v", kind, a.Name, pair[0], pair[1], got.Diffs)
			}
		}
	}
	for _, kind := range addr.Kinds() {
		check(kind, schema.KindObject(kind), func(v cty.Value) cty.Value { return v })
	}
}
