package value_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema/value"
)

// reading is what somebody writes, and what is to become of it.
type reading struct {
	text string // a text; it is read as such and as a string of the language
	hcl  string // instead of text: an expression of the language

	canonical string // what it means; empty for an error, or for what unsets
	written   string // the text that the value keeps, if it is neither text nor canonical

	err   string // the summary of the error
	says  string // a part of its detail
	marks string // the part of the text that is marked; empty if it is the whole value
	path  string // where in an object or list
}

type kind[T any] interface {
	*T
	value.Value
}

// readAll checks a table for a grammar.
func readAll[T any, P kind[T]](t *testing.T, rows map[string]reading) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			if row.hcl != "" {
				var v T
				check[T, P](t, row, "", P(&v), P(&v).UnmarshalCty(eval(t, row.hcl)))
				return
			}
			var v, w T
			check[T, P](t, row, row.text, P(&v), P(&v).UnmarshalCty(cty.StringVal(row.text)))
			if row.text == "" {
				return // an empty text unsets; an empty string of the language is an error
			}
			check[T, P](t, row, row.text, P(&w), P(&w).UnmarshalText([]byte(row.text)))
			if row.err == "" {
				require.Equal(t, row.text, P(&w).String(), "the text as written")
			}
		})
	}
}

func check[T any, P kind[T]](t *testing.T, row reading, text string, v P, err error) {
	t.Helper()
	if row.err == "" {
		require.NoError(t, err)
		require.Equal(t, row.canonical, v.Canonical())
		if text == "" {
			require.Equal(t, cmp.Or(row.written, row.canonical), v.String(), "what was no text has the canonical text")
		}
		laws[T, P](t, *v)
		return
	}
	var e *value.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, row.err, e.Summary, e.Detail)
	require.Contains(t, e.Detail, row.says)
	marked := ""
	if e.Offset >= 0 && row.hcl == "" { // the text of an attribute or element is inside the expression
		require.LessOrEqual(t, e.Offset+e.Length, len(text), "the mark is inside the text")
		marked = text[e.Offset : e.Offset+e.Length]
	}
	require.Equal(t, row.marks, marked, "the marked part")
	require.Equal(t, row.path, pathText(e.Path), "the path")
	require.True(t, P(v).IsZero(), "an error leaves the value alone")
	sentences(t, e)
}

// laws hold for every value.
func laws[T any, P kind[T]](t testing.TB, v T) {
	t.Helper()
	p := P(&v)
	require.Equal(t, p.IsZero(), p.Canonical() == "", "only what is unset has no canonical text")
	require.Equal(t, p.IsZero(), p.String() == "", "only what is unset has no text")

	text, err := p.MarshalText()
	require.NoError(t, err)
	require.Equal(t, p.String(), string(text))
	var again T
	require.NoError(t, P(&again).UnmarshalText(text))
	require.True(t, reflect.DeepEqual(v, again), "reading what was written gives the same: %#v, %#v", v, again)

	var canonical T
	require.NoError(t, P(&canonical).UnmarshalText([]byte(p.Canonical())))
	require.Equal(t, p.Canonical(), P(&canonical).Canonical(), "the canonical text is a fixed point")
	require.True(t, equal(v, canonical), "the canonical text means the same")

	stored, err := json.Marshal(struct{ V T }{v})
	require.NoError(t, err)
	var back struct{ V T }
	require.NoError(t, json.Unmarshal(stored, &back))
	require.True(t, reflect.DeepEqual(v, back.V), "a stored value is the same: %s", stored)
}

// equal calls the method Equal, or compares types that are comparable and have none.
func equal[T any](a, b T) bool {
	if e, ok := any(a).(interface{ Equal(T) bool }); ok {
		return e.Equal(b)
	}
	return reflect.DeepEqual(a, b)
}

// sentences checks the form of an error.
func sentences(t testing.TB, e *value.Error) {
	t.Helper()
	require.NotContains(t, e.Summary, `"`, "a summary names no value")
	require.False(t, strings.HasSuffix(e.Summary, "."), "a summary has no full stop: %s", e.Summary)
	require.True(t, strings.HasSuffix(e.Detail, ".") || strings.HasSuffix(e.Detail, "?"), "the detail ends as a sentence: %s", e.Detail)
	require.NotContains(t, e.Detail, "%!", "a format and its arguments differ")
	require.NotContains(t, e.Detail, "  ")
	require.Equal(t, e.Summary+": "+e.Detail, e.Error())
}

func eval(t testing.TB, expr string) cty.Value {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), "test.hcl", hcl.InitialPos)
	require.False(t, diags.HasErrors(), diags.Error())
	v, diags := e.Value(&hcl.EvalContext{Variables: map[string]cty.Value{
		"unknown":   cty.UnknownVal(cty.String),
		"sensitive": cty.StringVal("secret").Mark("sensitive"),
		"inf":       cty.PositiveInfinity,
		"huge":      cty.MustParseNumberVal("1e400"),
		"tiny":      cty.MustParseNumberVal("1e-400"),
		"numbers":   cty.ListVal([]cty.Value{cty.NumberIntVal(8), cty.NumberIntVal(6)}),
		"set":       cty.SetVal([]cty.Value{cty.StringVal("error"), cty.StringVal("no-capacity")}),
		"strings":   cty.MapVal(map[string]cty.Value{"B": cty.StringVal("2"), "A": cty.StringVal("1")}),
		"volume": cty.ObjectVal(map[string]cty.Value{"data": cty.TupleVal([]cty.Value{
			cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("data-0"), "volume_id": cty.UnknownVal(cty.String)}),
			cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("data-1"), "volume_id": cty.UnknownVal(cty.String)}),
		})}),
	}})
	require.False(t, diags.HasErrors(), diags.Error())
	return v
}

func pathText(p cty.Path) string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			if s.Key.Type() == cty.String {
				b.WriteString("[" + s.Key.AsString() + "]")
			} else {
				b.WriteString("[" + s.Key.AsBigFloat().Text('f', 0) + "]")
			}
		}
	}
	return b.String()
}

func TestValuesThatCannotBeReadAreErrorsForEveryGrammar(t *testing.T) {
	nested := func(v cty.Value) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"min": v, "size": v, "name": v, "path": v, "on_events": v, "container_port": v, "count": v, "A": v,
		})
	}
	bad := map[string]cty.Value{
		"no value at all":             cty.NilVal,
		"null":                        cty.NullVal(cty.String),
		"null of any type":            cty.NullVal(cty.DynamicPseudoType),
		"unknown":                     cty.UnknownVal(cty.String),
		"unknown of any type":         cty.DynamicVal,
		"unknown list":                cty.UnknownVal(cty.List(cty.String)),
		"sensitive":                   cty.StringVal("16").Mark("sensitive"),
		"an infinite number":          cty.PositiveInfinity,
		"a number below all":          cty.NegativeInfinity,
		"a number of many digits":     cty.MustParseNumberVal("1e100000"),
		"a very small number":         cty.MustParseNumberVal("1e-100000"),
		"unknown attributes":          nested(cty.UnknownVal(cty.String)),
		"sensitive attributes":        nested(cty.StringVal("16").Mark("sensitive")),
		"a list of null":              cty.TupleVal([]cty.Value{cty.NullVal(cty.String), cty.NullVal(cty.String)}),
		"a list of unknown":           cty.TupleVal([]cty.Value{cty.DynamicVal, cty.DynamicVal}),
		"a sensitive list":            cty.ListVal([]cty.Value{cty.StringVal("A=1")}).Mark("sensitive"),
		"a list with sensitive":       cty.ListVal([]cty.Value{cty.StringVal("A=1").Mark("sensitive")}),
		"a capsule":                   cty.CapsuleVal(cty.Capsule("thing", reflect.TypeFor[int]()), new(int)),
		"an unknown key":              cty.ObjectVal(map[string]cty.Value{"no-such-key": cty.True}), // VAL-15
		"a map with an unknown key":   cty.MapVal(map[string]cty.Value{"no-such-key": cty.StringVal("x")}),
		"an empty string":             cty.StringVal(""),
		"blanks":                      cty.StringVal(" \t "),
		"a text that is no grammar's": cty.StringVal("?::\x00\xff"),
	}
	for _, k := range value.All() {
		for name, v := range bad {
			t.Run(k.Grammar.Name+"/"+name, func(t *testing.T) {
				into := k.New()
				err := into.UnmarshalCty(v)
				var e *value.Error
				require.ErrorAs(t, err, &e)
				require.True(t, into.IsZero(), "an error leaves the value alone")
				if e.Offset >= 0 {
					require.LessOrEqual(t, e.Offset+e.Length, len(v.AsString()))
				}
				sentences(t, e)
			})
		}
	}
}

func TestUnsetValuesAreEmptyForEveryGrammar(t *testing.T) {
	for _, k := range value.All() {
		t.Run(k.Grammar.Name, func(t *testing.T) {
			v := k.New()
			require.True(t, v.IsZero())
			require.Empty(t, v.String())
			require.Empty(t, v.Canonical())
			text, err := v.MarshalText()
			require.NoError(t, err)
			require.Empty(t, text)
			require.NoError(t, v.UnmarshalText(nil))
			require.True(t, v.IsZero())
		})
	}
}

func TestMustPanicsOnAnError(t *testing.T) {
	require.PanicsWithError(t, `Blocks is zero: An instance has one block at least. It is "auto", or a whole number of 1 or more.`,
		func() { value.Must(value.ParseBlocks("0")) })
	require.Equal(t, 4, value.Must(value.ParseBlocks("4")).Count())
}

func TestErrorsOfObjectsKeepTheInnerError(t *testing.T) {
	var r value.MemoryRange
	err := r.UnmarshalCty(cty.ObjectVal(map[string]cty.Value{"min": cty.StringVal("16XB")}))
	var e *value.Error
	require.True(t, errors.As(err, &e))
	want := &value.Error{
		Summary: "Memory has an unknown unit",
		Detail: `"XB" is not a unit. Memory is a number of GB, or a number with MB, GB or TB, or a range of them ("16GB..", ` +
			`"8GB..32GB").`,
		Offset: 2, Length: 2, Path: cty.GetAttrPath("min"),
	}
	require.Empty(t, gocmp.Diff(want, e, gocmp.Comparer(func(a, b cty.Path) bool { return a.Equals(b) })))
}

func TestLongTextsAreShortenedInErrors(t *testing.T) {
	_, err := value.ParseName("x" + strings.Repeat("Y", 10_000))
	require.Less(t, len(err.Error()), 300)
	require.Contains(t, err.Error(), "xYYYYYYYYYYYYYYYYYYYYYYYYYYYYY...YYYYYYYYYYYYYYYYYYYY")
}
