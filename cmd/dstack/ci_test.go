package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/pullrequest/pulltest"
)

// site is where the examples of examples/ci run: a repository with the configuration in infra, a pull request, and a
// runner that keeps the state.
type site struct {
	root  string
	host  *pulltest.Host
	token string // the value of a sensitive variable
}

// pipeline runs the jobs of an example.
type pipeline interface {
	// plan runs the job that a push to the pull request starts.
	plan(t *testing.T) jobRun
	// offered tells whether the job that applies waits for approval, and in which environment.
	offered(t *testing.T) (environment string, ok bool)
	// apply runs that job, once somebody has approved it.
	apply(t *testing.T) jobRun
}

// jobRun is what became of a job.
type jobRun struct {
	code int
	out  string // stdout and stderr, as the log shows them
}

func newSite(t *testing.T, host *pulltest.Host) *site {
	t.Cleanup(host.Close)
	s := &site{root: t.TempDir(), host: host, token: "xyzzy-canary-4711"}
	s.git(t, "init", "--quiet", "--initial-branch=topic", s.path("repo"))
	require.NoError(t, os.MkdirAll(s.path("repo/infra"), 0o755))
	config, err := os.ReadFile("../../examples/ci/main.dstack.hcl")
	require.NoError(t, err)
	s.commit(t, "main.dstack.hcl", string(config))
	s.commit(t, "secret.dstack.hcl", `
variable "token" { sensitive = true }

task "secret" {
  backends = ["local"]
  commands = ["true"]
  env      = { TOKEN = var.token }
}
`)
	t.Cleanup(func() {
		out, err := s.dstack(t, "destroy", "--auto-approve").CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

func (s *site) git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = s.root
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.root, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=alice", "GIT_AUTHOR_EMAIL=alice@acme.example", "GIT_COMMITTER_NAME=alice", "GIT_COMMITTER_EMAIL=alice@acme.example"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "git %v\n%s", args, out)
	return strings.TrimSpace(string(out))
}

// commit writes a file of the configuration on the branch of the pull request.
func (s *site) commit(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.path("repo/infra/"+name), []byte(text), 0o644))
	s.git(t, "-C", "repo", "add", ".")
	s.git(t, "-C", "repo", "commit", "--quiet", "-m", name)
}

// edit commits a change of main.dstack.hcl.
func (s *site) edit(t *testing.T, before, after string) {
	t.Helper()
	text, err := os.ReadFile(s.path("repo/infra/main.dstack.hcl"))
	require.NoError(t, err)
	require.Contains(t, string(text), before)
	s.commit(t, "main.dstack.hcl", strings.Replace(string(text), before, after, 1))
}

// environ is the environment of the runner.
func (s *site) environ() map[string]string {
	return map[string]string{
		"PATH": bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME": s.path("home"), "DSTACK_HOME": s.path("home/dstack"),
		"DSTACK_VAR_state": s.path("state"), "CI": "true",
	}
}

// dstack is a command that somebody calls by hand on the runner, in the branch of the pull request.
func (s *site) dstack(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, "dstack"), args...)
	cmd.Dir = s.path("repo/infra")
	cmd.Env = environList(s.environ(), map[string]string{"DSTACK_VAR_token": s.token})
	return cmd
}

func environList(of ...map[string]string) []string {
	var out []string
	for _, m := range of {
		for name, value := range m {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// resources lists what is recorded.
func (s *site) resources(t *testing.T) []string {
	t.Helper()
	out, err := s.dstack(t, "state", "list").Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// clone is a checkout of the branch, as jobs have it.
func (s *site) clone(t *testing.T, into string) {
	t.Helper()
	s.git(t, "clone", "--quiet", s.path("repo"), into)
}

// bash runs a script as a job does.
func bash(t *testing.T, script, dir string, environ []string) jobRun {
	t.Helper()
	file := filepath.Join(t.TempDir(), "step.sh")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", file)
	cmd.Dir, cmd.Env = dir, environ
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return jobRun{cmd.ProcessState.ExitCode(), string(out)}
}

// comment is the only one on the pull request.
func (s *site) comment(t *testing.T) string {
	t.Helper()
	list := s.host.Comments()
	require.Len(t, list, 1, "every plan is in the same comment")
	return list[0].Body
}

// headline is the first line of the comment.
func (s *site) headline(t *testing.T) string {
	line, _, _ := strings.Cut(s.comment(t), "\n")
	return line
}

// TestCIExamples runs the example of each host from a branch to what runs: planned, shown, approved, applied elsewhere.
func TestCIExamples(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) (*site, pipeline){
		"GitHub": func(t *testing.T) (*site, pipeline) {
			s := newSite(t, pulltest.GitHub())
			return s, newGitHubPipeline(t, s)
		},
		"GitLab": func(t *testing.T) (*site, pipeline) {
			s := newSite(t, pulltest.GitLab())
			return s, newGitLabPipeline(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ci := start(t)
			planned := func(headline string) {
				t.Helper()
				run := ci.plan(t)
				require.Zero(t, run.code, "%s", run.out)
				require.Equal(t, headline, s.headline(t))
				require.True(t, strings.HasSuffix(s.comment(t), "\n<!-- dstack plan research -->"))
			}
			offered := func(environment string) {
				t.Helper()
				got, ok := ci.offered(t)
				require.True(t, ok)
				require.Equal(t, environment, got)
			}

			planned("### dstack plan of `research`: 5 create")
			require.Contains(t, s.comment(t), "to apply: `dstack apply dstack.plan`")
			offered("research")
			require.Empty(t, s.resources(t), "nothing is applied before somebody approves")
			applied := ci.apply(t)
			require.Zero(t, applied.code, "%s", applied.out)
			require.Contains(t, applied.out, "Apply finished: 5 done")
			require.Contains(t, s.resources(t), "volume.data")

			planned("### dstack plan of `research`: no changes")

			// The plan that was reviewed is stale once somebody has changed what it is about.
			s.edit(t, `size    = "20GB"`, `size    = "30GB"`)
			planned("### dstack plan of `research`: 1 update")
			s.edit(t, `size    = "30GB"`, `size    = "40GB"`)
			out, err := s.dstack(t, "apply", "--auto-approve").CombinedOutput()
			require.NoError(t, err, "%s", out)
			stale := ci.apply(t)
			require.Equal(t, 5, stale.code, "%s", stale.out)
			require.Contains(t, stale.out, "Plan is stale")
			require.Contains(t, stale.out, "for a new plan, and review that.")

			// What destroys is for reviewers of its own, where there are such.
			s.edit(t, "task \"train\"", "task \"trained\"")
			run := ci.plan(t)
			require.Zero(t, run.code, "%s", run.out)
			require.Regexp(t, "^### dstack plan of `research`: .*destroy", s.headline(t))
			require.Contains(t, s.comment(t), "> [!CAUTION]")
			offered(map[string]string{"GitHub": "research-risk", "GitLab": "research"}[name])

			// What a policy denies is shown, and cannot be applied.
			s.edit(t, "plan.summary.create <= 10", "plan.summary.create <= 0")
			run = ci.plan(t)
			require.Equal(t, 6, run.code, "%s", run.out)
			require.Contains(t, s.headline(t), "denied by 1 policy")
			before := s.resources(t)
			if _, ok := ci.offered(t); ok { // where a job that waits to be started is always there
				denied := ci.apply(t)
				require.Equal(t, 6, denied.code, "%s", denied.out)
			}
			require.Equal(t, before, s.resources(t))

			// What is no plan is no comment.
			comment := s.comment(t)
			s.edit(t, "volume \"data\"", "volum \"data\"")
			run = ci.plan(t)
			require.Equal(t, 1, run.code, "%s", run.out)
			require.Equal(t, comment, s.comment(t))
			s.edit(t, "volum \"data\"", "volume \"data\"")

			s.holdsNoSecret(t)
		})
	}
}

// holdsNoSecret looks for the sensitive variable and the token in all that is left behind.
func (s *site) holdsNoSecret(t *testing.T) {
	t.Helper()
	for _, c := range s.host.Comments() {
		require.NotContains(t, c.Body, s.token)
	}
	files := 0
	require.NoError(t, filepath.WalkDir(s.root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, filepath.Join("home", "dstack", "local")) {
			return err // a job has its environment, on the machine where it runs
		}
		files++
		data, err := os.ReadFile(path)
		require.NotContains(t, string(data), s.token, path)
		require.NotContains(t, string(data), s.host.Token, path)
		return err
	}))
	require.Greater(t, files, 20)
}

// TestCIExamplesGetNothingUntrustedIntoScripts reads the scripts: a title or a branch that is put into a script as text
// could be a program.
func TestCIExamplesGetNothingUntrustedIntoScripts(t *testing.T) {
	w := readWorkflow(t)
	pinned := regexp.MustCompile(`^[a-z]+/[a-z-]+@[0-9a-f]{40}$`)
	runs := 0
	for _, job := range w.Jobs {
		require.NotNil(t, job.Permissions, "each job says what its token may do")
		for _, step := range job.Steps {
			require.NotContains(t, step.Run, "${{", step.Name)
			if step.Uses != "" {
				require.Regexp(t, pinned, step.Uses)
			}
			if step.Run != "" {
				runs++
			}
		}
	}
	require.Equal(t, 4, runs)
	require.Equal(t, map[string]string{}, *w.Permissions)
	for name, job := range readTemplate(t, gitlabInputs) {
		for _, line := range job.Script {
			require.NotContains(t, line, "$[[", name)
			require.NotContains(t, line, "CI_MERGE_REQUEST_TITLE", name)
		}
	}
}

// eventOf is what GitHub tells a job of the pull request.
func eventOf(fork bool) map[string]any {
	from := "acme/gpu"
	if fork {
		from = "mallory/gpu"
	}
	repo := func(name string) map[string]any {
		return map[string]any{"repo": map[string]any{"full_name": name}}
	}
	return map[string]any{"number": 12, "pull_request": map[string]any{"number": 12, "head": repo(from), "base": repo("acme/gpu")}}
}
