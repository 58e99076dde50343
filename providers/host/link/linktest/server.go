// Package linktest answers one question: what does an SSH server do that is not as it should be?
//
// [Serve] starts a server in the test's own process that opens shells, copies files and forwards connections, and goes wrong in
// the ways that its options name. It stands beside a real sshd in tests, not for it.
package linktest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// Options are who is let in, and what goes wrong.
type Options struct {
	// HostKey is made when it is nil.
	HostKey ssh.Signer
	// User is the only one who is let in; anybody when it is empty.
	User string
	// Keys are let in.
	Keys []ssh.PublicKey
	// MostKeys is how many keys a client may offer before it is thrown out: six, as an sshd does.
	MostKeys int
	// Shell runs commands, as SHELL -c COMMAND: /bin/sh. What it prints before is in Noise.
	Shell string
	Noise string
	// Env is the environment of commands.
	Env []string

	// Silent takes connections and says nothing. Delay waits with the first word of each.
	Silent bool
	Delay  time.Duration
	// NoForwarding refuses to connect to anything.
	NoForwarding bool
	// NoSFTP refuses the subsystem.
	NoSFTP bool
	// MostSessions is how many sessions one connection may have: ten, as with an sshd.
	MostSessions int
	// Speechless never answers what a client asks of the connection itself, such as a sign of life.
	Speechless func() bool
}

// Server is an SSH server of a test.
type Server struct {
	Host    string
	Port    int
	HostKey ssh.PublicKey
	// Connections counts those that came, Sessions the sessions on them.
	Connections, Sessions atomic.Int64

	o        Options
	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// Key makes a key pair.
func Key(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

// Serve starts a server that ends with the test.
func Serve(t testing.TB, o Options) *Server {
	t.Helper()
	if o.HostKey == nil {
		o.HostKey = Key(t)
	}
	if o.MostKeys == 0 {
		o.MostKeys = 6
	}
	if o.MostSessions == 0 {
		o.MostSessions = 10
	}
	if o.Shell == "" {
		o.Shell = "/bin/sh"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().(*net.TCPAddr)
	s := &Server{Host: "127.0.0.1", Port: address.Port, HostKey: o.HostKey.PublicKey(), o: o, listener: listener, open: map[net.Conn]bool{}}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.Connections.Add(1)
			s.mu.Lock()
			s.open[conn] = true
			s.mu.Unlock()
			wait.Go(func() {
				s.serve(conn)
				s.mu.Lock()
				delete(s.open, conn)
				s.mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.Drop()
		wait.Wait()
	})
	return s
}

// Drop cuts all connections.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close()
	}
}

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	if s.o.Silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	time.Sleep(s.o.Delay)
	config := &ssh.ServerConfig{
		MaxAuthTries: s.o.MostKeys,
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if s.o.User != "" && meta.User() != s.o.User {
				return nil, errors.New("no such user")
			}
			if cert, ok := key.(*ssh.Certificate); ok {
				key = cert.Key
			}
			for _, k := range s.o.Keys {
				if string(k.Marshal()) == string(key.Marshal()) {
					return nil, nil
				}
			}
			return nil, errors.New("no such key")
		},
	}
	config.AddHostKey(s.o.HostKey)
	sc, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for r := range requests {
			if s.o.Speechless != nil && s.o.Speechless() {
				continue
			}
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}()
	var sessions atomic.Int64
	for c := range channels {
		switch c.ChannelType() {
		case "session":
			if sessions.Add(1) > int64(s.o.MostSessions) {
				sessions.Add(-1)
				_ = c.Reject(ssh.Prohibited, "open failed")
				continue
			}
			s.Sessions.Add(1)
			channel, requests, err := c.Accept()
			if err != nil {
				continue
			}
			go func() {
				defer sessions.Add(-1)
				s.session(ctx, channel, requests)
			}()
		case "direct-tcpip":
			var to struct {
				Host string
				Port uint32
				From string
				FP   uint32
			}
			if s.o.NoForwarding || ssh.Unmarshal(c.ExtraData(), &to) != nil {
				_ = c.Reject(ssh.Prohibited, "administratively prohibited: open failed")
				continue
			}
			go forward(c, "tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
		case "direct-streamlocal@openssh.com":
			var to struct {
				Path string
				A    string
				B    uint32
			}
			if s.o.NoForwarding || ssh.Unmarshal(c.ExtraData(), &to) != nil {
				_ = c.Reject(ssh.Prohibited, "open failed")
				continue
			}
			go forward(c, "unix", to.Path)
		default:
			_ = c.Reject(ssh.UnknownChannelType, "unknown channel type")
		}
	}
	_ = sc.Wait()
}

func forward(c ssh.NewChannel, network, address string) {
	to, err := net.Dial(network, address)
	if err != nil {
		_ = c.Reject(ssh.ConnectionFailed, strings.TrimPrefix(err.Error(), "dial "))
		return
	}
	defer to.Close()
	channel, requests, err := c.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(to, channel)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(channel, to)
	_ = channel.CloseWrite()
}

func (s *Server) session(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	for r := range requests {
		switch r.Type {
		case "exec":
			var exec struct{ Command string }
			_ = ssh.Unmarshal(r.Payload, &exec)
			_ = r.Reply(true, nil)
			work.Go(func() {
				code := s.run(ctx, channel, exec.Command)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
				_ = channel.Close()
			})
		case "subsystem":
			if s.o.NoSFTP {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, nil)
			work.Go(func() {
				if server, err := sftp.NewServer(channel); err == nil {
					_ = server.Serve()
				}
				_ = channel.Close()
			})
		default:
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}
	cancel()
	work.Wait()
}

func (s *Server) run(ctx context.Context, channel ssh.Channel, command string) int {
	_, _ = io.WriteString(channel, s.o.Noise)
	cmd := exec.CommandContext(ctx, s.o.Shell, "-c", command)
	cmd.Env = append(os.Environ(), s.o.Env...)
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_, _ = fmt.Fprintln(channel.Stderr(), err)
		return 127
	}
	go func() {
		_, _ = io.Copy(in, channel)
		_ = in.Close()
	}()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode() & 0xff
}
