package pullrequest

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
)

// event is what GitHub tells a job about what started it, as far as it is of a pull request.
type event struct {
	Number      int64 `json:"number"`
	PullRequest *struct {
		Number int64 `json:"number"`
		Head   side  `json:"head"`
		Base   side  `json:"base"`
	} `json:"pull_request"`
	Issue *struct {
		Number      int64           `json:"number"`
		PullRequest json.RawMessage `json:"pull_request"`
	} `json:"issue"`
	WorkflowRun *struct {
		PullRequests []struct {
			Number int64 `json:"number"`
		} `json:"pull_requests"`
	} `json:"workflow_run"`
}

// side is where changes come from, or go to.
type side struct {
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"` // null when the fork was deleted
}

// eventOf reads the file that GITHUB_EVENT_PATH names. Without it nothing is known.
func eventOf(env Environment) (event, error) {
	var e event
	path := env.Getenv("GITHUB_EVENT_PATH")
	if path == "" {
		return e, nil
	}
	data, err := env.ReadFile(path)
	if err != nil {
		return e, diag.Errorf("Event of the job cannot be read", "GITHUB_EVENT_PATH names %s: %v.", path, err).Err()
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, diag.Errorf("Event of the job cannot be read", "GITHUB_EVENT_PATH names %s, which is no event of GitHub: %v.", path, err).Err()
	}
	return e, nil
}

// number is that of the pull request, 0 when the event is of none, or of several.
func (e event) number() int64 {
	switch {
	case e.PullRequest != nil:
		return max(e.PullRequest.Number, e.Number)
	case e.Issue != nil && len(e.Issue.PullRequest) > 0 && string(e.Issue.PullRequest) != "null":
		return e.Issue.Number
	case e.WorkflowRun != nil && len(e.WorkflowRun.PullRequests) == 1:
		return e.WorkflowRun.PullRequests[0].Number
	}
	return 0
}

// fork tells whether the changes come from another repository.
func (e event) fork() bool {
	if e.PullRequest == nil || e.PullRequest.Base.Repo == nil {
		return false
	}
	head := e.PullRequest.Head.Repo
	return head == nil || !strings.EqualFold(head.FullName, e.PullRequest.Base.Repo.FullName)
}

var pullRef = regexp.MustCompile(`^refs/pull/([0-9]+)/(?:merge|head)$`)

// numberIn is the number in a reference such as refs/pull/12/merge.
func numberIn(ref string) int64 {
	if m := pullRef.FindStringSubmatch(ref); m != nil {
		return number(m[1])
	}
	return 0
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// onlyOne is the number of the only merge request of a project in a list such as "group/a!3,group/b!4".
func onlyOne(list, project string) int64 {
	var found int64
	for item := range strings.SplitSeq(list, ",") {
		path, n, ok := strings.Cut(strings.TrimSpace(item), "!")
		if !ok || path != project {
			continue
		}
		if found != 0 {
			return 0
		}
		found = number(n)
	}
	return found
}
