package pullrequest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Clock is the time that waiting goes by.
type Clock interface {
	Now() time.Time
	// Sleep returns when the time has passed, or with the error of a context that ended before.
	Sleep(ctx context.Context, d time.Duration) error
}

// WallClock is the clock of this machine.
type WallClock struct{}

// Now is the time.
func (WallClock) Now() time.Time { return time.Now() }

// Sleep waits.
func (WallClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	tries         = 4               // of what fails in a way that may pass
	unknownLimit  = time.Minute     // what GitHub asks one to wait when it does not say how long
	afterLimit    = time.Second     // what clocks of hosts may be off by, within the second that they name
	defaultWait   = 5 * time.Minute // for all rate limits together
	longestAnswer = 30 * time.Second
)

// answer is what a host said to a request that it did not carry out.
type answer struct {
	status  int
	header  http.Header
	message string
	limited bool // the host counts requests, and these were too many
	err     error
}

func (a *answer) Error() string {
	if a.status == 0 {
		return a.err.Error()
	}
	if a.message == "" {
		return fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	}
	return fmt.Sprintf("%d %s", a.status, a.message)
}

func (a *answer) Unwrap() error { return a.err }

// passing tells whether it may be otherwise in a moment. Until then it is not known whether the host has done what it was
// asked for.
func (a *answer) passing() bool {
	return a.status < 300 && !errors.Is(a.err, errRedirected) || a.status >= 500
}

// limitError is a rate limit that lasts longer than one may wait.
type limitError struct {
	wait  time.Duration // what the host asks for
	until time.Time
	spent time.Duration // what was waited already
}

func (e *limitError) Error() string { return fmt.Sprintf("rate limit until %s", e.until) }

// patience is what one has left for waiting.
type patience struct {
	clock Clock
	left  time.Duration
	spent time.Duration
	say   func(format string, args ...any)
	host  Host
}

// try calls until the host does what it is asked for, refuses, or asks for more patience than there is. Only what is
// safe, because it can be done twice, is tried again when it is not known whether it was done.
func (p *patience) try(ctx context.Context, safe bool, call func() error) error {
	backoff := time.Second
	limits := 0
	for n := 1; ; n++ {
		err := call()
		a, ok := errors.AsType[*answer](err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !ok:
			return err
		case a.limited:
			wait := p.asked(a, limits)
			if limits++; wait > p.left {
				return &limitError{wait: wait, until: p.clock.Now().Add(wait), spent: p.spent}
			}
			p.say("%s counts requests and takes none for %s; waiting.", p.host, wait.Round(time.Second))
			p.left -= wait
			p.spent += wait
			if err := p.clock.Sleep(ctx, wait); err != nil {
				return err
			}
			n-- // it was not tried
		case !a.passing() || !safe || n == tries:
			return err
		default:
			if err := p.clock.Sleep(ctx, backoff); err != nil {
				return err
			}
			backoff *= 2
		}
	}
}

// asked is how long a host that refuses because of too many requests wants one to wait. Where it says a time of its own
// clock, the difference is taken by that clock.
func (p *patience) asked(a *answer, before int) time.Duration {
	now := p.clock.Now()
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		now = date
	}
	if after := a.header.Get("Retry-After"); after != "" {
		if n, err := strconv.ParseInt(after, 10, 32); err == nil && n >= 0 {
			return time.Duration(n)*time.Second + afterLimit
		}
		if t, err := http.ParseTime(after); err == nil {
			return max(t.Sub(now), 0) + afterLimit
		}
	}
	for _, name := range []string{"X-RateLimit-Reset", "RateLimit-Reset"} {
		n, err := strconv.ParseInt(a.header.Get(name), 10, 64)
		if err != nil || name == "X-RateLimit-Reset" && a.header.Get("X-RateLimit-Remaining") != "0" {
			continue
		}
		return max(time.Unix(n, 0).Sub(now), 0) + afterLimit
	}
	return unknownLimit << min(before, 6)
}
