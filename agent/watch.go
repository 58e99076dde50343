package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/joblog"
	"github.com/dstackai/dstack-planner/agent/internal/jobstate"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// recover finds the jobs of an earlier agent of this folder.
func (s *server) recover() error {
	leftovers, err := filepath.Glob(filepath.Join(s.dir, "trash-*"))
	if err != nil {
		return err
	}
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("finish the removal of a job: %w", err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, "jobs"))
	if err != nil {
		return fmt.Errorf("find jobs: %w", err)
	}
	for _, e := range entries {
		dir := jobPath(s.dir, e.Name())
		var rec record
		err := disk.ReadJSON(filepath.Join(dir, recordFile), &rec)
		if errors.Is(err, fs.ErrNotExist) {
			// Cut off before it was written down: nothing was started.
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove a job that was never submitted: %w", err)
			}
			continue
		}
		if err == nil && rec.Version > api.Version {
			err = fmt.Errorf("%s is of version %d, and this agent knows %d: use a newer one", dir, rec.Version, api.Version)
		}
		if err == nil && rec.Spec.ID != e.Name() {
			err = fmt.Errorf("%s holds job %q", dir, rec.Spec.ID)
		}
		if err != nil {
			return fmt.Errorf("find jobs: %w", err)
		}
		if err := s.adopt(newJob(dir, rec)); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes over a job that was submitted to an earlier agent.
func (s *server) adopt(j *job) error {
	id := j.rec.Spec.ID
	known := j.readStatus()
	finished := known && j.status().Status.Finished()
	if known {
		j.settle()
	} // else its supervisor is just starting, or has never started
	if !finished && j.rec.TotalBlocks != len(s.locks.blocks) {
		return fmt.Errorf("job %s holds %d of %d host blocks, and the agent was started for %d: start it with --blocks %d, or stop the job first",
			id, len(j.rec.Blocks), j.rec.TotalBlocks, len(s.locks.blocks), j.rec.TotalBlocks)
	}
	if err := j.openDoor(); err != nil {
		return err
	}
	s.jobs[id] = j
	if !finished {
		s.locks.restore(id, j.rec.Blocks, j.rec.GPUs)
	}
	s.watchers.Go(func() { s.watch(j) })
	return nil
}

// readStatus reads what the supervisor wrote last; it is false when it wrote nothing.
func (j *job) readStatus() bool {
	var st status
	if err := disk.ReadJSON(filepath.Join(j.dir, statusFile), &st); err != nil {
		return false
	}
	j.change(func() { j.st = st })
	return true
}

// watch follows a job until it has ended or the agent does.
func (s *server) watch(j *job) {
	running, cancel := context.WithCancel(s.watching)
	defer cancel()
	s.watchers.Go(func() { s.expire(running, j) })
	wait := time.Millisecond
	for s.watching.Err() == nil {
		if lock, err := disk.TryLock(filepath.Join(j.dir, lockFile)); err == nil {
			s.ended(j)
			lock.Close()
			j.settle()
			return
		}
		if j.follow(s.watching) {
			wait = time.Millisecond
		}
		if j.readStatus() {
			j.settle()
		}
		// Between the supervisor's last word and its end is a moment only; before it listens is one too.
		select {
		case <-time.After(wait):
		case <-s.watching.Done():
		}
		wait = min(2*wait, 200*time.Millisecond)
	}
}

// follow takes what the supervisor tells until it tells no more; it is false if it told nothing.
func (j *job) follow(ctx context.Context) bool {
	conn, err := sock.Dial(ctx, j.dir, controlSock)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(controlRequest{}); err != nil {
		return false
	}
	told := false
	for in := json.NewDecoder(conn); ; told = true {
		var event controlEvent
		if err := in.Decode(&event); err != nil {
			return told
		}
		j.change(func() { j.st, j.logEnd = event.Status, event.LogEnd })
	}
}

// ended is called when the job's supervisor is gone, with its lock held. Had it finished, all is said; had it not, it was
// killed, and what is left of the job is killed too.
func (s *server) ended(j *job) {
	switch known := j.readStatus(); {
	case !known:
		// It ended before it said that it was there, so it started nothing, and nobody was told that it would.
		if err := s.forget(j); err != nil {
			s.log.Error("job cannot be forgotten", "job", j.rec.Spec.ID, "error", err)
		}
		return
	case !j.status().Status.Finished():
		s.interrupted(j)
	}
	os.Remove(filepath.Join(j.dir, controlSock))
	s.mu.Lock()
	s.locks.release(j.rec.Spec.ID)
	s.mu.Unlock()
	j.change(func() { j.ended = true })
	st := j.status()
	s.log.Info("job ended", "job", j.rec.Spec.ID, "status", st.Status, "reason", st.Reason)
}

// interrupted ends a job whose supervisor was killed.
func (s *server) interrupted(j *job) {
	st := j.status()
	message := "interrupted: its supervisor was killed"
	if said, err := os.ReadFile(filepath.Join(j.dir, errorsFile)); err == nil && len(said) > 0 {
		message += ": " + lastBytes(string(said), 1000)
	}
	// The agent's end does not keep what is left from its end.
	left, err := runtimeOf(s.taskOf(j)).Remove(context.WithoutCancel(s.watching), j.dir, st.Handle)
	if err != nil {
		message += "; " + err.Error()
	}
	st.Handle = left
	for _, dir := range []string{logPath(j.dir, max(st.Attempt, 1)), filepath.Join(j.dir, notesDir)} {
		if err := joblog.Append(dir, message, time.Now()); err != nil {
			s.log.Warn("log cannot be ended", "job", j.rec.Spec.ID, "error", err)
		}
	}
	// One that was asked to end has ended for that.
	reason := cmp.Or(st.Reason, api.ReasonExecutorError)
	next, err := st.state().Next(jobstate.Event{Kind: jobstate.End, Reason: reason})
	if err != nil {
		s.log.Error("end of job is not what was expected", "job", j.rec.Spec.ID, "error", err)
		next = jobstate.State{Status: api.StatusFailed, Reason: api.ReasonExecutorError, Attempt: max(st.Attempt, 1)}
	}
	st.become(next)
	st.Message = message
	st.FinishedAt = time.Now().UTC()
	if err := disk.WriteJSON(filepath.Join(j.dir, statusFile), st); err != nil {
		s.log.Error("end of job cannot be recorded", "job", j.rec.Spec.ID, "error", err)
	}
	j.change(func() { j.st = st })
}

// taskOf is a job as its runtime knows it, without what is secret.
func (s *server) taskOf(j *job) runtime.Task {
	t := runtime.Task{
		Dir: j.dir, Spec: j.rec.Spec, Base: s.base, Program: s.program, Mounts: s.facts.Mounts, GPUs: j.rec.GPUs,
		MachineGPUs: len(s.facts.GPUs), DockerHost: s.docker.Host,
	}
	if len(s.facts.GPUs) > 0 {
		t.GPUVendor = s.facts.GPUs[0].Vendor
	}
	return t
}

func lastBytes(s string, n int) string {
	s = strings.TrimSpace(s)
	return strings.ToValidUTF8(s[max(0, len(s)-n):], "")
}
