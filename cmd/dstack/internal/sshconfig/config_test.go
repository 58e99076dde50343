package sshconfig

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func host(name string) Host {
	return Host{Name: name, Alias: "dstack." + name, User: "me", Identity: "/home/a b/id", Proxy: []string{"/bin/dstack", "-C", "/it's 100%", "attach", name}}
}

func TestPut(t *testing.T) {
	f := Files{filepath.Join(t.TempDir(), "ssh")}
	require.NoError(t, f.Put(host("one")))
	require.NoError(t, f.Put(host("two")))
	require.NoError(t, f.Put(host("one")))
	text, err := os.ReadFile(f.Config())
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), "Host one\n"))
	require.Equal(t, 1, strings.Count(string(text), "Host two\n"))
	info, err := os.Stat(f.Config())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	if _, err := exec.LookPath("ssh"); err == nil { // what it makes of the file
		out, err := exec.Command("ssh", "-F", f.Config(), "-G", "one").CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, want := range []string{"hostkeyalias dstack.one\n", "user me\n", "identityfile /home/a b/id\n", "proxycommand /bin/dstack -C ", "stricthostkeychecking true\n"} {
			require.Contains(t, string(out), want)
		}
	}
}

// What is known of runs that have ended is taken out, and nothing of other states.
func TestPrune(t *testing.T) {
	f := Files{filepath.Join(t.TempDir(), "ssh")}
	none := func(string) bool { return false }
	require.NoError(t, f.Prune("dstack.", none))
	require.NoFileExists(t, f.Config(), "nothing is made")
	for _, alias := range []string{"dstack.1.ended", "dstack.1.runs", "dstack.1.runs-1", "dstack.2.ended"} {
		h := host(strings.ReplaceAll(strings.TrimPrefix(alias, "dstack."), ".", ""))
		h.Alias = alias
		require.NoError(t, f.Put(h))
		require.NoError(t, f.Know(alias, "ssh-ed25519 AAA", "job"))
	}
	require.NoError(t, f.Prune("dstack.1.", func(name string) bool { return name == "runs" || name == "runs-1" }))
	text, err := os.ReadFile(f.Config())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), header+"\n\nHost 1runs\n"))
	var left []string
	for _, e := range entries(string(text)) {
		left = append(left, e.name+" "+e.alias)
	}
	require.Equal(t, []string{"1runs dstack.1.runs", "1runs-1 dstack.1.runs-1", "2ended dstack.2.ended"}, left)
	text, err = os.ReadFile(f.KnownHosts())
	require.NoError(t, err)
	require.Equal(t, "dstack.1.runs ssh-ed25519 AAA job\ndstack.1.runs-1 ssh-ed25519 AAA job\ndstack.2.ended ssh-ed25519 AAA job\n", string(text))
}

func TestKnow(t *testing.T) {
	f := Files{t.TempDir()}
	require.NoError(t, f.Know("a", "ssh-ed25519 AAA", "job1"))
	require.NoError(t, f.Know("b", "ssh-ed25519 BBB", "job2"))
	require.NoError(t, f.Know("a", "ssh-ed25519 AAA", "job1"))
	require.ErrorIs(t, f.Know("a", "ssh-ed25519 CCC", "job1"), ErrChanged)
	require.NoError(t, f.Know("a", "ssh-ed25519 DDD", "job3"), "another job has another key")
	text, err := os.ReadFile(f.KnownHosts())
	require.NoError(t, err)
	require.Equal(t, "b ssh-ed25519 BBB job2\na ssh-ed25519 DDD job3\n", string(text))
}

func TestInclude(t *testing.T) {
	dir := t.TempDir()
	f, own := Files{filepath.Join(dir, "home")}, filepath.Join(dir, ".ssh", "config")
	require.False(t, f.Included(own))
	require.NoError(t, f.Include(own))
	require.True(t, f.Included(own))
	real := filepath.Join(dir, "dotfiles")
	require.NoError(t, os.WriteFile(real, []byte("Host mine\n"), 0o644))
	require.NoError(t, os.Remove(own))
	require.NoError(t, os.Symlink(real, own))
	require.NoError(t, f.Include(own))
	text, err := os.ReadFile(real)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "Include \""+f.Config()+"\"\n\n"))
	require.True(t, strings.HasSuffix(string(text), "Host mine\n"))
}
