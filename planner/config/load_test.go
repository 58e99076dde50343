package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
)

func TestVariablesByPrecedence(t *testing.T) {
	declared := "variable \"x\" {\n  type    = string\n  default = \"default\"\n}\n"
	for name, tt := range map[string]struct {
		files    map[string]string
		env      map[string]string
		vars     []Assignment
		want     string
		wantFrom string
	}{
		"the default, when nothing else is said": {want: "default", wantFrom: "default"},
		"the environment over the default": {
			env: map[string]string{"DSTACK_VAR_x": "env"}, want: "env", wantFrom: "DSTACK_VAR_x",
		},
		"dstack.dstackvars over the environment": {
			files: map[string]string{"dstack.dstackvars": `x = "file"`},
			env:   map[string]string{"DSTACK_VAR_x": "env"}, want: "file", wantFrom: "dstack.dstackvars:1",
		},
		"automatic files over dstack.dstackvars, later names over earlier": {
			files: map[string]string{"dstack.dstackvars": `x = "file"`, "b.auto.dstackvars": `x = "b"`, "a.auto.dstackvars": `x = "a"`},
			want:  "b", wantFrom: "b.auto.dstackvars:1",
		},
		"--var over files": {
			files: map[string]string{"a.auto.dstackvars": `x = "a"`},
			vars:  []Assignment{{Name: "x", Text: "var"}}, want: "var", wantFrom: "--var",
		},
		"a file after --var over it": {
			files: map[string]string{"given.dstackvars": `x = "given"`},
			vars:  []Assignment{{Name: "x", Text: "var"}, {File: "given.dstackvars"}}, want: "given", wantFrom: "given.dstackvars:1",
		},
		"--var after a file over it": {
			files: map[string]string{"given.dstackvars": `x = "given"`},
			vars:  []Assignment{{File: "given.dstackvars"}, {Name: "x", Text: "var"}}, want: "var", wantFrom: "--var",
		},
		"a file in JSON": {
			files: map[string]string{"dstack.dstackvars.json": `{"x": "json"}`}, want: "json", wantFrom: "dstack.dstackvars.json:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tt.files)
			write(t, dir, map[string]string{"main.dstack.hcl": declared})
			c, list := Load(context.Background(), LoadOptions{Dir: dir, Environ: environ(tt.env), Vars: tt.vars})
			require.Empty(t, rendered(list))
			require.Equal(t, tt.want, c.Variables()[0].Value.AsString())
			require.Equal(t, tt.wantFrom, c.Variables()[0].From)
		})
	}
}

func TestValuesOfVariables(t *testing.T) {
	text := func(s string) []Assignment { return []Assignment{{Name: "x", Text: s}} }
	for name, tt := range map[string]struct {
		body    string
		vars    []Assignment
		want    cty.Value
		wantErr string
	}{
		"a text without type stays a text":   {"", text("[1]"), cty.StringVal("[1]"), ""},
		"a number from a text":               {"type = number", text("3"), cty.NumberIntVal(3), ""},
		"a list is an expression":            {"type = list(string)", text(`["a"]`), cty.ListVal([]cty.Value{cty.StringVal("a")}), ""},
		"optional attributes get defaults":   {"type = object({ a = optional(number, 1) })", text(`{}`), cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(1)}), ""},
		"no number":                          {"type = number", text("three"), cty.NilVal, "Value has the wrong type"},
		"no expression":                      {"type = list(string)", text(`[a`), cty.NilVal, "Value cannot be read"},
		"names in an expression":             {"type = list(string)", text(`[a]`), cty.NilVal, "Value cannot be read"},
		"null where null is no value":        {"type = list(string)\nnullable = false", text("null"), cty.NilVal, "Variable is null"},
		"null takes the default":             {"type = list(string)\nnullable = false\ndefault = []", text("null"), cty.ListValEmpty(cty.String), ""},
		"no value":                           {"", nil, cty.NilVal, "Variable has no value"},
		"a variable that is not declared":    {"default = 1", []Assignment{{Name: "y", Text: "1"}}, cty.NilVal, "No such variable"},
		"a file that is not there":           {"default = 1", []Assignment{{File: "no.dstackvars"}}, cty.NilVal, "File of variables cannot be read"},
		"a default that refers to something": {"default = var.y", nil, cty.NilVal, "A constant is needed"},
		"a type that is none":                {"type = strin", text("x"), cty.NilVal, "Type cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			c, list := Load(context.Background(), LoadOptions{
				Sources: []Source{{Path: "main.dstack.hcl", Text: []byte("variable \"x\" {\n" + tt.body + "\n}")}}, Vars: tt.vars,
			})
			if tt.wantErr != "" {
				require.True(t, list.HasErrors())
				require.Equal(t, tt.wantErr, list[0].Summary)
				return
			}
			require.Empty(t, rendered(list))
			require.Empty(t, cmp.Diff(tt.want, c.Variables()[0].Value, ctyEqual))
		})
	}
}

func TestMissingVariablesAreAskedFor(t *testing.T) {
	source := []Source{{Path: "main.dstack.hcl", Text: []byte("variable \"token\" {\n  sensitive   = true\n  description = \"A token.\"\n}")}}
	var asked []any
	c, list := Load(context.Background(), LoadOptions{Sources: source, Prompt: func(name, description string, sensitive bool) (string, error) {
		asked = append(asked, name, description, sensitive)
		return "s3cret", nil
	}})
	require.Empty(t, rendered(list))
	require.Equal(t, []any{"token", "A token.", true}, asked)
	require.Equal(t, map[string]cty.Value{"token": cty.StringVal("s3cret")}, c.SecretInputs())

	_, list = Load(context.Background(), LoadOptions{Sources: source, Prompt: func(string, string, bool) (string, error) {
		return "", errors.New("interrupted")
	}})
	require.Contains(t, list[0].Detail, "interrupted")
}

func TestSecretsInVariableFilesAreNotShown(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"main.dstack.hcl":   "variable \"token\" {\n  type      = number\n  sensitive = true\n}",
		"dstack.dstackvars": "token = \"canary-1\"\nother = \"canary-2\"\n",
	})
	_, list := Load(context.Background(), LoadOptions{Dir: dir})
	require.True(t, list.HasErrors())
	require.Len(t, list, 2, "the error, and a warning about a variable that is not declared")
	require.NotContains(t, rendered(list), "canary")
}

func TestHome(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	write(t, home, map[string]string{"config.dstack.hcl": "backend \"local\" {}\nbackend \"aws\" {\n  regions = [\"us-east-1\"]\n}\n"})
	write(t, dir, map[string]string{"main.dstack.hcl": "backend \"aws\" {\n  regions = [\"eu-west-1\"]\n}\n"})
	c, list := Load(context.Background(), LoadOptions{Dir: dir, Home: home})
	require.Empty(t, rendered(list))
	aws := c.Block(addr.Block{Type: "backend", Name: "aws"})
	require.False(t, aws.Personal, "the configuration's own wins")
	require.Equal(t, "main.dstack.hcl", aws.DefRange.Filename)
	require.True(t, c.Block(addr.Block{Type: "backend", Name: "local"}).Personal)
	require.Len(t, c.Sources(), 2)

	again, list := Load(context.Background(), LoadOptions{Dir: dir, Sources: c.Sources()})
	require.Empty(t, rendered(list))
	require.Equal(t, c.Sources(), again.Sources(), "the sources of a plan load again")

	write(t, home, map[string]string{"config.dstack.hcl": "volume \"data\" {\n  size = \"1GB\"\n}\n"})
	_, list = Load(context.Background(), LoadOptions{Dir: dir, Home: home})
	require.Equal(t, "Block has no place here", list[0].Summary)
}

func TestSettings(t *testing.T) {
	c := load(t, `
variable "dir" { default = "states" }
dstack {
  required_version = "~> 0.1"
  default_image    = "ubuntu"
  state "local" {
    path = "${var.dir}/prod"
  }
  access {
    authorized_keys = [trimspace(file("hello.txt"))]
  }
}`)
	got := c.Dstack()
	require.NotNil(t, got.StoreRange)
	got.StoreRange = nil
	require.Equal(t, Settings{RequiredVersion: "~> 0.1", DefaultImage: "ubuntu", Store: "local", StorePath: "states/prod", AuthorizedKeys: []string{"hello"}}, got)
	require.Equal(t, "local", load(t, `variable "x" { default = 1 }`).Dstack().Store)
}

func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		version, requirement string
		want                 bool
	}{
		{"0.3.0", ">= 0.1", true},
		{"v0.3.0", ">= 0.1, < 0.3", false},
		{"1.2.5", "~> 1.2", true},
		{"2.0.0", "~> 1.2", false},
		{"1.3.0", "~> 1.2.0", false},
		{"1.2", "1.2.0", true},
		{"1.2", "!= 1.2.0", false},
		{"1.3.0-dev", "> 1.2", true},
		{"(devel)", "> 99", true},
		{"", "> 99", true},
	} {
		got, err := satisfies(tt.version, tt.requirement)
		require.NoError(t, err)
		require.Equal(t, tt.want, got, "%s %s", tt.version, tt.requirement)
	}
	for _, bad := range []string{"latest", ">= ", "=> 1", "1.2.3.4", ""} {
		_, err := satisfies("1.0", bad)
		require.Error(t, err, bad)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, list := Load(context.Background(), LoadOptions{Dir: filepath.Join(dir, "nothing")})
	require.Equal(t, "Folder cannot be read", list[0].Summary)

	big := filepath.Join(dir, "big.dstack.hcl")
	require.NoError(t, os.WriteFile(big, nil, 0o644))
	require.NoError(t, os.Truncate(big, largestFile+1))
	_, list = Load(context.Background(), LoadOptions{Dir: dir})
	require.Equal(t, "File cannot be read", list[0].Summary)
}

func TestDeepTextsDoNotOverflow(t *testing.T) {
	if testing.Short() {
		t.Skip("the parser alone takes half a minute here with the race detector; go test without -short")
	}
	for name, text := range map[string]string{
		"brackets":  strings.Repeat("(", 1_000_000),
		"lists":     strings.Repeat("[\n", 1_000_000),
		"negations": strings.Repeat("!", 1_000_000) + "true",
		"at most":   strings.Repeat("!", 200_000) + "true",
		"a sum":     "1" + strings.Repeat("+1", 200_000),
		"long sum":  "(1" + strings.Repeat("\n+1", 1_000_000) + ")",
	} {
		t.Run(name, func(t *testing.T) {
			source := []Source{{Path: "main.dstack.hcl", Text: []byte("locals {\n  x = " + text + "\n}\n")}}
			_, list := Load(context.Background(), LoadOptions{Sources: source})
			_ = list.Err() // whether it is an error or not, the program lives
		})
	}
}

func TestEveryErrorSaysWhatToDo(t *testing.T) {
	// One source of each kind of nonsense; what is asserted of all errors is their form.
	for _, text := range []string{
		`fleet "a" { nodes = }`, `fleet {}`, `fleet "a" "b" {}`, `locals "x" {}`, `x = 1`, `task "aa" { commands = [] }`,
		`volume "data" { size = 1 / 0 }`, `volume "data" { count = "x" }`, `output "o" {}`, `profile "p" { max_price = -1 }`,
	} {
		_, list := Load(context.Background(), LoadOptions{Sources: []Source{{Path: "main.dstack.hcl", Text: []byte(text)}}})
		if !list.HasErrors() {
			c, _ := Load(context.Background(), LoadOptions{Sources: []Source{{Path: "main.dstack.hcl", Text: []byte(text)}}})
			list = c.Validate()
		}
		require.True(t, list.HasErrors(), text)
		for _, d := range list {
			require.NotNil(t, d.Range, text)
			require.NotEmpty(t, d.Detail, text)
			require.NotEmpty(t, d.Snippet, text)
			require.LessOrEqual(t, d.Snippet.Start, d.Snippet.End)
			require.LessOrEqual(t, d.Snippet.End, len(d.Snippet.Code))
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*/*.dstack.*", "../../examples/*/*.dstack.*", "../../examples/*/*/*.dstack.*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatal(pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), strings.HasSuffix(path, ".json"))
		}
	}
	f.Add("locals { x = setproduct(range(9), range(9)) }\noutput \"x\" { value = format(\"%9d\", local.x[1e4]) }", false)
	f.Add("locals { x = [1] }\noutput \"x\" { value = \"${replace(indent(9, \"a\\nb\"), \"/a/\", \"$0\")}${bcrypt(\"x\", 4)}\" }", false)
	f.Add(`{"locals": {"x": "${jsondecode(\"1e9\")}"}, "output": {"x": {"value": "${upper(local.x)} ${1e400}"}}}`, true)
	f.Add("volume \"\xff\" { size = \"\xff${{\" }", false)
	f.Add("task \"tt\" { commands = [\"${A:-b}\", <<EOT\n${{ x\nEOT\n] }", false)
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		name := "main.dstack.hcl"
		if isJSON {
			name = "main.dstack.json"
		}
		c, list := Load(context.Background(), LoadOptions{Dir: "testdata/files", Sources: []Source{{Path: name, Text: []byte(text)}}})
		if !list.HasErrors() {
			list = append(list, c.Validate()...)
		}
		check(t, list)
	})
}

// check requires of every diagnostic what whoever prints it relies on.
func check(t *testing.T, list diag.List) {
	t.Helper()
	for _, d := range list {
		require.NotEmpty(t, d.Summary)
		require.NotEmpty(t, d.Detail)
		if s := d.Snippet; s != nil {
			require.True(t, 0 <= s.Start && s.Start <= s.End && s.End <= len(s.Code), "%+v", s)
		}
	}
}
