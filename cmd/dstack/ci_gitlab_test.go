package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// templateJob is as much of a job of GitLab as the example has.
type templateJob struct {
	Stage     string
	Needs     []string
	Variables map[string]string
	Script    []string
	Rules     []struct {
		If           string
		When         string
		AllowFailure bool `yaml:"allow_failure"`
	}
	Environment struct{ Name string }
	Artifacts   struct {
		When  string
		Paths []string
	}
}

// gitlabInputs are those of the example that includes the template.
var gitlabInputs = map[string]string{"name": "research", "directory": "infra", "environment": "research"}

// readTemplate reads the jobs of the template, with the inputs in their places.
func readTemplate(t *testing.T, inputs map[string]string) map[string]templateJob {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "examples", "ci", "gitlab", "dstack.yml"))
	require.NoError(t, err)
	head, body, ok := strings.Cut(string(raw), "\n---\n")
	require.True(t, ok)
	var spec struct {
		Spec struct {
			Inputs map[string]struct{ Default *string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(head), &spec))
	for name, in := range spec.Spec.Inputs {
		value, given := inputs[name]
		require.True(t, given || in.Default != nil, name)
		if !given {
			value = *in.Default
		}
		body = strings.ReplaceAll(body, "$[[ inputs."+name+" ]]", value)
	}
	require.NotContains(t, body, "$[[", "every input is declared")
	jobs := map[string]templateJob{}
	require.NoError(t, yaml.Unmarshal([]byte(body), &jobs))
	return jobs
}

// onGitLab runs the jobs of the template as GitLab's runner does.
type onGitLab struct {
	*site
	jobs map[string]templateJob
	runs int
	kept bool // there are artifacts of a plan
}

func newGitLabPipeline(t *testing.T, s *site) *onGitLab {
	var caller struct {
		Include []struct {
			Local  string
			Inputs map[string]string
		}
	}
	readYAML(t, "gitlab/merge-request.yml", &caller)
	require.Len(t, caller.Include, 1)
	require.Equal(t, gitlabInputs, caller.Include[0].Inputs)
	return &onGitLab{site: s, jobs: readTemplate(t, gitlabInputs)}
}

// variables are those that GitLab gives to a job of the merge request, and those of the project.
func (g *onGitLab) variables(work string) map[string]string {
	v := map[string]string{
		"CI_PROJECT_DIR": work, "CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "34",
		"CI_COMMIT_REF_NAME": "topic", "CI_JOB_URL": "https://gitlab.example/acme/gpu/-/jobs/7",
		"GITLAB_TOKEN": g.host.Token, "DSTACK_VAR_token": g.token,
	}
	maps.Copy(v, jobOf(g.host, "gitlab"))
	return v
}

func (g *onGitLab) plan(t *testing.T) jobRun { return g.job(t, "research plan") }

func (g *onGitLab) offered(t *testing.T) (string, bool) {
	job := g.jobs["research apply"]
	require.Len(t, job.Rules, 1)
	require.Equal(t, "manual", job.Rules[0].When)
	return job.Environment.Name, g.kept
}

func (g *onGitLab) apply(t *testing.T) jobRun { return g.job(t, "research apply") }

// rule tells whether a rule of the form $A == "a" && $B == $C holds.
func rule(t *testing.T, text string, variables map[string]string) bool {
	value := func(s string) string {
		s = strings.TrimSpace(s)
		if name, ok := strings.CutPrefix(s, "$"); ok {
			return variables[name]
		}
		require.Regexp(t, `^"[^"]*"$`, s)
		return strings.Trim(s, `"`)
	}
	for part := range strings.SplitSeq(text, "&&") {
		a, b, ok := strings.Cut(part, "==")
		require.True(t, ok, part)
		if value(a) != value(b) {
			return false
		}
	}
	return true
}

// job runs one, in a folder of its own with the artifacts of those before.
func (g *onGitLab) job(t *testing.T, name string) jobRun {
	t.Helper()
	job, ok := g.jobs[name]
	require.True(t, ok)
	g.runs++
	work := g.path(fmt.Sprintf("builds/%d", g.runs))
	variables := g.variables(work)
	require.True(t, rule(t, job.Rules[0].If, variables))
	fork := maps.Clone(variables)
	fork["CI_MERGE_REQUEST_SOURCE_PROJECT_ID"] = "55"
	require.False(t, rule(t, job.Rules[0].If, fork), "a fork is not planned where the credentials are")
	if job.Variables["GIT_STRATEGY"] == "none" {
		require.NoError(t, os.MkdirAll(work, 0o755))
	} else {
		g.clone(t, work)
		variables["CI_COMMIT_SHA"] = g.git(t, "-C", "repo", "rev-parse", "HEAD")
	}
	if len(job.Needs) > 0 {
		require.NoError(t, os.CopyFS(work, os.DirFS(g.path("kept"))))
	}
	maps.Copy(variables, job.Variables)
	run := bash(t, strings.Join(job.Script, "\n"), work, environList(g.environ(), variables))
	require.NotContains(t, run.out, g.host.Token)
	require.NotContains(t, run.out, g.token)
	if len(job.Artifacts.Paths) > 0 {
		require.Equal(t, "always", job.Artifacts.When, "what a policy denies can be read as well")
		require.NoError(t, os.RemoveAll(g.path("kept")))
		g.kept = true
		for _, p := range job.Artifacts.Paths {
			if _, err := os.Stat(filepath.Join(work, p)); err != nil {
				g.kept = false
				continue
			}
			copyFile(t, filepath.Join(work, p), g.path("kept/"+p))
		}
	}
	return run
}
