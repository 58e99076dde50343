package gateway

import (
	"context"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
)

// remembered is how long a service whose last route was deleted is still known: while its replicas are replaced, a request
// is told to come again and not that there is no such service.
const remembered = 10 * time.Minute

// saved is what the gateway keeps in its folder.
type saved struct {
	Version int         `json:"version"`
	Port    int         `json:"port"`
	Domain  string      `json:"domain"`
	Routes  []api.Route `json:"routes"`
}

// table is what the gateway knows, in memory and on disk.
type table struct {
	path string
	now  func() time.Time

	mu     sync.Mutex
	saved  saved
	live   map[string]*live // by route id
	turns  map[string]int   // by service
	forgot map[string]time.Time
}

// live is a route with the requests that are open on it.
type live struct {
	api.Route
	open   int
	ending context.Context // done when its requests are cut
	cut    context.CancelFunc
	idle   chan struct{} // closed when the last request of a deleted route has ended
	gone   bool
}

// pick is a route as it was when a request picked it.
type pick struct {
	api.Route
	live *live
}

// newTable reads what an earlier gateway of the folder kept.
func newTable(dir string, now func() time.Time) (*table, error) {
	t := &table{path: filepath.Join(dir, "gateway.json"), now: now, live: make(map[string]*live), turns: make(map[string]int),
		forgot: make(map[string]time.Time)}
	if err := disk.ReadJSON(t.path, &t.saved); err != nil && !isAbsent(err) {
		return nil, err
	}
	if t.saved.Version > api.Version {
		return nil, api.Errorf(api.KindInvalid, "%s is of version %d, and this gateway knows %d: use a newer one", t.path, t.saved.Version, api.Version)
	}
	for _, r := range t.saved.Routes {
		t.live[r.ID] = newLive(r)
	}
	return t, nil
}

func newLive(r api.Route) *live {
	l := &live{Route: r, idle: make(chan struct{})}
	l.ending, l.cut = context.WithCancel(context.Background())
	return l
}

// configure changes port and domain.
func (t *table) configure(port int, domain string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.saved
	next.Port, next.Domain = port, domain
	return t.save(next)
}

func (t *table) config() (port int, domain string, routes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.saved.Port, t.saved.Domain, len(t.live)
}

func (t *table) save(next saved) error {
	next.Version = api.Version
	if err := disk.WriteJSON(t.path, next); err != nil {
		return err
	}
	t.saved = next
	return nil
}

// list returns the routes in the order of their ids.
func (t *table) list() []api.Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.saved.Routes)
}

// put adds a route or changes it. When its target changes, requests that are open on the old one go on; with drain they are
// waited for until ctx is done and then cut.
func (t *table) put(ctx context.Context, r api.Route, drain bool) error {
	old, err := t.replace(r)
	if err == nil && old != nil && drain {
		t.drain(ctx, old)
	}
	return err
}

// replace puts a route and returns what it was if its target was another.
func (t *table) replace(r api.Route) (moved *live, err error) {
	if problem := problemOf(r); problem != "" {
		return nil, api.Errorf(api.KindInvalid, "route %q: %s", r.ID, problem)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.live[r.ID]
	if old != nil && old.Owner != r.Owner {
		return nil, api.Errorf(api.KindConflict, "route %q belongs to %q, not to %q", r.ID, old.Owner, r.Owner)
	}
	next := t.saved
	next.Routes = slices.DeleteFunc(slices.Clone(next.Routes), func(o api.Route) bool { return o.ID == r.ID })
	next.Routes = append(next.Routes, r)
	slices.SortFunc(next.Routes, func(a, b api.Route) int { return strings.Compare(a.ID, b.ID) })
	if err := t.save(next); err != nil {
		return nil, err
	}
	if old != nil && old.Target == r.Target {
		old.Route = r
		return nil, nil
	}
	t.live[r.ID] = newLive(r)
	if old != nil {
		t.retire(old)
	}
	return old, nil
}

// retire says that a route gets no more requests.
func (t *table) retire(l *live) {
	l.gone = true
	if l.open == 0 {
		close(l.idle)
	}
}

// drain waits for the requests of a retired route, at most until ctx is done; then it cuts them and returns how many.
func (t *table) drain(ctx context.Context, l *live) (cut int) {
	select {
	case <-l.idle:
	case <-ctx.Done():
	}
	t.mu.Lock()
	cut = l.open
	t.mu.Unlock()
	l.cut()
	return cut
}

// remove deletes a route and waits for the requests that are open on it, at most until ctx is done; then it cuts them and
// returns how many they were. Deleting what is not there succeeds.
func (t *table) remove(ctx context.Context, id string) (cut int, err error) {
	t.mu.Lock()
	l := t.live[id]
	if l == nil {
		t.mu.Unlock()
		return 0, nil
	}
	next := t.saved
	next.Routes = slices.DeleteFunc(slices.Clone(next.Routes), func(o api.Route) bool { return o.ID == id })
	if err := t.save(next); err != nil {
		t.mu.Unlock()
		return 0, err
	}
	delete(t.live, id)
	t.forgot[l.Service] = t.now()
	t.retire(l)
	t.mu.Unlock()
	return t.drain(ctx, l), nil
}

// replicas returns the routes of a service that have a target, the one whose turn it is first, and whether the service is
// known. Each of them is open until it is given to done.
func (t *table) replicas(service string) (routes []pick, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.saved.Routes {
		if r.Service != service {
			continue
		}
		known = true
		if r.Target != "" {
			routes = append(routes, pick{r, t.live[r.ID]})
		}
	}
	if when, ok := t.forgot[service]; ok && !known {
		if known = t.now().Sub(when) < remembered; !known {
			delete(t.forgot, service)
		}
	}
	if len(routes) > 0 {
		turn := t.turns[service] % len(routes)
		t.turns[service] = turn + 1
		routes = append(routes[turn:len(routes):len(routes)], routes[:turn]...)
	}
	for _, r := range routes {
		r.live.open++
	}
	return routes, known
}

// known tells whether there is a service of that name.
func (t *table) known(service string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.saved.Routes, func(r api.Route) bool { return r.Service == service })
}

// services lists the services that answer for a model, each with a route of it.
func (t *table) services() []api.Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []api.Route
	for _, r := range t.saved.Routes {
		if r.Model != nil && !slices.ContainsFunc(out, func(o api.Route) bool { return o.Service == r.Service }) {
			out = append(out, r)
		}
	}
	return out
}

// asks is what a service asks of its callers, replica or not.
func (t *table) asks(service string) (auth bool, digests []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.saved.Routes {
		if r.Service == service {
			auth = auth || r.Auth
			digests = append(digests, r.TokenDigests...)
		}
	}
	return auth, digests
}

// next is the service whose turn it is, of several that answer for a model.
func (t *table) next(model string, of []api.Route) api.Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := "model " + model // no service has a blank in its name
	turn := t.turns[key] % len(of)
	t.turns[key] = turn + 1
	return of[turn]
}

// done ends what replicas began.
func (t *table) done(routes ...pick) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range routes {
		if r.live.open--; r.live.open == 0 && r.live.gone {
			close(r.live.idle)
		}
	}
}

// access is what a service asks of its callers: the tokens of all of its routes, if one of them asks.
func access(routes []pick) (auth bool, digests []string) {
	for _, r := range routes {
		auth = auth || r.Auth
		digests = append(digests, r.TokenDigests...)
	}
	return auth, digests
}

const (
	idPattern      = `^[A-Za-z0-9][A-Za-z0-9._:/\[\]"-]{0,255}$`
	servicePattern = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`
	digestPattern  = `^[0-9a-f]{64}$`
)

func problemOf(r api.Route) string {
	if !regexp.MustCompile(idPattern).MatchString(r.ID) {
		return "its id has characters that none may have"
	}
	if !regexp.MustCompile(servicePattern).MatchString(r.Service) {
		return "its service must be one label of a host name, in small letters"
	}
	if r.Target != "" {
		if host, port, err := net.SplitHostPort(r.Target); err != nil || host == "" || port == "" || port == "0" {
			return "its target must be a host and a port, as in 127.0.0.1:8000"
		}
	}
	if r.Model != nil && (r.Model.Name == "" || r.Model.Prefix != "" && !strings.HasPrefix(r.Model.Prefix, "/")) {
		return "its model needs a name, and a prefix that begins with /"
	}
	if r.StripPrefix != "" && !strings.HasPrefix(r.StripPrefix, "/") {
		return "the prefix to strip must begin with /"
	}
	digest := regexp.MustCompile(digestPattern)
	for _, d := range r.TokenDigests {
		if !digest.MatchString(d) {
			return "a token's digest is no SHA-256 in hex"
		}
	}
	return ""
}
