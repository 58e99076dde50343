package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/environ"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
)

// Exit codes that shells give to a program that cannot be executed and to one that is not there.
const (
	exitCannotExecute = 126
	exitNoProgram     = 127
)

// ErrReported is the error of a stage that has told it to its supervisor.
var ErrReported = errors.New("reported")

// stageTask is what the stage is told, through a pipe.
type stageTask struct {
	// Root is where a root is built and entered; empty leaves the machine's.
	Root   string      `json:"root,omitempty"`
	Mounts []api.Mount `json:"mounts,omitempty"`
	Shm    int64       `json:"shm,omitempty"`
	User   *api.User   `json:"user,omitempty"`
	Dir    string      `json:"dir"`
	Argv   []string    `json:"argv"`
	Env    []string    `json:"env"`
	// Join is a process whose mounts are entered, instead of building a root.
	Join int `json:"join,omitempty"`
	// Check only tries whether a root can be built.
	Check bool `json:"check,omitempty"`
}

// stageError is what the stage answers when it could not become the job.
type stageError struct {
	// Code is the exit code of a job whose program could not be executed, and 0 when things went wrong before that.
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// stageFDs are the files that a stage inherits beside the standard ones.
const (
	taskFD  = 3
	errorFD = 4
)

// Stage becomes the job. It runs in the job's namespaces and control group already; whatever keeps it from executing the
// job's program is written to the errors' pipe, which the kernel closes when the program is executed; ErrReported is returned for it.
func Stage() error {
	// Rights of a thread are kept by what that thread executes.
	runtime.LockOSThread()
	unix.CloseOnExec(taskFD)
	unix.CloseOnExec(errorFD)
	hearSignals()
	var t stageTask
	in := os.NewFile(taskFD, "task")
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return fmt.Errorf("read what to stage: %w; this command is run by the agent only", err)
	}
	in.Close()
	err := t.run()
	if err == nil {
		return nil // only checked
	}
	report := stageError{Message: err.Error()}
	var cannot *executeError
	if errors.As(err, &cannot) {
		report.Code = cannot.code
	}
	out := os.NewFile(errorFD, "error")
	json.NewEncoder(out).Encode(report)
	return ErrReported
}

// hearSignals undoes what whoever started the agent may have had ignored, such as a shell that ran it in the background: a
// signal that is taken here is at its default in the job, one that is ignored would stay so.
func hearSignals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTERM)
	go func() {
		if sig, ok := (<-c).(syscall.Signal); ok {
			os.Exit(128 + int(sig))
		}
	}()
}

// executeError is that of a job whose program could not be executed.
type executeError struct {
	code int
	err  error
}

func (e *executeError) Error() string { return e.err.Error() }
func (e *executeError) Unwrap() error { return e.err }

func (t stageTask) run() error {
	unix.Umask(0o022)
	// A scratch folder may lie where only the agent's user gets to, so it is entered before the user changes; one that
	// the job names is a path of the job's root.
	if t.Root != "" {
		if err := rootfs.Enter(t.Root, t.Mounts, t.Shm); err != nil {
			return err
		}
	}
	if t.Join > 0 {
		if err := rootfs.Join(t.Join); err != nil {
			return err
		}
	}
	if t.Check {
		return nil
	}
	if err := os.Chdir(t.Dir); err != nil {
		return fmt.Errorf("enter working directory: %w", err)
	}
	if err := t.become(); err != nil {
		return err
	}
	if err := rootfs.Drop(); err != nil {
		return fmt.Errorf("give up rights: %w", err)
	}
	program, err := environ.Lookup(t.Argv[0], t.Dir, t.Env)
	if err == nil {
		err = syscall.Exec(program, t.Argv, t.Env)
		err = &fs.PathError{Op: "execute", Path: program, Err: err}
	}
	code := exitCannotExecute
	if errors.Is(err, fs.ErrNotExist) {
		code = exitNoProgram
	}
	return &executeError{code, err}
}

// become changes to the job's user.
func (t stageTask) become() error {
	if t.User == nil {
		return nil
	}
	groups := make([]int, 0, len(t.User.Groups))
	for _, g := range t.User.Groups {
		groups = append(groups, int(g))
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(int(t.User.GID)); err != nil {
		return fmt.Errorf("become group %d: %w", t.User.GID, err)
	}
	if err := syscall.Setuid(int(t.User.UID)); err != nil {
		return fmt.Errorf("become user %d: %w", t.User.UID, err)
	}
	return nil
}
