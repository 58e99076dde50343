package inside

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/internal/mux"
)

// Types of channels that are served, and one that the helper opens.
const (
	ChannelSession       = "session"
	ChannelTCP           = "direct-tcpip"
	ChannelUnix          = "direct-streamlocal@openssh.com"
	ChannelForwardedTCP  = "forwarded-tcpip"
	ChannelForwardedUnix = "forwarded-streamlocal@openssh.com"
	ChannelAgent         = "auth-agent@openssh.com"
)

// Reasons for which a channel is not opened, of RFC 4254 5.1.
const (
	refusedProhibited = 1
	refusedConnect    = 2
	refusedUnknown    = 3
)

// Options say what the helper finds around it.
type Options struct {
	// Env is the job's environment.
	Env []string
	// Dir is where sessions begin.
	Dir string
	// Self is the path of this program, which can be the shell; empty means that there is no such program.
	Self string
	// SelfArgs go before the arguments of a shell that Self is.
	SelfArgs []string
}

// Stdio runs the helper on the standard input and output of this process until the agent closes them.
func Stdio(self string, selfArgs ...string) error {
	// Read and written without holding a thread, and closed with an effect on those who read.
	for _, fd := range []int{0, 1} {
		if err := unix.SetNonblock(fd, true); err != nil {
			return fmt.Errorf("read from the agent: %w", err)
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	pipes := &stdio{in: os.NewFile(0, "from the agent"), out: os.NewFile(1, "to the agent")}
	return Serve(mux.Serve(pipes), Options{Env: os.Environ(), Dir: dir, Self: self, SelfArgs: selfArgs})
}

// stdio is the two ends of the pipes to the agent.
type stdio struct{ in, out *os.File }

func (s *stdio) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *stdio) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s *stdio) Close() error                { return errors.Join(s.in.Close(), s.out.Close()) }

// server is the helper of one connection.
type server struct {
	conn *mux.Conn
	opts Options
	all  sync.WaitGroup

	mu        sync.Mutex
	listeners map[listened]net.Listener
}

// Serve does what it is asked through a connection until that ends. What it started with a terminal is hung up then.
func Serve(conn *mux.Conn, o Options) error {
	s := &server{conn: conn, opts: o, listeners: map[listened]net.Listener{}}
	s.all.Go(func() {
		for r := range conn.Requests() {
			s.request(r)
		}
	})
	for in := range conn.Incoming() {
		s.all.Go(func() { s.channel(in) })
	}
	s.closeListeners()
	s.all.Wait()
	return conn.Err()
}

// channel serves one channel until it ends. That an answer cannot be sent any more shows as the end of the connection.
func (s *server) channel(in *mux.Incoming) {
	switch in.Kind {
	case ChannelSession:
		ch, err := in.Accept()
		if err != nil {
			return
		}
		newSession(s, ch).serve()
	case ChannelTCP:
		var to struct {
			Host   string
			Port   uint32
			Origin string
			From   uint32
		}
		if err := ssh.Unmarshal(in.Extra, &to); err != nil || to.Port > 65535 {
			in.Refuse(refusedProhibited, "the address cannot be read")
			return
		}
		s.dial(in, "tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	case ChannelUnix:
		var to struct {
			Path     string
			Reserved string
			Unused   uint32
		}
		if err := ssh.Unmarshal(in.Extra, &to); err != nil {
			in.Refuse(refusedProhibited, "the path cannot be read")
			return
		}
		s.dial(in, "unix", to.Path)
	default:
		in.Refuse(refusedUnknown, "channels of type "+in.Kind+" are not known here")
	}
}
