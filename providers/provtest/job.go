package provtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// testJobAbilities tests what a backend can do with a job outside of an apply.
func testJobAbilities(t *testing.T, o Options) {
	if o.Job == nil {
		t.Skip("no sample of a job was given")
	}
	s := newSession(t, o, addr.KindJob, o.Job, providers.Backend.Jobs)
	op := s.op()
	made := s.create(op)
	if logs, ok := s.Backend.(providers.LogReader); ok {
		testLogs(s, op, made, logs)
	}
	stopper, ok := s.Backend.(providers.Stopper)
	if !ok {
		t.Skip("the provider cannot stop jobs")
	}
	for range 2 {
		require.NoError(t, stopper.StopJob(s.ctx(), made, op.Needs, false), "stopping what has ended succeeds")
	}
	if logs, ok := s.Backend.(providers.LogReader); ok {
		require.NoError(t, logs.JobLogs(s.ctx(), made, op.Needs, providers.LogOptions{Follow: true}, func(providers.LogEntry) error { return nil }),
			"following the output of a job ends with the job")
	}
	require.Equal(t, providers.Present, s.read(made).Presence, "a job that was stopped is still there")
}

// testLogs checks that output can be read in two parts.
func testLogs(s *session[schema.Job], op providers.Op[schema.Job], job providers.Object[schema.Job], logs providers.LogReader) {
	read := func(opts providers.LogOptions) []providers.LogEntry {
		var out []providers.LogEntry
		require.NoError(s.T, logs.JobLogs(s.ctx(), job, op.Needs, opts, func(e providers.LogEntry) error {
			out = append(out, e)
			return nil
		}))
		return out
	}
	all := read(providers.LogOptions{})
	for i, e := range all {
		require.NotEmpty(s.T, e.Text)
		require.Contains(s.T, []string{"stdout", "stderr", "agent"}, e.Stream)
		if i > 0 {
			require.Greater(s.T, e.Next, all[i-1].Next, "offsets grow")
		}
	}
	if len(all) > 1 {
		// The job runs on, and may have written more by now.
		rest := read(providers.LogOptions{Offset: all[0].Next})
		require.GreaterOrEqual(s.T, len(rest), len(all)-1)
		require.Equal(s.T, all[1:], rest[:len(all)-1], "output goes on behind an offset")
		last := read(providers.LogOptions{Tail: 1})
		require.Len(s.T, last, 1)
		require.GreaterOrEqual(s.T, last[0].Next, all[len(all)-1].Next)
	}
}
