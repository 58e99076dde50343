package wire

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dstackai/dstack-planner/providers"
)

const (
	window    = 4 << 20 // how much of a message may be under way before the other side has taken any of it
	closeTime = 2 * time.Second
	maxKeys   = 4096 // keys of one piece of Find
)

// InProcess returns the provider as it is at the far end of a wire, in this process: through the same encoding, streams
// and limits, without certificates and without a second process. close ends the calls that still run.
func InProcess(p providers.Provider) (far providers.Provider, closeBoth func()) {
	base, cancel := context.WithCancel(context.Background())
	s := newServer(base, p)
	g := s.grpcServer()
	listener := bufconn.Listen(1 << 20)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = g.Serve(listener) // ends with Stop
	}()
	cc, err := grpc.NewClient("passthrough:in-process", append(dialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		panic("wire: " + err.Error()) // the target is a constant
	}
	conn := NewConn(cc, nil)
	return NewClient(func(context.Context) (*Conn, error) { return conn, nil }), func() {
		cancel()
		_ = cc.Close()
		g.Stop()
		s.calls.Wait()
		<-served
		_ = s.closeAll()
	}
}

func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
	}
}
