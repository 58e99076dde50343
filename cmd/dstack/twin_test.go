package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/examples"
	"github.com/dstackai/dstack-planner/internal/jsontwin"
)

// TestTheTwinInJSONMakesTheSamePlan plans each example, and a configuration of all that there is, in both syntaxes.
func TestTheTwinInJSONMakesTheSamePlan(t *testing.T) {
	all := map[string]fs.FS{"everything": os.DirFS("testdata/twin")}
	for _, name := range examples.Names() {
		files, ok := examples.Files(name)
		require.True(t, ok)
		all[name] = files
	}
	for name, files := range all {
		variables, err := fs.Glob(files, "*.dstackvars")
		require.NoError(t, err)
		if len(variables) == 0 {
			variables = []string{""}
		}
		for _, file := range variables {
			t.Run(name+" "+file, func(t *testing.T) {
				args := []string{}
				if file != "" {
					args = append(args, "--var-file", file)
				}
				dir, home := t.TempDir(), filepath.Join(t.TempDir(), "home")
				require.NoError(t, os.CopyFS(dir, files))
				native := planOf(t, dir, home, args...)
				require.NotEmpty(t, native)
				translate(t, dir)
				require.Empty(t, cmp.Diff(native, planOf(t, dir, home, args...)))
			})
		}
	}
}

// planOf is the plan of a folder in JSON, without what names its files and the time.
func planOf(t *testing.T, dir, home string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "plan.json")
	cmd := exec.Command(filepath.Join(bin, "dstack"), append([]string{"plan", "--json-out", out}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DSTACK_HOME="+home, "DSTACK_VAR_secret=s3cret")
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	var plan map[string]any
	require.NoError(t, json.Unmarshal(text, &plan))
	for _, key := range []string{"id", "created_at", "sources", "moment"} {
		delete(plan, key)
	}
	text, err = json.MarshalIndent(withoutPlaces(plan), "", "  ")
	require.NoError(t, err)
	return fileAndLine.ReplaceAllString(string(text), "$1")
}

// fileAndLine is how a text names a place.
var fileAndLine = regexp.MustCompile(`\b([\w/]+)\.dstack\.(?:hcl|json):\d+`)

// withoutPlaces takes out where in a file something stands.
func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"declared", "place", "range", "snippet"} {
			delete(v, key)
		}
		for key, item := range v {
			v[key] = withoutPlaces(item)
		}
	case []any:
		for i, item := range v {
			v[i] = withoutPlaces(item)
		}
	}
	return v
}

// translate puts the twin in JSON in the place of each file of a folder, and of those of its modules.
func translate(t *testing.T, dir string) {
	t.Helper()
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		base, isSource := strings.CutSuffix(path, ".dstack.hcl")
		if err != nil || !isSource || d.IsDir() || strings.Contains(path, "/.dstack/") {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		twin, err := jsontwin.Of(path, text)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(base+".dstack.json", twin, 0o600))
		n++
		return os.Remove(path)
	}))
	require.NotZero(t, n)
}
