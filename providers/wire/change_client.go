package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
)

// cancelGrace is how long a canceled change may take to say what it leaves behind. An interrupted command has two
// seconds in all.
const cancelGrace = 1500 * time.Millisecond

// change runs one create, update or delete on the far side.
func (k kindClient) change(ctx context.Context, verb pb.ChangeVerb, prior object, operation op, tell report) (object, error) {
	if err := ctx.Err(); err != nil {
		return prior, err
	}
	start, err := k.encodeStart(ctx, verb, prior, operation)
	if err != nil {
		return prior, fmt.Errorf("%s: %w", operation.Address, err)
	}
	conn, id, err := k.backend.at(ctx)
	if err != nil {
		return prior, err
	}
	start.Target = &pb.Target{Backend: id, Kind: k.shape.name}

	// The stream outlives ctx, so that a canceled change can still tell what it made.
	streamCtx, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	stream, err := conn.rpc.Change(streamCtx)
	if err != nil {
		return prior, fromStatus(ctx, conn, err)
	}
	c := &caller{stream: stream, hangUp: hangUp}
	defer context.AfterFunc(ctx, func() { c.cancel(ctx) })()
	defer c.end()
	if err := c.send(&pb.ChangeRequest{Message: &pb.ChangeRequest_Start{Start: start}}); err != nil {
		_, err = stream.Recv() // the reason is on the other half
		return prior, fromStatus(ctx, conn, err)
	}
	for {
		resp, err := stream.Recv()
		if err != nil {
			return prior, fromStatus(ctx, conn, err)
		}
		if result := resp.GetResult(); result != nil {
			return k.decodeResult(prior, result)
		}
		ack := &pb.ChangeAck{}
		if p, err := k.decodeReport(resp.GetReport()); err != nil {
			ack.Error = encodeError(err)
		} else if tell != nil {
			ack.Error = encodeError(tell(p))
		}
		// A send that fails is explained by the next receive.
		_ = c.send(&pb.ChangeRequest{Message: &pb.ChangeRequest_Ack{Ack: ack}})
	}
}

func (k kindClient) encodeStart(ctx context.Context, verb pb.ChangeVerb, prior object, operation op) (*pb.ChangeStart, error) {
	start := &pb.ChangeStart{
		Verb: verb, Address: operation.Address, Lineage: operation.Lineage, Key: operation.Key, Attempt: int64(operation.Attempt),
	}
	var err error
	if verb != pb.ChangeVerb_CHANGE_VERB_DELETE {
		if start.Planned, err = encodeValue(k.shape, operation.Planned); err != nil {
			return nil, err
		}
	}
	if verb != pb.ChangeVerb_CHANGE_VERB_CREATE {
		if start.Prior, err = encodeObject(k.shape, prior); err != nil {
			return nil, err
		}
	}
	if start.Needs, err = encodeNeeds(operation.Needs); err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		start.TimeoutNanos = max(1, int64(time.Until(deadline)))
	}
	return start, nil
}

func (k kindClient) decodeReport(in *pb.ChangeReport) (progress, error) {
	p := progress{Phase: in.GetPhase(), Done: in.GetDone(), Total: in.GetTotal()}
	if in.GetCheckpoint() != nil {
		o, err := decodeObject(k.shape, in.GetCheckpoint())
		if err != nil {
			return p, providers.Errorf(providers.Internal, "the provider's checkpoint cannot be read: %w", err)
		}
		p.Checkpoint = &o
	}
	return p, nil
}

func (k kindClient) decodeResult(prior object, in *pb.ChangeResult) (object, error) {
	o, err := decodeObject(k.shape, in.GetObject())
	if err != nil {
		prior.ID, prior.Private, prior.Tainted = in.GetObject().GetId(), in.GetObject().GetPrivate(), true
		return prior, first(decodeError(in.GetError()), providers.Errorf(providers.Internal, "the provider's answer cannot be read: %w", err))
	}
	return o, decodeError(in.GetError())
}

// caller is the host's half of a change.
type caller struct {
	stream grpc.BidiStreamingClient[pb.ChangeRequest, pb.ChangeResponse]
	hangUp context.CancelFunc

	mu    sync.Mutex // one sender at a time
	timer *time.Timer
	over  bool
}

func (c *caller) send(req *pb.ChangeRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stream.Send(req)
}

// cancel tells the far side, and hangs up when it has had its time. The end of a deadline the far side sees itself.
func (c *caller) cancel(ctx context.Context) {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		_ = c.send(&pb.ChangeRequest{Message: &pb.ChangeRequest_Cancel{Cancel: &pb.ChangeCancel{}}})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.timer = time.AfterFunc(cancelGrace, c.hangUp)
	}
}

func (c *caller) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
}
