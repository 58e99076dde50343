package agent_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// started is how a start ended.
type started struct {
	info api.Info
	err  error
}

// startBeside starts an agent in a folder that somebody holds, and returns when its process has ended for that reason.
func startBeside(t *testing.T) (dir string, lock *os.File, end <-chan started) {
	t.Helper()
	dir = t.TempDir()
	lock, err := disk.TryLock(filepath.Join(dir, "agent.lock"))
	require.NoError(t, err)
	t.Cleanup(func() { lock.Close() })
	out := make(chan started, 1)
	go func() {
		c, err := client.StartAgent(t.Context(), client.StartOptions{Program: os.Args[0], Dir: dir}, 1)
		if err != nil {
			out <- started{err: err}
			return
		}
		defer c.Close()
		info, err := c.Info(t.Context())
		out <- started{info, err}
	}()
	m := &machine{t: t, dir: dir}
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "agent.log"))
		return strings.Contains(string(text), "another agent serves "+dir) && len(m.processes()) == 0
	}, 20*time.Second, time.Millisecond)
	return dir, lock, out
}

// An agent whose starter gave up is there and does not answer yet.
func TestStartWhileAnotherStarts(t *testing.T) {
	dir, _, end := startBeside(t)
	listener, err := sock.Listen(dir, api.AgentSocket)
	require.NoError(t, err)
	other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"pid": 7}`) })}
	go other.Serve(listener)
	defer other.Close()
	got := <-end
	require.NoError(t, got.err)
	require.Equal(t, 7, got.info.PID)
}

// One that was killed holds its folder for a moment longer than it answers.
func TestStartWhileAnotherEnds(t *testing.T) {
	dir, lock, end := startBeside(t)
	require.NoError(t, lock.Close())
	got := <-end
	require.NoError(t, got.err)
	require.NotZero(t, got.info.PID)
	c := client.New(dir)
	defer c.Close()
	require.NoError(t, c.Shutdown(t.Context(), false))
	require.NoError(t, c.WaitGone(t.Context()))
}
