package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema/value"
)

func TestEveryAttributeIsDescribed(t *testing.T) {
	kindRules := map[Change]bool{InPlace: true, Replace: true, Provider: true, Constraint: true, Record: true}
	var walk func(t *testing.T, o *Object, kind bool)
	walk = func(t *testing.T, o *Object, kind bool) {
		for _, a := range o.Attrs {
			require.NotEmptyf(t, a.Doc, "%s has no doc", a.Name)
			require.Regexpf(t, `[.]$`, a.Doc, "%s: a doc is a sentence", a.Name)
			if kind && a.Configured() && a.Elem == nil {
				require.Truef(t, kindRules[a.Change] || a.Change == Never && o.Name == "" && a.Name != "", "%s: no rule of change", a.Name)
			}
			if kind && !a.Configured() {
				require.Equalf(t, Never, a.Change, "%s is not written by anybody, so it has no rule of change", a.Name)
			}
			if a.Elem != nil {
				walk(t, a.Elem, false)
			}
		}
	}
	for _, k := range addr.Kinds() {
		t.Run(k, func(t *testing.T) { walk(t, KindObject(k), true) })
	}
	for _, b := range BlockTypes() {
		t.Run("block "+b.Name, func(t *testing.T) {
			require.Regexp(t, `[.]$`, b.Doc)
			walk(t, b.Object, false)
		})
	}
}

func TestDefaultsSatisfyTheirGrammar(t *testing.T) {
	for _, b := range BlockTypes() {
		for _, a := range b.Object.Attrs {
			if a.Default == "" || a.Grammar == "" {
				continue
			}
			_, err := a.Conform(cty.StringVal(a.Default), nil)
			require.NoErrorf(t, err, "%s.%s", b.Name, a.Name)
		}
	}
}

func TestEncodeDecodeAndJSONAreInverse(t *testing.T) {
	code := 3
	want := Job{
		ID: "j1", Run: "train", Type: "task", Nodes: 2, NodeRank: 1,
		Commands: []string{"echo ${x}", ""}, Env: map[string]string{"A": "", "B": "2"},
		Resources: &Resources{GPU: value.Must(value.ParseGPU("A100:80GB:2")), CPU: value.Must(value.ParseIntRange("4.."))},
		Mounts:    []Mount{{Volumes: []string{"volume.data[0]"}, Path: "/data"}, {InstancePath: "/x", Path: "/y", Optional: true}},
		Ports:     []value.PortMapping{value.Must(value.ParsePortMapping("8080:80"))},
		ExitCode:  &code,
	}
	v := Encode(want)
	require.True(t, v.Type().Equals(KindObject(addr.KindJob).Type()))
	got, err := Decode[Job](v)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(Encode(want).GoString(), Encode(got).GoString()))

	raw, err := MarshalValue(v)
	require.NoError(t, err)
	back, err := UnmarshalValue(KindObject(addr.KindJob), raw)
	require.NoError(t, err)
	require.True(t, back.RawEquals(v), "%#v\n%#v", back, v)
}

func TestMarshalRefusesWhatMustNotBeWritten(t *testing.T) {
	_, err := MarshalValue(cty.StringVal("s3cret").Mark(SensitiveMark))
	require.ErrorContains(t, err, "marked")
	_, err = MarshalValue(cty.ObjectVal(map[string]cty.Value{"a": cty.UnknownVal(cty.String)}))
	require.ErrorContains(t, err, "unknown")
}

func TestUnmarshalToleratesOtherVersions(t *testing.T) {
	v, err := UnmarshalValue(KindObject(addr.KindVolume), []byte(`{"name":"a","from_the_future":1}`))
	require.NoError(t, err)
	require.Equal(t, "a", v.GetAttr("name").AsString())
	require.True(t, v.GetAttr("size").IsNull())
	_, err = UnmarshalValue(KindObject(addr.KindVolume), []byte(`{"name":1}`))
	require.ErrorContains(t, err, "name")
}

func TestConform(t *testing.T) {
	obj := func(kv ...any) cty.Value {
		m := map[string]cty.Value{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1].(cty.Value)
		}
		return cty.ObjectVal(m)
	}
	str := cty.StringVal
	vol := obj("address", str("volume.data[1]"), "id", cty.UnknownVal(cty.String))
	env := func(name string) (string, bool) { return "from outside", name == "HF_TOKEN" }
	task, service := Of[Task](), Of[Service]()

	for name, tc := range map[string]struct {
		attr *Attribute
		in   cty.Value
		want cty.Value
		err  string
	}{
		"a reference becomes its address":        {task.Attr("fleet"), obj("address", str("fleet.a")), str("fleet.a"), ""},
		"a text is no reference":                 {task.Attr("fleet"), str("a"), cty.NilVal, "without quotes"},
		"many blocks are no reference":           {task.Attr("fleet"), cty.TupleVal([]cty.Value{obj("address", str("fleet.a[0]"))}), cty.NilVal, "Choose one"},
		"false is no gateway":                    {service.Attr("gateway"), cty.False, str(NoReference), ""},
		"a number is a port":                     {service.Attr("port"), cty.NumberIntVal(8000), str("80:8000"), ""},
		"env as map keeps marks and unknowns":    {task.Attr("env"), obj("A", str("x").Mark(SensitiveMark), "B", cty.UnknownVal(cty.String), "C", cty.NumberIntVal(1)), cty.MapVal(map[string]cty.Value{"A": str("x").Mark(SensitiveMark), "B": cty.UnknownVal(cty.String), "C": str("1")}), ""},
		"env as list with a name from outside":   {task.Attr("env"), cty.TupleVal([]cty.Value{str("A=1"), str("HF_TOKEN")}), cty.MapVal(map[string]cty.Value{"A": str("1"), "HF_TOKEN": str("from outside").Mark(SensitiveMark)}), ""},
		"env twice":                              {task.Attr("env"), cty.TupleVal([]cty.Value{str("A=1"), str("A=2")}), cty.NilVal, "more than once"},
		"env with a bad name":                    {task.Attr("env"), obj("1A", str("x")), cty.NilVal, "1A"},
		"env that is not set outside":            {task.Attr("env"), cty.TupleVal([]cty.Value{str("NOPE")}), cty.NilVal, "export NOPE"},
		"a mount as text":                        {task.Attr("volumes"), cty.TupleVal([]cty.Value{str("data:/a/./b//c/")}), cty.ListVal([]cty.Value{obj("volume", cty.ListVal([]cty.Value{str("data")}), "instance_path", cty.NullVal(cty.String), "path", str("/a/b/c"), "optional", cty.NullVal(cty.Bool))}), ""},
		"a mount by reference":                   {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("volume", vol, "path", str("/data"))}), cty.ListVal([]cty.Value{obj("volume", cty.ListVal([]cty.Value{str("volume.data[1]")}), "instance_path", cty.NullVal(cty.String), "path", str("/data"), "optional", cty.NullVal(cty.Bool))}), ""},
		"a mount without a source":               {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("path", str("/data"))}), cty.NilVal, "one source"},
		"a mount with a relative path":           {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("volume", vol, "path", str("data"))}), cty.NilVal, "Mount has a relative path"},
		"a mount over everything":                {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("volume", vol, "path", str("/./"))}), cty.NilVal, "hide the container"},
		"a mount with a colon in its path":       {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("volume", vol, "path", str("/a:b"))}), cty.NilVal, "invalid character"},
		"a mount of a relative folder":           {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("instance_path", str("~/cache"), "path", str("/c"))}), cty.NilVal, "not expanded"},
		"a mount keeps the marks of its paths":   {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("instance_path", str("/a//b").Mark(SensitiveMark), "path", str("/c/").Mark(SensitiveMark))}), cty.ListVal([]cty.Value{obj("volume", cty.NullVal(cty.List(cty.String)), "instance_path", str("/a/b").Mark(SensitiveMark), "path", str("/c").Mark(SensitiveMark), "optional", cty.NullVal(cty.Bool))}), ""},
		"a mount with an unknown attribute":      {task.Attr("volumes"), cty.TupleVal([]cty.Value{obj("volume", vol, "pth", str("/data"))}), cty.NilVal, `Did you mean "path"`},
		"a list is needed":                       {task.Attr("commands"), str("echo"), cty.NilVal, "between brackets"},
		"null in a list":                         {task.Attr("commands"), cty.TupleVal([]cty.Value{cty.NullVal(cty.String)}), cty.NilVal, "element"},
		"a model by name":                        {service.Attr("model"), str("llama"), obj("name", str("llama"), "type", cty.NullVal(cty.String), "format", cty.NullVal(cty.String), "prefix", cty.NullVal(cty.String), "chat_template", cty.NullVal(cty.String), "eos_token", cty.NullVal(cty.String)), ""},
		"a bad text says what and how":           {task.Attr("max_price"), str("-1"), cty.NilVal, "negative"},
		"unknown stays unknown":                  {task.Attr("nodes"), cty.UnknownVal(cty.Number), cty.UnknownVal(cty.Number), ""},
		"an unknown text is no list":             {task.Attr("commands"), cty.UnknownVal(cty.String), cty.NilVal, "A list is needed"},
		"an unknown list is no number":           {task.Attr("nodes"), cty.UnknownVal(cty.List(cty.String)), cty.NilVal, "Value has the wrong type"},
		"an unknown text may be a number":        {task.Attr("nodes"), cty.UnknownVal(cty.String), cty.UnknownVal(cty.Number), ""},
		"an unknown number is no object":         {task.Attr("resources"), cty.UnknownVal(cty.Number), cty.NilVal, "An object is needed"},
		"an unknown of unknown type gets a type": {task.Attr("commands"), cty.DynamicVal, cty.UnknownVal(cty.List(cty.String)), ""},
		"null stays null":                        {task.Attr("commands"), cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.List(cty.String)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.attr.Conform(tc.in, env)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				var ce *ConformError
				require.ErrorAs(t, err, &ce)
				return
			}
			require.NoError(t, err)
			require.True(t, got.RawEquals(tc.want), "%#v\n%#v", got, tc.want)
		})
	}
}

func TestSuggest(t *testing.T) {
	require.Equal(t, "nodes", Suggest("node", []string{"name", "nodes"}))
	require.Empty(t, Suggest("zzz", []string{"name", "nodes"}))
}
