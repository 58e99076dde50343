package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
)

func TestModuleCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		file, text string
		want       []string
		err        string
	}{
		"calls in order": {"main.dstack.hcl", "module \"b\" {\n  source = \"./b\"\n  count  = var.n\n}\nmodule \"a\" {\n  source = \"github.com/acme/a//x?ref=v1\"\n  size   = unknown.thing\n}\n",
			[]string{"b=./b", "a=github.com/acme/a//x?ref=v1"}, ""},
		"JSON": {"main.dstack.json", `{"module": {"a": {"source": "../a", "n": "${var.n}"}}, "fleet": {"x": {}}}`, []string{"a=../a"}, ""},
		"what is wrong elsewhere is none of its business": {"main.dstack.hcl", "fleet \"x\" {\n  nodse = 1\n}\nnonsense {}\nmodule \"a\" {\n  source = \"./a\"\n}\n", []string{"a=./a"}, ""},
		"a call without a source is left to Load":         {"main.dstack.hcl", "module \"a\" {}\n", nil, ""},
		"other files are not read":                        {"main.hcl", "module \"a\" {\n  source = \"./a\"\n}\n", nil, ""},
		"a source that refers to a variable":              {"main.dstack.hcl", "module \"a\" {\n  source = \"./${var.a}\"\n}\n", nil, "A constant is needed"},
		"a source that is made by a function":             {"main.dstack.hcl", "module \"a\" {\n  source = upper(\"./a\")\n}\n", nil, "A constant is needed"},
		"a source that is a number":                       {"main.dstack.hcl", "module \"a\" {\n  source = 1\n}\n", nil, "Source is no text"},
		"a source that is null":                           {"main.dstack.hcl", "module \"a\" {\n  source = null\n}\n", nil, "Source is no text"},
		"a syntax error":                                  {"main.dstack.hcl", "module \"a\" {\n  source = \n}\n", nil, "main.dstack.hcl"},
		"brackets without end":                            {"main.dstack.json", `{"module": `, nil, "main.dstack.json"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(root, "m"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, "m", tc.file), []byte(tc.text), 0o644))
			calls, list := ModuleCalls(root, "m")
			var got []string
			for _, c := range calls {
				require.Equal(t, "m/"+tc.file, c.Range.Filename)
				got = append(got, c.Name+"="+c.Source)
			}
			require.Empty(t, cmp.Diff(tc.want, got))
			if tc.err == "" {
				require.Empty(t, list)
				return
			}
			require.True(t, list.HasErrors())
			require.Contains(t, list.Err().Error()+list[0].Summary, tc.err)
			require.NotNil(t, list[0].Snippet)
		})
	}
	_, list := ModuleCalls(t.TempDir(), "gone")
	require.ErrorContains(t, list.Err(), "gone cannot be read")
}

func TestACallSaysWhereItIs(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "main.dstack.hcl"), []byte("module \"a\" {\n  source = \"x\"\n}\n"), 0o644))
	calls, list := ModuleCalls(root, ".")
	require.Empty(t, list)
	got := calls[0].Locate(diag.Errorf("Wrong", "It is."))[0]
	require.Equal(t, "main.dstack.hcl:2", got.Range.String())
	require.Equal(t, "module.a", got.Address)
	require.Equal(t, `in module "a"`, got.Snippet.Context)
	require.Equal(t, `"x"`, got.Snippet.Code[got.Snippet.Start:got.Snippet.End])
}
