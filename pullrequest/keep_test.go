package pullrequest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/pullrequest"
	"github.com/dstackai/dstack-planner/pullrequest/pulltest"
)

const marker = "<!-- dstack plan infra/research -->"

func text(s string) string { return "### dstack plan: " + s + "\n\nmore\n\n" + marker + "\n" }

// kept is the body as hosts keep it.
func kept(s string) string { return strings.TrimSpace(text(s)) }

// clock stands still but for those that sleep.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	sleeps []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.sleeps = append(c.sleeps, d)
	return ctx.Err()
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// job is a run of dstack comment against a host.
type job struct {
	host  *pulltest.Host
	place pullrequest.Place
	clock *clock
	said  *bytes.Buffer
	log   *bytes.Buffer
	opts  pullrequest.Options
}

func newJob(t *testing.T, h *pulltest.Host) *job {
	t.Cleanup(h.Close)
	j := &job{
		host: h, clock: &clock{now: noon}, said: &bytes.Buffer{}, log: &bytes.Buffer{},
		place: pullrequest.Place{Host: pullrequest.GitHub, API: h.API(), Project: "acme/gpu", Number: 12, Token: pullrequest.Token(h.Token)},
	}
	if strings.Contains(h.API(), "/v4") {
		j.place.Host, j.place.Project, j.place.Web = pullrequest.GitLab, "34", "https://gitlab.example/acme/gpu/-/merge_requests/12"
	}
	var mu sync.Mutex
	j.opts = pullrequest.Options{
		Clock: j.clock, Log: slog.New(slog.NewTextHandler(j.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Say: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(j.said, format+"\n", args...)
		},
	}
	return j
}

func (j *job) keep(t *testing.T, what string) (pullrequest.Kept, error) {
	t.Helper()
	return pullrequest.Keep(t.Context(), j.place, pullrequest.Comment{Marker: marker, Body: text(what)}, j.opts)
}

func (j *job) must(t *testing.T, what string) pullrequest.Kept {
	t.Helper()
	k, err := j.keep(t, what)
	require.NoError(t, err)
	return k
}

// bodies are the comments that stand there: "alice: looks good".
func (j *job) bodies() []string {
	var out []string
	for _, c := range j.host.Comments() {
		out = append(out, c.Author.Login+": "+c.Body)
	}
	return out
}

// onBoth runs a test on GitHub and on GitLab.
func onBoth(t *testing.T, test func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host)) {
	t.Run("GitHub", func(t *testing.T) { test(t, pulltest.GitHub) })
	t.Run("GitLab", func(t *testing.T) { test(t, pulltest.GitLab) })
}

func TestOneCommentIsMadeAndThenChangedInPlace(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start(pulltest.Comment{Author: pulltest.Alice, Body: "what will it cost?"}))
		me := j.host.Self.Login
		made := j.must(t, "2 create")
		require.Equal(t, pullrequest.Created, made.Outcome)
		require.Contains(t, []string{
			fmt.Sprintf("https://github.example/acme/gpu/pull/12#issuecomment-%d", made.ID),
			fmt.Sprintf("https://gitlab.example/acme/gpu/-/merge_requests/12#note_%d", made.ID),
		}, made.URL)
		require.Equal(t, []string{"alice: what will it cost?", me + ": " + kept("2 create")}, j.bodies())

		changed := j.must(t, "3 create")
		require.Equal(t, pullrequest.Kept{Outcome: pullrequest.Updated, ID: made.ID, URL: made.URL}, changed)
		require.Equal(t, []string{"alice: what will it cost?", me + ": " + kept("3 create")}, j.bodies())

		before := len(j.host.Requests())
		require.Equal(t, pullrequest.Kept{Outcome: pullrequest.Unchanged, ID: made.ID, URL: made.URL}, j.must(t, "3 create"))
		for _, r := range j.host.Requests()[before:] {
			require.NotRegexp(t, "PATCH|PUT|issues/12/comments POST", r, "the same plan edits nothing, so that nobody is notified")
		}
		require.Empty(t, j.clock.sleeps)
		require.NotContains(t, j.log.String()+j.said.String(), j.host.Token)
	})
}

func TestTheEarlierCommentIsFoundOnAnyPage(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		j.host.Pages = 3
		for n := range 7 {
			j.host.Add(pulltest.Comment{Author: pulltest.Alice, Body: fmt.Sprintf("remark %d", n)})
		}
		mine := j.host.Add(pulltest.Comment{Author: j.host.Self, Body: kept("1 create")})
		for n := range 5 {
			j.host.Add(pulltest.Comment{Author: pulltest.Alice, Body: fmt.Sprintf("later remark %d", n)})
		}
		got := j.must(t, "2 create")
		require.Equal(t, pullrequest.Updated, got.Outcome)
		require.Equal(t, mine, got.ID)
		require.Len(t, j.host.Comments(), 13)
	})
}

func TestWhoseCommentIsChanged(t *testing.T) {
	stranger := pulltest.Account{ID: 5, Login: "renovate[bot]", Bot: true}
	for name, tc := range map[string]struct {
		body   string
		author *pulltest.Account // that of the token when nil
		mute   bool
		want   pullrequest.Outcome
		says   string
	}{
		"an earlier one of this configuration":                {body: kept("1 create"), want: pullrequest.Updated},
		"with ends of lines of a browser":                     {body: strings.ReplaceAll(kept("1 create"), "\n", "\r\n") + "\r\n", want: pullrequest.Updated},
		"one of another configuration":                        {body: "### dstack plan\n\n<!-- dstack plan infra/prod -->", want: pullrequest.Created},
		"one of the configuration without a name":             {body: "### dstack plan\n\n<!-- dstack plan -->", want: pullrequest.Created},
		"a person's that quotes the marker in the middle":     {author: &pulltest.Alice, body: "why is\n" + marker + "\nthere?", want: pullrequest.Created},
		"a person's that quotes the whole":                    {author: &pulltest.Alice, body: "> " + strings.ReplaceAll(kept("1 create"), "\n", "\n> "), want: pullrequest.Created},
		"a person's that copies the whole":                    {author: &pulltest.Alice, body: kept("1 create"), want: pullrequest.Created, says: "written by alice: it is left alone"},
		"another program's that copies the whole":             {author: &stranger, body: kept("1 create"), want: pullrequest.Created, says: "written by renovate[bot]: it is left alone"},
		"an own one that ends in other words":                 {body: kept("1 create") + "\nedited by hand", want: pullrequest.Created},
		"a person's copy, and nobody says whose the token is": {author: &pulltest.Alice, mute: true, body: kept("1 create"), want: pullrequest.Created, says: "alice"},
		"a program's, and nobody says whose the token is":     {mute: true, body: kept("1 create"), want: pullrequest.Updated},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
				j := newJob(t, start())
				if tc.mute && j.place.Host == pullrequest.GitLab {
					t.Skip("every token of GitLab that may write tells whose it is")
				}
				j.host.Mute = tc.mute
				author := j.host.Self
				if tc.author != nil {
					author = *tc.author
				}
				id := j.host.Add(pulltest.Comment{Author: author, Body: tc.body})
				got := j.must(t, "2 create")
				require.Equal(t, tc.want, got.Outcome)
				require.Equal(t, tc.want == pullrequest.Updated, got.ID == id)
				if tc.want == pullrequest.Created {
					require.Equal(t, tc.body, j.host.Comments()[0].Body, "it is as it was")
				}
				require.Contains(t, j.said.String(), tc.says)
				if tc.says == "" {
					require.Empty(t, j.said.String())
				}
				require.Equal(t, pullrequest.Unchanged, j.must(t, "2 create").Outcome, "the next run finds it")
			})
		})
	}
}

func TestTwoConfigurationsHaveACommentEach(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		other := pullrequest.Comment{Marker: "<!-- dstack plan infra/prod -->", Body: "### dstack plan of prod\n\n<!-- dstack plan infra/prod -->\n"}
		j.must(t, "1 create")
		_, err := pullrequest.Keep(t.Context(), j.place, other, j.opts)
		require.NoError(t, err)
		require.Equal(t, pullrequest.Updated, j.must(t, "2 create").Outcome)
		me := j.host.Self.Login + ": "
		require.Equal(t, []string{me + kept("2 create"), me + strings.TrimSpace(other.Body)}, j.bodies())
	})
}

func TestLargestCommentIsTaken(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		room := j.place.Host.Limit() - len(marker) - 1
		c := pullrequest.Comment{Marker: marker, Body: strings.Repeat("é", room/2) + "\n" + marker}
		_, err := pullrequest.Keep(t.Context(), j.place, c, j.opts)
		require.NoError(t, err)
	})
}

// TestRunsThatBeginAtOnceLeaveOneComment lets runs look before any of them has made its comment, which none would find.
func TestRunsThatBeginAtOnceLeaveOneComment(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		const runs = 4
		j := newJob(t, start())
		var looked sync.WaitGroup
		looked.Add(runs)
		for range runs {
			j.host.Add(pulltest.Comment{Author: pulltest.Alice, Body: "remark"})
		}
		first := make(chan struct{}, runs) // the first look of each run
		for range runs {
			first <- struct{}{}
		}
		gate := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := http.DefaultTransport.RoundTrip(r)
			if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "/user") {
				select {
				case <-first:
					looked.Done()
					looked.Wait()
				default:
				}
			}
			return resp, err
		})
		j.opts.Transport = gate
		var wg sync.WaitGroup
		outcomes := make([]pullrequest.Kept, runs)
		errs := make([]error, runs)
		for n := range runs {
			wg.Go(func() {
				outcomes[n], errs[n] = pullrequest.Keep(t.Context(), j.place, pullrequest.Comment{Marker: marker, Body: text(fmt.Sprint(n, " create"))}, j.opts)
			})
		}
		wg.Wait()
		created := 0
		for n := range runs {
			require.NoError(t, errs[n])
			if outcomes[n].Outcome == pullrequest.Created {
				created++
			}
			require.Equal(t, outcomes[0].ID, outcomes[n].ID, "all name the one that stays")
		}
		require.Equal(t, 1, created, "all others found that they were not the first: %v", outcomes)
		require.Len(t, j.host.Comments(), runs+1)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCommentsThatARaceLeftAreTidied(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		var own []int64
		for n := range 3 {
			own = append(own, j.host.Add(pulltest.Comment{Author: j.host.Self, Body: kept(fmt.Sprint(n, " create"))}))
			j.host.Add(pulltest.Comment{Author: pulltest.Alice, Body: kept("0 create")})
		}
		got := j.must(t, "5 create")
		require.Equal(t, pullrequest.Updated, got.Outcome)
		require.Equal(t, own[0], got.ID)
		want := []string{j.host.Self.Login + ": " + kept("5 create"), "alice: " + kept("0 create"), "alice: " + kept("0 create"), "alice: " + kept("0 create")}
		require.Empty(t, cmp.Diff(want, j.bodies()))
	})
}

func TestACommentThatIsRemovedMeanwhileIsMadeAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, start func(...pulltest.Comment) *pulltest.Host) {
		j := newJob(t, start())
		old := j.must(t, "1 create")
		j.host.Trouble(func(r *http.Request) *pulltest.Reply {
			if r.Method == http.MethodPatch || r.Method == http.MethodPut {
				j.host.Remove(old.ID)
			}
			return nil
		})
		got := j.must(t, "2 create")
		require.Equal(t, pullrequest.Created, got.Outcome)
		require.NotEqual(t, old.ID, got.ID)
		require.Equal(t, []string{j.host.Self.Login + ": " + kept("2 create")}, j.bodies())
	})
}
