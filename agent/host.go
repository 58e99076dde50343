package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/setup"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// runHost is what the program does on a machine that is reached from elsewhere: it installs itself, serves, and takes itself away.
func runHost(ctx context.Context, s streams, args []string) error {
	verbs := map[string]func(context.Context, streams, setup.Place, bool) error{
		"install": hostInstall, "remove": hostRemove, "serve": hostServe, "keep": hostKeep, "connect": hostConnect,
		"keys": func(_ context.Context, s streams, _ setup.Place, _ bool) error { return setup.RunKeyEdit(s.in, s.out) },
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return fmt.Errorf("%w: host takes one of install, remove, serve, keep, connect and keys", errUsage)
	}
	var p setup.Place
	var tied bool
	if err := flags(s, "host "+args[0], args[1:], func(f *flag.FlagSet) {
		f.StringVar(&p.Root, "root", "", "folder that stands for / of the machine")
		f.BoolVar(&tied, "tied", false, "started by keep: serve only as long as the input is open")
	}); err != nil {
		return err
	}
	var err error
	if p.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return verbs[args[0]](ctx, s, p, tied)
}

// hostInstall reads an api.HostSpec and answers with an api.HostReport. It goes on when whoever asked is gone.
func hostInstall(ctx context.Context, s streams, p setup.Place, _ bool) error {
	var spec api.HostSpec
	if err := json.NewDecoder(s.in).Decode(&spec); err != nil {
		return fmt.Errorf("read what to install: %w", err)
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	report, err := setup.Install(ctx, p, spec)
	return answerHost(s, report, err)
}

// hostRemove reads an api.HostRemoval and answers with an api.HostReport.
func hostRemove(ctx context.Context, s streams, p setup.Place, _ bool) error {
	var want api.HostRemoval
	if err := json.NewDecoder(s.in).Decode(&want); err != nil {
		return fmt.Errorf("read what to remove: %w", err)
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	report, err := setup.Remove(ctx, p, want)
	return answerHost(s, report, err)
}

func answerHost(s streams, report api.HostReport, err error) error {
	if err != nil {
		if !errors.As(err, &report.Error) {
			report.Error = api.Errorf(api.KindInternal, "%v", err)
		}
	}
	return json.NewEncoder(s.out).Encode(report)
}

// hostServe is the agent of a machine that was installed.
func hostServe(ctx context.Context, s streams, p setup.Place, tied bool) error {
	record, err := p.Record()
	if err != nil {
		return err
	}
	if record == nil {
		return errors.New("this machine was not installed as a host of jobs")
	}
	socket, err := p.RunFolder()
	if err != nil {
		return err
	}
	env := map[string]string{}
	for _, v := range p.Environ(os.Environ()) {
		for i := range v {
			if v[i] == '=' {
				env[v[:i]] = v[i+1:]
				break
			}
		}
	}
	for name, value := range env {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s in the agent's environment: %w", name, err)
		}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if tied {
		lock := setup.Held()
		defer runtime.KeepAlive(lock) // free when this process is gone, and not before
		go func() {
			_, _ = io.Copy(io.Discard, s.in)
			stop()
		}()
	}
	return Serve(ctx, Options{
		Dir: p.Dir(), Blocks: record.Blocks, DockerHost: os.Getenv("DOCKER_HOST"), Logger: slog.New(slog.NewTextHandler(s.err, nil)),
		Owner: &record.Owner, Login: &Login{Dir: socket, UID: record.Login.UID, GID: record.Login.GID},
		Started: func() error { return p.Serving(*record) },
	})
}

// hostKeep keeps the agent running where there is no systemd. It is started by this program only, with its lock.
func hostKeep(ctx context.Context, _ streams, p setup.Place, _ bool) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return setup.Keep(ctx, p, setup.Held())
}

// wakeWait is how long an agent is waited for that was just started, as after a start of the machine.
const wakeWait = 20 * time.Second

// hostConnect joins its input and output with the agent, after a line that says that it does. It is for logins that cannot reach the
// agent's socket through their SSH server.
func hostConnect(ctx context.Context, s streams, p setup.Place, _ bool) error {
	conn, err := sock.Dial(ctx, p.Dir(), api.AgentSocket)
	if err != nil && os.Geteuid() == 0 {
		conn, err = wake(ctx, p)
	}
	if err != nil {
		fmt.Fprintln(s.out, api.HostNotRunning)
		return fmt.Errorf("no agent runs: %w", err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(s.out, api.HostConnected); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, s.in)
		if half, ok := conn.(*net.UnixConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(s.out, conn)
	return err
}

// wake starts the agent where it should run, and connects to it.
func wake(ctx context.Context, p setup.Place) (net.Conn, error) {
	record, err := p.Record()
	if err != nil || record == nil || record.Removing {
		return nil, errors.Join(err, errors.New("it is not installed"))
	}
	if err := setup.Wake(p); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wakeWait)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		conn, err := sock.Dial(ctx, p.Dir(), api.AgentSocket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Login is the user of the machine who may use the agent besides the agent's own: the one who comes by SSH.
type Login struct {
	// Dir is the folder of a socket for this user.
	Dir      string
	UID, GID int
}

// listen makes the login's socket.
func (l *Login) listen() (net.Listener, error) {
	listener, err := sock.Listen(l.Dir, api.AgentSocket)
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", l.Dir, err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(l.Dir, api.AgentSocket), l.UID, l.GID); err != nil {
			listener.Close()
			return nil, err
		}
	}
	return listener, nil
}
