package proc

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// start runs a shell in a session of its own whose child sleeps, and returns when the child is there.
func start(t *testing.T, script string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	return cmd
}

func TestDescendantsAreFoundAtEveryDepth(t *testing.T) {
	cmd := start(t, "sh -c 'sleep 60 & echo; wait' & wait")
	found, err := Descendants(cmd.Process.Pid)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(found), 2)
	mine, err := Descendants(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, len(mine), len(found))
	Kill(found)
	cmd.Wait()
	require.Eventually(t, func() bool {
		for _, p := range found {
			if now, ok := Find(p.PID); ok && !now.Zombie && now.Start == p.Start {
				return false
			}
		}
		return true
	}, 10*time.Second, 5*time.Millisecond)
}

func TestRemainsOfASession(t *testing.T) {
	cmd := start(t, "sleep 60 & echo; wait")
	leader, ok := Find(cmd.Process.Pid)
	require.True(t, ok)
	left, err := Remains(leader.PID, leader.Start, "")
	require.NoError(t, err)
	require.Len(t, left, 2)

	left, err = Remains(leader.PID, leader.Start+1, "")
	require.NoError(t, err)
	require.Empty(t, left, "a leader that started at another time is another process")
	left, err = Remains(0, 0, "")
	require.NoError(t, err)
	require.Empty(t, left, "no leader, no session")
}
