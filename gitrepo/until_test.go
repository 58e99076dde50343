package gitrepo

import (
	"context"
	"os"
	"testing"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/stretchr/testify/require"
)

func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	files := until{osfs.New(dir, osfs.WithBoundOS()), ctx}
	f, err := files.OpenFile("a", os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	_, err = f.Write([]byte("1"))
	require.NoError(t, err)
	cancel()
	_, err = f.Write([]byte("2"))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, f.Close())
	_, err = files.OpenFile("b", os.O_CREATE|os.O_WRONLY, 0o644)
	require.ErrorIs(t, err, context.Canceled)
	text, err := os.ReadFile(dir + "/a")
	require.NoError(t, err)
	require.Equal(t, "1", string(text))
	require.NoFileExists(t, dir+"/b")
}
