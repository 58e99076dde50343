package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
)

// TestMain lets the test's program be dstack-agent when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && agent.IsCommand(os.Args[1]) {
		os.Exit(agent.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// machine is an instance under test: an agent that can be killed and started again.
type machine struct {
	*client.Client
	t      *testing.T
	dir    string
	blocks int
	env    []string
	// program is the agent; this test's own unless a container must be able to run it.
	program string
}

func start(t *testing.T, change ...func(*machine)) *machine {
	t.Helper()
	root, err := os.MkdirTemp("/tmp", "agent")
	require.NoError(t, err)
	m := &machine{t: t, dir: filepath.Join(root, "i"), blocks: 1, program: os.Args[0]}
	for _, f := range change {
		f(m)
	}
	m.up()
	t.Cleanup(func() {
		m.up()
		require.NoError(t, m.Shutdown(context.Background(), true))
		require.Empty(t, m.processes(), "processes are left")
		require.Empty(t, groups(t, m.dir), "control groups are left")
		require.NoError(t, os.RemoveAll(root))
	})
	return m
}

func (m *machine) up() {
	m.t.Helper()
	c, err := client.StartAgent(context.Background(), client.StartOptions{Program: m.program, Dir: m.dir, Env: m.env}, m.blocks)
	require.NoError(m.t, err)
	m.Client = c
}

// kill kills the agent and returns when it is gone.
func (m *machine) kill() {
	m.t.Helper()
	info, err := m.Info(m.t.Context())
	require.NoError(m.t, err)
	m.Close()
	require.NoError(m.t, syscall.Kill(info.PID, syscall.SIGKILL))
	require.Eventually(m.t, func() bool {
		_, err := m.Info(context.Background())
		return errors.Is(err, client.ErrNotRunning)
	}, 10*time.Second, 2*time.Millisecond)
}

// run submits a shell script.
func (m *machine) run(id, script string, change ...func(*api.JobSpec)) api.Job {
	m.t.Helper()
	j, err := m.Submit(m.t.Context(), spec(id, script, change...))
	require.NoError(m.t, err)
	return j
}

func spec(id, script string, change ...func(*api.JobSpec)) api.JobSpec {
	s := api.JobSpec{ID: id, Argv: []string{"/bin/bash", "-c", script}}
	for _, f := range change {
		f(&s)
	}
	return s
}

func (m *machine) finished(id string) api.Job {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	j, err := m.WaitFinished(ctx, id)
	require.NoError(m.t, err)
	return j
}

// said waits until the job's output holds a text.
func (m *machine) said(id, text string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	var all string
	for line, err := range m.Logs(ctx, id, api.LogQuery{Follow: true}) {
		require.NoError(m.t, err, "until now: %s", all)
		if all += string(line.Bytes()); strings.Contains(all, text) {
			return
		}
	}
	m.t.Fatalf("job %s said only: %s", id, all)
}

func (m *machine) output(id string) string {
	m.t.Helper()
	var all string
	for line, err := range m.Logs(m.t.Context(), id, api.LogQuery{}) {
		require.NoError(m.t, err)
		all += string(line.Bytes())
	}
	return all
}

// processes are those that have the machine's folder in their arguments or environment.
func (m *machine) processes() (found []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if filepath.Base(dir) == strconv.Itoa(os.Getpid()) {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if strings.Contains(string(args), m.dir+"/") || strings.Contains(string(env), m.dir+"/jobs/") {
			found = append(found, strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}

func groups(t *testing.T, dir string) (found []string) {
	ids, _ := filepath.Glob(filepath.Join(dir, "jobs", "*"))
	require.NoError(t, fs.WalkDir(os.DirFS("/sys/fs"), "cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			for _, id := range ids {
				if d.Name() == agent.CgroupName(id) {
					found = append(found, path)
				}
			}
		}
		return nil
	}))
	return found
}

func alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(data), ") Z ")
}

func code(n int) *int { return &n }

func TestHowJobsEnd(t *testing.T) {
	m := start(t)
	type end struct {
		Status  api.Status
		Reason  api.Reason
		Code    *int
		Message string
		Output  string
	}
	cases := map[string]struct {
		spec api.JobSpec
		want end
	}{
		"exit code 0: done": {
			spec("done", "echo out; printf partial"),
			end{api.StatusDone, api.ReasonDone, code(0), "", "out\npartial"},
		},
		"another exit code: failed, with the last lines": {
			spec("failed", "for i in 1 2 3 4 5 6 7; do echo $i; done; exit 7"),
			end{api.StatusFailed, api.ReasonExitedWithError, code(7), "3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n7\n"},
		},
		"killed by a signal": {
			spec("killed", "kill -9 $$"),
			end{api.StatusFailed, api.ReasonExitedWithError, code(137), "killed by signal 9 (killed)", ""},
		},
		"no such program": {
			api.JobSpec{ID: "absent", Argv: []string{"no-such-program"}},
			end{api.StatusFailed, api.ReasonExitedWithError, code(127), "find in PATH no-such-program: file does not exist", ""},
		},
		"a program that is none": {
			api.JobSpec{ID: "none", Argv: []string{"/etc/passwd"}},
			end{api.StatusFailed, api.ReasonExitedWithError, code(126), "execute /etc/passwd: permission denied", ""},
		},
		"a program of the job's own PATH": {
			api.JobSpec{ID: "path", Argv: []string{"echo", "found"}, Env: []string{"PATH=/nowhere:/bin"}},
			end{api.StatusDone, api.ReasonDone, code(0), "", "found\n"},
		},
		"no such working directory": {
			spec("dir", "true", func(s *api.JobSpec) { s.WorkingDir = "/no/such/dir" }),
			end{api.StatusFailed, api.ReasonExecutorError, nil, "enter working directory: chdir /no/such/dir: no such file or directory", ""},
		},
		"a mount without a source": {
			spec("source", "true", func(s *api.JobSpec) { s.Mounts = []api.Mount{{Source: "/no/such", Path: "/data"}} }),
			end{api.StatusFailed, api.ReasonExecutorError, nil, "mount at /data: stat /no/such: no such file or directory", ""},
		},
		"longer than it may": {
			spec("long", "trap 'echo over; exit 3' INT; sleep 60 & wait", func(s *api.JobSpec) { s.MaxDuration = 300 * time.Millisecond }),
			end{api.StatusTerminated, api.ReasonMaxDurationExceeded, code(3), "stopped after its max_duration of 300ms", "over\n"},
		},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			_, err := m.Submit(t.Context(), c.spec)
			require.NoError(t, err)
			j := m.finished(c.spec.ID)
			got := end{j.Status, j.Reason, j.ExitCode, j.Message, m.output(c.spec.ID)}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			require.False(t, j.FinishedAt.IsZero())
		})
	}
}

func TestPortThatIsTaken(t *testing.T) {
	m := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	service := func(s *api.JobSpec) {
		s.Argv = []string{os.Args[0], "hello", "--port", strconv.Itoa(port)}
		s.Port = port
	}
	m.run("taken", "", service)
	j := m.finished("taken")
	require.Equal(t, api.ReasonPortsBindingFailed, j.Reason)
	require.Contains(t, j.Message, strconv.Itoa(port))

	l.Close()
	m.run("free", "", service)
	j, err = m.WaitReady(t.Context(), "free")
	require.NoError(t, err)
	require.True(t, j.Ready)
	require.Equal(t, api.StatusRunning, j.Status)
	m.kill()
	m.up()
	j, err = m.WaitReady(t.Context(), "free")
	require.NoError(t, err)
	require.True(t, j.Ready)
}

func TestAgentKilledWhileAJobRuns(t *testing.T) {
	m := start(t)
	m.run("a", "for i in $(seq 50); do echo $i; sleep 0.01; done; echo -n end; exit 5")
	m.run2(t)
	m.said("a", "3\n")
	m.kill()
	m.up()
	j := m.finished("a")
	require.Equal(t, code(5), j.ExitCode)
	want := ""
	for i := range 50 {
		want += fmt.Sprintln(i + 1)
	}
	require.Equal(t, want+"end", m.output("a"))
}

// run2 shows that a whole-machine job keeps others out, also after the agent was killed.
func (m *machine) run2(t *testing.T) {
	_, err := m.Submit(t.Context(), spec("b", "true"))
	require.Equal(t, api.KindConflict, api.KindOf(err), "%v", err)
}

func TestJobEndsWhileTheAgentIsDead(t *testing.T) {
	m := start(t)
	marker := filepath.Join(filepath.Dir(m.dir), "go")
	m.run("a", "while ! test -e "+marker+"; do sleep 0.01; done; echo seen; exit 9")
	m.kill()
	require.NoError(t, os.WriteFile(marker, nil, 0o600))
	require.Eventually(t, func() bool { return len(m.processes()) == 0 }, 10*time.Second, 5*time.Millisecond)
	m.up()
	j := m.finished("a")
	require.Equal(t, code(9), j.ExitCode)
	require.Equal(t, "seen\n", m.output("a"))
	m.run("b", "true") // its blocks are free again
}

func TestSupervisorKilled(t *testing.T) {
	for _, agentToo := range []bool{false, true} {
		t.Run(fmt.Sprintf("agent too: %v", agentToo), func(t *testing.T) {
			m := start(t)
			m.run("a", "setsid bash -c 'setsid sleep 77 & wait' & echo $$; wait")
			m.said("a", "\n")
			require.Eventually(t, func() bool { return len(m.processes()) >= 4 }, 10*time.Second, 5*time.Millisecond)
			pids, err := exec.Command("pgrep", "-f", "supervise "+m.dir).Output()
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(pids)))
			require.NoError(t, err)
			if agentToo {
				m.kill()
			}
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			if agentToo {
				m.up()
			}
			j := m.finished("a")
			require.Equal(t, api.StatusFailed, j.Status)
			require.Equal(t, api.ReasonExecutorError, j.Reason)
			require.Contains(t, j.Message, "interrupted")
			require.Contains(t, m.output("a"), "interrupted")
			require.Empty(t, groups(t, m.dir))
			m.run("b", "true")
			m.finished("b")
		})
	}
}

func TestStop(t *testing.T) {
	m := start(t)
	t.Run("a job that listens ends by itself", func(t *testing.T) {
		m.run("polite", "trap 'echo bye; exit 4' INT; echo up; sleep 60 & wait")
		m.said("polite", "up")
		j, err := m.Stop(t.Context(), "polite", api.StopRequest{})
		require.NoError(t, err)
		require.Contains(t, []api.Status{api.StatusTerminating, api.StatusTerminated}, j.Status)
		j = m.finished("polite")
		require.Equal(t, api.StatusTerminated, j.Status)
		require.Equal(t, api.ReasonTerminatedByUser, j.Reason)
		require.Equal(t, code(4), j.ExitCode)
		require.Equal(t, "up\nbye\n", m.output("polite"))
		again, err := m.Stop(t.Context(), "polite", api.StopRequest{Abort: true})
		require.NoError(t, err, "stopping what has ended succeeds")
		require.Equal(t, api.StatusTerminated, again.Status)
	})
	t.Run("a job that does not is killed with all that it started", func(t *testing.T) {
		m.run("stubborn", "trap '' INT TERM; setsid bash -c 'trap \"\" INT; echo pid $BASHPID; sleep 60' & (sleep 61 &) ; echo pid $$; while :; do sleep 1; done")
		m.said("stubborn", "pid")
		require.Eventually(t, func() bool { return strings.Count(m.output("stubborn"), "pid") == 2 }, 10*time.Second, 5*time.Millisecond)
		_, err := m.Stop(t.Context(), "stubborn", api.StopRequest{Grace: 200 * time.Millisecond, Reason: api.ReasonScaledDown})
		require.NoError(t, err)
		j := m.finished("stubborn")
		require.Equal(t, api.ReasonScaledDown, j.Reason)
		for line := range strings.Lines(m.output("stubborn")) {
			pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "pid ")))
			require.NoError(t, err)
			require.False(t, alive(pid), "process %d", pid)
		}
	})
	t.Run("an abort does not wait", func(t *testing.T) {
		m.run("aborted", "trap '' INT; echo up; sleep 60")
		m.said("aborted", "up")
		_, err := m.Stop(t.Context(), "aborted", api.StopRequest{Grace: time.Hour})
		require.NoError(t, err)
		_, err = m.Stop(t.Context(), "aborted", api.StopRequest{Abort: true})
		require.NoError(t, err)
		j := m.finished("aborted")
		require.Equal(t, api.StatusAborted, j.Status)
		require.Equal(t, api.ReasonAbortedByUser, j.Reason)
	})
	t.Run("what a job leaves behind ends with it", func(t *testing.T) {
		m.run("leaves", "setsid sleep 62 & echo $!")
		j := m.finished("leaves")
		require.Equal(t, api.StatusDone, j.Status)
		pid, err := strconv.Atoi(strings.TrimSpace(m.output("leaves")))
		require.NoError(t, err)
		require.False(t, alive(pid))
	})
	t.Run("a reason that nobody knows", func(t *testing.T) {
		_, err := m.Stop(t.Context(), "leaves", api.StopRequest{Reason: "mood"})
		require.Equal(t, api.KindInvalid, api.KindOf(err))
		_, err = m.Stop(t.Context(), "nobody", api.StopRequest{})
		require.Equal(t, api.KindNotFound, api.KindOf(err))
	})
}
