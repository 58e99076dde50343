package pullrequest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/dstackai/dstack-planner/diag"
)

// onGitLab is the conversation of a merge request on GitLab, where comments are notes.
type onGitLab struct {
	client  *gitlab.Client
	project string
	number  int64
}

// atOnce is a limiter that never waits: patience does, when the host asks for it.
type atOnce struct{}

func (atOnce) Wait(context.Context) error { return nil }

func newGitLab(at Place, client *http.Client, o Options) (conversation, error) {
	c, err := gitlab.NewClient(string(at.Token), gitlab.WithBaseURL(at.API), gitlab.WithHTTPClient(client), gitlab.WithoutRetries(),
		gitlab.WithCustomLimiter(atOnce{}), gitlab.WithUserAgent(first(o.Agent, "dstack")), gitlab.WithURLWarningLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, diag.Errorf("Address of the API is wrong", "%s is no address of an API of GitLab: %v.", at.API, err).Err()
	}
	return &onGitLab{client: c, project: at.Project, number: at.Number}, nil
}

func (g *onGitLab) page(ctx context.Context, n int) ([]comment, int, error) {
	list, resp, err := g.client.Notes.ListMergeRequestNotes(g.project, g.number, &gitlab.ListMergeRequestNotesOptions{
		ListOptions: gitlab.ListOptions{Page: int64(n), PerPage: perPage}, OrderBy: new("created_at"), Sort: new("asc"),
	}, gitlab.WithContext(ctx))
	if err != nil {
		return nil, 0, refusedByGitLab(resp, err)
	}
	var out []comment
	for _, c := range list {
		if !c.System {
			out = append(out, fromGitLab(c))
		}
	}
	return out, int(resp.NextPage), nil
}

func (g *onGitLab) self(ctx context.Context) (int64, error) {
	u, resp, err := g.client.Users.CurrentUser(gitlab.WithContext(ctx))
	if err != nil {
		return 0, refusedByGitLab(resp, err)
	}
	return u.ID, nil
}

func (g *onGitLab) create(ctx context.Context, body string) (comment, error) {
	c, resp, err := g.client.Notes.CreateMergeRequestNote(g.project, g.number, &gitlab.CreateMergeRequestNoteOptions{Body: &body}, gitlab.WithContext(ctx))
	return fromGitLab(c), refusedByGitLab(resp, err)
}

func (g *onGitLab) update(ctx context.Context, id int64, body string) (comment, error) {
	c, resp, err := g.client.Notes.UpdateMergeRequestNote(g.project, g.number, id, &gitlab.UpdateMergeRequestNoteOptions{Body: &body}, gitlab.WithContext(ctx))
	return fromGitLab(c), refusedByGitLab(resp, err)
}

func (g *onGitLab) remove(ctx context.Context, id int64) error {
	resp, err := g.client.Notes.DeleteMergeRequestNote(g.project, g.number, id, gitlab.WithContext(ctx))
	return refusedByGitLab(resp, err)
}

// fromGitLab has no address, which GitLab does not tell.
func fromGitLab(c *gitlab.Note) comment {
	if c == nil {
		return comment{}
	}
	return comment{id: c.ID, author: c.Author.ID, login: c.Author.Username, body: c.Body}
}

// refusedByGitLab is an error of the client as an answer.
func refusedByGitLab(resp *gitlab.Response, err error) error {
	if err == nil {
		return nil
	}
	a := &answer{err: err}
	if resp == nil || resp.Response == nil {
		return a
	}
	a.status, a.header, a.limited = resp.StatusCode, resp.Header, resp.StatusCode == http.StatusTooManyRequests
	if e, ok := errors.AsType[*gitlab.ErrorResponse](err); ok && json.Valid(e.Body) {
		a.message = e.Message
	} else if a.status < 300 {
		a.message = err.Error()
	}
	return a
}
