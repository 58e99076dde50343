package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// proxy leads requests to replicas.
type proxy struct {
	table   *table
	stats   *stats
	log     *slog.Logger
	forward *httputil.ReverseProxy
}

func newProxy(t *table, s *stats, log *slog.Logger) *proxy {
	p := &proxy{table: t, stats: s, log: log}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = r.In.Host // replaced by the turn
			r.Out.Host = r.In.Host
		},
		// Answers are passed on as they come, which streams need.
		FlushInterval: -1,
		Transport: &turns{next: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, DisableCompression: true,
		}},
		ErrorHandler: p.failed,
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

func (p *proxy) close() {
	p.forward.Transport.(*turns).next.CloseIdleConnections()
}

// ServeHTTP answers a request from the replica whose turn it is.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, domain, _ := p.table.config()
	service, ok := serviceOf(r.Host, domain)
	if !ok && isGateway(r.Host, domain) {
		if service, ok = servicePath(r.URL.Path); ok && !strings.HasPrefix(r.URL.Path, api.ServicePath+service+"/") {
			to := *r.URL
			to.Path, to.RawPath = r.URL.Path+"/", ""
			http.Redirect(w, r, to.RequestURI(), http.StatusPermanentRedirect) // so that relative links lead into the service
			return
		}
	} else if ok && service == modelHost && !p.table.known(service) {
		p.serveModels(w, r)
		return
	}
	var routes []pick
	if ok {
		routes, ok = p.table.replicas(service)
	}
	if !ok {
		say(w, http.StatusNotFound, "There is no service at %s on this gateway. Services are at NAME.%s, and at %s%sNAME/.", r.Host, domain, domain, api.ServicePath)
		return
	}
	counted := p.stats.begin(service, w)
	defer counted.end()
	w = counted
	// Whoever is not asked in the end is let go at once, so that its removal does not wait for this request.
	open := routes
	defer func() { p.table.done(open...) }()
	if auth, digests := access(routes); auth {
		token, given := bearer(r)
		switch {
		case !given:
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+service+`"`)
			say(w, http.StatusUnauthorized, "Service %s asks for a token: send it as \"Authorization: Bearer TOKEN\".", service)
			return
		case !accepted(token, digests):
			say(w, http.StatusForbidden, "Service %s does not take this token.", service)
			return
		}
	}
	if len(routes) == 0 {
		w.Header().Set("Retry-After", "5")
		say(w, http.StatusServiceUnavailable, "Service %s has no replica now.", service)
		return
	}
	p.lead(w, r, routes, &open)
}

// lead sends a request to one of the routes. open are those that are open for it; the one that takes it stays so.
func (p *proxy) lead(w http.ResponseWriter, r *http.Request, routes []pick, open *[]pick) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	keep := func() bool { return true }
	defer func() { keep() }()
	choice := &choice{routes: routes, chosen: func(to pick) {
		for _, other := range *open {
			if other.live != to.live {
				p.table.done(other)
			}
		}
		*open = []pick{to}
		keep = context.AfterFunc(to.live.ending, cancel)
	}}
	p.forward.ServeHTTP(w, r.WithContext(context.WithValue(ctx, choiceKey{}, choice)))
}

// failed answers a request that no replica took.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	service := ""
	if c, ok := r.Context().Value(choiceKey{}).(*choice); ok && len(c.routes) > 0 {
		service = c.routes[0].Service
	}
	if errors.Is(err, errNoReplica) {
		w.Header().Set("Retry-After", "5")
		say(w, http.StatusServiceUnavailable, "Service %s has no replica that answers: %v", service, err)
		return
	}
	if r.Context().Err() == nil {
		p.log.Warn("replica failed", "service", service, "error", err)
	}
	say(w, http.StatusBadGateway, "Service %s did not answer: %v", service, err)
}

type choiceKey struct{}

// choice is between the replicas that may answer one request.
type choice struct {
	routes []pick
	chosen func(pick)
}

// errNoReplica is wrapped by the error of a request that every replica refused.
var errNoReplica = errors.New("all refuse connections")

// turns sends a request to the first replica that takes the connection.
type turns struct {
	next *http.Transport
}

// RoundTrip tries the replicas in turn. A replica that cannot be connected to has read nothing of the request, so the next
// one gets all of it; the transport closes the body in any case, which is kept from it: the reverse proxy closes it later.
func (t *turns) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ok := r.Context().Value(choiceKey{}).(*choice)
	if !ok {
		return nil, errNoReplica
	}
	body := r.Body
	var refused []string
	for _, l := range c.routes {
		out := r.Clone(r.Context())
		out.URL.Host = l.Target
		out.URL.Path, out.URL.RawPath = strip(r.URL.Path, l.StripPrefix), strip(r.URL.RawPath, l.StripPrefix)
		if body != nil && body != http.NoBody {
			out.Body = io.NopCloser(body)
		}
		resp, err := t.next.RoundTrip(out)
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" && r.Context().Err() == nil {
			refused = append(refused, fmt.Sprintf("%s: %v", l.Target, op.Err))
			continue
		}
		if err == nil {
			c.chosen(l)
		}
		return resp, err
	}
	return nil, fmt.Errorf("%w (%s)", errNoReplica, strings.Join(refused, "; "))
}

// strip takes a prefix of whole path elements from a path.
func strip(path, prefix string) string {
	prefix = strings.TrimSuffix(prefix, "/")
	rest, ok := strings.CutPrefix(path, prefix)
	switch {
	case prefix == "" || !ok || rest != "" && rest[0] != '/':
		return path
	case rest == "":
		return "/"
	}
	return rest
}

// serviceOf returns the service that a host name asks for.
func serviceOf(host, domain string) (service string, ok bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	service, ok = strings.CutSuffix(host, "."+domain)
	return service, ok && service != "" && !strings.Contains(service, ".")
}

// isGateway tells whether a request is for the gateway itself. Other names are none of ours: a page from elsewhere could have
// its name lead here.
func isGateway(host, domain string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == domain || host == "localhost" || ip != nil && ip.IsLoopback()
}

// servicePath returns the service that a path asks for.
func servicePath(path string) (service string, ok bool) {
	rest, ok := strings.CutPrefix(path, api.ServicePath)
	service, _, _ = strings.Cut(rest, "/")
	return service, ok && service != ""
}

func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// accepted compares with every digest, so that the time it takes says nothing about them.
func accepted(token string, digests []string) bool {
	sum := sha256.Sum256([]byte(token))
	got := []byte(hex.EncodeToString(sum[:]))
	found := 0
	for _, d := range digests {
		found |= subtle.ConstantTimeCompare(got, []byte(d))
	}
	return found == 1
}

func say(w http.ResponseWriter, code int, format string, args ...any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	fmt.Fprintf(w, format+"\n", args...)
}
