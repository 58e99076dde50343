package local

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentityOfAMachineThatHasNone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "local")
	ids := make([]string, 8)
	errs := make([]error, len(ids))
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() { ids[i], errs[i] = keptID(root) })
	}
	wait.Wait()
	for i, id := range ids {
		require.NoError(t, errs[i])
		require.NotEmpty(t, id)
		require.Equal(t, ids[0], id, "those who make one at the same time get the same")
	}
	left, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, os.WriteFile(filepath.Join(root, idFile), []byte("\n"), 0o600))
	_, err = keptID(root)
	require.ErrorContains(t, err, "is empty; remove it")
}
