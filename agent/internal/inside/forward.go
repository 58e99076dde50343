package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/internal/mux"
)

// dialTime bounds how long a connection from within the job may take to come about.
const dialTime = 30 * time.Second

// dial connects a channel to an address of the job's network.
func (s *server) dial(in *mux.Incoming, network, address string) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	go func() {
		select {
		case <-s.conn.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		in.Refuse(refusedConnect, plain(err))
		return
	}
	defer conn.Close()
	ch, err := in.Accept()
	if err != nil {
		return
	}
	join(ch, conn)
}

// plain is an error of the network without the words that only say that it is one.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil && op.Addr != nil {
		return op.Addr.String() + ": " + op.Err.Error()
	}
	return err.Error()
}

// join copies between a channel and a connection until both directions have ended, each with an end of its own.
func join(ch *mux.Channel, conn net.Conn) {
	defer ch.Close()
	go func() {
		for r := range ch.Requests() {
			r.Reply(false, nil)
		}
		conn.Close() // the other side does not wait for the rest
	}()
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(ch, conn)
		ch.CloseWrite()
	})
	both.Go(func() {
		io.Copy(conn, ch)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	})
	both.Wait()
}

// listened is what a listener was asked for, under which it is cancelled.
type listened struct {
	network, address string
	port             uint32
}

// request answers a question about the whole connection.
func (s *server) request(r *mux.Request) {
	switch r.Name {
	case "tcpip-forward", "cancel-tcpip-forward":
		var at struct {
			Address string
			Port    uint32
		}
		if err := ssh.Unmarshal(r.Payload, &at); err != nil || at.Port > 65535 {
			r.Reply(false, nil)
			return
		}
		if r.Name == "cancel-tcpip-forward" {
			r.Reply(s.unlisten(listened{"tcp", at.Address, at.Port}), nil)
			return
		}
		port, err := s.listenTCP(at.Address, at.Port)
		if err != nil {
			r.Reply(false, nil)
			return
		}
		var reply []byte
		if at.Port == 0 {
			reply = ssh.Marshal(struct{ Port uint32 }{port})
		}
		r.Reply(true, reply)
	case "streamlocal-forward@openssh.com", "cancel-streamlocal-forward@openssh.com":
		var at struct{ Path string }
		if err := ssh.Unmarshal(r.Payload, &at); err != nil || !filepath.IsAbs(at.Path) {
			r.Reply(false, nil)
			return
		}
		if r.Name == "cancel-streamlocal-forward@openssh.com" {
			r.Reply(s.unlisten(listened{"unix", at.Path, 0}), nil)
			return
		}
		r.Reply(s.listenUnix(at.Path) == nil, nil)
	default:
		r.Reply(false, nil)
	}
}

// listenTCP listens on a port of the job's own loopback interface, whatever address was asked for: what is forwarded is for
// the job. Port 0 is any.
func (s *server) listenTCP(address string, port uint32) (uint32, error) {
	host := "127.0.0.1"
	if address == "::1" {
		host = "::1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return 0, err
	}
	actual := uint32(l.Addr().(*net.TCPAddr).Port)
	return actual, s.listen(listened{"tcp", address, actual}, l, func(conn net.Conn) (string, []byte) {
		from := conn.RemoteAddr().(*net.TCPAddr)
		return ChannelForwardedTCP, ssh.Marshal(struct {
			Address string
			Port    uint32
			Origin  string
			From    uint32
		}{address, actual, from.IP.String(), uint32(from.Port)})
	})
}

func (s *server) listenUnix(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return err
	}
	return s.listen(listened{"unix", path, 0}, l, func(net.Conn) (string, []byte) {
		return ChannelForwardedUnix, ssh.Marshal(struct{ Path, Reserved string }{path, ""})
	})
}

// listenAgent makes a socket that leads to the user's ssh-agent, and returns its path and what removes it.
func (s *server) listenAgent() (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "dstack-agent-")
	if err != nil {
		if dir, err = os.MkdirTemp("/dev/shm", "dstack-agent-"); err != nil {
			return "", nil, err
		}
	}
	path = filepath.Join(dir, "socket")
	l, err := net.Listen("unix", path)
	if err == nil {
		err = s.listen(listened{"unix", path, 0}, l, func(net.Conn) (string, []byte) { return ChannelAgent, nil })
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return path, func() {
		s.unlisten(listened{"unix", path, 0})
		os.RemoveAll(dir)
	}, nil
}

// listen opens a channel for each connection to a listener.
func (s *server) listen(key listened, l net.Listener, channel func(net.Conn) (kind string, extra []byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.listeners[key]; taken || s.listeners == nil {
		l.Close()
		return fmt.Errorf("%s is forwarded already", key.address)
	}
	s.listeners[key] = l
	s.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() {
				defer conn.Close()
				kind, extra := channel(conn)
				if ch, err := s.conn.Open(kind, extra); err == nil {
					join(ch, conn)
				}
			})
		}
	})
	return nil
}

func (s *server) unlisten(key listened) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.listeners[key]
	if ok {
		delete(s.listeners, key)
		l.Close()
	}
	return ok
}

func (s *server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
}
