package statefile

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Run is what is remembered of a dev environment, task or service beside its
// jobs' resources: what the agent and watch did to it, and how it ended.
type Run struct {
	// Address is that of the block, such as task.finetune; Name is what the user calls it.
	Address string `json:"address"`
	// Former are the addresses that the run had before. What was kept of its jobs
	// then, such as their output, is under those.
	Former []string `json:"former,omitempty"`
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Status string   `json:"status"`
	Reason string   `json:"reason,omitempty"`
	// Scale is the number of replicas that autoscaling chose, nil before it has.
	Scale *int `json:"scale,omitempty"`
	// Destroyed says that the run was taken down with its block: what is kept is
	// history, and a block of the same name starts anew.
	Destroyed bool `json:"destroyed,omitempty"`
	// Attempts is the number of the latest attempt.
	Attempts int `json:"attempts,omitempty"`
	// Specification is the run as it was last started, as JSON with sensitive leaves null.
	Specification json.RawMessage `json:"specification,omitempty"`
	// Secrets maps the path of each sensitive leaf of Specification to its [Digest].
	Secrets map[string]string `json:"secrets,omitempty"`
	// Jobs are the final jobs: those that ended, in the order in which they were submitted.
	Jobs        []RunJob  `json:"jobs,omitempty"`
	SubmittedAt time.Time `json:"submitted_at,omitzero"`
	Changed     Changed   `json:"changed,omitzero"`
}

// RunJob is one attempt at a job of a run.
type RunJob struct {
	Index   int    `json:"index"`
	Attempt int    `json:"attempt"`
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`
	// ExitCode is nil while the job runs, and if it never exited by itself.
	ExitCode    *int      `json:"exit_code,omitempty"`
	Instance    string    `json:"instance,omitempty"`
	SubmittedAt time.Time `json:"submitted_at,omitzero"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
}

// Clone is a copy that shares nothing with r.
func (r *Run) Clone() *Run {
	if r == nil {
		return nil
	}
	c := *r
	if r.Scale != nil {
		scale := *r.Scale
		c.Scale = &scale
	}
	c.Former = slices.Clone(r.Former)
	c.Specification = bytes.Clone(r.Specification)
	c.Secrets = maps.Clone(r.Secrets)
	c.Jobs = slices.Clone(r.Jobs)
	for i, job := range c.Jobs {
		if job.ExitCode != nil {
			code := *job.ExitCode
			c.Jobs[i].ExitCode = &code
		}
	}
	return &c
}
