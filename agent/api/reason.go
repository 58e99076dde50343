package api

import "slices"

// Reason says why a job ended.
type Reason string

// Reasons for the end of a job.
const (
	// Of the job itself.
	ReasonDone            Reason = "done_by_runner"
	ReasonExitedWithError Reason = "container_exited_with_error"

	// Of the agent that could not start it or lost it.
	ReasonPortsBindingFailed Reason = "ports_binding_failed"
	ReasonCreatingContainer  Reason = "creating_container_error"
	ReasonExecutorError      Reason = "executor_error"
	ReasonVolumeError        Reason = "volume_error"

	// Of the agent that ended it.
	ReasonMaxDurationExceeded Reason = "max_duration_exceeded"
	ReasonInactivityExceeded  Reason = "inactivity_duration_exceeded"

	// Of those who stop it.
	ReasonTerminatedByUser   Reason = "terminated_by_user"
	ReasonTerminatedByServer Reason = "terminated_by_server"
	ReasonScaledDown         Reason = "scaled_down"
	ReasonGatewayError       Reason = "gateway_error"
	ReasonAbortedByUser      Reason = "aborted_by_user"

	// Of those who look after machines: there was none, or it went away.
	ReasonNoCapacity         Reason = "failed_to_start_due_to_no_capacity"
	ReasonInterrupted        Reason = "interrupted_by_no_capacity"
	ReasonInstanceTooSlow    Reason = "waiting_instance_limit_exceeded"
	ReasonAgentTooSlow       Reason = "waiting_runner_limit_exceeded"
	ReasonRetryLimitExceeded Reason = "retry_limit_exceeded"
)

// Reasons lists all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonDone, ReasonExitedWithError, ReasonPortsBindingFailed, ReasonCreatingContainer, ReasonExecutorError, ReasonVolumeError,
		ReasonMaxDurationExceeded, ReasonInactivityExceeded, ReasonTerminatedByUser, ReasonTerminatedByServer, ReasonScaledDown,
		ReasonGatewayError, ReasonAbortedByUser, ReasonNoCapacity, ReasonInterrupted, ReasonInstanceTooSlow, ReasonAgentTooSlow,
		ReasonRetryLimitExceeded,
	}
}

// Final returns the status in which a job ends for this reason; ok is false for a reason that is not known.
func (r Reason) Final() (status Status, ok bool) {
	switch r {
	case ReasonDone:
		return StatusDone, true
	case ReasonMaxDurationExceeded, ReasonInactivityExceeded, ReasonTerminatedByUser, ReasonTerminatedByServer, ReasonScaledDown:
		return StatusTerminated, true
	case ReasonAbortedByUser:
		return StatusAborted, true
	}
	if slices.Contains(Reasons(), r) {
		return StatusFailed, true
	}
	return "", false
}

// Stops tells whether a job can be asked to end for this reason. The others are of jobs that end by themselves or never ran.
func (r Reason) Stops() bool {
	switch r {
	case ReasonDone, ReasonExitedWithError, ReasonNoCapacity, ReasonRetryLimitExceeded:
		return false
	}
	return true
}

// Retryable tells whether a job that ended for this reason has failed in a way that another try may not: the event "error" of a
// retry policy.
func (r Reason) Retryable() bool {
	switch r {
	case ReasonExitedWithError, ReasonPortsBindingFailed, ReasonCreatingContainer, ReasonExecutorError, ReasonGatewayError,
		ReasonInstanceTooSlow, ReasonAgentTooSlow:
		return true
	}
	return false
}
