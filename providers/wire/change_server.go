package wire

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
)

type changeStream = grpc.BidiStreamingServer[pb.ChangeRequest, pb.ChangeResponse]

// Change runs one create, update or delete. The result is a message and not the call's status, because an object comes
// with an error too.
func (s *server) Change(stream changeStream) error {
	req, err := stream.Recv()
	if err != nil {
		return err
	}
	start := req.GetStart()
	if start == nil {
		return providers.Errorf(providers.Internal, "a change must begin with its start")
	}
	r, o, err := s.target(start.GetTarget())
	if err != nil {
		return err
	}
	prior, operation, err := decodeStart(o, start)
	if err != nil {
		return providers.Errorf(providers.Invalid, "%w", err)
	}

	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	if t := start.GetTimeoutNanos(); t > 0 {
		var cancelTimeout context.CancelFunc
		ctx, cancelTimeout = context.WithTimeout(ctx, time.Duration(t))
		defer cancelTimeout()
	}
	c := &changing{stream: stream, shape: o, acks: make(chan error), gone: make(chan struct{})}
	go c.listen(cancel)

	var made object
	switch start.GetVerb() {
	case pb.ChangeVerb_CHANGE_VERB_CREATE:
		made, err = r.Create(ctx, operation, c.report)
	case pb.ChangeVerb_CHANGE_VERB_UPDATE:
		made, err = r.Update(ctx, prior, operation, c.report)
	case pb.ChangeVerb_CHANGE_VERB_DELETE:
		err = r.Delete(ctx, prior, operation, c.report)
	default:
		err = providers.Errorf(providers.Invalid, "this version does not know change %d", start.GetVerb())
	}
	return c.finish(made, err)
}

func decodeStart(o shape, start *pb.ChangeStart) (object, op, error) {
	prior, err := decodeObject(o, start.GetPrior())
	if err != nil {
		return object{}, op{}, err
	}
	planned, err := decodeValue(o, start.GetPlanned())
	if err != nil {
		return object{}, op{}, err
	}
	needs, err := decodeNeeds(start.GetNeeds())
	if err != nil {
		return object{}, op{}, err
	}
	return prior, op{
		Address: start.GetAddress(), Lineage: start.GetLineage(), Key: start.GetKey(), Attempt: int(start.GetAttempt()),
		Planned: planned, Needs: needs,
	}, nil
}

// changing is one change in the provider's process.
type changing struct {
	stream changeStream
	shape  shape
	acks   chan error
	gone   chan struct{} // closed when nothing more comes from the host

	mu   sync.Mutex // one report at a time
	over bool
}

// listen takes what the host says until the host closes the stream.
func (c *changing) listen(cancel context.CancelFunc) {
	defer close(c.gone)
	for {
		req, err := c.stream.Recv()
		if err != nil {
			return
		}
		switch m := req.GetMessage().(type) {
		case *pb.ChangeRequest_Ack:
			select {
			case c.acks <- decodeError(m.Ack.GetError()):
			case <-c.stream.Context().Done():
				return
			}
		case *pb.ChangeRequest_Cancel:
			cancel()
		}
	}
}

// report sends a report and waits until the host has taken it. It still works after the change was canceled: what was
// made until then must be recorded.
func (c *changing) report(p progress) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return errEnded
	}
	msg := &pb.ChangeReport{Phase: p.Phase, Done: p.Done, Total: p.Total}
	if p.Checkpoint != nil {
		var err error
		if msg.Checkpoint, err = encodeObject(c.shape, *p.Checkpoint); err != nil {
			return err
		}
	}
	if err := c.stream.Send(&pb.ChangeResponse{Message: &pb.ChangeResponse_Report{Report: msg}}); err != nil {
		return err
	}
	select {
	case err := <-c.acks:
		return err
	case <-c.gone:
		return providers.Errorf(providers.Internal, "the host is gone")
	}
}

// finish sends the result and waits until the host has closed the stream, so that listen has ended as well.
func (c *changing) finish(made object, changeErr error) error {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	result := &pb.ChangeResult{Error: encodeError(changeErr)}
	var err error
	if result.Object, err = encodeObject(c.shape, made); err != nil {
		// The value cannot be told, but what was made must not be lost.
		result.Object = &pb.Object{Id: made.ID, Private: made.Private, Tainted: true}
		if changeErr == nil {
			result.Error = encodeError(err)
		}
	}
	err = c.stream.Send(&pb.ChangeResponse{Message: &pb.ChangeResponse_Result{Result: result}})
	<-c.gone
	return err
}
