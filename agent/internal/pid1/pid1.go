package pid1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/internal/environ"
)

// What a container finds where.
const (
	// Program is the agent's program.
	Program = "/.dstack/agent"
	// Dir holds the pipes.
	Dir = "/.dstack/job"
)

// Names of the pipes.
const (
	TaskPipe   = "task"
	ReportPipe = "report"
	StdoutPipe = "stdout"
	StderrPipe = "stderr"
)

// Pipes are the names of all pipes.
func Pipes() []string { return []string{TaskPipe, ReportPipe, StdoutPipe, StderrPipe} }

// Task is what the first process is told.
type Task struct {
	Argv []string `json:"argv"`
	// Env are NAME=VALUE, over those that the container has.
	Env []string `json:"env"`
}

// Report is what it answers, once.
type Report struct {
	// Code is the exit code of a job whose program could not be executed, and 0 if it runs.
	Code    int    `json:"code"`
	Message string `json:"message,omitempty"`
}

// Exit codes that shells give to a program that cannot be executed and to one that is not there.
const (
	exitCannotExecute = 126
	exitNoProgram     = 127
)

// Run is the first process of a container whose pipes are in dir. It returns the exit code of the job. An error is told to the
// supervisor too.
func Run(dir string) (int, error) {
	code, err := run(dir)
	if err != nil {
		_ = report(dir, Report{exitCannotExecute, err.Error()}) // said a second time to nobody
	}
	return code, err
}

func run(dir string) (int, error) {
	in, err := os.OpenFile(filepath.Join(dir, TaskPipe), os.O_RDONLY, 0)
	if err != nil {
		return 0, fmt.Errorf("open task: %w", err)
	}
	var t Task
	err = json.NewDecoder(in).Decode(&t)
	in.Close()
	if err != nil {
		return 0, fmt.Errorf("read task: %w", err)
	}
	exits := make(chan os.Signal, 1)
	signal.Notify(exits, syscall.SIGCHLD)
	passed := make(chan os.Signal, 16)
	signal.Notify(passed, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	pid, failed := start(dir, t)
	if err := report(dir, failed); err != nil {
		return 0, err
	}
	if failed.Code != 0 {
		return failed.Code, nil
	}
	for {
		if code, ended := reap(pid); ended {
			return code, nil
		}
		select {
		case <-exits:
		case sig := <-passed:
			if s, ok := sig.(syscall.Signal); ok {
				unix.Kill(-pid, s)
			}
		}
	}
}

// start starts the job. A report with a code says why it could not.
func start(dir string, t Task) (pid int, r Report) {
	// Both ends are held by the job, so that it is never told that nobody reads.
	out, err := os.OpenFile(filepath.Join(dir, StdoutPipe), os.O_RDWR, 0)
	if err != nil {
		return 0, Report{exitCannotExecute, err.Error()}
	}
	defer out.Close()
	errs, err := os.OpenFile(filepath.Join(dir, StderrPipe), os.O_RDWR, 0)
	if err != nil {
		return 0, Report{exitCannotExecute, err.Error()}
	}
	defer errs.Close()
	env := environ.LastOfEach(append(append([]string{"PATH=" + environ.DefaultPath}, os.Environ()...), t.Env...))
	wd, err := os.Getwd()
	if err != nil {
		wd = "/"
	}
	program, err := environ.Lookup(t.Argv[0], wd, env)
	if err == nil {
		cmd := &exec.Cmd{Path: program, Args: t.Argv, Env: env, Stdout: out, Stderr: errs, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
		if err = cmd.Start(); err == nil {
			pid = cmd.Process.Pid
			cmd.Process.Release() // waited for with all others
			return pid, Report{}
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, Report{exitNoProgram, err.Error()}
	}
	return 0, Report{exitCannotExecute, err.Error()}
}

// report tells the supervisor how the start ended.
func report(dir string, r Report) error {
	out, err := os.OpenFile(filepath.Join(dir, ReportPipe), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open report: %w", err)
	}
	defer out.Close()
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// reap takes the exit of every process that has ended; ended is true when one of them was pid.
func reap(pid int) (code int, ended bool) {
	for {
		var ws unix.WaitStatus
		child, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || child <= 0 {
			return code, ended
		}
		if child != pid {
			continue
		}
		ended = true
		if code = ws.ExitStatus(); ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
	}
}
