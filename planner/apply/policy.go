package apply

import (
	"math"
	"time"

	"github.com/dstackai/dstack-planner/providers"
)

// Policy says how long providers are waited for and when they are asked again.
type Policy struct {
	// Call is the longest that one call may take, Deadline the longest that all calls for one step may take together.
	// Both hold even if a provider does not answer at all.
	Call     time.Duration
	Deadline time.Duration
	// Find is the longest that a question by key may take.
	Find time.Duration
	// Grace is how long a call that was told to stop is waited for: after its time is over, and when the context of Run
	// is cancelled.
	Grace time.Duration
	// Record is the longest that recording may take once the context of Run is cancelled.
	Record time.Duration
	// Retries says for each kind of error how a step that failed with it is tried again. A kind that is not there is not.
	// That of no_capacity is for instances whose own retry policy asks for it, which also says for how long.
	Retries map[providers.ErrorKind]Backoff
}

// Backoff is how to wait between tries: First, then twice as long each time, at most Max. A third of it is random.
type Backoff struct {
	First, Max time.Duration
	// Tries is the most there may be, all counted; 0 is any number.
	Tries int
	// Deadline is how long after the first try another may begin; 0 is that of the step.
	Deadline time.Duration
}

// DefaultPolicy is what counts where a Policy says nothing.
func DefaultPolicy() Policy {
	return Policy{
		Call: 30 * time.Minute, Deadline: time.Hour, Find: time.Minute, Grace: time.Second, Record: 500 * time.Millisecond,
		Retries: map[providers.ErrorKind]Backoff{
			providers.Throttled:  {First: time.Second, Max: 30 * time.Second, Deadline: 15 * time.Minute},
			providers.Transient:  {First: time.Second, Max: 30 * time.Second, Tries: 5, Deadline: 10 * time.Minute},
			providers.NoCapacity: {First: 15 * time.Second, Max: time.Minute},
		},
	}
}

func (p Policy) withDefaults() Policy {
	d := DefaultPolicy()
	for _, f := range []struct{ have, want *time.Duration }{
		{&p.Call, &d.Call}, {&p.Deadline, &d.Deadline}, {&p.Find, &d.Find}, {&p.Grace, &d.Grace}, {&p.Record, &d.Record},
	} {
		if *f.have <= 0 {
			*f.have = *f.want
		}
	}
	if p.Retries == nil {
		p.Retries = d.Retries
	}
	return p
}

// wait is the time before the try after n that failed. random is in [0, 1).
func (b Backoff) wait(n int, random float64) time.Duration {
	d := float64(b.First) * math.Pow(2, float64(max(0, n-1)))
	if b.Max > 0 {
		d = min(d, float64(b.Max))
	}
	const spread = 1.0 / 3
	return time.Duration(d * (1 - spread*random))
}

// allows tells whether another try may begin after wait, when n have failed and the first began long ago.
func (b Backoff) allows(n int, since, wait time.Duration) bool {
	return b.First > 0 && (b.Tries == 0 || n < b.Tries) && (b.Deadline == 0 || since+wait <= b.Deadline)
}
