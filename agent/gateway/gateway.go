package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// Options of Serve.
type Options struct {
	// Dir is the gateway's folder; it is made if it is missing.
	Dir string
	// Port is where requests come in on 127.0.0.1; 0 takes the port of the last run, and any free one the first time.
	Port int
	// Domain is what follows the service in a host name, "*." before it or not; empty keeps the last run's, at first
	// "localhost".
	Domain  string
	Version string
	Logger  *slog.Logger
}

// defaultDomain is reserved for this machine: many resolvers and all browsers lead every name below it to 127.0.0.1.
const defaultDomain = "localhost"

// Serve runs the gateway in a folder until ctx is done. It is an error if another gateway serves the folder.
func Serve(ctx context.Context, o Options) error {
	unix.Umask(0o077)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	lock, err := disk.TryLock(filepath.Join(o.Dir, "gateway.lock"))
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("another gateway serves %s already: %w", o.Dir, err)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	t, err := newTable(o.Dir, time.Now)
	if err != nil {
		return err
	}
	front, err := listen(t, o)
	if err != nil {
		return err
	}
	defer front.Close()
	back, err := sock.Listen(o.Dir, api.GatewaySocket)
	if err != nil {
		return fmt.Errorf("listen in %s: %w", o.Dir, err)
	}
	defer back.Close()

	p := newProxy(t, newStats(time.Now), o.Logger)
	defer p.close()
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	a := &admin{table: t, stats: p.stats, info: api.GatewayInfo{
		Version: o.Version, Protocol: api.Version, PID: os.Getpid(), StartedAt: time.Now().UTC(),
	}, quit: quit}
	quiet := slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)
	servers := []*http.Server{
		{Handler: p, ReadHeaderTimeout: 30 * time.Second, ErrorLog: quiet},
		{Handler: a.handler(ctx), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet},
	}
	served := make(chan error, len(servers))
	for i, l := range []net.Listener{front, back} {
		go func() { served <- servers[i].Serve(l) }()
	}
	o.Logger.Info("gateway is serving", "addr", front.Addr().String(), "dir", o.Dir)
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(ending) != nil {
			s.Close()
		}
	}
	return err
}

// listen opens the port and keeps which it is.
func listen(t *table, o Options) (net.Listener, error) {
	port, domain, _ := t.config()
	if o.Port != 0 {
		port = o.Port
	}
	if o.Domain != "" {
		domain = o.Domain
	}
	if domain == "" {
		domain = defaultDomain
	}
	domain, err := cleanDomain(domain)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("port %d of 127.0.0.1 is taken by another process: end it, or give the gateway another port", port)
	}
	if err != nil {
		return nil, err
	}
	if err := t.configure(l.Addr().(*net.TCPAddr).Port, domain); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// cleanDomain takes a domain with or without "*." and returns it without.
func cleanDomain(domain string) (string, error) {
	clean := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(domain, "*."), "."))
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`).MatchString(clean) || strings.Contains(clean, "..") {
		return "", api.Errorf(api.KindInvalid, "%q is no domain, such as *.models.example.com", domain)
	}
	return clean, nil
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// admin answers those who configure the gateway.
type admin struct {
	table *table
	stats *stats
	info  api.GatewayInfo
	quit  context.CancelFunc
}

func (a *admin) handler(ending context.Context) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ending, cancel)()
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			v, err := answer(r.WithContext(ctx))
			code := http.StatusOK
			if err != nil {
				var e *api.Error
				if !errors.As(err, &e) {
					e = api.Errorf(api.KindInternal, "%v", err)
				}
				v, code = e, e.HTTPStatus()
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			json.NewEncoder(w).Encode(v)
		})
	}
	handle("GET /v1/info", func(*http.Request) (any, error) { return a.describe(), nil })
	handle("PUT /v1/config", a.configure)
	handle("GET /v1/routes", func(*http.Request) (any, error) {
		return api.RouteList{Routes: append([]api.Route{}, a.table.list()...)}, nil
	})
	handle("GET /v1/stats", func(*http.Request) (any, error) { return api.StatsList{Services: a.stats.list()}, nil })
	handle("PUT /v1/routes/{id...}", a.put)
	handle("DELETE /v1/routes/{id...}", a.delete)
	handle("POST /v1/shutdown", func(*http.Request) (any, error) {
		a.quit()
		return struct{}{}, nil
	})
	handle("/", func(r *http.Request) (any, error) {
		return nil, api.Errorf(api.KindNotFound, "this gateway (version %s) knows no %s %s", a.info.Version, r.Method, r.URL.Path)
	})
	return mux
}

func (a *admin) describe() api.GatewayInfo {
	info := a.info
	info.Port, info.Domain, info.Routes = a.table.config()
	return info
}

func (a *admin) configure(r *http.Request) (any, error) {
	var c api.GatewayConfig
	if err := read(r, &c); err != nil {
		return nil, err
	}
	domain, err := cleanDomain(c.Domain)
	if err != nil {
		return nil, err
	}
	port, _, _ := a.table.config()
	if err := a.table.configure(port, domain); err != nil {
		return nil, err
	}
	return a.describe(), nil
}

func (a *admin) put(r *http.Request) (any, error) {
	var route api.Route
	if err := read(r, &route); err != nil {
		return nil, err
	}
	if route.ID == "" {
		route.ID = r.PathValue("id")
	}
	if route.ID != r.PathValue("id") {
		return nil, api.Errorf(api.KindInvalid, "the route is %q, the request is of %q", route.ID, r.PathValue("id"))
	}
	ctx, cancel, drain, err := drainOf(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := a.table.put(ctx, route, drain); err != nil {
		return nil, err
	}
	return route, nil
}

func (a *admin) delete(r *http.Request) (any, error) {
	ctx, cancel, _, err := drainOf(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	cut, err := a.table.remove(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return api.Drained{Cut: cut}, nil
}

// drainOf returns a context that is done when the request's time for draining is over.
func drainOf(r *http.Request) (ctx context.Context, cancel context.CancelFunc, given bool, err error) {
	var drain time.Duration
	text := r.FormValue("drain")
	if text != "" {
		if drain, err = time.ParseDuration(text); err != nil || drain < 0 {
			return nil, nil, false, api.Errorf(api.KindInvalid, "drain is %q; it must be a duration such as 10s", text)
		}
	}
	ctx, cancel = context.WithTimeout(r.Context(), drain)
	return ctx, cancel, text != "", nil
}

func read(r *http.Request, v any) error {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		return api.Errorf(api.KindInvalid, "the request cannot be read: %v", err)
	}
	return nil
}
