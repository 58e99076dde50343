package jobstate

import (
	"fmt"
	"slices"

	"github.com/dstackai/dstack-planner/agent/api"
)

// State is where a job stands.
type State struct {
	Status api.Status
	// Reason is why the job is about to end or has ended, empty before.
	Reason api.Reason
	// Attempt is the number of the try, from 1.
	Attempt int
}

// New is the state of a job whose first try has a number.
func New(attempt int) State { return State{Status: api.StatusSubmitted, Attempt: max(attempt, 1)} }

// Kind is what can happen to a job.
type Kind string

// Kinds of events.
const (
	// Provision: what the job needs of its machine is being made.
	Provision Kind = "provision"
	// Pull: its image is being pulled.
	Pull Kind = "pull"
	// Run: its program runs.
	Run Kind = "run"
	// Stop: it was asked to end, for a reason.
	Stop Kind = "stop"
	// Abort: it is killed, for a reason, which wins over that of a stop.
	Abort Kind = "abort"
	// Again: a try failed, for a reason after which another one follows.
	Again Kind = "again"
	// End: it has ended for good, for a reason. After a stop that is the reason of the stop.
	End Kind = "end"
)

// Event is something that happens to a job. Stop, Abort, Again and End have a reason.
type Event struct {
	Kind   Kind
	Reason api.Reason
}

// Transition is one row of the table.
type Transition struct {
	From api.Status
	On   Kind
	// To is empty where the reason decides: see api.Reason.Final.
	To api.Status
}

// Transitions is the table.
func Transitions() []Transition {
	return []Transition{
		{api.StatusSubmitted, Provision, api.StatusProvisioning},
		{api.StatusSubmitted, Pull, api.StatusPulling},
		{api.StatusSubmitted, Run, api.StatusRunning},
		{api.StatusSubmitted, Stop, api.StatusTerminating},
		{api.StatusSubmitted, Abort, api.StatusTerminating},
		{api.StatusSubmitted, Again, api.StatusSubmitted},
		{api.StatusSubmitted, End, ""},

		{api.StatusProvisioning, Pull, api.StatusPulling},
		{api.StatusProvisioning, Run, api.StatusRunning},
		{api.StatusProvisioning, Stop, api.StatusTerminating},
		{api.StatusProvisioning, Abort, api.StatusTerminating},
		{api.StatusProvisioning, Again, api.StatusSubmitted},
		{api.StatusProvisioning, End, ""},

		{api.StatusPulling, Run, api.StatusRunning},
		{api.StatusPulling, Stop, api.StatusTerminating},
		{api.StatusPulling, Abort, api.StatusTerminating},
		{api.StatusPulling, Again, api.StatusSubmitted},
		{api.StatusPulling, End, ""},

		{api.StatusRunning, Stop, api.StatusTerminating},
		{api.StatusRunning, Abort, api.StatusTerminating},
		{api.StatusRunning, Again, api.StatusSubmitted},
		{api.StatusRunning, End, ""},

		{api.StatusTerminating, Run, api.StatusTerminating}, // its start was under way
		{api.StatusTerminating, Stop, api.StatusTerminating},
		{api.StatusTerminating, Abort, api.StatusTerminating},
		{api.StatusTerminating, End, ""},
	}
}

// ImpossibleError is the error of an event that cannot happen.
type ImpossibleError struct {
	From  State
	Event Event
}

func (e *ImpossibleError) Error() string {
	what := string(e.Event.Kind)
	if e.Event.Reason != "" {
		what += " (" + string(e.Event.Reason) + ")"
	}
	return fmt.Sprintf("a job that is %s cannot take %s", e.From.Status, what)
}

// Next is the state after an event, or an *ImpossibleError.
func (s State) Next(e Event) (State, error) {
	rows := Transitions()
	at := slices.IndexFunc(rows, func(t Transition) bool { return t.From == s.Status && t.On == e.Kind })
	if at < 0 || !s.takes(e) {
		return s, &ImpossibleError{s, e}
	}
	next := s
	if next.Status = rows[at].To; next.Status == "" {
		next.Status, _ = e.Reason.Final()
	}
	switch e.Kind {
	case Stop:
		if s.Reason == "" { // the first one stays
			next.Reason = e.Reason
		}
	case Abort, End:
		next.Reason = e.Reason
	case Again:
		next.Attempt++
	}
	return next, nil
}

// takes tells whether an event has a reason that it can have here.
func (s State) takes(e Event) bool {
	_, known := e.Reason.Final()
	switch e.Kind {
	case Stop, Abort:
		return known && e.Reason.Stops()
	case Again:
		return e.Reason.Retryable()
	case End:
		if s.Status == api.StatusTerminating {
			return e.Reason == s.Reason
		}
		// What was stopped went through terminating, and only what ran is done.
		return known && (s.Status == api.StatusRunning || e.Reason != api.ReasonDone)
	}
	return e.Reason == ""
}
