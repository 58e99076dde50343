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
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Type     string    `json:"type"`
	Address  string    `json:"address,omitempty"`
	Previous string    `json:"previous_address,omitempty"`
	Message  string    `json:"message"`

	Version    string           `json:"dstack_version,omitempty"`
	Action     plan.Action      `json:"-"`
	Actions    []string         `json:"actions,omitempty"`
	Reason     string           `json:"reason,omitempty"`
	Gone       bool             `json:"gone,omitempty"`
	Result     string           `json:"result,omitempty"`
	Op         string           `json:"operation,omitempty"`
	Phase      string           `json:"phase,omitempty"`
	Done       int64            `json:"done,omitempty"`
	Total      int64            `json:"total,omitempty"`
	Elapsed    float64          `json:"elapsed_seconds,omitempty"`
	Error      string           `json:"error,omitempty"`
	Plan       string           `json:"plan,omitempty"`
	Serial     uint64           `json:"serial,omitempty"`
	Summary    *plan.Summary    `json:"summary,omitempty"`
	Tally      *tally           `json:"tally,omitempty"`
	Outputs    map[string]any   `json:"outputs,omitempty"`
	Diagnostic *diag.Diagnostic `json:"diagnostic,omitempty"`
}

// tally is how an apply ended.
type tally struct {
	Done       int `json:"done"`
	Failed     int `json:"failed"`
	NotStarted int `json:"not_started"`
}

func newEvents(a *app) *events {
	e := &events{out: a.out, now: a.now}
	e.emit(event{Type: "version", Message: "dstack " + a.version, Version: a.version})
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
		ev.Level = "info"
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
		level := "error"
		if d.Severity == diag.Warning {
			level = "warn"
		}
		e.emit(event{Level: level, Type: "diagnostic", Address: d.Address, Message: d.Summary, Diagnostic: d})
	}
}

// plan tells what a plan says, change by change.
func (e *events) plan(p *plan.Plan) {
	for _, d := range p.Drift {
		what := "differs from what is recorded"
		if d.Gone {
			what = "is gone"
		}
		e.emit(event{Type: "drift", Address: d.Address, Message: d.Address + " " + what, Gone: d.Gone})
	}
	for _, n := range p.NotChecked {
		e.emit(event{Level: "warn", Type: "not_checked", Address: n.Address, Message: n.Address + ": " + n.Text})
	}
	for _, m := range p.Moves {
		e.emit(event{Type: "planned_move", Address: m.To, Previous: m.From, Message: m.To + ": moved from " + m.From})
	}
	for _, c := range p.Changes {
		if c.Action == plan.NoOp {
			continue // only its address changes
		}
		e.emit(event{Type: "planned_change", Previous: c.PreviousAddress, Address: c.Address, Message: fmt.Sprintf("%s: %s", c.Address, strings.ReplaceAll(string(c.Action), ",", " then ")),
			Actions: strings.Split(string(c.Action), ","), Reason: c.Reason})
	}
	for _, n := range p.Deferred {
		e.emit(event{Type: "deferred", Address: n.Address, Message: n.Address + " is deferred: " + n.Text})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Outputs)) {
		if o := p.Outputs[name]; o.Action != plan.NoOp {
			e.emit(event{Type: "planned_output", Address: "output." + name, Message: "output." + name + ": " + string(o.Action), Actions: strings.Split(string(o.Action), ",")})
		}
	}
	for _, r := range p.Policies {
		level := "info"
		switch {
		case r.Denies():
			level = "error"
		case r.Result != plan.PolicyPassed:
			level = "warn"
		}
		e.emit(event{Level: level, Type: "policy", Address: "policy." + r.Name, Message: strings.TrimSuffix(fmt.Sprintf("%s %s: %s", r.Name, r.Result, r.Message), ": "), Result: string(r.Result)})
	}
	e.diagnostics(p.Diagnostics)
	first, _, _ := strings.Cut(render.Text(p, render.Options{Width: 1000}), "\n")
	e.emit(event{Type: "change_summary", Message: first, Summary: &p.Summary, Plan: p.ID, Serial: p.Serial})
}
