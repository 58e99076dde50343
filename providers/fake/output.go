package fake

import (
	"context"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// StopJob ends a job at once. One that has ended, or is gone, stays as it is.
func (b *backend) StopJob(ctx context.Context, job providers.Object[schema.Job], _ []providers.Need, abort bool) error {
	if err := b.ask(ctx, call{op: "stop", kind: addr.KindJob}); err != nil {
		return err
	}
	err := b.world.change(func(c *contents) (*record, error) {
		o := b.get(c, addr.KindJob, job.ID)
		if o == nil || jobEnded(o) {
			return nil, nil
		}
		stopped := *o
		stopped.Stopped, stopped.StoppedAt = "terminated", time.Now()
		if abort {
			stopped.Stopped = "aborted"
		}
		return &record{Put: &stopped}, nil
	})
	if err != nil {
		return worldError(err)
	}
	return nil
}

// pollInterval is how often a followed job is asked whether it has ended.
const pollInterval = 20 * time.Millisecond

// JobLogs yields what the job's `echo` commands say: one entry for each, all written when the job started.
func (b *backend) JobLogs(ctx context.Context, job providers.Object[schema.Job], _ []providers.Need, opts providers.LogOptions,
	yield func(providers.LogEntry) error) error {
	if err := b.ask(ctx, call{op: "logs", kind: addr.KindJob}); err != nil {
		return err
	}
	if opts.Diagnose {
		return nil // nothing looks after the jobs of this world
	}
	entries, ended, err := b.output(job.ID)
	if err != nil {
		return err
	}
	if at := max(job.Value.Attempt, 1); opts.Attempt > 0 && opts.Attempt != at {
		return providers.Errorf(providers.NotFound, "there is no output of attempt %d of job %s; this is attempt %d", opts.Attempt, job.ID, at)
	}
	if opts.Tail > 0 && len(entries) > opts.Tail {
		entries = entries[len(entries)-opts.Tail:]
	}
	for _, e := range entries {
		if e.Next <= opts.Offset || e.Time.Before(opts.Since) {
			continue
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	for opts.Follow && !ended {
		if err := sleep(ctx, pollInterval); err != nil {
			return err
		}
		if _, ended, err = b.output(job.ID); err != nil {
			return err
		}
	}
	return nil
}

func (b *backend) output(id string) (entries []providers.LogEntry, ended bool, err error) {
	err = b.world.view(func(c *contents) error {
		o := b.get(c, addr.KindJob, id)
		if o == nil {
			return providers.Errorf(providers.NotFound, "there is no job %s any more", id)
		}
		v, err := valueOf[schema.Job](o)
		if err != nil {
			return worldError(err)
		}
		ended = jobEnded(o)
		var next int64
		for _, command := range v.Commands {
			text, ok := strings.CutPrefix(strings.TrimSpace(command), "echo ")
			if !ok {
				continue
			}
			line := []byte(strings.Trim(text, `"'`) + "\n")
			next += int64(len(line))
			entries = append(entries, providers.LogEntry{Time: o.Made, Stream: "stdout", Text: line, Next: next})
		}
		return nil
	})
	return entries, ended, err
}

var (
	_ providers.Stopper   = (*backend)(nil)
	_ providers.LogReader = (*backend)(nil)
)
