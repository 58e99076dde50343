package planner

import (
	"context"
	"sync"
	"time"
)

const (
	// readPatience is how long a backend may refuse every read before what is left of it counts as recorded. It is also the
	// longest that one is waited for that says how long it does not want to be asked.
	readPatience = 2 * time.Minute
	// firstPause and mostPause are between reads after a refusal that does not say how long it holds; each is twice the one before.
	firstPause = time.Second
	mostPause  = 30 * time.Second
)

// pace says how many reads of a backend are under way at a time. It begins with as many as may be; when the backend refuses
// one because it is asked too often, they are half as many, and none begins before the backend wants to be asked again; for
// each round of them that is answered, they are one more.
type pace struct {
	mu       sync.Mutex
	most     int           // as many as may be
	limit    int           // as many as are allowed now
	open     int           // that are under way
	answered int           // since the limit was changed
	round    int           // is raised by each refusal that counts
	pauses   int           // refusals that counted, since the last answer
	until    time.Time     // no read begins before
	heard    time.Time     // when the backend answered last, or was asked first
	said     error         // by the last refusal
	gaveUp   error         // why it is not asked any more
	changed  chan struct{} // closed, and made anew, when a read may begin that could not before
}

func newPace(most int) *pace {
	return &pace{most: most, limit: most, changed: make(chan struct{})}
}

// begin waits until a read may begin, and tells the round that it is of. An error says why it may never.
func (p *pace) begin(ctx context.Context) (int, error) {
	for {
		p.mu.Lock()
		if p.gaveUp != nil {
			defer p.mu.Unlock()
			return 0, p.gaveUp
		}
		now := time.Now()
		if p.heard.IsZero() {
			p.heard = now
		}
		if p.open < p.limit && !now.Before(p.until) {
			p.open++
			defer p.mu.Unlock()
			return p.round, nil
		}
		changed := p.changed
		var over <-chan time.Time
		if wait := p.until.Sub(now); wait > 0 {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			over = timer.C
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-over:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// wake lets those look again who wait for their turn. When nothing is under way and the next read may begin too late only,
// the backend is given up.
func (p *pace) wake() {
	if p.gaveUp == nil && p.open == 0 && p.until.Sub(p.heard) > readPatience {
		p.gaveUp = p.said
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// end ends a read that was neither answered nor refused.
func (p *pace) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.wake()
}

// answer ends a read of some round that was answered.
func (p *pace) answer(round int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.heard, p.pauses = time.Now(), 0
	if round == p.round && p.limit < p.most {
		if p.answered++; p.answered >= p.limit {
			p.limit, p.answered = p.limit+1, 0
		}
	}
	p.wake()
}

// refusal is what follows of a refused read.
type refusal struct {
	counts bool          // it is the first one of its round, and the backend is asked again
	limit  int           // reads at a time from now on
	wait   time.Duration // until the next one
}

// refuse ends a read of some round that was refused: the backend does not want to be asked for a while, 0 where it does not say
// how long. Of reads that were under way together one refusal counts. Some tells whether a part of it was answered all the same.
func (p *pace) refuse(round int, after time.Duration, why error, some bool) refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.said = why
	now := time.Now()
	if some {
		p.heard, p.pauses = now, 0
	}
	out := refusal{counts: round == p.round}
	pause := after
	if out.counts {
		p.round++
		p.limit, p.answered = max(1, p.limit/2), 0
		if pause <= 0 {
			pause = min(mostPause, firstPause<<min(p.pauses, 10))
		}
		p.pauses++
	}
	if until := now.Add(pause); until.After(p.until) {
		p.until = until
	}
	p.wake()
	out.counts = out.counts && p.gaveUp == nil
	out.limit, out.wait = p.limit, max(0, p.until.Sub(now))
	return out
}
