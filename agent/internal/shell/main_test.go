package shell_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/dstackai/dstack-planner/agent/internal/inside"
	"github.com/dstackai/dstack-planner/agent/internal/mux"
	"github.com/dstackai/dstack-planner/agent/internal/shell"
)

// TestMain lets the test's program be what ssh calls to connect, a program that draws on a terminal, one that waits for a signal, and the built-in shell.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "connect" {
		connect(os.Args[2])
	}
	if len(os.Args) > 1 && os.Args[1] == "editor" {
		editor()
	}
	if len(os.Args) > 1 && os.Args[1] == "wait" {
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	}
	if len(os.Args) > 1 && os.Args[1] == "shell" {
		os.Exit(inside.Script(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// connect joins its standard input and output with a socket.
func connect(path string) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		io.Copy(conn, os.Stdin)
		conn.(*net.UnixConn).CloseWrite()
	}()
	io.Copy(os.Stdout, conn)
	os.Exit(0)
}

// editor does what vi does to a terminal: it takes keys one by one, draws at the size that it is told, and puts things back.
func editor() {
	old, err := term.MakeRaw(0)
	if err != nil {
		fmt.Println("no terminal:", err)
		os.Exit(1)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	keys := make(chan byte)
	go func() {
		in := bufio.NewReader(os.Stdin)
		for {
			key, err := in.ReadByte()
			if err != nil {
				return
			}
			keys <- key
		}
	}()
	for {
		width, height, _ := term.GetSize(0)
		fmt.Printf("\x1b[2J[%dx%d %s]", width, height, os.Getenv("TERM"))
		select {
		case <-resized:
		case key := <-keys:
			fmt.Printf("key %d ", key)
			if key == 'q' {
				term.Restore(0, old)
				os.Exit(7)
			}
		}
	}
}

// job is a door with this machine behind it, and what a user has who may come in.
type job struct {
	t        *testing.T
	dir      string // of the user
	inside   string // where sessions begin
	config   string
	presence *shell.Presence
	seen     func() []shell.Seen
}

// openSSH finds the user's programs, or skips the test; in CI there have to be some.
func openSSH(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing: apt-get install openssh-client", p)
			}
			t.Skipf("%s is missing: apt-get install openssh-client", p)
		}
	}
}

func open(t *testing.T, change ...func(*shell.Door)) *job {
	t.Helper()
	openSSH(t, "ssh", "ssh-keygen")
	root, err := os.MkdirTemp("/tmp", "door") // short, for the socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	j := &job{t: t, dir: filepath.Join(root, "user"), inside: filepath.Join(root, "job"), config: filepath.Join(root, "user", "config")}
	for _, dir := range []string{j.dir, j.inside} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	host, err := shell.HostKey(filepath.Join(root, "host"))
	require.NoError(t, err)
	mine, err := shell.HostKey(filepath.Join(j.dir, "id"))
	require.NoError(t, err)
	var mu sync.Mutex
	var seen []shell.Seen
	j.seen = func() []shell.Seen {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
	j.presence = shell.NewPresence(shell.Seen{Since: time.Now()}, time.Now(), func(s shell.Seen) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, s)
	})
	door := &shell.Door{
		HostKey: host, May: shell.Keys{mine.PublicKey()}.Has, Presence: j.presence, Logger: slog.New(slog.DiscardHandler),
		Enter: func(context.Context) (io.ReadWriteCloser, error) {
			ours, theirs := net.Pipe()
			go inside.Serve(mux.Serve(theirs), inside.Options{
				Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + j.inside, "JOB=yes"}, Dir: j.inside, Self: os.Args[0], SelfArgs: []string{"shell"},
			})
			return ours, nil
		},
	}
	for _, f := range change {
		f(door)
	}
	socket := filepath.Join(root, "socket")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { door.Serve(ctx, conn, true) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		cancel()
		all.Wait()
	})
	j.write("known_hosts", "job "+shell.Text(host.PublicKey())+"\n")
	j.write("config", fmt.Sprintf("Host job\n  User anybody\n  ProxyCommand %s connect %s\n  IdentityFile %s/id\n  IdentitiesOnly yes\n  UserKnownHostsFile %s/known_hosts\n  StrictHostKeyChecking yes\n  BatchMode yes\n  ExitOnForwardFailure yes\n",
		os.Args[0], socket, j.dir, j.dir))
	return j
}

func (j *job) write(name, text string) string {
	j.t.Helper()
	path := filepath.Join(j.dir, name)
	require.NoError(j.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// command is a program of OpenSSH with the user's configuration. None of it may take longer than a minute.
func (j *job) command(program string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(j.t.Context(), time.Minute)
	j.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, append([]string{"-F", j.config}, args...)...)
	cmd.Dir = j.dir
	cmd.Env = append(os.Environ(), "LC_TEST=from the user")
	return cmd
}

// ran is what came of a command.
type ran struct {
	Out, Err string
	Code     int
}

func run(t *testing.T, cmd *exec.Cmd) ran {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// publicKey is a key that nobody knows.
func publicKey(t *testing.T) ssh.PublicKey {
	t.Helper()
	key, err := shell.HostKey(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	return key.PublicKey()
}
