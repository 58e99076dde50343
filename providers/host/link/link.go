package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// Link is a connection to a machine, shared with others who opened it.
type Link struct {
	*connection
	release func()
}

// Close says that this user needs the connection no more. It stays open for the next for a while.
func (l *Link) Close() { l.release() }

// Machine is the machine with what ~/.ssh/config says of it.
func (l *Link) Machine() Machine { return l.m }

// HostKey is the key by which the machine was known.
func (l *Link) HostKey() HostKey { return l.hostKey }

// Lost is closed when the connection is gone.
func (l *Link) Lost() <-chan struct{} { return l.done }

// Dial connects to what listens on the machine, or on what it reaches: network is "tcp", or "unix" for a socket of the user
// who logged in.
func (l *Link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, l.failure(ctx, fmt.Sprintf("%s there cannot be reached", address), err)
	}
	return conn, nil
}

func (c *connection) dial(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	got := make(chan result, 1)
	go func() {
		conn, err := c.client.DialContext(ctx, network, address)
		got <- result{conn, err}
	}()
	select {
	case r := <-got:
		return r.conn, r.err
	case <-c.done:
		return nil, io.EOF
	}
}

// Output is what a script wrote, without what the machine's shell says to everybody who logs in.
type Output struct {
	Stdout, Stderr []byte
	// Code is the script's exit code, 128 and more for signals.
	Code int
}

// mostOutput is how much a script may write: scripts are ours, and answer in lines.
const mostOutput = 8 << 20

// Script runs a script of /bin/sh on the machine, whatever the user's login shell is. A script that ends with another code
// than 0 is no error. It ends with ctx, and then what it has started goes on.
func (l *Link) Script(ctx context.Context, script string) (*Output, error) {
	marker := "dstack-" + token()
	// The script comes by stdin, so that no login shell reads it; the marker tells it from what the shell prints before.
	text := fmt.Sprintf("echo %[1]s; echo %[1]s >&2\n(\n%[2]s\n) </dev/null\nexit $?\n", marker, script)
	var out, errOut limitedBuffer
	code, err := l.run(ctx, "exec /bin/sh", strings.NewReader(text), &out, &errOut)
	if err != nil {
		return nil, err
	}
	stdout, began := after(out.Bytes(), marker)
	stderr, _ := after(errOut.Bytes(), marker)
	switch {
	case !began:
		return nil, l.noShell(string(append(out.Bytes(), errOut.Bytes()...)), fmt.Sprintf("nothing, and ended with code %d", code))
	case out.full || errOut.full:
		return nil, &Failure{Machine: l.m, Step: StepSession, What: fmt.Sprintf("a command wrote more than %d MiB", mostOutput>>20)}
	}
	return &Output{Stdout: stdout, Stderr: stderr, Code: code}, nil
}

// run runs one command in a session of its own.
func (l *Link) run(ctx context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	s, done, err := l.session(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s.Stdin, s.Stdout, s.Stderr = stdin, stdout, stderr
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	err = s.Run(command)
	var exit *ssh.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, l.failure(ctx, "a command did not end in time", context.Cause(ctx))
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Signal() != "":
		return 128, nil
	case errors.As(err, &exit):
		return exit.ExitStatus(), nil
	}
	return 0, l.failure(ctx, "the connection was lost while a command ran", err)
}

// session opens a session, and waits for room if there are as many as a server opens.
func (l *Link) session(ctx context.Context) (*ssh.Session, func(), error) {
	select {
	case l.rooms <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	case <-l.done:
		return nil, nil, l.failure(ctx, "the connection was lost", io.EOF)
	}
	free := func() { <-l.rooms }
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		s, err := l.newSession(ctx)
		if err == nil {
			return s, func() { _ = s.Close(); free() }, nil
		}
		// A server may allow fewer sessions than we use (MaxSessions): ours that end make room.
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) && refused.Reason == ssh.Prohibited && (len(l.rooms) > 1 || wait < 200*time.Millisecond) {
			select {
			case <-time.After(wait):
				continue
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		free()
		return nil, nil, l.failure(ctx, "it opened no session", err)
	}
}

// newSession opens a session; one that comes after ctx has ended is closed.
func (l *Link) newSession(ctx context.Context) (*ssh.Session, error) {
	type result struct {
		s   *ssh.Session
		err error
	}
	got := make(chan result, 1)
	go func() {
		s, err := l.client.NewSession()
		got <- result{s, err}
	}()
	select {
	case r := <-got:
		return r.s, r.err
	case <-ctx.Done():
		go func() {
			if r := <-got; r.err == nil {
				_ = r.s.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// Files opens the machine's files by SFTP. Whoever opens must call close.
func (l *Link) Files(ctx context.Context) (files *sftp.Client, close func(), err error) {
	s, done, err := l.session(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	fail := func(err error) (*sftp.Client, func(), error) {
		stop()
		done()
		f := l.failure(ctx, "it has no SFTP", err)
		f.Advice = "set Subsystem sftp internal-sftp in its sshd_config, and let the login shell print nothing when it is not interactive"
		return nil, nil, f
	}
	in, err := s.StdinPipe()
	if err != nil {
		return fail(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		return fail(err)
	}
	files, err = sftp.NewClientPipe(out, in, sftp.UseConcurrentWrites(true))
	if err != nil {
		return fail(err)
	}
	return files, func() {
		stop()
		_ = files.Close()
		done()
	}, nil
}

func (l *Link) failure(ctx context.Context, what string, err error) *Failure {
	if l.ended() && ctx.Err() == nil {
		what = "the connection was lost"
	} else if err != nil && !timedOut(err) && !errors.Is(err, context.Canceled) {
		what += ": " + plain(err)
	}
	return &Failure{Machine: l.m, Step: StepSession, What: what, Cause: err}
}

// after is what follows the line that is the marker.
func after(text []byte, marker string) ([]byte, bool) {
	_, rest, found := bytes.Cut(text, []byte(marker+"\n"))
	return rest, found
}

func token() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// clip makes what a machine said fit for a sentence.
func clip(said string) string {
	said = strings.Join(strings.Fields(said), " ")
	if len(said) > 300 {
		said = strings.ToValidUTF8(said[:300], "") + "..."
	}
	return fmt.Sprintf("%q", said)
}

// limitedBuffer takes so much and drops the rest, so that a machine cannot fill our memory.
type limitedBuffer struct {
	bytes.Buffer
	full bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	room := mostOutput - b.Len()
	if len(p) > room {
		b.full = true
		b.Buffer.Write(p[:max(0, room)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
