package apply

import (
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// Status says what became of a step.
type Status string

// What can become of a step.
const (
	// Done: it is done and recorded.
	Done Status = "done"
	// Failed: it was tried and did not succeed.
	Failed Status = "failed"
	// Skipped: it was not started, because something that it needs failed.
	Skipped Status = "skipped"
	// NotStarted: the apply was interrupted before its turn.
	NotStarted Status = "not_started"
	// NotNeeded: it belongs to a candidate that was not taken.
	NotNeeded Status = "not_needed"
)

// Result is what became of a plan.
type Result struct {
	// AlreadyApplied: the plan was applied wholly before, at AppliedAt; nothing was done.
	AlreadyApplied bool
	AppliedAt      time.Time
	// Steps has what became of each step, in the order of the plan; steps that only join others are left out.
	Steps []StepResult
	// Interrupted: not all steps were started, because that was asked for.
	Interrupted bool
	Elapsed     time.Duration
	// Tokens are those that were made for services that name none. They are recorded nowhere. Run leaves them empty.
	Tokens []Token
	// Checks and Warnings are what the checks of the configuration say of what is there now. Run leaves them empty.
	Checks   []plan.Check
	Warnings diag.List
}

// Token opens a service. Only its digest is kept.
type Token struct {
	Service string // its address
	Token   string
}

// StepResult is what became of one step.
type StepResult struct {
	plan.Step
	Status Status
	// Before: it was done by an earlier apply of the same plan.
	Before bool
	// Err is why it failed. It may be a *providers.Error.
	Err error
	// Because is the address of the failed step for which this one was not started.
	Because string
	// Note is a sentence about one that is done, "" for nothing to say.
	Note string
	// Tries counts the calls that failed.
	Tries int
	// Unknown: whether something was made is not known; the next plan finds out.
	Unknown bool
	Started time.Time
	Elapsed time.Duration
}

// Count is the number of steps of which that became.
func (r *Result) Count(s Status) int {
	n := 0
	for i := range r.Steps {
		if r.Steps[i].Status == s {
			n++
		}
	}
	return n
}

// Broken are the steps at which a condition did not hold.
func (r *Result) Broken() []StepResult {
	var out []StepResult
	for _, s := range r.Steps {
		if s.Status == Failed && s.Op.IsCondition() {
			out = append(out, s)
		}
	}
	return out
}

// Complete tells whether nothing is left to do.
func (r *Result) Complete() bool {
	return r.Count(Failed) == 0 && r.Count(Skipped) == 0 && r.Count(NotStarted) == 0
}
