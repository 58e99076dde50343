package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// check lints files by name. A file is read as the configuration's own unless it stands in a folder.
func check(t *testing.T, files map[string]string) []string {
	t.Helper()
	return checkIn(t, t.TempDir(), files)
}

func checkIn(t *testing.T, dir string, files map[string]string) []string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	c, list := config.Load(t.Context(), config.LoadOptions{Dir: dir, Open: true})
	require.NoError(t, list.Err())
	require.NoError(t, c.Validate().Err())
	out := []string{}
	for _, d := range Check(c) {
		require.Equal(t, diag.Warning, d.Severity)
		require.NotNil(t, d.Snippet)
		require.NotEmpty(t, d.Snippet.Code)
		out = append(out, fmt.Sprintf("%s %s %s", d.Range, d.Rule, d.Address))
	}
	return out
}

func TestRules(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"nothing": {"volume \"aa\" {\n  size = \"1GB\"\n}\n", nil},
		"a variable that nothing uses": {
			"variable \"a\" {}\nvariable \"b\" {}\noutput \"b\" {\n  value = var.b\n}\n",
			[]string{"main.dstack.hcl:1 unused-variable var.a"},
		},
		"its own validation is no use": {
			"variable \"a\" {\n  default = 1\n  validation {\n    condition     = var.a > 0\n    error_message = \"No.\"\n  }\n}\n",
			[]string{"main.dstack.hcl:1 unused-variable var.a"},
		},
		"what only something unused uses": {
			"variable \"a\" {}\nlocals {\n  b = var.a\n  c = local.b\n}\n",
			[]string{"main.dstack.hcl:1 unused-variable var.a", "main.dstack.hcl:3 unused-local local.b", "main.dstack.hcl:4 unused-local local.c"},
		},
		"what is used by way of others": {
			"variable \"a\" {}\nlocals {\n  b = var.a\n  c = local.b\n}\nvolume \"dd\" {\n  size = local.c\n}\n", nil,
		},
		"every place is a use": {
			`variable "number" {}
variable "each" {}
variable "after" {}
variable "assert" {}
variable "limit" {}
variable "state" {}
variable "setting" {}
variable "id" {}
locals {
  spend = plan.cost.after.hourly_max <= var.limit
}
dstack {
  state "local" {
    path = var.state
  }
}
backend "local" {
  regions = [var.setting]
}
volume "aa" {
  count = var.number
  size  = "1GB"
  lifecycle {
    precondition {
      condition     = var.after != ""
      error_message = "No."
    }
  }
}
volume "bb" {
  for_each = var.each
  size     = "1GB"
}
check "c" {
  assert {
    condition     = var.assert != ""
    error_message = "No."
  }
}
policy "d" {
  condition     = local.spend
  error_message = "No."
}
volume "ee" {
  size = "1GB"
}
import {
  to = volume.ee
  id = var.id
}
`, nil,
		},
		"depends_on beside a reference": {
			"volume \"aa\" {\n  size = \"1GB\"\n}\nvolume \"bb\" {\n  size       = volume.aa.size\n  depends_on = [volume.aa]\n}\n",
			[]string{"main.dstack.hcl:6 redundant-depends-on volume.bb"},
		},
		"depends_on beside a reference to one of several": {
			"volume \"aa\" {\n  count = 2\n  size  = \"1GB\"\n}\nvolume \"bb\" {\n  size       = volume.aa[0].size\n  depends_on = [volume.aa]\n}\n",
			[]string{"main.dstack.hcl:7 redundant-depends-on volume.bb"},
		},
		"depends_on by way of another": {
			"volume \"aa\" {\n  size = \"1GB\"\n}\nlocals {\n  x = volume.aa.size\n}\nvolume \"bb\" {\n  size = local.x\n}\nvolume \"cc\" {\n  size       = volume.bb.size\n  depends_on = [volume.aa]\n}\n",
			[]string{"main.dstack.hcl:12 redundant-depends-on volume.cc"},
		},
		"depends_on that is covered by its neighbour": {
			"volume \"aa\" {\n  size = \"1GB\"\n}\nvolume \"bb\" {\n  size = volume.aa.size\n}\nvolume \"cc\" {\n  size       = \"1GB\"\n  depends_on = [\n    volume.bb,\n    volume.aa,\n  ]\n}\n",
			[]string{"main.dstack.hcl:11 redundant-depends-on volume.cc"},
		},
		"depends_on twice": {
			"volume \"aa\" {\n  size = \"1GB\"\n}\nvolume \"cc\" {\n  size       = \"1GB\"\n  depends_on = [\n    volume.aa,\n    volume.aa,\n  ]\n}\n",
			[]string{"main.dstack.hcl:8 redundant-depends-on volume.cc"},
		},
		"depends_on that says something": {
			"volume \"aa\" {\n  size = \"1GB\"\n}\nvolume \"bb\" {\n  size       = \"1GB\"\n  depends_on = [volume.aa]\n}\n", nil,
		},
		"a profile that nobody chooses": {
			"profile \"a\" {\n  max_price = 1\n}\nprofile \"b\" {\n  default = true\n}\nprofile \"c\" {\n  max_price = 2\n}\nfleet \"ff\" {\n  nodes   = 1\n  profile = profile.c\n}\n",
			[]string{"main.dstack.hcl:1 unused-profile profile.a"},
		},
		"a suppression beside the place": {"variable \"a\" {} # lint-ignore unused-variable: the next release needs it\n", nil},
		"suppressions above":             {"# lint-ignore unused-variable: soon\n// and more of it\n\nvariable \"a\" {}\nlocals {\n  /* lint-ignore unused-local: soon */\n  b = 1\n}\n", nil},
		"a suppression of another line":  {"# lint-ignore unused-variable: soon\nvariable \"a\" {\n}\nvariable \"b\" {}\n", []string{"main.dstack.hcl:4 unused-variable var.b"}},
		"a suppression of another rule": {
			"# lint-ignore unused-local: soon\nvariable \"a\" {}\n",
			[]string{"main.dstack.hcl:1 unused-suppression ", "main.dstack.hcl:2 unused-variable var.a"},
		},
		"suppressions that are wrong": {
			"# lint-ignore unused-variable\nvariable \"a\" {}\n# lint-ignore unused-varible: soon\n# lint-ignore\n# lint-ignored is a word\noutput \"b\" {\n  value = \"# lint-ignore x\"\n}\n",
			[]string{"main.dstack.hcl:1 wrong-suppression ", "main.dstack.hcl:3 wrong-suppression ", "main.dstack.hcl:4 wrong-suppression "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == nil {
				tc.want = []string{}
			}
			require.Empty(t, cmp.Diff(tc.want, check(t, map[string]string{"main.dstack.hcl": tc.text})))
		})
	}
}

func TestModulesAreLooked(t *testing.T) {
	module := `variable "used" {}
variable "not" {}
volume "aa" {
  size = var.used
}
volume "bb" {
  size       = "1GB"
  depends_on = [volume.aa]
}
output "a" {
  value = volume.aa.size
}
`
	main := `module "one" {
  source = "./net"
  used   = "1GB"
  not    = "x"
}
module "two" {
  source = "./net"
  used   = "1GB"
  not    = "x"
}
module "far" {
  source = "git::https://example.com/net"
  used   = "1GB"
  not    = "x"
}
volume "all" {
  size       = module.one.a
  depends_on = [module.one]
}
volume "after" {
  size       = volume.all.size
  depends_on = [module.one]
}
`
	dir := t.TempDir()
	far, err := modsource.Parse("git::https://example.com/net")
	require.NoError(t, err)
	pin := lockfile.Pin{Commit: strings.Repeat("0a4d55a8", 5)}
	copied := filepath.Join(dir, filepath.FromSlash(pin.Copy(far)))
	require.NoError(t, os.MkdirAll(copied, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(copied, "main.dstack.hcl"), []byte(module), 0o600))
	pin.Digest, err = modsource.Digest(copied)
	require.NoError(t, err)
	require.NoError(t, (&lockfile.Lock{Modules: map[string]lockfile.Pin{far.Key(): pin}}).Write(dir))
	require.Empty(t, cmp.Diff([]string{"main.dstack.hcl:22 redundant-depends-on volume.after", "net/main.dstack.hcl:2 unused-variable module.one.var.not"},
		checkIn(t, dir, map[string]string{"main.dstack.hcl": main, "net/main.dstack.hcl": module})))
}

func TestManyAreLookedForInParts(t *testing.T) {
	const n = most + 100
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "volume \"v%d\" {\n  size = \"1GB\"\n}\ntask \"t%d\" {\n  commands   = [volume.v%d.size]\n", i, i, i)
		switch {
		case i == 0:
		case i%20 != 19: // one needs nothing of the other but that it is there
			fmt.Fprintf(&b, "  depends_on = [task.t%d]\n", i-1)
		default: // which the one before says already, a long way round
			fmt.Fprintf(&b, "  depends_on = [task.t%d, volume.v0]\n", i-1)
		}
		b.WriteString("}\n")
	}
	c, list := config.Load(t.Context(), config.LoadOptions{Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(b.String())}}})
	require.NoError(t, list.Err())
	found := Check(c)
	require.Len(t, found, n/20)
	for _, d := range found {
		require.Equal(t, "redundant-depends-on", d.Rule)
		require.Contains(t, d.Detail, "volume.v0")
		require.LessOrEqual(t, strings.Count(d.Detail, "\n"), longest+2)
	}
	require.Contains(t, found[n/20-1].Detail, "\n  ... -> volume.v0\n")
}

func TestJSONHasNoSuppressions(t *testing.T) {
	require.Equal(t, []string{"main.dstack.json:1 unused-variable var.a"}, check(t, map[string]string{"main.dstack.json": `{"variable": {"a": {"default": "# lint-ignore unused-variable: no"}}}`}))
}

func TestRulesAreInOrderAndOnThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/lint.md")
	require.NoError(t, err)
	rules := Rules()
	require.True(t, slices.IsSortedFunc(rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) }))
	for _, r := range rules {
		require.Contains(t, string(page), "| `"+r.ID+"` | "+r.Doc+" |\n")
	}
	require.Equal(t, len(rules), strings.Count(string(page), "\n| `"))
}

func TestSARIF(t *testing.T) {
	at := &diag.Range{Filename: "a folder/main.dstack.hcl", Start: diag.Pos{Line: 2, Column: 3, Byte: 9}, End: diag.Pos{Line: 2, Column: 8, Byte: 14}}
	list := diag.List{
		{Severity: diag.Warning, Summary: "Variable is not used", Detail: "Nothing depends on var.a <&>.", Rule: "unused-variable", Range: at},
		{Severity: diag.Error, Summary: "No configuration here", Detail: "None."},
		{Severity: diag.Error, Summary: "Block is wrong", Detail: "So.", Range: &diag.Range{Filename: "/home/me/config.dstack.hcl", Start: diag.Pos{Line: 1, Column: 1}, End: diag.Pos{Line: 1, Column: 1}}},
	}
	out, err := SARIF(list, "1.2.3")
	require.NoError(t, err)
	golden.Assert(t, "testdata/findings.sarif", string(out))
	out, err = SARIF(nil, "1.2.3")
	require.NoError(t, err)
	require.Contains(t, string(out), `"results": []`)
}

func TestExamplesHaveNoFindings(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/*/*.dstack.hcl")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, file := range dirs {
		c, list := config.Load(t.Context(), config.LoadOptions{Dir: filepath.Dir(file), Open: true})
		require.NoError(t, list.Err())
		require.Empty(t, Check(c), file)
	}
}
