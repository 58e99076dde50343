package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/pid1"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// Subcommands of the agent in a container.
const (
	BesideCommand = "beside"
	DialCommand   = "dial"
)

// Inside opens the world of a job's container.
func (r Runtime) Inside(t runtime.Task, of runtime.Handle) runtime.Inside { return inside{r, t, of} }

type inside struct {
	runtime Runtime
	task    runtime.Task
	handle  runtime.Handle
}

// Exec starts a command in the container, as its user.
func (i inside) Exec(ctx context.Context, c runtime.Command) (runtime.Process, error) {
	args := []string{pid1.Program, BesideCommand}
	for _, v := range c.Env {
		args = append(args, "--env", v)
	}
	return i.exec(ctx, append(append(args, "--"), c.Argv...), c.Dir, c.Terminal)
}

// exec starts a program of the container.
func (i inside) exec(ctx context.Context, argv []string, dir string, terminal *runtime.Terminal) (*command, error) {
	if i.handle.Container == "" {
		return nil, errors.New("the job has no container yet, or none any more")
	}
	e, err := i.runtime.open()
	if err != nil {
		return nil, err
	}
	p := &command{engine: e, ended: make(chan struct{}), terminal: terminal != nil}
	if err := p.start(ctx, i.handle.Container, argv, dir, terminal); err != nil {
		e.Close()
		return nil, fmt.Errorf("start a command in the container: %w", err)
	}
	return p, nil
}

// Dial connects from within the container's network. On a network of its own, a copy of the agent's program in the container
// makes the connection, so that what listens on the container's loopback is reached.
func (i inside) Dial(ctx context.Context, address string) (net.Conn, error) {
	if i.task.Spec.Container.Network == api.NetworkHost {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	p, err := i.exec(ctx, []string{pid1.Program, DialCommand, address}, "", nil)
	if err != nil {
		return nil, err
	}
	opened := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(p.Stdout(), make([]byte, 1))
		opened <- err
	}()
	select {
	case err = <-opened:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		said := ""
		if ctx.Err() == nil {
			text, _ := io.ReadAll(io.LimitReader(p.Stderr(), 1000))
			said = ": " + string(text)
		}
		p.Close()
		return nil, fmt.Errorf("connect to %s in the container: %w%s", address, err, said)
	}
	return &conn{p, address}, nil
}

// command is a process in a container, beside the job.
type command struct {
	*engine
	id       string
	stream   client.HijackedResponse
	terminal bool
	out, err *os.File
	ended    chan struct{}
	code     int
	failed   error
	closing  sync.Once
}

func (p *command) start(ctx context.Context, container string, argv []string, dir string, terminal *runtime.Terminal) error {
	var size client.ConsoleSize
	if terminal != nil {
		size = client.ConsoleSize{Height: uint(terminal.Rows), Width: uint(terminal.Columns)}
	}
	err := p.do(ctx, "make a command", func(ctx context.Context) error {
		made, err := p.ExecCreate(ctx, container, client.ExecCreateOptions{
			TTY: p.terminal, ConsoleSize: size, AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: argv, WorkingDir: dir,
		})
		p.id = made.ID
		return err
	})
	if err != nil {
		return err
	}
	err = p.do(ctx, "start a command", func(ctx context.Context) error {
		r, err := p.ExecAttach(ctx, p.id, client.ExecAttachOptions{TTY: p.terminal, ConsoleSize: size})
		p.stream = r.HijackedResponse
		return err
	})
	if err != nil {
		return err
	}
	if terminal != nil {
		// Engines before 23 take the size only of a terminal that is there.
		_ = p.Resize(*terminal)
	}
	// Kernel pipes hold a little, so that who reads the one first is not held back by the other.
	outR, outW, err := os.Pipe()
	if err != nil {
		p.stream.Close()
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		p.stream.Close()
		outR.Close()
		outW.Close()
		return err
	}
	p.out, p.err = outR, errR
	go func() {
		// The end of the command is what counts, however its output ended.
		if p.terminal {
			io.Copy(outW, p.stream.Reader)
		} else {
			stdcopy.StdCopy(outW, errW, p.stream.Reader)
		}
		outW.Close()
		errW.Close()
		p.code, p.failed = p.exit()
		close(p.ended)
	}()
	return nil
}

// exit asks how the command ended, whose output has. The one comes a moment after the other.
func (p *command) exit() (int, error) {
	deadline := time.Now().Add(p.waits.Kill)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var r client.ExecInspectResult
		err := p.ask(context.Background(), "the command", func(ctx context.Context) (err error) {
			r, err = p.ExecInspect(ctx, p.id, client.ExecInspectOptions{})
			return err
		})
		switch {
		case err != nil:
			return 0, err
		case !r.Running:
			return r.ExitCode, nil
		case time.Now().After(deadline):
			return 0, errors.New("the command closed its output and goes on")
		}
		time.Sleep(pause)
	}
}

func (p *command) Stdin() io.WriteCloser { return input{p} }
func (p *command) Stdout() io.Reader     { return p.out }
func (p *command) Stderr() io.Reader     { return p.err }

// input is what a command reads.
type input struct{ p *command }

func (i input) Write(b []byte) (int, error) { return i.p.stream.Conn.Write(b) }

func (i input) Close() error {
	if i.p.terminal {
		return nil
	}
	return i.p.stream.CloseWrite()
}

func (p *command) Resize(t runtime.Terminal) error {
	if !p.terminal {
		return nil
	}
	return p.ask(context.Background(), "another size of a terminal", func(ctx context.Context) error {
		_, err := p.ExecResize(ctx, p.id, client.ExecResizeOptions{Height: uint(t.Rows), Width: uint(t.Columns)})
		return err
	})
}

// Signal sends a signal to the command, which Docker cannot; only an agent that may signal the container's user can.
func (p *command) Signal(sig syscall.Signal) error {
	pid, err := p.pid()
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send a signal to the command: %w", err)
	}
	return nil
}

// pid is the command's process on the machine, 0 if it has ended. It is there a moment after the command was started.
func (p *command) pid() (int, error) {
	deadline := time.Now().Add(p.waits.Ask)
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, 100*time.Millisecond) {
		var r client.ExecInspectResult
		err := p.ask(context.Background(), "the command", func(ctx context.Context) (err error) {
			r, err = p.ExecInspect(ctx, p.id, client.ExecInspectOptions{})
			return err
		})
		if err != nil || r.Running && r.PID > 0 {
			return r.PID, err
		}
		select {
		case <-p.ended:
			return 0, nil
		case <-time.After(pause):
		}
	}
	return 0, errors.New("the command has no process to be signalled")
}

func (p *command) Wait() (int, error) {
	<-p.ended
	return p.code, p.failed
}

// Close kills the command, as far as it can, and lets go of its streams.
func (p *command) Close() error {
	p.closing.Do(func() {
		select {
		case <-p.ended:
		default:
			_ = p.Signal(syscall.SIGKILL) // one that cannot be killed sees its input end
		}
		p.stream.Close()
		p.out.Close()
		p.err.Close()
		<-p.ended
		p.engine.Close()
	})
	return nil
}

// conn is a connection that a command in the container makes.
type conn struct {
	*command
	address string
}

func (c *conn) Read(b []byte) (int, error)         { return c.out.Read(b) }
func (c *conn) Write(b []byte) (int, error)        { return c.stream.Conn.Write(b) }
func (c *conn) CloseWrite() error                  { return c.stream.CloseWrite() }
func (c *conn) LocalAddr() net.Addr                { return c.stream.Conn.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr               { return inner(c.address) }
func (c *conn) SetDeadline(t time.Time) error      { return c.stream.Conn.SetDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.stream.Conn.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.stream.Conn.SetWriteDeadline(t) }

// inner is an address in a container.
type inner string

func (inner) Network() string  { return "tcp" }
func (a inner) String() string { return string(a) }
