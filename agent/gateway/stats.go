package gateway

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// windows are the times, in seconds, over which requests are counted. The last one is what is kept.
var windows = [...]int{30, 60, 300}

// kept is how many seconds are kept.
const kept = 300

// stats counts what is asked of services, second by second.
type stats struct {
	now func() time.Time

	mu     sync.Mutex
	frames map[string]*[kept]frame // by service; a second has the place of its remainder
}

// frame is what ended in one second.
type frame struct {
	second   int64
	requests int
	time     time.Duration
}

func newStats(now func() time.Time) *stats {
	return &stats{now: now, frames: map[string]*[kept]frame{}}
}

// begin begins to count a request; end of what it returns is called when it is answered.
func (s *stats) begin(service string, w http.ResponseWriter) *countedWriter {
	return &countedWriter{ResponseWriter: w, stats: s, service: service, began: s.now()}
}

func (s *stats) add(service string, took time.Duration) {
	second := s.now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	frames := s.frames[service]
	if frames == nil {
		frames = &[kept]frame{}
		s.frames[service] = frames
	}
	f := &frames[second%kept]
	if f.second != second {
		*f = frame{second: second}
	}
	f.requests++
	f.time += took
}

// list is the usage of each service, in the order of their names.
func (s *stats) list() []api.ServiceStats {
	now := s.now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []api.ServiceStats{}
	for _, service := range slices.Sorted(maps.Keys(s.frames)) {
		one := api.ServiceStats{Service: service}
		for _, seconds := range windows {
			u := api.Usage{Seconds: seconds}
			for _, f := range s.frames[service] {
				if age := now - f.second; age >= 0 && age < int64(seconds) {
					u.Requests += f.requests
					u.Time += f.time
				}
			}
			one.Windows = append(one.Windows, u)
		}
		out = append(out, one)
	}
	return out
}

// countedWriter sees with which status a request is answered.
type countedWriter struct {
	http.ResponseWriter
	stats   *stats
	service string
	began   time.Time
	status  int
}

// WriteHeader notes the status; those below 200 come before the answer.
func (c *countedWriter) WriteHeader(status int) {
	if c.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets an answer be flushed, and a connection be taken over.
func (c *countedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// end counts the request, unless it asked for what it may not have or what is not there: nobody needs more replicas for that.
func (c *countedWriter) end() {
	switch c.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return
	}
	c.stats.add(c.service, c.stats.now().Sub(c.began))
}
