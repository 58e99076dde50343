package pullrequest

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
)

// Host is a kind of server on which pull requests are discussed.
type Host string

// The hosts that there are clients for.
const (
	GitHub Host = "github"
	GitLab Host = "gitlab"
)

// Hosts lists them.
func Hosts() []Host { return []Host{GitHub, GitLab} }

// Limit is how many bytes a comment may have. GitHub takes 65,536 characters and GitLab 1,000,000; what has no more bytes
// than that has no more characters in any way of counting.
func (h Host) Limit() int {
	if h == GitLab {
		return 999_000
	}
	return 65_000
}

// String is the host's name as it is written.
func (h Host) String() string {
	if h == GitLab {
		return "GitLab"
	}
	return "GitHub"
}

// Token is what a host is asked with. It prints as a placeholder, wherever it gets to.
type Token string

const hidden = "(token)"

// String hides the token.
func (Token) String() string { return hidden }

// GoString hides the token.
func (Token) GoString() string { return hidden }

// LogValue hides the token.
func (Token) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the token, in JSON as well.
func (Token) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Place is a pull request, or a merge request, and how it is written to.
type Place struct {
	Host    Host
	API     string // its URL: https://api.github.com, https://gitlab.com/api/v4
	Project string // owner/name on GitHub; the number or the path on GitLab
	Number  int64
	Web     string // URL of the page of the pull request; empty when it is not known
	Token   Token

	// ReadOnly says why the token of such a job cannot write, if that is known: the changes come from a fork.
	ReadOnly string
}

// Said is what a person says of the place. What is empty is learned from the environment.
type Said struct {
	Host    Host
	API     string
	Project string
	Number  int64
}

// Environment is what a job finds.
type Environment struct {
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error) // for the event that started a job on GitHub
}

// Find learns where the comment belongs. What is missing is an error that says how to give it.
func Find(said Said, env Environment) (Place, error) {
	host := said.Host
	switch {
	case host != "":
	case env.Getenv("GITHUB_ACTIONS") == "true":
		host = GitHub
	case env.Getenv("GITLAB_CI") == "true":
		host = GitLab
	default:
		return Place{}, diag.Errorf("It is not known where the pull request is", "This is no job of GitHub or GitLab, whose environment says it. Name the host, the repository and the pull request:\n  dstack comment --host github --repository OWNER/NAME --pull-request NUMBER PLAN\nThe token is taken from GITHUB_TOKEN or GITLAB_TOKEN, not from a flag, where other processes could read it.").Err()
	}
	var p Place
	var err error
	if host == GitLab {
		p, err = findGitLab(said, env)
	} else {
		p, err = findGitHub(said, env)
	}
	if err != nil {
		return Place{}, err
	}
	u, err := url.Parse(p.API)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Place{}, diag.Errorf("Address of the API is wrong", "%q is no address of an API of %s; one is https://HOST/PATH, without a name, a password or a query.", withoutPassword(p.API), host).Err()
	}
	return p, nil
}

// withoutPassword is an address that can be shown.
func withoutPassword(s string) string {
	if i := strings.LastIndex(s, "@"); i >= 0 {
		return "..." + s[i:]
	}
	return s
}

func first(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

var projectOnGitHub = regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9_.-]+$`)

func findGitHub(said Said, env Environment) (Place, error) {
	p := Place{
		Host: GitHub, Number: said.Number,
		API:     first(said.API, env.Getenv("GITHUB_API_URL"), "https://api.github.com"),
		Project: first(said.Project, env.Getenv("GITHUB_REPOSITORY")),
		Token:   Token(first(env.Getenv("GITHUB_TOKEN"), env.Getenv("GH_TOKEN"))),
	}
	if p.Project == "" {
		return p, diag.Errorf("It is not known where the pull request is", "GITHUB_REPOSITORY is not set. Name the repository with --repository OWNER/NAME.").Err()
	}
	if !projectOnGitHub.MatchString(p.Project) || strings.HasSuffix(p.Project, "/.") || strings.HasSuffix(p.Project, "/..") {
		return p, diag.Errorf("Repository is wrong", "A repository on GitHub is written OWNER/NAME; %q is not.", p.Project).Err()
	}
	e, err := eventOf(env)
	if err != nil {
		return p, err
	}
	if p.Number == 0 {
		p.Number = e.number()
	}
	if p.Number == 0 {
		p.Number = numberIn(env.Getenv("GITHUB_REF"))
	}
	if p.Number <= 0 {
		return p, diag.Errorf("This job is of no pull request", "%sRun it in a workflow that starts on pull_request, or name the pull request:\n  dstack comment --pull-request NUMBER PLAN", started(env.Getenv("GITHUB_EVENT_NAME"))).Err()
	}
	if server := env.Getenv("GITHUB_SERVER_URL"); server != "" {
		p.Web = fmt.Sprintf("%s/%s/pull/%d", server, p.Project, p.Number)
	}
	switch {
	case env.Getenv("GITHUB_EVENT_NAME") == "pull_request" && e.fork():
		p.ReadOnly = "the pull request comes from a fork, and the token of its jobs may only read"
	case env.Getenv("GITHUB_EVENT_NAME") == "pull_request" && env.Getenv("GITHUB_ACTOR") == "dependabot[bot]":
		p.ReadOnly = "the pull request comes from Dependabot, and the token of its jobs may only read"
	}
	if p.Token == "" {
		return p, diag.Errorf("There is no token", "A comment is written with the token in GITHUB_TOKEN, which is not set. In a workflow the job gives it to the step:\n  permissions:\n    pull-requests: write\n  steps:\n    - run: dstack comment PLAN\n      env:\n        GITHUB_TOKEN: ${{ github.token }}").Err()
	}
	return p, nil
}

func started(event string) string {
	if event == "" {
		return ""
	}
	return fmt.Sprintf("It was started by %q, which has none. ", event)
}

func findGitLab(said Said, env Environment) (Place, error) {
	p := Place{
		Host: GitLab, Number: said.Number,
		API: first(said.API, env.Getenv("CI_API_V4_URL"), "https://gitlab.com/api/v4"),
		// The pipeline of a fork's merge request runs in the fork, and the merge request is in the project that it is for.
		Project: first(said.Project, env.Getenv("CI_MERGE_REQUEST_PROJECT_ID"), env.Getenv("CI_PROJECT_ID")),
		Token:   Token(env.Getenv("GITLAB_TOKEN")),
	}
	if p.Project == "" {
		return p, diag.Errorf("It is not known where the merge request is", "CI_PROJECT_ID is not set. Name the project, by number or path, with --repository GROUP/NAME.").Err()
	}
	if p.Number == 0 {
		p.Number = number(env.Getenv("CI_MERGE_REQUEST_IID"))
	}
	if p.Number == 0 {
		p.Number = onlyOne(env.Getenv("CI_OPEN_MERGE_REQUESTS"), env.Getenv("CI_PROJECT_PATH"))
	}
	if p.Number <= 0 {
		return p, diag.Errorf("This job is of no merge request", "CI_MERGE_REQUEST_IID is set in pipelines of merge requests only. Give the job the rule\n  rules:\n    - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"\nor name the merge request:\n  dstack comment --pull-request NUMBER PLAN").Err()
	}
	if page := first(env.Getenv("CI_MERGE_REQUEST_PROJECT_URL"), env.Getenv("CI_PROJECT_URL")); page != "" && said.Project == "" {
		p.Web = fmt.Sprintf("%s/-/merge_requests/%d", page, p.Number)
	}
	if from := env.Getenv("CI_MERGE_REQUEST_SOURCE_PROJECT_ID"); from != "" && from != env.Getenv("CI_MERGE_REQUEST_PROJECT_ID") {
		p.ReadOnly = "the merge request comes from a fork, whose pipelines have the variables and the rights of the fork"
	}
	if p.Token == "" {
		return p, noGitLabToken(p, env.Getenv("CI_JOB_TOKEN") != "")
	}
	return p, nil
}

func noGitLabToken(p Place, job bool) error {
	why := "which is not set."
	if job {
		why = "which is not set. CI_JOB_TOKEN, which every job has, may not write comments."
	}
	if p.ReadOnly != "" {
		return diag.Errorf("There is no token", "A comment is written with the token in GITLAB_TOKEN, %s This is so because %s. Run the pipeline in the parent project, or read the plan in the log and the artifacts of the job.", why, p.ReadOnly).Err()
	}
	return diag.Errorf("There is no token", "A comment is written with the token in GITLAB_TOKEN, %s %s", why, gitLabToken).Err()
}

const gitLabToken = "Make a project access token with the role Reporter and the scope api (Settings, Access tokens), and keep it in a masked variable named GITLAB_TOKEN (Settings, CI/CD, Variables). A protected variable is there in pipelines of protected branches only."
