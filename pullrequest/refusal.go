package pullrequest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/dstackai/dstack-planner/diag"
)

// explain puts what went wrong into words, with what to do about it.
func (k *keeper) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if e, ok := errors.AsType[*limitError](err); ok {
		return k.overLimit(e).Err()
	}
	a, ok := errors.AsType[*answer](err)
	if !ok {
		return diag.Errorf("Comment cannot be written", "%s", k.clean(err.Error())).Err()
	}
	said := k.clean(a.message)
	if said != "" {
		said = fmt.Sprintf(" %s says: %s.", k.place.Host, strings.TrimSuffix(said, "."))
	}
	switch a.status {
	case 0:
		return diag.Errorf("Host cannot be reached", "%s: %s. It was tried several times. Run the job again when it answers, or name another address with --api.", k.place.API, strings.TrimSuffix(k.clean(a.err.Error()), ".")).Err()
	case http.StatusUnauthorized:
		return diag.Errorf("Token is refused", "%s does not know the token in %s: it is wrong, was revoked, or is over.%s %s", k.place.Host, k.variable(), said, k.newToken()).Err()
	case http.StatusForbidden:
		return k.forbidden(said).Err()
	case http.StatusNotFound, http.StatusGone:
		return diag.Errorf("Pull request cannot be found", "%s has no %s in %s that the token may see.%s Check the repository and the number; a token that may not see a repository gets the same answer as if there were none. %s", k.place.Host, k.subject(), k.place.Project, said, k.grant()).Err()
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return diag.Errorf("Comment is refused", "%s does not take the comment on %s in %s, which has %d bytes.%s To read the plan elsewhere:\n  dstack show --format markdown PLAN", k.place.Host, k.subject(), k.place.Project, len(k.comment.Body), said).Err()
	}
	if a.status < 300 {
		return diag.Errorf("Comment cannot be written", "%s gives an answer that cannot be used: %s. Is %s the address of its API?", k.place.Host, strings.TrimSuffix(k.clean(a.message), "."), k.place.API).Err()
	}
	if a.status >= 500 {
		return diag.Errorf("Host does not work", "%s answers %d %s to what is asked of %s in %s.%s It was tried several times. Run the job again when it works.", k.place.Host, a.status, http.StatusText(a.status), k.subject(), k.place.Project, said).Err()
	}
	return diag.Errorf("Comment cannot be written", "%s answers %d %s to what is asked of %s in %s.%s", k.place.Host, a.status, http.StatusText(a.status), k.subject(), k.place.Project, said).Err()
}

func (k *keeper) overLimit(e *limitError) diag.List {
	waited := ""
	if e.spent > 0 {
		waited = fmt.Sprintf(" %s were waited already.", e.spent.Round(time.Second))
	}
	return diag.Errorf("Host takes no more requests for now", "%s counts the requests of this token and takes none until %s, in %s, which is longer than the job may wait.%s Run it again then, or let it wait:\n  dstack comment --wait %s PLAN",
		k.place.Host, e.until.UTC().Format("15:04:05 UTC"), e.wait.Round(time.Second), waited, (e.spent + e.wait + time.Minute).Truncate(time.Minute))
}

func (k *keeper) forbidden(said string) diag.List {
	if k.place.ReadOnly != "" {
		where := "In a workflow the summary of the job can hold the plan, which needs no token:\n  dstack show --github-summary PLAN"
		if k.place.Host == GitLab {
			where = "Run the pipeline in the parent project, or read the plan in the log and the artifacts of the job."
		}
		return diag.Errorf("Token may not write comments", "There is no comment because %s.%s %s", k.place.ReadOnly, said, where)
	}
	if strings.Contains(strings.ToLower(said), "locked") {
		return diag.Errorf("Conversation is locked", "Nobody but maintainers may write on %s in %s.%s Unlock the conversation, or read the plan elsewhere:\n  dstack show --format markdown PLAN", k.subject(), k.place.Project, said)
	}
	return diag.Errorf("Token may not write comments", "The token in %s may not do that on %s in %s.%s %s", k.variable(), k.subject(), k.place.Project, said, k.grant())
}

// subject is the pull request, in the words of its host.
func (k *keeper) subject() string {
	if k.place.Host == GitLab {
		return fmt.Sprintf("merge request %d", k.place.Number)
	}
	return fmt.Sprintf("pull request %d", k.place.Number)
}

func (k *keeper) variable() string {
	if k.place.Host == GitLab {
		return "GITLAB_TOKEN"
	}
	return "GITHUB_TOKEN"
}

// grant is what a token must be allowed.
func (k *keeper) grant() string {
	if k.place.Host == GitLab {
		return gitLabToken
	}
	return "Give the job the right to write on pull requests:\n  permissions:\n    contents: read\n    pull-requests: write\nA token of a person or an app needs \"Pull requests: read and write\" on that repository; a classic one the scope repo."
}

// newToken is how one gets a token.
func (k *keeper) newToken() string {
	if k.place.Host == GitLab {
		return gitLabToken
	}
	return "In a workflow the job has one of its own:\n  env:\n    GITHUB_TOKEN: ${{ github.token }}"
}

// longestMessage is how much of what a host says is shown.
const longestMessage = 300

// clean is what a host said without the token, on one line.
func (k *keeper) clean(s string) string {
	if k.place.Token != "" {
		s = strings.ReplaceAll(s, string(k.place.Token), hidden)
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(s) > longestMessage {
		s = strings.ToValidUTF8(s[:longestMessage], "") + "..."
	}
	return s
}
