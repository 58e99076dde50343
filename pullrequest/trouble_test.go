package pullrequest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/pullrequest"
	"github.com/dstackai/dstack-planner/pullrequest/pulltest"
)

// times gives a reply to the first requests that match, "GET" or "POST /comments".
func times(n int, match string, reply pulltest.Reply) func(*http.Request) *pulltest.Reply {
	method, path, _ := strings.Cut(match, " ")
	return func(r *http.Request) *pulltest.Reply {
		if n == 0 || r.Method != method || !strings.Contains(r.URL.Path, path) {
			return nil
		}
		n--
		return &reply
	}
}

const secondary = `{"message":"You have exceeded a secondary rate limit. Wait a few minutes before you try again.","documentation_url":"https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`

func TestRateLimitsAreWaitedFor(t *testing.T) {
	date := noon.Add(90 * time.Second).Format(http.TimeFormat) // the clock of the host goes before ours
	for name, tc := range map[string]struct {
		start func(...pulltest.Comment) *pulltest.Host
		reply pulltest.Reply
		times int
		want  []time.Duration
	}{
		"GitHub's primary limit, until a time of its own clock": {
			pulltest.GitHub, pulltest.Reply{Status: 403, Body: `{"message":"API rate limit exceeded"}`, Header: map[string]string{
				"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(noon.Add(130 * time.Second).Unix()), "Date": date,
			}}, 1, []time.Duration{41 * time.Second},
		},
		"GitHub's primary limit with code 429": {
			pulltest.GitHub, pulltest.Reply{Status: 429, Body: `{"message":"API rate limit exceeded"}`, Header: map[string]string{
				"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(noon.Add(100 * time.Second).Unix()), "Date": date,
			}}, 2, []time.Duration{11 * time.Second, 11 * time.Second},
		},
		"GitHub's limit that is over already": {
			pulltest.GitHub, pulltest.Reply{Status: 403, Body: `{}`, Header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1", "Date": date}}, 1, []time.Duration{time.Second},
		},
		"GitHub's secondary limit that says how long": {
			pulltest.GitHub, pulltest.Reply{Status: 403, Body: secondary, Header: map[string]string{"Retry-After": "30"}}, 2, []time.Duration{31 * time.Second, 31 * time.Second},
		},
		"GitHub's secondary limit that does not, longer each time": {
			pulltest.GitHub, pulltest.Reply{Status: 403, Body: secondary}, 2, []time.Duration{time.Minute, 2 * time.Minute},
		},
		"GitHub's secondary limit as an older server tells it": {
			pulltest.GitHub, pulltest.Reply{Status: 403, Body: `{"message":"You have exceeded a secondary rate limit"}`}, 1, []time.Duration{time.Minute},
		},
		"GitLab's limit, in seconds": {
			pulltest.GitLab, pulltest.Reply{Status: 429, Body: "Retry later\n", Header: map[string]string{"Retry-After": "20"}}, 1, []time.Duration{21 * time.Second},
		},
		"GitLab's limit, until a date": {
			pulltest.GitLab, pulltest.Reply{Status: 429, Body: "Retry later\n", Header: map[string]string{"Retry-After": noon.Add(100 * time.Second).Format(http.TimeFormat), "Date": date}}, 1, []time.Duration{11 * time.Second},
		},
		"GitLab's limit, until a reset": {
			pulltest.GitLab, pulltest.Reply{Status: 429, Header: map[string]string{"RateLimit-Reset": fmt.Sprint(noon.Add(95 * time.Second).Unix()), "Date": date}}, 1, []time.Duration{6 * time.Second},
		},
		"a limit that makes no sense": {
			pulltest.GitLab, pulltest.Reply{Status: 429, Header: map[string]string{"Retry-After": "soon", "RateLimit-Reset": "later"}}, 1, []time.Duration{time.Minute},
		},
	} {
		for _, request := range []string{"GET /", "POST /12/"} { // looking, and writing
			t.Run(name+", on "+request, func(t *testing.T) {
				j := newJob(t, tc.start())
				match := strings.Replace(request, "/12/", map[pullrequest.Host]string{pullrequest.GitHub: "/comments", pullrequest.GitLab: "/notes"}[j.place.Host], 1)
				j.host.Trouble(times(tc.times, match, tc.reply))
				require.Equal(t, pullrequest.Created, j.must(t, "1 create").Outcome)
				require.Equal(t, tc.want, j.clock.sleeps)
				require.Len(t, j.host.Comments(), 1)
				require.Equal(t, tc.times, strings.Count(j.said.String(), "counts requests and takes none for"))
			})
		}
	}
}

func TestRateLimitsThatLastLongerAreErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		patience time.Duration
		seconds  string
		want     string
		sleeps   int
	}{
		"longer than one waits":         {0, "900", "none until 12:15:01 UTC, in 15m1s, which is longer than the job may wait. Run it again then, or let it wait:\n  dstack comment --wait 16m0s PLAN", 0},
		"again and again":               {0, "140", "none until 12:07:03 UTC, in 2m21s, which is longer than the job may wait. 4m42s were waited already.", 2},
		"any, where one waits for none": {-1, "1", "in 2s, which is longer than the job may wait", 0},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
				j := newJob(t, start())
				j.opts.Patience = tc.patience
				j.host.Trouble(times(-1, "GET /", pulltest.Reply{Status: 429, Header: map[string]string{"Retry-After": tc.seconds}}))
				_, err := j.keep(t, "1 create")
				require.ErrorContains(t, err, "Host takes no more requests for now")
				require.ErrorContains(t, err, tc.want)
				require.Len(t, j.clock.sleeps, tc.sleeps)
				require.Empty(t, j.host.Comments())
			})
		})
	}
}

func TestFailuresThatPassAreTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		match string
		reply pulltest.Reply
		times int
	}{
		"looking fails":                     {"GET /12/", pulltest.Reply{Status: 502, Body: "<html>Bad gateway</html>"}, 3},
		"looking ends in the middle":        {"GET /12/", pulltest.Reply{Close: true}, 2},
		"looking gives half an answer":      {"GET /12/", pulltest.Reply{Status: 200, Body: `[{"id": 1, "body"`}, 2},
		"making fails before it is done":    {"POST /12/", pulltest.Reply{Status: 500, Body: `{"message":"500 Internal Server Error"}`}, 2},
		"making fails after it is done":     {"POST /12/", pulltest.Reply{Status: 502, After: true}, 1},
		"the answer to making is lost":      {"POST /12/", pulltest.Reply{Close: true, After: true}, 1},
		"the answer to making is half":      {"POST /12/", pulltest.Reply{Status: 201, Body: `{"id":`, After: true}, 1},
		"looking after making fails":        {"GET /12/", pulltest.Reply{Status: 503}, 3},
		"the question whose it is is empty": {"POST /graphql", pulltest.Reply{Status: 502}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
				j := newJob(t, start(pulltest.Comment{Author: pulltest.Alice, Body: "remark"}))
				j.host.Trouble(times(tc.times, tc.match, tc.reply))
				require.Equal(t, pullrequest.Created, j.must(t, "1 create").Outcome)
				require.Equal(t, []string{"alice: remark", j.host.Self.Login + ": " + kept("1 create")}, j.bodies(), "there is one, not two")
				j.host.Trouble(times(2, "PATCH", pulltest.Reply{Status: 503, After: true}))
				require.Equal(t, pullrequest.Updated, j.must(t, "2 create").Outcome)
				require.Len(t, j.host.Comments(), 2)
			})
		})
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	const fork = "the pull request comes from a fork, and the token of its jobs may only read"
	reply := func(status int, message string) pulltest.Reply {
		body, err := json.Marshal(map[string]string{"message": message})
		require.NoError(t, err)
		return pulltest.Reply{Status: status, Body: string(body)}
	}
	for name, tc := range map[string]struct {
		start    func(...pulltest.Comment) *pulltest.Host
		match    string
		reply    pulltest.Reply
		readOnly string
		want     []string
	}{
		"a wrong token on GitHub": {
			pulltest.GitHub, "GET /", reply(401, "Bad credentials"), "",
			[]string{"Token is refused", "GITHUB_TOKEN", "GitHub says: Bad credentials.", "GITHUB_TOKEN: ${{ github.token }}"},
		},
		"a wrong token on GitLab": {
			pulltest.GitLab, "GET /", reply(401, "401 Unauthorized"), "",
			[]string{"Token is refused", "GITLAB_TOKEN", "the scope api", "role Reporter"},
		},
		"a job that may not write on GitHub": {
			pulltest.GitHub, "POST /12/", reply(403, "Resource not accessible by integration"), "",
			[]string{"Token may not write comments", "pull request 12 in acme/gpu", "Resource not accessible by integration", "permissions:\n    contents: read\n    pull-requests: write", `"Pull requests: read and write"`},
		},
		"a job of a fork on GitHub": {
			pulltest.GitHub, "POST /12/", reply(403, "Resource not accessible by integration"), fork,
			[]string{"Token may not write comments", "comes from a fork", "dstack show --github-summary PLAN"},
		},
		"a job of a fork on GitLab": {
			pulltest.GitLab, "POST /12/", reply(403, "403 Forbidden"), "the merge request comes from a fork",
			[]string{"Token may not write comments", "comes from a fork", "parent project"},
		},
		"a token without the scope on GitLab": {
			pulltest.GitLab, "POST /12/", pulltest.Reply{Status: 403, Body: `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token."}`}, "",
			[]string{"Token may not write comments", "merge request 12 in 34", "insufficient_scope", "the scope api"},
		},
		"a conversation that is locked": {
			pulltest.GitHub, "POST /12/", reply(403, "Unable to create comment because issue is locked."), "",
			[]string{"Conversation is locked", "Unlock"},
		},
		"a pull request that is not there": {
			pulltest.GitHub, "GET /", reply(404, "Not Found"), "",
			[]string{"Pull request cannot be found", "no pull request 12 in acme/gpu that the token may see", "pull-requests: write"},
		},
		"a merge request that is not there": {
			pulltest.GitLab, "GET /", reply(404, "404 Not found"), "",
			[]string{"Pull request cannot be found", "no merge request 12 in 34 that the token may see"},
		},
		"a comment that GitHub does not take": {
			pulltest.GitHub, "POST /12/", pulltest.Reply{Status: 422, Body: `{"message":"Validation Failed","errors":[{"resource":"IssueComment","code":"unprocessable","field":"data","message":"Body is too long (maximum is 65536 characters)"}]}`}, "",
			[]string{"Comment is refused", "Validation Failed; Body is too long (maximum is 65536 characters)", "dstack show --format markdown PLAN"},
		},
		"a comment that GitLab does not take": {
			pulltest.GitLab, "POST /12/", pulltest.Reply{Status: 400, Body: `{"message":{"note":["is too long"]}}`}, "",
			[]string{"Comment is refused", "is too long"},
		},
		"a host that does not work": {
			pulltest.GitHub, "GET /", pulltest.Reply{Status: 503, Body: "<html>" + strings.Repeat("no", 5000)}, "",
			[]string{"Host does not work", "GitHub answers 503 Service Unavailable", "tried several times"},
		},
		"a host that says something else": {
			pulltest.GitHub, "GET /", reply(451, "Repository access blocked"), "",
			[]string{"Comment cannot be written", "451 Unavailable For Legal Reasons", "Repository access blocked"},
		},
		"a host that never makes it": {
			pulltest.GitLab, "POST /12/", pulltest.Reply{Status: 500, Body: "oops"}, "",
			[]string{"Host does not work", "GitLab answers 500"},
		},
		"a host that gives something else": {
			pulltest.GitHub, "GET /", pulltest.Reply{Status: 200, Body: "<html>log in first</html>"}, "",
			[]string{"Comment cannot be written", "GitHub gives an answer that cannot be used: invalid character '<'"},
		},
		"pages that go round": {
			pulltest.GitLab, "GET /", pulltest.Reply{Status: 200, Body: "[]", Header: map[string]string{"X-Next-Page": "1"}}, "",
			[]string{"page 1 of the comments is followed by page 1"},
		},
		"an answer with escape sequences": {
			pulltest.GitHub, "GET /", reply(403, "no\x1b[2J\n::error::way"), "",
			[]string{"GitHub says: no [2J ::error::way."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, tc.start())
			j.place.ReadOnly = tc.readOnly
			j.host.Trouble(times(-1, tc.match, tc.reply))
			_, err := j.keep(t, "1 create")
			require.Error(t, err)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			require.Less(t, len(err.Error()), 1500)
			require.Empty(t, j.host.Comments())
		})
	}
}

func TestTheTokenIsInNoErrorAndNoLog(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		for _, status := range []int{400, 401, 403, 404, 418, 422, 500, 302, 200} {
			j := newJob(t, start())
			echo := pulltest.Reply{Status: status, Body: fmt.Sprintf(`{"message":"no such token: %s"}`, j.host.Token), Header: map[string]string{"Location": "https://" + j.host.Token + ".example/"}}
			j.host.Trouble(times(-1, "GET /", echo))
			_, err := j.keep(t, "1 create")
			require.Error(t, err)
			said := err.Error() + j.log.String() + j.said.String() + fmt.Sprintf("%v %+v %#v", j.place, j.place, j.place)
			require.NotContains(t, said, j.host.Token, "%d", status)
		}
	})
}

func TestTheTokenDoesNotFollowRedirectsToOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		got := make(chan *http.Request, 10)
		other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
		defer other.Close()
		j := newJob(t, start())
		j.host.Trouble(times(-1, "GET /", pulltest.Reply{Status: 307, Header: map[string]string{"Location": other.URL}}))
		_, err := j.keep(t, "1 create")
		require.ErrorContains(t, err, "it redirects to another host, "+other.URL+", which is not asked with this token")
		require.Empty(t, got)
		require.Empty(t, j.clock.sleeps, "and is not tried again")
	})
}

func TestAHostThatIsNotThere(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		j.host.Close()
		_, err := j.keep(t, "1 create")
		require.ErrorContains(t, err, "Host cannot be reached")
		require.ErrorContains(t, err, "connection refused")
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, j.clock.sleeps)
	})
}

func TestAnInterruptEndsWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		ctx, cancel := context.WithCancel(t.Context())
		j.host.Trouble(func(*http.Request) *pulltest.Reply {
			cancel()
			return &pulltest.Reply{Status: 429, Header: map[string]string{"Retry-After": "60"}}
		})
		_, err := pullrequest.Keep(ctx, j.place, pullrequest.Comment{Marker: marker, Body: text("x")}, j.opts)
		require.True(t, errors.Is(err, context.Canceled), "%v", err)
	})
}
