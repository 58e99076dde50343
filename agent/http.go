package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// maxBody bounds what a request may say.
const maxBody = 16 << 20

// handler answers the requests of package api. Those that wait end when the agent does.
func (s *server) handler(ending context.Context) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(w http.ResponseWriter, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ending, cancel)()
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			v, err := answer(w, r.WithContext(ctx))
			if err != nil {
				writeError(w, err)
				return
			}
			if v != nil {
				writeJSON(w, http.StatusOK, v)
			}
		})
	}
	handle("GET /v1/info", s.getInfo)
	handle("GET /v1/jobs", s.listJobs)
	handle("PUT /v1/jobs/{id}", s.putJob)
	handle("GET /v1/jobs/{id}", s.getJob)
	handle("DELETE /v1/jobs/{id}", s.deleteJob)
	handle("POST /v1/jobs/{id}/stop", s.stopJob)
	handle("PUT /v1/jobs/{id}/limits", s.limitJob)
	handle("GET /v1/jobs/{id}/logs", s.getLogs)
	handle("GET /v1/jobs/{id}/ssh", s.enterJob)
	handle("PUT /v1/access", s.putAccess)
	handle("POST /v1/blobs/missing", s.missingBlobs)
	mux.HandleFunc("POST /v1/blobs", s.receiveBlobs(ending))
	handle("POST /v1/shutdown", s.shutdown)
	handle("/", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return nil, api.Errorf(api.KindNotFound, "this agent (version %s) knows no %s %s", s.facts.AgentVersion, r.Method, r.URL.Path)
	})
	return mux
}

func (s *server) getInfo(http.ResponseWriter, *http.Request) (any, error) {
	info := api.Info{Facts: s.facts, Protocol: api.Version, PID: os.Getpid(), Program: s.program, StartedAt: s.started, Now: s.now().UTC(), Owner: s.owner}
	info.DiskBytes, info.DiskFreeBytes, _ = diskSpace(s.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	info.Blocks = len(s.locks.blocks)
	info.BusyBlocks, info.BusyGPUs = s.locks.busy()
	for _, j := range s.jobs {
		if _, ended, _ := j.view(); ended {
			info.FinishedJobs++
		} else {
			info.ActiveJobs++
		}
	}
	return info, nil
}

func (s *server) listJobs(http.ResponseWriter, *http.Request) (any, error) {
	l := api.JobList{Jobs: []api.Job{}}
	for _, j := range s.all() {
		v, _, _ := j.view()
		l.Jobs = append(l.Jobs, v)
	}
	slices.SortFunc(l.Jobs, func(a, b api.Job) int { return strings.Compare(a.ID, b.ID) })
	return l, nil
}

func (s *server) putJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	var spec api.JobSpec
	if err := readJSON(r, &spec); err != nil {
		return nil, err
	}
	if spec.ID == "" {
		spec.ID = r.PathValue("id")
	}
	if spec.ID != r.PathValue("id") {
		return nil, api.Errorf(api.KindInvalid, "the specification is of job %q, the request of %q", spec.ID, r.PathValue("id"))
	}
	j, err := s.submit(r.Context(), spec)
	if err != nil {
		return nil, err
	}
	v, _, _ := j.view()
	return v, nil
}

func (s *server) getJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := s.find(r)
	if err != nil {
		return nil, err
	}
	until := func(api.Job, bool) bool { return true }
	switch wait := r.FormValue("wait"); wait {
	case "":
	case "ready":
		until = func(v api.Job, _ bool) bool { return v.Ready }
	case "finished":
		until = func(api.Job, bool) bool { return false }
	default:
		return nil, api.Errorf(api.KindInvalid, "wait is %q; it can be ready or finished", wait)
	}
	ctx := r.Context()
	if text := r.FormValue("timeout"); text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil {
			return nil, api.Errorf(api.KindInvalid, "timeout: %v", err)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	v := j.wait(ctx, until)
	if j.isGone() {
		return nil, notFound(v.ID)
	}
	return v, nil
}

func (s *server) stopJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := s.find(r)
	if err != nil {
		return nil, err
	}
	var req api.StopRequest
	if err := readJSON(r, &req); err != nil {
		return nil, err
	}
	if _, ok := req.Reason.Final(); req.Reason != "" && !ok {
		return nil, api.Errorf(api.KindInvalid, "there is no reason %q", req.Reason)
	}
	if req.Reason != "" && !req.Reason.Stops() {
		return nil, api.Errorf(api.KindInvalid, "%q is no reason to stop a job for", req.Reason)
	}
	if req.Grace < 0 {
		return nil, api.Errorf(api.KindInvalid, "the time to stop cannot be negative")
	}
	if err := j.tell(r.Context(), controlRequest{Stop: &req}); err != nil {
		return nil, err
	}
	v, _, _ := j.view()
	return v, nil
}

// limitJob changes the limits of a job. One that has ended stays as it was.
func (s *server) limitJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := s.find(r)
	if err != nil {
		return nil, err
	}
	var limits api.Limits
	if err := readJSON(r, &limits); err != nil {
		return nil, err
	}
	if limits.MaxDuration < 0 || limits.StopGrace < 0 || limits.InactivityDuration < 0 || limits.StopDuration < 0 || limits.Retry.For < 0 || limits.Retry.Pause < 0 {
		return nil, api.Errorf(api.KindInvalid, "durations cannot be negative")
	}
	if _, ended, _ := j.view(); !ended {
		if err := j.tell(r.Context(), controlRequest{Limits: &limits}); err != nil {
			return nil, err
		}
		// Written after the supervisor has it: told again, both have it.
		if err := j.limited(limits); err != nil {
			return nil, err
		}
	}
	v, _, _ := j.view()
	return v, nil
}

// limited writes down what a job's limits are now.
func (j *job) limited(limits api.Limits) (err error) {
	j.change(func() {
		spec := &j.rec.Spec
		spec.MaxDuration, spec.StopGrace, spec.StopDuration, spec.Retry = limits.MaxDuration, limits.StopGrace, limits.StopDuration, limits.Retry
		spec.InactivityDuration = limits.InactivityDuration
		err = disk.WriteJSON(filepath.Join(j.dir, recordFile), j.rec)
	})
	j.presence.Limit(limits.InactivityDuration) // not while the job is locked: see view
	return err
}

// tell asks the job's supervisor for something, and returns when it has heard. Telling what has ended succeeds.
func (j *job) tell(ctx context.Context, req controlRequest) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		v, ended, changed := j.view()
		if ended || j.isGone() {
			return nil
		}
		if reply, err := j.ask(ctx, req); err == nil {
			j.change(func() {
				// What the supervisor said later may have been heard sooner.
				if !j.ended && !j.st.Status.Finished() {
					j.st = reply.Status
				}
			})
			return nil
		}
		// It ends just now or its agent has not seen yet that it was killed.
		select {
		case <-changed:
		case <-time.After(wait):
		case <-ctx.Done():
			return api.Errorf(api.KindInternal, "the supervisor of job %s does not answer", v.ID)
		}
	}
}

func (j *job) ask(ctx context.Context, req controlRequest) (reply controlReply, err error) {
	conn, err := sock.Dial(ctx, j.dir, controlSock)
	if err != nil {
		return reply, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return reply, err
	}
	err = json.NewDecoder(conn).Decode(&reply)
	return reply, err
}

func (s *server) deleteJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := s.find(r)
	if api.KindOf(err) == api.KindNotFound && err != nil {
		return struct{}{}, nil
	}
	if err != nil {
		return nil, err
	}
	if _, ended, _ := j.view(); !ended {
		if r.FormValue("force") != "1" {
			return nil, api.Errorf(api.KindConflict, "job %s has not ended; stop it first, or force its removal", r.PathValue("id"))
		}
		if err := s.abort(r.Context(), j); err != nil {
			return nil, err
		}
	}
	if err := s.forget(j); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// abort kills a job and returns when nothing of it is left.
func (s *server) abort(ctx context.Context, j *job) error {
	if err := j.tell(ctx, controlRequest{Stop: &api.StopRequest{Abort: true}}); err != nil {
		return err
	}
	j.wait(ctx, func(api.Job, bool) bool { return false })
	return ctx.Err()
}

func (s *server) shutdown(_ http.ResponseWriter, r *http.Request) (any, error) {
	var req api.ShutdownRequest
	if err := readJSON(r, &req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	var running []string
	for _, j := range s.all() {
		if v, ended, _ := j.view(); !ended {
			running = append(running, v.ID)
		}
	}
	slices.Sort(running)
	if len(running) > 0 && !req.Force {
		s.reopen()
		return nil, api.Errorf(api.KindConflict, "jobs have not ended: %s; stop them first, or force the shutdown", strings.Join(running, ", "))
	}
	for _, j := range s.all() {
		if err := s.abort(r.Context(), j); err != nil {
			s.reopen()
			return nil, err
		}
	}
	// The answer is sent before the server lets go.
	s.quit()
	return struct{}{}, nil
}

func (s *server) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = false
}

func (s *server) all() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*job
	for _, j := range s.jobs {
		all = append(all, j)
	}
	return all
}

func (s *server) find(r *http.Request) (*job, error) {
	id := r.PathValue("id")
	s.mu.Lock()
	j := s.jobs[id]
	s.mu.Unlock()
	if j == nil {
		return nil, notFound(id)
	}
	select {
	case <-j.submitted:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if j.isGone() {
		return nil, notFound(id)
	}
	return j, nil
}

func notFound(id string) error {
	return api.Errorf(api.KindNotFound, "there is no job %s on this instance", id)
}

func readJSON(r *http.Request, v any) error {
	err := json.NewDecoder(r.Body).Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return api.Errorf(api.KindInvalid, "the request cannot be read: %v", err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, err error) {
	var e *api.Error
	if !errors.As(err, &e) {
		e = api.Errorf(api.KindInternal, "%v", err)
	}
	writeJSON(w, e.HTTPStatus(), e)
}
