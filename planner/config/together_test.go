package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
)

// saying is one line for each diagnostic: place, summary.
func saying(list diag.List) []string {
	var out []string
	for _, d := range list {
		where := "-"
		if d.Range != nil {
			where = fmt.Sprintf("%s:%d", d.Range.Filename, d.Range.Start.Line)
		}
		out = append(out, fmt.Sprintf("%s %s: %s", where, d.Severity, d.Summary))
	}
	return out
}

func TestNoErrorHidesAnother(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a-syntax.dstack.hcl": "fleet \"broken\" {\n  nodes = (1\n}\nvariable \"elsewhere\" { default = 1 }\n",
		"b-cycle.dstack.hcl":  "locals {\n  one  = local.two\n  two  = local.one\n  more = local.one\n  sum  = 1 + \"x\"\n}\n",
		"c-blocks.dstack.hcl": `volume "data" {
  size  = "1XB"
  count = local.one
  regon = "eu"
}
task "train" {
  commands = "x ${local.more} ${var.elsewhere} ${volume.elsewhere.id}"
  fleet    = fleet.broken
  nodes    = node.rank
}
variable "n" {
  type    = number
  default = "x"
}
variable "m" {
  default = 3
  validation {
    condition     = var.m > 3
    error_message = "Too small."
  }
  validation {
    condition     = each.value > 3
    error_message = "x"
  }
}
output "o" { value = upper(1, 2) }
`,
		"d.auto.dstackvars":   "k = 1\nm = 2\n",
		"e-json.dstack.json":  `{"volume": {"more": {"size": "x"}, "data": {"size": "1GB"}}}`,
		"f-dstack.dstack.hcl": "dstack {\n  required_version = \"> 9\"\n}\n",
	})
	c, list := Load(t.Context(), LoadOptions{Dir: dir, Version: "0.3.0"})
	require.Empty(t, cmp.Diff([]string{
		"a-syntax.dstack.hcl:2 error: Parenthesis is not closed",
		"b-cycle.dstack.hcl:2 error: References form a cycle",
		"b-cycle.dstack.hcl:5 error: Invalid operand",
		"c-blocks.dstack.hcl:2 error: Memory has an unknown unit",
		"c-blocks.dstack.hcl:4 error: Unknown argument",
		"c-blocks.dstack.hcl:7 error: A list is needed",
		"c-blocks.dstack.hcl:9 error: Not a value of a job",
		"c-blocks.dstack.hcl:13 error: Value has the wrong type",
		"c-blocks.dstack.hcl:18 error: Condition does not hold",
		"c-blocks.dstack.hcl:22 error: No for_each here",
		"c-blocks.dstack.hcl:26 error: Too many function arguments",
		"e-json.dstack.json:1 error: Memory is not a number",
		"e-json.dstack.json:1 error: Block stands twice",
		"f-dstack.dstack.hcl:2 error: Another version of dstack is needed",
	}, saying(list)))
	require.Empty(t, cmp.Diff(saying(list), saying(again(c, list))), "a second evaluation finds nothing new")
}

// again is what Load and Validate find together.
func again(c *Config, list diag.List) diag.List {
	all := once(append(append(diag.List{}, list...), c.Validate()...))
	all.Sort()
	return all
}

func TestWhatMayStandInABrokenFileIsNotMissed(t *testing.T) {
	_, list := Load(t.Context(), LoadOptions{
		Vars: []Assignment{{Name: "declared_there", Text: "1"}},
		Sources: []Source{
			{Path: "a.dstack.hcl", Text: []byte("backend \"aws\" {\n")},
			{Path: "b.dstack.hcl", Text: []byte("variable \"asked\" {}\nvolume \"data\" {\n  backend = \"aws\"\n  size = local.there\n  depends_on = [fleet.there]\n}\n")},
		},
		Prompt: func(string, string, bool) (string, error) { t.Fatal("nobody is asked"); return "", nil },
	})
	require.Len(t, list, 1, strings.Join(saying(list), "\n"))
	require.Equal(t, "a.dstack.hcl", list[0].Range.Filename)
}

func TestWarningsSurviveErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.auto.dstackvars": "nobody = 1\n",
		"main.dstack.hcl":   "volume \"data\" {\n  size = \"1XB\"\n}\nlocals {\n  x = local.x\n}\n",
	})
	_, list := Load(t.Context(), LoadOptions{Dir: dir})
	require.Empty(t, cmp.Diff([]string{
		"a.auto.dstackvars:1 warning: No such variable",
		"main.dstack.hcl:2 error: Memory has an unknown unit",
		"main.dstack.hcl:5 error: Reference to itself",
	}, saying(list)))
}
