package link

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options say who opens machines and how long anything may take. What is zero is taken from the environment by [FromEnvironment],
// or has the value that its comment names.
type Options struct {
	// Home is the user's home folder, with .ssh in it.
	Home string
	// User is who logs in where neither the machine nor ~/.ssh/config says.
	User string
	// Agent is the socket of the ssh-agent.
	Agent string
	// Identity is a private key that is tried for every machine.
	Identity string
	// OwnKey is the private key that dstack made; it need not be there.
	OwnKey string
	// Passphrase asks for the passphrase of a key; nil where there is no terminal.
	Passphrase func(ctx context.Context, file string) ([]byte, error)
	// KnownHosts are files in the form of known_hosts. They need not be there.
	KnownHosts []string

	// Connect is how long a TCP connection may take: 10 s. Greet is how long what follows may take, until a machine
	// is open: 20 s.
	Connect, Greet time.Duration
	// KeepAlive is how often a connection is asked for a sign of life: 15 s. After the third that does not come it is closed.
	KeepAlive time.Duration
	// Dials is how many connections are made at once: 32. Idle is how many are kept that nobody uses: 64.
	Dials, Idle int
	// Dial replaces the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// FromEnvironment fills in what the user's environment says: the home folder, the ssh-agent, the identity of
// DSTACK_IDENTITY_FILE, the key below DSTACK_HOME, and known_hosts.
func FromEnvironment(o Options) Options {
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir()
	}
	if o.User == "" {
		if u, err := user.Current(); err == nil {
			o.User = u.Username
		}
	}
	if o.Agent == "" {
		o.Agent = os.Getenv("SSH_AUTH_SOCK")
	}
	if o.Identity == "" {
		o.Identity = os.Getenv("DSTACK_IDENTITY_FILE")
	}
	if o.OwnKey == "" {
		home := os.Getenv("DSTACK_HOME")
		if home == "" && o.Home != "" {
			home = filepath.Join(o.Home, ".dstack")
		}
		o.OwnKey = filepath.Join(home, "ssh", "id_ed25519")
	}
	if o.KnownHosts == nil {
		o.KnownHosts = []string{"/etc/ssh/ssh_known_hosts"}
		if o.Home != "" {
			o.KnownHosts = append([]string{filepath.Join(o.Home, ".ssh", "known_hosts"), filepath.Join(o.Home, ".ssh", "known_hosts2")}, o.KnownHosts...)
		}
	}
	return o
}

// Links are the open connections of one program. The zero value is not usable; see [New].
type Links struct {
	o     Options
	dials chan struct{}
	end   context.Context
	stop  context.CancelFunc

	unlocking sync.Mutex
	unlocked  map[string]ssh.Signer // by path, of keys with a passphrase

	mu   sync.Mutex
	open map[string]*shared
}

// New has no connection yet. Close ends all.
func New(o Options) *Links {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Connect, 10*time.Second)
	def(&o.Greet, 20*time.Second)
	def(&o.KeepAlive, 15*time.Second)
	if o.Dials <= 0 {
		o.Dials = 32
	}
	if o.Idle <= 0 {
		o.Idle = 64
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	l := &Links{o: o, dials: make(chan struct{}, o.Dials), open: map[string]*shared{}, unlocked: map[string]ssh.Signer{}}
	l.end, l.stop = context.WithCancel(context.Background())
	return l
}

// shared is one connection and those who use it.
type shared struct {
	m      Machine
	ready  chan struct{} // closed when conn or err is there
	conn   *connection
	err    error
	users  int
	unused time.Time
}

var errClosed = errors.New("the program is ending")

// Open returns a connection to a machine: the one that is open, or a new one. Whoever opens must close. An error is a
// [*Failure], or that of ctx.
func (l *Links) Open(ctx context.Context, m Machine) (*Link, error) {
	m, err := l.resolve(m)
	if err != nil {
		return nil, err
	}
	key := m.key()
	for {
		l.mu.Lock()
		if l.end.Err() != nil {
			l.mu.Unlock()
			return nil, &Failure{Machine: m, Step: StepConnect, What: errClosed.Error(), Cause: errClosed}
		}
		s, there := l.open[key]
		if !there {
			s = &shared{m: m, ready: make(chan struct{})}
			l.open[key] = s
			// The first who asks dials, on behalf of all: that it gives up must not be the others' failure.
			go l.dialShared(key, s)
		}
		s.users++
		l.mu.Unlock()
		select {
		case <-s.ready:
		case <-ctx.Done():
			l.release(s)
			return nil, context.Cause(ctx)
		}
		if s.err != nil {
			l.release(s)
			return nil, s.err
		}
		if s.conn.ended() {
			l.forget(key, s)
			l.release(s)
			continue
		}
		return &Link{connection: s.conn, release: sync.OnceFunc(func() { l.release(s) })}, nil
	}
}

func (l *Links) dialShared(key string, s *shared) {
	conn, err := l.dial(l.end, s.m)
	l.mu.Lock()
	s.conn, s.err = conn, err
	l.mu.Unlock()
	if s.err != nil {
		l.forget(key, s)
	}
	close(s.ready)
	if s.err == nil {
		<-s.conn.done
		l.forget(key, s)
	}
}

// forget takes a connection off the list, so that the next who opens the machine dials.
func (l *Links) forget(key string, s *shared) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[key] == s {
		delete(l.open, key)
	}
}

// release says that one user less needs the connection. The one that was unused for longest goes when there are too many.
func (l *Links) release(s *shared) {
	l.mu.Lock()
	s.users--
	s.unused = time.Now()
	var oldest *shared
	idle := 0
	for _, other := range l.open {
		if other.users > 0 || other.conn == nil {
			continue
		}
		idle++
		if oldest == nil || other.unused.Before(oldest.unused) {
			oldest = other
		}
	}
	if idle > l.o.Idle {
		delete(l.open, oldest.m.key())
	} else {
		oldest = nil
	}
	l.mu.Unlock()
	if oldest != nil {
		oldest.conn.close()
	}
}

// Close ends all connections.
func (l *Links) Close() error {
	l.stop()
	l.mu.Lock()
	list := make([]*shared, 0, len(l.open))
	for _, s := range l.open {
		list = append(list, s)
	}
	l.mu.Unlock()
	for _, s := range list {
		<-s.ready
		if s.conn != nil {
			s.conn.close()
		}
	}
	return nil
}
