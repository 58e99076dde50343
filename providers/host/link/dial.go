package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// connection is an SSH connection that is kept alive.
type connection struct {
	m       Machine
	client  *ssh.Client
	hostKey HostKey
	through *Link // to the head node
	done    chan struct{}
	rooms   chan struct{} // sessions: an sshd opens ten on one connection
}

const sessions = 8

// dial makes a connection: to the head node first, if there is one. Keys beyond those that a server hears out on one connection
// are tried on others.
func (l *Links) dial(ctx context.Context, m Machine) (*connection, error) {
	g, err := l.guard(m)
	if err != nil {
		return nil, err
	}
	var through *Link
	if m.Jump != nil {
		if through, err = l.Open(ctx, *m.Jump); err != nil {
			if f, ok := errors.AsType[*Failure](err); ok {
				return nil, &Failure{Machine: m, Step: f.Step, Cause: f, What: "its head node: " + f.What, Advice: f.Advice}
			}
			return nil, err
		}
	}
	c, err := l.knock(ctx, m, g, through)
	if err != nil && through != nil {
		through.Close()
	}
	return c, err
}

// knock tries all keys, a few on each connection.
func (l *Links) knock(ctx context.Context, m Machine, g *guard, through *Link) (*connection, error) {
	select {
	case l.dials <- struct{}{}:
		defer func() { <-l.dials }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ids, notes, closed := l.keys(ctx, m)
	defer closed()
	if len(ids) == 0 {
		what := "there is no key to open it with"
		if len(notes) > 0 {
			what += ": " + strings.Join(notes, "; ")
		}
		return nil, &Failure{Machine: m, Step: StepKeys, What: what, Advice: "write identity_file, set DSTACK_IDENTITY_FILE, or add a key to the ssh-agent"}
	}
	var offered []identity
	for rest := ids; len(rest) > 0; {
		now := rest[:min(keysInOneTry, len(rest))]
		rest = rest[len(now):]
		c, tried, err := l.greet(ctx, m, g, through, now)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errKeys) {
			return nil, err
		}
		offered = append(offered, tried...)
	}
	return nil, refused(m, offered, notes)
}

// errKeys is that a server took none of the keys.
var errKeys = errors.New("no key was accepted")

func refused(m Machine, offered []identity, notes []string) *Failure {
	var list []string
	for _, id := range offered {
		text := id.String()
		if w := weak(id.PublicKey()); w != "" {
			text += ", " + w + ", which servers of today refuse"
		}
		list = append(list, text)
	}
	f := &Failure{Machine: m, Step: StepKeys, Cause: errKeys, What: fmt.Sprintf("it accepts none of the keys for user %s", m.User)}
	if len(list) > 0 {
		f.What += ": offered were " + strings.Join(list, ", ")
	}
	if len(notes) > 0 {
		f.What += "; " + strings.Join(notes, "; ")
	}
	f.Advice = fmt.Sprintf("check the user, and add the public key to ~%s/.ssh/authorized_keys there", m.User)
	return f
}

// greet makes one connection and offers the keys on it. tried are those that the server was told of.
func (l *Links) greet(ctx context.Context, m Machine, g *guard, through *Link, ids []identity) (c *connection, tried []identity, err error) {
	conn, err := l.tcp(ctx, m, through)
	if err != nil {
		return nil, nil, err
	}
	heard := &firstWords{Conn: conn}
	// The handshake knows no context: a connection that is closed ends it.
	ctx, cancel := context.WithTimeout(ctx, l.o.Greet)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	signers := make([]ssh.Signer, len(ids))
	for i, id := range ids {
		signers[i] = id.Signer
	}
	var banner []string
	config := &ssh.ClientConfig{
		User: m.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			tried = ids
			return signers, nil
		})},
		HostKeyCallback:   g.check,
		HostKeyAlgorithms: g.algorithms(),
		BannerCallback:    func(text string) error { banner = append(banner, strings.TrimSpace(text)); return nil },
		ClientVersion:     "SSH-2.0-dstack",
	}
	sc, chans, requests, err := ssh.NewClientConn(heard, m.address(), config)
	if !stop() && err == nil {
		_ = sc.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, tried, greetFailure(ctx, m, g, err, len(tried) > 0, banner, heard.String())
	}
	c = &connection{m: m, client: ssh.NewClient(sc, chans, requests), hostKey: g.seen, through: through, done: make(chan struct{}), rooms: make(chan struct{}, sessions)}
	go func() {
		_ = c.client.Wait()
		close(c.done)
		if c.through != nil {
			c.through.Close()
		}
	}()
	go c.keepAlive(l.o.KeepAlive)
	return c, tried, nil
}

func (l *Links) tcp(ctx context.Context, m Machine, through *Link) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.Connect)
	defer cancel()
	if through == nil {
		conn, err := l.o.Dial(ctx, "tcp", m.address())
		if err != nil {
			if l.end.Err() != nil {
				return nil, errClosed
			}
			return nil, dialFailure(m, err)
		}
		return conn, nil
	}
	conn, err := through.dial(ctx, "tcp", m.address())
	if err != nil {
		return nil, jumpFailure(m, err)
	}
	return conn, nil
}

// greetFailure says why a connection did not become an SSH connection of ours.
func greetFailure(ctx context.Context, m Machine, g *guard, err error, asked bool, banner []string, heard string) error {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f // of the host key
	}
	text := err.Error()
	f := &Failure{Machine: m, Step: StepGreet, Cause: err}
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case strings.Contains(text, "unable to authenticate"):
		if len(banner) > 0 {
			return &Failure{Machine: m, Step: StepKeys, Cause: err, What: fmt.Sprintf("it accepts none of the keys for user %s, and says: %s", m.User, strings.Join(banner, " "))}
		}
		return errKeys
	case ctx.Err() != nil:
		f.What = "it took the connection and then said nothing in time"
		f.Advice = "check that it is sshd that listens on this port, and that the machine is not overloaded"
	case errors.As(err, &negotiation) && g.pin != nil && strings.Contains(text, "host key"):
		f.Step = StepHostKey
		f.What = fmt.Sprintf("it has no host key of the kind that it had at first contact (%s)", g.pin.Type())
		f.Advice = "if the machine was set up anew, add its new key to known_hosts, which wins over the state"
	case errors.As(err, &negotiation):
		f.What = "it and dstack have no algorithm in common: " + plain(err)
		f.Advice = "it may run an SSH server that is too old"
	case asked && (errors.Is(err, io.EOF) || strings.Contains(text, "too many authentication failures") || strings.Contains(text, "reset by peer")):
		return errKeys // the server hears out fewer keys than others do
	case heard != "" && !strings.Contains(heard, "SSH-"):
		f.What = "what answers there is no SSH server: it says " + clip(heard)
		f.Advice = "check the port"
	case errors.Is(err, io.EOF), strings.Contains(text, "reset by peer"):
		f.What = "it closed the connection before a word"
		f.Advice = "an sshd does so at too many connections at once (MaxStartups), or when it bans an address"
	default:
		f.What = "the connection could not be set up: " + plain(err)
	}
	return f
}

// firstWords keeps the first that a server says.
type firstWords struct {
	net.Conn
	mu   sync.Mutex
	text []byte
}

func (w *firstWords) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if room := 256 - len(w.text); room > 0 {
		w.text = append(w.text, p[:min(n, room)]...)
	}
	return n, err
}

func (w *firstWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}

// keepAlive closes a connection that gives no sign of life three times in a row.
func (c *connection) keepAlive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	waiting, missed := false, 0
	for {
		select {
		case <-c.done:
			return
		case <-answered:
			waiting, missed = false, 0
		case <-tick.C:
			if waiting {
				if missed++; missed == 3 {
					c.close()
					return
				}
				continue
			}
			waiting = true
			go func() {
				if _, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
					answered <- struct{}{}
				}
			}()
		}
	}
}

func (c *connection) close() { _ = c.client.Close() }

func (c *connection) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
