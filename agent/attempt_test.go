package agent_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

// log is the output of an attempt, or what else a query asks for.
func (m *machine) log(id string, q api.LogQuery) string {
	m.t.Helper()
	var all strings.Builder
	for line, err := range m.Logs(m.t.Context(), id, q) {
		require.NoError(m.t, err, "until now: %s", all.String())
		all.Write(line.Bytes())
	}
	return all.String()
}

// tries is a script that counts its tries in a file, says which this is and fails until the last.
func (m *machine) tries(last int) string {
	file := filepath.Join(filepath.Dir(m.dir), "tries")
	return fmt.Sprintf("n=$(($(cat %[1]s 2>/dev/null)+1)); echo $n > %[1]s; echo try $n; ls; touch left; [ $n -ge %[2]d ] || exit $((10+n))", file, last)
}

func retry(lasting, pause time.Duration) func(*api.JobSpec) {
	return func(s *api.JobSpec) { s.Retry = api.Retry{For: lasting, Pause: pause} }
}

func TestFailedJobIsTriedAgain(t *testing.T) {
	m := start(t)
	m.run("a", m.tries(3), retry(time.Hour, 10*time.Millisecond), func(s *api.JobSpec) { s.Attempt = 4 })
	all := m.log("a", api.LogQuery{Follow: true, Onward: true, Attempt: 4})
	require.Equal(t, "try 1\nattempt 4 failed; this is attempt 5\ntry 2\nattempt 5 failed; this is attempt 6\ntry 3\n", all,
		"all that was said, each time in an empty folder")
	j := m.finished("a")
	require.Equal(t, api.StatusDone, j.Status)
	require.Equal(t, 6, j.Attempt)
	want := []api.Attempt{
		{Number: 4, Status: api.StatusFailed, Reason: api.ReasonExitedWithError, Message: "try 1", ExitCode: code(11)},
		{Number: 5, Status: api.StatusFailed, Reason: api.ReasonExitedWithError, Message: "try 2", ExitCode: code(12)},
	}
	require.Empty(t, cmp.Diff(want, j.Attempts, cmpopts.IgnoreFields(api.Attempt{}, "StartedAt", "FinishedAt")))

	m.kill()
	m.up()
	again, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, j.Attempts, again.Attempts, "another agent knows them too")
	for attempt, want := range map[int]string{0: "try 3\n", 4: "try 1\n", 5: "try 2\n", 6: "try 3\n"} {
		require.Equal(t, want, m.log("a", api.LogQuery{Attempt: attempt, Follow: true}), "attempt %d", attempt)
	}
	for line, err := range m.Logs(t.Context(), "a", api.LogQuery{Attempt: 5}) {
		require.NoError(t, err)
		require.Equal(t, 5, line.Attempt)
	}
	for _, err := range m.Logs(t.Context(), "a", api.LogQuery{Attempt: 3}) {
		require.Equal(t, api.KindNotFound, api.KindOf(err))
		require.ErrorContains(t, err, "there is one of 4, 5, 6")
	}
	notes := m.log("a", api.LogQuery{Diagnose: true})
	require.Regexp(t, `(?s)submitted.*attempt 4 runs.*attempt 4 failed \(container_exited_with_error, exit code 11\); attempt 5 begins in 10ms.*attempt 6 runs.*ended: done_by_runner`, notes)
	require.Equal(t, notes, m.log("a", api.LogQuery{Diagnose: true, Since: time.Now().Add(-time.Hour)}))
	require.Empty(t, m.log("a", api.LogQuery{Diagnose: true, Since: time.Now().Add(time.Hour)}))
}

func TestTriesEndWithTheirTime(t *testing.T) {
	m := start(t)
	m.run("a", "echo no; exit 3", retry(50*time.Millisecond, 15*time.Millisecond))
	j := m.finished("a")
	require.Equal(t, api.StatusFailed, j.Status)
	require.Equal(t, api.ReasonRetryLimitExceeded, j.Reason)
	require.Equal(t, code(3), j.ExitCode)
	require.Regexp(t, `^\d attempts in a row failed, and it is tried again for 50ms only; the last one: container exited with error\nno$`, j.Message)
	require.Len(t, j.Attempts, j.Attempt-1)
}

// A job that rests between two tries is stopped at once, keeps what it holds, and outlives its agent.
func TestStopBetweenTries(t *testing.T) {
	m := start(t)
	m.run("a", "exit 3", retry(time.Hour, time.Minute))
	require.Eventually(t, func() bool {
		j, err := m.Job(t.Context(), "a")
		require.NoError(t, err)
		return j.Attempt == 2
	}, 20*time.Second, 5*time.Millisecond)
	m.run2(t)
	m.kill()
	m.up()
	j, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, []any{api.StatusSubmitted, "attempt 1 failed (container_exited_with_error, exit code 3)"}, []any{j.Status, j.Message})
	m.run2(t)

	// A policy that was taken away meanwhile holds for the next failure.
	_, err = m.Limit(t.Context(), "a", api.Limits{})
	require.NoError(t, err)
	_, err = m.Stop(t.Context(), "a", api.StopRequest{})
	require.NoError(t, err)
	j = m.finished("a")
	require.Equal(t, []any{api.StatusTerminated, api.ReasonTerminatedByUser, 2}, []any{j.Status, j.Reason, j.Attempt})
	require.Nil(t, j.ExitCode)
	m.run("b", "true")
	m.finished("b")
}

func TestStopDurationBoundsTheStop(t *testing.T) {
	m := start(t)
	m.run("a", "trap '' INT; echo up; while :; do sleep 0.01; done", func(s *api.JobSpec) { s.StopGrace, s.StopDuration = time.Hour, 100*time.Millisecond })
	m.said("a", "up")
	_, err := m.Stop(t.Context(), "a", api.StopRequest{Grace: time.Hour})
	require.NoError(t, err)
	j := m.finished("a")
	require.Equal(t, []any{api.StatusTerminated, api.ReasonTerminatedByUser, code(137)}, []any{j.Status, j.Reason, j.ExitCode})
	require.Contains(t, m.log("a", api.LogQuery{Diagnose: true}), "the job did not end by itself in time, and is killed")
}

func TestLogsOfOldAttemptsMakeRoom(t *testing.T) {
	m := start(t)
	m.run("a", "printf '%03000d\\n' 1; exit 1", retry(time.Hour, time.Millisecond), func(s *api.JobSpec) { s.Log.TotalBytes = 10_000 })
	require.Eventually(t, func() bool {
		j, err := m.Job(t.Context(), "a")
		require.NoError(t, err)
		return j.Attempt >= 6
	}, 60*time.Second, 5*time.Millisecond)
	_, err := m.Stop(t.Context(), "a", api.StopRequest{Abort: true})
	require.NoError(t, err)
	j := m.finished("a")
	var refused error
	for _, err := range m.Logs(t.Context(), "a", api.LogQuery{Attempt: 1}) {
		refused = err
	}
	require.Equal(t, api.KindNotFound, api.KindOf(refused))
	require.NotEmpty(t, m.log("a", api.LogQuery{Attempt: j.Attempt - 1}))
}

func TestWhatIsNoReasonToStop(t *testing.T) {
	m := start(t)
	m.run("a", "sleep 600")
	_, err := m.Stop(t.Context(), "a", api.StopRequest{Reason: api.ReasonDone})
	require.Equal(t, api.KindInvalid, api.KindOf(err))
	_, err = m.Submit(t.Context(), spec("b", "true", retry(-1, 0)))
	require.Equal(t, api.KindInvalid, api.KindOf(err))
}
