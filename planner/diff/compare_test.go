package diff_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// object makes a value of kind T of which the given paths are set.
func object[T any](t *testing.T, leaves map[string]cty.Value) diff.Value {
	t.Helper()
	v := cty.NullVal(schema.Of[T]().Type())
	for path, leaf := range leaves {
		var err error
		v, err = diff.Set(v, path, leaf)
		require.NoError(t, err)
	}
	if v.IsNull() {
		v = schema.Encode(*new(T))
	}
	out, err := diff.Redact(schema.Of[T](), v, func(path string, leaf []byte) string { return "digest of " + string(leaf) })
	require.NoError(t, err)
	return out
}

func texts(s ...string) cty.Value {
	if len(s) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	out := make([]cty.Value, len(s))
	for i := range s {
		out[i] = cty.StringVal(s[i])
	}
	return cty.ListVal(out)
}

func env(pairs ...string) cty.Value {
	out := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = cty.StringVal(pairs[i+1])
	}
	if len(out) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	return cty.MapVal(out)
}

// from and to tie what goes to what comes with the same value.
func from(path string, d plan.AttrDiff) plan.AttrDiff { d.MovedFrom = path; return d }
func to(path string, d plan.AttrDiff) plan.AttrDiff   { d.MovedTo = path; return d }

func file(path, digest string, bytes int64) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"local": cty.StringVal(path), "path": cty.StringVal(path), "digest": cty.StringVal(digest), "bytes": cty.NumberIntVal(bytes)})
}

func mount(volume, path string) cty.Value { return mounts(path, volume) }

func mounts(path string, volumes ...string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"volume": texts(volumes...), "instance_path": cty.NullVal(cty.String), "path": cty.StringVal(path), "optional": cty.False})
}

type leaves = map[string]cty.Value

func change(path, before, after string) plan.AttrDiff {
	d := plan.AttrDiff{Path: path}
	if before != "" {
		d.Before = json.RawMessage(before)
	}
	if after != "" {
		d.After = json.RawMessage(after)
	}
	return d
}

func forces(d plan.AttrDiff) plan.AttrDiff  { d.Forces = true; return d }
func secret(d plan.AttrDiff) plan.AttrDiff  { d.Sensitive = true; return d }
func unknown(d plan.AttrDiff) plan.AttrDiff { d.Unknown = true; return d }

func TestCompareJobs(t *testing.T) {
	s := cty.StringVal
	hide := func(v cty.Value) cty.Value { return v.Mark(schema.SensitiveMark) }
	for name, c := range map[string]struct {
		prior, want leaves
		ignore      []string
		action      diff.Action
		diffs       []plan.AttrDiff
		unchanged   int
	}{
		"the same is nothing": {
			leaves{"image": s("a"), "commands": texts("x"), `env["A"]`: s("1")},
			leaves{"image": s("a"), "commands": texts("x"), `env["A"]`: s("1")},
			nil, diff.None, nil, 3,
		},
		"an image changes: a new job": {
			leaves{"image": s("a"), "ide": s("vscode")},
			leaves{"image": s("b"), "ide": s("vscode")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change("image", `"a"`, `"b"`))},
			1,
		},
		"a shift of equal length marks two elements": {
			leaves{"commands": texts("setup", "train", "upload")},
			leaves{"commands": texts("pull", "setup", "train")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change("commands[0]", "", `"pull"`)), forces(change("commands[2]", `"upload"`, ""))},
			0,
		},
		"one command of three changes": {
			leaves{"commands": texts("a", "b", "c")},
			leaves{"commands": texts("a", "x", "c")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change("commands[1]", `"b"`, `"x"`))},
			0,
		},
		"the last command goes": {
			leaves{"commands": texts("a", "b")},
			leaves{"commands": texts("a")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change("commands[1]", `"b"`, ""))},
			0,
		},
		"commands appear": {
			leaves{},
			leaves{"commands": texts("a")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change("commands", "", `["a"]`))},
			0,
		},
		"no commands and none written differ, because an empty list was meant": {
			leaves{},
			leaves{"commands": texts()},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change("commands", "", `[]`))},
			0,
		},
		"an element that becomes unknown": {
			leaves{"commands": texts("a", "b")},
			leaves{"commands": cty.ListVal([]cty.Value{s("a"), cty.UnknownVal(cty.String)})},
			nil, diff.Replace,
			[]plan.AttrDiff{unknown(forces(change("commands[1]", `"b"`, "")))},
			0,
		},
		"an unknown image follows the rule of images": {
			leaves{"image": s("a")},
			leaves{"image": cty.UnknownVal(cty.String)},
			nil, diff.Replace,
			[]plan.AttrDiff{unknown(forces(change("image", `"a"`, "")))},
			0,
		},
		"variables by key, in the order of keys": {
			leaves{"env": env("A", "1", "B", "2", "C", "3")},
			leaves{"env": env("D", "4", "B", "3", "A", "1")},
			nil, diff.Replace,
			[]plan.AttrDiff{
				forces(change(`env["B"]`, `"2"`, `"3"`)), forces(change(`env["C"]`, `"3"`, "")), forces(change(`env["D"]`, "", `"4"`)),
			},
			0,
		},
		"an empty variable is not a missing one": {
			leaves{"env": env("A", "")},
			leaves{"env": env()},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change(`env["A"]`, `""`, ""))},
			0,
		},
		"no variables and an empty map are the same": {leaves{}, leaves{"env": env()}, nil, diff.None, nil, 1},
		"false, zero and nothing are the same": {
			leaves{"nvcc": cty.False, "replica": cty.NumberIntVal(0)}, leaves{}, nil, diff.None, nil, 0,
		},
		"a default and nothing are the same": {
			leaves{"model.name": s("m"), "model.format": s("openai"), "model.prefix": s("/v1")}, leaves{"model.name": s("m")}, nil, diff.None, nil, 3,
		},
		"a default and something else differ": {
			leaves{"model.name": s("m")},
			leaves{"model.name": s("m"), "model.format": s("tgi")},
			nil, diff.Update,
			[]plan.AttrDiff{change("model.format", "", `"tgi"`)},
			1,
		},
		"a spelling is no difference": {
			leaves{"resources.memory": s("16gb.."), "max_duration": s("60m")}, leaves{"resources.memory": s("16GB.."), "max_duration": s("1h")}, nil, diff.None, nil, 2,
		},
		"one field of a mount is one difference, wherever the mount stands": {
			leaves{"volumes": cty.ListVal([]cty.Value{mount("a", "/a"), mount("b", "/b")})},
			leaves{"volumes": cty.ListVal([]cty.Value{mount("c", "/c"), mount("a", "/a"), mount("x", "/b")})},
			nil, diff.Replace,
			[]plan.AttrDiff{
				forces(change("volumes[0]", "", `{"optional":false,"path":"/c","volume":["c"]}`)), forces(change("volumes[2].volume[0]", `"b"`, `"x"`)),
			},
			0,
		},
		"a mount that is the same but for its volume is one difference, whatever comes and goes around it": {
			leaves{"volumes": cty.ListVal([]cty.Value{mount("a", "/a"), mount("b", "/b"), mount("c", "/c")})},
			leaves{"volumes": cty.ListVal([]cty.Value{mount("x", "/b"), mount("c", "/c"), mount("a", "/a")})},
			nil, diff.Replace,
			[]plan.AttrDiff{
				to("volumes[2]", forces(change("volumes[0]", `{"optional":false,"path":"/a","volume":["a"]}`, ""))), forces(change("volumes[0].volume[0]", `"b"`, `"x"`)),
				from("volumes[0]", forces(change("volumes[2]", "", `{"optional":false,"path":"/a","volume":["a"]}`))),
			},
			0,
		},
		"a file is the same file while it keeps its path, and another one at another path": {
			leaves{"files": cty.ListVal([]cty.Value{file("a.toml", "d1", 1), file("b.toml", "d2", 2)})},
			leaves{"files": cty.ListVal([]cty.Value{file("b.toml", "d3", 3), file("c.toml", "d1", 1)})},
			nil, diff.Replace,
			[]plan.AttrDiff{
				forces(change("files[0]", `{"bytes":1,"digest":"d1","local":"a.toml","path":"a.toml"}`, "")),
				forces(change("files[0].digest", `"d2"`, `"d3"`)), change("files[0].bytes", "2", "3"),
				forces(change("files[1]", "", `{"bytes":1,"digest":"d1","local":"c.toml","path":"c.toml"}`)),
			},
			0,
		},
		"an element whose identity is not known yet takes the place of one": {
			leaves{"volumes": cty.ListVal([]cty.Value{mount("a", "/a"), mount("b", "/b")})},
			leaves{"volumes": cty.ListVal([]cty.Value{mount("a", "/a"), cty.UnknownVal(mount("b", "/b").Type())})},
			nil, diff.Replace,
			[]plan.AttrDiff{unknown(forces(change("volumes[1]", `{"optional":false,"path":"/b","volume":["b"]}`, "")))},
			0,
		},
		"a key that is renamed says where its value is now": {
			leaves{"env": env("A", "1", "OLD", "x")},
			leaves{"env": env("A", "1", "NEW", "x")},
			nil, diff.Replace,
			[]plan.AttrDiff{from(`env["OLD"]`, forces(change(`env["NEW"]`, "", `"x"`))), to(`env["NEW"]`, forces(change(`env["OLD"]`, `"x"`, "")))},
			0,
		},
		"a key that is renamed with another value is another key": {
			leaves{"env": env("OLD", "x")},
			leaves{"env": env("NEW", "y")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change(`env["NEW"]`, "", `"y"`)), forces(change(`env["OLD"]`, `"x"`, ""))},
			0,
		},
		"nobody can tell which of two keys with one value was renamed": {
			leaves{"env": env("A", "x", "B", "x")},
			leaves{"env": env("C", "x")},
			nil, diff.Replace,
			[]plan.AttrDiff{forces(change(`env["A"]`, `"x"`, "")), forces(change(`env["B"]`, `"x"`, "")), forces(change(`env["C"]`, "", `"x"`))},
			0,
		},
		"a secret is not said to be the same under another key": {
			leaves{"env": cty.MapVal(leaves{"OLD": hide(s("x"))})},
			leaves{"env": cty.MapVal(leaves{"NEW": hide(s("x"))})},
			nil, diff.Replace,
			[]plan.AttrDiff{secret(forces(change(`env["NEW"]`, "", "null"))), secret(forces(change(`env["OLD"]`, "null", "")))},
			0,
		},
		"a command that moves says where it is now": {
			leaves{"commands": texts("a", "b", "c")},
			leaves{"commands": texts("c", "a", "b")},
			nil, diff.Replace,
			[]plan.AttrDiff{from("commands[2]", forces(change("commands[0]", "", `"c"`))), to("commands[0]", forces(change("commands[2]", `"c"`, "")))},
			0,
		},
		"an alternative that moves inside a mount is tied by its whole path": {
			leaves{"volumes": cty.ListVal([]cty.Value{mounts("/a", "x", "y", "z")})},
			leaves{"volumes": cty.ListVal([]cty.Value{mounts("/a", "z", "x", "y")})},
			nil, diff.Replace,
			[]plan.AttrDiff{
				from("volumes[0].volume[2]", forces(change("volumes[0].volume[0]", "", `"z"`))), to("volumes[0].volume[0]", forces(change("volumes[0].volume[2]", `"z"`, ""))),
			},
			0,
		},
		"a secret that changed": {
			leaves{"env": cty.MapVal(leaves{"T": hide(s("old")), "A": s("1")})},
			leaves{"env": cty.MapVal(leaves{"T": hide(s("new")), "A": s("1")})},
			nil, diff.Replace,
			[]plan.AttrDiff{secret(forces(change(`env["T"]`, "null", "null")))},
			0,
		},
		"a secret that did not change": {
			leaves{"env": cty.MapVal(leaves{"T": hide(s("old"))})}, leaves{"env": cty.MapVal(leaves{"T": hide(s("old"))})}, nil, diff.None, nil, 1,
		},
		"what becomes a secret shows neither side": {
			leaves{"env": env("T", "same")},
			leaves{"env": cty.MapVal(leaves{"T": hide(s("same"))})},
			nil, diff.Replace,
			[]plan.AttrDiff{secret(forces(change(`env["T"]`, "null", "null")))},
			0,
		},
		"a secret that is known later": {
			leaves{"env": env("T", "x")},
			leaves{"env": cty.MapVal(leaves{"T": hide(cty.UnknownVal(cty.String))})},
			nil, diff.Replace,
			[]plan.AttrDiff{unknown(secret(forces(change(`env["T"]`, "null", ""))))},
			0,
		},
		"a secret appears": {
			leaves{},
			leaves{"env": cty.MapVal(leaves{"T": hide(s("x"))})},
			nil, diff.Replace,
			[]plan.AttrDiff{secret(forces(change(`env["T"]`, "", "null")))},
			0,
		},
		"an attribute that the schema calls sensitive": {
			leaves{"tokens": texts("a", "b")},
			leaves{"tokens": texts("a", "c")},
			nil, diff.Update,
			[]plan.AttrDiff{secret(change("tokens[1]", "null", "null"))},
			0,
		},
		"a password in a nested object": {
			leaves{"registry_auth.username": s("u"), "registry_auth.password": s("x")},
			leaves{"registry_auth.username": s("u"), "registry_auth.password": s("y")},
			nil, diff.Replace,
			[]plan.AttrDiff{secret(forces(change("registry_auth.password", "null", "null")))},
			1,
		},
		"what nobody writes does not differ": {
			leaves{"status": s("running"), "instance": s("fleet.a.instance[0]"), "id": s("j1")}, leaves{"status": s("done"), "id": cty.UnknownVal(cty.String)}, nil, diff.None, nil, 0,
		},
		"an ignored attribute keeps what is": {
			leaves{"image": s("a"), "env": env("A", "1", "B", "1")},
			leaves{"image": s("b"), "env": env("A", "2", "B", "2")},
			[]string{"image", `env["A"]`},
			diff.Replace,
			[]plan.AttrDiff{forces(change(`env["B"]`, `"1"`, `"2"`))},
			1,
		},
		"everything ignored": {
			leaves{"image": s("a"), `env["A"]`: s("1")}, leaves{"image": cty.UnknownVal(cty.String)}, []string{diff.IgnoreAll}, diff.None, nil, 2,
		},
		"an ignored path that leads nowhere ignores nothing": {
			leaves{"image": s("a")}, leaves{"image": s("b")}, []string{"imgae", "commands[7]"}, diff.Replace, []plan.AttrDiff{forces(change("image", `"a"`, `"b"`))}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := diff.Compare(schema.Of[schema.Job](), object[schema.Job](t, c.prior), object[schema.Job](t, c.want), diff.Options{Ignore: c.ignore})
			require.Empty(t, cmp.Diff(c.diffs, got.Diffs, cmpopts.EquateEmpty()))
			require.Equal(t, c.action, got.Action)
			require.Equal(t, c.unchanged, got.Unchanged, "unchanged")
		})
	}
}

func TestSettleAnswersWhatIsOpen(t *testing.T) {
	s := cty.StringVal
	prior := object[schema.Instance](t, leaves{"resources.gpu": s("A100:40GB:8"), "max_price": s("30"), "idle_duration": s("1h")})
	want := object[schema.Instance](t, leaves{"resources.gpu": s("A100:80GB:8"), "max_price": s("45"), "idle_duration": s("1h")})
	r := diff.Compare(schema.Of[schema.Instance](), prior, want, diff.Options{})
	require.Equal(t, diff.Constraint, r.Action)
	require.Empty(t, cmp.Diff([]string{"resources.gpu", "max_price"}, r.ByRule[schema.Constraint]))

	kept := r.Settle(nil)
	require.Equal(t, diff.Record, kept.Action, "a machine that keeps the constraints stays")

	broken := r.Settle(map[string]string{"resources.gpu": "40GB for each GPU, 80GB needed"})
	require.Equal(t, diff.Replace, broken.Action)
	require.Equal(t, []string{"resources.gpu"}, broken.Forces)
	require.Empty(t, cmp.Diff([]plan.AttrDiff{
		{Path: "resources.gpu", Before: json.RawMessage(`"A100:40GB:8"`), After: json.RawMessage(`"A100:80GB:8"`), Forces: true, Why: "40GB for each GPU, 80GB needed"},
		change("max_price", `"30"`, `"45"`),
	}, broken.Diffs))
	require.False(t, r.Diffs[0].Forces, "the question itself is left as it was")

	grown := diff.Compare(schema.Of[schema.Volume](), object[schema.Volume](t, leaves{"size": s("100GB")}), object[schema.Volume](t, leaves{"size": s("200GB")}), diff.Options{})
	require.Equal(t, diff.Provider, grown.Action)
	require.Equal(t, diff.Update, grown.Settle(nil).Action)
	require.Equal(t, diff.Replace, grown.Settle(map[string]string{"size": "a volume cannot shrink"}).Action)

	tainted := diff.Result{Action: diff.None}.Settle(map[string]string{"id": "tainted"})
	require.Equal(t, diff.Replace, tainted.Action, "a reason beside the differences forces as well")
}

func TestObjectThatAppearsFollowsItsOwnRuleToo(t *testing.T) {
	port := leaves{"host.port": cty.NumberIntVal(22)}
	r := diff.Compare(schema.Of[schema.Instance](), object[schema.Instance](t, nil), object[schema.Instance](t, port), diff.Options{})
	require.Equal(t, diff.Provider, r.Action, "a host at all is more than its port")
	r = diff.Compare(schema.Of[schema.Instance](), object[schema.Instance](t, port), object[schema.Instance](t, leaves{"host.port": cty.NumberIntVal(23)}), diff.Options{})
	require.Equal(t, diff.Update, r.Action)
}

func TestWhatWasDecidedIsKept(t *testing.T) {
	s := cty.StringVal
	prior := object[schema.Volume](t, leaves{"availability_zone": s("us-east-1a"), "size": s("100GB"), "id": s("vol-1"), "status": s("active"), "region": s("us-east-1")})
	want := object[schema.Volume](t, leaves{"region": s("us-east-1"), "id": cty.UnknownVal(cty.String)})
	r := diff.Compare(schema.Of[schema.Volume](), prior, want, diff.Options{})
	require.Equal(t, diff.None, r.Action, "%v", r.Diffs)
	for path, text := range map[string]string{"availability_zone": "us-east-1a", "size": "100GB", "status": "active"} {
		got, ok := diff.Get(r.After.V, path)
		require.True(t, ok)
		require.Equal(t, text, got.AsString(), path)
	}
	id, _ := diff.Get(r.After.V, "id")
	require.False(t, id.IsKnown(), "what is said to be unknown stays so")
}

func TestIgnoredSecretKeepsItsDigest(t *testing.T) {
	prior := object[schema.Job](t, leaves{"env": cty.MapVal(leaves{"T": cty.StringVal("old").Mark(schema.SensitiveMark)})})
	want := object[schema.Job](t, leaves{"env": cty.MapVal(leaves{"T": cty.StringVal("new").Mark(schema.SensitiveMark)})})
	r := diff.Compare(schema.Of[schema.Job](), prior, want, diff.Options{Ignore: []string{"env"}})
	require.Equal(t, diff.None, r.Action)
	require.Equal(t, prior.Digests, r.After.Digests)
	require.Equal(t, []string{`env["T"]`}, r.After.Sensitive)
}

func TestAlsoComparesWhatNobodyWrites(t *testing.T) {
	prior := object[schema.Instance](t, leaves{"instance_type": cty.StringVal("p4d.24xlarge"), "memory_mib": cty.NumberIntVal(1 << 18), "status": cty.StringVal("idle")})
	want := object[schema.Instance](t, leaves{"instance_type": cty.StringVal("p4de.24xlarge"), "memory_mib": cty.NumberIntVal(1 << 18), "status": cty.StringVal("busy")})
	r := diff.Compare(schema.Of[schema.Instance](), prior, want, diff.Options{Also: func(a *schema.Attribute) bool { return a.Placed }})
	require.Equal(t, diff.None, r.Action, "it has no say")
	require.Empty(t, cmp.Diff([]plan.AttrDiff{change("instance_type", `"p4d.24xlarge"`, `"p4de.24xlarge"`)}, r.Diffs))
}

func TestSecretPresenceSurvivesJSON(t *testing.T) {
	b, err := json.Marshal(secret(change("tokens[0]", "null", "")))
	require.NoError(t, err)
	var got plan.AttrDiff
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, "null", string(got.Before))
	require.Nil(t, got.After)
}

// TestWrittenListsOfObjectsHaveAnIdentity finds lists whose elements would be paired by place alone.
func TestWrittenListsOfObjectsHaveAnIdentity(t *testing.T) {
	lists := 0
	for _, kind := range addr.Kinds() {
		for _, a := range schema.KindObject(kind).Attrs {
			if a.Elem == nil || !a.Many || !a.Configured() {
				continue
			}
			lists++
			require.True(t, slices.ContainsFunc(a.Elem.Attrs, func(f *schema.Attribute) bool { return f.Identity }),
				"%s.%s: tag the attribute by which its elements are known with identity", kind, a.Name)
		}
	}
	require.Positive(t, lists)
}
