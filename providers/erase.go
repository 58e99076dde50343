package providers

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// eraser is a Resource that is cty inside and has a shorter way out: the far side of a wire.
type eraser interface {
	Erased() Resource[cty.Value]
}

// Erase gives a Resource in core's form. nil stays nil.
func Erase[T any](r Resource[T]) Resource[cty.Value] {
	if r == nil {
		return nil
	}
	if e, ok := r.(eraser); ok {
		return e.Erased()
	}
	return erased[T]{r}
}

// ResourceOf returns what the backend can do with a kind, in core's form; nil when it does not have that kind.
func ResourceOf(b Backend, kind string) Resource[cty.Value] {
	switch kind {
	case addr.KindInstance:
		return Erase(b.Instances())
	case addr.KindVolume:
		return Erase(b.Volumes())
	case addr.KindGateway:
		return Erase(b.Gateways())
	case addr.KindJob:
		return Erase(b.Jobs())
	case addr.KindSupport:
		return Erase(b.Supports())
	}
	return nil
}

type erased[T any] struct{ r Resource[T] }

func (e erased[T]) Plan(ctx context.Context, changes []Change) ([]Planned, error) {
	return e.r.Plan(ctx, changes)
}

func (e erased[T]) Create(ctx context.Context, op Op[cty.Value], report Report[cty.Value]) (Object[cty.Value], error) {
	typed, err := decodeOp[T](op)
	if err != nil {
		return Object[cty.Value]{}, err
	}
	o, err := e.r.Create(ctx, typed, eraseReport[T](report))
	return encodeObject(o), err
}

func (e erased[T]) Update(ctx context.Context, prior Object[cty.Value], op Op[cty.Value], report Report[cty.Value]) (Object[cty.Value], error) {
	p, err := decodeObject[T](prior)
	if err != nil {
		return prior, err
	}
	typed, err := decodeOp[T](op)
	if err != nil {
		return prior, err
	}
	o, err := e.r.Update(ctx, p, typed, eraseReport[T](report))
	return encodeObject(o), err
}

func (e erased[T]) Delete(ctx context.Context, prior Object[cty.Value], op Op[cty.Value], report Report[cty.Value]) error {
	p, err := decodeObject[T](prior)
	if err != nil {
		return err
	}
	op.Planned = cty.NullVal(schema.Of[T]().Type())
	typed, err := decodeOp[T](op)
	if err != nil {
		return err
	}
	return e.r.Delete(ctx, p, typed, eraseReport[T](report))
}

func (e erased[T]) Read(ctx context.Context, recorded []Object[cty.Value], yield func(int, Observed[cty.Value])) error {
	typed := make([]Object[T], 0, len(recorded))
	at := make([]int, 0, len(recorded))
	for i, r := range recorded {
		o, err := decodeObject[T](r)
		if err != nil {
			yield(i, Observed[cty.Value]{Presence: Unknown, Err: err})
			continue
		}
		typed, at = append(typed, o), append(at, i)
	}
	var wrong error
	err := e.r.Read(ctx, typed, func(i int, seen Observed[T]) {
		if i < 0 || i >= len(at) {
			wrong = Errorf(Internal, "the provider answered for object %d of %d", i, len(at))
			return
		}
		out := Observed[cty.Value]{Presence: seen.Presence, Err: seen.Err}
		if seen.Presence == Present {
			out.Object = encodeObject(seen.Object)
		}
		yield(at[i], out)
	})
	if err != nil {
		return err
	}
	return wrong
}

func (e erased[T]) Find(ctx context.Context, keys []string) ([]Found[cty.Value], error) {
	found, err := e.r.Find(ctx, keys)
	return encodeFound(found), err
}

func (e erased[T]) List(ctx context.Context, lineage string) ([]Found[cty.Value], error) {
	found, err := e.r.List(ctx, lineage)
	return encodeFound(found), err
}

func encodeFound[T any](in []Found[T]) []Found[cty.Value] {
	out := make([]Found[cty.Value], len(in))
	for i, f := range in {
		out[i] = Found[cty.Value]{Key: f.Key, Address: f.Address, Object: encodeObject(f.Object), Complete: f.Complete}
	}
	return out
}

func encodeObject[T any](o Object[T]) Object[cty.Value] {
	return Object[cty.Value]{ID: o.ID, Value: schema.Encode(o.Value), Private: o.Private, Tainted: o.Tainted}
}

func decodeObject[T any](o Object[cty.Value]) (Object[T], error) {
	v, err := schema.Decode[T](o.Value)
	if err != nil {
		return Object[T]{}, Errorf(Invalid, "what was recorded cannot be read: %w", err)
	}
	return Object[T]{ID: o.ID, Value: v, Private: o.Private, Tainted: o.Tainted}, nil
}

func decodeOp[T any](op Op[cty.Value]) (Op[T], error) {
	v, err := schema.Decode[T](op.Planned)
	if err != nil {
		return Op[T]{}, Errorf(Invalid, "what was planned cannot be read: %w", err)
	}
	return Op[T]{Address: op.Address, Lineage: op.Lineage, Key: op.Key, Attempt: op.Attempt, Planned: v, Needs: op.Needs}, nil
}

func eraseReport[T any](report Report[cty.Value]) Report[T] {
	return func(p Progress[T]) error {
		out := Progress[cty.Value]{Phase: p.Phase, Done: p.Done, Total: p.Total}
		if p.Checkpoint != nil {
			o := encodeObject(*p.Checkpoint)
			out.Checkpoint = &o
		}
		return report(out)
	}
}
