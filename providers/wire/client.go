package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

// Conn is a connection to a provider's process. Two calls that get the same Conn reach the same process.
type Conn struct {
	rpc pb.ProviderClient
	// Broken says why the connection broke, nil if it does not know. It may wait a moment for the process to end.
	Broken func(error) error
}

// NewConn wraps a gRPC connection. broken may be nil.
func NewConn(cc grpc.ClientConnInterface, broken func(error) error) *Conn {
	return &Conn{rpc: pb.NewProviderClient(cc), Broken: broken}
}

// NewClient returns the provider that connect leads to. connect is asked before every call and may give another
// connection than before, to a process that took the place of one that ended: open backends are then opened again, with
// the configuration they were opened with, before the call goes on. Calls that were in flight are not repeated.
//
// The provider is a providers.Prober; Probe of a provider that is none returns errors.ErrUnsupported.
func NewClient(connect func(context.Context) (*Conn, error)) providers.Provider {
	return &client{connect}
}

type client struct {
	connect func(context.Context) (*Conn, error)
}

func (c *client) Describe(ctx context.Context) (providers.Description, error) {
	var d providers.Description
	conn, err := c.connect(ctx)
	if err != nil {
		return d, err
	}
	resp, err := conn.rpc.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return d, fromStatus(ctx, conn, err)
	}
	if err := json.Unmarshal(resp.GetDescription(), &d); err != nil {
		return d, providers.Errorf(providers.Internal, "the provider's description cannot be read: %w", err)
	}
	return d, nil
}

func (c *client) Probe(ctx context.Context, w io.Writer) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.rpc.Probe(ctx, &pb.ProbeRequest{})
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
		if _, err := w.Write(resp.GetText()); err != nil {
			return err
		}
	}
}

func (c *client) Open(ctx context.Context, config providers.BackendConfig) (providers.Backend, error) {
	b := &backend{client: c, config: config, lock: make(chan struct{}, 1)}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := b.open(ctx, conn)
	if err != nil {
		return nil, err
	}
	b.identity, b.kinds, b.renames, b.imports = resp.GetIdentity(), resp.GetKinds(), resp.GetRenames(), resp.GetImports()
	b.connects = resp.GetConnects()
	return b.withAbilities(resp), nil
}

// backend is an open handle that outlives the process it was opened in.
type backend struct {
	client   *client
	config   providers.BackendConfig
	identity string
	kinds    []string
	renames  bool
	connects bool
	imports  bool

	lock chan struct{} // of what follows; a channel, so that who waits for a slow Open can give up
	conn *Conn
	id   uint64
}

// open opens the backend on a connection.
func (b *backend) open(ctx context.Context, conn *Conn) (*pb.OpenResponse, error) {
	config, err := json.Marshal(&b.config)
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "encode the configuration of backend %q: %w", b.config.Name, err)
	}
	paths, err := json.Marshal(&b.config.Paths)
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "encode the paths of backend %q: %w", b.config.Name, err)
	}
	resp, err := conn.rpc.Open(ctx, &pb.OpenRequest{Config: config, Paths: paths})
	if err != nil {
		return nil, fromStatus(ctx, conn, err)
	}
	b.conn, b.id = conn, resp.GetBackend()
	return resp, nil
}

// at returns a live connection and the backend's number there.
func (b *backend) at(ctx context.Context) (*Conn, uint64, error) {
	conn, err := b.client.connect(ctx)
	if err != nil {
		return nil, 0, err
	}
	select {
	case b.lock <- struct{}{}:
		defer func() { <-b.lock }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	if conn == b.conn {
		return conn, b.id, nil
	}
	resp, err := b.open(ctx, conn)
	if err != nil {
		return nil, 0, fmt.Errorf("open backend %q again after its provider ended: %w", b.config.Name, err)
	}
	if resp.GetIdentity() != b.identity {
		b.conn = nil
		return nil, 0, providers.Errorf(providers.Conflict, "backend %q was opened again after its provider ended and is now account %q instead of %q",
			b.config.Name, resp.GetIdentity(), b.identity)
	}
	return conn, b.id, nil
}

func (b *backend) Identity() string { return b.identity }

func (b *backend) Instances() providers.Resource[schema.Instance] {
	return kindOf[schema.Instance](b, addr.KindInstance)
}

func (b *backend) Volumes() providers.Resource[schema.Volume] {
	return kindOf[schema.Volume](b, addr.KindVolume)
}

func (b *backend) Gateways() providers.Resource[schema.Gateway] {
	return kindOf[schema.Gateway](b, addr.KindGateway)
}

func (b *backend) Jobs() providers.Resource[schema.Job] {
	return kindOf[schema.Job](b, addr.KindJob)
}

func (b *backend) Supports() providers.Resource[schema.Support] {
	return kindOf[schema.Support](b, addr.KindSupport)
}

// Close closes the handle where it is open. A process that has ended has closed it.
func (b *backend) Close() error {
	b.lock <- struct{}{}
	conn, id := b.conn, b.id
	b.conn = nil
	<-b.lock
	if conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if _, err := conn.rpc.Close(ctx, &pb.CloseRequest{Backend: id}); err != nil {
		return fmt.Errorf("close backend %q: %w", b.config.Name, fromStatus(ctx, conn, err))
	}
	return nil
}

func kindOf[T any](b *backend, kind string) providers.Resource[T] {
	if !slices.Contains(b.kinds, kind) {
		return nil
	}
	o, err := shapeOf(kind)
	if err != nil {
		return nil
	}
	return typed[T]{kindClient{b, o}}
}
