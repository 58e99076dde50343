package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Pipe is a command that runs on a machine, with its input and output in our hands.
type Pipe struct {
	l       *Link
	session *ssh.Session
	release func()
	in      io.WriteCloser
	out     *bufio.Reader
	err     *limitedBuffer
	marker  string
}

// mostNoise is how much a login may print before the command that it was asked for begins.
const mostNoise = 1 << 20

// Pipe starts a command of /bin/sh, of one line, whatever the user's login shell is, and returns when it begins: what the machine prints
// before is not its output, and nothing is sent to what is not the command. The end of ctx ends only what is still to come about.
// Whoever opens must close.
func (l *Link) Pipe(ctx context.Context, command string) (*Pipe, error) {
	if strings.ContainsAny(command, "\n\x00") {
		return nil, fmt.Errorf("a command of several lines: %q", command)
	}
	s, release, err := l.session(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pipe{l: l, session: s, release: sync.OnceFunc(release), err: new(limitedBuffer)}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	err = p.begin(command)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		p.release()
		var f *Failure
		if errors.As(err, &f) {
			return nil, f
		}
		return nil, l.failure(ctx, "a command did not begin", err)
	}
	return p, nil
}

func (p *Pipe) begin(command string) error {
	var err error
	if p.in, err = p.session.StdinPipe(); err != nil {
		return err
	}
	out, err := p.session.StdoutPipe()
	if err != nil {
		return err
	}
	p.out = bufio.NewReader(out)
	p.session.Stderr = p.err
	if err := p.session.Start("exec /bin/sh"); err != nil {
		return err
	}
	// A shell may read ahead, so that it gets one line and nothing more until it has said that it has read that.
	p.marker = "dstack-" + token()
	if _, err := fmt.Fprintf(p.in, "echo %[1]s; echo %[1]s >&2; %[2]s\n", p.marker, command); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var said strings.Builder
	for said.Len() < mostNoise {
		line, err := p.out.ReadString('\n')
		if strings.HasSuffix(strings.TrimRight(line, "\r\n"), p.marker) { // what came before may end in no line
			return nil
		}
		said.WriteString(line)
		if err != nil {
			if p.l.ended() || !errors.Is(err, io.EOF) {
				return err
			}
			_ = p.session.Wait()
			said.Write(p.err.Bytes())
			return p.l.noShell(said.String(), "nothing")
		}
	}
	return p.l.noShell(said.String(), "nothing")
}

// noShell is that a login runs no commands.
func (l *Link) noShell(said, otherwise string) *Failure {
	if said = strings.TrimSpace(said); said == "" {
		said = otherwise
	}
	return &Failure{
		Machine: l.m, Step: StepSession,
		What:   fmt.Sprintf("user %s cannot run commands there; the machine said %s", l.m.User, clip(said)),
		Advice: "give the user a shell (chsh), and remove a command= or ForceCommand that stands in the way",
	}
}

// Read reads what the command writes.
func (p *Pipe) Read(b []byte) (int, error) { return p.out.Read(b) }

// ReadLine reads a line of what the command writes, without its end.
func (p *Pipe) ReadLine() (string, error) {
	line, err := p.out.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Write sends to the command.
func (p *Pipe) Write(b []byte) (int, error) { return p.in.Write(b) }

// CloseWrite says that nothing more is sent.
func (p *Pipe) CloseWrite() error { return p.in.Close() }

// Wait returns the command's exit code, 128 and more for signals, and what it wrote as errors. All of its output was read.
func (p *Pipe) Wait(ctx context.Context) (code int, said string, err error) {
	stop := context.AfterFunc(ctx, func() { _ = p.session.Close() })
	defer stop()
	err = p.session.Wait()
	text, _ := after(p.err.Bytes(), p.marker)
	said = strings.TrimSpace(string(text))
	var exit *ssh.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, said, p.l.failure(ctx, "a command did not end in time", context.Cause(ctx))
	case err == nil:
		return 0, said, nil
	case errors.As(err, &exit) && exit.Signal() != "":
		return 128, said, nil
	case errors.As(err, &exit):
		return exit.ExitStatus(), said, nil
	}
	return 0, said, p.l.failure(ctx, "the connection was lost while a command ran", err)
}

// Close ends the command's input and output.
func (p *Pipe) Close() error {
	p.release()
	return nil
}
