package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/pid1"
	"github.com/dstackai/dstack-planner/agent/internal/proc"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// attempt is a job's container.
type attempt struct {
	*engine
	task   runtime.Task
	host   runtime.Host
	pipes  *pipes // nil until they are made
	copies sync.WaitGroup

	id      string // empty until it is made
	first   proc.Process
	address string
	// imageDir is where the image lets programs start.
	imageDir string
	waiting  context.CancelFunc // nil until the container is started
	waiter   sync.WaitGroup
	done     chan struct{}
}

// make makes the container, without starting it.
func (a *attempt) make(ctx context.Context, t runtime.Task) (err error) {
	if a.pipes, err = makePipes(filepath.Join(t.Dir, pipesDir)); err != nil {
		return err
	}
	_, err = os.Stat(infiniband)
	config, host := configure(t, err == nil)
	create := func(ctx context.Context) error {
		made, err := a.ContainerCreate(ctx, client.ContainerCreateOptions{Config: config, HostConfig: host, Name: containerName(t)})
		a.id = made.ID
		return err
	}
	err = a.do(ctx, "make a container", create)
	if errdefs.IsConflict(err) {
		// One that a supervisor made which was killed before it said so.
		if err := a.removeAll(ctx, t.Dir); err != nil {
			return err
		}
		err = a.do(ctx, "make a container", create)
	}
	if err != nil {
		return fmt.Errorf("make container: %w", err)
	}
	return a.host.Keep(func(h *runtime.Handle) { h.Container = a.id })
}

// containerName is the job's, and different for agents of several instances on one machine.
func containerName(t runtime.Task) string {
	h := fnv.New32a()
	h.Write([]byte(t.Dir))
	return fmt.Sprintf("dstack-%s-%08x", t.Spec.ID, h.Sum32())
}

// start starts the container and returns when the job's program runs in it.
func (a *attempt) start(ctx context.Context, task pid1.Task) error {
	cannot := func(err error) error {
		return &runtime.StartError{Reason: api.ReasonCreatingContainer, Message: err.Error()}
	}
	for name, from := range map[string]*os.File{api.StreamStdout: a.pipes.out, api.StreamStderr: a.pipes.err} {
		a.copies.Go(func() {
			if err := a.host.Log.Copy(name, from); err != nil {
				fmt.Fprintf(os.Stderr, "%s of the job: %v\n", name, err)
			}
		})
	}
	err := a.do(ctx, "start the container", func(ctx context.Context) error {
		_, err := a.ContainerStart(ctx, a.id, client.ContainerStartOptions{})
		return err
	})
	if err != nil {
		return cannot(fmt.Errorf("start container: %w", err))
	}
	waiting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.waiting = cancel
	a.waiter.Go(func() { a.wait(waiting) })
	state, err := a.state(ctx)
	if err != nil {
		return cannot(err)
	}
	if state.State != nil {
		a.first, _ = proc.Find(state.State.Pid)
	}
	a.address = addressOf(state)
	if err := a.host.Keep(func(h *runtime.Handle) {
		h.PID, h.Started, h.Address, h.ImageDir = a.first.PID, a.first.Start, a.address, a.imageDir
	}); err != nil {
		return cannot(err)
	}
	// What does not fit into the pipe waits there until it is read, or the pipe is closed.
	go func() {
		if err := json.NewEncoder(a.pipes.task).Encode(task); err != nil && !errors.Is(err, os.ErrClosed) {
			fmt.Fprintf(os.Stderr, "tell the job what to run: %v\n", err)
		}
	}()
	said := make(chan pid1.Report, 1)
	go func() {
		var r pid1.Report
		if json.NewDecoder(a.pipes.report).Decode(&r) == nil {
			said <- r
		}
	}()
	var report pid1.Report
	select {
	case report = <-said:
	case <-a.done:
		// It may have said why just before.
		select {
		case report = <-said:
		case <-time.After(time.Second):
			return cannot(errors.New("the container ended before the job began"))
		}
	case <-ctx.Done():
		select {
		case report = <-said:
		case <-time.After(runtime.LastMoment):
			return ctx.Err()
		}
	}
	if report.Code != 0 {
		return &runtime.StartError{Reason: api.ReasonExitedWithError, Message: report.Message, Code: &report.Code}
	}
	return nil
}

// wait closes done when the container has ended, however often Docker is started again meanwhile.
func (a *attempt) wait(ctx context.Context) {
	defer close(a.done)
	for pause := 50 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		w := a.ContainerWait(ctx, a.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-w.Result:
			return
		case err := <-w.Error:
			if errdefs.IsNotFound(err) {
				return
			}
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// Done is closed when the container has ended, which it does with the job.
func (a *attempt) Done() <-chan struct{} { return a.done }

// Signal sends a signal to the container's first process, which passes it on to the job.
func (a *attempt) Signal(sig syscall.Signal) error {
	err := a.ask(context.Background(), "a signal to the container", func(ctx context.Context) error {
		_, err := a.ContainerKill(ctx, a.id, client.ContainerKillOptions{Signal: unix.SignalName(sig)})
		return err
	})
	if errdefs.IsConflict(err) || errdefs.IsNotFound(err) {
		return nil // it has ended
	}
	return err
}

// End kills and removes the container.
func (a *attempt) End() (e runtime.Exit) {
	ctx := context.Background()
	defer a.Close()
	note := func(err error) {
		if err != nil {
			e.Notes = append(e.Notes, err.Error())
		}
	}
	if a.waiting != nil {
		note(a.kill())
		a.waiting()
		a.waiter.Wait()
	}
	if a.pipes != nil {
		a.pipes.finish()
		if !waitFor(a.copies.Wait, a.waits.Kill) {
			e.Notes = append(e.Notes, "its output is still open elsewhere")
		}
		a.pipes.close()
	}
	if a.id != "" {
		if seen, err := a.state(ctx); err == nil && a.waiting != nil {
			e.Code, e.Signal, e.OutOfMemory = exitOf(seen.State)
		}
		if err := a.remove(ctx, a.id); err != nil {
			note(fmt.Errorf("container %s is left: %w", short(a.id), err))
			e.Left = runtime.Handle{PID: a.first.PID, Started: a.first.Start, Address: a.address, Container: a.id}
			return e
		}
	}
	if a.pipes != nil {
		note(os.RemoveAll(filepath.Join(a.task.Dir, pipesDir)))
	}
	e.Left = runtime.Handle{PID: a.first.PID, Started: a.first.Start, Address: a.address} // its last address stays what it was
	return e
}

// kill kills the container, by Docker or, if that does not answer, by its first process.
func (a *attempt) kill() error {
	select {
	case <-a.done:
		return nil
	default:
	}
	err := a.Signal(syscall.SIGKILL)
	if err != nil {
		if now, ok := proc.Find(a.first.PID); ok && now.Start == a.first.Start {
			proc.Kill([]proc.Process{now})
			if waitFor(func() { a.gone(a.first) }, a.waits.Kill) {
				return nil
			}
		}
		return err
	}
	select {
	case <-a.done:
		return nil
	case <-time.After(a.waits.Kill):
		return fmt.Errorf("container %s does not end within %s of being killed", short(a.id), a.waits.Kill)
	}
}

// gone returns when a process has ended.
func (a *attempt) gone(p proc.Process) {
	for {
		if now, ok := proc.Find(p.PID); !ok || now.Start != p.Start || now.Zombie {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (a *attempt) state(ctx context.Context) (container.InspectResponse, error) {
	var r client.ContainerInspectResult
	err := a.ask(ctx, "the container", func(ctx context.Context) (err error) {
		r, err = a.ContainerInspect(ctx, a.id, client.ContainerInspectOptions{})
		return err
	})
	return r.Container, err
}

// exitOf reads how a container ended. The first process tells a signal by a code from 129 on, as a shell does.
func exitOf(s *container.State) (code *int, sig syscall.Signal, oom bool) {
	if s == nil || s.Running || s.Status == container.StateCreated {
		return nil, 0, false
	}
	if n := s.ExitCode - 128; n > 0 && n < 65 {
		sig = syscall.Signal(n)
	}
	return &s.ExitCode, sig, s.OOMKilled
}

// addressOf is the address of a container that has a network of its own, else empty.
func addressOf(c container.InspectResponse) string {
	if c.NetworkSettings == nil {
		return ""
	}
	for _, n := range c.NetworkSettings.Networks {
		if n != nil && n.IPAddress.IsValid() && !n.IPAddress.IsUnspecified() {
			return n.IPAddress.String()
		}
	}
	return ""
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
