package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
)

// everything evaluates all blocks, outputs and policies once.
func everything(t *testing.T, c *config.Config) {
	t.Helper()
	require.NoError(t, c.Validate().Err())
	for _, b := range c.Blocks() {
		if b.Addr.Type == "output" && b.Addr.Module == addr.Root {
			_, ds := c.EvaluateOutput(b, nil)
			require.NoError(t, ds.Err())
		}
	}
}

// answersOf are the names of answers, with a star on the secret ones.
func answersOf(c *config.Config) []string {
	var out []string
	for _, a := range c.FileAnswers() {
		name := a.Name()
		if a.Secret {
			name += " *"
		}
		out = append(out, name)
	}
	return out
}

func inFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestWhichAnswersAreSecret(t *testing.T) {
	task := func(body string) string {
		return "task \"tt\" {\n  commands = [\"true\"]\n" + body + "}\n"
	}
	files := map[string]string{
		"a.txt": "alpha\n", "b.txt": "beta\n", "c.json": `{"user": "ann", "key": "hun\"ter"}`, "t.tpl": "hello ${who}", "keys/k.pub": "ssh-ed25519 AAAA",
	}
	for name, tc := range map[string]struct {
		hcl  string
		more map[string]string
		want []string
	}{
		"a file": {hcl: task("  env = { A = file(\"a.txt\") }\n"), want: []string{`file("a.txt")`}},
		"a file in a sensitive value": {
			hcl:  task("  env = { A = sensitive(file(\"a.txt\")) }\n"),
			want: []string{`file("a.txt") *`},
		},
		"two files in one argument, of which one is sensitive": {
			hcl:  task("  env = { A = sensitive(file(\"a.txt\")), B = file(\"b.txt\") }\n"),
			want: []string{`file("a.txt") *`, `file("b.txt")`},
		},
		"a text that is made of both": {
			hcl:  task("  env = { A = \"${sensitive(file(\"a.txt\"))} ${file(\"b.txt\")}\" }\n"),
			want: []string{`file("a.txt") *`, `file("b.txt") *`},
		},
		"what is made of a file, whatever it is": {
			hcl:  task("  env = { A = sensitive(sha256(base64encode(jsondecode(file(\"c.json\")).key))) }\n"),
			want: []string{`file("c.json") *`},
		},
		"by way of locals": {
			hcl:  "locals {\n  all = jsondecode(file(\"c.json\"))\n  key = local.all.key\n}\n" + task("  env = { A = sensitive(local.key), B = local.all.user }\n"),
			want: []string{`file("c.json") *`},
		},
		"a local that is sensitive in one place is secret everywhere": {
			hcl:  "locals {\n  x = file(\"a.txt\")\n}\n" + task("  env = { A = local.x }\n") + "output \"o\" {\n  value     = local.x\n  sensitive = true\n}\n",
			want: []string{`file("a.txt") *`},
		},
		"the default of a variable": {
			hcl: "variable \"v\" {\n  default = file(\"a.txt\")\n}\nvariable \"w\" {\n  default   = file(\"b.txt\")\n  sensitive = true\n}\n" +
				task("  env = { A = var.v }\n"),
			want: []string{`file("a.txt")`, `file("b.txt") *`},
		},
		"an argument that is always sensitive": {
			hcl:  "service \"ss\" {\n  commands = [\"true\"]\n  port = 80\n  tokens = [file(\"a.txt\")]\n}\n",
			want: []string{`file("a.txt") *`},
		},
		"a sensitive argument in an object": {
			hcl:  task("  image = \"x\"\n  registry_auth = { username = file(\"b.txt\"), password = file(\"a.txt\") }\n"),
			want: []string{`file("a.txt") *`, `file("b.txt")`},
		},
		"a sensitive argument in a block": {
			hcl:  task("  image = \"x\"\n  registry_auth {\n    username = file(\"b.txt\")\n    password = file(\"a.txt\")\n  }\n"),
			want: []string{`file("a.txt") *`, `file("b.txt")`},
		},
		"settings of a backend": {
			hcl:  "backend \"x\" {\n  settings = { token = file(\"a.txt\") }\n}\n",
			want: []string{`file("a.txt") *`},
		},
		"a template, of which the text is the answer": {
			hcl:  "variable \"who\" {\n  default   = \"me\"\n  sensitive = true\n}\n" + task("  env = { A = templatefile(\"t.tpl\", { who = \"you\" }), B = templatefile(\"t.tpl\", { who = \"they\" }) }\n"),
			want: []string{`templatefile("t.tpl")`},
		},
		"a template with a secret in it": {
			hcl:  "variable \"who\" {\n  default   = \"me\"\n  sensitive = true\n}\n" + task("  env = { A = templatefile(\"t.tpl\", { who = var.who }) }\n"),
			want: []string{`templatefile("t.tpl") *`},
		},
		"other functions that look at the machine": {
			hcl:  task("  env = { A = filesha256(\"a.txt\"), B = tostring(fileexists(\"nope\")), C = join(\",\", fileset(\".\", \"*.txt\")), D = abspath(\"a\"), E = path.cwd }\n"),
			want: []string{`abspath("a")`, `fileexists("nope")`, `fileset(".", "*.txt")`, `filesha256("a.txt")`, "path.cwd"},
		},
		"what a module is called with, and makes sensitive": {
			hcl:  "module \"m\" {\n  source = \"./m\"\n  one    = file(\"a.txt\")\n  two    = file(\"b.txt\")\n  three  = file(\"c.json\")\n}\noutput \"o\" {\n  value     = module.m.four\n  sensitive = true\n}\n",
			more: map[string]string{"m/main.dstack.hcl": "variable \"one\" {\n  sensitive = true\n}\nvariable \"two\" {}\nvariable \"three\" {}\nvariable \"five\" {\n  default = file(\"t.tpl\")\n}\ntask \"tt\" {\n  commands = [\"true\"]\n  env      = { A = sensitive(var.two), B = var.three, C = sensitive(var.five) }\n}\noutput \"four\" {\n  value = file(\"keys/k.pub\")\n}\n"},
			want: []string{`file("a.txt") *`, `file("b.txt") *`, `file("c.json")`, `file("keys/k.pub") *`, `file("t.tpl") *`},
		},
		"a for expression over lines": {
			hcl:  "task \"tt\" {\n  commands = [for l in split(\"\\n\", trimspace(file(\"a.txt\"))) : \"echo ${l}\"]\n}\n",
			want: []string{`file("a.txt")`},
		},
		"keys of for_each": {
			hcl:  "volume \"vv\" {\n  for_each = toset(split(\",\", trimspace(file(\"a.txt\"))))\n  size     = \"1GB\"\n}\n",
			want: []string{`file("a.txt")`},
		},
		"settings of the configuration": {
			hcl:  "dstack {\n  access {\n    authorized_keys = [file(\"keys/k.pub\")]\n  }\n}\n" + task(""),
			want: []string{`file("keys/k.pub")`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"main.dstack.hcl": tc.hcl}
			for _, m := range []map[string]string{files, tc.more} {
				for n, text := range m {
					all[n] = text
				}
			}
			dir := inFolder(t, all)
			c, list := config.Load(t.Context(), config.LoadOptions{Dir: dir})
			require.NoError(t, list.Err())
			everything(t, c)
			require.Empty(t, cmp.Diff(tc.want, answersOf(c)))

			// In another folder the answers that are no secrets are given again, and the others are asked for.
			elsewhere := inFolder(t, nil)
			var given []config.FileAnswer
			for _, a := range c.FileAnswers() {
				if a.Secret {
					again, err := config.AskAgain(dir, config.FileAnswer{Function: a.Function, Args: a.Args})
					require.NoError(t, err)
					require.Equal(t, string(a.Value), string(again.Value))
					_, err = config.AskAgain(elsewhere, again)
					require.Error(t, err)
					a = again
				}
				given = append(given, a)
			}
			c2, list := config.Load(t.Context(), config.LoadOptions{Dir: elsewhere, Sources: c.Sources(), FileAnswers: given})
			require.NoError(t, list.Err())
			everything(t, c2)
			require.Empty(t, cmp.Diff(tc.want, answersOf(c2)))
			for i, a := range c.FileAnswers() {
				require.Equal(t, string(a.Value), string(c2.FileAnswers()[i].Value))
			}
		})
	}
}

func TestMarksOfAnswersMakeNoSecrets(t *testing.T) {
	dir := inFolder(t, map[string]string{"a.txt": "7", "main.dstack.hcl": "locals {\n  n = tonumber(file(\"a.txt\"))\n}\nvariable \"v\" {\n  default = 1\n  validation {\n    condition     = var.v < 0\n    error_message = \"The limit is ${local.n}.\"\n  }\n}\n"})
	_, list := config.Load(t.Context(), config.LoadOptions{Dir: dir})
	require.Len(t, list, 1)
	require.Contains(t, list[0].Detail, "The limit is 7.")

	dir = inFolder(t, map[string]string{"a.txt": "7", "main.dstack.hcl": "locals {\n  n = { a = file(\"a.txt\") }\n}\ntask \"tt\" {\n  commands = [local.n.b, local.n.a]\n}\noutput \"o\" {\n  value = local.n\n}\n"})
	_, list = config.Load(t.Context(), config.LoadOptions{Dir: dir})
	c, _ := config.Load(t.Context(), config.LoadOptions{Dir: dir})
	list = append(list, c.Validate()...)
	require.True(t, list.HasErrors())
	require.Contains(t, list.Errors()[0].Detail, "It has a.", "the error says what there is, which it would not of a secret")
}
