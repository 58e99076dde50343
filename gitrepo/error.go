package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Kind says what is wrong, so that whoever tells people can say what to do.
type Kind string

// Kinds of errors.
const (
	BadURL         Kind = "bad url"
	BadCredentials Kind = "bad credentials" // they cannot be used at all
	NeedsToken     Kind = "needs token"     // the server asks who we are, and there is no token
	NeedsKey       Kind = "needs key"
	Refused        Kind = "refused"      // the server does not take the credentials
	UnknownHost    Kind = "unknown host" // its key is not among the known ones
	NotFound       Kind = "not found"
	Unreachable    Kind = "unreachable"
	Empty          Kind = "empty"
	NoBranch       Kind = "no branch"  // Names are branches with similar names
	NoCommit       Kind = "no commit"  // the repository does not have it
	Submodules     Kind = "submodules" // Names are their paths
	LargeFiles     Kind = "large files"
	Broken         Kind = "broken" // the server answers nonsense, or the connection broke
)

// Error says why a repository cannot be used.
type Error struct {
	Kind  Kind
	URL   string
	What  string   // in words
	Names []string // see the kinds
	Err   error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("repository %s: %s", e.URL, e.What)
	if len(e.Names) > 0 {
		text += ": " + strings.Join(e.Names[:min(3, len(e.Names))], ", ")
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// errStalled is the cause of a context that ended because the server said nothing for too long.
var errStalled = errors.New("it has said nothing for too long")

// explain makes an *Error of what an exchange with a server came to. said is what the server wrote beside it.
func (r Remote) explain(ctx context.Context, err error, said string) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errStalled) {
		return cause
	}
	text := r.clean(err.Error() + "\n" + said)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(strings.ToLower(text), p) })
	}
	out := &Error{URL: r.URL, Err: errors.New(r.clean(err.Error()))}
	var netErr net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(context.Cause(ctx), errStalled):
		out.Kind, out.What = Unreachable, "the server has said nothing for too long"
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		out.Kind, out.What = Empty, "there is no commit in it yet"
	case errors.Is(err, transport.ErrAuthenticationRequired) && r.Token == "":
		out.Kind, out.What = NeedsToken, "the server asks for credentials, and there are none; one that is not there may look like this as well"
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed), has("unable to authenticate", "permission denied", "access denied"):
		out.Kind, out.What = Refused, "the server does not accept the credentials"
	case errors.Is(err, transport.ErrRepositoryNotFound), has("repository not found", "does not appear to be a git repository", "does not exist", "could not be found"):
		out.Kind, out.What = NotFound, "there is no such repository, or it is hidden from these credentials"
	case has("no common algorithm for host key"):
		out.Kind, out.What = UnknownHost, "the host has no key of a kind by which it is known"
	case has("not our ref", "unadvertised object"):
		out.Kind, out.What = NoCommit, "it has no such commit"
	case errors.As(err, &dns):
		out.Kind, out.What = Unreachable, "the host name cannot be resolved"
	case has("certificate"):
		out.Kind, out.What = Unreachable, "the certificate of the server is not trusted: "+lastLine(text)
	case errors.As(err, &netErr), has("connection refused", "no route to host", "network is unreachable", "connection reset", "i/o timeout"):
		out.Kind, out.What = Unreachable, "the server does not answer: "+lastLine(text)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		out.Kind, out.What = Broken, "the connection broke"
		if said = lastLine(r.clean(said)); said != "" {
			out.What += "; the server said: " + said
		}
	default:
		out.Kind, out.What = Broken, "the server's answer cannot be used: "+lastLine(text)
	}
	return out
}

// clean takes what is secret and what is unprintable out of a text from elsewhere.
func (r Remote) clean(text string) string {
	for _, secret := range []string{r.Token, r.basic(), r.PrivateKey} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "...")
		}
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == 0x7f {
			return -1
		}
		return c
	}, text)
}

// lastLine is the end of what was said, in short.
func lastLine(text string) string {
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' })
	if len(lines) == 0 {
		return ""
	}
	line := strings.TrimSpace(lines[len(lines)-1])
	const most = 300
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "..."
	}
	return line
}
