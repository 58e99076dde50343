package config

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestErrors compares what is reported for each folder of testdata/errors with its want.txt.
func TestErrors(t *testing.T) {
	dirs, err := filepath.Glob("testdata/errors/*")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c, list := Load(context.Background(), LoadOptions{Dir: dir, Version: "0.3.0", Environ: func(name string) (string, bool) {
				return "canary-4711", name == "DSTACK_VAR_secret"
			}})
			if !list.HasErrors() {
				list = append(list, c.Validate()...)
			}
			require.True(t, list.HasErrors(), "the configuration has an error")
			got := rendered(list)
			require.NotContains(t, got, "canary-4711", "a sensitive value is shown")
			golden := filepath.Join(dir, "want.txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(string(want), got))
		})
	}
}

// rendered prints diagnostics plainly: what is asserted here is what they say and where.
func rendered(list diag.List) string {
	var b strings.Builder
	for i, d := range list {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s\n", d.Severity, d.Summary)
		if d.Address != "" {
			fmt.Fprintf(&b, "  with %s\n", d.Address)
		}
		if d.Range != nil {
			fmt.Fprintf(&b, "  on %s:%d", d.Range.Filename, d.Range.Start.Line)
			if d.Snippet != nil && d.Snippet.Context != "" {
				fmt.Fprintf(&b, ", %s", d.Snippet.Context)
			}
			b.WriteString("\n")
		}
		if s := d.Snippet; s != nil {
			if s.Code != "" {
				fmt.Fprintf(&b, "  | %s[%s]%s\n", s.Code[:s.Start], s.Code[s.Start:s.End], s.Code[s.End:])
			}
			for _, v := range s.Values {
				fmt.Fprintf(&b, "  | where %s %s\n", v.Traversal, v.Statement)
			}
		}
		b.WriteString("  " + strings.ReplaceAll(d.Detail, "\n", "\n  ") + "\n")
	}
	return b.String()
}
