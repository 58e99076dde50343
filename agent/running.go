package agent

import (
	"cmp"
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/process"
	"github.com/dstackai/dstack-planner/agent/internal/shell"
)

// job is what the agent holds of one job in memory; the truth is on disk.
type job struct {
	dir      string
	key      ssh.Signer // of the job's SSH server
	presence *shell.Presence
	// submitted is closed by settle when the job's supervisor has taken over, or could not.
	submitted chan struct{}
	settled   sync.Once

	mu      sync.Mutex
	rec     record
	st      status
	logEnd  int64
	ended   bool // finished, its processes gone, what it held released
	gone    bool // never started, or deleted
	answers bool // its port has answered
	changed chan struct{}
}

func newJob(dir string, rec record) *job {
	j := &job{dir: dir, rec: rec, submitted: make(chan struct{}), changed: make(chan struct{}),
		st: status{Status: api.StatusSubmitted}}
	j.presence = j.recallPresence()
	return j
}

// settle lets those go on who wait for the job to be there, or not.
func (j *job) settle() { j.settled.Do(func() { close(j.submitted) }) }

// change changes the job under its lock and wakes those who wait for it.
func (j *job) change(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *job) status() status {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.st
}

// view is the job as it is told, and a channel that is closed when that is no longer true. It does not ask the port.
func (j *job) view() (v api.Job, ended bool, changed <-chan struct{}) {
	// Asked before the job is locked: presence writes itself down while it is locked, and asks the job then.
	since, alone := j.presence.Alone()
	j.mu.Lock()
	defer j.mu.Unlock()
	v = api.Job{
		ID: j.rec.Spec.ID, Labels: j.rec.Spec.Labels, Status: j.st.Status, Reason: j.st.Reason, Message: j.st.Message,
		ExitCode: j.st.ExitCode, SubmittedAt: j.rec.SubmittedAt, StartedAt: j.st.StartedAt, FinishedAt: j.st.FinishedAt,
		Attempt: max(j.st.Attempt, j.rec.Spec.Attempt, 1), Attempts: j.st.Attempts,
		Port: j.rec.Spec.Port, Address: cmp.Or(j.st.Address, "127.0.0.1"), PID: j.st.PID, Blocks: j.rec.Blocks, GPUs: j.rec.GPUs, Spec: j.rec.Spec,
	}
	if v.Status.Finished() && !j.ended {
		// Its supervisor has said so, but the machine is not free yet.
		v.Status = api.StatusTerminating
		v.FinishedAt = time.Time{}
	}
	if j.key != nil {
		v.HostKey = shell.Text(j.key.PublicKey())
	}
	v.WorkingDir = cmp.Or(workingDir(runtime.Task{Dir: j.dir, Spec: j.rec.Spec}), j.st.ImageDir)
	if alone && v.Status == api.StatusRunning {
		v.AloneSince = latest(since, j.st.StartedAt).UTC()
	}
	if j.ended {
		v.Blocks, v.GPUs = nil, nil
	}
	if v.Status == api.StatusRunning {
		v.Ready = v.Port == 0 || j.answers
	}
	return v, j.ended, j.changed
}

// check is view after asking the job's port, if it has one and has not answered yet.
func (j *job) check(ctx context.Context) (v api.Job, ended bool, changed <-chan struct{}) {
	v, ended, changed = j.view()
	if v.Status != api.StatusRunning || v.Ready {
		return v, ended, changed
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(v.Address, strconv.Itoa(v.Port)))
	if err != nil {
		return v, ended, changed
	}
	conn.Close()
	j.change(func() { j.answers = true })
	return j.view()
}

// askEvery is how often a port is asked that somebody waits for.
const askEvery = 50 * time.Millisecond

// wait returns the job when it is ready or finished, as until says, when it is gone or when ctx is done.
func (j *job) wait(ctx context.Context, until func(v api.Job, ended bool) bool) api.Job {
	for {
		v, ended, changed := j.check(ctx)
		if until(v, ended) || ended || ctx.Err() != nil || j.isGone() {
			return v
		}
		var again <-chan time.Time
		if v.Port != 0 && v.Status == api.StatusRunning && !v.Ready {
			again = time.After(askEvery)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
		}
	}
}

func (j *job) isGone() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gone
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// workingDir is where a job starts, as it sees it; empty if its image says so.
func workingDir(t runtime.Task) string {
	if t.Spec.Container != nil {
		dir, _ := docker.WorkingDir(t.Spec)
		return dir
	}
	return process.WorkingDir(t)
}
