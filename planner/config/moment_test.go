package config

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/bcrypt"

	"github.com/dstackai/dstack-planner/addr"
)

// loadAt reads one file that must be right, with a Moment.
func loadAt(t *testing.T, path, text string, m *Moment) *Config {
	t.Helper()
	c, list := Load(t.Context(), LoadOptions{
		Dir: "testdata/files", Sources: []Source{{Path: path, Text: []byte(text)}}, Moment: m,
		Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 999, time.FixedZone("", 3600)) },
	})
	require.Empty(t, rendered(list))
	return c
}

const momentText = `
locals {
  id    = uuid()
  other = uuid()
  text  = "$${uuid()}"
}
task "one" {
  commands = ["true"]
  env = { A = uuid(), B = local.id, C = local.id, T = timestamp(), P = plantimestamp(), L = join(",", [for i in range(2) : uuid()]) }
}
task "each" {
  commands = ["true"]
  for_each = toset(["a", "b"])
  env      = { A = uuid(), F = templatefile("id.tpl", {}), G = templatefile("id.tpl", {}), S = templatestring(local.text, {}) }
}
task "count" {
  commands = ["true"]
  count = 2
  env   = { A = uuid(), B = local.id }
}
task "nodes" {
  commands = ["true"]
  nodes    = 2
  env      = { A = "${node.rank} ${uuid()}", S = uuid() }
}
fleet "hosts" {
  ssh {
    user          = "u"
    identity_file = "k"
    dynamic "host" {
      for_each = ["a", "b"]
      content {
        hostname = "${host.value}-${uuid()}"
      }
    }
  }
}
`

var uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// env gives the environment of all instances of a block.
func env(t *testing.T, c *Config, address string) map[string]string {
	t.Helper()
	out := map[string]string{}
	a, err := addr.ParseInstance(address)
	require.NoError(t, err)
	instances, _, list := c.Repetition(c.Block(a.Block), nil)
	require.Empty(t, rendered(list))
	for _, inst := range instances {
		d, list := c.Decode(inst, nil)
		require.Empty(t, rendered(list))
		for k, v := range d.Value.GetAttr("env").AsValueMap() {
			out[inst.Addr.Key.Text()+k] = v.AsString()
		}
	}
	return out
}

func TestCallsOfUUIDDifferByPlaceAndInstance(t *testing.T) {
	c := loadAt(t, "main.dstack.hcl", momentText, nil)
	one := env(t, c, "task.one")
	require.Equal(t, one["B"], one["C"], "a local has one value")
	require.Equal(t, "2026-11-23T11:00:00Z", one["T"])
	require.Equal(t, one["T"], one["P"])

	seen := map[string]string{}
	note := func(where, text string, n int) {
		found := uuidForm.FindAllString(text, -1)
		require.Len(t, found, n, where)
		for _, id := range found {
			require.Empty(t, seen[id], "%s has the answer of %s", where, seen[id])
			seen[id] = where
		}
	}
	note("task.one A", one["A"], 1)
	note("task.one B", one["B"], 1)
	note("task.one L", one["L"], 2)
	for k, v := range env(t, c, "task.each") {
		note("task.each "+k, v, 1)
	}
	counted := env(t, c, "task.count")
	note("task.count 0", counted["0A"], 1)
	note("task.count 1", counted["1A"], 1)
	require.Equal(t, one["B"], counted["0B"])
	require.Equal(t, one["B"], counted["1B"])

	hosts := decode(t, c, "fleet.hosts", nil)[0].Value.GetAttr("ssh").GetAttr("host").AsValueSlice()
	note("first host", hosts[0].GetAttr("hostname").AsString(), 1)
	note("second host", hosts[1].GetAttr("hostname").AsString(), 1)

	d := decode(t, c, "task.nodes", nil)[0]
	job := func(rank int) map[string]cty.Value {
		v, list := d.Job(rank, 2, 0)
		require.Empty(t, rendered(list))
		return v.GetAttr("env").AsValueMap()
	}
	note("first job", job(0)["A"].AsString(), 1)
	note("second job", job(1)["A"].AsString(), 1)
}

func TestAMomentGivesTheSameAnswersAgain(t *testing.T) {
	answers := func(c *Config) []map[string]string {
		return []map[string]string{env(t, c, "task.one"), env(t, c, "task.each"), env(t, c, "task.count")}
	}
	first := loadAt(t, "main.dstack.hcl", momentText, nil)
	want := answers(first)
	require.Equal(t, want, answers(first), "in a second walk")

	m, asked := first.Moment()
	require.True(t, asked)
	again := loadAt(t, "main.dstack.hcl", momentText, &m)
	env(t, again, "task.count") // in another order
	require.Equal(t, want, answers(again))

	other := loadAt(t, "main.dstack.hcl", momentText, nil)
	require.NotEqual(t, want, answers(other))
}

// What is unknown in one walk and known in the next must not move the answers of what stands after it.
func TestAnswersDoNotDependOnWhatElseIsKnown(t *testing.T) {
	c := loadAt(t, "main.dstack.hcl", `
volume "v" {
  size = "1GB"
}
task "first" {
  commands = ["true"]
  env = {
    A = join(" ", [for x in volume.v.id : uuid()])
    B = templatefile("id.tpl", { x = volume.v.id })
    C = uuid()
    D = templatefile("id.tpl", {})
    E = join(" ", concat([for x in volume.v.id : uuid()], [uuid()]))
  }
}
`, nil)
	at := func(id cty.Value) map[string]cty.Value {
		scope := values{"volume.v": cty.ObjectVal(map[string]cty.Value{"id": id})}
		return decode(t, c, "task.first", &scope)[0].Value.GetAttr("env").AsValueMap()
	}
	before := at(cty.DynamicVal)
	after := at(cty.TupleVal([]cty.Value{cty.True, cty.False}))
	require.False(t, before["A"].IsKnown())
	require.False(t, before["B"].IsKnown() && before["E"].IsKnown())
	require.Equal(t, before["C"], after["C"])
	require.Equal(t, before["D"], after["D"])
	require.NotEqual(t, after["B"], after["D"])
	require.Len(t, uuidForm.FindAllString(after["E"].AsString(), -1), 3)
}

func TestCallsInJSONDifferByPlace(t *testing.T) {
	const text = `{
  "locals": {"id": "${uuid()}", "text": "$${uuid()}"},
  "task": {
    "first": {"commands": ["true"], "env": {"A": "${uuid()}", "B": "${uuid()}", "C": "${local.id}", "F": "${templatefile(\"id.tpl\", {})}", "S": "${templatestring(local.text, {})}", "U": "${core::upper(\"a\")}"}},
    "second": {"commands": ["true"], "env": {"A": "${uuid()}"}}
  }
}`
	c := loadAt(t, "main.dstack.json", text, nil)
	a, b := env(t, c, "task.first"), env(t, c, "task.second")
	all := map[string]bool{a["A"]: true, a["B"]: true, a["C"]: true, a["F"]: true, a["S"]: true, b["A"]: true}
	require.Len(t, all, 6)
	for id := range all {
		require.Regexp(t, uuidForm, id)
	}
	require.Equal(t, "A", a["U"])

	m, _ := c.Moment()
	require.Equal(t, a, env(t, loadAt(t, "main.dstack.json", text, &m), "task.first"))
}

func TestWhatNeverAsksHasNoMoment(t *testing.T) {
	c := loadAt(t, "main.dstack.hcl", "task \"uuid\" {\n  commands = [\"true\"]\n  env = { A = \"timestamp\" }\n}\n", nil)
	env(t, c, "task.uuid")
	_, asked := c.Moment()
	require.False(t, asked)
}

func TestTheConsoleAsksEachTime(t *testing.T) {
	c := load(t, "locals {\n}\n")
	first, list := c.Evaluate("<console>", "uuid()", nil)
	require.NoError(t, list.Err())
	second, list := c.Evaluate("<console>", "uuid()", nil)
	require.NoError(t, list.Err())
	require.NotEqual(t, first, second)
}

func TestBcryptIsWhatOthersCheck(t *testing.T) {
	for password, cost := range map[string]int{"secret": 4, "": 5, "größe": 4, string(make([]byte, 72)): 4} {
		hash, err := bcryptHash(password, [16]byte{1, 2, 3, 15: 255}, cost)
		require.NoError(t, err)
		require.NoError(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)), hash)
		got, err := bcrypt.Cost([]byte(hash))
		require.NoError(t, err)
		require.Equal(t, cost, got)
		require.Error(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte("x" + password)[:min(len(password)+1, 72)]), "another password")
	}
	_, err := bcryptHash(string(make([]byte, 73)), [16]byte{}, 4)
	require.ErrorContains(t, err, "72 bytes")
}

func TestCallsInModulesDifferByInstance(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	write("main.dstack.hcl", `
module "team" {
  source   = "./team"
  for_each = toset(["red", "blue"])
}
output "ids" {
  value = [module.team["red"].id, module.team["red"].again, module.team["blue"].id]
}
`)
	write("team/main.dstack.hcl", `
locals {
  id = uuid()
}
output "id" {
  value = local.id
}
output "again" {
  value = local.id
}
`)
	ids := func(m *Moment) []cty.Value {
		c, list := Load(t.Context(), LoadOptions{Dir: dir, Moment: m})
		require.Empty(t, rendered(list))
		v, list := c.Evaluate("<test>", `[module.team["red"].id, module.team["red"].again, module.team["blue"].id]`, nil)
		require.Empty(t, rendered(list))
		return v.AsValueSlice()
	}
	m := NewMoment(time.Now())
	got := ids(m)
	require.True(t, got[0].IsKnown(), "%#v", got)
	require.Equal(t, got[0], got[1])
	require.NotEqual(t, got[0], got[2])
	require.Equal(t, got, ids(m))
}
