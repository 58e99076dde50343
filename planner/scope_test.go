package planner_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/render"
)

const scoped = `
variable "size" {
  default = "10GB"
}
variable "token" {
  default   = "hush"
  sensitive = true
}
profile "cheap" {
  max_price = 2
}
fleet "lab" {
  nodes = 1
  resources {
    gpu = "A100:40GB:1"
  }
}
fleet "none" {
  nodes = 0
}
volume "data" {
  region = "us-east-1"
  size   = var.size
}
volume "many" {
  for_each = toset(["aa", "bb"])
  region   = "us-east-1"
  size     = "1GB"
}
task "train" {
  fleet    = fleet.lab
  commands = ["exit 0"]
  env      = { TOKEN = var.token }
  resources {
    gpu = "A100:1"
  }
}
`

// unborn has a number that is known only after apply.
const unborn = `
volume "later" {
  count  = length(volume.data.id) > 0 ? 1 : 0
  region = "us-east-1"
  size   = "1GB"
}
`

// TestWhatBlocksAreWorthAsRecorded evaluates expressions before anything is recorded, and after.
func TestWhatBlocksAreWorthAsRecorded(t *testing.T) {
	l := newLife(t)
	p := l.planner(scoped + unborn)
	value := func(text string) string {
		t.Helper()
		v, list := p.Config.Evaluate("test", text, p.Scope(l.mustState()))
		require.NoErrorf(t, list.Err(), "%s", text)
		return render.Console(v)
	}
	const unknown = "(known after apply)"
	for text, want := range map[string]string{
		"volume.data.size":         unknown,
		"volume.data":              unknown,
		"keys(volume.many)":        "[\n  \"aa\",\n  \"bb\",\n]",
		`volume.many["aa"].id`:     unknown,
		"volume.later":             unknown,
		"fleet.lab.name":           `"lab"`,
		"fleet.lab.instance":       unknown,
		"task.train.job[0].status": unknown,
		"task.train.name":          `"train"`,
		"profile.cheap.max_price":  `"2"`,
	} {
		require.Equalf(t, want, value(text), "%s", text)
	}

	l.apply(scoped)
	p = l.planner(scoped) // a Scope is for one moment
	for text, want := range map[string]string{
		"volume.data.size":                      `"10GB"`,
		"volume.data.address":                   `"volume.data"`,
		`[for k, v in volume.many : k]`:         "[\n  \"aa\",\n  \"bb\",\n]",
		`volume.many["aa"].size`:                `"1GB"`,
		"length(fleet.lab.instance)":            "1",
		"fleet.none.instance":                   unknown,
		"task.train.job[0].env":                 "tomap({\n  \"TOKEN\" = (sensitive value)\n})",
		"length(volume.data.id) > 0":            "true",
		"fleet.lab.instance[0].region != null":  "true",
		"volume.data.id == volume.data.address": "false",
	} {
		require.Equalf(t, want, value(text), "%s", text)
	}
}

// called has modules of which a block is worth something.
const called = `-- main.dstack.hcl --
module "disk" {
  source   = "./disk"
  for_each = toset(["aa", "bb"])
  size     = "1GB"
}
-- disk/main.dstack.hcl --
variable "size" {
  type = string
}
volume "data" {
  count  = 2
  region = "us-east-1"
  size   = var.size
}
output "sizes" {
  value = volume.data[*].size
}
output "many" {
  value = length(volume.data)
}
`

func TestWhatModulesAreWorthAsRecorded(t *testing.T) {
	l := newLife(t)
	p := l.planner(called)
	value := func(text string) string {
		t.Helper()
		v, list := p.Config.Evaluate("test", text, p.Scope(l.mustState()))
		require.NoErrorf(t, list.Err(), "%s", text)
		return render.Console(v)
	}
	require.Equal(t, "2", value(`module.disk["aa"].many`))
	require.Equal(t, "(known after apply)", value(`module.disk["aa"].sizes[0]`))
	l.apply(called)
	p = l.planner(called)
	require.Equal(t, `"1GB"`, value(`module.disk["aa"].sizes[0]`))
	require.Equal(t, "[\n  \"aa\",\n  \"bb\",\n]", value(`keys(module.disk)`))
}
