package sock

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSocketIsReached(t *testing.T) {
	ways := map[string]struct {
		below  string
		listen func(dir, name string) (net.Listener, error)
		dial   func(ctx context.Context, dir, name string) (net.Conn, error)
	}{
		"by its path when that is short": {"s", Listen, Dial},
		"when its path is too long":      {strings.Repeat("long/", 50) + "d", Listen, Dial},
		"when it lies in a folder of its own": {"e",
			func(dir, name string) (net.Listener, error) { return listenElsewhere(filepath.Join(dir, name)) },
			func(ctx context.Context, dir, name string) (net.Conn, error) {
				return dialElsewhere(ctx, filepath.Join(dir, name))
			}},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			root, err := os.MkdirTemp("/tmp", "sk")
			require.NoError(t, err)
			defer os.RemoveAll(root)
			dir := filepath.Join(root, way.below)
			require.NoError(t, os.MkdirAll(dir, 0o700))
			// What a killed process left behind is in the way of nobody.
			for range 2 {
				l, err := way.listen(dir, "x.sock")
				require.NoError(t, err)
				defer l.Close()
			}
			l, err := way.listen(dir, "x.sock")
			require.NoError(t, err)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					io.WriteString(conn, "hello")
					conn.Close()
				}
			}()
			conn, err := way.dial(t.Context(), dir, "x.sock")
			require.NoError(t, err)
			got, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, "hello", string(got))
			conn.Close()

			l.Close()
			_, err = way.dial(t.Context(), dir, "x.sock")
			require.Error(t, err)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestNothingForeignIsRemoved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "s")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.sock.path"), []byte(file), 0o600))
	l, err := listenElsewhere(filepath.Join(dir, "a.sock"))
	require.NoError(t, err)
	defer l.Close()
	require.FileExists(t, file)
}
