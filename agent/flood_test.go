package agent_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

// floodLine is how long each line of a flood is, with its end.
const floodLine = 100

// A job prints at full speed: 8 MiB, or as much as AGENT_FLOOD_BYTES says. Every line is there once and in order up to the
// bound, the agent and the supervisor stay small, and another job's lines come at once.
func TestFlood(t *testing.T) {
	size, err := strconv.ParseInt(os.Getenv("AGENT_FLOOD_BYTES"), 10, 64)
	large := err == nil
	if !large {
		size = 8 << 20
	}
	lines := size / floodLine
	print := fmt.Sprintf("seq -f '%%0%d.0f' %d", floodLine-1, lines)
	m := start(t, func(m *machine) { m.blocks = 4 })
	one := func(s *api.JobSpec) { s.Blocks.Need = 1 }

	// Another job says what time it is. How late its reader hears it is judged where the machine is there for that alone.
	var beats sync.WaitGroup
	m.run("clock", "while :; do date +%s%N; sleep 0.05; done", one)
	var late time.Duration
	beats.Go(func() {
		for line, err := range m.Logs(t.Context(), "clock", api.LogQuery{Follow: true}) {
			if err != nil {
				return
			}
			said, err := strconv.ParseInt(line.Text, 10, 64)
			if err == nil {
				late = max(late, time.Since(time.Unix(0, said)))
			}
		}
	})

	m.run("all", print, one, func(s *api.JobSpec) { s.Log.TotalBytes = 2 * size })
	m.run("bounded", print, one, func(s *api.JobSpec) { s.Log.TotalBytes, s.Log.SegmentBytes = size/4, size/32 })
	next := int64(0)
	for line, err := range m.Logs(t.Context(), "all", api.LogQuery{Follow: true}) {
		require.NoError(t, err)
		next++
		if want := fmt.Sprintf("%0*d", floodLine-1, next); line.Text != want {
			t.Fatalf("line %d is %q", next, line.Text)
		}
	}
	require.Equal(t, lines, next)

	require.NoError(t, finishedOf(m, "bounded"))
	kept := int64(0)
	for line, err := range m.Logs(t.Context(), "bounded", api.LogQuery{}) {
		require.NoError(t, err)
		if kept == 0 {
			require.Equal(t, api.StreamAgent, line.Stream)
			said := regexp.MustCompile(`^(\d+) lines \(\d+ bytes\) of older output were dropped`).FindStringSubmatch(line.Text)
			require.NotNil(t, said, line.Text)
			kept, err = strconv.ParseInt(said[1], 10, 64)
			require.NoError(t, err)
			require.Positive(t, kept)
			continue
		}
		kept++
		if want := fmt.Sprintf("%0*d", floodLine-1, kept); line.Text != want {
			t.Fatalf("line %d is %q", kept, line.Text)
		}
	}
	require.Equal(t, lines, kept)

	info, err := m.Info(t.Context())
	require.NoError(t, err)
	require.Less(t, peakMemory(t, info.PID), int64(64<<20), "of the agent")
	_, err = m.Stop(t.Context(), "clock", api.StopRequest{Abort: true})
	require.NoError(t, err)
	beats.Wait()
	if large {
		require.Less(t, late, time.Second)
		t.Logf("%d lines; the latest line of another job came after %s", lines, late)
	}
}

func finishedOf(m *machine, id string) error {
	_, err := m.WaitFinished(m.t.Context(), id)
	return err
}

// peakMemory is the most that a process has held in memory.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			require.NoError(t, err)
			return n << 10
		}
	}
	t.Fatal("the peak is not told")
	return 0
}
