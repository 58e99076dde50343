package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	root, vol := filepath.Join(dir, "mnt"), filepath.Join(dir, "a", "vol")
	mounts, err := Prepare([]api.Mount{
		{Source: vol, Path: "/data/deep", Create: true},
		{Source: filepath.Join(dir, "absent"), Path: "/absent", Optional: true},
		{Source: dir, Path: "/top"},
	})
	require.NoError(t, err)
	require.Len(t, mounts, 2)
	require.Equal(t, "/top", mounts[0].Path, "parents come first")
	require.NoError(t, Link(root, mounts))
	require.NoError(t, os.WriteFile(filepath.Join(root, "data", "deep", "x"), nil, 0o600))
	require.FileExists(t, filepath.Join(vol, "x"))
	for path, mode := range map[string]os.FileMode{vol: 0o777, filepath.Dir(vol): 0o755} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}

	refused := map[string]api.Mount{
		"it cannot be read-only": {Source: vol, Path: "/other", ReadOnly: true},
		"within another mount":   {Source: vol, Path: "/top/inner"},
		"file exists":            {Source: vol, Path: "/top"},
	}
	for want, m := range refused {
		require.ErrorContains(t, Link(root, []api.Mount{m}), want)
	}
	_, err = Prepare([]api.Mount{{Source: filepath.Join(dir, "absent"), Path: "/x"}})
	require.ErrorIs(t, err, os.ErrNotExist)
}
