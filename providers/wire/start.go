package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/dstackai/dstack-planner/providers"
)

// failTime is what a process that failed to become a provider gets to end by itself.
const failTime = 200 * time.Millisecond

// Program says how a provider's process is started.
type Program struct {
	Name    string        // of the provider, for messages: aws
	Path    string        // what is executed
	Argv0   string        // what it is told to be called; "": Path
	Env     []string      // all of its environment; nothing of the host's is added
	Log     *slog.Logger  // where its log lines go; nil: nowhere
	Timeout time.Duration // until it must answer; 0: 30 s
}

// Process is a provider that runs.
type Process struct {
	name   string
	client *plugin.Client
	runner *processRunner
	cc     *grpc.ClientConn
	conn   *Conn
	host   *os.File // while it is open, the provider knows that we live
	tail   *tail
	closed atomic.Bool
}

// CrashError is the cause of every call's error that was in flight when a provider ended by itself.
type CrashError struct {
	Provider string
	Status   string   // exit status 2; signal: killed
	Lines    []string // the last that it wrote
}

func (e *CrashError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "provider %q ended unexpectedly (%s)", e.Provider, e.Status)
	if len(e.Lines) > 0 {
		b.WriteString("; its last lines:")
		for _, l := range e.Lines {
			b.WriteString("\n  " + l)
		}
	}
	return b.String()
}

// Start starts a provider and connects to it. ctx is for the start alone.
func Start(ctx context.Context, p Program) (*Process, error) {
	if p.Timeout == 0 {
		p.Timeout = 30 * time.Second
	}
	tlsConfig, pair, err := newPairs()
	if err != nil {
		return nil, fmt.Errorf("make certificates for provider %q: %w", p.Name, err)
	}
	proc := &Process{name: p.Name, tail: &tail{}}
	take := func(line string) {
		r := parseRecord(line)
		proc.tail.add(r.String())
		r.log(p.Log)
	}
	said := &lines{take: take}
	proc.runner, proc.host, err = newRunner(p, pair, said)
	if err != nil {
		return nil, fmt.Errorf("start provider %q: %w", p.Name, err)
	}
	proc.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake(),
		Plugins:          plugin.PluginSet{pluginName: grpcPlugin{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		TLSConfig:        tlsConfig,
		SkipHostEnv:      true,
		StartTimeout:     p.Timeout,
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       &lines{take: take},
		SyncStderr:       &lines{take: take},
		GRPCDialOptions:  append(dialOptions(), traced(p.Log)...),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: socketHome()},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			proc.runner.cmd.Env = append(proc.runner.cmd.Env, cmd.Env...)
			return proc.runner, nil
		},
	})
	if err := proc.connect(ctx); err != nil {
		_ = proc.Close()
		return nil, proc.startError(ctx, p, err)
	}
	return proc, nil
}

func (p *Process) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, p.runner.kill)()
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(pluginName)
	if err != nil {
		return err
	}
	p.cc = raw.(*grpc.ClientConn)
	p.conn = NewConn(p.cc, p.broken)
	return nil
}

// startError says in our words why a program did not become a provider.
func (p *Process) startError(ctx context.Context, program Program, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("start provider %q: %w", p.name, ctx.Err())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "provider %q could not be started from %s: ", p.name, program.Path)
	exited := p.runner.started() && p.runner.state() != ""
	switch {
	case errors.Is(err, os.ErrPermission):
		b.WriteString("it may not be executed; check its mode and that its folder is not mounted noexec")
	case strings.Contains(err.Error(), "incompatible API version"):
		fmt.Fprintf(&b, "it speaks another protocol than %d, which this dstack needs; install versions that belong together", providers.Protocol)
	case strings.Contains(err.Error(), "timeout while waiting"):
		fmt.Fprintf(&b, "it did not answer within %s", program.Timeout)
	case exited:
		fmt.Fprintf(&b, "it is no dstack provider for this machine, or it failed (%s)", p.runner.state())
		line, _, _ := strings.Cut(err.Error(), "\n")
		if said, ok := strings.CutPrefix(line, "Unrecognized remote plugin message: "); ok && said != "" {
			fmt.Fprintf(&b, "; it printed %.100q", said)
		}
	default:
		first, _, _ := strings.Cut(err.Error(), "\n")
		b.WriteString(first)
	}
	for _, l := range p.tail.lines() {
		b.WriteString("\n  " + l)
	}
	return &providers.Error{Kind: providers.Internal, Message: b.String(), Cause: err}
}

// Conn is the connection to the process.
func (p *Process) Conn() *Conn { return p.conn }

// PID is the number of the process.
func (p *Process) PID() int { return p.runner.pid() }

// Done is closed when the process has ended and all that it wrote is read.
func (p *Process) Done() <-chan struct{} { return p.runner.done }

// Lines are the last lines that the provider wrote, of a crash the first ones.
func (p *Process) Lines() []string { return p.tail.lines() }

// broken explains a call's end: a connection breaks some moments before its process is seen to have ended.
func (p *Process) broken(error) error {
	select {
	case <-p.runner.done:
	case <-time.After(closeTime):
		return nil
	}
	return p.Err()
}

// Err says how the process ended; nil while it runs. Where nobody ended it, the cause is a CrashError.
func (p *Process) Err() error {
	select {
	case <-p.runner.done:
	default:
		return nil
	}
	if p.closed.Load() {
		return providers.Errorf(providers.Internal, "provider %q was ended while it was asked", p.name)
	}
	crash := &CrashError{Provider: p.name, Status: p.runner.state(), Lines: p.tail.lines()}
	return &providers.Error{Kind: providers.Internal, Message: crash.Error(), Cause: crash}
}

// Close ends the process: it is asked to, and killed if it has not ended within a few seconds. It returns when nothing of
// it is left, and may be called again.
func (p *Process) Close() error {
	p.closed.Store(true)
	limit := time.AfterFunc(2*closeTime, p.runner.kill)
	defer limit.Stop()
	p.client.Kill()
	if p.runner.started() {
		p.runner.kill() // what go-plugin gave up on, and any child of the process
		<-p.runner.done
	}
	return errors.Join(ignoreClosed(p.host.Close()), ignoreClosed(p.runner.release()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// socketHome is where folders of sockets are made; "" is the usual place. A socket's path has at most 103 bytes on some
// systems, and go-plugin adds up to 42.
func socketHome() string {
	if len(os.TempDir()) > 60 {
		return "/tmp"
	}
	return ""
}

// processRunner runs a process the way go-plugin wants, with what go-plugin does not do: nothing on standard input, an own
// process group, inherited descriptors, and log lines that cannot harm.
type processRunner struct {
	cmd    *exec.Cmd
	stdout *io.PipeReader
	said   *lines
	files  []*os.File // handed over at the start
	done   chan struct{}

	mu      sync.Mutex
	running bool
	killed  bool // perhaps before it ran
	ended   string
}

func newRunner(p Program, pair []byte, said *lines) (*processRunner, *os.File, error) {
	pairRead, pairWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	// It fits into the pipe, so nobody needs to read yet.
	_, err = pairWrite.Write(pair)
	if err = errors.Join(err, pairWrite.Close()); err != nil {
		_ = pairRead.Close()
		return nil, nil, err
	}
	hostRead, hostWrite, err := os.Pipe()
	if err != nil {
		_ = pairRead.Close()
		return nil, nil, err
	}
	cmd := exec.Command(p.Path)
	if p.Argv0 != "" {
		cmd.Args[0] = p.Argv0
	}
	cmd.Env = append([]string{}, p.Env...)
	cmd.ExtraFiles = []*os.File{pairRead, hostRead} // fdPair, fdHost
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 500 * time.Millisecond // a grandchild may hold standard error open
	stdout, stdoutWrite := io.Pipe()
	cmd.Stdout, cmd.Stderr = stdoutWrite, said
	return &processRunner{cmd: cmd, stdout: stdout, said: said, files: []*os.File{pairRead, hostRead}, done: make(chan struct{})}, hostWrite, nil
}

func (r *processRunner) Start(context.Context) error {
	err := r.cmd.Start()
	if releaseErr := r.release(); err == nil {
		err = releaseErr
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.running = true
	killed := r.killed
	r.mu.Unlock()
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // its state says more
		r.said.Flush()
		r.mu.Lock()
		r.ended = r.cmd.ProcessState.String()
		r.mu.Unlock()
		_ = r.cmd.Stdout.(*io.PipeWriter).Close()
	}()
	if killed {
		r.kill()
	}
	return nil
}

// release closes our copies of what the process inherits.
func (r *processRunner) release() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, ignoreClosed(f.Close()))
	}
	return errors.Join(errs...)
}

func (r *processRunner) started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

func (r *processRunner) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

func (r *processRunner) pid() int {
	if !r.started() {
		return 0
	}
	return r.cmd.Process.Pid
}

// kill ends the process and what it has started within its group.
func (r *processRunner) kill() {
	r.mu.Lock()
	r.killed = true
	r.mu.Unlock()
	if pid := r.pid(); pid > 0 {
		select {
		case <-r.done: // the number may be another's by now
		default:
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
}

func (r *processRunner) Wait(context.Context) error {
	<-r.done
	return nil
}

// Kill gives a process that has failed a moment to end by itself: its exit status says more than that it was killed.
func (r *processRunner) Kill(context.Context) error {
	select {
	case <-r.done:
	case <-time.After(failTime):
	}
	r.kill()
	return nil
}

func (r *processRunner) Stdout() io.ReadCloser { return r.stdout }

// Stderr is empty for go-plugin: the lines are ours.
func (r *processRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (r *processRunner) Name() string { return filepath.Base(r.cmd.Path) }

// ID is never empty, or go-plugin would leave its folder behind when the start fails.
func (r *processRunner) ID() string { return fmt.Sprint(r.pid()) }

func (r *processRunner) Diagnose(context.Context) string { return "" }

func (r *processRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (r *processRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
