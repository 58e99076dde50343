package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/content"
)

// folder stages a folder with some files and gives the digest of all of it.
func folder(t *testing.T, store content.Store, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o755))
	}
	s, err := content.Scan(t.Context(), dir, 0)
	require.NoError(t, err)
	require.NoError(t, store.Stage(t.Context(), s.Manifest, content.FilesOf(dir)))
	return s.Digest()
}

func single(t *testing.T, store content.Store, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "one")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	m, err := content.ScanFile(name, 0)
	require.NoError(t, err)
	require.NoError(t, store.Stage(t.Context(), m, content.TheFile(name)))
	return m.Digest()
}

// send sends a content to an agent, and returns how many bytes that took.
func (m *machine) send(store content.Store, digests ...string) (sent int64) {
	m.t.Helper()
	var want []api.Blob
	for _, d := range digests {
		list, err := store.Manifest(d)
		require.NoError(m.t, err)
		want = append(want, api.Blob{Digest: d, Size: int64(len(list.Encode()))})
		for _, b := range list.Blobs() {
			want = append(want, api.Blob{Digest: b.Digest, Size: b.Size})
		}
	}
	missing, err := m.Missing(m.t.Context(), want)
	require.NoError(m.t, err)
	require.NoError(m.t, m.Send(m.t.Context(), missing, store, func(n int64) error { sent = n; return nil }))
	return sent
}

func TestJobsFindTheirFiles(t *testing.T) {
	m := start(t)
	store := content.Store(t.TempDir())
	code := folder(t, store, map[string]string{"main.sh": "cat ../conf/app; cat /opt/dstack-test/conf 2>/dev/null || cat $DSTACK_MOUNT_ROOT/opt/dstack-test/conf\n", "lib/x": strings.Repeat("x", 100_000)})
	conf := single(t, store, "hello\n")
	job := func(s *api.JobSpec) {
		s.WorkingDir = "lib"
		s.Contents = []api.Content{{Digest: code}, {Digest: conf, Path: "conf/app", File: true}, {Digest: conf, Path: "/opt/dstack-test/conf", File: true}}
	}
	_, err := m.Submit(t.Context(), spec("a", "sh ../main.sh", job))
	require.Equal(t, api.KindInvalid, api.KindOf(err))
	require.ErrorContains(t, err, "send it first")

	require.Greater(t, m.send(store, code, conf), int64(100_000))
	m.run("a", "sh ../main.sh; echo new > y; echo more >> x; ls", job)
	require.Equal(t, api.StatusDone, m.finished("a").Status)
	require.Equal(t, "hello\nhello\nx\ny\n", m.output("a"))

	// The next version sends what differs, and finds nothing of what the last one did.
	m.kill()
	m.up()
	next := folder(t, store, map[string]string{"main.sh": "wc -c < x", "lib/x": strings.Repeat("x", 100_000)})
	require.Less(t, m.send(store, next), int64(2_000))
	m.run("b", "sh ../main.sh; ls", func(s *api.JobSpec) {
		s.WorkingDir = "lib"
		s.Contents = []api.Content{{Digest: next}}
	})
	require.Equal(t, api.StatusDone, m.finished("b").Status)
	require.Equal(t, "100000\nx\n", m.output("b"))

	info, err := os.Stat(filepath.Join(m.dir, "blobs"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "others cannot read what was sent")
}

func TestFilesBelongToTheJobsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run jobs as somebody else")
	}
	m := start(t)
	store := content.Store(t.TempDir())
	code := folder(t, store, map[string]string{"sub/a": "1"})
	m.send(store, code)
	m.run("a", "stat -c '%u:%g' . sub sub/a; echo 2 > sub/a", func(s *api.JobSpec) {
		s.User = &api.User{UID: 65534, GID: 65534}
		s.Contents = []api.Content{{Digest: code}}
	})
	require.Equal(t, api.StatusDone, m.finished("a").Status)
	require.Equal(t, strings.Repeat("65534:65534\n", 3), m.output("a"))
}

func TestFilesThatCannotBePlaced(t *testing.T) {
	m := start(t)
	store := content.Store(t.TempDir())
	code, file := folder(t, store, map[string]string{"a": "1", "b": "2"}), single(t, store, "x")
	m.send(store, code, file)
	for name, contents := range map[string][]api.Content{
		"out of the job's folder":  {{Digest: code, Path: "../x"}},
		"a folder anywhere":        {{Digest: code, Path: "/etc"}},
		"a file without a name":    {{Digest: file, File: true}},
		"at the root":              {{Digest: file, Path: "/", File: true}},
		"two at one place":         {{Digest: file, Path: "a/x", File: true}, {Digest: file, Path: "a/./x", File: true}},
		"a folder as a file":       {{Digest: code, Path: "x", File: true}},
		"what is no digest":        {{Digest: "sha256:../../x"}},
		"what was never sent":      {{Digest: content.Digest([]byte("else"))}},
		"bytes that are no folder": {{Digest: content.Digest([]byte("1"))}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.Submit(t.Context(), spec("a", "true", func(s *api.JobSpec) { s.Contents = contents }))
			require.Equal(t, api.KindInvalid, api.KindOf(err), "%v", err)
		})
	}
	t.Run("a file where the code has a folder", func(t *testing.T) {
		m.run("b", "true", func(s *api.JobSpec) {
			s.Contents = []api.Content{{Digest: code}, {Digest: file, Path: "a/x", File: true}}
		})
		j := m.finished("b")
		require.Equal(t, api.StatusFailed, j.Status)
		require.Equal(t, api.ReasonExecutorError, j.Reason)
		require.Contains(t, j.Message, `"a" is there and is no folder`)
	})
}
