package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

// kindClient is a kind on the far side, in core's form.
type kindClient struct {
	backend *backend
	shape   shape
}

func (k kindClient) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	conn, id, err := k.backend.at(ctx)
	if err != nil {
		return nil, err
	}
	planned := make([]providers.Planned, 0, len(changes))
	err = receive(ctx, conn, func(ctx context.Context) (grpc.BidiStreamingClient[pb.PlanRequest, pb.PlanResponse], error) {
		stream, err := conn.rpc.Plan(ctx)
		if err != nil {
			return nil, err
		}
		target := &pb.Target{Backend: id, Kind: k.shape.name}
		return stream, sendAll(stream, changes,
			func(c providers.Change) (*pb.PlanItem, error) { return encodeChange(k.shape, c) },
			func(items []*pb.PlanItem) *pb.PlanRequest { return &pb.PlanRequest{Target: target, Items: items} })
	}, func(resp *pb.PlanResponse) error {
		for _, item := range resp.GetItems() {
			if len(planned) == len(changes) {
				return providers.Errorf(providers.Internal, "the provider answered more than the %d changes it was asked about", len(changes))
			}
			p, err := decodePlanned(k.shape, changes[len(planned)].Want, item)
			if err != nil {
				return providers.Errorf(providers.Internal, "the provider's answer cannot be read: %w", err)
			}
			planned = append(planned, p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(planned) < len(changes) {
		return nil, providers.Errorf(providers.Internal, "the provider answered %d of %d changes", len(planned), len(changes))
	}
	return planned, nil
}

func (k kindClient) Create(ctx context.Context, operation op, tell report) (object, error) {
	return k.change(ctx, pb.ChangeVerb_CHANGE_VERB_CREATE, object{}, operation, tell)
}

func (k kindClient) Update(ctx context.Context, prior object, operation op, tell report) (object, error) {
	return k.change(ctx, pb.ChangeVerb_CHANGE_VERB_UPDATE, prior, operation, tell)
}

func (k kindClient) Delete(ctx context.Context, prior object, operation op, tell report) error {
	_, err := k.change(ctx, pb.ChangeVerb_CHANGE_VERB_DELETE, prior, operation, tell)
	return err
}

func (k kindClient) Read(ctx context.Context, recorded []object, yield func(int, observed)) error {
	return read(ctx, k, recorded, func(o object) (object, error) { return o, nil }, func(o object) (object, error) { return o, nil }, yield)
}

// read is Read for objects in any form. What the far side calls the same is yielded as it was handed in.
func read[T any](ctx context.Context, k kindClient, recorded []providers.Object[T],
	erase func(providers.Object[T]) (object, error), typed func(object) (providers.Object[T], error), yield func(int, providers.Observed[T]),
) error {
	conn, id, err := k.backend.at(ctx)
	if err != nil {
		return err
	}
	seen := make([]bool, len(recorded))
	return receive(ctx, conn, func(ctx context.Context) (grpc.BidiStreamingClient[pb.ReadRequest, pb.ReadResponse], error) {
		stream, err := conn.rpc.Read(ctx)
		if err != nil {
			return nil, err
		}
		target := &pb.Target{Backend: id, Kind: k.shape.name}
		return stream, sendAll(stream, recorded,
			func(o providers.Object[T]) (*pb.Object, error) {
				erased, err := erase(o)
				if err != nil {
					return nil, err
				}
				return encodeObject(k.shape, erased)
			},
			func(items []*pb.Object) *pb.ReadRequest { return &pb.ReadRequest{Target: target, Items: items} })
	}, func(resp *pb.ReadResponse) error {
		for _, item := range resp.GetItems() {
			i := int(item.GetIndex())
			if i >= len(recorded) || seen[i] {
				return providers.Errorf(providers.Internal, "the provider answered for object %d of %d, or twice", i, len(recorded))
			}
			seen[i] = true
			yield(i, decodeObserved(k.shape, recorded[i], item, typed))
		}
		return nil
	})
}

func decodeObserved[T any](o shape, recorded providers.Object[T], item *pb.ObservedItem, typed func(object) (providers.Object[T], error)) providers.Observed[T] {
	switch item.GetPresence() {
	case pb.Presence_PRESENCE_GONE:
		return providers.Observed[T]{Presence: providers.Gone}
	case pb.Presence_PRESENCE_PRESENT:
		if item.GetSame() {
			return providers.Observed[T]{Presence: providers.Present, Object: recorded}
		}
		erased, err := decodeObject(o, item.GetObject())
		if err == nil {
			var now providers.Object[T]
			if now, err = typed(erased); err == nil {
				return providers.Observed[T]{Presence: providers.Present, Object: now}
			}
		}
		return providers.Observed[T]{Err: providers.Errorf(providers.Internal, "the provider's answer cannot be read: %w", err)}
	}
	return providers.Observed[T]{Err: decodeError(item.GetError())}
}

func (k kindClient) Find(ctx context.Context, keys []string) ([]found, error) {
	conn, id, err := k.backend.at(ctx)
	if err != nil {
		return nil, err
	}
	var out []found
	err = receive(ctx, conn, func(ctx context.Context) (grpc.BidiStreamingClient[pb.FindRequest, pb.FindResponse], error) {
		stream, err := conn.rpc.Find(ctx)
		if err != nil {
			return nil, err
		}
		target := &pb.Target{Backend: id, Kind: k.shape.name}
		for len(keys) > maxKeys {
			if err := stream.Send(&pb.FindRequest{Target: target, Keys: keys[:maxKeys]}); err != nil {
				return stream, nil
			}
			keys = keys[maxKeys:]
		}
		_ = stream.Send(&pb.FindRequest{Target: target, Keys: keys})
		return stream, stream.CloseSend()
	}, func(resp *pb.FindResponse) error { return k.takeFound(resp.GetItems(), &out) })
	return out, err
}

func (k kindClient) List(ctx context.Context, lineage string) ([]found, error) {
	conn, id, err := k.backend.at(ctx)
	if err != nil {
		return nil, err
	}
	var out []found
	err = receive(ctx, conn, func(ctx context.Context) (grpc.ServerStreamingClient[pb.ListResponse], error) {
		return conn.rpc.List(ctx, &pb.ListRequest{Target: &pb.Target{Backend: id, Kind: k.shape.name}, Lineage: lineage})
	}, func(resp *pb.ListResponse) error { return k.takeFound(resp.GetItems(), &out) })
	return out, err
}

func (k kindClient) takeFound(items []*pb.FoundItem, out *[]found) error {
	for _, item := range items {
		f, err := decodeFound(k.shape, item)
		if err != nil {
			return providers.Errorf(providers.Internal, "the provider's answer cannot be read: %w", err)
		}
		*out = append(*out, f)
	}
	return nil
}

// sendAll sends a list in pieces, the target with each, and closes the sending half. When the far side has ended the call
// early, receiving says why, so that is no error here.
func sendAll[In any, Item, Req proto.Message](stream interface {
	Send(Req) error
	CloseSend() error
}, list []In, encode func(In) (Item, error), message func([]Item) Req,
) error {
	sent := false
	out := cutter[Item]{send: func(items []Item) error {
		sent = true
		return stream.Send(message(items))
	}}
	for _, in := range list {
		item, err := encode(in)
		if err != nil {
			return err
		}
		if err := out.add(item); err != nil {
			return ignoreEOF(err)
		}
	}
	if err := out.flush(); err != nil {
		return ignoreEOF(err)
	}
	if !sent { // an empty list still has a target
		if err := stream.Send(message(nil)); err != nil {
			return ignoreEOF(err)
		}
	}
	return stream.CloseSend()
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// typed is a kind on the far side, in the provider's form.
type typed[T any] struct{ k kindClient }

// Erased returns the same in core's form, without a second conversion.
func (t typed[T]) Erased() resource { return t.k }

func (t typed[T]) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	return t.k.Plan(ctx, changes)
}

func (t typed[T]) Create(ctx context.Context, operation providers.Op[T], tell providers.Report[T]) (providers.Object[T], error) {
	o, err := t.k.Create(ctx, erasedOp(operation), erasedReport(tell))
	return result[T](o, err)
}

func (t typed[T]) Update(ctx context.Context, prior providers.Object[T], operation providers.Op[T], tell providers.Report[T]) (providers.Object[T], error) {
	o, err := t.k.Update(ctx, erasedObject(prior), erasedOp(operation), erasedReport(tell))
	return result[T](o, err)
}

func (t typed[T]) Delete(ctx context.Context, prior providers.Object[T], operation providers.Op[T], tell providers.Report[T]) error {
	return t.k.Delete(ctx, erasedObject(prior), erasedOp(operation), erasedReport(tell))
}

func (t typed[T]) Read(ctx context.Context, recorded []providers.Object[T], yield func(int, providers.Observed[T])) error {
	return read(ctx, t.k, recorded, func(o providers.Object[T]) (object, error) { return erasedObject(o), nil }, typedObject[T], yield)
}

func (t typed[T]) Find(ctx context.Context, keys []string) ([]providers.Found[T], error) {
	list, err := t.k.Find(ctx, keys)
	if err != nil {
		return nil, err
	}
	return typedFound[T](list)
}

func (t typed[T]) List(ctx context.Context, lineage string) ([]providers.Found[T], error) {
	list, err := t.k.List(ctx, lineage)
	if err != nil {
		return nil, err
	}
	return typedFound[T](list)
}

func typedFound[T any](in []found) ([]providers.Found[T], error) {
	out := make([]providers.Found[T], len(in))
	for i, f := range in {
		o, err := typedObject[T](f.Object)
		if err != nil {
			return nil, err
		}
		out[i] = providers.Found[T]{Key: f.Key, Address: f.Address, Object: o, Complete: f.Complete}
	}
	return out, nil
}

// result types an object that may come beside an error, which then is the one that counts.
func result[T any](o object, err error) (providers.Object[T], error) {
	typed, typeErr := typedObject[T](o)
	if typeErr != nil {
		typed = providers.Object[T]{ID: o.ID, Private: o.Private, Tainted: true}
	}
	return typed, first(err, typeErr)
}

func erasedOp[T any](in providers.Op[T]) op {
	return op{
		Address: in.Address, Lineage: in.Lineage, Key: in.Key, Attempt: in.Attempt,
		Planned: schema.Encode(in.Planned), Needs: in.Needs,
	}
}

func erasedReport[T any](tell providers.Report[T]) report {
	if tell == nil {
		return nil
	}
	return func(p progress) error {
		out := providers.Progress[T]{Phase: p.Phase, Done: p.Done, Total: p.Total}
		if p.Checkpoint != nil {
			o, err := typedObject[T](*p.Checkpoint)
			if err != nil {
				return err
			}
			out.Checkpoint = &o
		}
		return tell(out)
	}
}
