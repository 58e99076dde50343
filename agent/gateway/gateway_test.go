package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/agent/gateway"
)

// serving is a gateway under test.
type serving struct {
	*client.Gateway
	t    *testing.T
	info api.GatewayInfo
	stop func()
}

func serve(t *testing.T, dir string, port int, domain string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- gateway.Serve(ctx, gateway.Options{Dir: dir, Port: port, Domain: domain, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	}()
	s := &serving{Gateway: client.NewGateway(dir), t: t}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		s.Close()
		cancel()
		require.NoError(t, <-done)
	}
	t.Cleanup(s.stop)
	require.Eventually(t, func() bool {
		info, err := s.Info(t.Context())
		s.info = info
		return err == nil
	}, 10*time.Second, time.Millisecond)
	return s
}

func (s *serving) put(r api.Route) {
	s.t.Helper()
	require.NoError(s.t, s.PutRoute(s.t.Context(), r, -1))
}

func (s *serving) get(host, path string, change ...func(*http.Request)) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", fmt.Sprintf("http://127.0.0.1:%d%s", s.info.Port, path), strings.NewReader("body"))
	require.NoError(s.t, err)
	req.Host = host
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(data)
}

// replica answers with its name, the path and the body.
func replica(t *testing.T, name string) (target string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", name, r.Host, r.URL.Path, body)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "gw")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// refusing is an address at which nobody listens.
func refusing(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	return l.Addr().String()
}

func TestRequestsFindTheirService(t *testing.T) {
	s := serve(t, folder(t), 0, "*.models.example.com")
	require.Equal(t, "models.example.com", s.info.Domain)
	s.put(api.Route{ID: "a/0", Service: "a", Target: replica(t, "a0")})
	s.put(api.Route{ID: "b/0", Service: "b", Target: replica(t, "b0"), StripPrefix: "/v1"})
	s.put(api.Route{ID: "p/0", Service: "p", Target: replica(t, "p0"), StripPrefix: "/services/p"})
	s.put(api.Route{ID: "empty", Service: "empty"})
	s.put(api.Route{ID: "dead", Service: "dead", Target: refusing(t)})
	cases := map[string]struct {
		host, path string
		code       int
		body       string
	}{
		"by its host name":               {"a.models.example.com", "/x", 200, "a0 a.models.example.com /x body"},
		"whatever the port and the case": {"A.Models.Example.com:80", "/", 200, "a0 A.Models.Example.com:80 / body"},
		"without the prefix":             {"b.models.example.com", "/v1/chat", 200, "b0 b.models.example.com /chat body"},
		"a prefix is whole elements":     {"b.models.example.com", "/v10", 200, "b0 b.models.example.com /v10 body"},
		"an unknown service":             {"c.models.example.com", "/", 404, "There is no service at c.models.example.com on this gateway. Services are at NAME.models.example.com, and at models.example.com/services/NAME/.\n"},
		"another domain":                 {"a.example.com", "/", 404, "There is no service at a.example.com on this gateway. Services are at NAME.models.example.com, and at models.example.com/services/NAME/.\n"},
		"by its path":                    {"models.example.com", "/services/p/x", 200, "p0 models.example.com /x body"},
		"by its path, on this machine":   {"localhost:8080", "/services/p/", 200, "p0 localhost:8080 / body"},
		"by its path, at an address":     {"127.0.0.1:8080", "/services/p/x", 200, "p0 127.0.0.1:8080 /x body"},
		"by its path, with all of it":    {"[::1]:8080", "/services/a/x", 200, "a0 [::1]:8080 /services/a/x body"},
		"by a path under another name":   {"rebound.example.org", "/services/p/x", 404, "There is no service at rebound.example.org on this gateway. Services are at NAME.models.example.com, and at models.example.com/services/NAME/.\n"},
		"by a path of no service":        {"localhost", "/services//x", 404, "There is no service at localhost on this gateway. Services are at NAME.models.example.com, and at models.example.com/services/NAME/.\n"},
		"an unknown service by its path": {"localhost", "/services/c/", 404, "There is no service at localhost on this gateway. Services are at NAME.models.example.com, and at models.example.com/services/NAME/.\n"},
		"a service without a replica":    {"empty.models.example.com", "/", 503, "Service empty has no replica now.\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, body := s.get(c.host, c.path)
			require.Equal(t, c.code, code, body)
			require.Equal(t, c.body, body)
		})
	}
	for host, path := range map[string]string{"dead.models.example.com": "/", "localhost": "/services/dead/"} {
		code, body := s.get(host, path)
		require.Equal(t, 503, code)
		require.Contains(t, body, "Service dead has no replica that answers")
		require.Contains(t, body, "connection refused")
	}
	req := httptest.NewRequest("POST", "http://localhost/services/p?a=b", nil)
	req.URL.Host, req.Host = fmt.Sprintf("127.0.0.1:%d", s.info.Port), "localhost"
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 308, resp.StatusCode, "relative links lead into the service")
	require.Equal(t, "/services/p/?a=b", resp.Header.Get("Location"))

	_, err = s.Configure(t.Context(), api.GatewayConfig{Domain: "other.test"})
	require.NoError(t, err)
	code, _ := s.get("a.other.test", "/")
	require.Equal(t, 200, code)
	_, err = s.Configure(t.Context(), api.GatewayConfig{Domain: "no domain"})
	require.Equal(t, api.KindInvalid, api.KindOf(err))
}

func TestReplicasTakeTurns(t *testing.T) {
	s := serve(t, folder(t), 0, "")
	for i := range 3 {
		s.put(api.Route{ID: fmt.Sprint("a/", i), Service: "a", Target: replica(t, fmt.Sprint("r", i))})
	}
	s.put(api.Route{ID: "a/3", Service: "a", Target: refusing(t)})
	count := make(map[string]int)
	for range 40 {
		code, body := s.get("a.localhost", "/")
		require.Equal(t, 200, code, body)
		require.Contains(t, body, "body", "the next replica gets the whole request")
		count[body[:2]]++
	}
	require.Equal(t, 40, count["r0"]+count["r1"]+count["r2"])
	for _, r := range []string{"r0", "r1", "r2"} {
		require.GreaterOrEqual(t, count[r], 10, "%v", count)
	}
}

func TestTokens(t *testing.T) {
	s := serve(t, folder(t), 0, "")
	sum := sha256.Sum256([]byte("good"))
	s.put(api.Route{ID: "a/0", Service: "a", Target: replica(t, "a"), Auth: true, TokenDigests: []string{hex.EncodeToString(sum[:])}})
	// A replica that was put without asking does not open the service.
	s.put(api.Route{ID: "a/1", Service: "a", Target: replica(t, "a")})
	for header, want := range map[string]int{"": 401, "Bearer good": 200, "bearer good": 200, "Bearer bad": 403, "Bearer ": 401, "Basic good": 401} {
		for range 2 {
			code, body := s.get("a.localhost", "/", func(r *http.Request) {
				if header != "" {
					r.Header.Set("Authorization", header)
				}
			})
			require.Equal(t, want, code, "%q: %s", header, body)
		}
	}
}

func TestRoutesOutliveTheGateway(t *testing.T) {
	dir := folder(t)
	s := serve(t, dir, 0, "kept.test")
	route := api.Route{ID: `service.a["x"].support/route/0`, Service: "a", Target: replica(t, "a"), Owner: "o", Labels: map[string]string{"k": "v"}}
	s.put(route)
	s.put(route) // again
	port := s.info.Port
	s.stop()
	s = serve(t, dir, 0, "")
	require.Equal(t, port, s.info.Port)
	require.Equal(t, "kept.test", s.info.Domain)
	routes, err := s.Routes(t.Context())
	require.NoError(t, err)
	if diff := cmp.Diff([]api.Route{route}, routes); diff != "" {
		t.Error(diff)
	}
	code, _ := s.get("a.kept.test", "/")
	require.Equal(t, 200, code)

	err = gateway.Serve(t.Context(), gateway.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "another gateway serves")
	err = gateway.Serve(t.Context(), gateway.Options{Dir: folder(t), Port: port, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, fmt.Sprintf("port %d of 127.0.0.1 is taken", port))
}

func TestRoutesThatAreRefused(t *testing.T) {
	s := serve(t, folder(t), 0, "")
	s.put(api.Route{ID: "mine", Service: "a", Owner: "me"})
	cases := map[string]struct {
		route api.Route
		kind  api.Kind
	}{
		"another's":               {api.Route{ID: "mine", Service: "a", Owner: "you"}, api.KindConflict},
		"no service":              {api.Route{ID: "x"}, api.KindInvalid},
		"a service of two labels": {api.Route{ID: "x", Service: "a.b"}, api.KindInvalid},
		"a target without port":   {api.Route{ID: "x", Service: "a", Target: "127.0.0.1"}, api.KindInvalid},
		"a token in clear":        {api.Route{ID: "x", Service: "a", TokenDigests: []string{"good"}}, api.KindInvalid},
		"a relative prefix":       {api.Route{ID: "x", Service: "a", StripPrefix: "v1"}, api.KindInvalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := s.PutRoute(t.Context(), c.route, -1)
			require.Equal(t, c.kind, api.KindOf(err), "%v", err)
		})
	}
	routes, err := s.Routes(t.Context())
	require.NoError(t, err)
	require.Len(t, routes, 1)
}

// slow is a replica whose answers begin at once and end when they are let go.
func slow(t *testing.T) (target string, begun chan struct{}, letGo func()) {
	begun = make(chan struct{}, 10)
	end := make(chan struct{})
	letGo = sync.OnceFunc(func() { close(end) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin ")
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		select {
		case <-end:
		case <-r.Context().Done():
		}
		io.WriteString(w, "end")
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(letGo)
	return srv.Listener.Addr().String(), begun, letGo
}

func TestDeletedRouteDrains(t *testing.T) {
	s := serve(t, folder(t), 0, "")
	target, begun, letGo := slow(t)
	s.put(api.Route{ID: "a/0", Service: "a", Target: target})
	answer := make(chan string)
	go func() {
		_, body := s.get("a.localhost", "/")
		answer <- body
	}()
	<-begun
	deleted := make(chan api.Drained)
	go func() {
		d, err := s.DeleteRoute(context.Background(), "a/0", time.Minute)
		if err != nil {
			t.Error(err)
		}
		deleted <- d
	}()
	require.Eventually(t, func() bool {
		routes, err := s.Routes(t.Context())
		return err == nil && len(routes) == 0
	}, 10*time.Second, time.Millisecond)
	code, body := s.get("a.localhost", "/")
	require.Equal(t, 503, code, "a service that just lost its last replica is known still")
	require.Contains(t, body, "no replica")
	select {
	case <-deleted:
		t.Fatal("it did not wait for the open request")
	default:
	}
	letGo()
	require.Equal(t, "begin end", <-answer)
	require.Zero(t, (<-deleted).Cut)
	d, err := s.DeleteRoute(t.Context(), "a/0", 0)
	require.NoError(t, err)
	require.Zero(t, d.Cut)
}

func TestDrainingEnds(t *testing.T) {
	s := serve(t, folder(t), 0, "")
	target, begun, _ := slow(t)
	s.put(api.Route{ID: "a/0", Service: "a", Target: target})
	failed := make(chan error)
	get := func() {
		req, _ := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", s.info.Port), nil)
		req.Host = "a.localhost"
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		failed <- err
	}
	go get()
	<-begun
	d, err := s.DeleteRoute(t.Context(), "a/0", 20*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 1, d.Cut)
	require.Error(t, <-failed)

	// So it does when a route moves to another replica.
	s.put(api.Route{ID: "a/0", Service: "a", Target: target})
	go get()
	<-begun
	require.NoError(t, s.PutRoute(t.Context(), api.Route{ID: "a/0", Service: "a", Target: replica(t, "new")}, 20*time.Millisecond))
	require.Error(t, <-failed)
	code, body := s.get("a.localhost", "/")
	require.Equal(t, 200, code)
	require.Contains(t, body, "new")
}

func TestUpgradedConnectionsPass(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		io.WriteString(conn, "echo "+line)
	}))
	defer srv.Close()
	s := serve(t, folder(t), 0, "")
	s.put(api.Route{ID: "a", Service: "a", Target: srv.Listener.Addr().String()})
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.info.Port))
	require.NoError(t, err)
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	io.WriteString(conn, "ping\n")
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "echo ping\n", line)
}

func TestFolderThatCannotBeRead(t *testing.T) {
	dir := folder(t)
	for content, want := range map[string]string{`{"routes": [`: "decode", `{"version": 99}`: "use a newer one"} {
		require.NoError(t, os.WriteFile(dir+"/gateway.json", []byte(content), 0o600))
		err := gateway.Serve(t.Context(), gateway.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, want)
		left, err := os.ReadFile(dir + "/gateway.json")
		require.NoError(t, err)
		require.True(t, bytes.Equal(left, []byte(content)), "what cannot be read is not overwritten")
	}
}
