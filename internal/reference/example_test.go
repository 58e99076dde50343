package reference_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
)

// example is one fenced block of HCL on a page.
type example struct {
	page string
	line int // of its first line
	text string
	open bool // its fence is never closed
}

// fragment tells whether the example is a part of a configuration: it begins with a comment of three dots.
func (e example) fragment() bool { return strings.HasPrefix(strings.TrimSpace(e.text), "# ...") }

func (e example) String() string { return fmt.Sprintf("%s:%d", e.page, e.line) }

// examplesOf finds the fenced blocks of HCL in a page of Markdown.
func examplesOf(page, text string) []example {
	var out []example
	inside, line := false, 0
	var body []string
	for n, l := range strings.Split(text, "\n") {
		switch fence := strings.TrimSpace(l); {
		case !inside && strings.HasPrefix(fence, "```hcl"):
			inside, line, body = true, n+2, nil
		case inside && fence == "```":
			inside = false
			out = append(out, example{page: page, line: line, text: strings.Join(body, "\n") + "\n"})
		case inside:
			body = append(body, l)
		}
	}
	if inside {
		out = append(out, example{page: page, line: line, open: true})
	}
	return out
}

// check loads a whole configuration, and reads a fragment.
func (e example) check(t *testing.T) diag.List {
	if e.open {
		return diag.Errorf("Not closed", "The fence of this example is never closed.")
	}
	if e.fragment() {
		_, found := hclsyntax.ParseConfig([]byte(e.text), e.page, hcl.Pos{Line: e.line, Column: 1})
		if found.HasErrors() {
			return diag.Errorf("Not HCL", "%s", found.Error())
		}
		return nil
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte(e.text), 0o600))
	c, found := config.Load(t.Context(), config.LoadOptions{
		Dir:     dir,
		Environ: func(name string) (string, bool) { return "given", !strings.HasPrefix(name, "DSTACK_VAR_") },
		Prompt:  func(string, string, bool) (string, error) { return "given", nil },
	})
	if !found.HasErrors() {
		found = append(found, c.Validate()...)
	}
	return found
}

// markdown lists the pages that people read.
func markdown(t *testing.T) []string {
	t.Helper()
	root := os.DirFS("../..")
	out := []string{"README.md"}
	for _, dir := range []string{"docs", "examples"} {
		err := fs.WalkDir(root, dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if strings.HasSuffix(path, ".md") {
				out = append(out, path)
			}
			return nil
		})
		if dir == "examples" && os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
	}
	return out
}

func TestExamplesInPagesAreTrue(t *testing.T) {
	whole := 0
	for _, page := range markdown(t) {
		text, err := os.ReadFile("../../" + page)
		require.NoError(t, err)
		for _, e := range examplesOf(page, string(text)) {
			if !e.fragment() {
				whole++
			}
			t.Run(e.String(), func(t *testing.T) {
				for _, d := range e.check(t) {
					t.Errorf("%s: %s. %s", e, d.Summary, d.Detail)
				}
			})
		}
	}
	require.NotZero(t, whole, "no page has a whole configuration; are they still found?")
}

func TestWrongExamplesAreFound(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"an attribute that is none":      {"```hcl\nvolume \"data\" {\n  sise = \"1GB\"\n}\n```\n", "sise"},
		"a value that breaks its rule":   {"text\n\n```hcl\nvolume \"data\" {\n  size = \"1XB\"\n}\n```\n", "XB"},
		"a reference to nothing":         {"```hcl\ntask \"train\" {\n  commands = [volume.b.id]\n}\n```\n", `no volume "b"`},
		"a fragment that is not HCL":     {"```hcl\n# ...\nsize == \"1GB\"\n```\n", "page.md:3"},
		"a fence that is never closed":   {"```hcl\nvolume \"data\" { size = \"1GB\" }\n", "fence"},
		"a list item with a wrong block": {"- see\n  ```hcl\n  fleat \"lab\" {}\n  ```\n", "fleat"},
	} {
		t.Run(name, func(t *testing.T) {
			found := examplesOf("page.md", tc.text)
			require.Len(t, found, 1)
			list := found[0].check(t)
			require.True(t, list.HasErrors())
			require.Contains(t, list.Err().Error(), tc.want)
		})
	}
	for name, text := range map[string]string{
		"a fragment":            "```hcl\n# ...\nfleet = fleet.lab\n```",
		"a whole configuration": "```hcl\nvolume \"data\" {\n  size = \"1GB\"\n}\n```",
		"secrets from outside":  "```hcl\nvariable \"t\" {}\ntask \"train\" {\n  commands = [\"x\"]\n  env = [\"HF_TOKEN\", \"A=${var.t}\"]\n}\n```",
		"another language":      "```sh\ndstack plan\n```",
	} {
		t.Run(name, func(t *testing.T) {
			for _, e := range examplesOf("page.md", text) {
				require.NoError(t, e.check(t).Err())
			}
		})
	}
}
