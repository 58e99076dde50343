package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dstackai/dstack-planner/pullrequest/pulltest"
)

type pullKey struct{}

// pullServer is the host of pull requests of a script, nil while there is none.
type pullServer struct{ *pulltest.Host }

// pullhost github|gitlab starts a host with one pull request, and sets the environment of a job of it but for the token,
// which it takes as $TOKEN.
func pullHost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "github" && args[0] != "gitlab" {
		ts.Fatalf("usage: pullhost github|gitlab")
	}
	h := pulltest.GitHub()
	if args[0] == "gitlab" {
		h.Close()
		h = pulltest.GitLab()
	}
	ts.Defer(h.Close)
	ts.Value(pullKey{}).(*pullServer).Host = h
	for name, value := range jobOf(h, args[0]) {
		ts.Setenv(name, value)
	}
	ts.Setenv("TOKEN", h.Token)
}

// jobOf is the environment of a job of the pull request of a host.
func jobOf(h *pulltest.Host, name string) map[string]string {
	if name == "gitlab" {
		return map[string]string{
			"GITHUB_ACTIONS": "", "GITLAB_CI": "true", "CI_API_V4_URL": h.API(), "CI_PROJECT_ID": "34", "CI_PROJECT_PATH": "acme/gpu",
			"CI_PROJECT_URL": "https://gitlab.example/acme/gpu", "CI_MERGE_REQUEST_IID": "12", "CI_MERGE_REQUEST_PROJECT_ID": "34", "CI_JOB_TOKEN": "of the job",
		}
	}
	return map[string]string{
		"GITLAB_CI": "", "GITHUB_ACTIONS": "true", "GITHUB_API_URL": h.API(), "GITHUB_REPOSITORY": "acme/gpu", "GITHUB_SERVER_URL": "https://github.example",
		"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/12/merge",
	}
}

func pullHostOf(ts *testscript.TestScript) *pulltest.Host {
	h := ts.Value(pullKey{}).(*pullServer).Host
	if h == nil {
		ts.Fatalf("there is no host; pullhost starts one")
	}
	return h
}

// comments prints what stands on the pull request.
func pullComments(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: comments")
	}
	for _, c := range pullHostOf(ts).Comments() {
		fmt.Fprintf(ts.Stdout(), "== %d by %s\n%s\n", c.ID, c.Author.Login, c.Body)
	}
}

// trouble METHOD STATUS BODY [HEADER=VALUE]... makes the host answer so to all requests with that method. trouble alone
// ends it.
func pullTrouble(ts *testscript.TestScript, neg bool, args []string) {
	h := pullHostOf(ts)
	if len(args) == 0 {
		h.Trouble(nil)
		return
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: trouble [METHOD STATUS BODY [HEADER=VALUE]...]")
	}
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	reply := pulltest.Reply{Status: status, Body: args[2], Header: map[string]string{}}
	for _, a := range args[3:] {
		name, value, _ := strings.Cut(a, "=")
		reply.Header[name] = value
	}
	h.Trouble(func(r *http.Request) *pulltest.Reply {
		if r.Method != args[0] {
			return nil
		}
		return &reply
	})
}
