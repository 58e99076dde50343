package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

// errEnded is what a provider hears that yields or reports after its call is over.
var errEnded = errors.New("the call is over")

// server answers for a provider. It works with resources in core's form, so that one set of methods serves all kinds.
type server struct {
	pb.UnimplementedProviderServer
	provider providers.Provider
	base     context.Context // its end cancels every call
	calls    sync.WaitGroup
	begin    func() // runs before the first call
	began    sync.Once

	mu       sync.Mutex
	backends map[uint64]providers.Backend
	last     uint64
}

func newServer(base context.Context, p providers.Provider) *server {
	return &server{provider: p, base: base, begin: func() {}, backends: map[uint64]providers.Backend{}}
}

// grpcServer makes the gRPC server on which s is registered.
func (s *server) grpcServer(opts ...grpc.ServerOption) *grpc.Server {
	opts = append(opts,
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.UnaryInterceptor(s.unary), grpc.StreamInterceptor(s.stream))
	g := grpc.NewServer(opts...)
	pb.RegisterProviderServer(g, s)
	return g
}

// unary and stream count the calls and end them with the base context. Errors of our own methods get their details here.
func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	s.began.Do(s.begin)
	if info.Server != any(s) {
		return handler(ctx, req)
	}
	s.calls.Add(1)
	defer s.calls.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.base, cancel)()
	resp, err := handler(ctx, req)
	return resp, toStatus(err)
}

func (s *server) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	s.began.Do(s.begin)
	if srv != any(s) {
		return handler(srv, ss)
	}
	s.calls.Add(1)
	defer s.calls.Done()
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	defer context.AfterFunc(s.base, cancel)()
	return toStatus(handler(srv, &boundStream{ss, ctx}))
}

// boundStream is a stream under another context.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (b *boundStream) Context() context.Context { return b.ctx }

// closeAll closes every open backend.
func (s *server) closeAll() error {
	s.mu.Lock()
	open := s.backends
	s.backends = map[uint64]providers.Backend{}
	s.mu.Unlock()
	var errs []error
	for _, b := range open {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

func (s *server) Describe(ctx context.Context, _ *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	d, err := s.provider.Describe(ctx)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(&d)
	return &pb.DescribeResponse{Description: data}, err
}

func (s *server) Probe(_ *pb.ProbeRequest, stream grpc.ServerStreamingServer[pb.ProbeResponse]) error {
	p, ok := s.provider.(providers.Prober)
	if !ok {
		return unsupported("probe")
	}
	return p.Probe(stream.Context(), probeWriter{stream})
}

type probeWriter struct {
	stream grpc.ServerStreamingServer[pb.ProbeResponse]
}

func (w probeWriter) Write(b []byte) (int, error) {
	if err := w.stream.Send(&pb.ProbeResponse{Text: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (s *server) Open(ctx context.Context, req *pb.OpenRequest) (*pb.OpenResponse, error) {
	var config providers.BackendConfig
	if err := json.Unmarshal(req.GetConfig(), &config); err != nil {
		return nil, providers.Errorf(providers.Invalid, "decode the backend's configuration: %w", err)
	}
	if err := json.Unmarshal(req.GetPaths(), &config.Paths); err != nil {
		return nil, providers.Errorf(providers.Invalid, "decode the backend's paths: %w", err)
	}
	b, err := s.provider.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	resp := &pb.OpenResponse{Identity: b.Identity()}
	for _, kind := range addr.Kinds() {
		if providers.ResourceOf(b, kind) != nil {
			resp.Kinds = append(resp.Kinds, kind)
		}
	}
	_, resp.Offers = b.(providers.Offerer)
	_, resp.Stops = b.(providers.Stopper)
	_, resp.Logs = b.(providers.LogReader)
	_, resp.Connects = b.(providers.Connector)
	_, resp.Renames = b.(providers.Renamer)
	_, resp.Imports = b.(providers.Importer)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	resp.Backend = s.last
	s.backends[resp.Backend] = b
	return resp, nil
}

func (s *server) Close(_ context.Context, req *pb.CloseRequest) (*pb.CloseResponse, error) {
	s.mu.Lock()
	b, ok := s.backends[req.GetBackend()]
	delete(s.backends, req.GetBackend())
	s.mu.Unlock()
	if !ok {
		return &pb.CloseResponse{}, nil
	}
	return &pb.CloseResponse{}, b.Close()
}

func (s *server) backend(id uint64) (providers.Backend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.backends[id]; ok {
		return b, nil
	}
	return nil, providers.Errorf(providers.Internal, "backend %d is not open here", id)
}

func (s *server) target(t *pb.Target) (resource, shape, error) {
	o, err := shapeOf(t.GetKind())
	if err != nil {
		return nil, o, err
	}
	b, err := s.backend(t.GetBackend())
	if err != nil {
		return nil, o, err
	}
	r := providers.ResourceOf(b, t.GetKind())
	if r == nil {
		return nil, o, unsupported(t.GetKind())
	}
	return r, o, nil
}

func unsupported(what string) error {
	return &providers.Error{Kind: providers.Invalid, Message: "this provider has no " + what, Cause: errors.ErrUnsupported}
}

// collect receives a list that comes in pieces, with its target.
func collect[Req interface {
	proto.Message
	GetTarget() *pb.Target
}](recv func() (Req, error), each func(Req)) (*pb.Target, error) {
	var target *pb.Target
	for {
		req, err := recv()
		if errors.Is(err, io.EOF) {
			return target, nil
		}
		if err != nil {
			return nil, err
		}
		if t := req.GetTarget(); t != nil {
			target = t
		}
		each(req)
	}
}

func (s *server) Plan(stream grpc.BidiStreamingServer[pb.PlanRequest, pb.PlanResponse]) error {
	var items []*pb.PlanItem
	target, err := collect(stream.Recv, func(r *pb.PlanRequest) { items = append(items, r.GetItems()...) })
	if err != nil {
		return err
	}
	r, o, err := s.target(target)
	if err != nil {
		return err
	}
	changes := make([]providers.Change, len(items))
	for i, item := range items {
		if changes[i], err = decodeChange(o, item); err != nil {
			return providers.Errorf(providers.Invalid, "%w", err)
		}
	}
	planned, err := r.Plan(stream.Context(), changes)
	if err != nil {
		return err
	}
	if len(planned) != len(changes) {
		return providers.Errorf(providers.Internal, "the provider answered %d of %d changes", len(planned), len(changes))
	}
	out := cutter[*pb.PlannedItem]{send: func(items []*pb.PlannedItem) error { return stream.Send(&pb.PlanResponse{Items: items}) }}
	for i, p := range planned {
		item, err := encodePlanned(o, items[i].GetWant(), p)
		if err != nil {
			return err
		}
		if err := out.add(item); err != nil {
			return err
		}
	}
	return out.flush()
}

func (s *server) Read(stream grpc.BidiStreamingServer[pb.ReadRequest, pb.ReadResponse]) error {
	var items []*pb.Object
	target, err := collect(stream.Recv, func(r *pb.ReadRequest) { items = append(items, r.GetItems()...) })
	if err != nil {
		return err
	}
	r, o, err := s.target(target)
	if err != nil {
		return err
	}
	recorded := make([]object, len(items))
	for i, item := range items {
		if recorded[i], err = decodeObject(o, item); err != nil {
			return providers.Errorf(providers.Invalid, "%w", err)
		}
	}
	out := newGatherer(func(items []*pb.ObservedItem) error { return stream.Send(&pb.ReadResponse{Items: items}) })
	readErr := r.Read(stream.Context(), recorded, func(i int, seen observed) {
		if i < 0 || i >= len(items) {
			out.fail(providers.Errorf(providers.Internal, "the provider answered for object %d of %d", i, len(items)))
			return
		}
		item, err := encodeObserved(o, i, items[i], seen)
		if err != nil {
			out.fail(err)
			return
		}
		_ = out.add(item) // its error comes again from close
	})
	return first(readErr, out.close())
}

// encodeObserved leaves out an object that is just as it was sent.
func encodeObserved(o shape, i int, sent *pb.Object, seen observed) (*pb.ObservedItem, error) {
	item := &pb.ObservedItem{Index: uint32(i), Error: encodeError(seen.Err)}
	switch seen.Presence {
	case providers.Gone:
		item.Presence = pb.Presence_PRESENCE_GONE
	case providers.Present:
		item.Presence = pb.Presence_PRESENCE_PRESENT
		obj, err := encodeObject(o, seen.Object)
		if err != nil {
			return nil, err
		}
		if item.Same = sameObject(obj, sent); !item.Same {
			item.Object = obj
		}
	}
	return item, nil
}

func (s *server) Find(stream grpc.BidiStreamingServer[pb.FindRequest, pb.FindResponse]) error {
	var keys []string
	target, err := collect(stream.Recv, func(r *pb.FindRequest) { keys = append(keys, r.GetKeys()...) })
	if err != nil {
		return err
	}
	r, o, err := s.target(target)
	if err != nil {
		return err
	}
	list, err := r.Find(stream.Context(), keys)
	if err != nil {
		return err
	}
	return sendFound(o, list, func(items []*pb.FoundItem) error { return stream.Send(&pb.FindResponse{Items: items}) })
}

func (s *server) List(req *pb.ListRequest, stream grpc.ServerStreamingServer[pb.ListResponse]) error {
	r, o, err := s.target(req.GetTarget())
	if err != nil {
		return err
	}
	list, err := r.List(stream.Context(), req.GetLineage())
	if err != nil {
		return err
	}
	return sendFound(o, list, func(items []*pb.FoundItem) error { return stream.Send(&pb.ListResponse{Items: items}) })
}

func sendFound(o shape, list []found, send func([]*pb.FoundItem) error) error {
	out := cutter[*pb.FoundItem]{send: send}
	for _, f := range list {
		item, err := encodeFound(o, f)
		if err != nil {
			return err
		}
		if err := out.add(item); err != nil {
			return err
		}
	}
	return out.flush()
}

func (s *server) Offers(req *pb.OffersRequest, stream grpc.ServerStreamingServer[pb.OffersResponse]) error {
	b, err := s.backend(req.GetBackend())
	if err != nil {
		return err
	}
	offerer, ok := b.(providers.Offerer)
	if !ok {
		return unsupported("offers")
	}
	needs := make([]schema.Requirements, len(req.GetNeeds()))
	for i, n := range req.GetNeeds() {
		if needs[i], err = decodeRequirements(n); err != nil {
			return providers.Errorf(providers.Invalid, "%w", err)
		}
	}
	out := newGatherer(func(items []*pb.OfferItem) error { return stream.Send(&pb.OffersResponse{Items: items}) })
	offersErr := offerer.Offers(stream.Context(), needs, func(need int, offer schema.Offer) {
		if need < 0 || need >= len(needs) {
			out.fail(providers.Errorf(providers.Internal, "the provider offered for need %d of %d", need, len(needs)))
			return
		}
		data, err := json.Marshal(&offer)
		if err != nil {
			out.fail(providers.Errorf(providers.Internal, "encode an offer: %w", err))
			return
		}
		_ = out.add(&pb.OfferItem{Need: uint32(need), Offer: data}) // its error comes again from close
	})
	return first(offersErr, out.close())
}

// job decodes what StopJob and JobLogs are asked about.
func (s *server) job(id uint64, in *pb.Object, inNeeds []*pb.Need) (providers.Backend, providers.Object[schema.Job], []providers.Need, error) {
	var job providers.Object[schema.Job]
	b, err := s.backend(id)
	if err != nil {
		return nil, job, nil, err
	}
	o, err := decodeObject(shape{addr.KindJob, schema.Of[schema.Job]()}, in)
	if err != nil {
		return nil, job, nil, providers.Errorf(providers.Invalid, "%w", err)
	}
	needs, err := decodeNeeds(inNeeds)
	if err != nil {
		return nil, job, nil, providers.Errorf(providers.Invalid, "%w", err)
	}
	job, err = typedObject[schema.Job](o)
	return b, job, needs, err
}

func (s *server) StopJob(ctx context.Context, req *pb.StopJobRequest) (*pb.StopJobResponse, error) {
	b, job, needs, err := s.job(req.GetBackend(), req.GetJob(), req.GetNeeds())
	if err != nil {
		return nil, err
	}
	stopper, ok := b.(providers.Stopper)
	if !ok {
		return nil, unsupported("way to stop a job")
	}
	return &pb.StopJobResponse{}, stopper.StopJob(ctx, job, needs, req.GetAbort())
}

func (s *server) JobLogs(req *pb.JobLogsRequest, stream grpc.ServerStreamingServer[pb.JobLogsResponse]) error {
	b, job, needs, err := s.job(req.GetBackend(), req.GetJob(), req.GetNeeds())
	if err != nil {
		return err
	}
	reader, ok := b.(providers.LogReader)
	if !ok {
		return unsupported("logs")
	}
	opts := providers.LogOptions{Follow: req.GetFollow(), Offset: req.GetOffset(), Since: fromNanos(req.GetSinceUnixNanos()), Tail: int(req.GetTail()),
		Attempt: int(req.GetAttempt()), Onward: req.GetOnward(), Diagnose: req.GetDiagnose()}
	out := newGatherer(func(items []*pb.LogEntry) error { return stream.Send(&pb.JobLogsResponse{Items: items}) })
	logsErr := reader.JobLogs(stream.Context(), job, needs, opts, func(e providers.LogEntry) error {
		return out.add(&pb.LogEntry{TimeUnixNanos: toNanos(e.Time), Stream: e.Stream, Text: slices.Clone(e.Text), Next: e.Next, Attempt: int64(e.Attempt)})
	})
	return first(logsErr, out.close())
}

func toNanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func typedObject[T any](o object) (providers.Object[T], error) {
	v, err := schema.Decode[T](o.Value)
	if err != nil {
		return providers.Object[T]{}, providers.Errorf(providers.Invalid, "what was recorded cannot be read: %w", err)
	}
	return providers.Object[T]{ID: o.ID, Value: v, Private: o.Private, Tainted: o.Tainted}, nil
}

func erasedObject[T any](o providers.Object[T]) object {
	return object{ID: o.ID, Value: schema.Encode(o.Value), Private: o.Private, Tainted: o.Tainted}
}

// first returns the first error: of the provider rather than of sending, which often follows from it.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
