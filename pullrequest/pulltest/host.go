package pulltest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Comment is one that stands on the pull request.
type Comment struct {
	ID     int64
	Author Account
	Body   string
	System bool // made by GitLab itself
}

// Account is who writes comments.
type Account struct {
	ID    int64
	Login string
	Bot   bool
}

// Accounts that tests have.
var (
	Actions = Account{ID: 41898282, Login: "github-actions[bot]", Bot: true}
	Alice   = Account{ID: 7, Login: "alice"}
)

// Reply is what the host answers in place of doing what it was asked for.
type Reply struct {
	Status int
	Header map[string]string
	Body   string
	Close  bool // the connection ends without an answer
	After  bool // it does what it was asked for, too
}

// Host is a server with one pull request, number 12 of acme/gpu; on GitLab its project is 34.
type Host struct {
	*httptest.Server

	Token string  // that it takes
	Self  Account // whose the token is
	Mute  bool    // the token may not ask whose it is
	Pages int     // how many comments it gives at once, at most

	troubled sync.Mutex // while trouble is asked, which may change what stands there

	mu       sync.Mutex
	last     int64
	comments []Comment
	requests []string
	trouble  func(r *http.Request) *Reply
}

// API is the address that it is asked at, as the environment of a job has it.
func (h *Host) API() string {
	if h.Config.Handler.(*router).gitlab {
		return h.URL + "/api/v4"
	}
	return h.URL
}

// GitHub starts a GitHub with comments that are there already.
func GitHub(comments ...Comment) *Host {
	h := &Host{Token: "ghs_pulltest", Self: Actions, Pages: 100}
	h.start(comments, false)
	return h
}

// GitLab starts a GitLab with comments that are there already.
func GitLab(comments ...Comment) *Host {
	h := &Host{Token: "glpat-pulltest", Self: Account{ID: 99, Login: "project_34_bot"}, Pages: 100}
	h.start(comments, true)
	return h
}

func (h *Host) start(comments []Comment, gitlab bool) {
	for _, c := range comments {
		h.Add(c)
	}
	h.Server = httptest.NewServer(&router{h, gitlab})
}

// Trouble asks for what is wrong with the requests to come. It is called for one at a time, and nil means nothing.
func (h *Host) Trouble(f func(r *http.Request) *Reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = f
}

// Add writes a comment as somebody else would.
func (h *Host) Add(c Comment) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(c)
}

func (h *Host) add(c Comment) int64 {
	h.last++
	if c.ID == 0 {
		c.ID = h.last
	}
	h.last = max(h.last, c.ID)
	h.comments = append(h.comments, c)
	return c.ID
}

// Remove removes a comment as somebody else would.
func (h *Host) Remove(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.comments = slices.DeleteFunc(h.comments, func(c Comment) bool { return c.ID == id })
}

// Comments lists what stands on the pull request, the oldest first.
func (h *Host) Comments() []Comment {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.comments)
}

// Requests lists what was asked: "POST /repos/acme/gpu/issues/12/comments".
func (h *Host) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// router answers requests.
type router struct {
	*Host
	gitlab bool
}

func (h *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests = append(h.requests, r.Method+" "+r.URL.Path)
	trouble := h.trouble
	h.mu.Unlock()
	var reply *Reply
	if trouble != nil {
		h.troubled.Lock()
		reply = trouble(r)
		h.troubled.Unlock()
	}
	if reply == nil {
		h.route(w, r)
		return
	}
	if reply.After {
		h.route(httptest.NewRecorder(), r)
	}
	if reply.Close {
		panic(http.ErrAbortHandler)
	}
	for name, value := range reply.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(reply.Status)
	fmt.Fprint(w, reply.Body)
}

func (h *router) route(w http.ResponseWriter, r *http.Request) {
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if h.gitlab {
		given = r.Header.Get("Private-Token")
	}
	if given != h.Token {
		h.refuse(w, http.StatusUnauthorized, "Bad credentials", "401 Unauthorized")
		return
	}
	mux := http.NewServeMux()
	if h.gitlab {
		mux.HandleFunc("GET /api/v4/user", h.user)
		mux.HandleFunc("GET /api/v4/projects/34/merge_requests/12/notes", h.list)
		mux.HandleFunc("POST /api/v4/projects/34/merge_requests/12/notes", h.create)
		mux.HandleFunc("PUT /api/v4/projects/34/merge_requests/12/notes/{id}", h.update)
		mux.HandleFunc("DELETE /api/v4/projects/34/merge_requests/12/notes/{id}", h.remove)
	} else {
		mux.HandleFunc("POST /graphql", h.viewer)
		mux.HandleFunc("GET /repos/acme/gpu/issues/12/comments", h.list)
		mux.HandleFunc("POST /repos/acme/gpu/issues/12/comments", h.create)
		mux.HandleFunc("PATCH /repos/acme/gpu/issues/comments/{id}", h.update)
		mux.HandleFunc("DELETE /repos/acme/gpu/issues/comments/{id}", h.remove)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { h.missing(w) })
	mux.ServeHTTP(w, r)
}

func (h *router) refuse(w http.ResponseWriter, status int, github, gitlab string) {
	message := github
	if h.gitlab {
		message = gitlab
	}
	answer(w, status, map[string]any{"message": message})
}

func (h *router) missing(w http.ResponseWriter) {
	h.refuse(w, http.StatusNotFound, "Not Found", "404 Not found")
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked may be gone
}

// shown is a comment as the API gives it.
func (h *router) shown(c Comment) map[string]any {
	if h.gitlab {
		return map[string]any{"id": c.ID, "body": c.Body, "system": c.System, "author": map[string]any{"id": c.Author.ID, "username": c.Author.Login}}
	}
	kind := "User"
	if c.Author.Bot {
		kind = "Bot"
	}
	return map[string]any{
		"id": c.ID, "body": c.Body, "user": map[string]any{"id": c.Author.ID, "login": c.Author.Login, "type": kind},
		"html_url": fmt.Sprintf("https://github.example/acme/gpu/pull/12#issuecomment-%d", c.ID),
	}
}

func (h *router) list(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	page, size := 1, h.Pages
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		page = n
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		size = min(size, n)
	}
	from := min((page-1)*size, len(h.comments))
	to := min(from+size, len(h.comments))
	if to < len(h.comments) {
		if h.gitlab {
			w.Header().Set("X-Next-Page", strconv.Itoa(page+1))
		} else {
			q := url.Values{"page": {strconv.Itoa(page + 1)}, "per_page": {strconv.Itoa(size)}}
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, q.Encode()))
		}
	}
	out := []map[string]any{}
	for _, c := range h.comments[from:to] {
		out = append(out, h.shown(c))
	}
	answer(w, http.StatusOK, out)
}

// body reads what is to stand in a comment; false when it was refused.
func (h *router) body(w http.ResponseWriter, r *http.Request) (string, bool) {
	raw, err := io.ReadAll(r.Body)
	var in struct{ Body string }
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	switch {
	case err != nil:
		h.refuse(w, http.StatusBadRequest, "Problems parsing JSON", "400 Bad request")
	case !h.gitlab && utf8.RuneCountInString(in.Body) > 65_536:
		answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{
			map[string]any{"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": "Body is too long (maximum is 65536 characters)"},
		}})
	case h.gitlab && utf8.RuneCountInString(in.Body) > 1_000_000:
		answer(w, http.StatusBadRequest, map[string]any{"message": map[string]any{"note": []string{"is too long (maximum is 1000000 characters)"}}})
	default:
		return strings.TrimRight(in.Body, "\n"), true // neither keeps lines at the end on which nothing stands
	}
	return "", false
}

func (h *router) create(w http.ResponseWriter, r *http.Request) {
	body, ok := h.body(w, r)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Comment{Author: h.Self, Body: body}
	c.ID = h.add(c)
	answer(w, http.StatusCreated, h.shown(c))
}

// at finds the comment that a request is about; -1 when there is none.
func (h *router) at(r *http.Request) int {
	return slices.IndexFunc(h.comments, func(c Comment) bool { return strconv.FormatInt(c.ID, 10) == r.PathValue("id") })
}

func (h *router) update(w http.ResponseWriter, r *http.Request) {
	body, ok := h.body(w, r)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.at(r)
	if i < 0 {
		h.missing(w)
		return
	}
	h.comments[i].Body = body
	answer(w, http.StatusOK, h.shown(h.comments[i]))
}

func (h *router) remove(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.at(r)
	if i < 0 {
		h.missing(w)
		return
	}
	h.comments = slices.Delete(h.comments, i, i+1)
	w.WriteHeader(http.StatusNoContent)
}

func (h *router) viewer(w http.ResponseWriter, _ *http.Request) {
	if h.Mute {
		answer(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]any{"databaseId": h.Self.ID}}})
}

func (h *router) user(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"id": h.Self.ID, "username": h.Self.Login})
}
