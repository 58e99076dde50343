package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/schema"
)

func TestRedact(t *testing.T) {
	s := cty.StringVal
	hide := func(v cty.Value) cty.Value { return v.Mark(schema.SensitiveMark) }
	for name, c := range map[string]struct {
		set                leaves
		digests            map[string]string
		sensitive, unknown []string
	}{
		"a marked leaf":                       {leaves{"image": hide(s("s3cr3t"))}, map[string]string{"image": `"s3cr3t"`}, []string{"image"}, nil},
		"a leaf that the schema flags":        {leaves{"tokens": texts("s3cr3t")}, map[string]string{"tokens[0]": `"s3cr3t"`}, []string{"tokens[0]"}, nil},
		"one key of a map":                    {leaves{"env": cty.MapVal(leaves{"A": s("1"), "T": hide(s("s3cr3t"))})}, map[string]string{`env["T"]`: `"s3cr3t"`}, []string{`env["T"]`}, nil},
		"a map that is marked as a whole":     {leaves{"env": hide(cty.MapVal(leaves{"A": s("s3cr3t"), "B": s("s3cr3t")}))}, map[string]string{`env["A"]`: `"s3cr3t"`, `env["B"]`: `"s3cr3t"`}, []string{`env["A"]`, `env["B"]`}, nil},
		"an empty map that is marked":         {leaves{"env": hide(cty.MapValEmpty(cty.String))}, map[string]string{}, nil, nil},
		"a null that is marked is no secret":  {leaves{"image": hide(cty.NullVal(cty.String))}, map[string]string{}, nil, nil},
		"unknown and sensitive has no digest": {leaves{"image": hide(cty.UnknownVal(cty.String))}, map[string]string{}, []string{"image"}, []string{"image"}},
		"a map that is unknown as a whole":    {leaves{"env": hide(cty.UnknownVal(cty.Map(cty.String)))}, map[string]string{}, []string{"env"}, []string{"env"}},
		"an unknown leaf in the open":         {leaves{"image": cty.UnknownVal(cty.String)}, map[string]string{}, nil, []string{"image"}},
		"a number":                            {leaves{"replica": hide(cty.NumberIntVal(7))}, map[string]string{"replica": `7`}, []string{"replica"}, nil},
		"an object that is marked as a whole": {leaves{"volumes": cty.ListVal([]cty.Value{hide(mount("s3cr3t", "/s3cr3t"))})}, map[string]string{"volumes[0].volume[0]": `"s3cr3t"`, "volumes[0].path": `"/s3cr3t"`, "volumes[0].optional": "false"}, []string{"volumes[0].optional", "volumes[0].path", "volumes[0].volume[0]"}, nil},
		"another mark says nothing":           {leaves{"image": s("a").Mark("other")}, map[string]string{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := cty.NullVal(schema.Of[schema.Job]().Type())
			for path, leaf := range c.set {
				var err error
				v, err = diff.Set(v, path, leaf)
				require.NoError(t, err)
			}
			got, err := diff.Redact(schema.Of[schema.Job](), v, func(_ string, leaf []byte) string { return string(leaf) })
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.digests, got.Digests))
			require.Equal(t, c.sensitive, got.Sensitive)
			require.Equal(t, c.unknown, got.Unknown)
			require.False(t, got.V.ContainsMarked())
			text, err := schema.MarshalValue(got.Known())
			require.NoError(t, err)
			require.False(t, strings.Contains(string(text), "s3cr3t"), "%s", text)
		})
	}
}

func TestPathsLeadToTheirLeaves(t *testing.T) {
	v := object[schema.Job](t, leaves{
		"image": cty.StringVal("a"), `env["A.b[\"\n]"]`: cty.StringVal("1"), "commands": texts("x", "y"), "resources.gpu": cty.StringVal("A100"),
		"volumes": cty.ListVal([]cty.Value{mount("v", "/v")}), "init": texts(), "user": cty.UnknownVal(cty.String),
	}).V
	want := []string{"commands[0]", "commands[1]", `env["A.b[\"\n]"]`, "image", "init", "resources.gpu", "user", "volumes[0].optional", "volumes[0].path", "volumes[0].volume[0]"}
	require.Empty(t, cmp.Diff(want, diff.Paths(v)))
	for _, p := range want {
		leaf, ok := diff.Get(v, p)
		require.True(t, ok, p)
		again, err := diff.Set(v, p, leaf)
		require.NoError(t, err)
		require.True(t, again.RawEquals(v), "setting %s to itself changes nothing", p)
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	v := object[schema.Job](t, leaves{"image": cty.StringVal("a"), "commands": texts("x")}).V
	for _, p := range []string{"", "imgae", "image.x", "image[0]", "commands[1]", "commands[-1]", "commands[x]", "commands[0", `env["A"]`, `env["A`, `env["A"`, ".image", "image.", "commands]0[", `commands["0"]`, "resources.gpu"} {
		if _, ok := diff.Get(v, p); ok {
			t.Errorf("Get(%q) finds something", p)
		}
	}
	for _, p := range []string{"", "imgae", "image.x", "commands[2]", `commands["0"]`, `env["A`, "image."} {
		_, err := diff.Set(v, p, cty.StringVal("x"))
		require.Error(t, err, p)
	}
}

func TestSetTakesAway(t *testing.T) {
	v := object[schema.Job](t, leaves{"image": cty.StringVal("a"), "commands": texts("x", "y"), "env": env("A", "1", "B", "2")}).V
	for _, p := range []string{"image", "commands[0]", `env["A"]`} {
		var err error
		v, err = diff.Set(v, p, cty.NilVal)
		require.NoError(t, err)
	}
	require.Empty(t, cmp.Diff([]string{"commands[0]", `env["B"]`}, diff.Paths(v)))
	leaf, _ := diff.Get(v, "commands[0]")
	require.Equal(t, "y", leaf.AsString())
}

// Of an ephemeral leaf nothing is kept, so that another value is no difference; that it is there is one.
func TestEphemeralLeavesHaveNoDigestOfTheirOwn(t *testing.T) {
	o := schema.Of[schema.Job]()
	job := func(env map[string]cty.Value) diff.Value {
		v := object[schema.Job](t, leaves{}).V.AsValueMap()
		v["env"] = cty.NullVal(cty.Map(cty.String))
		if len(env) > 0 {
			v["env"] = cty.MapVal(env)
		}
		clean, err := diff.Redact(o, cty.ObjectVal(v), func(path string, leaf []byte) string { return "digest of " + string(leaf) })
		require.NoError(t, err)
		return clean
	}
	token := func(s string) cty.Value {
		return cty.StringVal(s).WithMarks(cty.NewValueMarks(schema.SensitiveMark, schema.EphemeralMark))
	}
	one, two := job(map[string]cty.Value{"A": token("one")}), job(map[string]cty.Value{"A": token("two")})
	require.Equal(t, map[string]string{`env["A"]`: diff.Ephemeral}, one.Digests)
	require.Equal(t, []string{`env["A"]`}, one.Sensitive)
	require.Empty(t, diff.Compare(o, one, two, diff.Options{}).Diffs)
	require.NotEmpty(t, diff.Compare(o, job(nil), two, diff.Options{}).Diffs)
	require.NotEmpty(t, diff.Compare(o, job(map[string]cty.Value{"A": cty.StringVal("x").Mark(schema.SensitiveMark)}), two, diff.Options{}).Diffs)
}
