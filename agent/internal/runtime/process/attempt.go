package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/proc"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// attempt is a job's session of processes.
type attempt struct {
	task   runtime.Task
	host   runtime.Host
	staged chan *stageError // what the stage says, once; nil when it became the job
	copies sync.WaitGroup
	reaper sync.WaitGroup
	stop   chan struct{} // ends the reaper
	done   chan struct{}

	mu     sync.Mutex
	handle runtime.Handle
	exit   *unix.WaitStatus
}

// start starts the process that becomes the job, keeps it, and only then tells it what to become.
func (a *attempt) start(stage stageTask, mode string) error {
	cmd := exec.Command(a.task.Program, "stage")
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if stage.Root != "" {
		rootfs.Configure(mode, cmd.SysProcAttr)
	}
	var child, ours []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	pipe := func() (r, w *os.File, err error) {
		r, w, err = os.Pipe()
		if err != nil {
			err = fmt.Errorf("make pipe: %w", err)
		}
		return r, w, err
	}
	defer func() { closeAll(child) }()
	var readers [2]*os.File
	for i, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		r, w, err := pipe()
		if err != nil {
			closeAll(ours)
			return err
		}
		readers[i], *to = r, w
		child, ours = append(child, w), append(ours, r)
	}
	taskR, taskW, err := pipe()
	if err != nil {
		closeAll(ours)
		return err
	}
	child, ours = append(child, taskR), append(ours, taskW)
	errR, errW, err := pipe()
	if err != nil {
		closeAll(ours)
		return err
	}
	child, ours = append(child, errW), append(ours, errR)
	cmd.ExtraFiles = []*os.File{taskR, errW}
	exits := make(chan os.Signal, 1)
	signal.Notify(exits, syscall.SIGCHLD)
	if err := cmd.Start(); err != nil {
		signal.Stop(exits)
		closeAll(ours)
		return fmt.Errorf("start job: %w", err)
	}
	pid := cmd.Process.Pid
	self, _ := proc.Find(pid)
	a.mu.Lock()
	a.handle.PID, a.handle.Started = pid, self.Start
	a.mu.Unlock()
	// The process is waited for by its number, with all others that become children of this one.
	cmd.Process.Release()
	a.stop = make(chan struct{})
	a.reaper.Go(func() {
		defer signal.Stop(exits)
		for {
			a.reap()
			select {
			case <-exits:
			case <-a.stop:
				return
			}
		}
	})
	for i, name := range []string{api.StreamStdout, api.StreamStderr} {
		a.copies.Go(func() {
			defer readers[i].Close()
			if err := a.host.Log.Copy(name, readers[i]); err != nil {
				fmt.Fprintf(os.Stderr, "%s of the job: %v\n", name, err)
			}
		})
	}
	go func() {
		defer errR.Close()
		var report stageError
		if err := json.NewDecoder(errR).Decode(&report); errors.Is(err, io.EOF) {
			a.staged <- nil
			return
		}
		a.staged <- &report
	}()
	defer taskW.Close()
	if err := a.handle.Cgroup.Add(pid); err != nil && (a.task.Spec.CPULimit > 0 || a.task.Spec.MemoryLimit > 0) {
		return err
	}
	if err := a.host.Keep(func(kept *runtime.Handle) { kept.PID, kept.Started = pid, self.Start }); err != nil {
		return err
	}
	if err := json.NewEncoder(taskW).Encode(stage); err != nil {
		return fmt.Errorf("tell the job what to run: %w", err)
	}
	return nil
}

// wait waits until the stage has become the job or has said why it could not.
func (a *attempt) wait(ctx context.Context) error {
	var failed *stageError
	select {
	case failed = <-a.staged:
	case <-ctx.Done():
		select {
		case failed = <-a.staged:
		case <-time.After(runtime.LastMoment):
			return ctx.Err()
		}
	}
	switch {
	case failed == nil:
		return nil
	case failed.Code != 0:
		return &runtime.StartError{Reason: api.ReasonExitedWithError, Message: failed.Message, Code: &failed.Code}
	}
	return errors.New(failed.Message)
}

// Done is closed when the job's program has ended.
func (a *attempt) Done() <-chan struct{} { return a.done }

// Signal sends a signal to the job's process group.
func (a *attempt) Signal(sig syscall.Signal) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.exit != nil {
		return nil // its number may be another's by now
	}
	return unix.Kill(-a.handle.PID, sig)
}

// reap takes the exit of every child that has ended, the job's and those that it left behind.
func (a *attempt) reap() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == a.handle.PID && a.exit == nil {
			a.exit = &ws
			close(a.done)
		}
	}
}

// End kills every process of the job and removes its control group.
func (a *attempt) End() runtime.Exit {
	var e runtime.Exit
	e.Notes = a.killAll()
	if a.stop != nil {
		close(a.stop)
		a.reaper.Wait()
	}
	if !waitFor(a.copies.Wait, 5*time.Second) {
		e.Notes = append(e.Notes, "its output is still open elsewhere")
	}
	if a.exit != nil {
		code := a.exit.ExitStatus()
		if a.exit.Signaled() {
			e.Signal = a.exit.Signal()
			code = 128 + int(e.Signal)
		}
		e.Code = &code
	}
	e.OutOfMemory = a.handle.Cgroup.OOMKills() > 0
	e.Left = a.handle
	if err := a.handle.Cgroup.Remove(); err != nil {
		e.Notes = append(e.Notes, err.Error())
	}
	e.Left.Cgroup.Paths = nil
	os.Remove(filepath.Join(a.task.Dir, rootDir))
	return e
}

// killAll kills every process of the job, however far it went away from it, and says what could not be killed. A process
// can start others until it is dead, so they are looked for until none is found.
func (a *attempt) killAll() (left []string) {
	// What was started beside the job is no descendant of it, and known by its control group.
	marker := ""
	if len(a.handle.Cgroup.Paths) == 0 {
		marker = jobMarker(a.task.Dir)
	}
	deadline := time.Now().Add(killWait)
	for {
		ps, err := proc.Descendants(os.Getpid())
		if err != nil {
			return []string{err.Error()}
		}
		// Where orphans are not adopted, the session is what is left to know them by.
		ofSession, err := proc.Remains(a.handle.PID, a.handle.Started, marker)
		if err != nil {
			return []string{err.Error()}
		}
		ps = append(append(ps, ofSession...), members(a.handle.Cgroup)...)
		if len(ps) == 0 {
			a.reap()
			return nil
		}
		if time.Now().After(deadline) {
			return []string{fmt.Sprintf("%d of its processes cannot be killed", len(ps))}
		}
		proc.Kill(ps)
		time.Sleep(10 * time.Millisecond)
		a.reap()
	}
}

// waitFor waits for wait to return, but not for ever.
func waitFor(wait func(), atMost time.Duration) bool {
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(atMost):
		return false
	}
}
