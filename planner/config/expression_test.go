package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

const tried = `
variable "size" {
  default = "1GB"
}
variable "token" {
  default   = "hush"
  sensitive = true
}
backend "local" {}
locals {
  doubled = "${var.size}${var.size}"
  where   = volume.data.id
}
volume "data" {
  backend = "local"
  size    = var.size
  lifecycle {
    precondition {
      condition     = local.doubled != ""
      error_message = "Empty."
    }
  }
}
task "train" {
  commands   = ["echo ${local.where} ${volume.data.id}"]
  env        = { TOKEN = var.token }
  depends_on = [volume.data]
}
output "where" {
  value = local.where
}
`

type fixed map[addr.Block]cty.Value

func (f fixed) Value(b addr.Block) (cty.Value, bool) {
	v, ok := f[b]
	return v, ok
}

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	c, list := Load(t.Context(), LoadOptions{Sources: []Source{{Path: "main.dstack.hcl", Text: []byte(text)}}})
	require.NoError(t, list.Err())
	return c
}

func TestExpressionsOutsideOfFiles(t *testing.T) {
	c := loadText(t, tried)
	scope := fixed{{Type: "volume", Name: "data"}: cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("v-1")})}
	for text, want := range map[string]cty.Value{
		`1 + 2`:                       cty.NumberIntVal(3),
		`local.doubled`:               cty.StringVal("1GB1GB"),
		`upper(volume.data.id)`:       cty.StringVal("V-1"),
		`"${local.where}!"`:           cty.StringVal("v-1!"),
		`var.token`:                   cty.StringVal("hush").Mark(schema.SensitiveMark),
		"<<EOT\na\nEOT\n":             cty.StringVal("a\n"),
		`[for x in ["a"] : upper(x)]`: cty.TupleVal([]cty.Value{cty.StringVal("A")}),
	} {
		got, list := c.Evaluate("<console>", text, scope)
		require.NoErrorf(t, list.Err(), "%s", text)
		require.Truef(t, got.RawEquals(want), "%s is %#v", text, got)
	}
	got, list := c.Evaluate("<console>", `volume.data.id`, nil)
	require.NoError(t, list.Err())
	require.False(t, got.IsKnown(), "nothing is known of it yet")
}

func TestWrongExpressionsOutsideOfFiles(t *testing.T) {
	c := loadText(t, tried)
	for text, want := range map[string]string{
		``:                    "Missing expression",
		`1 +`:                 "Missing expression",
		`var.sise`:            "Did you mean var.size?",
		`each.key`:            "each.key has a value only in a block that has for_each",
		`node.rank`:           "only in a task",
		`count.index`:         "a block that has count",
		`self.id`:             "a postcondition",
		`uper("a")`:           "upper",
		`size`:                "Did you mean var.size?",
		`output.where`:        "blocks cannot refer to it",
		`jsondecode("{")`:     "Function failed",
		`1 + "a${var.token}"`: "nothing more of what is wrong is shown",
	} {
		v, list := c.Evaluate("<console>", text, nil)
		require.Truef(t, list.HasErrors(), "%s", text)
		require.Falsef(t, v.IsKnown(), "%s", text)
		require.Containsf(t, list[0].Summary+": "+list[0].Detail, want, "%s", text)
		require.NotContains(t, list.Err().Error(), "hush")
		require.Equal(t, "<console>", list[0].Range.Filename)
		require.NotNilf(t, list[0].Snippet, "%s", text)
	}
}

func TestTheTypeOfAValueCanBeAsked(t *testing.T) {
	c := loadText(t, tried)
	v, list := c.Evaluate("<console>", `type(["a"])`, nil)
	require.NoError(t, list.Err())
	require.False(t, v.IsMarked())
	_, list = c.Evaluate("<console>", `type(var.token)`, nil)
	require.NoError(t, list.Err(), "a type is no secret")
	require.NotContains(t, c.FunctionNames(), "type")
	require.Contains(t, c.FunctionNames(), "upper")
}

func TestMentions(t *testing.T) {
	type mention struct{ From, To, Argument, Traversal string }
	var got []mention
	for _, m := range loadText(t, tried).Mentions() {
		got = append(got, mention{m.From, m.To, m.Argument, m.Traversal})
		require.Equal(t, m.Argument == "depends_on", m.DependsOn)
		require.NotZero(t, m.Range.Start.Line)
	}
	want := []mention{
		{"local.doubled", "var.size", "", "var.size"},
		{"local.doubled", "var.size", "", "var.size"},
		{"local.where", "volume.data", "", "volume.data.id"},
		{"volume.data", "backend.local", "backend", `"local"`},
		{"volume.data", "var.size", "size", "var.size"},
		{"volume.data", "local.doubled", "lifecycle.precondition.condition", "local.doubled"},
		{"task.train", "volume.data", "depends_on", "volume.data"},
		{"task.train", "local.where", "commands", "local.where"},
		{"task.train", "volume.data", "commands", "volume.data.id"},
		{"task.train", "var.token", "env", "var.token"},
		{"output.where", "local.where", "value", "local.where"},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestSyntaxIsCheckedAlone(t *testing.T) {
	require.Empty(t, CheckSyntax(Source{Path: "a.dstackvars", Text: []byte("any = thing.at[all]\n")}))
	list := CheckSyntax(Source{Path: "main.dstack.hcl", Text: []byte("volume \"data\" {\n  size = 1GB\n}\n")})
	require.ErrorContains(t, list.Err(), "Quotes are missing")
	require.Equal(t, "  size = 1GB", list[0].Snippet.Code)
}

func TestRootsAndNames(t *testing.T) {
	c := loadText(t, tried)
	require.Empty(t, cmp.Diff([]string{"backend", "local", "path", "task", "var", "volume"}, c.Roots()))
	var names []string
	for _, n := range c.Names() {
		names = append(names, n.Address)
		require.NotZero(t, n.DefRange.Start.Line)
	}
	require.Empty(t, cmp.Diff([]string{"var.size", "var.token", "local.doubled", "local.where"}, names))
}
