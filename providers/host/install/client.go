package install

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers/host/link"
)

// Client is the agent of a machine. Its connections share that of the machine, which is made anew when it was lost. Where no agent
// runs its errors are client.ErrNotRunning; where the machine is not reached they are a *link.Failure.
func (i *Installer) Client(links *link.Links, m link.Machine) *client.Client {
	return client.NewWithDialer("agent of "+m.String(), func(ctx context.Context) (net.Conn, error) {
		l, err := links.Open(ctx, m)
		if err != nil {
			return nil, err
		}
		conn, err := i.reach(ctx, l)
		if err != nil {
			l.Close()
			return nil, err
		}
		return &linked{Conn: conn, release: sync.OnceFunc(l.Close)}, nil
	})
}

// linked is a connection that needs that of its machine until it is closed.
type linked struct {
	net.Conn
	release func()
}

func (c *linked) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite ends what is sent, where the connection can.
func (c *linked) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// reach connects to the agent: by the login's socket, else through the agent's own program, which also starts an agent that should run
// and does not.
func (i *Installer) reach(ctx context.Context, l *link.Link) (net.Conn, error) {
	conn, first := l.Dial(ctx, "unix", i.o.Root+api.HostSocket)
	if first == nil {
		return conn, nil
	}
	select {
	case <-l.Lost():
		return nil, first
	case <-ctx.Done():
		return nil, first
	default:
	}
	root := ""
	if i.o.Root != "" {
		root = " --root " + quote(i.o.Root)
	}
	program := quote(i.o.Root + api.HostProgram)
	p, err := l.Pipe(ctx, fmt.Sprintf(`[ -x %[1]s ] || { echo '%[3]s'; exit 1; }; [ "$(id -u)" = 0 ] && exec %[1]s host connect%[2]s; exec sudo -n %[1]s host connect%[2]s`, program, root, api.HostNotRunning))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	line, err := p.ReadLine()
	switch {
	case !stop():
		_ = p.Close()
		return nil, context.Cause(ctx)
	case line == api.HostConnected:
		return &piped{Pipe: p}, nil
	}
	defer p.Close()
	if line == api.HostNotRunning {
		return nil, client.ErrNotRunning
	}
	code, said, werr := p.Wait(ctx)
	if werr != nil {
		return nil, werr
	}
	return nil, &Refusal{
		Machine: l.Machine(), Why: Failed, Cause: errors.Join(first, err),
		What: fmt.Sprintf("its agent cannot be reached, neither by its socket (%v) nor by its program, which ended with code %d and said %q", first, code, clip(line+" "+said)),
	}
}

// piped is a connection over a command's input and output.
type piped struct{ *link.Pipe }

func (piped) LocalAddr() net.Addr              { return pipeAddr{} }
func (piped) RemoteAddr() net.Addr             { return pipeAddr{} }
func (piped) SetDeadline(time.Time) error      { return errNoDeadline }
func (piped) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (piped) SetWriteDeadline(time.Time) error { return errNoDeadline }

var errNoDeadline = errors.New("a command's input has no deadline")

type pipeAddr struct{}

func (pipeAddr) Network() string { return "ssh" }
func (pipeAddr) String() string  { return "dstack-agent host connect" }
