package api

import "time"

// Attempt is a try at a job that has ended, while the job goes on with another.
type Attempt struct {
	Number     int       `json:"number"`
	Status     Status    `json:"status"`
	Reason     Reason    `json:"reason"`
	Message    string    `json:"message,omitempty"`
	ExitCode   *int      `json:"exit_code,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at"`
}
