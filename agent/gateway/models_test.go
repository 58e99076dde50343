package gateway_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

// model answers as a replica does that has an API compatible with OpenAI's below a prefix.
func model(t *testing.T, name, prefix string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+prefix+"/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s got %s", name, body)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func TestModels(t *testing.T) {
	g := serve(t, folder(t), 0, "models.test")
	llama := model(t, "llama", "/v1")
	g.put(api.Route{ID: "a", Service: "a", Target: llama, Model: &api.Model{Name: "llama"}, Auth: true, TokenDigests: []string{digest("key")}})
	g.put(api.Route{ID: "b", Service: "b", Target: model(t, "mistral", "/api"), StripPrefix: "/api", Model: &api.Model{Name: "org/mistral", Prefix: "/api/"}})
	g.put(api.Route{ID: "c", Service: "c", Model: &api.Model{Name: "asleep"}})
	g.put(api.Route{ID: "d", Service: "d", Target: llama})
	host := "gateway.models.test"
	method := func(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }
	token := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s) }
	}
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s))
		}
	}
	for name, tt := range map[string]struct {
		path   string
		change []func(*http.Request)
		status int
		want   string
	}{
		"the list without a token":       {"/v1/models", []func(*http.Request){method("GET")}, 200, `{"data":[{"id":"asleep","object":"model","created":0,"owned_by":"dstack"},{"id":"org/mistral",`},
		"the list with one":              {"/v1/models/", []func(*http.Request){method("GET"), token("key")}, 200, `"id":"llama"`},
		"one model":                      {"/v1/models/org/mistral", []func(*http.Request){method("GET")}, 200, `{"id":"org/mistral","object":"model"`},
		"one that is not there":          {"/v1/models/gpt", []func(*http.Request){method("GET"), token("key")}, 404, `"code":"model_not_found"`},
		"a chat":                         {"/v1/chat/completions", []func(*http.Request){token("key"), body(`{"model":"llama","x":1}`)}, 202, `llama got {"model":"llama","x":1}`},
		"a chat below another prefix":    {"/v1/chat/completions", []func(*http.Request){body(`{"model":"org/mistral"}`)}, 202, `mistral got`},
		"a chat without a token":         {"/v1/chat/completions", []func(*http.Request){body(`{"model":"llama"}`)}, 401, `"code":"invalid_api_key"`},
		"a chat with another token":      {"/v1/chat/completions", []func(*http.Request){token("other"), body(`{"model":"llama"}`)}, 404, `or this token does not open it`},
		"a model without a replica":      {"/v1/chat/completions", []func(*http.Request){body(`{"model":"asleep"}`)}, 503, `"type":"server_error"`},
		"what is no JSON":                {"/v1/chat/completions", []func(*http.Request){body(`hello`)}, 400, `invalid_request_error`},
		"no model":                       {"/v1/chat/completions", []func(*http.Request){body(`{}`)}, 400, `with a model`},
		"what is not read":               {"/v1/chat/completions", []func(*http.Request){method("GET")}, 405, `POST is`},
		"another part of the API":        {"/v1/embeddings", nil, 404, `/v1/chat/completions talks to them`},
		"an API that is not at the host": {"/chat/completions", nil, 404, `not_found`},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := g.get(host, tt.path, tt.change...)
			require.Equal(t, tt.status, status, text)
			require.Contains(t, text, tt.want)
		})
	}

	t.Run("a stream comes as it is made", func(t *testing.T) {
		read := make(chan struct{})
		tap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: first\n\n")
			http.NewResponseController(w).Flush()
			<-read // or the first piece never came
			fmt.Fprint(w, "data: second\n\n")
		}))
		t.Cleanup(tap.Close)
		g.put(api.Route{ID: "s", Service: "s", Target: strings.TrimPrefix(tap.URL, "http://"), Model: &api.Model{Name: "tap"}})
		req, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("http://127.0.0.1:%d/v1/chat/completions", g.info.Port), strings.NewReader(`{"model":"tap","stream":true}`))
		require.NoError(t, err)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		lines := bufio.NewScanner(resp.Body)
		require.True(t, lines.Scan())
		require.Equal(t, "data: first", lines.Text())
		close(read)
		for range 2 {
			lines.Scan()
		}
		require.Equal(t, "data: second", lines.Text())
	})
	t.Run("services with the same model take turns", func(t *testing.T) {
		g.put(api.Route{ID: "e", Service: "e", Target: model(t, "twin", "/v1"), Model: &api.Model{Name: "org/mistral"}})
		seen := map[string]bool{}
		for range 4 {
			_, text := g.get(host, "/v1/chat/completions", body(`{"model":"org/mistral"}`))
			first, _, _ := strings.Cut(text, " ")
			seen[first] = true
		}
		require.Equal(t, map[string]bool{"mistral": true, "twin": true}, seen)
	})
	t.Run("no token opens any", func(t *testing.T) {
		only := serve(t, folder(t), 0, "models.test")
		only.put(api.Route{ID: "a", Service: "a", Target: llama, Model: &api.Model{Name: "llama"}, Auth: true, TokenDigests: []string{digest("key")}})
		status, _ := only.get(host, "/v1/models", method("GET"))
		require.Equal(t, 401, status)
		status, text := only.get(host, "/v1/models", method("GET"), token("other"))
		require.Equal(t, 403, status, text)
	})
	t.Run("a service of that name keeps it", func(t *testing.T) {
		g.put(api.Route{ID: "f", Service: "gateway", Target: model(t, "own", "")})
		status, text := g.get(host, "/chat/completions", body(`{"model":"x"}`))
		require.Equal(t, 202, status)
		require.Contains(t, text, "own got")
	})
	require.Error(t, g.PutRoute(t.Context(), api.Route{ID: "g", Service: "g", Model: &api.Model{}}, -1))
}

func TestUsage(t *testing.T) {
	g := serve(t, folder(t), 0, "models.test")
	target := model(t, "m", "/v1")
	g.put(api.Route{ID: "a", Service: "a", Target: target, Model: &api.Model{Name: "m"}, Auth: true, TokenDigests: []string{digest("key")}})
	chat := func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer key")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"model":"m"}`)), 13
	}
	g.get("gateway.models.test", "/v1/chat/completions", chat)
	g.get("a.models.test", "/v1/chat/completions", chat)
	g.get("a.models.test", "/v1/chat/completions")      // 401
	g.get("a.models.test", "/v1/elsewhere", chat)       // 404
	g.get("nobody.models.test", "/v1/elsewhere", chat)  // no service
	g.get("gateway.models.test", "/v1/elsewhere", chat) // no model
	list, err := g.Stats(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "a", list[0].Service)
	require.Len(t, list[0].Windows, 3)
	for i, seconds := range []int{30, 60, 300} {
		w := list[0].Windows[i]
		require.Equal(t, seconds, w.Seconds)
		require.Equal(t, 2, w.Requests)
		require.Positive(t, w.Time)
	}
}
