package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/jsontwin"
)

// TestMistakesInJSONAreFoundToo makes the twin of each folder of testdata/errors whose files can be parsed, and asks for the
// same errors.
func TestMistakesInJSONAreFoundToo(t *testing.T) {
	dirs, err := filepath.Glob("testdata/errors/*")
	require.NoError(t, err)
	environ := func(name string) (string, bool) { return "canary-4711", name == "DSTACK_VAR_secret" }
	// JSON tells blocks and arguments apart by their names alone.
	nativeOnly := []string{"A block is needed", "A label is needed"}
	alike := strings.NewReplacer("Unknown block", "Unknown name", "Unknown argument", "Unknown name", "Argument outside of a block", "Unknown name")
	unsaid := map[string]string{
		"dynamic": "a missing label is a block of another name",
		"data":    "labels of several lengths are one object",
	}
	compared := 0
	for _, dir := range dirs {
		paths, err := filepath.Glob(filepath.Join(dir, "*.dstack.hcl"))
		require.NoError(t, err)
		var native, twin []Source
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			native = append(native, Source{Path: filepath.Base(path), Text: text})
			other, err := jsontwin.Of(path, text)
			if err != nil {
				native = nil
				break
			}
			twin = append(twin, Source{Path: strings.TrimSuffix(filepath.Base(path), ".hcl") + ".json", Text: other})
		}
		if len(native) == 0 || unsaid[filepath.Base(dir)] != "" {
			continue
		}
		compared++
		t.Run(filepath.Base(dir), func(t *testing.T) {
			said := func(sources []Source) []string {
				c, list := Load(t.Context(), LoadOptions{Dir: dir, Sources: sources, Version: "0.3.0", Environ: environ})
				if !list.HasErrors() {
					list = append(list, c.Validate()...)
				}
				var out []string
				for _, d := range list {
					if !slices.Contains(nativeOnly, d.Summary) {
						out = append(out, alike.Replace(d.Summary))
					}
				}
				slices.Sort(out)
				return out
			}
			require.Empty(t, cmp.Diff(said(native), said(twin)))
		})
	}
	require.Greater(t, compared, 20)
}
