package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestWhereAConfigurationLives(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(root, "work", ".git"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "work", "infra", "gpu"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "elsewhere"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(root, "work"), filepath.Join(root, "link")))
	github := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": filepath.Join(root, "work"), "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/gpu",
		"GITHUB_SHA": "4be1d02a9cd1f6e7", "GITHUB_REF_NAME": "12/merge", "GITHUB_RUN_ID": "7",
	}
	gitlab := map[string]string{
		"GITLAB_CI": "true", "CI_PROJECT_DIR": filepath.Join(root, "link"), "CI_PROJECT_URL": "https://gitlab.com/acme/gpu", "CI_COMMIT_SHA": "4be1d02a9cd1f6e7",
		"CI_COMMIT_REF_NAME": "main", "CI_JOB_URL": "https://gitlab.com/acme/gpu/-/jobs/7",
	}
	for name, c := range map[string]struct {
		dir  string
		env  map[string]string
		want repository
	}{
		"at the top of a repository":             {"work", nil, repository{}},
		"below it":                               {"work/infra/gpu", nil, repository{folder: "infra/gpu"}},
		"through a link":                         {"link/infra/gpu", nil, repository{folder: "infra/gpu"}},
		"in no repository":                       {"elsewhere", nil, repository{}},
		"in a job on GitHub":                     {"work/infra", github, repository{"infra", "https://github.com/acme/gpu/blob/4be1d02a9cd1f6e7", "12/merge@4be1d02", "https://github.com/acme/gpu/actions/runs/7"}},
		"in a job on GitHub, outside of its own": {"elsewhere", github, repository{commit: "12/merge@4be1d02", run: "https://github.com/acme/gpu/actions/runs/7"}},
		"in a job on GitLab":                     {"work/infra", gitlab, repository{"infra", "https://gitlab.com/acme/gpu/-/blob/4be1d02a9cd1f6e7", "main@4be1d02", "https://gitlab.com/acme/gpu/-/jobs/7"}},
		"in a job that says nothing":             {"work/infra", map[string]string{"GITHUB_ACTIONS": "true"}, repository{folder: "infra"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Join(root, filepath.FromSlash(c.dir)))
			got := repositoryOf(func(name string) string { return c.env[name] })
			require.Empty(t, cmp.Diff(c.want, got, cmp.AllowUnexported(repository{})))
		})
	}
}

func TestFilesAreWrittenWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plan.md")
	require.NoError(t, writeFile(path, []byte("one")))
	require.NoError(t, writeFile(path, []byte("two")))
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(body))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is left behind")
	require.NoError(t, writable(path))
	require.EqualError(t, writable(dir), "it is a folder")
	require.Error(t, writable(filepath.Join(path, "x")), "below a file")
	require.Error(t, writable(filepath.Join(dir, "nowhere", "x")))
}
