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
	"github.com/dstackai/dstack-planner/agent/internal/jobstate"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// life is the time of a job from its start to the end of its last process.
type life struct {
	*supervisor
	runtime runtime.Runtime
	signals chan os.Signal

	attempt runtime.Attempt // nil unless the job runs
	retries retries

	reason  api.Reason // of whoever stops the job; empty while nobody does
	message string
	stopBy  time.Time     // when the whole stop shall be over; zero without a bound
	asked   time.Duration // the grace that whoever stops the job has given
	grace   <-chan time.Time
	giveUp  context.CancelFunc // ends a start
	kill    bool
}

// begun is how a start ended.
type begun struct {
	attempt runtime.Attempt
	err     error
}

// live tries the job until it has ended for good, and nothing of it is left.
func (l *life) live() ending {
	for {
		e := l.try()
		v, pause := l.retries.after(l.task.Spec.Retry, l.status().StartedAt, time.Now(), e.Reason)
		switch {
		case v == over || l.reason != "":
			return e
		case v == exceeded:
			return l.tooOften(e)
		}
		if end, done := l.rest(e, pause); done {
			return end
		}
	}
}

// tooOften is the end of a job whose tries have failed for as long as they may.
func (l *life) tooOften(e ending) ending {
	l.note("attempt %d failed (%s), and the tries have failed for %s", l.status().Attempt, e.words(), l.task.Spec.Retry.For)
	e.Message = strings.TrimSpace(fmt.Sprintf("%d attempts in a row failed, and it is tried again for %s only; the last one: %s\n%s",
		l.retries.tries, l.task.Spec.Retry.For, strings.ReplaceAll(string(e.Reason), "_", " "), e.Message))
	e.Reason = api.ReasonRetryLimitExceeded
	return e
}

// rest waits for the time of the next try and makes ready for it. It is done if the job was stopped meanwhile.
func (l *life) rest(e ending, pause time.Duration) (end ending, done bool) {
	broken := func(err error) (ending, bool) {
		e.Message = strings.TrimSpace("it cannot be tried again: " + err.Error() + "\n" + e.Message)
		return e, true
	}
	failed := l.status().Attempt
	l.note("attempt %d failed (%s); attempt %d begins in %s", failed, e.words(), failed+1, pause)
	if err := l.log.Close(); err != nil {
		l.note("the end of the log of attempt %d may be missing: %v", failed, err)
	}
	if err := dropLogs(l.dir, l.log.Bound()); err != nil {
		l.note("%v", err)
	}
	if err := l.openLog(failed + 1); err != nil {
		return broken(err)
	}
	err := l.step(jobstate.Again, e.Reason, func(st *status) {
		final, _ := e.Reason.Final()
		st.Attempts = remember(st.Attempts, api.Attempt{Number: failed, Status: final, Reason: e.Reason, Message: e.Message, ExitCode: e.ExitCode,
			StartedAt: st.StartedAt, FinishedAt: time.Now().UTC()})
		st.Message = fmt.Sprintf("attempt %d failed (%s)", failed, e.words())
		st.StartedAt, st.Handle = time.Time{}, e.Left
	})
	if err != nil {
		return broken(err)
	}
	l.attempt = nil
	for timer := time.NewTimer(pause); ; {
		select {
		case <-timer.C:
			// Each attempt starts with an empty folder, as each gets a container of its own.
			if err := os.RemoveAll(l.task.Own()); err != nil {
				return broken(err)
			}
			return ending{}, false
		case a := <-l.asks:
			l.heed(a)
		case sig := <-l.signals:
			l.shutDown(sig)
		}
		if l.reason != "" {
			timer.Stop()
			return ending{Reason: l.reason, Message: l.message, Left: e.Left}, true
		}
	}
}

// try makes one attempt and returns when nothing of it is left.
func (l *life) try() ending {
	if c := l.task.Spec.Container; c == nil || c.Network == api.NetworkHost {
		if err := checkPort(l.task.Spec.Port); err != nil {
			return ending{Reason: api.ReasonPortsBindingFailed, Message: err.Error()}
		}
	}
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	l.giveUp = giveUp
	starting := make(chan begun, 1)
	go func() {
		t, err := furnish(ctx, l.task)
		var a runtime.Attempt
		if err == nil {
			a, err = l.runtime.Start(ctx, t, runtime.Host{Keep: l.keep, Pulling: l.pulling, Log: l.log})
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
			l.note("attempt %d runs", l.status().Attempt)
			if err := l.step(jobstate.Run, "", func(st *status) {
				st.StartedAt = time.Now().UTC()
				if st.Status == api.StatusRunning {
					st.Message = ""
				}
			}); err != nil {
				l.begin(api.StopRequest{Reason: api.ReasonExecutorError, Message: err.Error(), Abort: true})
			}
			if l.reason != "" {
				l.interrupt() // it was stopped while it began
			}
			timeout = l.timeout()
		case <-done:
			return l.end(l.attempt.End())
		case a := <-l.asks:
			l.heed(a)
			timeout = l.timeout()
		case sig := <-l.signals:
			l.shutDown(sig)
		case <-timeout:
			l.begin(api.StopRequest{Reason: api.ReasonMaxDurationExceeded,
				Message: fmt.Sprintf("stopped after its max_duration of %s", l.task.Spec.MaxDuration)})
		case <-l.grace:
			l.note("the job did not end by itself in time, and is killed")
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

// heed does what the supervisor is asked for.
func (l *life) heed(a ask) {
	if a.Limits != nil {
		spec := &l.task.Spec
		spec.MaxDuration, spec.StopGrace, spec.StopDuration, spec.Retry = a.Limits.MaxDuration, a.Limits.StopGrace, a.Limits.StopDuration, a.Limits.Retry
	}
	if a.Stop != nil {
		l.begin(*a.Stop)
	}
	close(a.heard)
}

// shutDown stops the job with its machine.
func (l *life) shutDown(sig os.Signal) {
	if sig == syscall.SIGTERM {
		l.begin(api.StopRequest{Reason: api.ReasonTerminatedByServer, Message: "the machine is shutting down"})
	}
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
		kind := jobstate.Stop
		if req.Abort {
			kind = jobstate.Abort
		}
		l.note("%s: %s", kind, req.Reason)
		// Said on disk too, so that it is not forgotten with this process; that the job ends matters more than that
		// it is said.
		if err := l.step(kind, req.Reason, nil); err != nil {
			l.note("the stop is not recorded: %v", err)
		}
	}
	if d := l.task.Spec.StopDuration; first && d > 0 {
		l.stopBy = time.Now().Add(d)
	}
	l.asked = req.Grace
	switch {
	case req.Abort:
		l.kill = true
	case l.attempt == nil:
		l.giveUp()
	case first:
		l.interrupt()
	default:
		l.hurry()
	}
}

// interrupt asks the job to end by itself.
func (l *life) interrupt() {
	l.hurry()
	if err := l.attempt.Signal(syscall.SIGINT); err != nil {
		l.note("the job cannot be interrupted: %v", err)
	}
}

// hurry sets the time at which the job is killed.
func (l *life) hurry() {
	grace := l.asked
	if grace <= 0 {
		grace = l.task.Spec.StopGrace
	}
	if grace <= 0 {
		grace = api.DefaultStopGrace
	}
	if !l.stopBy.IsZero() {
		grace = min(grace, time.Until(l.stopBy))
	}
	l.grace = time.After(grace)
}

// keep makes a part of the attempt's handle durable.
func (l *life) keep(change func(*runtime.Handle)) error {
	return l.update(func(st *status) { change(&st.Handle) })
}

// pulling shows how far the job's image has come.
func (l *life) pulling(progress string) {
	show := func(st *status) {
		if st.Status == api.StatusPulling {
			st.Message = progress
		}
	}
	var err error
	if now := l.status().Status; now == api.StatusSubmitted || now == api.StatusProvisioning {
		err = l.step(jobstate.Pull, "", show)
	} else {
		err = l.update(show)
	}
	if impossible := (*jobstate.ImpossibleError)(nil); err != nil && !errors.As(err, &impossible) { // it may be stopped just now
		l.note("the pull is not shown: %v", err)
	}
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
