package cli

import (
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// forward is a port of a job that is to be reached here.
type forward struct {
	job   int
	local int
	exact bool // the local port was asked for, and no other will do
}

// forwardsOf are the ports that a job's block names.
func forwardsOf(j schema.Job) []forward {
	var out []forward
	for _, p := range j.Ports {
		local, exact := p.Local()
		if !exact {
			local = p.Container()
		}
		out = append(out, forward{p.Container(), local, exact && local != p.Container()})
	}
	if port := j.Port.Container(); port != 0 {
		out = append(out, forward{job: port, local: port})
	}
	return out
}

// parsePorts reads the values of --port.
func parsePorts(texts []string) ([]forward, error) {
	var out []forward
	for _, text := range texts {
		p, err := value.ParsePortMapping(text)
		if err != nil {
			return nil, fail(exitUsage, "Port is wrong", "--port %s: %s. Write LOCAL:JOB, as in 8080:80.", text, strings.TrimSuffix(err.Error(), "."))
		}
		local, exact := p.Local()
		if !exact {
			local = p.Container()
		}
		out = append(out, forward{p.Container(), local, exact && strings.Contains(text, ":")})
	}
	return out, nil
}

// merge lets what the command says win over what the block says of the same port.
func merge(block, command []forward) []forward {
	out := slices.Clone(command)
	for _, f := range block {
		if !slices.ContainsFunc(command, func(c forward) bool { return c.job == f.job }) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b forward) int { return a.job - b.job })
	return out
}

// listening is a port that is forwarded.
type listening struct {
	forward
	listener net.Listener // nil where another attach forwards it
	address  string       // where it is reached
}

// listenAll takes the local ports: the same as the job's, or the next that is free. Those that others have are shared.
func listenAll(host string, forwards []forward, have []sharedPort) ([]listening, error) {
	var out []listening
	for _, f := range forwards {
		if address := sharedAddress(host, f, have); address != "" {
			out = append(out, listening{f, nil, address})
			continue
		}
		l, err := listenNear(host, f)
		if err != nil {
			closeAll(out)
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, fail(exitError, "Port is taken", "Port %d of %s is taken by another program, so port %d of the job cannot be reached there. Give another one:\n  --port %d:%d", f.local, host, f.job, min(f.local+1, 65535), f.job)
			}
			return nil, fail(exitError, "Port cannot be forwarded", "Nothing can listen on %s: %v.", net.JoinHostPort(host, strconv.Itoa(f.local)), err)
		}
		out = append(out, listening{f, l, l.Addr().String()})
	}
	return out, nil
}

// mostTries is how many ports are tried after one that is taken.
const mostTries = 100

func listenNear(host string, f forward) (net.Listener, error) {
	var first error
	for port := f.local; port <= min(f.local+mostTries, 65535); port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
		if !f.exact && errors.Is(err, syscall.EACCES) && f.local < 1024 {
			return listenNear(host, forward{job: f.job, local: f.local + 8000}) // those below are not for everybody
		}
		if f.exact || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, first
}

func closeAll(list []listening) {
	for _, l := range list {
		if l.listener != nil {
			l.listener.Close()
		}
	}
}

// serve forwards connections until its listener is closed.
func (l listening) serve(to *ssh.Client) {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			far, err := to.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(l.job)))
			if err != nil {
				return // nobody listens there yet, as whoever connected sees
			}
			defer far.Close()
			join(conn, far)
		}()
	}
}

// join copies between two connections until both directions have ended.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	one := func(to, from net.Conn) func() {
		return func() {
			io.Copy(to, from)
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
		}
	}
	both.Go(one(a, b))
	both.Go(one(b, a))
	both.Wait()
}
