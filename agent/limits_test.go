package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

func TestLimitsChangeWhileAJobRuns(t *testing.T) {
	m := start(t)
	m.run("a", "trap '' INT; echo up; while :; do sleep 0.01; done", func(s *api.JobSpec) { s.MaxDuration, s.StopGrace = time.Hour, time.Hour })
	m.said("a", "up")
	_, err := m.WaitReady(t.Context(), "a")
	require.NoError(t, err)
	j, err := m.Limit(t.Context(), "a", api.Limits{MaxDuration: 2 * time.Hour, StopGrace: time.Minute})
	require.NoError(t, err)
	require.Equal(t, api.StatusRunning, j.Status)
	require.Equal(t, 2*time.Hour, j.Spec.MaxDuration)

	// What was changed outlives the agent.
	m.kill()
	m.up()
	j, err = m.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, []time.Duration{2 * time.Hour, time.Minute}, []time.Duration{j.Spec.MaxDuration, j.Spec.StopGrace})

	// A bound that is over already stops the job at once, and the new time to stop holds.
	_, err = m.Limit(t.Context(), "a", api.Limits{MaxDuration: time.Millisecond, StopGrace: 50 * time.Millisecond})
	require.NoError(t, err)
	j = m.finished("a")
	require.Equal(t, api.ReasonMaxDurationExceeded, j.Reason)

	after, err := m.Limit(t.Context(), "a", api.Limits{MaxDuration: time.Hour})
	require.NoError(t, err)
	require.Equal(t, time.Millisecond, after.Spec.MaxDuration, "what has ended stays as it was")
	_, err = m.Limit(t.Context(), "b", api.Limits{})
	require.Equal(t, api.KindNotFound, api.KindOf(err))

	m.run("c", "sleep 600")
	_, err = m.Limit(t.Context(), "c", api.Limits{MaxDuration: -1})
	require.Equal(t, api.KindInvalid, api.KindOf(err))
	_, err = m.Stop(t.Context(), "c", api.StopRequest{Abort: true})
	require.NoError(t, err)
}

// A stop with time to end never kills a job before that time, however early it comes: the job is asked, or never began.
func TestStopWhileAJobBegins(t *testing.T) {
	m := start(t)
	for i := range 20 {
		id := fmt.Sprint("a", i)
		m.run(id, "trap 'exit 4' INT; sleep 60 & wait")
		time.Sleep(time.Duration(i) * 500 * time.Microsecond)
		_, err := m.Stop(t.Context(), id, api.StopRequest{})
		require.NoError(t, err)
		j := m.finished(id)
		require.Equal(t, api.ReasonTerminatedByUser, j.Reason)
		if j.ExitCode != nil {
			require.Contains(t, []int{4, 130}, *j.ExitCode, "130: before it had said what it does then")
		}
	}
}
