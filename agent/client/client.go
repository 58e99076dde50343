package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// ErrNotRunning is wrapped by the error of every call to an agent or gateway that is not there.
var ErrNotRunning = errors.New("not running")

// Dialer opens a connection to an agent or gateway.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client talks to the agent of one instance. It is safe for concurrent use.
type Client struct {
	peer
	dial Dialer
	dir  string
}

// New returns a client of the agent that serves the folder dir on this machine.
func New(dir string) *Client {
	c := NewWithDialer("agent in "+dir, func(ctx context.Context) (net.Conn, error) { return sock.Dial(ctx, dir, api.AgentSocket) })
	c.dir = dir
	return c
}

// NewWithDialer returns a client of an agent that is reached in some other way. Errors call it name.
func NewWithDialer(name string, dial Dialer) *Client {
	return &Client{peer: newPeer(name, dial), dial: dial}
}

// Info returns what the agent says of itself and its machine.
func (c *Client) Info(ctx context.Context) (info api.Info, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/info", nil, nil, &info)
	return info, err
}

// Submit starts a job, or returns the one that was started with the same specification before.
func (c *Client) Submit(ctx context.Context, spec api.JobSpec) (job api.Job, err error) {
	err = c.call(ctx, http.MethodPut, jobPath(spec.ID), nil, spec, &job)
	return job, err
}

// Jobs returns every job that the agent knows, ordered by id.
func (c *Client) Jobs(ctx context.Context) ([]api.Job, error) {
	var l api.JobList
	err := c.call(ctx, http.MethodGet, "/v1/jobs", nil, nil, &l)
	return l.Jobs, err
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, id string) (job api.Job, err error) {
	err = c.call(ctx, http.MethodGet, jobPath(id), nil, nil, &job)
	return job, err
}

// WaitReady returns the job when it is ready or has ended, whichever is first.
func (c *Client) WaitReady(ctx context.Context, id string) (api.Job, error) {
	return c.wait(ctx, id, "ready", func(j api.Job) bool { return j.Ready || j.Status.Finished() })
}

// WaitFinished returns the job when it has ended and nothing of it is left on the machine.
func (c *Client) WaitFinished(ctx context.Context, id string) (api.Job, error) {
	return c.wait(ctx, id, "finished", func(j api.Job) bool { return j.Status.Finished() })
}

// pollWait is how long one request waits; a wait that is longer is several.
const pollWait = 30 * time.Second

func (c *Client) wait(ctx context.Context, id, until string, reached func(api.Job) bool) (job api.Job, err error) {
	q := url.Values{"wait": {until}, "timeout": {pollWait.String()}}
	for {
		job = api.Job{}
		if err = c.call(ctx, http.MethodGet, jobPath(id), q, nil, &job); err != nil || reached(job) {
			return job, err
		}
	}
}

// Stop asks for the job's end and returns when it has begun.
func (c *Client) Stop(ctx context.Context, id string, req api.StopRequest) (job api.Job, err error) {
	err = c.call(ctx, http.MethodPost, jobPath(id)+"/stop", nil, req, &job)
	return job, err
}

// Limit changes the limits of a job while it runs. One that has ended stays as it was.
func (c *Client) Limit(ctx context.Context, id string, limits api.Limits) (job api.Job, err error) {
	err = c.call(ctx, http.MethodPut, jobPath(id)+"/limits", nil, limits, &job)
	return job, err
}

// Delete removes a job that has ended, with its log; with force it aborts the job first. Deleting what is not there succeeds.
func (c *Client) Delete(ctx context.Context, id string, force bool) error {
	q := url.Values{}
	if force {
		q.Set("force", "1")
	}
	return c.call(ctx, http.MethodDelete, jobPath(id), q, nil, nil)
}

// Logs returns lines of a job's output. With Follow it goes on until the job has ended; if the agent goes away before, the last
// element is an error, and Attempt and Next of the last line are where to go on.
func (c *Client) Logs(ctx context.Context, id string, query api.LogQuery) iter.Seq2[api.LogLine, error] {
	q := url.Values{}
	if query.Follow {
		q.Set("follow", "1")
	}
	if !query.Since.IsZero() {
		q.Set("since", query.Since.Format(time.RFC3339Nano))
	}
	if query.Tail > 0 {
		q.Set("tail", strconv.Itoa(query.Tail))
	}
	if query.Offset > 0 {
		q.Set("offset", strconv.FormatInt(query.Offset, 10))
	}
	if query.Attempt > 0 {
		q.Set("attempt", strconv.Itoa(query.Attempt))
	}
	for name, set := range map[string]bool{"onward": query.Onward, "diagnose": query.Diagnose} {
		if set {
			q.Set(name, "1")
		}
	}
	return func(yield func(api.LogLine, error) bool) {
		body, err := c.open(ctx, http.MethodGet, jobPath(id)+"/logs", q, nil)
		if err != nil {
			yield(api.LogLine{}, err)
			return
		}
		defer body.Close()
		for in := json.NewDecoder(bufio.NewReader(body)); ; {
			var line api.LogLine
			err := in.Decode(&line)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(api.LogLine{}, fmt.Errorf("read log of job %s: %w", id, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// Shutdown ends the agent. While jobs run it is refused as a conflict, unless force aborts them.
func (c *Client) Shutdown(ctx context.Context, force bool) error {
	return c.call(ctx, http.MethodPost, "/v1/shutdown", nil, api.ShutdownRequest{Force: force}, nil)
}

func jobPath(id string) string { return "/v1/jobs/" + url.PathEscape(id) }

// Gateway talks to a local gateway. It is safe for concurrent use.
type Gateway struct {
	peer
	dir string
}

// NewGateway returns a client of the gateway that serves the folder dir on this machine.
func NewGateway(dir string) *Gateway {
	return &Gateway{newPeer("gateway in "+dir, func(ctx context.Context) (net.Conn, error) {
		return sock.Dial(ctx, dir, api.GatewaySocket)
	}), dir}
}

// Info returns what the gateway says of itself.
func (g *Gateway) Info(ctx context.Context) (info api.GatewayInfo, err error) {
	err = g.call(ctx, http.MethodGet, "/v1/info", nil, nil, &info)
	return info, err
}

// Configure changes the gateway while it runs.
func (g *Gateway) Configure(ctx context.Context, c api.GatewayConfig) (info api.GatewayInfo, err error) {
	err = g.call(ctx, http.MethodPut, "/v1/config", nil, c, &info)
	return info, err
}

// Routes returns every route, ordered by id.
func (g *Gateway) Routes(ctx context.Context) ([]api.Route, error) {
	var l api.RouteList
	err := g.call(ctx, http.MethodGet, "/v1/routes", nil, nil, &l)
	return l.Routes, err
}

// Stats returns how much is asked of each service.
func (g *Gateway) Stats(ctx context.Context) ([]api.ServiceStats, error) {
	var l api.StatsList
	err := g.call(ctx, http.MethodGet, "/v1/stats", nil, nil, &l)
	return l.Services, err
}

// PutRoute adds a route or changes it. If its target changes and drain is not negative, requests that are open on the old
// target are waited for so long and then cut; if drain is negative, they go on.
func (g *Gateway) PutRoute(ctx context.Context, r api.Route, drain time.Duration) error {
	q := url.Values{}
	if drain >= 0 {
		q.Set("drain", drain.String())
	}
	return g.call(ctx, http.MethodPut, routePath(r.ID), q, r, nil)
}

// DeleteRoute removes a route: it gets no new request, and those that are open are waited for as long as drain says and then
// cut. Deleting what is not there succeeds.
func (g *Gateway) DeleteRoute(ctx context.Context, id string, drain time.Duration) (d api.Drained, err error) {
	err = g.call(ctx, http.MethodDelete, routePath(id), url.Values{"drain": {drain.String()}}, nil, &d)
	return d, err
}

// Shutdown ends the gateway; its routes stay in its folder.
func (g *Gateway) Shutdown(ctx context.Context) error {
	return g.call(ctx, http.MethodPost, "/v1/shutdown", nil, nil, nil)
}

func routePath(id string) string { return "/v1/routes/" + url.PathEscape(id) }

// peer is the other end of a socket.
type peer struct {
	name string
	http *http.Client
}

func newPeer(name string, dial Dialer) peer {
	return peer{name, &http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		IdleConnTimeout: 30 * time.Second,
	}}}
}

// Close closes connections that are kept for later.
func (p *peer) Close() { p.http.CloseIdleConnections() }

func (p *peer) call(ctx context.Context, method, path string, q url.Values, in, out any) error {
	body, err := p.open(ctx, method, path, q, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, body)
	} else {
		err = json.NewDecoder(body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("read answer of %s to %s %s: %w", p.name, method, path, err)
	}
	return nil
}

// open sends a request and returns the body of its answer.
func (p *peer) open(ctx context.Context, method, path string, q url.Values, in any) (io.ReadCloser, error) {
	body, streams := in.(io.Reader)
	if in != nil && !streams {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	target := "http://dstack" + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // its address is of nobody's interest
		}
		return nil, fmt.Errorf("%s: %w", p.name, notThere(err))
	}
	if resp.StatusCode < 400 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	refusal := new(api.Error)
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(data, refusal) != nil || refusal.Kind == "" {
		return nil, fmt.Errorf("%s: answered %s: %s", p.name, resp.Status, bytes.TrimSpace(data))
	}
	return nil, refusal
}

// notThere is ErrNotRunning where an error says that nobody listens.
func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNotRunning
	}
	return err
}
