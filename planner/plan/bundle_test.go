package plan_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
)

func TestAPlanIsSavedWithABundle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "night.plan")
	p := &plan.Plan{FormatVersion: plan.FormatVersion, ID: "x", Lineage: "l"}
	want := []byte("any bytes\n{}\x00")
	require.NoError(t, plan.WriteBundle(path, p, want))
	got, bundle, err := plan.ReadBundle(path)
	require.NoError(t, err)
	require.Equal(t, want, bundle)
	require.Equal(t, "x", got.ID)
	plain, err := plan.Read(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(got, plain))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		data   []byte
		reason string
	}{
		"one that is cut":  {whole[:len(whole)-1], "it ends in the middle"},
		"one with more":    {append(whole[:len(whole):len(whole)], '!'), "does not match its checksum"},
		"one that is none": {whole[:len(whole)-len(want)], "it ends in the middle"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, tt.data, 0o600))
			_, _, err := plan.ReadBundle(path)
			require.ErrorContains(t, err, tt.reason)
		})
	}
	require.NoError(t, plan.Write(path, p))
	_, bundle, err = plan.ReadBundle(path)
	require.NoError(t, err)
	require.Empty(t, bundle)
}
