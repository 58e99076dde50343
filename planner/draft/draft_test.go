package draft

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/layout"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// at is an address.
func at(t *testing.T, text string) addr.Resource {
	t.Helper()
	r, err := addr.ParseResource(text)
	require.NoError(t, err)
	return r
}

func price(dollars float64) *float64 { return &dollars }

func size(t *testing.T, text string) value.Memory {
	t.Helper()
	m, err := value.ParseMemory(text)
	require.NoError(t, err)
	return m
}

// disk is a volume as a provider finds it.
func disk(t *testing.T, to, name, region, text string) Thing {
	t.Helper()
	v := schema.Volume{ID: "vol-" + name, Name: name, Backend: "aws", Region: region, Location: "x", Price: price(1), Status: "active"}
	if text != "" {
		v.Size = size(t, text)
	}
	return Thing{To: at(t, to), Value: schema.Encode(v)}
}

// machine is an instance of which nobody knows what was asked for.
func machine(t *testing.T, to, kind, region string, spot bool) Thing {
	t.Helper()
	r := at(t, to)
	return Thing{To: r, Value: schema.Encode(schema.Instance{ID: "i", Name: "lab-" + r.Key().Text(), Backend: "aws", Region: region, Zone: region + "a", InstanceType: kind, Spot: spot, CPUs: 8, Hostname: "h", Status: "idle"})}
}

func with(t Thing, change func(*Thing)) Thing {
	change(&t)
	return t
}

func attr(name string, v cty.Value) func(*Thing) {
	return func(t *Thing) {
		m := t.Value.AsValueMap()
		m[name] = v
		t.Value = cty.ObjectVal(m)
	}
}

func TestBlocksSayWhatIsThere(t *testing.T) {
	only := func(t *Thing) { t.Backend, t.Region = "aws", "eu" }
	for name, tc := range map[string]struct {
		things []Thing
		want   string
	}{
		"a volume": {[]Thing{disk(t, "volume.data", "data", "eu", "1TB")}, `
volume "data" {
  backend = "aws"
  region  = "eu"
  size    = "1TB"
}
`},
		"what is so anyway is left out": {[]Thing{with(disk(t, "volume.data", "data", "eu", "1TB"), only)}, `
volume "data" {
  size = "1TB"
}
`},
		"another backend than the only one there would be": {[]Thing{with(disk(t, "volume.data", "data", "us", "1TB"), only)}, `
volume "data" {
  region = "us"
  size   = "1TB"
}
`},
		"its name is not that of the label": {[]Thing{with(disk(t, "volume.data", "old", "eu", "1TB"), only)}, `
volume "data" {
  name = "old"
  size = "1TB"
}
`},
		"a disk of somebody else has no size to say": {[]Thing{with(with(disk(t, "volume.data", "data", "eu", "1TB"), only), attr("volume_id", cty.StringVal("/${x}/\"y\"")))}, `
volume "data" {
  volume_id = "/$${x}/\"y\""
}
`},
		"repetitions that are alike": {[]Thing{with(disk(t, "volume.data[1]", "data-1", "eu", "1TB"), only), with(disk(t, "volume.data[0]", "data-0", "eu", "1TB"), only)}, `
volume "data" {
  count = 2
  size  = "1TB"
}
`},
		"repetitions that differ": {[]Thing{with(disk(t, "volume.data[0]", "data-0", "eu", "1TB"), only), with(disk(t, "volume.data[1]", "data-1", "eu", "2TB"), only)}, `
volume "data" {
  count = 2
  size  = ["1TB", "2TB"][count.index]
}
`},
		"keys that are alike": {[]Thing{with(disk(t, `volume.data["b"]`, "data-b", "eu", "1TB"), only), with(disk(t, `volume.data["a"]`, "data-a", "eu", "1TB"), only)}, `
volume "data" {
  for_each = toset(["a", "b"])
  size     = "1TB"
}
`},
		"keys that differ in one thing": {[]Thing{with(disk(t, `volume.data["a"]`, "data-a", "eu", "1TB"), only), with(disk(t, `volume.data["9 c"]`, "Data of Ana", "eu", "2TB"), only)}, `
volume "data" {
  for_each = {
    "9 c" = "2TB"
    a     = "1TB"
  }
  size = each.value
}
`},
		"keys that differ in several things": {[]Thing{disk(t, `volume.data["a"]`, "data-a", "eu", "1TB"), disk(t, `volume.data["b"]`, "old", "us", "1TB")}, `
volume "data" {
  for_each = {
    a = {
      name   = null
      region = "eu"
    }
    b = {
      name   = "old"
      region = "us"
    }
  }
  name    = each.value.name
  backend = "aws"
  region  = each.value.region
  size    = "1TB"
}
`},
		"a gateway": {[]Thing{{To: at(t, "gateway.public"), Value: schema.Encode(schema.Gateway{Name: "public", Backend: "aws", Region: "eu", Domain: "*.x.example", PublicIP: true, Certificate: &schema.Certificate{Type: "acm", ARN: "arn:1"},
			Hostname: "h", Port: 80, Status: "running"})}}, `
gateway "public" {
  backend = "aws"
  region  = "eu"
  domain  = "*.x.example"
  certificate {
    type = "acm"
    arn  = "arn:1"
  }
}
`},
		"a gateway that nobody reaches": {[]Thing{{To: at(t, "gateway.public"), Value: schema.Encode(schema.Gateway{Name: "public", Backend: "aws", Region: "eu", Default: true})}}, `
gateway "public" {
  default   = true
  backend   = "aws"
  region    = "eu"
  public_ip = false
}
`},
		"machines of which nobody knows what was asked for": {[]Thing{machine(t, "fleet.lab.instance[0]", "p4d", "eu", false), machine(t, "fleet.lab.instance[4]", "p4d", "eu", false)}, `
fleet "lab" {
  nodes          = 2
  backends       = ["aws"]
  regions        = ["eu"]
  instance_types = ["p4d"]
}
`},
		"machines of several sorts": {[]Thing{with(machine(t, "fleet.lab.instance[0]", "p4d", "us", false), only), with(machine(t, "fleet.lab.instance[1]", "g5", "eu", true), only)}, `
fleet "lab" {
  nodes          = 2
  regions        = ["eu", "us"]
  instance_types = ["g5", "p4d"]
  spot_policy    = "auto"
}
`},
		"a machine that was asked for": {[]Thing{with(with(machine(t, "fleet.lab.instance[0]", "p4d", "us", false), attr("max_price", cty.StringVal("40.5"))), attr("blocks", cty.StringVal("4")))}, `
fleet "lab" {
  nodes     = 1
  blocks    = 4
  max_price = 40.5
}
`},
		"what is the default anyway": {[]Thing{with(with(machine(t, "fleet.lab.instance[0]", "p4d", "us", false), attr("spot_policy", cty.StringVal("on-demand"))), attr("idle_duration", cty.StringVal("72h")))}, `
fleet "lab" {
  nodes = 1
}
`},
		"the fleet has another name": {[]Thing{with(with(machine(t, `fleet.lab["eu"].instance[0]`, "p4d", "us", false), attr("spot_policy", cty.StringVal("auto"))), attr("name", cty.StringVal("gpus-0")))}, `
fleet "lab" {
  for_each    = toset(["eu"])
  name        = "gpus"
  nodes       = 1
  spot_policy = "auto"
}
`},
	} {
		t.Run(name, func(t *testing.T) {
			text, blocks, diags := Write("x.dstack.hcl", tc.things, Options{})
			require.Empty(t, diags)
			require.Len(t, blocks, 1)
			require.Empty(t, cmp.Diff(strings.TrimPrefix(tc.want, "\n"), string(text)))
			again, diags := layout.Format("x.dstack.hcl", append([]byte(Header), text...))
			require.Empty(t, diags)
			require.Equal(t, Header+string(text), string(again), "it is laid out")
		})
	}
}

func TestProfilesMayMeanSomethingElseByNothing(t *testing.T) {
	thing := with(machine(t, "fleet.lab.instance[0]", "p4d", "us", false), attr("spot_policy", cty.StringVal("on-demand")))
	text, _, diags := Write("x.dstack.hcl", []Thing{thing}, Options{Profiles: true})
	require.Empty(t, diags)
	require.Contains(t, string(text), `spot_policy = "on-demand"`)
}

func TestSecretsBecomeVariables(t *testing.T) {
	b := addr.Block{Type: "service", Name: "llama"}
	v := schema.Encode(schema.Service{Run: schema.Run{Image: "x", RegistryAuth: &schema.RegistryAuth{Username: "ana"}}, Tokens: []string{"s3cret"}})
	w := newWriter(Options{})
	w.write(b, []repetition{{addr: b.Instance(addr.NoKey)}}, []cty.Value{v})
	w.write(b, []repetition{{addr: b.Instance(addr.String("eu"))}}, []cty.Value{v})
	text, diags := layout.Format("x.dstack.hcl", w.text())
	require.Empty(t, diags)
	require.NotContains(t, string(text), "s3cret")
	for _, want := range []string{
		"variable \"llama_tokens\" {\n  type        = list(string)\n  description = \"The bearer tokens that it takes; unless set, the first apply makes one and shows it. Only their digests are kept.\"\n  sensitive   = true\n}\n",
		"tokens     = var.llama_tokens\n", "    username = \"ana\"\n    password = var.llama_registry_auth_password\n",
		"variable \"llama_tokens_2\" {\n  type        = map(list(string))\n", "tokens     = var.llama_tokens_2[each.key]\n",
	} {
		require.Contains(t, string(text), want)
	}
}

func TestWhatNoBlockCanSay(t *testing.T) {
	d := func(to string) Thing { return disk(t, to, "data", "eu", "1TB") }
	for name, tc := range map[string]struct {
		things  []Thing
		summary string
		detail  string
	}{
		"a volume of a module":     {[]Thing{d("module.m.volume.data")}, "Block of a module", "Write its block there"},
		"an instance of a run":     {[]Thing{{To: at(t, "task.train.instance[0]")}}, "Run has to be written", "to = fleet.train.instance[0]"},
		"a host":                   {[]Thing{{To: at(t, `fleet.lab.instance["10.0.0.1"]`)}}, "Host has to be written", "Write the block fleet.lab yourself"},
		"with a key and without":   {[]Thing{d("volume.data"), d("volume.data[0]")}, "Block has keys of several sorts", "say all of them in the same way"},
		"numbers and texts":        {[]Thing{d("volume.data[0]"), d(`volume.data["a"]`)}, "Block has keys of several sorts", "say all of them in the same way"},
		"a number is missing":      {[]Thing{d("volume.data[0]"), d("volume.data[2]")}, "Count has a gap", "none to volume.data[1]"},
		"and one that is right":    {[]Thing{d("volume.data[1]"), d("volume.other")}, "Count has a gap", "none to volume.data[0]"},
		"machines that contradict": {[]Thing{with(machine(t, "fleet.lab.instance[0]", "p4d", "us", false), attr("max_price", cty.StringVal("40"))), with(machine(t, "fleet.lab.instance[1]", "p4d", "us", false), attr("max_price", cty.StringVal("50")))}, "Block cannot say everything", "fleet.lab.instance[0] and fleet.lab.instance[1] differ in max_price"},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, diags := Write("x.dstack.hcl", tc.things, Options{})
			require.Len(t, diags, 1)
			require.Equal(t, tc.summary, diags[0].Summary)
			require.Contains(t, diags[0].Detail, tc.detail)
			require.Equal(t, diags.HasErrors(), text == nil)
		})
	}
}
