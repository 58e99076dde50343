package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// life is the time of a job from its start to the end of its last process.
type life struct {
	*supervisor
	runtime runtime.Runtime
	signals chan os.Signal

	attempt runtime.Attempt // nil until the job runs

	reason  api.Reason // of whoever stops the job; empty while nobody does
	message string
	grace   <-chan time.Time
	kill    bool
}

// begun is how a start ended.
type begun struct {
	attempt runtime.Attempt
	err     error
}

// live starts the job and returns when it has ended and nothing of it is left.
func (l *life) live() ending {
	if err := checkPort(l.task.Spec.Port); err != nil {
		return ending{Reason: api.ReasonPortsBindingFailed, Message: err.Error()}
	}
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	starting := make(chan begun, 1)
	go func() {
		t, err := furnish(ctx, l.task)
		var a runtime.Attempt
		if err == nil {
			a, err = l.runtime.Start(ctx, t, runtime.Host{Keep: l.keep, Log: l.log})
		}
		starting <- begun{a, err}
	}()
	var timeout <-chan time.Time
	var done <-chan struct{}
	for !l.kill {
		select {
		case b := <-starting:
			if b.err != nil {
				return l.notStarted(b.err)
			}
			starting = nil
			l.attempt, done = b.attempt, b.attempt.Done()
			if err := l.update(func(st *status) {
				st.StartedAt = time.Now().UTC()
				if st.Status == api.StatusSubmitted {
					st.Status = api.StatusRunning
				}
			}); err != nil {
				l.begin(api.StopRequest{Reason: api.ReasonExecutorError, Message: err.Error(), Abort: true})
			}
			timeout = l.timeout()
		case <-done:
			return l.end(l.attempt.End())
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
	giveUp()
	if starting != nil {
		b := <-starting
		if b.err != nil {
			return l.notStarted(b.err)
		}
		l.attempt = b.attempt
	}
	return l.end(l.attempt.End())
}

// timeout is when the job has run for long enough; nil while it has no bound or has not started.
func (l *life) timeout() <-chan time.Time {
	d, started := l.task.Spec.MaxDuration, l.status().StartedAt
	if d <= 0 || started.IsZero() {
		return nil
	}
	return time.After(time.Until(started.Add(d)))
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
	if req.Abort || l.attempt == nil {
		l.kill = true // there is nobody yet to be asked
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
	if !first {
		return
	}
	if err := l.attempt.Signal(syscall.SIGINT); err != nil {
		fmt.Fprintf(os.Stderr, "interrupt the job: %v\n", err)
	}
}

// keep makes a part of the attempt's handle durable.
func (l *life) keep(change func(*runtime.Handle)) error {
	return l.update(func(st *status) { change(&st.Handle) })
}

// notStarted says how a job ended that could not be started, with nothing of it left.
func (l *life) notStarted(err error) ending {
	e := ending{Reason: api.ReasonExecutorError, Message: err.Error()}
	var start *runtime.StartError
	switch {
	case l.reason != "":
		e.Reason, e.Message = l.reason, l.message
	case errors.As(err, &start):
		e.Reason, e.ExitCode = start.Reason, start.Code
	}
	return e
}

// end says how a job ended that ran.
func (l *life) end(exit runtime.Exit) ending {
	e := ending{ExitCode: exit.Code, Left: exit.Left}
	notes := exit.Notes
	switch {
	case l.reason != "":
		e.Reason, e.Message = l.reason, l.message
	case e.ExitCode == nil:
		e.Reason, e.Message = api.ReasonExecutorError, "the job's exit code was lost"
	case *e.ExitCode == 0:
		e.Reason = api.ReasonDone
	default:
		e.Reason, e.Message = api.ReasonExitedWithError, l.log.Last()
		if exit.Signal != 0 {
			notes = append([]string{fmt.Sprintf("killed by signal %d (%s)", int(exit.Signal), exit.Signal)}, notes...)
		}
		if exit.OutOfMemory {
			notes = append([]string{fmt.Sprintf("out of memory: it may use %d bytes", l.task.Spec.MemoryLimit)}, notes...)
		}
	}
	if len(notes) > 0 {
		e.Message = strings.TrimSpace(strings.Join(notes, "; ") + "\n" + e.Message)
	}
	return e
}
