package agent

import (
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

const (
	// firstPause is how long a job rests before its second try, unless its specification says otherwise; each further rest is
	// twice as long, up to longestPause.
	firstPause   = time.Second
	longestPause = 15 * time.Second
)

// retries decides whether a try that failed is followed by another. Tries that fail one after the other are a series, and a
// series may last as long as the policy says from its first failure. A try that ran for longer than that begins a new one.
type retries struct {
	first time.Time // failure of the series
	tries int       // that failed in it
}

// verdict is what follows a try.
type verdict int

const (
	over     verdict = iota // the job has ended as its last try did
	again                   // there is another try after a pause
	exceeded                // there would be another, but the series has lasted for too long
)

// after judges a try that started and failed at some time for a reason.
func (r *retries) after(policy api.Retry, started, failed time.Time, reason api.Reason) (v verdict, pause time.Duration) {
	if policy.For <= 0 || !reason.Retryable() {
		return over, 0
	}
	if r.first.IsZero() || !started.IsZero() && failed.Sub(started) >= policy.For {
		r.first, r.tries = failed, 0
	}
	pause = policy.Pause
	if pause <= 0 {
		pause = firstPause
	}
	for range r.tries {
		pause = min(2*pause, longestPause)
	}
	r.tries++
	if failed.Add(pause).Sub(r.first) > policy.For {
		return exceeded, 0
	}
	return again, pause
}
