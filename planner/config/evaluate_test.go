package config

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// load reads one file that must be right.
func load(t *testing.T, text string) *Config {
	t.Helper()
	c, list := Load(context.Background(), LoadOptions{
		Dir: "testdata/files", Sources: []Source{{Path: "main.dstack.hcl", Text: []byte(text)}},
		Environ: environ(map[string]string{"HF_TOKEN": "t0ken"}),
	})
	require.Empty(t, rendered(list))
	return c
}

func environ(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := m[name]
		return v, ok
	}
}

// decode evaluates all instances of a block.
func decode(t *testing.T, c *Config, address string, scope Scope) []*Decoded {
	t.Helper()
	a, err := addr.ParseInstance(address)
	require.NoError(t, err)
	instances, deferred, list := c.Repetition(c.Block(a.Block), scope)
	require.Empty(t, rendered(list))
	require.Empty(t, deferred)
	var out []*Decoded
	for _, inst := range instances {
		d, list := c.Decode(inst, scope)
		require.Empty(t, rendered(list))
		out = append(out, d)
	}
	return out
}

var ctyEqual = cmp.Comparer(cty.Value.RawEquals)

func TestExpressions(t *testing.T) {
	c := load(t, `
variable "n" {
  type    = number
  default = 2
}
variable "shape" {
  type    = object({ gpu = string, nodes = optional(number, 3) })
  default = { gpu = "A100" }
}
variable "secret" {
  sensitive = true
  default   = "canary"
}
locals {
  late  = "${local.early}!"
  early = "x${var.n}"
  ids   = [for v in volume.data : v.id]
}
volume "data" {
  count = 2
  size  = "1GB"
}
`)
	scope := &values{"volume.data": cty.TupleVal([]cty.Value{
		cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("v0"), "size": cty.UnknownVal(cty.String)}),
		cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("v1"), "size": cty.StringVal("1GB")}),
	})}
	text := cty.StringVal
	for src, want := range map[string]cty.Value{
		`1 + var.n`:                  cty.NumberIntVal(3),
		`local.late`:                 text("x2!"),
		`local.ids`:                  cty.TupleVal([]cty.Value{text("v0"), text("v1")}),
		`volume.data[1].size`:        text("1GB"),
		`volume.data[0].size`:        cty.UnknownVal(cty.String),
		`var.shape.nodes`:            cty.NumberIntVal(3),
		`"<${var.secret}>"`:          text("<canary>").Mark(schema.SensitiveMark),
		`nonsensitive(var.secret)`:   text("canary"),
		`issensitive(var.secret)`:    cty.True,
		`try(var.shape.cpu, "none")`: text("none"),
		`can(var.shape.cpu)`:         cty.False,
		`path.root`:                  text("."),
		`file("hello.txt")`:          text("hello\n"),
		`filebase64("hello.txt")`:    text("aGVsbG8K"),
		`filesha256("hello.txt")`:    text("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"),
		`fileexists("nothing.txt")`:  cty.False,
		`templatefile("greet.tpl", { name = "you", times = 2 })`: text("hello you\nhello you\n"),
		`basename("/a/b.txt")`:                     text("b.txt"),
		`dirname("/a/b.txt")`:                      text("/a"),
		`cidrsubnet("10.0.0.0/16", 8, 2)`:          text("10.0.2.0/24"),
		`cidrhost("10.0.0.0/24", 5)`:               text("10.0.0.5"),
		`jsonencode({ a = [1, true] })`:            text(`{"a":[1,true]}`),
		`jsondecode("{\"a\":1}").a`:                cty.NumberIntVal(1),
		`yamldecode("a: [1, x]").a[1]`:             text("x"),
		`yamlencode({ a = [1, "yes"] })`:           text("\"a\":\n- 1\n- \"yes\"\n"),
		`base64encode("a")`:                        text("YQ=="),
		`base64decode("YQ==")`:                     text("a"),
		`md5("a")`:                                 text("0cc175b9c0f1b6a831c399e269772661"),
		`sha1("a")`:                                text("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
		`base64sha256("a")`:                        text("ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="),
		`format("%03d-%s", 7, "x")`:                text("007-x"),
		`regex("[0-9]+", "ab12")`:                  text("12"),
		`replace("a-b", "/[ab]/", "x")`:            text("x-x"),
		`replace("a.b", ".", "x")`:                 text("axb"),
		`length("abc")`:                            cty.NumberIntVal(3),
		`length({ a = 1 })`:                        cty.NumberIntVal(1),
		`upper(volume.data[0].size)`:               cty.UnknownVal(cty.String).RefineNotNull(),
		`lookup({ a = 1 }, "b", 2)`:                cty.NumberIntVal(2),
		`one(["x"])`:                               text("x"),
		`one([])`:                                  cty.NullVal(cty.DynamicPseudoType),
		`sum([1, 2.5])`:                            cty.NumberFloatVal(3.5),
		`alltrue([true, false])`:                   cty.False,
		`anytrue([true, false])`:                   cty.True,
		`index(["a", "b"], "b")`:                   cty.NumberIntVal(1),
		`startswith("abc", "ab")`:                  cty.True,
		`endswith("abc", "ab")`:                    cty.False,
		`strcontains("abc", "bc")`:                 cty.True,
		`toset(["b", "a", "b"])`:                   cty.SetVal([]cty.Value{text("a"), text("b")}),
		`tomap({ a = 1 })`:                         cty.MapVal(map[string]cty.Value{"a": cty.NumberIntVal(1)}),
		`transpose({ a = ["x"] })`:                 cty.MapVal(map[string]cty.Value{"x": cty.ListVal([]cty.Value{text("a")})}),
		`matchkeys(["a", "b"], ["x", "y"], ["y"])`: cty.ListVal([]cty.Value{text("b")}),
	} {
		got, list := c.Evaluate("<console>", src, scope)
		if len(list) > 0 {
			t.Errorf("%s: %s", src, rendered(list))
		} else if diff := cmp.Diff(want, got, ctyEqual); diff != "" {
			t.Errorf("%s: %#v", src, got)
		}
	}
}

func TestExpressionsThatFail(t *testing.T) {
	c := load(t, `variable "secret" {
  sensitive = true
  default   = "canary"
}`)
	for src, want := range map[string]string{
		`1 +`:                           "Missing expression",
		`var.nothing`:                   "Reference to nothing",
		`uper("x")`:                     "Unknown function",
		`uuid(1)`:                       "Function failed",
		`templatefile("greet.tpl", {})`: "Invalid function argument",
		`each.key`:                      "Not a value here",
		`self.id`:                       "Not a value here",
		`node.rank`:                     "Not a value here",
		`tonumber(var.secret)`:          "Invalid function argument",
	} {
		_, list := c.Evaluate("<console>", src, nil)
		require.NotEmpty(t, list, src)
		require.Equal(t, want, list[0].Summary, src)
		require.NotContains(t, rendered(list), "canary", src)
	}
}

func TestBlocksBecomeValues(t *testing.T) {
	c := load(t, `
locals {
  hosts = ["10.0.0.1", "10.0.0.2"]
}
fleet "train" {
  nodes     = "1..2"
  resources = { memory = "16GB..", gpu = "a100:2" }
}
fleet "lab" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    host          = [for h in local.hosts : { hostname = h, blocks = 4 }]
  }
}
gateway "public" {
  domain = "*.example.com"
}
service "llama" {
  gateway  = false
  commands = ["serve"]
  port     = 8000
  model    = "llama"
  env      = ["A=b", "HF_TOKEN"]
  volumes  = ["data:/data", { volume = [volume.data[0], volume.data[1]], path = "/x" }]
  registry_auth {
    username = "u"
    password = "p"
  }
}
volume "data" {
  count = 2
  size  = 100
}
`)
	get := func(d *Decoded, path string) cty.Value {
		v := d.Value
		for _, s := range splitPath(path) {
			v = v.GetAttr(s.name)
			if s.index >= 0 {
				v = v.Index(cty.NumberIntVal(int64(s.index)))
			}
		}
		return v
	}
	volume := func(key string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal("volume.data[" + key + "]")})
	}
	scope := &values{"volume.data": cty.TupleVal([]cty.Value{volume("0"), volume("1")})}
	text := cty.StringVal
	for name, tt := range map[string]struct {
		block, path string
		want        cty.Value
	}{
		"a text keeps what was written":         {"fleet.train", "nodes", text("1..2")},
		"an object stands for one nested block": {"fleet.train", "resources.memory", text("16GB..")},
		"what was not written is null":          {"fleet.train", "resources.disk", cty.NullVal(cty.String)},
		"a list stands for blocks that repeat":  {"fleet.lab", "ssh.host[1].hostname", text("10.0.0.2")},
		"a number becomes a text":               {"volume.data", "size", text("100GB")},
		"false is no gateway":                   {"service.llama", "gateway", text(schema.NoReference)},
		"a name stands for a model":             {"service.llama", "model.name", text("llama")},
		"a bare name is read and is sensitive": {"service.llama", "env", cty.MapVal(map[string]cty.Value{
			"A": text("b"), "HF_TOKEN": text("t0ken").Mark(schema.SensitiveMark),
		})},
		"a mount as text":             {"service.llama", "volumes[0].path", text("/data")},
		"references become addresses": {"service.llama", "volumes[1].volume", cty.ListVal([]cty.Value{text("volume.data[0]"), text("volume.data[1]")})},
		"a nested block is an object": {"service.llama", "registry_auth.username", text("u")},
	} {
		t.Run(name, func(t *testing.T) {
			d := decode(t, c, tt.block, scope)[0]
			require.Empty(t, cmp.Diff(tt.want, get(d, tt.path), ctyEqual))
			require.True(t, d.Value.Type().Equals(d.Block.Type.Object.Type()), "the value has the type of the block")
		})
	}
	require.Equal(t, map[string]string{"HF_TOKEN": "t0ken"}, c.EnvironmentInputs())
}

func TestRepetition(t *testing.T) {
	c := load(t, `
variable "names" {
  default = { eu = "1GB", us = "2GB" }
}
volume "one" {
  size = "1GB"
}
volume "counted" {
  count = 3
  size  = "${count.index + 1}GB"
}
volume "mapped" {
  for_each = var.names
  size     = each.value
  name     = "vol-${each.key}"
}
volume "set" {
  for_each = toset(["b", "a"])
  size     = "1GB"
}
volume "none" {
  count = 0
  size  = "1GB"
}
volume "late" {
  for_each = toset([volume.one.id])
  size     = "1GB"
}
volume "later" {
  count = length(volume.one.id)
  size  = "1GB"
}
`)
	for address, want := range map[string][]string{
		"volume.one":     {"volume.one one 1GB"},
		"volume.counted": {"volume.counted[0] counted-0 1GB", "volume.counted[1] counted-1 2GB", "volume.counted[2] counted-2 3GB"},
		"volume.mapped":  {`volume.mapped["eu"] vol-eu 1GB`, `volume.mapped["us"] vol-us 2GB`},
		"volume.set":     {`volume.set["a"] set-a 1GB`, `volume.set["b"] set-b 1GB`},
		"volume.none":    nil,
	} {
		var got []string
		for _, d := range decode(t, c, address, nil) {
			got = append(got, d.Addr.String()+" "+d.Name+" "+d.Value.GetAttr("size").AsString())
		}
		require.Empty(t, cmp.Diff(want, got), address)
	}

	unknown := &values{"volume.one": cty.ObjectVal(map[string]cty.Value{"id": cty.UnknownVal(cty.String)})}
	for _, name := range []string{"late", "later"} {
		b := c.Block(addr.Block{Type: "volume", Name: name})
		instances, deferred, list := c.Repetition(b, unknown)
		require.Empty(t, list)
		require.Empty(t, instances)
		require.Len(t, deferred, 1, name)
		require.Equal(t, "volume.one.id", deferred[0].Reference)
	}
	require.Empty(t, rendered(c.Validate()), "unknown numbers are no error")
}

func TestUnknownStaysUnknown(t *testing.T) {
	c := load(t, `
volume "a" { size = "1GB" }
volume "b" {
  size   = volume.a.size
  region = "r-${volume.a.region}"
  name   = volume.a.name
}
fleet "f1" {
  nodes = 1
  resources {
    gpu = { name = volume.a.name, count = 2 }
  }
  regions = ["x", volume.a.region]
}`)
	scope := &values{"volume.a": cty.DynamicVal}
	d := decode(t, c, "volume.b", scope)[0]
	require.Equal(t, "", d.Name)
	require.False(t, d.Value.GetAttr("size").IsKnown())
	require.False(t, d.Value.GetAttr("region").IsKnown())
	f := decode(t, c, "fleet.f1", scope)[0].Value
	require.False(t, f.GetAttr("resources").GetAttr("gpu").IsKnown())
	require.True(t, f.GetAttr("nodes").IsKnown())
	require.Empty(t, cmp.Diff(cty.ListVal([]cty.Value{cty.StringVal("x"), cty.UnknownVal(cty.String)}), f.GetAttr("regions"), ctyEqual))
}

func TestJobs(t *testing.T) {
	c := load(t, `
fleet "plain" { nodes = 1 }
task "train" {
  nodes    = 2
  fleet    = fleet.plain
  commands = ["rank ${node.rank} of ${node.count}"]
  env      = { SAME = "x" }
  volumes  = [{ volume = volume.data[node.rank], path = "/data" }]
}
service "web" {
  image    = "web-${replica.index}"
  port     = 80
  replicas = 2
}
volume "data" {
  count = 2
  size  = "1GB"
}`)
	volume := func(s string) cty.Value { return cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(s)}) }
	scope := &values{
		"fleet.plain": volume("fleet.plain"),
		"volume.data": cty.TupleVal([]cty.Value{volume("volume.data[0]"), volume("volume.data[1]")}),
	}
	d := decode(t, c, "task.train", scope)[0]
	require.False(t, d.Value.GetAttr("commands").IsKnown())
	require.True(t, d.Value.GetAttr("env").IsKnown())
	for rank, want := range []string{"rank 0 of 2", "rank 1 of 2"} {
		v, list := d.Job(rank, 2, 0)
		require.Empty(t, rendered(list))
		require.Equal(t, want, v.GetAttr("commands").Index(cty.Zero).AsString())
		require.Equal(t, []string{"volume.data[0]", "volume.data[1]"}[rank], v.GetAttr("volumes").Index(cty.Zero).GetAttr("volume").Index(cty.Zero).AsString())
		require.Equal(t, "fleet.plain", v.GetAttr("fleet").AsString())
	}
	_, list := d.Job(2, 3, 0)
	require.True(t, list.HasErrors(), "there is no volume for rank 2")

	v, list := decode(t, c, "service.web", scope)[0].Job(0, 1, 1)
	require.Empty(t, rendered(list))
	require.Equal(t, "web-1", v.GetAttr("image").AsString())

	f := decode(t, c, "fleet.plain", scope)[0]
	same, _ := f.Job(0, 1, 0)
	require.True(t, same.RawEquals(f.Value))
}

func TestOriginAndMeta(t *testing.T) {
	c := load(t, `variable "gpu" { default = "A100" }
locals {
  mem = "64GB"
}
fleet "train" {
  nodes = 1
  resources {
    gpu    = var.gpu
    memory = local.mem
  }
}
task "t1" {
  commands   = ["true"]
  depends_on = [volume.data[0], fleet.train]
  volumes    = [
    "data:/data",
    { volume = volume.data[1], path = "/x" },
  ]
  lifecycle {
    prevent_destroy      = var.gpu == "A100"
    ignore_changes       = [env, resources.gpu]
    replace_triggered_by = [fleet.train]
  }
}
volume "data" {
  count = 2
  size  = "1GB"
  lifecycle { ignore_changes = all }
}`)
	d := decode(t, c, "fleet.train", nil)[0]
	type origin struct {
		Line int
		From []string
		OK   bool
	}
	at := func(d *Decoded, path string) origin {
		rng, from, ok := d.Origin(path)
		return origin{rng.Start.Line, from, ok}
	}
	require.Equal(t, origin{8, []string{"var.gpu"}, true}, at(d, "resources.gpu"))
	require.Equal(t, origin{9, []string{"local.mem"}, true}, at(d, "resources.memory"))
	require.Equal(t, origin{7, []string{"var.gpu", "local.mem"}, true}, at(d, "resources"))
	require.Equal(t, origin{}, at(d, "resources.disk"))
	require.Equal(t, origin{}, at(d, ""))

	task := decode(t, c, "task.t1", nil)[0]
	require.Equal(t, 17, at(task, "volumes[1].path").Line)
	require.True(t, task.Meta.PreventDestroy)
	require.Equal(t, []string{"env", "resources.gpu"}, task.Meta.IgnoreChanges)
	require.Equal(t, "volume.data[0]", task.Meta.DependsOn[0].Traversal)
	require.Equal(t, addr.Int(0), task.Meta.DependsOn[0].Key)
	require.Equal(t, addr.Block{Type: "fleet", Name: "train"}, task.Meta.ReplaceTriggeredBy[0].To)
	require.True(t, decode(t, c, "volume.data", nil)[0].Meta.IgnoreAll)
}

func TestOrder(t *testing.T) {
	c := load(t, `
output "last" { value = local.all }
locals {
  all  = [task.t1.id, local.more]
  more = gateway.public.id
}
task "t1" {
  commands   = [volume.data[0].id]
  depends_on = [fleet.train]
}
fleet "train" { nodes = 1 }
volume "data" {
  count   = 2
  size    = "1GB"
  backend = backend.local.name
}
gateway "public" {}
backend "local" {}
`)
	levels, list := c.Order()
	require.Empty(t, list)
	var got [][]string
	for _, level := range levels {
		var names []string
		for _, b := range level {
			names = append(names, b.Addr.String())
		}
		got = append(got, names)
	}
	require.Empty(t, cmp.Diff([][]string{
		{"fleet.train", "gateway.public", "backend.local"}, {"volume.data"}, {"task.t1"}, {"output.last"},
	}, got))
	var refs []string
	for _, r := range c.References(c.Block(addr.Block{Type: "output", Name: "last"})) {
		refs = append(refs, r.Traversal)
	}
	require.Equal(t, []string{"task.t1.id", "gateway.public.id"}, refs, "references by way of locals count")
}

func TestJSONSaysTheSame(t *testing.T) {
	native, list := Load(context.Background(), LoadOptions{Dir: "testdata/twin/hcl"})
	require.Empty(t, rendered(list))
	twin, list := Load(context.Background(), LoadOptions{Dir: "testdata/twin/json"})
	require.Empty(t, rendered(list))
	require.Empty(t, rendered(native.Validate()))
	require.Empty(t, rendered(twin.Validate()))
	require.Equal(t, native.Dstack().AuthorizedKeys, twin.Dstack().AuthorizedKeys)
	require.NotEmpty(t, native.Blocks())
	for _, b := range native.Blocks() {
		other := twin.Block(b.Addr)
		require.NotNil(t, other, b.Addr.String())
		one, _, list := native.Repetition(b, nil)
		require.Empty(t, list)
		two, _, list := twin.Repetition(other, nil)
		require.Empty(t, list)
		require.Len(t, two, len(one))
		for i := range one {
			x, _ := native.Decode(one[i], nil)
			y, _ := twin.Decode(two[i], nil)
			require.Empty(t, cmp.Diff(x.Value, y.Value, ctyEqual), b.Addr.String())
			require.Equal(t, x.Meta.PreventDestroy, y.Meta.PreventDestroy)
			require.Len(t, y.Meta.DependsOn, len(x.Meta.DependsOn))
			v, _ := x.Job(1, 2, 3)
			w, _ := y.Job(1, 2, 3)
			require.Empty(t, cmp.Diff(v, w, ctyEqual), b.Addr.String())
		}
	}
}

func TestOutputs(t *testing.T) {
	c := load(t, `
variable "secret" {
  sensitive = true
  default   = "canary"
}
output "plain" {
  value       = volume.data.id
  description = "The id."
}
output "hidden" {
  value     = var.secret
  sensitive = true
}
volume "data" { size = "1GB" }`)
	scope := &values{"volume.data": cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("v1")})}
	o, list := c.EvaluateOutput(c.Block(addr.Block{Type: "output", Name: "plain"}), scope)
	require.Empty(t, rendered(list))
	require.Equal(t, Output{Name: "plain", Value: cty.StringVal("v1"), Description: "The id."}, o)
	o, list = c.EvaluateOutput(c.Block(addr.Block{Type: "output", Name: "hidden"}), scope)
	require.Empty(t, rendered(list))
	require.True(t, o.Sensitive)
	require.True(t, o.Value.HasMark(schema.SensitiveMark))
	require.Equal(t, map[string]cty.Value{"secret": cty.StringVal("canary")}, c.SecretInputs())
}

func TestPostconditions(t *testing.T) {
	c := load(t, `volume "data" {
  size = "1GB"
  lifecycle {
    postcondition {
      condition     = self.region == "eu"
      error_message = "Must be in Europe, not in ${self.region}."
    }
  }
}`)
	d := decode(t, c, "volume.data", nil)[0]
	in := func(region cty.Value) (Status, diag.List) {
		verdicts, list := d.Postconditions(cty.ObjectVal(map[string]cty.Value{"region": region}))
		require.Len(t, verdicts, 1)
		return verdicts[0].Status, list
	}
	status, list := in(cty.StringVal("eu"))
	require.Equal(t, Holds, status)
	require.Empty(t, list)
	status, list = in(cty.StringVal("us"))
	require.Equal(t, Fails, status)
	require.Equal(t, "Must be in Europe, not in us.", list[0].Detail)
	status, list = in(cty.UnknownVal(cty.String))
	require.Equal(t, Unknown, status)
	require.Empty(t, list)
}

func TestLocalsAreEvaluatedOnceInAWalk(t *testing.T) {
	c := load(t, `
volume "one" { size = "1GB" }
locals {
  id = "${volume.one.id}!"
}
`)
	scope := &walking{values: values{"volume.one": cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("a")})}}
	get := func() string {
		v, list := c.Evaluate("<console>", "local.id", scope)
		require.Empty(t, list)
		return v.AsString()
	}
	require.Equal(t, "a!", get())
	asked := scope.asked
	require.Equal(t, "a!", get())
	require.Equal(t, asked, scope.asked, "the value is kept")
	scope.walk++
	scope.values["volume.one"] = cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("b")})
	require.Equal(t, "b!", get(), "a new walk evaluates again")
}

// walking is a Scope that numbers its walks and counts what it is asked.
type walking struct {
	values
	walk, asked int
}

func (w *walking) Walk() int { return w.walk }

func (w *walking) Value(a addr.Block) (cty.Value, bool) {
	w.asked++
	return w.values.Value(a)
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func TestBlocksAreDecodedInParallel(t *testing.T) {
	c := load(t, `
locals {
  a = "x-${local.b}"
  b = "y"
  c = volume.one.id
}
volume "one" { size = "1GB" }
volume "many" {
  count  = 50
  size   = "1GB"
  region = "${local.a}-${local.c}"
}`)
	scope := &walking{values: values{"volume.one": cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("v")})}}
	instances, _, _ := c.Repetition(c.Block(addr.Block{Type: "volume", Name: "many"}), &scope.values)
	var wg sync.WaitGroup
	for _, inst := range instances {
		wg.Go(func() {
			d, list := c.Decode(inst, &scope.values)
			if list.HasErrors() || d.Value.GetAttr("region").AsString() != "x-y-v" {
				t.Errorf("%s: %#v %s", inst.Addr, d.Value, rendered(list))
			}
		})
	}
	wg.Wait()
}
