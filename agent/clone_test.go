package agent_test

import (
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/internal/dockertest"
	"github.com/dstackai/dstack-planner/modfetch/gittest"
)

// repository is one on a server that wants to know a token.
type repository struct {
	*gittest.Repo
	url, first, second string
}

const repoToken = "canary-token"

func serveRepo(t *testing.T) repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	root := t.TempDir()
	repo, err := gittest.Init(filepath.Join(root, "train.git"), "sha1")
	require.NoError(t, err)
	commit := func(text string) string {
		id, err := repo.Commit(map[string]gittest.Entry{
			"main.sh": {Mode: "100755", Content: "echo " + text + "\n"}, "lib/x": {Mode: "100644", Content: "x\n"}, "lib/old": {Mode: "100644", Content: "old\n"},
		})
		require.NoError(t, err)
		return id
	}
	r := repository{Repo: repo, first: commit("first"), second: commit("second")}
	s, err := gittest.Serve(root)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.Require("git", repoToken)
	plain := httptest.NewServer(s.Config.Handler)
	t.Cleanup(plain.Close)
	r.url = plain.URL + "/train.git"
	return r
}

func (r repository) at(commit string, change ...func(*api.JobSpec)) func(*api.JobSpec) {
	return func(s *api.JobSpec) {
		s.Repo = &api.Repo{URL: r.url, Commit: commit, Branch: "main", Token: repoToken}
		for _, f := range change {
			f(s)
		}
	}
}

// changesOf stages what is put over a clone.
func changesOf(t *testing.T, store content.Store, files map[string]string, gone ...string) string {
	t.Helper()
	dir := t.TempDir()
	paths := gone
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
		paths = append(paths, name)
	}
	s, err := content.ScanPaths(t.Context(), dir, paths, 0)
	require.NoError(t, err)
	require.NoError(t, store.Stage(t.Context(), s.Manifest, content.FilesOf(dir)))
	return s.Digest()
}

func TestJobsCloneTheirRepository(t *testing.T) {
	m, r := start(t), serveRepo(t)
	m.run("a", "./main.sh; cat lib/x; git status --porcelain; git log --format=%H; git branch --show-current", r.at(r.second))
	require.Equal(t, api.StatusDone, m.finished("a").Status, m.finished("a").Message)
	require.Equal(t, "second\nx\n"+r.second+"\nmain\n", m.output("a"))
	// An older commit, which this server gives only to who takes all that leads to it.
	m.run("b", "./main.sh", r.at(r.first))
	require.Equal(t, api.StatusDone, m.finished("b").Status, m.finished("b").Message)
	require.Equal(t, "first\n", m.output("b"))

	store := content.Store(t.TempDir())
	changed := changesOf(t, store, map[string]string{"main.sh": "echo changed\n", "new/y": "y\n"}, "lib/old")
	m.send(store, changed)
	m.run("c", "sh main.sh; ls lib new; git status --porcelain", r.at(r.second, func(s *api.JobSpec) { s.Contents = []api.Content{{Digest: changed}} }))
	require.Equal(t, api.StatusDone, m.finished("c").Status, m.finished("c").Message)
	require.Equal(t, "changed\nlib:\nx\n\nnew:\ny\n D lib/old\n M main.sh\n?? new/\n", m.output("c"))

	job, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, &api.Repo{URL: r.url, Commit: r.second, Branch: "main"}, job.Spec.Repo)
	require.NoError(t, filepath.WalkDir(m.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NotContains(t, string(text), repoToken, name)
		}
		return nil // what goes meanwhile holds nothing
	}))
}

func TestClonesBelongToTheJobsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run jobs as somebody else")
	}
	m, r := start(t), serveRepo(t)
	m.run("a", "stat -c '%u:%g' . .git lib/x; echo 2 > lib/x; cat lib/x", r.at(r.second, func(s *api.JobSpec) {
		s.User = &api.User{UID: 65534, GID: 65534}
	}))
	require.Equal(t, api.StatusDone, m.finished("a").Status, m.finished("a").Message)
	require.Equal(t, strings.Repeat("65534:65534\n", 3)+"2\n", m.output("a"))
}

func TestRepositoriesThatCannotBeCloned(t *testing.T) {
	m, r := start(t), serveRepo(t)
	for name, tt := range map[string]struct {
		change func(*api.Repo)
		words  string
	}{
		"wrong-token":  {func(a *api.Repo) { a.Token = "canary-wrong" }, "the server does not accept the credentials"},
		"no-token":     {func(a *api.Repo) { a.Token = "" }, "the server asks for credentials, and there are none"},
		"not-there":    {func(a *api.Repo) { a.URL = strings.Replace(a.URL, "train", "none", 1) }, "there is no such repository"},
		"no-commit":    {func(a *api.Repo) { a.Commit = strings.Repeat("0", 40) }, "it has no commit 0000"},
		"not-answered": {func(a *api.Repo) { a.URL = "http://127.0.0.1:1/x" }, "the server does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			m.run(name, "true", r.at(r.second, func(s *api.JobSpec) { tt.change(s.Repo) }))
			job := m.finished(name)
			require.Equal(t, api.StatusFailed, job.Status)
			require.Equal(t, api.ReasonExecutorError, job.Reason)
			require.Contains(t, job.Message, "clone the job's code: repository ")
			require.Contains(t, job.Message, tt.words)
			require.NotContains(t, job.Message, "canary")
		})
	}
	for name, tt := range map[string]struct {
		change func(*api.Repo)
		words  string
	}{
		"a folder of the machine":    {func(a *api.Repo) { a.URL = "/etc" }, "it is neither https"},
		"credentials in an address":  {func(a *api.Repo) { a.URL = "https://ann:canary@example.com/x" }, "there are credentials in it"},
		"half a commit":              {func(a *api.Repo) { a.Commit = "0123" }, "40 hexadecimal digits"},
		"a branch that is an option": {func(a *api.Repo) { a.Branch = "--upload-pack=x" }, "can be no name of a branch"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.Submit(t.Context(), spec("refused", "true", r.at(r.second, func(s *api.JobSpec) { tt.change(s.Repo) })))
			require.Equal(t, api.KindInvalid, api.KindOf(err))
			require.ErrorContains(t, err, tt.words)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// clonesInContainers is part of TestDocker.
func clonesInContainers(t *testing.T, e *dockertest.Engine, program string) {
	m, r := docked(t, e, program), serveRepo(t)
	m.box("a", "pwd; sh main.sh; cat lib/x", r.at(r.second))
	require.Equal(t, api.StatusDone, m.finished("a").Status, m.finished("a").Message)
	require.Equal(t, api.OwnFolder+"\nsecond\nx\n", m.output("a"))
	m.box("b", "true", r.at(r.second, func(s *api.JobSpec) { s.Repo.Token = "wrong" }))
	require.Equal(t, api.StatusFailed, m.finished("b").Status)
	require.Contains(t, m.finished("b").Message, "the server does not accept the credentials")
	for _, id := range []string{"a", "b"} {
		require.NoError(t, m.Delete(t.Context(), id, true))
	}
}
