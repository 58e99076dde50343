package apply

import (
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// EventType says what happened.
type EventType string

// Types of events. Each step has one of done, failed and skipped, or none when it never started.
const (
	EventStart       EventType = "start"
	EventProgress    EventType = "progress"
	EventRetry       EventType = "retry"
	EventCandidate   EventType = "candidate" // a group takes its next candidate
	EventDone        EventType = "done"
	EventFailed      EventType = "failed"
	EventSkipped     EventType = "skipped"     // not started, because what it needs failed
	EventInterrupted EventType = "interrupted" // nothing new is started; Message names what is in flight
)

// Event is one thing that happened during an apply.
type Event struct {
	Time    time.Time     `json:"time"`
	Type    EventType     `json:"type"`
	Address string        `json:"address,omitempty"`
	Deposed string        `json:"deposed,omitempty"`
	Op      plan.Op       `json:"op,omitempty"`
	Phase   string        `json:"phase,omitempty"` // as the provider says: "waiting for SSH"
	Done    int64         `json:"done,omitempty"`
	Total   int64         `json:"total,omitempty"`
	Elapsed time.Duration `json:"elapsed,omitempty"` // since the step started
	Wait    time.Duration `json:"wait,omitempty"`    // until the next try
	Message string        `json:"message,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// emit tells the observer, one event at a time.
func (e *engine) emit(ev Event) {
	ev.Time = e.clock.Now()
	e.observing.Lock()
	defer e.observing.Unlock()
	e.opts.Observe(ev)
}

// emitStep tells what happened to a step.
func (e *engine) emitStep(s *step, ev Event) {
	if s.plan.Op == plan.OpJoin {
		return
	}
	ev.Address, ev.Deposed, ev.Op = s.plan.Address, s.plan.Deposed, s.plan.Op
	if !s.started.IsZero() {
		ev.Elapsed = e.clock.Now().Sub(s.started)
	}
	e.emit(ev)
}

func joinNames(names []string) string { return strings.Join(names, ", ") }
