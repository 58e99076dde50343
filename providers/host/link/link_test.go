package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host/link"
	"github.com/dstackai/dstack-planner/providers/host/link/linktest"
)

// me is somebody with a home folder and one key.
type me struct {
	home string
	key  ssh.Signer
	file string
}

func someone(t testing.TB) me {
	t.Helper()
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
	file := filepath.Join(home, ".ssh", "lab")
	return me{home: home, file: file, key: writeKey(t, file, newEd25519(t), "")}
}

func (w me) links(t testing.TB, change ...func(*link.Options)) *link.Links {
	t.Helper()
	o := link.Options{Home: w.home, User: "me", KnownHosts: []string{filepath.Join(w.home, ".ssh", "known_hosts")}}
	for _, f := range change {
		f(&o)
	}
	l := link.New(o)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func (w me) machine(s *linktest.Server) link.Machine {
	return link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu", Identity: w.file}
}

func (w me) serve(t testing.TB, change ...func(*linktest.Options)) *linktest.Server {
	t.Helper()
	o := linktest.Options{Keys: []ssh.PublicKey{w.key.PublicKey()}}
	for _, f := range change {
		f(&o)
	}
	return linktest.Serve(t, o)
}

func open(t testing.TB, l *link.Links, m link.Machine) *link.Link {
	t.Helper()
	c, err := l.Open(t.Context(), m)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestScript(t *testing.T) {
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t, func(o *linktest.Options) { o.Noise = "Welcome to the lab!\nYou have mail.\n" })))
	out, err := c.Script(t.Context(), "echo 'one  two' \"$0\"\ncat <<EOF\nhere\nEOF\necho three >&2\nread x\nexit 7")
	require.NoError(t, err)
	require.Equal(t, "one  two /bin/sh\nhere\n", string(out.Stdout))
	require.Equal(t, "three\n", string(out.Stderr))
	require.Equal(t, 7, out.Code)
	require.Equal(t, link.TrustFirst, c.HostKey().Trust)
}

func TestScriptsOfAnyLoginShell(t *testing.T) {
	dir := t.TempDir()
	// A shell that has nothing in common with sh but that it starts a program by its path.
	strange := filepath.Join(dir, "strange")
	require.NoError(t, os.WriteFile(strange, []byte("#!/bin/sh\necho 'strange shell 1.0'\necho 'no manual entry' >&2\ncase \"$2\" in *[\\'\\\"\\$\\;\\|]*) echo 'syntax error'; exit 9;; esac\nexec /bin/sh\n"), 0o700))
	none := filepath.Join(dir, "nologin")
	require.NoError(t, os.WriteFile(none, []byte("#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n"), 0o700))
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t, func(o *linktest.Options) { o.Shell = strange })))
	out, err := c.Script(t.Context(), "echo \"it's $((1+1))\"")
	require.NoError(t, err)
	require.Equal(t, "it's 2\n", string(out.Stdout))
	require.Empty(t, out.Stderr)

	c = open(t, w.links(t), w.machine(w.serve(t, func(o *linktest.Options) { o.Shell = none })))
	_, err = c.Script(t.Context(), "true")
	require.ErrorContains(t, err, `user ubuntu cannot run commands there; the machine said "This account is currently not available."; give the user a shell`)
}

func TestConnectionsAreShared(t *testing.T) {
	w := someone(t)
	s := w.serve(t)
	l := w.links(t)
	var wait sync.WaitGroup
	for range 30 {
		wait.Go(func() {
			c, err := l.Open(t.Context(), w.machine(s))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if out, err := c.Script(t.Context(), "sleep 0.05; echo x"); err != nil || string(out.Stdout) != "x\n" {
				t.Error(err, out)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1, s.Connections.Load(), "and never more sessions than the server opens")
}

func TestALostConnectionIsMadeAnew(t *testing.T) {
	w := someone(t)
	s := w.serve(t)
	l := w.links(t)
	c := open(t, l, w.machine(s))
	running := make(chan error)
	go func() {
		_, err := c.Script(t.Context(), "sleep 60")
		running <- err
	}()
	require.Eventually(t, func() bool { return s.Sessions.Load() == 1 }, 20*time.Second, time.Millisecond)
	s.Drop()
	require.ErrorContains(t, <-running, "the connection was lost")
	<-c.Lost()
	_, err := c.Script(t.Context(), "true")
	require.ErrorContains(t, err, "the connection was lost")
	again := open(t, l, w.machine(s))
	_, err = again.Script(t.Context(), "true")
	require.NoError(t, err)
	require.EqualValues(t, 2, s.Connections.Load())
}

func TestASilentConnectionIsGivenUp(t *testing.T) {
	w := someone(t)
	var silent atomic.Bool
	s := w.serve(t, func(o *linktest.Options) { o.Speechless = silent.Load })
	c := open(t, w.links(t, func(o *link.Options) { o.KeepAlive = 30 * time.Millisecond }), w.machine(s))
	_, err := c.Script(t.Context(), "sleep 0.5")
	require.NoError(t, err, "a refused sign of life is one")
	silent.Store(true)
	select {
	case <-c.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("it is still open")
	}
}

func TestUnusedConnectionsAreFew(t *testing.T) {
	w := someone(t)
	l := w.links(t, func(o *link.Options) { o.Idle = 2 })
	var all []*link.Link
	for range 5 {
		c, err := l.Open(t.Context(), w.machine(w.serve(t)))
		require.NoError(t, err)
		all = append(all, c)
	}
	for _, c := range all {
		c.Close()
	}
	for _, c := range all[:3] {
		select {
		case <-c.Lost():
		case <-time.After(30 * time.Second):
			t.Fatal("it is still open")
		}
	}
	for _, c := range all[3:] {
		select {
		case <-c.Lost():
			t.Fatal("it is closed")
		default:
		}
	}
}

func TestHeadNodes(t *testing.T) {
	w := someone(t)
	head := w.serve(t)
	l := w.links(t)
	jump := w.machine(head)
	for range 3 {
		m := w.machine(w.serve(t))
		m.Jump = &jump
		c := open(t, l, m)
		out, err := c.Script(t.Context(), "echo there")
		require.NoError(t, err)
		require.Equal(t, "there\n", string(out.Stdout))
	}
	require.EqualValues(t, 1, head.Connections.Load(), "one connection for all that is behind it")
}

func TestDialAndFiles(t *testing.T) {
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t)))
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer there.Close()
	client := http.Client{Transport: &http.Transport{DialContext: c.Dial}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(there.URL)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, "hello", string(body))

	_, err = c.Dial(t.Context(), "unix", filepath.Join(w.home, "none.sock"))
	require.ErrorContains(t, err, "none.sock there cannot be reached")

	files, done, err := c.Files(t.Context())
	require.NoError(t, err)
	defer done()
	f, err := files.Create(filepath.Join(w.home, "copied"))
	require.NoError(t, err)
	_, err = f.ReadFrom(strings.NewReader(strings.Repeat("x", 1<<20)))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got, err := os.ReadFile(filepath.Join(w.home, "copied"))
	require.NoError(t, err)
	require.Len(t, got, 1<<20)
}

func TestScriptsEndWithTheirContext(t *testing.T) {
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.Script(ctx, "sleep 60")
	require.ErrorContains(t, err, "a command did not end in time")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = c.Script(t.Context(), "true")
	require.NoError(t, err, "the connection goes on")
}

func TestAProgramThatGivesUpDoesNotHarmOthers(t *testing.T) {
	w := someone(t)
	s := w.serve(t, func(o *linktest.Options) { o.Delay = 300 * time.Millisecond })
	l := w.links(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := l.Open(ctx, w.machine(s))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	open(t, l, w.machine(s))
	require.EqualValues(t, 1, s.Connections.Load())
}

// TestFailures has every way in which a machine is not reached. What is asserted is what a stranger needs: the machine, the
// cause, and what to do.
func TestFailures(t *testing.T) {
	w := someone(t)
	quick := func(o *link.Options) { o.Greet, o.Connect = time.Second, time.Second }
	closedPort := func() int {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		return listener.Addr().(*net.TCPAddr).Port
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	head := w.machine(w.serve(t))
	tests := map[string]struct {
		change func(*link.Options)
		m      link.Machine
		step   link.Step
		kind   providers.ErrorKind
		want   []string
	}{
		"a name that nobody knows": {
			m: link.Machine{Host: "nowhere.invalid", User: "ubuntu", Identity: w.file}, step: link.StepResolve, kind: providers.Transient,
			want: []string{"ubuntu@nowhere.invalid: ", `the name "nowhere.invalid" has no address`, "correct hostname"},
		},
		"a closed port": {
			m: link.Machine{Host: "127.0.0.1", Port: closedPort(), User: "ubuntu", Identity: w.file}, step: link.StepConnect, kind: providers.Transient,
			want: []string{"refused the connection", "check that sshd runs there"},
		},
		"a machine that is off": {
			change: func(o *link.Options) { o.Dial = never },
			m:      link.Machine{Host: "10.255.255.1", User: "ubuntu", Identity: w.file}, step: link.StepConnect, kind: providers.Transient,
			want: []string{"ubuntu@10.255.255.1: it did not answer in time", "check that it is on"},
		},
		"a server that says nothing": {
			m: w.machine(w.serve(t, func(o *linktest.Options) { o.Silent = true })), step: link.StepGreet, kind: providers.Transient,
			want: []string{"it took the connection and then said nothing in time"},
		},
		"a web server": {
			m:    link.Machine{Host: "127.0.0.1", Port: web.Listener.Addr().(*net.TCPAddr).Port, User: "ubuntu", Identity: w.file},
			step: link.StepGreet, kind: providers.Transient,
			want: []string{"what answers there is no SSH server", "check the port"},
		},
		"another user": {
			m: w.machine(w.serve(t, func(o *linktest.Options) { o.User = "root" })), step: link.StepKeys, kind: providers.Auth,
			want: []string{"it accepts none of the keys for user ubuntu", "offered were ssh-ed25519 SHA256:", "(" + w.file + ")", "~ubuntu/.ssh/authorized_keys"},
		},
		"no key at all": {
			m: link.Machine{Host: head.Host, Port: head.Port, User: "ubuntu"}, step: link.StepKeys, kind: providers.Auth,
			want: []string{"there is no key to open it with", "write identity_file, set DSTACK_IDENTITY_FILE, or add a key to the ssh-agent"},
		},
		"an identity file that is not there": {
			m: link.Machine{Host: head.Host, Port: head.Port, User: "ubuntu", Identity: "~/.ssh/none"}, step: link.StepKeys, kind: providers.Auth,
			want: []string{"identity file " + w.home + "/.ssh/none cannot be read: no such file or directory"},
		},
		"a head node that is down": {
			m:    link.Machine{Host: head.Host, Port: head.Port, User: "ubuntu", Identity: w.file, Jump: &link.Machine{Host: "127.0.0.1", Port: closedPort(), User: "gate", Identity: w.file}},
			step: link.StepConnect, kind: providers.Transient,
			want: []string{"through gate@127.0.0.1:", "its head node: port ", " refused the connection"},
		},
		"a head node that forwards nothing": {
			m: func() link.Machine {
				jump := w.machine(w.serve(t, func(o *linktest.Options) { o.NoForwarding = true }))
				m := head
				m.Jump = &jump
				return m
			}(), step: link.StepConnect, kind: providers.Transient,
			want: []string{"its head node does not forward connections", "AllowTcpForwarding yes"},
		},
		"a machine that its head node does not reach": {
			m:    link.Machine{Host: "127.0.0.1", Port: closedPort(), User: "ubuntu", Identity: w.file, Jump: &head},
			step: link.StepConnect, kind: providers.Transient,
			want: []string{"its head node found port", "closed"},
		},
		"a head node behind a head node": {
			m:    link.Machine{Host: "a", Jump: &link.Machine{Host: "b", Jump: &link.Machine{Host: "c"}}},
			step: link.StepConfig, kind: providers.Invalid,
			want: []string{"one between is all that is supported"},
		},
		"an option as a host": {
			m: link.Machine{Host: "-oProxyCommand=x"}, step: link.StepConfig, kind: providers.Invalid,
			want: []string{`"-oProxyCommand=x" is no host name`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			change := []func(*link.Options){quick}
			if test.change != nil {
				change = append(change, test.change)
			}
			_, err := w.links(t, change...).Open(t.Context(), test.m)
			var f *link.Failure
			require.ErrorAs(t, err, &f)
			require.Equal(t, test.step, f.Step, err)
			require.Equal(t, test.kind, f.Kind(), err)
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestASessionThatIsRefused(t *testing.T) {
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t, func(o *linktest.Options) { o.NoSFTP = true })))
	_, _, err := c.Files(t.Context())
	require.ErrorContains(t, err, "it has no SFTP")
	require.ErrorContains(t, err, "Subsystem sftp internal-sftp")
	_, err = c.Script(t.Context(), "true")
	require.NoError(t, err)
}

func TestClosedLinksOpenNothing(t *testing.T) {
	w := someone(t)
	l := w.links(t)
	require.NoError(t, l.Close())
	_, err := l.Open(t.Context(), w.machine(w.serve(t)))
	require.ErrorContains(t, err, "the program is ending")
	require.False(t, errors.Is(err, context.Canceled))
}

func TestAServerOfOneSession(t *testing.T) {
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t, func(o *linktest.Options) { o.MostSessions = 1 })))
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			if _, err := c.Script(t.Context(), "sleep 0.02"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}
