package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

// The rarer abilities of a backend, each a type of its own that a backend is combined with.
type (
	offers struct{ b *backend }
	stops  struct{ b *backend }
	logs   struct{ b *backend }
)

// withAbilities returns the backend as a type that has exactly the abilities that the far side has, so that a type
// assertion tells the truth.
func (b *backend) withAbilities(has *pb.OpenResponse) providers.Backend {
	o, s, l := offers{b}, stops{b}, logs{b}
	switch [3]bool{has.GetOffers(), has.GetStops(), has.GetLogs()} {
	case [3]bool{true, true, true}:
		return struct {
			*backend
			offers
			stops
			logs
		}{b, o, s, l}
	case [3]bool{true, true, false}:
		return struct {
			*backend
			offers
			stops
		}{b, o, s}
	case [3]bool{true, false, true}:
		return struct {
			*backend
			offers
			logs
		}{b, o, l}
	case [3]bool{false, true, true}:
		return struct {
			*backend
			stops
			logs
		}{b, s, l}
	case [3]bool{true, false, false}:
		return struct {
			*backend
			offers
		}{b, o}
	case [3]bool{false, true, false}:
		return struct {
			*backend
			stops
		}{b, s}
	case [3]bool{false, false, true}:
		return struct {
			*backend
			logs
		}{b, l}
	}
	return b
}

func (o offers) Offers(ctx context.Context, needs []schema.Requirements, yield func(need int, offer schema.Offer)) error {
	req := &pb.OffersRequest{Needs: make([]*pb.Requirements, len(needs))}
	for i, n := range needs {
		var err error
		if req.Needs[i], err = encodeRequirements(n); err != nil {
			return err
		}
	}
	conn, id, err := o.b.at(ctx)
	if err != nil {
		return err
	}
	req.Backend = id
	return receive(ctx, conn, func(ctx context.Context) (grpc.ServerStreamingClient[pb.OffersResponse], error) {
		return conn.rpc.Offers(ctx, req)
	}, func(resp *pb.OffersResponse) error {
		for _, item := range resp.GetItems() {
			var offer schema.Offer
			if err := json.Unmarshal(item.GetOffer(), &offer); err != nil {
				return providers.Errorf(providers.Internal, "the provider's offer cannot be read: %w", err)
			}
			if int(item.GetNeed()) >= len(needs) {
				return providers.Errorf(providers.Internal, "the provider offered for need %d of %d", item.GetNeed(), len(needs))
			}
			yield(int(item.GetNeed()), offer)
		}
		return nil
	})
}

func (s stops) StopJob(ctx context.Context, job providers.Object[schema.Job], needs []providers.Need, abort bool) error {
	o, n, err := encodeJob(job, needs)
	if err != nil {
		return err
	}
	conn, id, err := s.b.at(ctx)
	if err != nil {
		return err
	}
	_, err = conn.rpc.StopJob(ctx, &pb.StopJobRequest{Backend: id, Job: o, Needs: n, Abort: abort})
	return fromStatus(ctx, conn, err)
}

func (l logs) JobLogs(ctx context.Context, job providers.Object[schema.Job], needs []providers.Need, opts providers.LogOptions, yield func(providers.LogEntry) error) error {
	o, n, err := encodeJob(job, needs)
	if err != nil {
		return err
	}
	conn, id, err := l.b.at(ctx)
	if err != nil {
		return err
	}
	req := &pb.JobLogsRequest{
		Backend: id, Job: o, Needs: n,
		Follow: opts.Follow, Offset: opts.Offset, SinceUnixNanos: toNanos(opts.Since), Tail: int64(opts.Tail),
		Attempt: int64(opts.Attempt), Onward: opts.Onward, Diagnose: opts.Diagnose,
	}
	return receive(ctx, conn, func(ctx context.Context) (grpc.ServerStreamingClient[pb.JobLogsResponse], error) {
		return conn.rpc.JobLogs(ctx, req)
	}, func(resp *pb.JobLogsResponse) error {
		for _, e := range resp.GetItems() {
			entry := providers.LogEntry{Time: fromNanos(e.GetTimeUnixNanos()), Stream: e.GetStream(), Text: e.GetText(), Next: e.GetNext(), Attempt: int(e.GetAttempt())}
			if err := yield(entry); err != nil {
				return err
			}
		}
		return nil
	})
}

func encodeJob(job providers.Object[schema.Job], needs []providers.Need) (*pb.Object, []*pb.Need, error) {
	o, err := encodeObject(shape{addr.KindJob, schema.Of[schema.Job]()}, erasedObject(job))
	if err != nil {
		return nil, nil, err
	}
	n, err := encodeNeeds(needs)
	return o, n, err
}

// receive makes a call whose answer is a stream and hands each message to take, whose error ends the call.
func receive[Resp any, Stream interface{ Recv() (Resp, error) }](ctx context.Context, conn *Conn, call func(context.Context) (Stream, error), take func(Resp) error) error {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := call(streamCtx)
	if err != nil {
		return fromStatus(ctx, conn, err)
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fromStatus(ctx, conn, err)
		}
		if err := take(resp); err != nil {
			return err
		}
	}
}
