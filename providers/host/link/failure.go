package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/dstackai/dstack-planner/providers"
)

// Step is where the way to a machine ended.
type Step string

// Steps, in their order.
const (
	StepConfig  Step = "config"   // the machine as it is written can never be reached
	StepResolve Step = "resolve"  // its name
	StepConnect Step = "connect"  // a TCP connection
	StepGreet   Step = "greet"    // the SSH server's first words and the keys of the connection
	StepHostKey Step = "host key" // which machine it is
	StepKeys    Step = "keys"     // who we are
	StepSession Step = "session"  // what is asked of a machine that was reached
)

// Failure is why a machine, or something on it, was not reached.
type Failure struct {
	Machine Machine
	Step    Step
	// What happened, and what to do about it: sentences without their full stop. Advice may be empty.
	What, Advice string
	Cause        error
}

// Error names the machine, what happened and what to do.
func (f *Failure) Error() string {
	text := f.Machine.String() + ": " + f.What
	if f.Advice != "" {
		text += "; " + f.Advice
	}
	return text
}

func (f *Failure) Unwrap() error { return f.Cause }

// Kind is the kind that the failure has in the contract of providers.
func (f *Failure) Kind() providers.ErrorKind {
	switch f.Step {
	case StepConfig:
		return providers.Invalid
	case StepHostKey, StepKeys:
		return providers.Auth
	}
	return providers.Transient
}

// Reached tells whether the machine itself answered, so that asking again later changes nothing.
func (f *Failure) Reached() bool { return f.Step == StepHostKey || f.Step == StepKeys }

// dialFailure says why no TCP connection came about.
func dialFailure(m Machine, err error) *Failure {
	f := &Failure{Machine: m, Step: StepConnect, Cause: err}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		f.Step = StepResolve
		f.What = fmt.Sprintf("the name %q has no address: %s", m.Host, dns.Err)
		f.Advice = "correct hostname, or add the name to DNS or to ~/.ssh/config"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.What = fmt.Sprintf("port %d refused the connection", m.Port)
		f.Advice = "check that sshd runs there, and on which port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		f.What = "there is no route to it"
		f.Advice = "check the address and the network; a machine behind a head node needs proxy_jump"
	case timedOut(err):
		f.What = "it did not answer in time"
		f.Advice = "check that it is on, and that no firewall drops what is sent to its port"
	default:
		f.What = "no connection: " + plain(err)
	}
	return f
}

// jumpFailure says why the head node did not connect to the machine. The error is the server's own text.
func jumpFailure(m Machine, err error) *Failure {
	f := &Failure{Machine: m, Step: StepConnect, Cause: err}
	text := strings.ToLower(err.Error())
	switch {
	case timedOut(err):
		f.What = "its head node got no answer from it in time"
		f.Advice = "check that it is on, and that the head node's network reaches it"
	case strings.Contains(text, "prohibited"):
		f.What = "its head node does not forward connections: " + plain(err)
		f.Advice = "set AllowTcpForwarding yes in the head node's sshd_config"
	case strings.Contains(text, "refused"):
		f.What = fmt.Sprintf("its head node found port %d closed", m.Port)
		f.Advice = "check that sshd runs there, and on which port"
	case strings.Contains(text, "resolve"), strings.Contains(text, "name or service"), strings.Contains(text, "unknown host"):
		f.Step = StepResolve
		f.What = fmt.Sprintf("its head node knows no address of %q", m.Host)
		f.Advice = "names are looked up on the head node; write the address that it has there"
	case errors.Is(err, io.EOF):
		f.What = "its head node went away"
	default:
		f.What = "its head node did not reach it: " + plain(err)
		f.Advice = "check that it is on, and that the head node's network reaches it"
	}
	return f
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// plain is an error's text without the words of packages that mean nothing to whoever reads it.
func plain(err error) string {
	text := err.Error()
	for _, prefix := range []string{"ssh: handshake failed: ", "ssh: rejected: ", "ssh: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}
