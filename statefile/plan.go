package statefile

import (
	"time"
)

// AppliedPlan is a plan that was applied to this state, wholly or in part.
type AppliedPlan struct {
	// ID is the plan's digest.
	ID     string     `json:"id"`
	Status PlanStatus `json:"status"`
	By     string     `json:"by,omitempty"`
	// StartedAt is when its first step was recorded, FinishedAt when apply ended.
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Overrides are the policies against which it was applied.
	Overrides []PolicyOverride `json:"overrides,omitempty"`
	// Steps are the ids of the finished steps, for a plan that was applied in part.
	Steps []string `json:"steps,omitempty"`
}

// PolicyOverride says that somebody applied a plan although a policy denies it.
type PolicyOverride struct {
	Policy string `json:"policy"`
	// Result is denied, or unknown where it could not be known whether the plan keeps the policy.
	Result  string    `json:"result"`
	Message string    `json:"message,omitempty"`
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
}

// PlanStatus says how far a plan got.
type PlanStatus string

// How far a plan got.
const (
	// PlanStarted: it is being applied, or its apply was killed.
	PlanStarted PlanStatus = "started"
	// PlanPartly: apply ended with steps left.
	PlanPartly PlanStatus = "partly"
	// PlanApplied: nothing is left of it.
	PlanApplied PlanStatus = "applied"
)
