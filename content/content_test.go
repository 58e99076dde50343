package content_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/content"
)

// write makes files; a name that ends with a slash is a folder, a text that begins with "-> " a link, and a name that ends
// with * a program.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		target, link := strings.CutPrefix(text, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			require.NoError(t, os.MkdirAll(full, 0o755))
		case link:
			require.NoError(t, os.Symlink(target, full))
		case strings.HasSuffix(name, "*"):
			require.NoError(t, os.WriteFile(full, []byte(text), 0o755))
		default:
			require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
		}
	}
}

func paths(m *content.Manifest) []string {
	var out []string
	for _, e := range m.Entries {
		out = append(out, e.Path)
	}
	return out
}

func TestWhatIsLeftOut(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		sub   string
		want  []string
	}{
		"the repository's own folder and file": {
			files: map[string]string{".git/config": "", "a": "", "sub/.git": "gitdir: x", "sub/b": ""}, want: []string{"a", "sub/b"}},
		"names at any depth": {
			files: map[string]string{".gitignore": "*.log\n", "a.log": "", "b/c.log": "", "b/d": ""}, want: []string{".gitignore", "b/d"}},
		"a pattern with a slash means one place": {
			files: map[string]string{".gitignore": "/top\nx/y\n", "top": "", "s/top": "", "x/y/z": "", "s/x/y": ""}, want: []string{".gitignore", "s/top", "s/x/y"}},
		"a slash at the end means folders": {
			files: map[string]string{".gitignore": "out/\n", "out/a": "", "s/out": ""}, want: []string{".gitignore", "s/out"}},
		"the last pattern counts": {
			files: map[string]string{".gitignore": "*.bin\n!keep.bin\n", "a.bin": "", "keep.bin": ""}, want: []string{".gitignore", "keep.bin"}},
		"what is in a folder that is left out stays out": {
			files: map[string]string{".gitignore": "out\n!out/a\n", "out/a": ""}, want: []string{".gitignore"}},
		"two stars": {
			files: map[string]string{".gitignore": "a/**/z\n**/q\nw/**\n", "a/z": "", "a/b/c/z": "", "a/y": "", "e/q": "", "w/1": "", "w/2/3": ""}, want: []string{".gitignore", "a/y"}},
		"a file deeper down counts more": {
			files: map[string]string{".gitignore": "*.txt\n", "s/.gitignore": "!*.txt\n", "a.txt": "", "s/a.txt": ""}, want: []string{".gitignore", "s/.gitignore", "s/a.txt"}},
		".dstackignore has the last word": {
			files: map[string]string{".dstackignore": "!data.bin\nbig\n", "s/.gitignore": "!big\n*.bin\n", "s/big": "", "s/data.bin": "", "s/x.bin": ""},
			want:  []string{".dstackignore", "s/.gitignore", "s/data.bin"}},
		"comments, escapes and blank lines": {
			files: map[string]string{".gitignore": "\n# a\n\\#b\n\\!c\nd\\ \ne   \r\n", "# a": "", "#b": "", "!c": "", "d ": "", "e": "", "f": ""}, want: []string{"# a", ".gitignore", "f"}},
		"classes, negated in both ways, and patterns that are none": {
			files: map[string]string{".gitignore": "[ab]1\n[!ab]2\n[^ab]3\n[x\n", "a1": "", "a2": "", "c2": "", "a3": "", "c3": "", "[x": ""},
			want:  []string{".gitignore", "[x", "a2", "a3"}},
		"rules of the repository around a folder": {
			files: map[string]string{".git/info/exclude": "*.tmp\n", ".gitignore": "*.log\nsub/deep/no\n", "sub/.gitignore": "*.o\n", "sub/deep/a.log": "", "sub/deep/a.tmp": "", "sub/deep/a.o": "", "sub/deep/no": "", "sub/deep/yes": ""},
			sub:   "sub/deep", want: []string{"yes"}},
		"links are kept, empty folders too, and not those of which all is left out": {
			files: map[string]string{".gitignore": "*.o\n", "to": "-> /nowhere", "dir": "-> sub", "sub/": "", "obj/a.o": ""}, want: []string{".gitignore", "dir", "sub", "to"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tt.files)
			got, err := content.Scan(t.Context(), filepath.Join(dir, tt.sub), 0)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, paths(got.Manifest)))
		})
	}
}

// Git itself is the measure of its patterns.
func TestPatternsMeanWhatTheyMeanToGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed: apt-get install git")
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		cmd := exec.Command(git, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir)
		out, err := cmd.Output()
		require.NoError(t, err, args)
		return string(out)
	}
	run("init", "-q")
	lines := []string{"*.a", "!x.a", "/b", "b/", "d/**", "**/e", "d/*/f", "*/g", "!d/", "h/i/**/j", "[!k]k", "l?", "m*n", "!m1n", "*.[oa]", "o/p/", "/o/**/q", "!*/e", "\\#r", "d/**/f", "/*", "!/d", "!/s"}
	names := []string{"x.a", "y.a", "b", "c/b/b1", "d/x/f", "d/f", "d/e", "e", "s/g", "s/t/g", "h/i/j", "h/i/a/b/j", "kk", "ak", "l", "l1", "m1n", "mn", "z.o", "o/p/1", "o/1/p", "o/q", "o/2/q", "#r", "d/y/z/f", "s/e/1"}
	for _, n := range names {
		full := filepath.Join(dir, n)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, nil, 0o644))
	}
	for seed := range 60 {
		var some []string
		for i, l := range lines {
			if (seed*7+i*i*3+seed*i)%5 == 0 {
				some = append(some, l)
			}
		}
		if seed%2 == 1 {
			slices.Reverse(some)
		}
		text := strings.Join(some, "\n") + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(text), 0o644))
		want := strings.Split(strings.Trim(run("ls-files", "-z", "--others", "--exclude-standard"), "\x00"), "\x00")
		want = slices.DeleteFunc(want, func(s string) bool { return s == "" })
		slices.Sort(want)
		got, err := content.Scan(t.Context(), dir, 0)
		require.NoError(t, err)
		have := []string{}
		for _, e := range got.Entries {
			if e.Type != content.Folder {
				have = append(have, e.Path)
			}
		}
		require.Empty(t, cmp.Diff(want, have), text)
	}
}

func TestDigestsStandForWhatIsThere(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	files := map[string]string{"a": "1", "b*": "2", "c": "-> a", "d/": ""}
	write(t, one, files)
	write(t, two, files)
	require.NoError(t, os.Chtimes(filepath.Join(two, "a"), timeOf(1), timeOf(1)))
	require.NoError(t, os.Chmod(filepath.Join(two, "a"), 0o600))
	scan := func(dir string) string {
		s, err := content.Scan(t.Context(), dir, 0)
		require.NoError(t, err)
		require.True(t, content.IsDigest(s.Digest()))
		return s.Digest()
	}
	first := scan(one)
	require.Equal(t, first, scan(two), "times and permissions of others do not count")
	seen := map[string]string{first: "the start"}
	for _, change := range []struct {
		what string
		do   func() error
	}{
		{"another byte", func() error { return os.WriteFile(filepath.Join(two, "a"), []byte("2"), 0o600) }},
		{"a program", func() error { return os.Chmod(filepath.Join(two, "a"), 0o700) }},
		{"another target", func() error {
			return errors.Join(os.Remove(filepath.Join(two, "c")), os.Symlink("b", filepath.Join(two, "c")))
		}},
		{"a folder less", func() error { return os.Remove(filepath.Join(two, "d")) }},
		{"another name", func() error { return os.Rename(filepath.Join(two, "b"), filepath.Join(two, "e")) }},
	} {
		require.NoError(t, change.do())
		d := scan(two)
		require.Emptyf(t, seen[d], "%s is not seen", change.what)
		seen[d] = change.what
	}
}

func TestStageAndPlace(t *testing.T) {
	dir, store, out := t.TempDir(), content.Store(filepath.Join(t.TempDir(), "store")), filepath.Join(t.TempDir(), "work")
	write(t, dir, map[string]string{"src/train.py": "print()", "run.sh*": "#!/bin/sh\n", "same": "print()", "to": "-> src/train.py", "out": "-> /nowhere", "empty/": ""})
	s, err := content.Scan(t.Context(), dir, 0)
	require.NoError(t, err)
	require.Equal(t, 5, s.Files())
	require.Equal(t, int64(7+10+7), s.Bytes())
	require.Len(t, s.Blobs(), 2, "equal files travel once")
	require.NoError(t, store.Stage(t.Context(), s.Manifest, content.FilesOf(dir)))
	m, err := store.Manifest(s.Digest())
	require.NoError(t, err)
	write(t, out, map[string]string{"same": "-> /etc/passwd", "src/kept": "x"})
	require.NoError(t, store.Place(t.Context(), m, out, &content.Owner{UID: os.Getuid(), GID: os.Getgid()}))
	kept := filepath.Join(out, "src/kept")
	require.FileExists(t, kept)
	require.NoError(t, os.Remove(kept))
	again, err := content.Scan(t.Context(), out, 0)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(s.Manifest, again.Manifest))
	text, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	require.NotEqual(t, "print()", string(text))

	t.Run("a link in the way leads nowhere", func(t *testing.T) {
		work, aside := t.TempDir(), t.TempDir()
		require.NoError(t, os.Symlink(aside, filepath.Join(work, "src")))
		err := store.Place(t.Context(), m, work, nil)
		require.ErrorContains(t, err, `"src" is there and is no folder`)
		require.NoFileExists(t, filepath.Join(aside, "train.py"))
	})
	t.Run("a single file takes another name", func(t *testing.T) {
		one, err := content.ScanFile(filepath.Join(dir, "run.sh"), 100)
		require.NoError(t, err)
		require.NoError(t, store.Stage(t.Context(), one, content.TheFile(filepath.Join(dir, "run.sh"))))
		moved, err := one.Single("bin/go")
		require.NoError(t, err)
		work := t.TempDir()
		require.NoError(t, store.Place(t.Context(), moved, work, nil))
		info, err := os.Stat(filepath.Join(work, "bin/go"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
		_, err = one.Single("../out")
		require.ErrorIs(t, err, content.ErrManifest)
		_, err = m.Single("x")
		require.ErrorIs(t, err, content.ErrManifest)
	})
	t.Run("what has changed is not staged", func(t *testing.T) {
		fresh := content.Store(t.TempDir())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "same"), []byte("other"), 0o644))
		err := fresh.Stage(t.Context(), s.Manifest, content.FilesOf(dir))
		require.ErrorIs(t, err, content.ErrChanged)
		require.ErrorContains(t, err, `"same"`)
		require.NoError(t, os.Remove(filepath.Join(dir, "same")))
		require.ErrorIs(t, fresh.Stage(t.Context(), s.Manifest, content.FilesOf(dir)), content.ErrChanged)
		require.Empty(t, leftovers(t, string(fresh)))
	})
	t.Run("what is kept badly is not placed", func(t *testing.T) {
		at := store.Path(m.Blobs()[0].Digest)
		require.NoError(t, os.WriteFile(at, []byte("#!/bin/rm\n"), 0o600))
		require.ErrorContains(t, store.Place(t.Context(), m, t.TempDir(), nil), "damaged")
	})
}

func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "new-*"))
	require.NoError(t, err)
	return names
}

func TestFoldersThatCannotTravel(t *testing.T) {
	t.Run("one above the limit names the largest, and reads nothing", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"data/huge": "", "small": "1"})
		require.NoError(t, os.Truncate(filepath.Join(dir, "data/huge"), 10<<30))
		_, err := content.Scan(t.Context(), dir, 100<<20)
		var large *content.TooLargeError
		require.ErrorAs(t, err, &large)
		require.True(t, large.Whole)
		require.Equal(t, int64(10<<30+1), large.Bytes)
		require.Equal(t, "data/huge", large.Largest[0].Path)
		_, err = content.ScanFile(filepath.Join(dir, "data/huge"), 100)
		require.ErrorAs(t, err, &large)
	})
	t.Run("an unreadable file is named", func(t *testing.T) {
		if os.Getuid() == 0 {
			t.Skip("root reads everything")
		}
		dir := t.TempDir()
		write(t, dir, map[string]string{"s/key": "x"})
		require.NoError(t, os.Chmod(filepath.Join(dir, "s/key"), 0))
		_, err := content.Scan(t.Context(), dir, 0)
		require.ErrorContains(t, err, `"s/key": permission denied`)
	})
	t.Run("a name that is no text", func(t *testing.T) {
		dir := t.TempDir()
		if os.WriteFile(filepath.Join(dir, "a\xff"), nil, 0o644) != nil {
			t.Skip("this file system takes no such name")
		}
		_, err := content.Scan(t.Context(), dir, 0)
		require.ErrorContains(t, err, "not UTF-8")
	})
	t.Run("sockets and pipes are left out, and said", func(t *testing.T) {
		dir, err := os.MkdirTemp("", "")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		require.NoError(t, err)
		defer l.Close()
		require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "p"), 0o644))
		got, err := content.Scan(t.Context(), dir, 0)
		require.NoError(t, err)
		require.Equal(t, []string{"p", "s"}, got.LeftOut)
		require.Empty(t, got.Entries)
	})
	t.Run("what is no folder, and what is not there", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a": ""})
		_, err := content.Scan(t.Context(), filepath.Join(dir, "a"), 0)
		require.ErrorContains(t, err, "it is no folder")
		_, err = content.Scan(t.Context(), filepath.Join(dir, "b"), 0)
		require.ErrorIs(t, err, os.ErrNotExist)
		_, err = content.ScanFile(dir, 0)
		require.ErrorContains(t, err, "it is no file")
	})
}

func TestManifestsFromElsewhere(t *testing.T) {
	d := content.Digest(nil)
	for name, text := range map[string]string{
		"out of the folder":        `{"version":1,"entries":[{"path":"../a","type":"file","digest":"` + d + `"}]}`,
		"an absolute path":         `{"version":1,"entries":[{"path":"/a","type":"file","digest":"` + d + `"}]}`,
		"not clean":                `{"version":1,"entries":[{"path":"a/./b","type":"file","digest":"` + d + `"}]}`,
		"below a link":             `{"version":1,"entries":[{"path":"a","type":"link","target":"/etc"},{"path":"a/b","type":"file","digest":"` + d + `"}]}`,
		"below a file":             `{"version":1,"entries":[{"path":"a","type":"file","digest":"` + d + `"},{"path":"a/b/c","type":"folder"}]}`,
		"twice":                    `{"version":1,"entries":[{"path":"a","type":"folder"},{"path":"a","type":"folder"}]}`,
		"a digest that is a path":  `{"version":1,"entries":[{"path":"a","type":"file","digest":"sha256:../../../../../../etc/passwd0000000000000000000000000000000000000"}]}`,
		"a link to nothing":        `{"version":1,"entries":[{"path":"a","type":"link"}]}`,
		"what is gone, with bytes": `{"version":1,"entries":[{"path":"a","type":"absent","size":1}]}`,
		"gone and there":           `{"version":1,"entries":[{"path":"a","type":"absent"},{"path":"a","type":"folder"}]}`,
		"a device":                 `{"version":1,"entries":[{"path":"a","type":"device"}]}`,
		"a later version":          `{"version":2,"entries":[]}`,
		"fields that nobody knows": `{"version":1,"entries":[],"owner":"root"}`,
		"no JSON":                  `{`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := content.DecodeManifest([]byte(text))
			require.ErrorIs(t, err, content.ErrManifest)
		})
	}
	require.Panics(t, func() { content.Store("x").Path("../../etc/passwd") })
	_, err := content.Store(t.TempDir()).Manifest("../x")
	require.ErrorIs(t, err, content.ErrManifest)
}

// Any bytes are a manifest that can be written again, or are refused.
func FuzzDecodeManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"entries":[{"path":"a","type":"file","size":3,"digest":"` + content.Digest(nil) + `"},{"path":"b","type":"link","target":"a"}]}`))
	f.Add([]byte(`{"version":1,"entries":[{"path":"a","type":"file","size":0,"digest":"` + content.Digest(nil) + `"},{"path":"a/b","type":"absent"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := content.DecodeManifest(data)
		if err != nil {
			return
		}
		again, err := content.DecodeManifest(m.Encode())
		require.NoError(t, err)
		require.True(t, bytes.Equal(m.Encode(), again.Encode()), fmt.Sprint(m))
	})
}
