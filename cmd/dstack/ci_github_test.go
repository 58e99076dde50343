package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dstackai/dstack-planner/pullrequest/pulltest"
)

// workflow is as much of a workflow of GitHub as the example has.
type workflow struct {
	Permissions *map[string]string
	On          struct {
		Call struct {
			Inputs map[string]struct {
				Default  string
				Required bool
			}
		} `yaml:"workflow_call"`
	}
	Jobs map[string]workflowJob
}

type workflowJob struct {
	If          string
	Needs       string
	Uses        string
	With        map[string]string
	Permissions *map[string]string
	Environment string
	Outputs     map[string]string
	Defaults    struct {
		Run struct {
			Shell     string
			Directory string `yaml:"working-directory"`
		}
	}
	Steps []workflowStep
}

type workflowStep struct {
	ID, Name, If, Uses, Run, Shell string
	Directory                      string `yaml:"working-directory"`
	Env, With                      map[string]string
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "ci", name))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into))
}

func readWorkflow(t *testing.T) workflow {
	var w workflow
	readYAML(t, "github/dstack.yml", &w)
	require.NotEmpty(t, w.Jobs)
	return w
}

// onGitHub runs the jobs of the workflow as GitHub's runner does.
type onGitHub struct {
	*site
	workflow  workflow
	inputs    map[string]any
	fork      bool
	runs      int
	needs     map[string]any // outputs of the jobs that were run
	summaries string
}

func newGitHubPipeline(t *testing.T, s *site) *onGitHub {
	g := &onGitHub{site: s, workflow: readWorkflow(t), inputs: map[string]any{}}
	var caller workflow
	readYAML(t, "github/pull-request.yml", &caller)
	call := caller.Jobs["research"]
	require.Equal(t, "./.github/workflows/dstack.yml", call.Uses)
	for name, in := range g.workflow.On.Call.Inputs {
		g.inputs[name] = in.Default
		value, given := call.With[name]
		if given {
			g.inputs[name] = value
		}
		require.True(t, given || !in.Required, name)
	}
	for name := range call.With {
		require.Contains(t, g.inputs, name)
	}
	for job, p := range g.workflow.Jobs { // what a called workflow may do is bounded by what the caller may
		for what, may := range *p.Permissions {
			require.Equal(t, may, (*call.Permissions)[what], "%s needs %s", job, what)
		}
	}
	return g
}

func (g *onGitHub) plan(t *testing.T) jobRun {
	g.needs = map[string]any{}
	require.True(t, g.starts(t, "plan"))
	return g.job(t, "plan")
}

func (g *onGitHub) offered(t *testing.T) (string, bool) {
	if !g.starts(t, "apply") {
		return "", false
	}
	return fmt.Sprint(expand(t, g.workflow.Jobs["apply"].Environment, g.context())), true
}

func (g *onGitHub) apply(t *testing.T) jobRun { return g.job(t, "apply") }

// context is what expressions see.
func (g *onGitHub) context() map[string]any {
	return map[string]any{
		"inputs": g.inputs, "needs": g.needs, "secrets": map[string]any{"variables": "token = \"" + g.token + "\""},
		"github": map[string]any{"repository": "acme/gpu", "event": eventOf(g.fork), "token": g.host.Token},
	}
}

// starts tells whether a job is run at all.
func (g *onGitHub) starts(t *testing.T, name string) bool {
	job := g.workflow.Jobs[name]
	if job.Needs != "" {
		if _, ok := g.needs[job.Needs]; !ok {
			return false
		}
	}
	return truthy(evaluate(t, job.If, g.context()))
}

// job runs one, in a workspace of its own.
func (g *onGitHub) job(t *testing.T, name string) jobRun {
	t.Helper()
	g.runs++
	work := g.path(fmt.Sprintf("runner/%d/work", g.runs))
	temp := g.path(fmt.Sprintf("runner/%d/temp", g.runs))
	require.NoError(t, os.MkdirAll(temp, 0o755))
	require.NoError(t, os.MkdirAll(work, 0o755))
	job := g.workflow.Jobs[name]
	steps := map[string]any{}
	in := g.context()
	in["steps"], in["runner"] = steps, map[string]any{"temp": temp}
	files := map[string]string{}
	for _, f := range []string{"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH"} {
		files[f] = filepath.Join(temp, f)
	}
	event, err := json.Marshal(eventOf(g.fork))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files["GITHUB_EVENT_PATH"], event, 0o600))
	var whole jobRun
	for _, step := range job.Steps {
		if step.If != "" && !truthy(evaluate(t, step.If, in)) {
			continue
		}
		with := map[string]string{}
		for k, v := range step.With {
			with[k] = fmt.Sprint(expand(t, v, in))
		}
		action, _, _ := strings.Cut(step.Uses, "@")
		switch action {
		case "actions/checkout":
			g.clone(t, work)
			continue
		case "actions/upload-artifact":
			require.NoError(t, os.RemoveAll(g.path("artifacts/"+with["name"])))
			copyFile(t, filepath.Join(work, with["path"]), g.path("artifacts/"+with["name"]+"/"+filepath.Base(with["path"])))
			continue
		case "actions/download-artifact":
			require.NoError(t, os.CopyFS(with["path"], os.DirFS(g.path("artifacts/"+with["name"]))))
			continue
		case "":
		default:
			t.Fatalf("%s is not known here", step.Uses)
		}
		require.Equal(t, "bash", step.Shell+job.Defaults.Run.Shell)
		dir := work
		if d := step.Directory + job.Defaults.Run.Directory; d != "" {
			if dir = fmt.Sprint(expand(t, d, in)); !filepath.IsAbs(dir) {
				dir = filepath.Join(work, dir)
			}
		}
		environ := map[string]string{"GITHUB_WORKSPACE": work, "RUNNER_TEMP": temp, "GITHUB_SHA": g.git(t, "-C", "repo", "rev-parse", "HEAD"), "GITHUB_REF_NAME": "12/merge", "GITHUB_RUN_ID": "7"}
		maps.Copy(environ, jobOf(g.host, "github"))
		maps.Copy(environ, files)
		for k, v := range step.Env {
			environ[k] = fmt.Sprint(expand(t, v, in))
		}
		run := bash(t, step.Run, dir, environList(g.environ(), environ))
		whole.out += run.out
		require.NotContains(t, run.out, g.host.Token)
		require.NotContains(t, run.out, g.token)
		steps[step.ID] = map[string]any{"outputs": outputsOf(t, files["GITHUB_OUTPUT"])}
		if whole.code = run.code; run.code != 0 {
			break
		}
	}
	if text, err := os.ReadFile(files["GITHUB_STEP_SUMMARY"]); err == nil {
		g.summaries = string(text)
	}
	outputs := map[string]any{}
	for k, v := range job.Outputs {
		outputs[k] = expand(t, v, in)
	}
	if whole.code == 0 {
		g.needs[name] = map[string]any{"outputs": outputs}
	}
	return whole
}

func outputsOf(t *testing.T, path string) map[string]any {
	out := map[string]any{}
	text, err := os.ReadFile(path)
	if err != nil {
		return out // nothing was written
	}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		require.True(t, ok)
		out[name] = value
	}
	return out
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

// TestTheGitHubExampleShowsThePlanEverywhere looks at what one run writes beside the comment, and at whom it serves.
func TestTheGitHubExampleShowsThePlanEverywhere(t *testing.T) {
	s := newSite(t, pulltest.GitHub())
	g := newGitHubPipeline(t, s)
	g.fork = true
	g.needs = map[string]any{}
	require.False(t, g.starts(t, "plan"), "a fork is not planned where the credentials are")
	g.fork = false
	run := g.plan(t)
	require.Zero(t, run.code, "%s", run.out)
	require.Contains(t, run.out, "Plan: 5 create")
	require.Regexp(t, `(?m)^::notice file=infra/main.dstack.hcl,line=\d+,title=dstack plan::`, run.out)
	require.True(t, strings.HasPrefix(g.summaries, "### dstack plan of `research`: 5 create\n"))
	require.Contains(t, s.comment(t), "[main.dstack.hcl:16](https://github.example/acme/gpu/blob/")
	require.Contains(t, s.comment(t), "/infra/main.dstack.hcl#L16)")
}
