package gitrepo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/gitrepo"
	"github.com/dstackai/dstack-planner/modfetch/gittest"
)

func authorized(s ssh.Signer) string { return string(ssh.MarshalAuthorizedKey(s.PublicKey())) }

// inClone asks git about a clone, as whoever works in it would.
func inClone(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "safe.directory=*", "-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

func TestClone(t *testing.T) {
	for name, settings := range servers {
		t.Run(name, func(t *testing.T) {
			p := serve(t, settings...)
			p.commit(t, map[string]gittest.Entry{"a": file("0")})
			first := p.commit(t, map[string]gittest.Entry{
				"a": file("1"), "run.sh": {Mode: "100755", Content: "#!/bin/sh\n"}, "src/lib/x.py": file("x"), "to": {Mode: "120000", Content: "src/lib"},
			})
			second := p.commit(t, map[string]gittest.Entry{"a": file("2")})
			r := gitrepo.Remote{URL: p.url()}

			t.Run("a branch", func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: second, Branch: "main"}, dir))
				require.Equal(t, "1", inClone(t, dir, "rev-list", "--count", "HEAD"), "nothing of what came before")
				require.Equal(t, "main", inClone(t, dir, "branch", "--show-current"))
				require.Equal(t, second, inClone(t, dir, "rev-parse", "origin/main"))
				require.Equal(t, p.url(), inClone(t, dir, "remote", "get-url", "origin"))
				require.Empty(t, inClone(t, dir, "status", "--porcelain"))
			})
			t.Run("an older commit", func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: first}, dir))
				require.Equal(t, first, inClone(t, dir, "rev-parse", "HEAD"))
				require.Empty(t, inClone(t, dir, "branch", "--show-current"))
				require.Empty(t, inClone(t, dir, "status", "--porcelain"))
				info, err := os.Stat(filepath.Join(dir, "run.sh"))
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
				text, err := os.ReadFile(filepath.Join(dir, "to", "x.py"))
				require.NoError(t, err)
				require.Equal(t, "x", string(text))
			})
			t.Run("a commit that only an annotated tag leads to", func(t *testing.T) {
				aside := p.git(t, "commit-tree", p.git(t, "rev-parse", first+"^{tree}"), "-m", "aside")
				p.git(t, "tag", "-a", "-m", "one", "v1", aside)
				_, err := gitrepo.Resolve(t.Context(), r, "", aside)
				require.NoError(t, err)
				for _, history := range []bool{false, true} {
					dir := t.TempDir()
					require.NoError(t, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: aside, History: history}, dir))
					require.Equal(t, aside, inClone(t, dir, "rev-parse", "HEAD"))
					require.Empty(t, inClone(t, dir, "status", "--porcelain"))
				}
			})
			t.Run("with all that came before", func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: second, Branch: "main", History: true}, dir))
				require.Equal(t, "3", inClone(t, dir, "rev-list", "--count", "HEAD"))
			})
			t.Run("a commit that is not there", func(t *testing.T) {
				lost := p.git(t, "commit-tree", p.git(t, "rev-parse", "main^{tree}"), "-m", "nowhere")
				err := gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: lost}, t.TempDir())
				requireKind(t, err, gitrepo.NoCommit, "it has no commit "+lost)
			})
		})
	}
}

func TestWhatIsNotCloned(t *testing.T) {
	p := serve(t)
	first := p.commit(t, map[string]gittest.Entry{"a": file("1")})
	r := gitrepo.Remote{URL: p.url()}
	clone := func(commit string) (string, error) {
		dir := t.TempDir()
		return dir, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: commit}, dir)
	}
	_, err := clone(p.commit(t, map[string]gittest.Entry{"x": {Mode: "160000", Content: first}}))
	requireKind(t, err, gitrepo.Submodules, "submodules, and these are not cloned: x")

	large := "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
	_, err = clone(p.commit(t, map[string]gittest.Entry{".gitattributes": file("*.bin filter=lfs\n"), "m/a.bin": file(large), "b.bin": file("small, and not kept elsewhere")}))
	requireKind(t, err, gitrepo.LargeFiles, "keeps elsewhere, and these are not brought: m/a.bin")
	_, err = clone(p.commit(t, map[string]gittest.Entry{"doc/pointer": file(large)}))
	require.NoError(t, err, "a file that only looks like it")

	aside := t.TempDir()
	for name, files := range map[string]map[string]gittest.Entry{
		"a folder up":                {"..": file("x")},
		"the repository's own files": {".git": file("x")},
		"below a link":               {"l": {Mode: "120000", Content: aside}, "l/x": file("x")},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := clone(p.commit(t, files))
			if name != "below a link" { // of two things of one name either may be written
				require.ErrorContains(t, err, "the files of commit")
			}
			list, err := os.ReadDir(aside)
			require.NoError(t, err)
			require.Empty(t, list)
			head, err := os.ReadFile(filepath.Join(dir, ".git", "HEAD"))
			require.NoError(t, err)
			require.NotEqual(t, "x", string(head))
		})
	}
}

func TestOwnersOfClones(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	p := serve(t)
	commit := p.commit(t, map[string]gittest.Entry{"a": file("1"), "l": {Mode: "120000", Content: "/etc/passwd"}})
	dir := t.TempDir()
	require.NoError(t, gitrepo.Clone(t.Context(), gitrepo.Remote{URL: p.url()}, gitrepo.CloneOptions{Commit: commit, Owner: &gitrepo.Owner{UID: 1234, GID: 1234}}, dir))
	out, err := exec.Command("find", dir, "!", "-user", "1234").Output()
	require.NoError(t, err)
	require.Empty(t, string(out))
	out, err = exec.Command("stat", "-c", "%u", "/etc/passwd").Output()
	require.NoError(t, err)
	require.Equal(t, "0\n", string(out))
}
