package statefile

import (
	"fmt"
	"strings"
	"time"
)

// Holder says who holds the lock of a state, where, since when and what for.
type Holder struct {
	User string `json:"user,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	// Since is when the lock was taken.
	Since time.Time `json:"since,omitzero"`
	// Operation is the command, such as apply.
	Operation string `json:"operation,omitempty"`
	// Run is the address of the CI run, or the name of the CI system if it has none.
	Run string `json:"run,omitempty"`
	// Plan is the id of the plan that is being applied, if there is one.
	Plan string `json:"plan,omitempty"`
}

// NewHolder describes this process. Getenv is asked for what CI systems tell
// about the run that they are in.
func NewHolder(operation, user, host string, pid int, since time.Time, getenv func(string) string) Holder {
	return Holder{
		User: user, Host: host, PID: pid, Operation: operation, Run: ciRun(getenv),
		Since: since.UTC().Truncate(time.Second),
	}
}

// ciRun is where a person can look at the CI run that getenv's environment
// belongs to, "" outside of CI.
func ciRun(getenv func(string) string) string {
	if server, repo, id := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY"), getenv("GITHUB_RUN_ID"); server != "" && repo != "" && id != "" {
		return server + "/" + repo + "/actions/runs/" + id
	}
	for _, name := range []string{"CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL"} {
		if url := getenv(name); url != "" {
			return url
		}
	}
	if ci := getenv("CI"); ci != "" && ci != "false" && ci != "0" {
		return "CI"
	}
	return ""
}

// Who is user@host, the short form that is kept with each change.
func (h Holder) Who() string {
	switch {
	case h.User != "" && h.Host != "":
		return h.User + "@" + h.Host
	case h.User != "":
		return h.User
	default:
		return h.Host
	}
}

// String is one line for people: ana@laptop (pid 4711), apply, since 2026-05-01 14:02:11 UTC.
func (h Holder) String() string {
	var b strings.Builder
	who := h.Who()
	if who == "" {
		who = "somebody unknown"
	}
	b.WriteString(who)
	if h.PID != 0 {
		fmt.Fprintf(&b, " (pid %d)", h.PID)
	}
	if h.Operation != "" {
		b.WriteString(", " + h.Operation)
	}
	if !h.Since.IsZero() {
		b.WriteString(", since " + h.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if h.Run != "" {
		b.WriteString(", " + h.Run)
	}
	return b.String()
}
