package planner

import (
	"context"
	"time"

	"github.com/dstackai/dstack-planner/providers"
)

const (
	// followFor is how long output is looked for that cannot be reached.
	followFor = 2 * time.Minute
	// followFaults is how often in a row a provider may fail at it, as by a crash, before its error is believed.
	followFaults = 3
)

// follow reads output until its end, over as many connections as that takes. Each goes on after the last entry that was
// seen, so that none is missing and none comes twice. lost is told of each connection that broke.
func follow(ctx context.Context, opts providers.LogOptions, read func(providers.LogOptions, func(providers.LogEntry) error) error,
	yield func(providers.LogEntry) error, lost func(error)) error {
	var refused error // of yield
	var since time.Time
	faults := 0
	wait := 100 * time.Millisecond
	for {
		seen := false
		err := read(opts, func(e providers.LogEntry) error {
			seen = true
			// Nothing is asked for twice: what comes from here on is what was written after this.
			opts.Offset, opts.Tail = e.Next, 0
			if e.Attempt > 0 {
				opts.Attempt = e.Attempt
			}
			refused = yield(e)
			return refused
		})
		if err == nil || refused != nil || ctx.Err() != nil {
			return err
		}
		if seen {
			since, faults, wait = time.Time{}, 0, 100*time.Millisecond
		}
		now := time.Now()
		if since.IsZero() {
			since = now
		}
		switch kind := providers.KindOf(err); {
		case kind.Retryable() && now.Sub(since) < followFor:
		case kind == providers.Internal && faults < followFaults:
			faults++
		default:
			return err
		}
		lost(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, 5*time.Second)
	}
}
