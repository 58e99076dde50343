package apply

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// step is one step of the plan on its way.
type step struct {
	index  int
	plan   plan.Step
	change *plan.Change // nil for a join
	group  *group       // of which it creates a member

	users []*step // steps that need it
	open  int     // needs that are not done
	chain int     // steps on the longest way to an end, itself counted

	settled bool
	result  StepResult
	started time.Time

	entered bool // it is counted in by its group
	takenUp bool // creates of an earlier apply were looked at
	looked  bool // deletes of an earlier apply were looked at
}

// schedule says which step runs when. A step is ready when all that it needs is done and durable; of those that are
// ready the one with the longest chain behind it goes first.
type schedule struct {
	limit   int
	run     func(*step)            // carries out a step, and others after it
	skipped func(s, because *step) // is told of a step that will not run
	stop    chan struct{}          // closed when nothing new is to be started
	workers sync.WaitGroup         // what run was called for
	mu      sync.Mutex             // guards the rest
	steps   []*step
	ready   readyHeap
	running int             // slots that are taken
	waiters []chan struct{} // steps that have waited for something else and want their slot back
	stopped bool
}

// newSchedule links the steps. It is an error if they are not in an order in which they could be done one by one.
func newSchedule(steps []*step, limit int) (*schedule, error) {
	s := &schedule{limit: limit, steps: steps, stop: make(chan struct{})}
	for i, st := range steps {
		seen := map[int]bool{}
		for _, n := range st.plan.Needs {
			if n < 0 || n >= i {
				return nil, fmt.Errorf("step %d of the plan (%s of %s) needs step %d, which does not come before it; the plan is damaged", i, st.plan.Op, st.plan.Address, n)
			}
			if !seen[n] {
				seen[n] = true
				st.open++
				steps[n].users = append(steps[n].users, st)
			}
		}
	}
	for _, st := range slices.Backward(steps) {
		st.chain = 1
		for _, u := range st.users {
			st.chain = max(st.chain, u.chain+1)
		}
	}
	return s, nil
}

// settleBefore makes a step one that need not run. It is for the time before begin.
func (s *schedule) settleBefore(st *step, status Status) {
	st.settled, st.result.Status = true, status
	for _, u := range st.users {
		u.open--
	}
}

// begin starts what is ready. Wait on workers for the end.
func (s *schedule) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first []*step
	for _, st := range s.steps {
		if st.open == 0 && !st.settled {
			first = append(first, st)
		}
	}
	for _, st := range first {
		s.push(st)
	}
	s.pump()
}

// push makes a step ready. A join is done with that.
func (s *schedule) push(st *step) {
	if st.plan.Op == plan.OpJoin {
		st.settled, st.result.Status = true, Done
		s.release(st)
		return
	}
	heap.Push(&s.ready, st)
}

// release lets those go on that waited for a step.
func (s *schedule) release(st *step) {
	for _, u := range st.users {
		if u.open--; u.open == 0 && !u.settled {
			s.push(u)
		}
	}
}

// pump fills free slots: with who wants one back, then with what is ready.
func (s *schedule) pump() {
	for s.running < s.limit {
		switch {
		case len(s.waiters) > 0:
			close(s.waiters[0])
			s.waiters = s.waiters[1:]
			s.running++
		case len(s.ready) > 0 && !s.stopped:
			st := heap.Pop(&s.ready).(*step)
			s.running++
			s.workers.Go(func() { s.run(st) })
		default:
			return
		}
	}
}

// next gives a worker that has a slot another step, nil if it is to leave. With pending, what is done by it and not yet
// durable, it is nil as well when a step that waits for pending alone should go before those that are ready.
func (s *schedule) next(pending *step) *step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.waiters) > 0 || len(s.ready) == 0 || s.running > s.limit {
		return nil
	}
	if pending != nil {
		for _, u := range pending.users {
			if u.open == 1 && !u.settled && u.chain >= s.ready[0].chain {
				return nil
			}
		}
	}
	return heap.Pop(&s.ready).(*step)
}

// leave gives a worker's slot back.
func (s *schedule) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.pump()
}

// finish settles a step. After a failure all that needs it, directly or not, is skipped.
func (s *schedule) finish(st *step, status Status) {
	type skip struct{ st, because *step }
	var skips []skip
	s.mu.Lock()
	st.settled, st.result.Status = true, status
	if status == Done || status == NotNeeded {
		s.release(st)
	} else {
		queue := []*step{st}
		for len(queue) > 0 {
			failed := queue[0]
			queue = queue[1:]
			for _, u := range failed.users {
				if u.settled {
					continue
				}
				u.settled, u.result.Status, u.result.Because = true, Skipped, st.plan.Address
				skips = append(skips, skip{u, st})
				queue = append(queue, u)
			}
		}
	}
	s.pump()
	s.mu.Unlock()
	for _, k := range skips {
		s.skipped(k.st, k.because)
	}
}

// halt lets nothing new start, and tells who waits.
func (s *schedule) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.stop)
	}
}

// halted tells whether nothing new is to be started.
func (s *schedule) halted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// pause gives the slot away while a step waits for ready, and gets it back. It is false if the apply is to end before
// that; the step then has only to record what is known.
func (s *schedule) pause(ctx context.Context, ready <-chan time.Time, signal <-chan struct{}) bool {
	s.mu.Lock()
	s.running--
	s.pump()
	s.mu.Unlock()
	ok := true
	select {
	case <-ready:
	case <-signal:
	case <-s.stop:
		ok = false
	case <-ctx.Done():
		ok = false
	}
	s.mu.Lock()
	if s.running < s.limit || !ok {
		s.running++
		s.mu.Unlock()
		return ok
	}
	turn := make(chan struct{})
	s.waiters = append(s.waiters, turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-s.stop:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiters, turn); i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
		s.running++
	}
	return false
}

// readyHeap has the step on top that goes first.
type readyHeap []*step

func (h readyHeap) Len() int { return len(h) }

func (h readyHeap) Less(i, j int) bool {
	if h[i].chain != h[j].chain {
		return h[i].chain > h[j].chain
	}
	return h[i].index < h[j].index
}

func (h readyHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a step, as container/heap asks for.
func (h *readyHeap) Push(x any) { *h = append(*h, x.(*step)) }

// Pop takes the last one, as container/heap asks for.
func (h *readyHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// resettle changes what became of a step that others do not wait for any more.
func (s *schedule) resettle(st *step, status Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.settled, st.result.Status = true, status
}
