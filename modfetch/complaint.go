package modfetch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// complaints are what git says, by the parts of it that stay the same, and what that means. The first that fits is
// taken, so those that others would also fit come last.
var complaints = []struct {
	says    string // a regular expression
	summary string
	detail  string // begins after "Fetching %s ..."; names the source itself
}{
	{`transport '[^']*' not allowed|protocol '[^']*' is not supported`, "Transport is not allowed",
		"Git would have used a transport that modules are not fetched by: only https and ssh are. Perhaps an insteadOf in your Git configuration, or GIT_ALLOW_PROTOCOL, leads there:\n  git config --show-origin --get-regexp 'url.*insteadof'"},
	{`Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED`, "Host is not known",
		"SSH does not know the key of this host, or it has changed. Connect once by hand and compare its key with the one that the host publishes:\n  ssh -T %[2]s"},
	{`SSL certificate problem|server certificate verification failed|certificate verify failed|unable to get local issuer`, "Certificate is not trusted",
		"The certificate of the server is not trusted by Git. If it is your own server, let Git know its authority:\n  git config --global http.https://%[3]s/.sslCAInfo FILE"},
	{`Could not resolve host|Temporary failure in name resolution|Name or service not known`, "Host cannot be found",
		"The name %[3]s cannot be resolved: there is no network, no proxy is set (HTTPS_PROXY), or the name is wrong. Sources that were fetched before need no network."},
	{`Connection refused|Connection timed out|Operation timed out|Network is unreachable|No route to host|Failed to connect|Couldn't connect|Connection reset|Recv failure|early EOF|the remote end hung up unexpectedly`, "Server cannot be reached",
		"The server does not answer, or the connection broke. Sources that were fetched before need no network. Try again, or see by hand:\n  git ls-remote %[4]s"},
	{`Authentication failed|could not read (Username|Password)|terminal prompts disabled|Permission denied|HTTP Basic: Access denied|returned error: 40[13]|HTTP 40[13]|Invalid username or (password|token)`, "Repository cannot be read with these credentials",
		"The server asks who you are, and Git has no credentials that it accepts; nothing is asked here. Set up a credential helper or an SSH key, until this works without a question:\n  git ls-remote %[4]s"},
	{`[Rr]epository .*not found|not found|does not exist|does not appear to be a git repository|returned error: 404|project you were looking for could not be found`, "Repository is not there",
		"There is no such repository, or it is private and Git has no credentials for it: servers tell the two apart on purpose not. See by hand:\n  git ls-remote %[4]s"},
	{`mismatched algorithms|hash algorithm`, "Repository uses another hash",
		"The repository uses a hash that this version of Git cannot mix with what is pinned. Use Git 2.42 or later, or pin it again:\n  dstack init --upgrade"},
}

// explain makes the diagnostic of an error in fetching a source.
func explain(err error, s modsource.Source, timeout time.Duration) error {
	var ge *gitError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return diag.Errorf("Git is not installed", "Modules from repositories are fetched by Git, and there is no program git on the PATH. Install it, or put the module into a folder and call it by its path.").Err()
	case errors.Is(err, context.DeadlineExceeded):
		return diag.Errorf("Fetching took too long", "%s was not fetched in %s, so fetching it was given up. See by hand whether the server answers:\n  git ls-remote %s", s, timeout, s.Repo).Err()
	case !errors.As(err, &ge):
		return err
	}
	for _, c := range complaints {
		if regexp.MustCompile(c.says).MatchString(ge.stderr) {
			return diag.Errorf(c.summary, "%s cannot be fetched. "+c.detail+"\nGit said: %[5]s", s, login(s.Repo), host(s.Repo), s.Repo, ge.said()).Err()
		}
	}
	return diag.Errorf("Module cannot be fetched", "%s cannot be fetched: %s. See by hand:\n  git ls-remote %s", s, strings.TrimSuffix(ge.Error(), "."), s.Repo).Err()
}

var (
	inURL   = regexp.MustCompile(`://[^/@\s']+@`)
	chatter = regexp.MustCompile(`^(hint|remote: (Enumerating|Counting|Compressing|Total)|Receiving|Resolving|warning: redirecting)`)
)

// said is what git complained of, on one line, without credentials that the user's own configuration may have put into
// addresses.
func (e *gitError) said() string {
	var out []string
	for line := range strings.Lines(e.stderr) {
		line = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, strings.TrimSpace(line))
		if line == "" || chatter.MatchString(line) {
			continue
		}
		line = strings.TrimPrefix(strings.TrimPrefix(line, "fatal: "), "error: ")
		out = append(out, inURL.ReplaceAllString(line, "://...@"))
	}
	text := strings.Join(out[max(0, len(out)-6):], "; ")
	if len(text) > 600 {
		text = text[:600] + "..."
	}
	return text
}

// host is the machine in an address.
func host(repo string) string {
	rest := repo
	if _, after, ok := strings.Cut(repo, "://"); ok {
		rest = after
	} else if before, _, ok := strings.Cut(repo, ":"); ok {
		rest = before
	}
	rest, _, _ = strings.Cut(rest, "/")
	if _, after, ok := strings.Cut(rest, "@"); ok {
		rest = after
	}
	return rest
}

// login is what ssh would be called with.
func login(repo string) string {
	rest := strings.TrimPrefix(repo, "ssh://")
	if !strings.Contains(repo, "://") {
		rest, _, _ = strings.Cut(rest, ":")
	}
	rest, _, _ = strings.Cut(rest, "/")
	if name, port, ok := strings.Cut(rest, ":"); ok {
		return "-p " + port + " " + name
	}
	return rest
}

// notOffered tells whether a server refused to give a commit that no ref points to, or cannot give a single one.
func notOffered(err error) bool {
	ge, ok := errors.AsType[*gitError](err)
	return ok && regexp.MustCompile(`not our ref|unadvertised object|no such remote ref|couldn't find remote ref|shallow capabilities|does not support --depth|Server does not allow request`).MatchString(ge.stderr)
}

// noCommit says that what was pinned or asked for is not in the repository.
func noCommit(s modsource.Source, commit string, pinned bool) error {
	if pinned {
		return diag.Errorf("Pinned commit is gone", "%s has no commit %s any more, which the lock file pins: its history was rewritten, or what pointed to it was moved. If what is there now is right, take it:\n  dstack init --upgrade", s, fmt.Sprintf("%.12s", commit)).Err()
	}
	return diag.Errorf("Commit is not in the repository", "%s has no commit %s that can be fetched. Check it with:\n  git ls-remote %s", s, commit, s.Repo).Err()
}
