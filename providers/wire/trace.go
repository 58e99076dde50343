package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
)

// traced are the options that write each call of a provider to its log: when it ends, what it was about, how many things
// went there and came back, and how long it took; at the level trace also when it begins and how far it is. Values,
// settings and the words of errors are left out, since they may hold secrets. Without a log that wants it nothing is added.
func traced(log *slog.Logger) []grpc.DialOption {
	if log == nil || !log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	t := &tracer{log: log}
	return []grpc.DialOption{
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			c := t.begin(method)
			if c == nil {
				return invoke(ctx, method, req, reply, cc, opts...)
			}
			c.sent(req)
			err := invoke(ctx, method, req, reply, cc, opts...)
			c.received(reply)
			c.end(err)
			return err
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			c := t.begin(method)
			stream, err := open(ctx, d, cc, method, opts...)
			switch {
			case c == nil:
				return stream, err
			case err != nil:
				c.end(err)
				return nil, err
			}
			return &tracedStream{ClientStream: stream, call: c}, nil
		}),
	}
}

// tracer writes the calls of one process.
type tracer struct {
	log   *slog.Logger
	names sync.Map // of backends, by the number that the process gave to each
}

// begin is nil for what is no call of a provider, but go-plugin's own.
func (t *tracer) begin(method string) *tracedCall {
	if !strings.HasPrefix(method, "/"+pb.Provider_ServiceDesc.ServiceName+"/") {
		return nil
	}
	return &tracedCall{tracer: t, op: strings.ToLower(path.Base(method)), began: time.Now()}
}

// tracedStream notes what passes.
type tracedStream struct {
	grpc.ClientStream
	call *tracedCall
}

func (s *tracedStream) SendMsg(m any) error {
	s.call.sent(m)
	return s.ClientStream.SendMsg(m)
}

func (s *tracedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		s.call.end(err)
		return err
	}
	s.call.received(m)
	return nil
}

// tracedCall is one call while it goes on.
type tracedCall struct {
	*tracer
	op    string
	began time.Time

	mu        sync.Mutex
	backend   string // the name of the one that is opened
	about     []any  // attributes: backend, kind, addr
	there     int    // things that were sent
	back      int    // things that were received
	announced bool
	ended     bool
	kind      string // of the provider's own error
}

// sent notes a request; the first says what the call is about.
func (c *tracedCall) sent(m any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r := m.(type) {
	case *pb.PlanRequest:
		c.target(r.GetTarget())
		c.there += len(r.GetItems())
	case *pb.ReadRequest:
		c.target(r.GetTarget())
		c.there += len(r.GetItems())
	case *pb.OffersRequest:
		c.of(r.GetBackend())
		c.there += len(r.GetNeeds())
	case *pb.OpenRequest:
		var config struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(r.GetConfig(), &config) == nil {
			c.backend = config.Name
			c.about = append(c.about, "backend", config.Name)
		}
	case *pb.ChangeRequest:
		if start := r.GetStart(); start != nil {
			c.op = strings.ToLower(strings.TrimPrefix(start.GetVerb().String(), "CHANGE_VERB_"))
			c.target(start.GetTarget())
			c.about = append(c.about, "addr", start.GetAddress(), "attempt", start.GetAttempt())
			c.there++
		}
		if r.GetCancel() != nil {
			c.log.Debug("call is cancelled", c.attrs()...)
		}
	case interface{ GetTarget() *pb.Target }:
		c.target(r.GetTarget())
	}
	if !c.announced {
		c.announced = true
		c.log.Log(context.Background(), LevelTrace, "call begins", c.attrs()...)
	}
}

func (c *tracedCall) target(t *pb.Target) {
	if t != nil {
		c.of(t.GetBackend())
		c.about = append(c.about, "kind", t.GetKind())
	}
}

func (c *tracedCall) of(backend uint64) {
	if name, known := c.names.Load(backend); known {
		c.about = append(c.about, "backend", name)
	}
}

// received notes an answer, which is the end of a change if it is its result.
func (c *tracedCall) received(m any) {
	c.mu.Lock()
	switch r := m.(type) {
	case *pb.PlanResponse:
		c.back += len(r.GetItems())
	case *pb.ReadResponse:
		c.back += len(r.GetItems())
	case *pb.OffersResponse:
		c.back += len(r.GetItems())
	case *pb.OpenResponse:
		c.names.Store(r.GetBackend(), c.backend)
		c.back++
	case *pb.ChangeResponse:
		if p := r.GetReport(); p != nil {
			c.log.Log(context.Background(), LevelTrace, "call goes on", append(c.attrs(), "phase", p.GetPhase(), "done", p.GetDone(), "total", p.GetTotal(), "checkpoint", p.GetCheckpoint() != nil)...)
		}
		if result := r.GetResult(); result != nil {
			c.back++
			c.kind = kindOfError(result.GetError())
			c.mu.Unlock()
			c.end(nil)
			return
		}
	default:
		c.back++
	}
	c.mu.Unlock()
}

func (c *tracedCall) attrs() []any { return append([]any{"op", c.op}, c.about...) }

// end writes the line of the call, once.
func (c *tracedCall) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	attrs := append(c.attrs(), "sent", c.there, "received", c.back, "duration", time.Since(c.began))
	kind := c.kind
	if err != nil && !errors.Is(err, io.EOF) && kind == "" {
		kind = status.Code(err).String()
		if errors.Is(err, context.Canceled) {
			kind = codes.Canceled.String()
		}
	}
	if kind != "" {
		attrs = append(attrs, "error_kind", kind)
	}
	c.log.Debug("call", attrs...)
}

// kindOfError is what kind an error is of; "" for none.
func kindOfError(e *pb.Error) string {
	switch {
	case e == nil:
		return ""
	case e.GetKind() != "":
		return e.GetKind()
	case e.GetCanceled():
		return "canceled"
	case e.GetDeadlineExceeded():
		return "deadline exceeded"
	case e.GetUnsupported():
		return "unsupported"
	}
	return "unknown"
}
