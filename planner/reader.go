package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// mostRead is how many objects are asked for in one call: clouds page at a thousand, and while one part is under way the
// next is encoded.
const mostRead = 1000

// Reading is how far the reads of a plan are. It is told of when a backend begins to refuse reads because it is asked too
// often, and, once everything is read, of each backend that did.
type Reading struct {
	Backend string
	AtOnce  int           // reads that may be under way at a time from now on
	Wait    time.Duration // until the next one; 0 at the end
	Refused int           // reads that the backend has refused so far; what they were about is asked again
	Done    int           // objects of the backend that are settled
	Total   int           // objects of the backend that were to be read
	Ended   bool          // nothing more is read
	Why     error         // what the backend said last
}

// reader asks providers about records, those of all backends side by side, each backend at its own pace.
type reader struct {
	bs      *backends
	most    int           // objects in one call
	slots   chan struct{} // one for each call that may be under way on all backends together
	observe func(Reading) // called by one goroutine at a time; nil: nobody wants to know

	mu    sync.Mutex
	paces map[string]*paced
}

// paced is what became of the reads of a backend.
type paced struct {
	*pace
	Reading
}

func (bs *backends) reader(parallelism int, observe func(Reading)) *reader {
	return &reader{bs: bs, most: mostRead, slots: make(chan struct{}, max(1, parallelism)), observe: observe, paces: map[string]*paced{}}
}

// of is the pace of a backend, of which so many objects more are to be read.
func (r *reader) of(name string, more int) *paced {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paces[name] == nil {
		r.paces[name] = &paced{pace: newPace(cap(r.slots)), Reading: Reading{Backend: name}}
	}
	p := r.paces[name]
	p.Total += more
	return p
}

// all asks the providers about records, in batches of one backend and kind. What cannot be asked stays as recorded. Only what
// makes planning senseless is an error.
func (r *reader) all(ctx context.Context, records []*record) error {
	type batch struct{ backend, kind string }
	batches := map[batch][]*record{}
	for _, rec := range records {
		rec.skipped = false
		batches[batch{rec.Backend, rec.Kind}] = append(batches[batch{rec.Backend, rec.Kind}], rec)
	}
	for b, records := range batches {
		r.of(b.backend, len(records))
	}
	g, within := errgroup.WithContext(ctx)
	for b, records := range batches {
		for part := range slices.Chunk(records, r.most) {
			g.Go(func() error { return r.batch(within, b.backend, b.kind, part) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.ended()
	return nil
}

// ended tells of the backends that have refused something.
func (r *reader) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.paces)) {
		if p := r.paces[name]; p.Refused > 0 && !p.Ended {
			p.Ended, p.Wait = true, 0
			r.tell(p)
		}
	}
}

// tell must be called with the lock held.
func (r *reader) tell(p *paced) {
	if r.observe != nil {
		r.observe(p.Reading)
	}
}

// batch asks about records of one backend and kind, and again about those for which the backend was asked too often.
func (r *reader) batch(ctx context.Context, name, kind string, records []*record) error {
	b, err := r.bs.open(ctx, name)
	if err != nil {
		return err
	}
	res := r.bs.resource(b, kind)
	if res == nil {
		return fmt.Errorf("the provider %q has no %ss, and the state has some on backend %q; was it another provider that made them?", b.provider, kind, name)
	}
	p := r.of(name, 0)
	for {
		round, err := p.begin(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			unknown(records, err)
			return nil
		}
		left, refused, err := r.read(ctx, b, res, kind, records)
		switch {
		case err != nil:
			p.end()
			return err
		case refused == nil:
			p.answer(round)
			r.settled(p, len(records), nil, refusal{})
			return nil
		}
		r.settled(p, len(records)-len(left), refused, p.refuse(round, providers.RetryAfter(refused), refused, len(left) < len(records)))
		records = left
	}
}

// settled notes how a call went.
func (r *reader) settled(p *paced, n int, refused error, now refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Done += n
	if refused == nil {
		return
	}
	p.Refused++
	p.AtOnce, p.Wait, p.Why, p.Ended = now.limit, now.wait, refused, false
	if now.counts {
		r.tell(p)
	}
}

// read is one call. It gives the records about which the backend did not want to be asked now, with what it said.
func (r *reader) read(ctx context.Context, b *backend, res providers.Resource[cty.Value], kind string, records []*record) (left []*record, refused, failed error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	hide := r.bs.veil()
	objects := make([]providers.Object[cty.Value], len(records))
	for i, rec := range records {
		objects[i] = rec.object()
	}
	var mu sync.Mutex
	answered := make([]bool, len(records))
	err := res.Read(ctx, objects, func(i int, seen providers.Observed[cty.Value]) {
		mu.Lock()
		defer mu.Unlock()
		if i < 0 || i >= len(records) {
			return
		}
		if seen.Presence == providers.Unknown && seen.Err != nil && providers.KindOf(seen.Err) == providers.Throttled {
			refused = longer(refused, seen.Err)
			return
		}
		rec := records[i]
		answered[i] = true
		rec.presence, rec.err = seen.Presence, seen.Err
		if seen.Presence == providers.Present {
			rec.seen = ours(schema.KindObject(kind), rec, seen.Object.Value, hide)
		}
	})
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	for i, rec := range records {
		if !answered[i] {
			left = append(left, rec)
		}
	}
	switch {
	case err != nil && providers.KindOf(err) == providers.Throttled:
		refused = longer(refused, err)
	case err != nil:
		unknown(left, err)
		return nil, nil, nil
	case refused == nil || len(left) == 0:
		unknown(left, fmt.Errorf("the provider %q gave no answer for it", b.provider))
		return nil, nil, nil
	}
	if len(left) == 0 { // it refused when all was said
		return nil, nil, nil
	}
	return left, refused, nil
}

// longer is of two refusals the one that holds longer.
func longer(a, b error) error {
	if a == nil || providers.RetryAfter(b) > providers.RetryAfter(a) {
		return b
	}
	return a
}

// unknown says why some records could not be asked about.
func unknown(records []*record, err error) {
	for _, r := range records {
		if r.presence == providers.Unknown && r.err == nil {
			r.err = err
		}
	}
}
