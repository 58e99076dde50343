package shell

import (
	"context"
	"sync"
	"time"
)

// Presence counts who is in a job.
type Presence struct {
	mu      sync.Mutex
	people  int
	since   time.Time     // that nobody is there
	limit   time.Duration // how long that may last, 0 without a limit
	save    func(Seen)
	changed chan struct{}
}

// Seen is what is kept of a Presence.
type Seen struct {
	// Present is true while somebody is there.
	Present bool `json:"present"`
	// Since is when the last one left, or when the job began.
	Since time.Time `json:"since"`
}

// NewPresence goes on from what was seen before. Whoever was there then was cut off at some time before now and is taken to have
// left now. save is called with each change, one at a time.
func NewPresence(before Seen, now time.Time, save func(Seen)) *Presence {
	p := &Presence{since: before.Since, save: save, changed: make(chan struct{})}
	if before.Present {
		p.since = now
	}
	return p
}

// Enter notes that somebody comes. leave notes that they have left; it is called once.
func (p *Presence) Enter() (leave func()) {
	p.change(1)
	return func() { p.change(-1) }
}

func (p *Presence) change(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people += by
	if p.people == 0 {
		p.since = time.Now()
	}
	if p.people == 0 || p.people == 1 && by > 0 {
		p.save(Seen{Present: p.people > 0, Since: p.since.UTC()})
		p.tell()
	}
}

// Alone tells since when nobody is there; ok is false while somebody is.
func (p *Presence) Alone() (since time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since, p.people == 0
}

// Begin says when the job began: nobody can have been missed before that.
func (p *Presence) Begin(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.After(p.since) {
		p.since = at
	}
	p.tell()
}

// Limit says how long nobody may be there; 0 is without end.
func (p *Presence) Limit(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = d
	p.tell()
}

func (p *Presence) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Await returns the limit when nobody has been there for so long, or an error when ctx is done.
func (p *Presence) Await(ctx context.Context) (time.Duration, error) {
	for {
		p.mu.Lock()
		limit, changed := p.limit, p.changed
		alone, left := p.people == 0 && limit > 0, time.Until(p.since.Add(limit))
		p.mu.Unlock()
		if alone && left <= 0 {
			return limit, nil
		}
		var over <-chan time.Time
		var timer *time.Timer
		if alone {
			timer = time.NewTimer(left)
			over = timer.C
		}
		select {
		case <-over:
		case <-changed:
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}
