package jobstate_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/jobstate"
)

// statuses are all that a job can have.
func statuses() []api.Status {
	return []api.Status{
		api.StatusSubmitted, api.StatusProvisioning, api.StatusPulling, api.StatusRunning, api.StatusTerminating,
		api.StatusDone, api.StatusFailed, api.StatusTerminated, api.StatusAborted,
	}
}

func kinds() []jobstate.Kind {
	return []jobstate.Kind{jobstate.Provision, jobstate.Pull, jobstate.Run, jobstate.Stop, jobstate.Abort, jobstate.Again, jobstate.End}
}

// TestEveryTransition walks every status, every event and every reason, and the impossible ones too. A row is a status, a column
// an event; "=" is the status that the reason leads to, "." what cannot happen.
func TestEveryTransition(t *testing.T) {
	const table = `
	             provision     pull     run          stop         abort        again      end
	submitted    provisioning  pulling  running      terminating  terminating  submitted  =
	provisioning .             pulling  running      terminating  terminating  submitted  =
	pulling      .             .        running      terminating  terminating  submitted  =
	running      .             .        .            terminating  terminating  submitted  =
	terminating  .             .        terminating  terminating  terminating  .          =
	done         .             .        .            .            .            .          .
	failed       .             .        .            .            .            .          .
	terminated   .             .        .            .            .            .          .
	aborted      .             .        .            .            .            .          .`
	want := map[api.Status]map[jobstate.Kind]string{}
	var columns []string
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case columns == nil:
			columns = words
		default:
			row := map[jobstate.Kind]string{}
			for i, name := range columns {
				row[jobstate.Kind(name)] = words[i+1]
			}
			want[api.Status(words[0])] = row
		}
	}
	require.Len(t, want, len(statuses()))
	require.Len(t, columns, len(kinds()))

	steps := 0
	for _, from := range statuses() {
		for _, kind := range kinds() {
			for _, reason := range append(api.Reasons(), "", "mood") {
				steps++
				const asked = api.ReasonTerminatedByUser // by whoever stopped it
				s := jobstate.State{Status: from, Attempt: 3}
				if from == api.StatusTerminating || from.Finished() {
					s.Reason = asked
				}
				name := fmt.Sprintf("%s, %s (%s)", from, kind, reason)
				got, err := s.Next(jobstate.Event{Kind: kind, Reason: reason})
				cell := want[from][kind]
				if cell == "." || !mayHave(from, kind, reason, asked) {
					var impossible *jobstate.ImpossibleError
					require.True(t, errors.As(err, &impossible), name)
					require.Contains(t, impossible.Error(), string(from))
					require.Equal(t, s, got, name)
					continue
				}
				require.NoError(t, err, name)
				to := jobstate.State{Status: api.Status(cell), Reason: reason, Attempt: 3}
				switch {
				case cell == "=":
					to.Status, _ = reason.Final()
				case kind == jobstate.Again:
					to.Attempt, to.Reason = 4, ""
				case from == api.StatusTerminating && kind != jobstate.Abort:
					to.Reason = asked
				}
				if diff := cmp.Diff(to, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
	require.Equal(t, 9*7*(len(api.Reasons())+2), steps)
}

// mayHave says with which reasons an event happens: it is the second half of the table.
func mayHave(from api.Status, kind jobstate.Kind, reason, asked api.Reason) bool {
	known := slices.Contains(api.Reasons(), reason)
	switch kind {
	case jobstate.Stop, jobstate.Abort:
		return known && !slices.Contains([]api.Reason{api.ReasonDone, api.ReasonExitedWithError, api.ReasonNoCapacity, api.ReasonRetryLimitExceeded}, reason)
	case jobstate.Again:
		return slices.Contains([]api.Reason{api.ReasonExitedWithError, api.ReasonPortsBindingFailed, api.ReasonCreatingContainer, api.ReasonExecutorError,
			api.ReasonGatewayError, api.ReasonInstanceTooSlow, api.ReasonAgentTooSlow}, reason)
	case jobstate.End:
		if from == api.StatusTerminating {
			return reason == asked
		}
		return known && (from == api.StatusRunning || reason != api.ReasonDone)
	}
	return reason == ""
}

// TestReasonsLeadToTheirStatus is the table of the reference, and the two that only ours has.
func TestReasonsLeadToTheirStatus(t *testing.T) {
	want := map[api.Reason]api.Status{
		"failed_to_start_due_to_no_capacity": api.StatusFailed,
		"interrupted_by_no_capacity":         api.StatusFailed,
		"waiting_instance_limit_exceeded":    api.StatusFailed,
		"waiting_runner_limit_exceeded":      api.StatusFailed,
		"volume_error":                       api.StatusFailed,
		"gateway_error":                      api.StatusFailed,
		"retry_limit_exceeded":               api.StatusFailed,
		"terminated_by_user":                 api.StatusTerminated,
		"terminated_by_server":               api.StatusTerminated,
		"scaled_down":                        api.StatusTerminated,
		"inactivity_duration_exceeded":       api.StatusTerminated,
		"max_duration_exceeded":              api.StatusTerminated,
		"aborted_by_user":                    api.StatusAborted,
		"done_by_runner":                     api.StatusDone,
		"container_exited_with_error":        api.StatusFailed,
		"ports_binding_failed":               api.StatusFailed,
		"creating_container_error":           api.StatusFailed,
		"executor_error":                     api.StatusFailed,
	}
	got := map[api.Reason]api.Status{}
	for _, r := range api.Reasons() {
		status, ok := r.Final()
		require.True(t, ok)
		require.True(t, status.Finished())
		got[r] = status
	}
	require.Empty(t, cmp.Diff(want, got))
	_, ok := api.Reason("mood").Final()
	require.False(t, ok)
}

// TestEveryStatusIsReached follows the table from a new job: what it never leads to would be a status that nobody sees.
func TestEveryStatusIsReached(t *testing.T) {
	reached := map[api.Status]bool{}
	todo := []jobstate.State{jobstate.New(0)}
	require.Equal(t, 1, todo[0].Attempt)
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		if reached[s.Status] {
			continue
		}
		reached[s.Status] = true
		out := 0
		for _, kind := range kinds() {
			for _, reason := range append(api.Reasons(), "") {
				if next, err := s.Next(jobstate.Event{Kind: kind, Reason: reason}); err == nil {
					out++
					todo = append(todo, next)
				}
			}
		}
		require.Equal(t, s.Status.Finished(), out == 0, "%s", s.Status)
	}
	require.Len(t, reached, len(statuses()))
}

func TestReasonOfTheFirstStopStays(t *testing.T) {
	s := jobstate.New(2)
	for _, step := range []struct {
		event jobstate.Event
		want  api.Reason
	}{
		{jobstate.Event{Kind: jobstate.Run}, ""},
		{jobstate.Event{Kind: jobstate.Stop, Reason: api.ReasonScaledDown}, api.ReasonScaledDown},
		{jobstate.Event{Kind: jobstate.Stop, Reason: api.ReasonTerminatedByUser}, api.ReasonScaledDown},
		{jobstate.Event{Kind: jobstate.Abort, Reason: api.ReasonAbortedByUser}, api.ReasonAbortedByUser},
		{jobstate.Event{Kind: jobstate.Stop, Reason: api.ReasonTerminatedByUser}, api.ReasonAbortedByUser},
		{jobstate.Event{Kind: jobstate.End, Reason: api.ReasonAbortedByUser}, api.ReasonAbortedByUser},
	} {
		var err error
		s, err = s.Next(step.event)
		require.NoError(t, err)
		require.Equal(t, step.want, s.Reason)
	}
	require.Equal(t, jobstate.State{Status: api.StatusAborted, Reason: api.ReasonAbortedByUser, Attempt: 2}, s)
}
