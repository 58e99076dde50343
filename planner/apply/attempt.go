package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// attempt is one thing that a provider is asked to do, until it is done or given up.
type attempt struct {
	e       *engine
	w       *worker
	step    *step
	ref     statefile.Ref
	kind    string
	backend string
	desc    providers.Description
	res     providers.Resource[cty.Value]
	do      statefile.Operation
	prior   providers.Object[cty.Value] // of an update or a delete
	want    *wanted                     // nil for a delete
	op      providers.Op[cty.Value]
	number  int                          // of the key
	open    bool                         // the intent is in the journal
	last    *providers.Object[cty.Value] // the newest checkpoint
	began   time.Time                    // of the first call
	failed  map[providers.ErrorKind]int
}

// failure is how an attempt ended that did not succeed.
type failure struct {
	err     error
	nothing bool                        // it is certain that nothing was made; the intent is closed
	object  providers.Object[cty.Value] // what was returned with the error, without an id nothing
}

// newAttempt opens the backend and gathers what the provider gets.
func (e *engine) newAttempt(ctx context.Context, w *worker, s *step, do statefile.Operation, ref statefile.Ref, kind, backend string) (*attempt, error) {
	b, d, err := e.open(ctx, w, backend)
	if err != nil {
		return nil, err
	}
	a := &attempt{e: e, w: w, step: s, ref: ref, kind: kind, backend: backend, desc: d, do: do, number: 1, failed: map[providers.ErrorKind]int{}}
	if a.res = e.opts.Veil.Resource(providers.ResourceOf(b, kind)); a.res == nil {
		return nil, providers.Errorf(providers.Invalid, "the provider %q of backend %q has no %ss", d.Name, backend, kind)
	}
	a.op = providers.Op[cty.Value]{Address: ref.Address, Lineage: e.state.Lineage(), Planned: cty.NullVal(schema.KindObject(kind).Type())}
	if s.change != nil {
		a.op.Attempt = s.change.Attempt
	}
	return a, nil
}

// wants says what the provider is asked for. It does not hear its secrets back.
func (a *attempt) wants(want *wanted) {
	a.want, a.op.Planned = want, want.plain
	a.res = want.veil.Resource(a.res)
}

// key is the idempotency key of the current number.
func (a *attempt) key() string {
	name := a.ref.Address
	if a.do != statefile.Create {
		name = a.ref.String() + " " + string(a.do)
	}
	return a.e.state.NewKey(name, a.e.plan.Head, a.number)
}

// intent says what is about to be done.
func (a *attempt) intent() statefile.Record {
	e := a.e
	in := statefile.Intent{
		Address: a.ref.Address, Deposed: a.ref.Deposed, Kind: a.kind, Backend: a.backend, Operation: a.do, Key: a.op.Key, Attempt: a.number,
		Since: e.clock.Now().UTC(), By: e.opts.By, Plan: e.plan.ID, Schema: schemaVersion,
	}
	if a.want != nil {
		in.Want, in.Secrets = a.want.json, a.want.clean.Digests
		in.Needs, in.Declared = e.needsOf(a.step.change), declared(a.step.change.Declared)
		if len(in.Secrets) == 0 {
			in.Secrets = nil
		}
	}
	return statefile.NewIntent(e.clock.Now(), in)
}

// run asks the provider, as often as the policy allows. The intent is durable before each call. When it returns nil the
// intent is still open: what records the object closes it.
func (a *attempt) run(ctx context.Context) (providers.Object[cty.Value], *failure) {
	e := a.e
	if a.began.IsZero() {
		a.began = e.clock.Now()
	}
	for {
		if err := ctx.Err(); err != nil {
			return providers.Object[cty.Value]{}, &failure{err: fmt.Errorf("the apply was interrupted: %w", err), nothing: !a.open}
		}
		if a.op.Key == "" {
			a.op.Key = a.key()
		}
		if !a.open {
			if err := a.w.write(ctx, a.intent()); err != nil {
				return providers.Object[cty.Value]{}, &failure{err: err, nothing: true}
			}
			a.open = true
		}
		o, err, left := a.call(ctx)
		if err == nil {
			return o, nil
		}
		if rec, ok := errors.AsType[*RecordError](err); ok {
			return o, &failure{err: rec}
		}
		kind := providers.KindOf(err)
		nothing := kind.NothingMade() && !left
		if werr := a.tried(ctx, kind, err, nothing); werr != nil {
			return o, &failure{err: werr, nothing: nothing}
		}
		if nothing {
			a.open = false
			if kind != providers.Throttled || !a.again(ctx, kind, err) {
				return o, &failure{err: err, nothing: true}
			}
			a.op.Key = ""
			a.number++
			continue
		}
		if a.do == statefile.Create && o.ID != "" || ctx.Err() != nil {
			return o, &failure{err: err, object: o}
		}
		if a.do == statefile.Create {
			if found := a.find(ctx); found != nil && found.Complete {
				return found.Object, nil
			}
		}
		if !kind.Retryable() || !a.again(ctx, kind, err) {
			return o, &failure{err: err}
		}
	}
}

// tried records a call that failed, and with it that the intent is closed when nothing was made.
func (a *attempt) tried(ctx context.Context, kind providers.ErrorKind, err error, nothing bool) error {
	e := a.e
	now := e.clock.Now()
	a.step.result.Tries++
	records := []statefile.Record{statefile.NewTry(now, a.ref, statefile.Try{Key: a.op.Key, Attempt: a.step.result.Tries, Kind: string(kind), Message: err.Error()})}
	if nothing {
		records = append(records, statefile.NewClose(now, a.ref, a.op.Key, "nothing was made: "+string(kind), 0))
	}
	return a.w.write(ctx, records...)
}

// again waits for the next try. It is false when there is none.
func (a *attempt) again(ctx context.Context, kind providers.ErrorKind, err error) bool {
	e := a.e
	b, ok := e.policy.Retries[kind]
	if !ok {
		return false
	}
	a.failed[kind]++
	n, since := a.failed[kind], e.clock.Now().Sub(a.began)
	wait := max(b.wait(n, e.opts.Random()), providers.RetryAfter(err))
	if !b.allows(n, since, wait) || since+wait >= e.policy.Deadline {
		return false
	}
	return a.wait(ctx, wait, err)
}

// wait lets others have the slot for a while.
func (a *attempt) wait(ctx context.Context, d time.Duration, err error) bool {
	a.e.emitStep(a.step, Event{Type: EventRetry, Wait: d, Error: err.Error(), Message: fmt.Sprintf("trying again in %s", d.Round(time.Millisecond))})
	a.w.flush(ctx)
	return a.e.schedule.pause(ctx, a.e.clock.After(d), nil)
}

// call is one call. left tells that it may still be going on.
func (a *attempt) call(ctx context.Context) (o providers.Object[cty.Value], err error, left bool) {
	e := a.e
	limit := min(e.policy.Call, e.policy.Deadline-e.clock.Now().Sub(a.began))
	type answer struct {
		object providers.Object[cty.Value]
		err    error
	}
	answers := make(chan answer, 1)
	r := &reporter{a: a, ctx: ctx}
	err, left = e.guarded(ctx, limit, func(ctx context.Context) error {
		var got answer
		switch a.do {
		case statefile.Create:
			got.object, got.err = a.res.Create(ctx, a.op, r.report)
		case statefile.Update:
			got.object, got.err = a.res.Update(ctx, a.prior, a.op, r.report)
		case statefile.Delete:
			got.err = a.res.Delete(ctx, a.prior, a.op, r.report)
		}
		answers <- got
		return got.err
	})
	if recErr := r.close(); recErr != nil {
		return o, recErr, left
	}
	select {
	case got := <-answers:
		o = got.object
	default:
	}
	if err == nil && a.do != statefile.Delete && o.ID == "" {
		err = providers.Errorf(providers.Internal, "the provider %q returned %s without an id; that is a defect of the provider", a.desc.Name, a.ref.Address)
	}
	if err != nil && a.do == statefile.Update && !o.Tainted {
		o = providers.Object[cty.Value]{}
	}
	return o, err, left
}

// find asks for what was made under the key, when the provider knows for certain.
func (a *attempt) find(ctx context.Context) *providers.Found[cty.Value] {
	e := a.e
	if d := a.desc.Capabilities.ConsistencyDelay; d > 0 {
		select {
		case <-e.clock.After(d):
		case <-ctx.Done():
			return nil
		}
	}
	return e.findKey(ctx, a.res, a.op.Key)
}

// findKey asks for an object by its key. nil means that none was found, or that nobody could say.
func (e *engine) findKey(ctx context.Context, res providers.Resource[cty.Value], key string) *providers.Found[cty.Value] {
	found, err := e.find(ctx, res, key)
	if err != nil {
		return nil
	}
	return found
}

func (e *engine) find(ctx context.Context, res providers.Resource[cty.Value], key string) (*providers.Found[cty.Value], error) {
	answers := make(chan []providers.Found[cty.Value], 1)
	err, _ := e.guarded(ctx, e.policy.Find, func(ctx context.Context) error {
		found, err := res.Find(ctx, []string{key})
		answers <- found
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range <-answers {
		if f.Key == key && f.Object.ID != "" {
			return &f, nil
		}
	}
	return nil, nil
}

// reporter takes what a provider reports during one call.
type reporter struct {
	a      *attempt
	ctx    context.Context
	mu     sync.Mutex
	closed bool
	broken error
}

// report tells the observer, and returns when a checkpoint is durable.
func (r *reporter) report(p providers.Progress[cty.Value]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("nobody waits for this any more")
	}
	a, e := r.a, r.a.e
	if p.Phase != "" || p.Total > 0 {
		e.emitStep(a.step, Event{Type: EventProgress, Phase: p.Phase, Done: p.Done, Total: p.Total})
	}
	if p.Checkpoint == nil {
		return nil
	}
	o := *p.Checkpoint
	a.last = &o
	clean, text, err := e.redacted(schema.KindObject(a.kind), o.Value, a.want)
	if err != nil {
		return fmt.Errorf("the checkpoint cannot be recorded: %w", err)
	}
	reached := statefile.Checkpoint{Key: a.op.Key, ID: o.ID, Phase: p.Phase, Attributes: text, Secrets: clean.Digests, Private: o.Private}
	record := statefile.NewCheckpoint(e.clock.Now(), a.ref, reached)
	if err := e.append(r.ctx, &entry{records: func() ([]statefile.Record, error) { return []statefile.Record{record}, nil }}); err != nil {
		r.broken = err
		return err
	}
	return nil
}

// close ends it: later reports are refused. The error is what could not be recorded.
func (r *reporter) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.broken
}

// takenUp are the intents of an operation that are open on ref and that this apply goes on with: those of an earlier
// apply of this plan, and the one that the plan takes up.
func (e *engine) takenUp(ref statefile.Ref, do statefile.Operation, c *plan.Change) []*statefile.Intent {
	var out []*statefile.Intent
	for _, in := range e.intents[ref] {
		if in.Operation == do && !e.closes(in.Key) && (in.Plan == e.plan.ID || c != nil && in.Key == c.IdempotencyKey) {
			out = append(out, in)
		}
	}
	return out
}
