package process

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/cgroup"
	"github.com/dstackai/dstack-planner/agent/internal/proc"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// Folders in the folder of a job.
const (
	linksDir = "mnt"
	rootDir  = "root"
)

// killWait bounds how long processes are waited for that were killed: one that hangs in a device does not go.
const killWait = 20 * time.Second

// Runtime runs jobs as processes of the machine. A supervisor that uses it has called Adopt.
type Runtime struct{}

// Start starts the job's program and returns when it has been executed.
func (Runtime) Start(ctx context.Context, t runtime.Task, h runtime.Host) (runtime.Attempt, error) {
	stage, mode, err := prepare(t)
	if err != nil {
		return nil, err
	}
	group, err := cgroup.Create(GroupName(t.Dir), cgroup.Limits{CPU: t.Spec.CPULimit, Memory: t.Spec.MemoryLimit})
	if err != nil {
		return nil, err
	}
	a := &attempt{task: t, host: h, handle: runtime.Handle{Cgroup: group}, done: make(chan struct{}), staged: make(chan *stageError, 1)}
	// Written before anything is in the group, so that it is removed even if this process is not there to do it.
	err = h.Keep(func(kept *runtime.Handle) { kept.Cgroup = group })
	if err == nil {
		err = a.start(stage, mode)
	}
	if err == nil {
		err = a.wait(ctx)
	}
	if err != nil {
		a.End()
		return nil, err
	}
	return a, nil
}

// prepare makes what the job finds on the machine.
func prepare(t runtime.Task) (stage stageTask, mode string, err error) {
	spec := t.Spec
	mounts, err := rootfs.Prepare(spec.Mounts)
	if err != nil {
		return stage, "", err
	}
	if err := t.MakeOwn(); err != nil {
		return stage, "", err
	}
	stage = stageTask{User: spec.User, Dir: spec.WorkingDir, Argv: spec.Argv}
	if !filepath.IsAbs(stage.Dir) {
		stage.Dir = filepath.Join(t.Own(), stage.Dir)
	}
	mountRoot := ""
	switch {
	case t.Mounts == api.MountsLinks:
		mountRoot = filepath.Join(t.Dir, linksDir)
		if err := rootfs.Link(mountRoot, mounts); err != nil {
			return stage, "", err
		}
	case len(mounts) > 0 || spec.ShmSize > 0:
		stage.Root, stage.Mounts, stage.Shm = filepath.Join(t.Dir, rootDir), mounts, spec.ShmSize
		if err := os.MkdirAll(stage.Root, 0o755); err != nil {
			return stage, "", fmt.Errorf("make root: %w", err)
		}
	}
	stage.Env = jobEnv(t, mountRoot)
	return stage, t.Mounts, nil
}

// Remove kills what is left of a job without a supervisor and removes its control group.
func (Runtime) Remove(_ context.Context, dir string, left runtime.Handle) (runtime.Handle, error) {
	var errs []error
	if n := killRemains(left, dir); n > 0 {
		errs = append(errs, fmt.Errorf("%d of the job's processes cannot be killed", n))
	}
	if err := left.Cgroup.Remove(); err != nil {
		errs = append(errs, err)
	} else {
		left.Cgroup.Paths = nil
	}
	os.Remove(filepath.Join(dir, rootDir))
	return left, errors.Join(errs...)
}

// killRemains kills what is left of a job without a supervisor and returns how many processes would not go.
func killRemains(left runtime.Handle, dir string) int {
	deadline := time.Now().Add(killWait)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		ps, err := proc.Remains(left.PID, left.Started, jobMarker(dir))
		if err != nil {
			return 0
		}
		ps = append(ps, members(left.Cgroup)...)
		if len(ps) == 0 || time.Now().After(deadline) {
			return len(ps)
		}
		proc.Kill(ps)
		time.Sleep(wait)
	}
}

// members are the processes of a control group that can be killed.
func members(g cgroup.Group) (ps []proc.Process) {
	for _, pid := range g.Processes() {
		if p, ok := proc.Find(pid); ok && !p.Zombie {
			ps = append(ps, p)
		}
	}
	return ps
}

// GroupName names the control group of the job in a folder, so that agents of several instances do not meet.
func GroupName(dir string) string {
	h := fnv.New64a()
	h.Write([]byte(dir))
	return fmt.Sprintf("dstack-job-%016x", h.Sum64())
}
