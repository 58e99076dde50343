package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Start submits a job, or goes on with the one of its id, and returns when it runs, has ended, or, if it is a service, when its
// port answers, for which it gets as long as wait says. report is told of the job as soon as it is there and of each phase
// after that. The job is returned with an error, too, if it is there.
func Start(ctx context.Context, c *client.Client, spec api.JobSpec, wait time.Duration, report func(phase string, job api.Job) error) (api.Job, error) {
	job, err := c.Job(ctx, spec.ID)
	if err != nil && api.KindOf(err) == api.KindNotFound {
		job, err = c.Submit(ctx, spec)
	}
	if err != nil {
		return api.Job{}, Error(err)
	}
	phase := "starting"
	if spec.Port > 0 {
		phase = fmt.Sprintf("waiting for port %d", spec.Port)
	}
	if spec.Repo != nil {
		phase = "cloning " + spec.Repo.URL + ", then " + phase
	}
	if err := report(phase, job); err != nil {
		return job, err
	}
	bounded := ctx
	if spec.Port > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	seen, err := c.WaitReady(bounded, spec.ID)
	switch {
	case err != nil && ctx.Err() == nil && bounded.Err() != nil:
		return job, providers.Errorf(providers.Internal, "the service runs, and its port %d did not answer within %s; check that it listens on that port%s",
			spec.Port, wait, saying(ctx, c, spec.ID))
	case err != nil:
		return job, Error(err)
	case spec.Port > 0 && seen.Status.Finished():
		return seen, providers.Errorf(providers.Internal, "the service ended before its port %d answered: %s", spec.Port, Fate(seen))
	}
	return seen, nil
}

// saying is the end of a job's output, as the end of an error; empty if there is none.
func saying(ctx context.Context, c *client.Client, id string) string {
	const lines = 10
	var out strings.Builder
	for line, err := range c.Logs(ctx, id, api.LogQuery{Tail: lines}) {
		if err != nil {
			break // the error is about something else
		}
		out.Write(line.Bytes())
	}
	text := strings.ToValidUTF8(strings.TrimSpace(out.String()), "")
	if text == "" {
		return ""
	}
	return ". Its last output:\n" + text
}

// Fate says in words how a job ended.
func Fate(job api.Job) string {
	var parts []string
	parts = append(parts, string(job.Status))
	if job.Reason != "" {
		parts[0] += ", " + strings.ReplaceAll(string(job.Reason), "_", " ")
	}
	if job.ExitCode != nil {
		parts[0] += fmt.Sprintf(", exit code %d", *job.ExitCode)
	}
	if m := strings.TrimSpace(job.Message); m != "" {
		parts = append(parts, m)
	}
	return strings.Join(parts, "\n")
}

// Update tells a running job's agent what has changed for it.
func Update(ctx context.Context, c *client.Client, id string, job schema.Job) (api.Job, error) {
	seen, err := c.Limit(ctx, id, api.Limits{
		InactivityDuration: Limit(job.InactivityDuration), MaxDuration: Limit(job.MaxDuration), StopGrace: job.StopGrace.AsDuration(), StopDuration: Limit(job.StopDuration), Retry: Retry(job),
	})
	return seen, Error(err)
}

// Stop asks a job to end, or kills it. Stopping what has ended, or what its agent does not know, succeeds.
func Stop(ctx context.Context, c *client.Client, id string, abort bool) error {
	_, err := c.Stop(ctx, id, api.StopRequest{Abort: abort})
	if err != nil && api.KindOf(err) == api.KindNotFound {
		return nil
	}
	return Error(err)
}

// End stops a job, waits until nothing of it is left and removes it from its agent. A grace of 0 is what the job was
// submitted with. Ending what is not there succeeds.
func End(ctx context.Context, c *client.Client, id string, grace time.Duration) error {
	_, err := c.Stop(ctx, id, api.StopRequest{Grace: grace})
	if err == nil {
		_, err = c.WaitFinished(ctx, id)
	}
	if err == nil {
		err = c.Delete(ctx, id, false)
	}
	if err != nil && api.KindOf(err) == api.KindNotFound {
		return nil
	}
	return Error(err)
}

// Logs passes on a job's output.
func Logs(ctx context.Context, c *client.Client, id string, opts providers.LogOptions, yield func(providers.LogEntry) error) error {
	query := api.LogQuery{
		Follow: opts.Follow, Since: opts.Since, Tail: opts.Tail, Offset: opts.Offset, Attempt: opts.Attempt, Onward: opts.Onward, Diagnose: opts.Diagnose,
	}
	for line, err := range c.Logs(ctx, id, query) {
		if err != nil {
			return Error(err)
		}
		if err := yield(providers.LogEntry{Time: line.Time, Stream: line.Stream, Text: line.Bytes(), Next: line.Next, Attempt: line.Attempt}); err != nil {
			return err
		}
	}
	return nil
}

// Error gives an error of an agent or a gateway its kind. nil stays nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e
	}
	kind := providers.Transient // it could not be asked
	if e, ok := errors.AsType[*api.Error](err); ok {
		switch e.Kind {
		case api.KindInvalid:
			kind = providers.Invalid
		case api.KindNotFound:
			kind = providers.NotFound
		case api.KindConflict:
			kind = providers.Conflict
		default:
			kind = providers.Internal
		}
	}
	return providers.Errorf(kind, "%w", err)
}
