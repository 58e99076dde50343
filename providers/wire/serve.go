package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/dstackai/dstack-planner/providers"
)

// The descriptors that a provider is started with, beside the first three.
const (
	fdPair = 3 // its certificates, to read until the end
	fdHost = 4 // open for as long as its host lives; nothing is ever written
)

// Exit codes of a provider's program. ExitUsage is that of one run by hand.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 64
)

// What canceled calls get to come to their end: when the host is gone, and when it ends the provider and waits.
const (
	shutdownTime = 2 * time.Second
	endTime      = time.Second
)

const (
	cookieKey   = "DSTACK_PROVIDER_HOST"
	cookieValue = "3b9f0d1c-dstack-provider"
	pluginName  = "provider"
	socketDir   = "PLUGIN_UNIX_SOCKET_DIR" // set by go-plugin
)

func handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: providers.Protocol, MagicCookieKey: cookieKey, MagicCookieValue: cookieValue}
}

// Serve makes the running program a provider and returns its exit code when its host has ended it, when the host is gone,
// or when ctx ends. It is all that a provider's main does:
//
//	func main() { os.Exit(wire.Serve(context.Background(), local.New())) }
//
// While it serves, SIGINT belongs to the host, and what the program prints are log lines: those of Logger, or plain text.
func Serve(ctx context.Context, p providers.Provider) int {
	if os.Getenv(cookieKey) != cookieValue {
		name := filepath.Base(os.Args[0])
		fmt.Fprintf(os.Stderr, "%s is a part of dstack that dstack starts itself; there is nothing to run here by hand.\n"+
			"To see what it can do, run:\n\n  dstack providers\n", name)
		return ExitUsage
	}
	// Children must not inherit the descriptors. Signals are caught and not ignored, because ignoring is inherited. Without
	// SIGPIPE, the first line that is logged after the host is gone would end the process before it has cleaned up.
	syscall.CloseOnExec(fdPair)
	syscall.CloseOnExec(fdHost)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGPIPE)
	defer signal.Stop(signals)

	stderr := os.Stderr
	pair := os.NewFile(fdPair, "certificates")
	config, err := readPair(pair)
	_ = pair.Close()
	if err != nil {
		fmt.Fprintf(stderr, "read the certificates that the host should hand over: %v\n", err)
		return ExitError
	}
	return serve(ctx, p, config, stderr)
}

func serve(ctx context.Context, p providers.Provider, config *tls.Config, stderr *os.File) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newServer(ctx, p)
	// go-plugin has put pipes in place of os.Stdout and os.Stderr, and carries what is printed over the connection; the last
	// words before a crash are lost there. Both become log lines instead. go-plugin is done with them when calls come.
	s.begin = func() { os.Stdout, os.Stderr = stderr, stderr }
	made := make(chan *grpc.Server, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: handshake(),
			Plugins:         plugin.PluginSet{pluginName: grpcPlugin{}},
			TLSProvider:     func() (*tls.Config, error) { return config, nil },
			Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: stderr, JSONFormat: true}),
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
				g := s.grpcServer(opts...)
				made <- g
				return g
			},
		})
	}()
	host := make(chan struct{})
	go func() {
		defer close(host)
		_, _ = io.Copy(io.Discard, os.NewFile(fdHost, "host"))
	}()

	limit := shutdownTime
	gone := false
	select {
	case <-done: // the host said so, and does not wait as long
		limit = endTime
	case <-host:
		gone = true
	case <-ctx.Done():
	}
	cancel()
	wait(limit, s.calls.Wait)
	wait(limit/4, func() { _ = s.closeAll() })
	select {
	case g := <-made:
		g.Stop()
		wait(limit/4, func() { <-done })
	default: // not even the listener could be made; it is logged
		return ExitError
	}
	if dir := os.Getenv(socketDir); gone && dir != "" {
		_ = os.Remove(dir) // the host would have; it is empty by now
	}
	return ExitOK
}

// wait runs f and returns when it has or when the time is over. f goes on in that case: the process is about to end.
func wait(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// grpcPlugin ties our service to go-plugin: the server has it already, the client wants the bare connection.
type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, cc *grpc.ClientConn) (any, error) {
	return cc, nil
}
