package fake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// kind is what differs between the kinds of resources. Functions that get contents run while nothing else changes the world.
type kind[T any] interface {
	name() string
	// prefix is that of ids.
	prefix() string
	// place returns what the conditions of faults are about.
	place(v *T) (machine, region, zone string)
	// plan adds to p, whose Value is what is wanted, also decoded, with its unknown parts unset.
	plan(change providers.Change, want *T, p *providers.Planned)
	// make checks a request and finishes the new object o with its value v.
	make(c *contents, op providers.Op[T], o *Object, v *T) error
	// update checks a change of o from the value was to v and finishes v. o is a copy.
	update(c *contents, op providers.Op[T], o *Object, was, v *T) error
	// release says why an object cannot be deleted now.
	release(c *contents, o *Object) error
	// observe fills in the status.
	observe(c *contents, o *Object, v *T)
}

// resource is what the fake cloud does with any kind.
type resource[T any] struct {
	b    *backend
	kind kind[T]
}

// private is the provider's own part of what is recorded.
type private struct {
	Version int `json:"version"`
}

const privateVersion = 1

// Plan says what would happen. It reads nothing of the world: what a plan promises does not depend on it.
func (r resource[T]) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	out := make([]providers.Planned, len(changes))
	for i, change := range changes {
		p := &out[i]
		p.Value = change.Want
		want, err := schema.Decode[T](change.Want)
		if err != nil {
			p.Err = providers.Errorf(providers.Invalid, "what is wanted cannot be read: %w", err)
			continue
		}
		if err := r.b.happen(ctx, r.call("plan", change.Address, "", &want)); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			p.Err = asError(err)
			continue
		}
		r.kind.plan(change, &want, p)
	}
	return out, r.b.latency(ctx, 1)
}

// Create makes an object, or goes on with the one that was made under the same key.
func (r resource[T]) Create(ctx context.Context, op providers.Op[T], report providers.Report[T]) (providers.Object[T], error) {
	var none providers.Object[T]
	if op.Key == "" {
		return none, providers.Errorf(providers.Invalid, "%s: a create needs an idempotency key", op.Address)
	}
	t, err := r.b.trouble(r.call("create", op.Address, op.Key, &op.Planned))
	if err != nil {
		return none, err
	}
	phase := reportPhase(report)
	if err := t.at(ctx, Before, phase); err != nil {
		return none, err
	}
	if err := r.b.latency(ctx, 2); err != nil {
		return none, err
	}
	made, err := r.make(op)
	if err != nil {
		return none, err
	}
	if err := t.at(ctx, Made, phase); err != nil {
		return none, err
	}
	if err := report(providers.Progress[T]{Phase: "creating", Checkpoint: &made}); err != nil {
		return none, stopped(err)
	}
	if err := t.at(ctx, Checkpoint, phase); err != nil {
		if t.has(Partial) != nil && ctx.Err() == nil {
			made.Tainted = true
			return spoil(t, made), err
		}
		return none, err
	}
	if r.b.hasLatency() {
		if err := phase("waiting until it is ready", 0, 0); err != nil {
			return none, err
		}
	}
	if err := r.b.latency(ctx, 2); err != nil {
		return none, err
	}
	made, err = r.finish(made.ID)
	if err != nil {
		return none, err
	}
	if err := t.at(ctx, Finished, phase); err != nil {
		return none, err
	}
	return spoil(t, made), nil
}

// make puts the object into the world, or finds it there.
func (r resource[T]) make(op providers.Op[T]) (providers.Object[T], error) {
	request, err := schema.MarshalValue(schema.Encode(op.Planned))
	if err != nil {
		return providers.Object[T]{}, providers.Errorf(providers.Invalid, "%s: what was planned cannot be read: %w", op.Address, err)
	}
	sum := sha256.Sum256(request)
	digest := hex.EncodeToString(sum[:12])
	var out providers.Object[T]
	err = r.b.world.change(func(c *contents) (*record, error) {
		if o := r.b.get(c, r.kind.name(), c.byKey[objectKey{r.kind.name(), op.Key}]); o != nil {
			if o.Request != digest {
				return nil, &providers.Error{Kind: providers.Conflict, Code: "IdempotentParameterMismatch", Message: fmt.Sprintf(
					"%s was made under the same key for another request", o.ID)}
			}
			out, err = r.object(c, o)
			return nil, err
		}
		o := &Object{
			Kind: r.kind.name(), Number: c.last + 1, Made: time.Now(), Account: r.b.settings.Account, Backend: r.b.name,
			Lineage: op.Lineage, Address: op.Address, Key: op.Key, Request: digest,
		}
		o.ID = fmt.Sprintf("%s-%06d", r.kind.prefix(), o.Number)
		v := op.Planned
		if err := r.kind.make(c, op, o, &v); err != nil {
			return nil, err
		}
		if err := setValue(o, v); err != nil {
			return nil, err
		}
		out, err = r.object(c, o)
		return &record{Put: o}, err
	})
	return out, r.failed(err)
}

// finish notes that an object is whole.
func (r resource[T]) finish(id string) (providers.Object[T], error) {
	var out providers.Object[T]
	err := r.b.world.change(func(c *contents) (*record, error) {
		o := r.b.get(c, r.kind.name(), id)
		if o == nil {
			return nil, providers.Errorf(providers.NotFound, "%s was deleted while it was being made", id)
		}
		ready := *o
		ready.Ready = true
		var err error
		out, err = r.object(c, &ready)
		if err != nil || o.Ready {
			return nil, err
		}
		return &record{Ready: id}, nil
	})
	return out, r.failed(err)
}

// Update changes an object in place.
func (r resource[T]) Update(ctx context.Context, prior providers.Object[T], op providers.Op[T], report providers.Report[T]) (providers.Object[T], error) {
	t, err := r.b.trouble(r.call("update", op.Address, op.Key, &op.Planned))
	if err != nil {
		return prior, err
	}
	phase := reportPhase(report)
	if err := t.at(ctx, Before, phase); err != nil {
		return prior, err
	}
	if r.b.hasLatency() {
		if err := phase("updating", 0, 0); err != nil {
			return prior, err
		}
	}
	if err := r.b.latency(ctx, 1); err != nil {
		return prior, err
	}
	if err := readable(prior.Private); err != nil {
		return prior, err
	}
	var out providers.Object[T]
	err = r.b.world.change(func(c *contents) (*record, error) {
		o := r.b.get(c, r.kind.name(), prior.ID)
		if o == nil {
			return nil, providers.Errorf(providers.NotFound, "there is no %s %s any more", r.kind.name(), prior.ID)
		}
		was, err := valueOf[T](o)
		if err != nil {
			return nil, err
		}
		changed, v := *o, op.Planned
		if err := r.kind.update(c, op, &changed, &was, &v); err != nil {
			return nil, err
		}
		if err := setValue(&changed, v); err != nil {
			return nil, err
		}
		out, err = r.object(c, &changed)
		return &record{Put: &changed}, err
	})
	if err != nil {
		return prior, r.failed(err)
	}
	for _, stage := range stages()[1:] {
		if err := t.at(ctx, stage, phase); err != nil {
			return prior, err
		}
	}
	return spoil(t, out), nil
}

// Delete removes an object, and what has ended on it.
func (r resource[T]) Delete(ctx context.Context, prior providers.Object[T], op providers.Op[T], report providers.Report[T]) error {
	t, err := r.b.trouble(r.call("delete", op.Address, op.Key, &prior.Value))
	if err != nil {
		return err
	}
	phase := reportPhase(report)
	if err := t.at(ctx, Before, phase); err != nil {
		return err
	}
	if prior.ID == "" {
		return providers.Errorf(providers.Invalid, "%s has no id, so it cannot be deleted", op.Address)
	}
	if r.b.hasLatency() {
		if err := phase("deleting", 0, 0); err != nil {
			return err
		}
	}
	if err := r.b.latency(ctx, 1); err != nil {
		return err
	}
	if err := readable(prior.Private); err != nil {
		return err
	}
	err = r.b.world.change(func(c *contents) (*record, error) {
		o := r.b.get(c, r.kind.name(), prior.ID)
		if o == nil {
			return nil, nil
		}
		if err := r.kind.release(c, o); err != nil {
			return nil, err
		}
		return &record{Delete: c.withDependents(o.ID)}, nil
	})
	if err != nil {
		return r.failed(err)
	}
	for _, stage := range stages()[1:] {
		if err := t.at(ctx, stage, phase); err != nil {
			return err
		}
	}
	return nil
}

// Read says for each recorded object what the world holds.
func (r resource[T]) Read(ctx context.Context, recorded []providers.Object[T], yield func(int, providers.Observed[T])) error {
	open := int(r.b.reads.Add(1))
	defer r.b.reads.Add(-1)
	if err := r.b.ask(ctx, call{op: "read", kind: r.kind.name(), open: open}); err != nil {
		return err
	}
	seen := make([]providers.Observed[T], len(recorded))
	address := make([]string, len(recorded))
	err := r.b.world.view(func(c *contents) error {
		for i, known := range recorded {
			o := r.b.get(c, r.kind.name(), known.ID)
			if o == nil {
				seen[i].Presence = providers.Gone
				continue
			}
			address[i] = o.Address
			seen[i] = r.observed(c, o)
		}
		return nil
	})
	if err != nil {
		return r.failed(err)
	}
	each := r.b.script.concernsEach()
	for i := range seen {
		if each && seen[i].Presence == providers.Present {
			c := r.call("read", address[i], "", &seen[i].Object.Value)
			c.each, c.open = true, open
			if err := r.b.happen(ctx, c); err != nil {
				seen[i] = providers.Observed[T]{Presence: providers.Unknown, Err: err}
			}
		}
		if err := readable(recorded[i].Private); err != nil {
			seen[i] = providers.Observed[T]{Presence: providers.Unknown, Err: err}
		}
		yield(i, seen[i])
	}
	return nil
}

func (r resource[T]) observed(c *contents, o *Object) providers.Observed[T] {
	if o.Unreachable {
		return providers.Observed[T]{Presence: providers.Unknown, Err: providers.Errorf(providers.Transient, "no route to %s", o.ID)}
	}
	out, err := r.object(c, o)
	if err != nil {
		return providers.Observed[T]{Presence: providers.Unknown, Err: err}
	}
	return providers.Observed[T]{Presence: providers.Present, Object: out}
}

// Find looks for objects by the keys they were made under.
func (r resource[T]) Find(ctx context.Context, keys []string) ([]providers.Found[T], error) {
	if err := r.b.ask(ctx, call{op: "find", kind: r.kind.name()}); err != nil {
		return nil, err
	}
	var out []providers.Found[T]
	err := r.b.world.view(func(c *contents) error {
		for _, key := range keys {
			o := r.b.get(c, r.kind.name(), c.byKey[objectKey{r.kind.name(), key}])
			if o == nil || !r.b.visible(o) {
				continue
			}
			found, err := r.found(c, o)
			if err != nil {
				return err
			}
			out = append(out, found)
		}
		return nil
	})
	return out, r.failed(err)
}

// List returns what this backend has made for a lineage, in the order in which it was made.
func (r resource[T]) List(ctx context.Context, lineage string) ([]providers.Found[T], error) {
	if err := r.b.ask(ctx, call{op: "list", kind: r.kind.name()}); err != nil {
		return nil, err
	}
	var out []providers.Found[T]
	err := r.b.world.view(func(c *contents) error {
		var objects []*Object
		for id, o := range c.objects {
			if r.b.get(c, r.kind.name(), id) != nil && o.Lineage == lineage && o.Backend == r.b.name && r.b.visible(o) {
				objects = append(objects, o)
			}
		}
		slices.SortFunc(objects, func(x, y *Object) int { return cmp.Compare(x.Number, y.Number) })
		for _, o := range objects {
			found, err := r.found(c, o)
			if err != nil {
				return err
			}
			out = append(out, found)
		}
		return nil
	})
	return out, r.failed(err)
}

func (r resource[T]) call(op, address, key string, v *T) call {
	machine, region, zone := r.kind.place(v)
	return call{op: op, kind: r.kind.name(), address: address, key: key, machine: machine, region: region, zone: zone}
}

func (r resource[T]) found(c *contents, o *Object) (providers.Found[T], error) {
	object, err := r.object(c, o)
	return providers.Found[T]{Key: o.Key, Address: o.Address, Object: object, Complete: o.Ready}, err
}

// object is what the contract tells of a thing in the world.
func (r resource[T]) object(c *contents, o *Object) (providers.Object[T], error) {
	v, err := valueOf[T](o)
	if err != nil {
		return providers.Object[T]{}, err
	}
	r.kind.observe(c, o, &v)
	data, err := json.Marshal(private{privateVersion})
	return providers.Object[T]{ID: o.ID, Value: v, Private: data, Tainted: !o.Ready}, err
}

// failed gives an error of the world a kind.
func (r resource[T]) failed(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e
	}
	return worldError(err)
}

func reportPhase[T any](report providers.Report[T]) phaseReport {
	return func(phase string, done, total int64) error {
		if err := report(providers.Progress[T]{Phase: phase, Done: done, Total: total}); err != nil {
			return stopped(err)
		}
		return nil
	}
}

// stopped is the end of a call whose progress core could not record.
func stopped(err error) error {
	return providers.Errorf(providers.Internal, "stopped, because its progress could not be recorded: %w", err)
}

func asError(err error) *providers.Error {
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e
	}
	return providers.Errorf(providers.KindOf(err), "%w", err)
}
