package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func put(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("a=1\n"), 0o640))
	}
}

func TestWhichFilesAreFound(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, ".", "b.dstack.hcl", "a.dstackvars", "c.dstack.json", "d.dstackvars.json", ".e.dstack.hcl", "f.hcl", "x/g.dstack.hcl", ".y/h.dstack.hcl", "z.dstack.hcl/i.dstack.hcl")
	require.NoError(t, os.Symlink("b.dstack.hcl", "l.dstack.hcl"))
	require.NoError(t, os.Symlink("nowhere", "m.dstack.hcl"))
	require.NoError(t, os.Symlink("x", "n.dstack.hcl"))
	for name, tc := range map[string]struct {
		path  string
		below bool
		want  []string
	}{
		"a folder":                     {".", false, []string{"a.dstackvars", "b.dstack.hcl", "l.dstack.hcl"}},
		"a folder and those below":     {".", true, []string{"a.dstackvars", "b.dstack.hcl", "l.dstack.hcl", "x/g.dstack.hcl", "z.dstack.hcl/i.dstack.hcl"}},
		"another folder":               {"x", false, []string{"x/g.dstack.hcl"}},
		"a hidden one that is named":   {".y", true, []string{".y/h.dstack.hcl"}},
		"a file":                       {"b.dstack.hcl", false, []string{"b.dstack.hcl"}},
		"a hidden file that is named":  {".e.dstack.hcl", false, []string{".e.dstack.hcl"}},
		"a folder that a file is like": {"z.dstack.hcl", false, []string{"z.dstack.hcl/i.dstack.hcl"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Find(tc.path, tc.below)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	_, err := Find("f.hcl", false)
	require.ErrorIs(t, err, ErrOther)
	_, err = Find("c.dstack.json", false)
	require.ErrorIs(t, err, ErrOther)
	_, err = Find("m.dstack.hcl", false)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "real.txt")
	real, link := filepath.Join(dir, "real.txt"), filepath.Join(dir, "l.dstack.hcl")
	require.NoError(t, os.Chmod(real, 0o604))
	require.NoError(t, os.Symlink("real.txt", link))
	require.NoError(t, Replace(link, []byte("a=1\n"), []byte("a = 1\n")))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink)
	info, err = os.Stat(real)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o604), info.Mode())

	require.ErrorIs(t, Replace(link, []byte("a=1\n"), []byte("b = 1\n")), ErrChanged, "it has another text than was read")
	text, err := os.ReadFile(real)
	require.NoError(t, err)
	require.Equal(t, "a = 1\n", string(text))

	if os.Getuid() != 0 { // whom modes stop
		require.NoError(t, os.Chmod(real, 0o400))
		require.ErrorIs(t, Replace(link, []byte("a = 1\n"), []byte("b = 1\n")), fs.ErrPermission)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing else is left")
}

func TestWhatIsTooLargeIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.dstack.hcl")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, 1<<30))
	_, err := Read(path)
	require.ErrorContains(t, err, "1024 MB")
}
