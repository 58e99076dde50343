package checkout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/gitrepo/checkout"
)

// work is a repository and a clone of it.
type work struct{ server, dir string }

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com")
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
}

func newWork(t *testing.T) work {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	root := t.TempDir()
	w := work{filepath.Join(root, "server.git"), filepath.Join(root, "work")}
	git(t, root, "init", "--quiet", "--bare", "--initial-branch=main", w.server)
	git(t, root, "clone", "--quiet", w.server, w.dir)
	git(t, w.dir, "checkout", "--quiet", "-b", "main")
	write(t, w.dir, map[string]string{".gitignore": "*.log\n", "a": "1", "gone": "1", "src/x.py": "x", "src/y.py": "y", "kept.log": "1"})
	git(t, w.dir, "add", "--force", ".")
	git(t, w.dir, "commit", "--quiet", "-m", "first")
	git(t, w.dir, "push", "--quiet", "origin", "main")
	return w
}

func (w work) open(t *testing.T) *checkout.Checkout {
	t.Helper()
	c, err := checkout.Open(t.Context(), w.dir, "work", w.server)
	require.NoError(t, err)
	return c
}

// changed lists what has changed, as "type path".
func (w work) changed(t *testing.T, commit string) []string {
	t.Helper()
	s, err := w.open(t).Changes(t.Context(), commit, 0)
	require.NoError(t, err)
	out := []string{}
	for _, e := range s.Entries {
		out = append(out, string(e.Type)+" "+e.Path)
	}
	return out
}

func TestChanges(t *testing.T) {
	w := newWork(t)
	base, err := w.open(t).Base(t.Context())
	require.NoError(t, err)
	require.Equal(t, git(t, w.dir, "rev-parse", "HEAD"), base)
	require.Empty(t, w.changed(t, base))

	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"a newer file of the same text", func() { write(t, w.dir, map[string]string{"a": "1"}) }, []string{}},
		{"another text", func() { write(t, w.dir, map[string]string{"a": "2"}) }, []string{"file a"}},
		{"a new file, an ignored one and one that is ignored and tracked", func() {
			write(t, w.dir, map[string]string{"new/file": "1", "x.log": "1", "kept.log": "2"})
		}, []string{"file a", "file kept.log", "file new/file"}},
		{"a file that is gone", func() { require.NoError(t, os.Remove(filepath.Join(w.dir, "gone"))) }, []string{"file a", "absent gone", "file kept.log", "file new/file"}},
		{"a commit that was not pushed", func() {
			git(t, w.dir, "add", "--all")
			git(t, w.dir, "commit", "--quiet", "-m", "second")
		}, []string{"file a", "absent gone", "file kept.log", "file new/file"}},
		{"a folder for a file", func() {
			require.NoError(t, os.Remove(filepath.Join(w.dir, "a")))
			write(t, w.dir, map[string]string{"a/b": "1"})
		}, []string{"absent a", "file a/b", "absent gone", "file kept.log", "file new/file"}},
		{"a link for a folder", func() {
			require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "src")))
			require.NoError(t, os.Symlink("new", filepath.Join(w.dir, "src")))
			write(t, w.dir, map[string]string{"new/x.py": "through the link"})
		}, []string{"absent a", "file a/b", "absent gone", "file kept.log", "file new/file", "file new/x.py", "link src", "absent src/x.py", "absent src/y.py"}},
		{"what .dstackignore names", func() { write(t, w.dir, map[string]string{".dstackignore": "new\n/a\n"}) }, []string{
			"file .dstackignore", "absent gone", "file kept.log", "link src", "absent src/x.py", "absent src/y.py"}},
	} {
		step.do()
		require.Empty(t, cmp.Diff(step.want, w.changed(t, base)), step.what)
	}
	again, err := w.open(t).Base(t.Context())
	require.NoError(t, err)
	require.Equal(t, base, again, "what was not pushed is not on the server")
	require.Empty(t, git(t, w.dir, "stash", "list"), "nothing is changed in the checkout")

	t.Run("put over the commit they make the files of the checkout", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(w.dir, ".dstackignore")))
		s, err := w.open(t).Changes(t.Context(), base, 0)
		require.NoError(t, err)
		store, out := content.Store(t.TempDir()), filepath.Join(t.TempDir(), "out")
		require.NoError(t, store.Stage(t.Context(), s.Manifest, content.FilesOf(w.dir)))
		git(t, w.dir, "clone", "--quiet", w.server, out)
		m, err := store.Manifest(s.Digest())
		require.NoError(t, err)
		require.NoError(t, store.Place(t.Context(), m, out, nil))
		require.NoError(t, os.Remove(filepath.Join(w.dir, "x.log")))
		require.Empty(t, cmp.Diff(listing(t, w.dir), listing(t, out)))
	})
	t.Run("above the limit the largest are named", func(t *testing.T) {
		write(t, w.dir, map[string]string{"large": strings.Repeat("x", 1000)})
		_, err := w.open(t).Changes(t.Context(), base, 500)
		var large *content.TooLargeError
		require.ErrorAs(t, err, &large)
		require.Equal(t, "large", large.Largest[0].Path)
	})
}

// listing is all that a folder has, but for the repository itself.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		rel, err := filepath.Rel(dir, name)
		require.NoError(t, err)
		switch {
		case d.Name() == ".git":
			return filepath.SkipDir
		case d.Type()&os.ModeSymlink != 0:
			out[rel], err = os.Readlink(name)
			require.NoError(t, err)
		case d.Type().IsRegular():
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			out[rel] = string(text)
		}
		return nil
	}))
	return out
}

func TestWhatIsNoCheckout(t *testing.T) {
	w := newWork(t)
	head := git(t, w.dir, "rev-parse", "HEAD")
	need := func(err error, kind checkout.Kind, words string) {
		t.Helper()
		var e *checkout.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, kind, e.Kind, e.Error())
		summary, detail := e.Problem()
		require.NotEmpty(t, summary)
		require.Contains(t, detail, words)
	}
	open := func(dir, url string) error {
		_, err := checkout.Open(t.Context(), dir, "work", url)
		return err
	}
	need(open(t.TempDir(), w.server), checkout.NoCheckout, "it is no checkout of a Git repository")
	need(open(filepath.Join(w.dir, "src"), w.server), checkout.NoCheckout, "it is a folder within the checkout")
	git(t, w.dir, "remote", "add", "other", "https://ann:canary@example.com/acme/x.git")
	need(open(w.dir, "https://example.com/acme/y"), checkout.OtherRemote, "its remotes are "+w.server+", https://example.com/acme/x.git")
	require.NoError(t, open(w.dir, "git@example.com:acme/x"))

	c, err := checkout.Open(t.Context(), w.dir, "work", "git@example.com:acme/x")
	require.NoError(t, err)
	_, err = c.Base(t.Context())
	need(err, checkout.NoBase, "git -C 'work' fetch 'other'")

	git(t, w.dir, "checkout", "--quiet", "-b", "side")
	write(t, w.dir, map[string]string{"side": "1"})
	git(t, w.dir, "add", ".")
	git(t, w.dir, "commit", "--quiet", "-m", "side")
	side := git(t, w.dir, "rev-parse", "HEAD")
	git(t, w.dir, "checkout", "--quiet", "main")
	_, err = w.open(t).Changes(t.Context(), side, 0)
	need(err, checkout.Behind, "is not part of what is checked out. ")
	_, err = w.open(t).Changes(t.Context(), strings.Repeat("0", 40), 0)
	need(err, checkout.Behind, "git -C 'work' pull")

	write(t, w.dir, map[string]string{".gitattributes": "*.bin filter=lfs\n", "m.bin": "large"})
	_, err = w.open(t).Changes(t.Context(), head, 0)
	need(err, checkout.LargeFiles, `"m.bin" has changed, and Git LFS keeps it`)

	t.Setenv("PATH", t.TempDir())
	need(open(w.dir, w.server), checkout.NoGit, "there is no program git on the PATH")
}
