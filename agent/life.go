package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/cgroup"
	"github.com/dstackai/dstack-planner/agent/internal/proc"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
)

// killWait bounds how long processes are waited for that were killed: one that hangs in a device does not go.
const killWait = 20 * time.Second

// life is the time of a job from its start to the end of its last process.
type life struct {
	*supervisor
	signals chan os.Signal

	pid    int
	staged chan *stageError // what the stage says, once; nil when it became the job
	copies sync.WaitGroup
	exit   *unix.WaitStatus
	failed *stageError

	reason  api.Reason // of whoever stops the job; empty while nobody does
	message string
	grace   <-chan time.Time
	kill    bool
}

// live starts the job and returns when it has ended.
func (l *life) live() ending {
	if err := checkPort(l.task.Spec.Port); err != nil {
		return ending{Reason: api.ReasonPortsBindingFailed, Message: err.Error()}
	}
	if err := l.start(); err != nil {
		l.killAll()
		return ending{Reason: api.ReasonExecutorError, Message: err.Error()}
	}
	var timeout <-chan time.Time
	for {
		l.reap()
		if l.exit != nil || l.kill {
			break
		}
		select {
		case failed := <-l.staged:
			l.staged = nil
			if l.failed = failed; failed != nil {
				break // its exit follows
			}
			if err := l.update(func(st *status) {
				st.StartedAt = time.Now().UTC()
				if st.Status == api.StatusSubmitted {
					st.Status = api.StatusRunning
				}
			}); err != nil {
				l.begin(api.StopRequest{Reason: api.ReasonExecutorError, Message: err.Error(), Abort: true})
			}
			timeout = l.timeout()
		case a := <-l.asks:
			if a.Limits != nil {
				l.task.Spec.MaxDuration, l.task.Spec.StopGrace = a.Limits.MaxDuration, a.Limits.StopGrace
				timeout = l.timeout()
			}
			if a.Stop != nil {
				l.begin(*a.Stop)
			}
			close(a.heard)
		case sig := <-l.signals:
			if sig == syscall.SIGTERM {
				l.begin(api.StopRequest{Reason: api.ReasonTerminatedByServer, Message: "the machine is shutting down"})
			}
		case <-timeout:
			l.begin(api.StopRequest{Reason: api.ReasonMaxDurationExceeded,
				Message: fmt.Sprintf("stopped after its max_duration of %s", l.task.Spec.MaxDuration)})
		case <-l.grace:
			l.kill = true
		}
	}
	left := l.killAll()
	if !waitFor(l.copies.Wait, 5*time.Second) {
		left = append(left, "its output is still open elsewhere")
	}
	return l.end(left)
}

// timeout is when the job has run for long enough; nil while it has no bound or has not started.
func (l *life) timeout() <-chan time.Time {
	d, started := l.task.Spec.MaxDuration, l.status().StartedAt
	if d <= 0 || started.IsZero() {
		return nil
	}
	return time.After(time.Until(started.Add(d)))
}

// start starts the stage, in a session and control group of its own and in the namespaces that its mounts need.
func (l *life) start() error {
	spec := l.task.Spec
	mounts, err := rootfs.Prepare(spec.Mounts)
	if err != nil {
		return err
	}
	stage := stageTask{User: spec.User, Dir: spec.WorkingDir, Argv: spec.Argv}
	if stage.Dir == "" {
		stage.Dir = filepath.Join(l.dir, workDir)
		if err := makeWorkDir(stage.Dir, spec.User); err != nil {
			return fmt.Errorf("make working directory: %w", err)
		}
	}
	mode, mountRoot := l.task.Mounts, ""
	switch {
	case mode == api.MountsLinks:
		mountRoot = filepath.Join(l.dir, linksDir)
		if err := rootfs.Link(mountRoot, mounts); err != nil {
			return err
		}
	case len(mounts) > 0 || spec.ShmSize > 0:
		stage.Root, stage.Mounts, stage.Shm = filepath.Join(l.dir, rootDir), mounts, spec.ShmSize
		if err := os.MkdirAll(stage.Root, 0o755); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	stage.Env = jobEnv(l.task, l.dir, mountRoot)

	group, err := cgroup.Create(cgroupName(l.dir), cgroup.Limits{CPU: spec.CPULimit, Memory: spec.MemoryLimit})
	if err != nil {
		return err
	}
	// Written before anything is in the group, so that it is removed even if this process is not there to do it.
	if err := l.update(func(st *status) { st.Cgroup = group }); err != nil {
		return err
	}
	return l.startStage(stage, mode, group)
}

// startStage starts the process that becomes the job, records it, and only then tells it what to become.
func (l *life) startStage(stage stageTask, mode string, group cgroup.Group) error {
	cmd := exec.Command(l.task.Program, "stage")
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
	if err := cmd.Start(); err != nil {
		closeAll(ours)
		return fmt.Errorf("start job: %w", err)
	}
	l.pid = cmd.Process.Pid
	// The process is waited for by its number, with all others that become children of this one.
	cmd.Process.Release()
	for i, name := range []string{api.StreamStdout, api.StreamStderr} {
		l.copies.Go(func() {
			defer readers[i].Close()
			if err := l.log.Copy(name, readers[i]); err != nil {
				fmt.Fprintf(os.Stderr, "%s of the job: %v\n", name, err)
			}
		})
	}
	l.staged = make(chan *stageError, 1)
	go func() {
		defer errR.Close()
		var report stageError
		if err := json.NewDecoder(errR).Decode(&report); errors.Is(err, io.EOF) {
			l.staged <- nil
			return
		}
		l.staged <- &report
	}()
	defer taskW.Close()
	if err := group.Add(l.pid); err != nil && (l.task.Spec.CPULimit > 0 || l.task.Spec.MemoryLimit > 0) {
		return err
	}
	self, _ := proc.Find(l.pid)
	if err := l.update(func(st *status) { st.PID, st.Started = l.pid, self.Start }); err != nil {
		return err
	}
	if err := json.NewEncoder(taskW).Encode(stage); err != nil {
		return fmt.Errorf("tell the job what to run: %w", err)
	}
	return nil
}

// begin begins to stop the job, or to stop it faster. The first reason stays, but for an abort.
func (l *life) begin(req api.StopRequest) {
	if req.Reason == "" {
		req.Reason = api.ReasonTerminatedByUser
		if req.Abort {
			req.Reason = api.ReasonAbortedByUser
		}
	}
	first := l.reason == ""
	if first || req.Abort {
		l.reason, l.message = req.Reason, req.Message
		// Said on disk too, so that it is not forgotten with this process; that the job ends matters more than that
		// it is said.
		l.update(func(st *status) { st.Status, st.Reason = api.StatusTerminating, l.reason })
	}
	if req.Abort {
		l.kill = true
		return
	}
	grace := req.Grace
	if grace <= 0 {
		grace = l.task.Spec.StopGrace
	}
	if grace <= 0 {
		grace = api.DefaultStopGrace
	}
	l.grace = time.After(grace)
	if first {
		unix.Kill(-l.pid, unix.SIGINT)
	}
}

// reap takes the exit of every child that has ended, the job's and those that it left behind.
func (l *life) reap() {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == l.pid {
			l.exit = &ws
		}
	}
}

// killAll kills every process of the job, however far it went away from it, and says what could not be killed. A process
// can start others until it is dead, so they are looked for until none is found.
func (l *life) killAll() (left []string) {
	group := l.status().Cgroup
	deadline := time.Now().Add(killWait)
	for {
		ps, err := proc.Descendants(os.Getpid())
		if err != nil {
			return []string{err.Error()}
		}
		// Where orphans are not adopted, the session is what is left to know them by.
		ofSession, err := proc.Remains(l.pid, l.status().Started, "")
		if err != nil {
			return []string{err.Error()}
		}
		ps = append(ps, ofSession...)
		for _, pid := range group.Processes() {
			if p, ok := proc.Find(pid); ok && !p.Zombie {
				ps = append(ps, p)
			}
		}
		if len(ps) == 0 {
			l.reap()
			return nil
		}
		if time.Now().After(deadline) {
			return []string{fmt.Sprintf("%d of its processes cannot be killed", len(ps))}
		}
		proc.Kill(ps)
		select {
		case <-l.signals:
		case <-time.After(10 * time.Millisecond):
		}
		l.reap()
	}
}

// end says how the job ended.
func (l *life) end(notes []string) ending {
	if l.staged != nil {
		select {
		case l.failed = <-l.staged:
		case <-time.After(time.Second):
		}
	}
	var e ending
	if l.exit != nil {
		code := l.exit.ExitStatus()
		if l.exit.Signaled() {
			code = 128 + int(l.exit.Signal())
		}
		e.ExitCode = &code
	}
	oom := l.status().Cgroup.OOMKills()
	switch {
	case l.reason != "":
		e.Reason, e.Message = l.reason, l.message
	case l.failed != nil && l.failed.Code != 0:
		e.Reason, e.Message = api.ReasonExitedWithError, l.failed.Message
		e.ExitCode = &l.failed.Code
	case l.failed != nil:
		e.Reason, e.Message = api.ReasonExecutorError, l.failed.Message
		e.ExitCode = nil
	case e.ExitCode == nil:
		e.Reason, e.Message = api.ReasonExecutorError, "the job's exit code was lost"
	case *e.ExitCode == 0:
		e.Reason = api.ReasonDone
	default:
		e.Reason, e.Message = api.ReasonExitedWithError, l.log.Last()
		if l.exit.Signaled() {
			notes = append([]string{fmt.Sprintf("killed by signal %d (%s)", int(l.exit.Signal()), l.exit.Signal())}, notes...)
		}
		if oom > 0 {
			notes = append([]string{fmt.Sprintf("out of memory: it may use %d bytes", l.task.Spec.MemoryLimit)}, notes...)
		}
	}
	if len(notes) > 0 {
		e.Message = strings.TrimSpace(strings.Join(notes, "; ") + "\n" + e.Message)
	}
	return e
}

func makeWorkDir(dir string, u *api.User) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if u == nil {
		return nil
	}
	return os.Chown(dir, int(u.UID), int(u.GID))
}

// cgroupName names the control group of the job in a folder, so that agents of several instances do not meet.
func cgroupName(dir string) string {
	h := fnv.New64a()
	h.Write([]byte(dir))
	return fmt.Sprintf("dstack-job-%016x", h.Sum64())
}
