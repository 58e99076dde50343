package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// modelHost is the name, below the domain, at which the models of all services are offered, unless a service has it.
const modelHost = "gateway"

// largestPrompt bounds the body of a request for a model, which has to be read to find out which model it is for.
const largestPrompt = 64 << 20

// modelPrefix is the path of an API that names none.
const modelPrefix = "/v1"

// serveModels answers requests to the API that is compatible with OpenAI's: the list of models, and chat. A client sees the
// models of services that take its token, and of those that ask for none.
func (p *proxy) serveModels(w http.ResponseWriter, r *http.Request) {
	switch path := strings.TrimSuffix(r.URL.Path, "/"); {
	case path == "/v1/models":
		p.listModels(w, r)
	case path == "/v1/chat/completions":
		p.chat(w, r)
	case strings.HasPrefix(path, "/v1/models/"):
		p.describeModel(w, r, strings.TrimPrefix(path, "/v1/models/"))
	default:
		refuse(w, http.StatusNotFound, "not_found", "There is no "+r.URL.Path+" here. Models are at /v1/models, and /v1/chat/completions talks to them.")
	}
}

// offered lists the services whose models a request may use, and how many there are that it may not.
func (p *proxy) offered(r *http.Request) (open []api.Route, closed int) {
	token, _ := bearer(r)
	for _, route := range p.table.services() {
		if auth, digests := p.table.asks(route.Service); auth && !accepted(token, digests) {
			closed++
			continue
		}
		open = append(open, route)
	}
	return open, closed
}

// modelObject is a model as clients read it.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func newModelObject(m api.Model) modelObject {
	return modelObject{ID: m.Name, Object: "model", Created: time.Unix(0, 0).Unix(), OwnedBy: "dstack"}
}

func (p *proxy) listModels(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodGet) {
		return
	}
	open, closed := p.offered(r)
	if len(open) == 0 && closed > 0 {
		unauthorised(w, r)
		return
	}
	list := []modelObject{}
	for _, route := range open {
		if m := newModelObject(*route.Model); !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b modelObject) int { return cmp.Compare(a.ID, b.ID) })
	answer(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

func (p *proxy) describeModel(w http.ResponseWriter, r *http.Request, name string) {
	if !only(w, r, http.MethodGet) {
		return
	}
	open, closed := p.offered(r)
	for _, route := range open {
		if route.Model.Name == name {
			answer(w, http.StatusOK, newModelObject(*route.Model))
			return
		}
	}
	noModel(w, r, name, closed)
}

// chat leads a request to a replica of a service that answers for its model.
func (p *proxy) chat(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodPost) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestPrompt))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "invalid_request_error", "The request has more than 64 MiB.")
		return
	}
	if err != nil {
		return // the client is gone
	}
	var request struct {
		Model string `json:"model"`
	}
	if err := json.Unmarshal(body, &request); err != nil || request.Model == "" {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "The request is no JSON object with a model, such as {\"model\": \"NAME\", \"messages\": [...]}.")
		return
	}
	open, closed := p.offered(r)
	open = slices.DeleteFunc(open, func(o api.Route) bool { return o.Model.Name != request.Model })
	if len(open) == 0 {
		noModel(w, r, request.Model, closed)
		return
	}
	service := p.table.next(request.Model, open)
	counted := p.stats.begin(service.Service, w)
	defer counted.end()
	w = counted
	routes, _ := p.table.replicas(service.Service)
	used := routes
	defer func() { p.table.done(used...) }()
	if len(routes) == 0 {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "service_unavailable", "The model "+request.Model+" has no replica now.")
		return
	}
	out := r.Clone(r.Context())
	out.URL.Path, out.URL.RawPath = strings.TrimSuffix(cmp.Or(service.Model.Prefix, modelPrefix), "/")+"/chat/completions", ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	for i := range routes {
		routes[i].StripPrefix = "" // the path is the replica's own
	}
	p.lead(w, out, routes, &used)
}

// only refuses other methods.
func only(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	refuse(w, http.StatusMethodNotAllowed, "invalid_request_error", r.Method+" is not what is done here; "+method+" is.")
	return false
}

// noModel says that there is no such model, or none for this client.
func noModel(w http.ResponseWriter, r *http.Request, name string, closed int) {
	if _, given := bearer(r); closed > 0 && !given {
		unauthorised(w, r)
		return
	}
	refuse(w, http.StatusNotFound, "model_not_found", "There is no model "+name+" here, or this token does not open it. GET /v1/models lists those that there are.")
}

func unauthorised(w http.ResponseWriter, r *http.Request) {
	if _, given := bearer(r); given {
		refuse(w, http.StatusForbidden, "invalid_api_key", "No model here takes this token.")
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+modelHost+`"`)
	refuse(w, http.StatusUnauthorized, "invalid_api_key", "The models here ask for a token: send it as \"Authorization: Bearer TOKEN\".")
}

// refuse answers with an error as clients of OpenAI's API read it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	kind := "invalid_request_error"
	if status >= 500 {
		kind = "server_error"
	}
	answer(w, status, map[string]any{"error": map[string]any{"message": message, "type": kind, "param": nil, "code": code}})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // nobody is there to be told that the client is gone
}
