package pullrequest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/go-github/v92/github"

	"github.com/dstackai/dstack-planner/diag"
)

// perPage is how many comments a host gives at once, at most.
const perPage = 100

// onGitHub is the conversation of a pull request on GitHub, which has its comments as an issue has.
type onGitHub struct {
	client      *github.Client
	owner, name string
	number      int
}

func newGitHub(at Place, client *http.Client, o Options) (conversation, error) {
	base := strings.TrimSuffix(at.API, "/") + "/"
	// Rate limits are waited for by patience, which knows a bound.
	c, err := github.NewClient(github.WithHTTPClient(client), github.WithURLs(&base, nil), github.WithAuthToken(string(at.Token)),
		github.WithUserAgent(first(o.Agent, "dstack")), github.WithDisableRateLimitCheck())
	if err != nil {
		return nil, diag.Errorf("Address of the API is wrong", "%v.", err).Err()
	}
	owner, name, _ := strings.Cut(at.Project, "/")
	return &onGitHub{client: c, owner: owner, name: name, number: int(at.Number)}, nil
}

func (g *onGitHub) page(ctx context.Context, n int) ([]comment, int, error) {
	list, resp, err := g.client.Issues.ListComments(ctx, g.owner, g.name, g.number, &github.IssueListCommentsOptions{
		ListOptions: github.ListOptions{Page: n, PerPage: perPage},
	})
	if err != nil {
		return nil, 0, refusedByGitHub(resp, err)
	}
	out := make([]comment, 0, len(list))
	for _, c := range list {
		out = append(out, fromGitHub(c))
	}
	return out, resp.NextPage, nil
}

// self asks GraphQL, which tells an app's token whose it is, too; /user does not.
func (g *onGitHub) self(ctx context.Context) (int64, error) {
	path := "graphql"
	if strings.HasSuffix(g.client.BaseURL(), "/api/v3/") { // GitHub Enterprise Server
		path = "../graphql"
	}
	req, err := g.client.NewRequest(ctx, http.MethodPost, path, map[string]string{"query": "query { viewer { databaseId } }"})
	if err != nil {
		return 0, err
	}
	var got struct {
		Data struct {
			Viewer struct {
				DatabaseID int64 `json:"databaseId"`
			} `json:"viewer"`
		} `json:"data"`
	}
	if resp, err := g.client.Do(req, &got); err != nil {
		return 0, refusedByGitHub(resp, err)
	}
	return got.Data.Viewer.DatabaseID, nil
}

func (g *onGitHub) create(ctx context.Context, body string) (comment, error) {
	c, resp, err := g.client.Issues.CreateComment(ctx, g.owner, g.name, g.number, github.IssueCommentRequest{Body: body})
	return fromGitHub(c), refusedByGitHub(resp, err)
}

func (g *onGitHub) update(ctx context.Context, id int64, body string) (comment, error) {
	c, resp, err := g.client.Issues.UpdateComment(ctx, g.owner, g.name, id, github.IssueCommentRequest{Body: body})
	return fromGitHub(c), refusedByGitHub(resp, err)
}

func (g *onGitHub) remove(ctx context.Context, id int64) error {
	resp, err := g.client.Issues.DeleteComment(ctx, g.owner, g.name, id)
	return refusedByGitHub(resp, err)
}

func fromGitHub(c *github.IssueComment) comment {
	u := c.GetUser()
	return comment{id: c.GetID(), author: u.GetID(), login: u.GetLogin(), app: u.GetType() == "Bot", body: c.GetBody(), url: c.GetHTMLURL()}
}

// refusedByGitHub is an error of the client as an answer.
func refusedByGitHub(resp *github.Response, err error) error {
	if err == nil {
		return nil
	}
	a := &answer{err: err}
	if resp == nil || resp.Response == nil || errors.Is(err, errRedirected) {
		return a
	}
	a.status, a.header = resp.StatusCode, resp.Header
	if e, ok := errors.AsType[*github.ErrorResponse](err); ok {
		a.message = e.Message
		for _, detail := range e.Errors {
			if detail.Message != "" && !strings.Contains(a.message, detail.Message) {
				a.message += "; " + detail.Message
			}
		}
		a.limited = limitedBy(a)
		return a
	}
	if e, ok := errors.AsType[*github.RateLimitError](err); ok {
		a.message, a.limited = e.Message, true
		return a
	}
	if e, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		a.message, a.limited = e.Message, true
		return a
	}
	if a.status < 300 { // what it says cannot be read
		a.message = err.Error()
	}
	return a
}

// limitedBy tells a rate limit from a refusal of another sort with the same code.
func limitedBy(a *answer) bool {
	switch a.status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		return a.header.Get("Retry-After") != "" || strings.Contains(strings.ToLower(a.message), "secondary rate limit")
	}
	return false
}
