package modsource

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, dir, name, text string, mode os.FileMode) {
	t.Helper()
	p := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
	require.NoError(t, os.WriteFile(p, []byte(text), mode))
}

func TestDigestSeesEveryChange(t *testing.T) {
	make := func(t *testing.T) string {
		dir := t.TempDir()
		write(t, dir, "main.dstack.hcl", "volume \"a\" {}\n", 0o644)
		write(t, dir, "sub/run.sh", "#!/bin/sh\n", 0o755)
		require.NoError(t, os.Symlink("sub/run.sh", filepath.Join(dir, "link")))
		return dir
	}
	sum := func(t *testing.T, dir string) string {
		got, err := Digest(dir)
		require.NoError(t, err)
		require.True(t, IsDigest(got))
		return got
	}
	before := sum(t, make(t))
	for name, tc := range map[string]struct {
		change func(t *testing.T, dir string)
		same   bool
	}{
		"nothing":               {func(*testing.T, string) {}, true},
		"an empty folder":       {func(t *testing.T, dir string) { require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755)) }, true},
		"rights beyond owner's": {func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Join(dir, "sub/run.sh"), 0o700)) }, true},
		"a byte":                {func(t *testing.T, dir string) { write(t, dir, "main.dstack.hcl", "volume \"b\" {}\n", 0o644) }, false},
		"a new file":            {func(t *testing.T, dir string) { write(t, dir, "new.txt", "", 0o644) }, false},
		"a file less":           {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "link"))) }, false},
		"the right to run":      {func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Join(dir, "sub/run.sh"), 0o644)) }, false},
		"a name": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "bus")))
		}, false},
		"where a link leads": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "link")))
			require.NoError(t, os.Symlink("sub", filepath.Join(dir, "link")))
		}, false},
		"a file in a link's stead": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "link")))
			write(t, dir, "link", "sub/run.sh", 0o644)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := make(t)
			tc.change(t, dir)
			require.Equal(t, tc.same, sum(t, dir) == before)
		})
	}
}

func TestDigestIsWhatItsPageSays(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b", "two", 0o644)
	write(t, dir, "a/x", "one", 0o755)
	got, err := Digest(dir)
	require.NoError(t, err)
	// printf 'exec %s a/x\0file %s b\0' $(printf one | sha256sum | cut -c1-64) $(printf two | sha256sum | cut -c1-64) | sha256sum
	require.Equal(t, "sha256:259e47b1ddae590cda7d58ad342e88dfd8f8a43c5dff64b05a9a7738c3befedf", got)
}

func TestDigestRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	_, err := Digest(dir)
	require.ErrorContains(t, err, "pipe is neither file nor folder nor link")
	_, err = Digest(filepath.Join(dir, "gone"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
