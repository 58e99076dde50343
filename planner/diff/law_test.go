package diff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// anyValue draws a value of a kind, each attribute with a chance to be unset. Elements come from few words, so that lists
// overlap.
func anyValue(t *rapid.T, o *schema.Object, label string) cty.Value {
	attrs := map[string]cty.Value{}
	for _, a := range o.Attrs {
		if rapid.IntRange(0, 2).Draw(t, label+a.Name+" set") == 0 {
			attrs[a.Name] = cty.NullVal(a.Type)
			continue
		}
		attrs[a.Name] = anyOf(t, a, a.Type, label+a.Name)
	}
	return cty.ObjectVal(attrs)
}

func anyOf(t *rapid.T, a *schema.Attribute, ty cty.Type, label string) cty.Value {
	switch {
	case ty == cty.String && a.Grammar != "":
		pair := samples[a.Grammar]
		return cty.StringVal(pair[rapid.IntRange(0, 1).Draw(t, label)])
	case ty == cty.String:
		return cty.StringVal(rapid.SampledFrom([]string{"", "a", "b", "c", "é\n"}).Draw(t, label))
	case ty == cty.Number:
		return cty.NumberIntVal(int64(rapid.IntRange(0, 2).Draw(t, label)))
	case ty == cty.Bool:
		return cty.BoolVal(rapid.Bool().Draw(t, label))
	case ty.IsObjectType():
		return anyValue(t, a.Elem, label+".")
	case ty.IsListType():
		n := rapid.IntRange(0, 5).Draw(t, label+" length")
		if n == 0 {
			return cty.ListValEmpty(ty.ElementType())
		}
		elems := make([]cty.Value, n)
		for i := range elems {
			elems[i] = anyOf(t, a, ty.ElementType(), fmt.Sprintf("%s[%d]", label, i))
		}
		return cty.ListVal(elems)
	case ty.IsMapType():
		elems := map[string]cty.Value{}
		for _, k := range []string{"A", "B.c", `D"]`} {
			if rapid.Bool().Draw(t, label+k) {
				elems[k] = anyOf(t, a, ty.ElementType(), label+k)
			}
		}
		if len(elems) == 0 {
			return cty.MapValEmpty(ty.ElementType())
		}
		return cty.MapVal(elems)
	}
	panic("no value of " + ty.FriendlyName())
}

func anyKind(t *rapid.T) *schema.Object {
	return schema.KindObject(rapid.SampledFrom(addr.Kinds()).Draw(t, "kind"))
}

// open is a value of which nothing is hidden, so that its differences can be applied.
func open(v cty.Value) diff.Value { return diff.Value{V: v} }

func everything(*schema.Attribute) bool { return true }

func TestLawNothingDiffersFromItself(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		o := anyKind(t)
		v := anyValue(t, o, "")
		clean, err := diff.Redact(o, v, func(p string, leaf []byte) string { return p + string(leaf) })
		require.NoError(t, err)
		r := diff.Compare(o, clean, clean, diff.Options{Also: everything})
		require.Empty(t, r.Diffs)
		require.Equal(t, diff.None, r.Action)
	})
}

func TestLawDifferencesAppliedGiveTheOther(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		o := anyKind(t)
		a, b := anyValue(t, o, "a."), anyValue(t, o, "b.")
		opts := diff.Options{Also: everything}
		r := diff.Compare(o, open(a), open(b), opts)
		for _, d := range r.Diffs {
			if d.Sensitive {
				t.Skip("a secret cannot be applied")
			}
		}
		got, err := patch(a, r.Diffs)
		require.NoError(t, err)
		again := diff.Compare(o, open(got), r.After, opts)
		require.Empty(t, again.Diffs, "%v\n%v", a, r.Diffs)
	})
}

func TestLawActionIsNoneOnlyWithoutDifference(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		o := anyKind(t)
		r := diff.Compare(o, open(anyValue(t, o, "a.")), open(anyValue(t, o, "b.")), diff.Options{})
		require.Equal(t, len(r.Diffs) == 0, r.Action == diff.None)
		require.Equal(t, len(r.Forces) > 0, r.Action == diff.Replace)
		settled := r.Settle(nil)
		require.NotContains(t, []diff.Action{diff.Constraint, diff.Provider}, settled.Action)
	})
}

// patch applies differences. What is inside an element of a list is gathered first, because indices are those of the
// list as it will be, except for elements that go.
func patch(v cty.Value, diffs []plan.AttrDiff) (cty.Value, error) {
	lists := map[string][]plan.AttrDiff{}
	var order []string
	for _, d := range diffs {
		if at := strings.IndexByte(d.Path, '['); at >= 0 && d.Path[at+1] != '"' {
			root := d.Path[:at]
			if _, ok := lists[root]; !ok {
				order = append(order, root)
			}
			d.Path = d.Path[at:]
			lists[root] = append(lists[root], d)
			continue
		}
		leaf, err := decode(v, d.Path, d.After)
		if err != nil {
			return v, err
		}
		if v, err = diff.Set(v, d.Path, leaf); err != nil {
			return v, err
		}
	}
	for _, root := range order {
		list, _ := diff.Get(v, root)
		patched, err := patchList(list, lists[root])
		if err != nil {
			return v, fmt.Errorf("%s: %w", root, err)
		}
		if v, err = diff.Set(v, root, patched); err != nil {
			return v, err
		}
	}
	return v, nil
}

func patchList(list cty.Value, diffs []plan.AttrDiff) (cty.Value, error) {
	elem := list.Type().ElementType()
	old := list.AsValueSlice()
	var out []cty.Value
	next := 0
	for i := 0; i < len(diffs); {
		d := diffs[i]
		var at int
		if _, err := fmt.Sscanf(d.Path, "[%d]", &at); err != nil {
			return list, err
		}
		head := fmt.Sprintf("[%d]", at)
		if d.Path == head && d.After == nil {
			for next < at {
				out, next = append(out, old[next]), next+1
			}
			next, i = next+1, i+1
			continue
		}
		for len(out) < at {
			out, next = append(out, old[next]), next+1
		}
		if d.Path == head {
			e, err := element(d.After, elem)
			if err != nil {
				return list, err
			}
			if d.Before != nil {
				next++
			}
			out, i = append(out, e), i+1
			continue
		}
		var inside []plan.AttrDiff
		for ; i < len(diffs) && strings.HasPrefix(diffs[i].Path, head+"."); i++ {
			sub := diffs[i]
			sub.Path = strings.TrimPrefix(sub.Path, head+".")
			inside = append(inside, sub)
		}
		e, err := patch(old[next], inside)
		if err != nil {
			return list, err
		}
		out, next = append(out, e), next+1
	}
	out = append(out, old[next:]...)
	if len(out) == 0 {
		return cty.ListValEmpty(elem), nil
	}
	return cty.ListVal(out), nil
}

// element reads an element of a list; objects lack the attributes that are null.
func element(b []byte, ty cty.Type) (cty.Value, error) {
	implied, err := ctyjson.ImpliedType(b)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := ctyjson.Unmarshal(b, implied)
	if err != nil {
		return cty.NilVal, err
	}
	return shape(v, ty), nil
}

func shape(v cty.Value, ty cty.Type) cty.Value {
	switch {
	case v.IsNull():
		return cty.NullVal(ty)
	case ty.IsObjectType():
		attrs := map[string]cty.Value{}
		for n, t := range ty.AttributeTypes() {
			attrs[n] = cty.NullVal(t)
			if v.Type().HasAttribute(n) {
				attrs[n] = shape(v.GetAttr(n), t)
			}
		}
		return cty.ObjectVal(attrs)
	case ty.IsListType():
		if v.LengthInt() == 0 {
			return cty.ListValEmpty(ty.ElementType())
		}
		elems := v.AsValueSlice()
		for i := range elems {
			elems[i] = shape(elems[i], ty.ElementType())
		}
		return cty.ListVal(elems)
	case ty.IsMapType():
		if v.LengthInt() == 0 {
			return cty.MapValEmpty(ty.ElementType())
		}
		elems := v.AsValueMap()
		for k := range elems {
			elems[k] = shape(elems[k], ty.ElementType())
		}
		return cty.MapVal(elems)
	}
	return v
}

func decode(v cty.Value, path string, raw []byte) (cty.Value, error) {
	if raw == nil {
		return cty.NilVal, nil
	}
	implied, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, err
	}
	leaf, err := ctyjson.Unmarshal(raw, implied)
	if err != nil {
		return cty.NilVal, err
	}
	if old, ok := diff.Get(v, path); ok {
		return shape(leaf, old.Type()), nil
	}
	return leaf, nil
}

func TestAlign(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 12)
		checkAlignment(t, words.Draw(t, "old"), words.Draw(t, "new"))
	})
}

func TestAlignPairsAsManyAsCanBe(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		pairs    int
	}{
		"repeated elements": {"abab", "baba", 3},
		"nothing in common": {"ab", "cd", 0},
		"a shift":           {"abc", "zab", 2},
		"one in the middle": {"aabaa", "aacaa", 4},
		"crossing":          {"abcdef", "defabc", 3},
	} {
		t.Run(name, func(t *testing.T) {
			pairs := 0
			for _, p := range diff.Align(strings.Split(c.old, ""), strings.Split(c.new, "")) {
				if p.Old >= 0 && p.New >= 0 {
					pairs++
				}
			}
			require.Equal(t, c.pairs, pairs)
		})
	}
}

func TestAlignLongSequences(t *testing.T) {
	var old, new []string
	for i := range 20_000 {
		old = append(old, fmt.Sprint(i))
		if i%100 != 0 {
			new = append(new, fmt.Sprint(i))
		}
		if i%70 == 0 {
			new = append(new, fmt.Sprint("new", i))
		}
	}
	pairs := diff.Align(old, new)
	both := 0
	for _, p := range pairs {
		if p.Old >= 0 && p.New >= 0 {
			both++
		}
	}
	require.Equal(t, 19_800, both)
	checkAlignment(t, old, new)
	checkAlignment(t, slices.Repeat([]string{"x", "y"}, 2000), slices.Repeat([]string{"y", "z"}, 2000))
}

// checkAlignment requires that both sequences are there in order, and that partners are equal.
func checkAlignment(t require.TestingT, old, new []string) {
	o, n := 0, 0
	for _, p := range diff.Align(old, new) {
		if p.Old >= 0 {
			require.Equal(t, o, p.Old)
			o++
		}
		if p.New >= 0 {
			require.Equal(t, n, p.New)
			n++
		}
		if p.Old >= 0 && p.New >= 0 {
			require.Equal(t, old[p.Old], new[p.New])
		}
	}
	require.Equal(t, len(old), o)
	require.Equal(t, len(new), n)
}

func BenchmarkCompareUnchanged(b *testing.B) {
	o := schema.Of[schema.Instance]()
	v := diff.Value{V: schema.Encode(schema.Instance{Name: "a", Backends: []string{"aws"}, Env: map[string]string{"A": "1"}, InstanceType: "p4d"})}
	for b.Loop() {
		if diff.Compare(o, v, v, diff.Options{}).Action != diff.None {
			b.Fatal("it differs")
		}
	}
}
