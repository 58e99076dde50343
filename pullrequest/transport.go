package pullrequest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// errRedirected is the end of a redirect that is not followed.
var errRedirected = errors.New("it redirects")

// client is what requests are made with: each has an end, and a redirect to another host, which would get the token, is
// not followed.
func client(at Place, o Options) *http.Client {
	next := o.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &http.Client{
		Timeout:   longestAnswer,
		Transport: logged{next: next, log: o.Log.With("host", string(at.Host)), clock: o.Clock},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return fmt.Errorf("%w more than 5 times", errRedirected)
			}
			if before := via[0].URL; req.URL.Host != before.Host || req.URL.Scheme != before.Scheme {
				return fmt.Errorf("%w to another host, %s://%s, which is not asked with this token", errRedirected, req.URL.Scheme, req.URL.Host)
			}
			return nil
		},
	}
}

// logged logs requests, without what they carry.
type logged struct {
	next  http.RoundTripper
	log   *slog.Logger
	clock Clock
}

func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	began := l.clock.Now()
	resp, err := l.next.RoundTrip(req)
	attrs := []any{"op", req.Method, "path", req.URL.Path, "duration", l.clock.Now().Sub(began).Round(time.Millisecond)}
	if err != nil {
		l.log.DebugContext(req.Context(), "request failed", append(attrs, "error", err)...)
		return resp, err
	}
	l.log.DebugContext(req.Context(), "request", append(attrs, "status", resp.StatusCode)...)
	return resp, nil
}
