package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

// events is stdout as a stream: one JSON object on each line, which always has time, level, type and message.
type events struct {
	mu  sync.Mutex
	out io.Writer
	now func() time.Time
	err error
}

// event is one line. What belongs to the type is in the fields below message.
type event struct {
	Time     time.Time  `json:"time"`
	Level    eventLevel `json:"level"`
	Type     eventType  `json:"type"`
	Address  string     `json:"address,omitempty"`          // of the resource, output or policy that it is about
	Previous string     `json:"previous_address,omitempty"` // of what has moved
	ID       string     `json:"id,omitempty"`               // of what is imported
	Message  string     `json:"message"`                    // a sentence for people

	Version    string            `json:"dstack_version,omitempty"`
	Actions    []string          `json:"actions,omitempty"` // as in a plan: delete, create
	Reason     string            `json:"reason,omitempty"`
	Gone       bool              `json:"gone,omitempty"`  // deleted outside of dstack
	Class      string            `json:"class,omitempty"` // of drift: what the plan does about it
	Since      time.Time         `json:"since,omitzero"`  // of what was not checked: when it was recorded as it is
	Result     plan.PolicyResult `json:"result,omitempty"`
	Op         plan.Op           `json:"operation,omitempty"` // of a step
	Phase      string            `json:"phase,omitempty"`     // as the provider says: waiting for SSH
	Done       int64             `json:"done,omitempty"`      // of total, in a unit that the phase knows
	Total      int64             `json:"total,omitempty"`
	Backend    string            `json:"backend,omitempty"`
	AtOnce     int               `json:"at_once,omitempty"`         // calls that a backend gets at a time from now on
	Refused    int               `json:"refused,omitempty"`         // calls that a backend has refused so far, because it was asked too often
	Wait       float64           `json:"wait_seconds,omitempty"`    // until the next call
	Elapsed    float64           `json:"elapsed_seconds,omitempty"` // since the step started
	Error      string            `json:"error,omitempty"`
	Plan       string            `json:"plan,omitempty"`    // the id of the plan
	Serial     uint64            `json:"serial,omitempty"`  // of the state: that the plan was made from, or that apply wrote
	Summary    *plan.Summary     `json:"summary,omitempty"` // what the plan counts
	Refresh    *plan.Refresh     `json:"refresh,omitempty"` // how much of what is recorded was read, where not all of it was to be
	Tally      *tally            `json:"tally,omitempty"`
	Outputs    map[string]any    `json:"outputs,omitempty"`
	Token      string            `json:"token,omitempty"` // of a service
	Diagnostic *diag.Diagnostic  `json:"diagnostic,omitempty"`
}

// eventLevel says how much an event matters.
type eventLevel string

// Levels of events.
const (
	levelInfo  eventLevel = "info"
	levelWarn  eventLevel = "warn"
	levelError eventLevel = "error"
)

// eventType says what an event is about.
type eventType string

// Types of events, in the order in which they are met.
const (
	eventVersion       eventType = "version"        // the first line
	eventReadThrottled eventType = "read_throttled" // a backend is asked too often
	eventReadComplete  eventType = "read_complete"  // of a backend that was
	eventDiagnostic    eventType = "diagnostic"
	eventDrift         eventType = "drift"
	eventNotChecked    eventType = "not_checked"
	eventPlannedMove   eventType = "planned_move"
	eventPlannedImport eventType = "planned_import"
	eventPlannedChange eventType = "planned_change"
	eventDeferred      eventType = "deferred"
	eventPlannedOutput eventType = "planned_output"
	eventPolicy        eventType = "policy"
	eventChangeSummary eventType = "change_summary" // the end of a plan

	// What happens to steps: the types of package apply.
	eventApplyStart       eventType = "apply_start"
	eventApplyProgress    eventType = "apply_progress"
	eventApplyRetry       eventType = "apply_retry"
	eventApplyCandidate   eventType = "apply_candidate"
	eventApplyDone        eventType = "apply_done"
	eventApplyFailed      eventType = "apply_failed"
	eventApplySkipped     eventType = "apply_skipped"
	eventApplyInterrupted eventType = "apply_interrupted"
	eventInterrupt        eventType = "interrupt"
	eventToken            eventType = "token"          // that was made for a service, and that nobody tells again
	eventApplyComplete    eventType = "apply_complete" // the end of an apply
)

// tally is how an apply ended.
type tally struct {
	Done       int `json:"done"`
	Failed     int `json:"failed"`
	NotStarted int `json:"not_started"`
}

func newEvents(a *app) *events {
	e := &events{out: a.out, now: a.now}
	e.emit(event{Type: eventVersion, Message: "dstack " + a.version, Version: a.version})
	return e
}

func (e *events) emit(ev event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ev.Time.IsZero() {
		ev.Time = e.now()
	}
	ev.Time = ev.Time.UTC()
	if ev.Level == "" {
		ev.Level = levelInfo
	}
	line, err := render.JSONLine(ev)
	if err == nil {
		_, err = e.out.Write(line)
	}
	if err != nil && e.err == nil {
		e.err = err // nobody reads any more; the work goes on
	}
}

func (e *events) diagnostics(list diag.List) {
	for _, d := range list {
		level := levelError
		if d.Severity == diag.Warning {
			level = levelWarn
		}
		e.emit(event{Level: level, Type: eventDiagnostic, Address: d.Address, Message: d.Summary, Diagnostic: d})
	}
}

// reading tells of a backend that does not want to be asked as often as it is.
func (e *events) reading(r planner.Reading, text string) {
	ev := event{Type: eventReadThrottled, Message: text, Backend: r.Backend, Done: int64(r.Done), Total: int64(r.Total), AtOnce: r.AtOnce, Refused: r.Refused, Wait: r.Wait.Seconds()}
	if r.Why != nil {
		ev.Error = r.Why.Error()
	}
	if r.Ended {
		ev.Type = eventReadComplete
	}
	e.emit(ev)
}

// plan tells what a plan says, change by change.
func (e *events) plan(p *plan.Plan) {
	for _, d := range p.Drift {
		e.emit(event{Type: eventDrift, Address: d.Address, Message: render.Drift(d), Gone: d.Gone, Class: d.Class})
	}
	for _, n := range p.NotChecked {
		level := levelWarn
		if p.Skipped(n) {
			level = levelInfo // it was asked for
		}
		e.emit(event{Level: level, Type: eventNotChecked, Address: n.Address, Message: n.Address + ": " + n.Text, Since: n.Since})
	}
	for _, m := range p.Moves {
		e.emit(event{Type: eventPlannedMove, Address: m.To, Previous: m.From, Message: m.To + ": moved from " + m.From})
	}
	for _, c := range p.Changes {
		if c.Import != nil {
			e.emit(event{Type: eventPlannedImport, Address: c.Address, ID: c.Import.ID, Message: c.Address + ": imported, " + c.Import.ID})
		}
		if c.Action == plan.NoOp {
			continue // only its address changes, or it is only taken over
		}
		e.emit(event{Type: eventPlannedChange, Previous: c.PreviousAddress, Address: c.Address, Message: fmt.Sprintf("%s: %s", c.Address, strings.ReplaceAll(string(c.Action), ",", " then ")),
			Actions: strings.Split(string(c.Action), ","), Reason: c.Reason})
	}
	for _, n := range p.Deferred {
		e.emit(event{Type: eventDeferred, Address: n.Address, Message: n.Address + " is deferred: " + n.Text})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Outputs)) {
		if o := p.Outputs[name]; o.Action != plan.NoOp {
			e.emit(event{Type: eventPlannedOutput, Address: "output." + name, Message: "output." + name + ": " + string(o.Action), Actions: strings.Split(string(o.Action), ",")})
		}
	}
	for _, r := range p.Policies {
		level := levelInfo
		switch {
		case r.Denies():
			level = levelError
		case r.Result != plan.PolicyPassed:
			level = levelWarn
		}
		e.emit(event{Level: level, Type: eventPolicy, Address: "policy." + r.Name, Message: strings.TrimSuffix(fmt.Sprintf("%s %s: %s", r.Name, r.Result, r.Message), ": "), Result: r.Result})
	}
	e.diagnostics(p.Diagnostics)
	first, _, _ := strings.Cut(render.Text(p, render.Options{Width: 1000}), "\n")
	e.emit(event{Type: eventChangeSummary, Message: first, Summary: &p.Summary, Refresh: p.Refresh, Plan: p.ID, Serial: p.Serial})
}
