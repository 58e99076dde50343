package pullrequest_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/pullrequest"
)

// onGitHub and onGitLab are what jobs of pull requests find.
var (
	onGitHub = map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": "event.json", "GITHUB_REPOSITORY": "acme/gpu",
		"GITHUB_API_URL": "https://api.github.com", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REF": "refs/pull/12/merge", "GITHUB_TOKEN": "ghs_secret",
	}
	onGitLab = map[string]string{
		"GITLAB_CI": "true", "CI_API_V4_URL": "https://gitlab.com/api/v4", "CI_PROJECT_ID": "34", "CI_PROJECT_URL": "https://gitlab.com/acme/gpu", "CI_PROJECT_PATH": "acme/gpu",
		"CI_MERGE_REQUEST_IID": "12", "CI_MERGE_REQUEST_PROJECT_ID": "34", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "34", "CI_JOB_TOKEN": "job_secret", "GITLAB_TOKEN": "glpat_secret",
	}
)

func environment(of map[string]string, event string, changes map[string]string) pullrequest.Environment {
	return pullrequest.Environment{
		Getenv: func(name string) string {
			if v, ok := changes[name]; ok {
				return v
			}
			return of[name]
		},
		ReadFile: func(path string) ([]byte, error) {
			if path != "event.json" {
				return nil, fs.ErrNotExist
			}
			return []byte(event), nil
		},
	}
}

const (
	ofOwnBranch = `{"action":"synchronize","number":12,"pull_request":{"number":12,"head":{"repo":{"full_name":"acme/gpu"}},"base":{"repo":{"full_name":"acme/gpu"}}}}`
	ofFork      = `{"number":12,"pull_request":{"number":12,"head":{"repo":{"full_name":"mallory/gpu"}},"base":{"repo":{"full_name":"acme/gpu"}}}}`
	ofLostFork  = `{"number":12,"pull_request":{"number":12,"head":{"repo":null},"base":{"repo":{"full_name":"acme/gpu"}}}}`
)

func TestWhereAPullRequestIs(t *testing.T) {
	github := pullrequest.Place{Host: pullrequest.GitHub, API: "https://api.github.com", Project: "acme/gpu", Number: 12, Web: "https://github.com/acme/gpu/pull/12", Token: "ghs_secret"}
	gitlab := pullrequest.Place{Host: pullrequest.GitLab, API: "https://gitlab.com/api/v4", Project: "34", Number: 12, Web: "https://gitlab.com/acme/gpu/-/merge_requests/12", Token: "glpat_secret"}
	with := func(p pullrequest.Place, change func(*pullrequest.Place)) pullrequest.Place {
		change(&p)
		return p
	}
	for name, tc := range map[string]struct {
		of      map[string]string
		event   string
		changes map[string]string
		said    pullrequest.Said
		want    pullrequest.Place
	}{
		"a job of a pull request":                 {of: onGitHub, event: ofOwnBranch, want: github},
		"a job of a comment on one":               {of: onGitHub, event: `{"issue":{"number":12,"pull_request":{"url":"u"}}}`, changes: map[string]string{"GITHUB_EVENT_NAME": "issue_comment", "GITHUB_REF": "refs/heads/main"}, want: github},
		"a job that follows another one":          {of: onGitHub, event: `{"workflow_run":{"pull_requests":[{"number":12}]}}`, changes: map[string]string{"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_REF": "refs/heads/main"}, want: github},
		"a job of which only the reference tells": {of: onGitHub, event: `{}`, want: github},
		"a job without an event":                  {of: onGitHub, changes: map[string]string{"GITHUB_EVENT_PATH": ""}, want: github},
		"the token of the command line of GitHub": {of: onGitHub, event: ofOwnBranch, changes: map[string]string{"GITHUB_TOKEN": "", "GH_TOKEN": "ghs_secret"}, want: github},
		"a pull request of a fork": {of: onGitHub, event: ofFork, want: with(github, func(p *pullrequest.Place) {
			p.ReadOnly = "the pull request comes from a fork, and the token of its jobs may only read"
		})},
		"a pull request of a fork that was deleted": {of: onGitHub, event: ofLostFork, want: with(github, func(p *pullrequest.Place) {
			p.ReadOnly = "the pull request comes from a fork, and the token of its jobs may only read"
		})},
		"a fork's pull request, run with the rights of the repository": {of: onGitHub, event: ofFork, changes: map[string]string{"GITHUB_EVENT_NAME": "pull_request_target"}, want: github},
		"a pull request of Dependabot": {of: onGitHub, event: ofOwnBranch, changes: map[string]string{"GITHUB_ACTOR": "dependabot[bot]"}, want: with(github, func(p *pullrequest.Place) {
			p.ReadOnly = "the pull request comes from Dependabot, and the token of its jobs may only read"
		})},
		"a server of one's own": {of: onGitHub, event: ofOwnBranch, changes: map[string]string{"GITHUB_API_URL": "https://git.acme.example/api/v3", "GITHUB_SERVER_URL": "https://git.acme.example"}, want: with(github, func(p *pullrequest.Place) {
			p.API, p.Web = "https://git.acme.example/api/v3", "https://git.acme.example/acme/gpu/pull/12"
		})},
		"what is said wins": {of: onGitHub, event: ofOwnBranch, said: pullrequest.Said{Project: "acme/ml", Number: 3, API: "http://localhost:8080"}, want: with(github, func(p *pullrequest.Place) {
			p.API, p.Project, p.Number, p.Web = "http://localhost:8080", "acme/ml", 3, "https://github.com/acme/ml/pull/3"
		})},
		"by hand": {of: map[string]string{"GITHUB_TOKEN": "ghs_secret"}, said: pullrequest.Said{Host: pullrequest.GitHub, Project: "acme/gpu", Number: 12}, want: with(github, func(p *pullrequest.Place) {
			p.Web = ""
		})},
		"a job of a merge request":              {of: onGitLab, want: gitlab},
		"a job of a branch with one of its own": {of: onGitLab, changes: map[string]string{"CI_MERGE_REQUEST_IID": "", "CI_MERGE_REQUEST_PROJECT_ID": "", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "", "CI_OPEN_MERGE_REQUESTS": "acme/other!3,acme/gpu!12"}, want: gitlab},
		"a merge request of a fork, with a token": {of: onGitLab, changes: map[string]string{"CI_PROJECT_ID": "55", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "55", "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.com/acme/gpu"}, want: with(gitlab, func(p *pullrequest.Place) {
			p.ReadOnly = "the merge request comes from a fork, whose pipelines have the variables and the rights of the fork"
		})},
		"by hand on GitLab": {of: map[string]string{"GITLAB_TOKEN": "glpat_secret"}, said: pullrequest.Said{Host: pullrequest.GitLab, Project: "acme/gpu", Number: 12}, want: with(gitlab, func(p *pullrequest.Place) {
			p.Project, p.Web = "acme/gpu", ""
		})},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pullrequest.Find(tc.said, environment(tc.of, tc.event, tc.changes))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tc.want, got))
			require.Equal(t, string(tc.want.Token), string(got.Token))
		})
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		of      map[string]string
		event   string
		changes map[string]string
		said    pullrequest.Said
		want    string
	}{
		"no job":                             {want: "dstack comment --host github --repository OWNER/NAME --pull-request NUMBER PLAN"},
		"no repository":                      {of: onGitHub, changes: map[string]string{"GITHUB_REPOSITORY": ""}, want: "Name the repository with --repository OWNER/NAME"},
		"a repository without an owner":      {of: onGitHub, said: pullrequest.Said{Project: "gpu"}, want: `OWNER/NAME; "gpu" is not`},
		"a repository that leads elsewhere":  {of: onGitHub, said: pullrequest.Said{Project: "acme/.."}, want: `OWNER/NAME; "acme/.." is not`},
		"a repository with a query":          {of: onGitHub, said: pullrequest.Said{Project: "acme/gpu?x="}, want: "is not"},
		"no pull request":                    {of: onGitHub, event: `{"ref":"refs/heads/main"}`, changes: map[string]string{"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}, want: `It was started by "push", which has none.`},
		"an issue":                           {of: onGitHub, event: `{"issue":{"number":12}}`, changes: map[string]string{"GITHUB_REF": "refs/heads/main"}, want: "This job is of no pull request"},
		"several pull requests":              {of: onGitHub, event: `{"workflow_run":{"pull_requests":[{"number":1},{"number":2}]}}`, changes: map[string]string{"GITHUB_REF": "refs/heads/main"}, want: "dstack comment --pull-request NUMBER PLAN"},
		"an event that is no JSON":           {of: onGitHub, event: "x", want: "event.json, which is no event of GitHub"},
		"an event that is not there":         {of: onGitHub, changes: map[string]string{"GITHUB_EVENT_PATH": "gone.json"}, want: "GITHUB_EVENT_PATH names gone.json"},
		"no token":                           {of: onGitHub, event: ofOwnBranch, changes: map[string]string{"GITHUB_TOKEN": ""}, want: "GITHUB_TOKEN: ${{ github.token }}"},
		"an address without a host":          {of: onGitHub, event: ofOwnBranch, said: pullrequest.Said{API: "api.github.com"}, want: "one is https://HOST/PATH"},
		"an address with a password":         {of: onGitHub, event: ofOwnBranch, said: pullrequest.Said{API: "https://me:ghs_secret@api.github.com"}, want: `"...@api.github.com" is no address`},
		"an address of files":                {of: onGitLab, said: pullrequest.Said{API: "file:///etc/passwd"}, want: "is no address of an API of GitLab"},
		"no project":                         {of: map[string]string{"GITLAB_CI": "true"}, want: "--repository GROUP/NAME"},
		"no merge request":                   {of: onGitLab, changes: map[string]string{"CI_MERGE_REQUEST_IID": ""}, want: `if: $CI_PIPELINE_SOURCE == "merge_request_event"`},
		"a branch with two merge requests":   {of: onGitLab, changes: map[string]string{"CI_MERGE_REQUEST_IID": "", "CI_OPEN_MERGE_REQUESTS": "acme/gpu!1,acme/gpu!2"}, want: "This job is of no merge request"},
		"a number that is none":              {of: onGitLab, changes: map[string]string{"CI_MERGE_REQUEST_IID": "-4"}, want: "This job is of no merge request"},
		"the token of the job only":          {of: onGitLab, changes: map[string]string{"GITLAB_TOKEN": ""}, want: "CI_JOB_TOKEN, which every job has, may not write comments. Make a project access token"},
		"no token at all on GitLab":          {of: onGitLab, changes: map[string]string{"GITLAB_TOKEN": "", "CI_JOB_TOKEN": ""}, want: "GITLAB_TOKEN, which is not set. Make a project access token"},
		"no token in a fork's merge request": {of: onGitLab, changes: map[string]string{"GITLAB_TOKEN": "", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "55"}, want: "Run the pipeline in the parent project"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pullrequest.Find(tc.said, environment(tc.of, tc.event, tc.changes))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestATokenPrintsAsAPlaceholder(t *testing.T) {
	p := pullrequest.Place{Token: "ghs_secret"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", p.Token, "place", p)
	object, err := json.Marshal(p)
	require.NoError(t, err)
	for _, said := range []string{log.String(), string(object), fmt.Sprintf("%v %+v %#v %s %q", p, p, p, p.Token, p.Token)} {
		require.NotContains(t, said, "secret")
		require.Contains(t, said, "(token)")
	}
}

func FuzzEvent(f *testing.F) {
	for _, seed := range []string{ofOwnBranch, ofFork, ofLostFork, `{"issue":{"number":1e3}}`, `[]`, `null`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, event string) {
		p, err := pullrequest.Find(pullrequest.Said{}, environment(onGitHub, event, map[string]string{"GITHUB_REF": ""}))
		require.Equal(t, err == nil, p.Number > 0)
	})
}
