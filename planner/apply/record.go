package apply

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// schemaVersion is the version of the schema that recorded attributes follow.
const schemaVersion = 1

// entry is what a step leaves in the journal. The records are made when it is written, under locks, because some of them
// continue what is recorded at that moment.
type entry struct {
	locks   []lockName
	records func() ([]statefile.Record, error)
	written func(error) // is told once, when it is durable or cannot be
}

// worker is one goroutine that carries out steps. What its last step leaves is written together with the first record of
// the next one, so that both share a sync.
type worker struct {
	e     *engine
	carry *entry
}

// write makes records durable, and what the worker has from its last step with them.
func (w *worker) write(ctx context.Context, records ...statefile.Record) error {
	return w.writeEntry(ctx, &entry{records: func() ([]statefile.Record, error) { return records, nil }})
}

// flush makes durable what the worker has from its last step.
func (w *worker) flush(ctx context.Context) {
	if w.carry != nil {
		last := w.carry
		w.carry = nil
		last.written(w.e.append(ctx, last))
	}
}

func (w *worker) writeEntry(ctx context.Context, next *entry) error {
	last := w.carry
	if last == nil {
		return w.e.append(ctx, next)
	}
	w.carry = nil
	err := w.e.append(ctx, last, next)
	if err == nil {
		last.written(nil)
		return nil
	}
	// One of the two may be what cannot be written: the other must not be lost for it.
	last.written(w.e.append(ctx, last))
	return w.e.append(ctx, next)
}

// append makes entries durable together.
func (e *engine) append(ctx context.Context, entries ...*entry) error {
	var names []lockName
	for _, en := range entries {
		names = append(names, en.locks...)
	}
	defer e.locks.lock(names)()
	var records []statefile.Record
	for _, en := range entries {
		more, err := en.records()
		if err != nil {
			return err
		}
		records = append(records, more...)
	}
	if len(records) == 0 {
		return nil
	}
	ctx, cancel := e.recording(ctx)
	defer cancel()
	if err := e.session.Append(ctx, records...); err != nil {
		return &RecordError{Err: err}
	}
	return nil
}

// recording is a context under which recording goes on although the apply is cancelled, but not for ever.
func (e *engine) recording(ctx context.Context) (context.Context, context.CancelFunc) {
	free := context.WithoutCancel(ctx)
	if ctx.Err() == nil {
		return free, func() {}
	}
	return context.WithTimeout(free, e.policy.Record)
}

// RecordError says that something could not be recorded. What was done is not lost: its intent is in the journal.
type RecordError struct {
	Err error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("what was done cannot be recorded: %v; the next plan finds it by its intent", e.Err)
}

// Unwrap returns why.
func (e *RecordError) Unwrap() error { return e.Err }

// resource is the record of an object as a provider returned it.
func (e *engine) resource(c *plan.Change, ref statefile.Ref, backend, key string, o providers.Object[cty.Value], w *wanted) (*statefile.Resource, error) {
	object := schema.KindObject(c.Kind)
	clean, text, err := e.redacted(object, o.Value, w)
	if err != nil {
		return nil, fmt.Errorf("what the provider returned for %s cannot be recorded: %w", c.Address, err)
	}
	r := &statefile.Resource{
		Address: ref.Address, Deposed: ref.Deposed, Kind: c.Kind, Backend: backend, ID: o.ID, Tainted: o.Tainted, Schema: schemaVersion,
		Status: textOf(clean.V, "status"), Attributes: text, Secrets: clean.Digests, Private: o.Private, Key: key,
		Needs: e.needsOf(c), Declared: declared(c.Declared), Protected: c.Protected, Changed: e.changed(), CreatedAt: e.clock.Now().UTC(),
	}
	if len(r.Secrets) == 0 {
		r.Secrets = nil
	}
	return r, nil
}

// succeed numbers r as what comes after what is recorded under its name, and takes over what a change does not touch.
func (e *engine) succeed(r *statefile.Resource, prior *statefile.Resource) {
	r.Revision = e.state.NextRevision(r.Ref())
	if prior == nil {
		return
	}
	if now := e.state.Object(prior.Ref()); now != nil {
		prior = now
	}
	r.Occupancy, r.CreatedAt = prior.Occupancy, prior.CreatedAt
	if r.Key == "" {
		r.Key = prior.Key
	}
}

// changed says who changes something now.
func (e *engine) changed() statefile.Changed {
	return statefile.Changed{At: e.clock.Now().UTC(), By: e.opts.By, Plan: e.plan.ID}
}

// declared reads main.dstack.hcl:52.
func declared(place string) statefile.Declared {
	file, line, ok := cutLast(place, ":")
	if n, err := strconv.Atoi(line); ok && err == nil {
		return statefile.Declared{File: file, Line: n}
	}
	return statefile.Declared{File: place}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// textOf is a text attribute of an object, "" where there is none.
func textOf(v cty.Value, name string) string {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().HasAttribute(name) {
		return ""
	}
	a, _ := v.GetAttr(name).Unmark()
	if a.IsNull() || !a.IsKnown() || a.Type() != cty.String {
		return ""
	}
	return a.AsString()
}

// needsOf are the addresses that a change stands on. A member of a group leaves out the support objects of the candidates
// that its group did not take.
func (e *engine) needsOf(c *plan.Change) []string {
	g := e.groups.byMember[c.Address]
	if g == nil {
		return c.Needs
	}
	taken := e.groups.candidateFor(c.Address)
	return slices.DeleteFunc(slices.Clone(c.Needs), func(address string) bool {
		return !slices.Contains(taken.Supports, address) && slices.ContainsFunc(g.plan.Candidates, func(other plan.Candidate) bool {
			return slices.Contains(other.Supports, address)
		})
	})
}

// needs are the recorded objects that addresses name, in that order. A block among them is about the order of steps alone.
func (e *engine) needs(address string, names []string) ([]providers.Need, error) {
	var out []providers.Need
	seen := map[string]bool{}
	add := func(r *statefile.Resource) error {
		if seen[r.Address] || r.Address == address {
			return nil
		}
		seen[r.Address] = true
		o, err := object(r)
		if err != nil {
			return err
		}
		out = append(out, providers.Need{Address: r.Address, Kind: r.Kind, Backend: r.Backend, Object: o})
		return nil
	}
	for _, name := range names {
		if r := e.state.Resource(name); r != nil {
			if err := add(r); err != nil {
				return nil, err
			}
			continue
		}
		a, err := addr.ParseAny(name)
		if err != nil {
			return nil, fmt.Errorf("the plan is damaged: %s needs %q: %w", address, name, err)
		}
		if kind := a.Kind(); kind == addr.KindInstance || kind == addr.KindJob || kind == addr.KindSupport {
			return nil, fmt.Errorf("%s needs %s, which is not recorded", address, name)
		}
	}
	return out, nil
}

// recordedNeeds are what is still recorded of what an object stands on.
func (e *engine) recordedNeeds(r *statefile.Resource) []providers.Need {
	names := slices.DeleteFunc(slices.Clone(r.Needs), func(name string) bool {
		return e.state.Resource(name) == nil
	})
	needs, err := e.needs(r.Address, names)
	if err != nil {
		return nil // what cannot be read is of no use to the provider either
	}
	return needs
}

// object is a record as a provider takes it.
func object(r *statefile.Resource) (providers.Object[cty.Value], error) {
	v, err := schema.UnmarshalValue(schema.KindObject(r.Kind), r.Attributes)
	if err != nil {
		return providers.Object[cty.Value]{}, fmt.Errorf("what is recorded of %s cannot be read: %w", r.Address, err)
	}
	return providers.Object[cty.Value]{ID: r.ID, Value: v, Private: r.Private, Tainted: r.Tainted}, nil
}

// instanceOf is the address of the instance that a recorded job runs on.
func instanceOf(r *statefile.Resource) string {
	if o, err := object(r); err == nil {
		return textOf(o.Value, "instance")
	}
	return ""
}

// lockName names what must not change between reading a record and appending its successor.
type lockName struct {
	name   string
	shared bool // several may hold it; they exclude only who holds it alone
}

// locks are locks by name.
type locks struct {
	mu    sync.Mutex
	named map[string]*sync.RWMutex
}

// lock takes locks, always in the same order, and returns what frees them.
func (l *locks) lock(names []lockName) func() {
	if len(names) == 0 {
		return func() {}
	}
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b lockName) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		if a.shared == b.shared {
			return 0
		}
		if !a.shared {
			return -1
		}
		return 1
	})
	names = slices.CompactFunc(names, func(a, b lockName) bool { return a.name == b.name })
	var free []func()
	for _, n := range names {
		l.mu.Lock()
		m := l.named[n.name]
		if m == nil {
			if l.named == nil {
				l.named = map[string]*sync.RWMutex{}
			}
			m = &sync.RWMutex{}
			l.named[n.name] = m
		}
		l.mu.Unlock()
		if n.shared {
			m.RLock()
			free = append(free, m.RUnlock)
		} else {
			m.Lock()
			free = append(free, m.Unlock)
		}
	}
	return func() {
		for _, f := range slices.Backward(free) {
			f()
		}
	}
}
