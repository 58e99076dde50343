package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/joblog"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// TestMain lets the test's program be the stage of a job, and the supervisor of one.
func TestMain(m *testing.M) {
	run := map[string]func() error{"stage": Stage, "hold": hold}
	if len(os.Args) == 2 && run[os.Args[1]] != nil {
		if err := run[os.Args[1]](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold starts the job that it reads, says by what it is found, and ends it with its input.
func hold() error {
	var task runtime.Task
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&task); err != nil {
		return err
	}
	task.Dir = os.Getenv("JOB")
	log, err := joblog.NewWriter(filepath.Join(task.Dir, "log"), api.LogLimits{}, time.Now, func(int64) {})
	if err != nil {
		return err
	}
	var handle runtime.Handle
	a, err := Runtime{}.Start(context.Background(), task, runtime.Host{Log: log, Keep: func(change func(*runtime.Handle)) error {
		change(&handle)
		return nil
	}})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(handle); err != nil {
		return err
	}
	in.Decode(&task)
	left := a.End()
	return errors.Join(log.Close(), json.NewEncoder(os.Stdout).Encode(left.Notes))
}

// running starts a job in the hands of another process, and returns what ends it.
func running(t *testing.T, change func(*runtime.Task)) (in runtime.Inside, end func()) {
	t.Helper()
	task := runtime.Task{Dir: t.TempDir(), Program: os.Args[0], Mounts: api.MountsNamespace, Spec: api.JobSpec{
		Argv: []string{"/bin/sh", "-c", "sleep 60"}, Env: []string{"SECRET=s3cret", "PATH=/bin:/usr/bin"},
	}}
	change(&task)
	cmd := exec.Command(os.Args[0], "hold")
	cmd.Env, cmd.Stderr = append(os.Environ(), "JOB="+task.Dir), os.Stderr
	to, err := cmd.StdinPipe()
	require.NoError(t, err)
	from, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, json.NewEncoder(to).Encode(task))
	said := json.NewDecoder(from)
	var handle runtime.Handle
	require.NoError(t, said.Decode(&handle))
	end = sync.OnceFunc(func() {
		to.Close()
		var notes []string
		require.NoError(t, said.Decode(&notes))
		require.Empty(t, notes)
		require.NoError(t, cmd.Wait())
	})
	t.Cleanup(end)
	task.Spec.Env = nil // as the agent has it, which keeps no values
	return Runtime{}.Inside(task, handle), end
}

func TestCommandsBesideAJob(t *testing.T) {
	data := t.TempDir()
	in, _ := running(t, func(task *runtime.Task) {
		if os.Getuid() == 0 {
			task.Spec.Mounts = []api.Mount{{Source: data, Path: "/dstack-data"}}
		}
	})
	sh := func(script string, terminal *runtime.Terminal) runtime.Process {
		p, err := in.Exec(t.Context(), runtime.Command{Argv: []string{"sh", "-c", script}, Terminal: terminal, Env: []string{"EXTRA=1"}})
		require.NoError(t, err)
		t.Cleanup(func() { p.Close() })
		return p
	}
	all := func(r io.Reader) string {
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(text)
	}
	t.Run("it has the job's environment and folder, and pipes of its own", func(t *testing.T) {
		p := sh("echo $SECRET $EXTRA $(basename $PWD); echo no >&2; cat; exit 7", nil)
		io.WriteString(p.Stdin(), "typed")
		require.NoError(t, p.Stdin().Close())
		require.Equal(t, "s3cret 1 work\ntyped", all(p.Stdout()))
		require.Equal(t, "no\n", all(p.Stderr()))
		code, err := p.Wait()
		require.NoError(t, err)
		require.Equal(t, 7, code)
	})
	t.Run("it sees the job's mounts", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root enters mounts")
		}
		p := sh("echo here > /dstack-data/x", nil)
		code, err := p.Wait()
		require.NoError(t, err)
		require.Zero(t, code)
		require.FileExists(t, filepath.Join(data, "x"))
	})
	t.Run("its terminal has a size, which changes", func(t *testing.T) {
		p := sh("stty size; read x; stty size; test -t 2 && echo terminal", &runtime.Terminal{Rows: 10, Columns: 20})
		out := bufio.NewReader(p.Stdout())
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "10 20", strings.TrimSpace(line))
		require.NoError(t, p.Resize(runtime.Terminal{Rows: 30, Columns: 40}))
		io.WriteString(p.Stdin(), "go\n")
		require.Equal(t, "go 30 40 terminal", strings.Join(strings.Fields(all(out)), " "))
	})
	t.Run("a signal reaches it", func(t *testing.T) {
		p := sh("sleep 60", nil)
		require.NoError(t, p.Signal(syscall.SIGTERM))
		code, err := p.Wait()
		require.NoError(t, err)
		require.Equal(t, 128+15, code)
	})
	t.Run("a program that is not there", func(t *testing.T) {
		_, err := in.Exec(t.Context(), runtime.Command{Argv: []string{"no-such-program"}})
		var start *runtime.StartError
		require.ErrorAs(t, err, &start)
		require.Equal(t, 127, *start.Code)
	})
	t.Run("the network is the machine's", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		conn, err := in.Dial(t.Context(), l.Addr().String())
		require.NoError(t, err)
		conn.Close()
	})
}

func TestNoCommandBesideAJobThatEnded(t *testing.T) {
	in, end := running(t, func(*runtime.Task) {})
	p, err := in.Exec(t.Context(), runtime.Command{Argv: []string{"sleep", "60"}})
	require.NoError(t, err)
	defer p.Close()
	end()
	code, err := p.Wait()
	require.NoError(t, err)
	require.Equal(t, 128+9, code, "what was started beside the job ends with it")
	_, err = in.Exec(t.Context(), runtime.Command{Argv: []string{"true"}})
	require.ErrorContains(t, err, "does not run any more")
}
