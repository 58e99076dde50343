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
	// Steps are the ids of the finished steps, for a plan that was applied in part.
	Steps []string `json:"steps,omitempty"`
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
