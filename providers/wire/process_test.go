package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
)

// TestMain makes this binary a provider, or a host of one, when it is called by such a name.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "dstack-provider-real":
		os.Exit(wire.Serve(context.Background(), realProvider()))
	case "dstack-provider-stuck":
		select {}
	case "dstack-provider-chatty":
		fmt.Println("hello, I print things")
		os.Exit(3)
	case "host":
		os.Exit(runHost())
	}
	os.Exit(m.Run())
}

// realProvider does in its process what the name of a volume says.
func realProvider() providers.Provider {
	log := wire.Logger(os.Stderr)
	f := &fake{}
	f.volumes.create = func(ctx context.Context, op opV, report reportV) (volume, error) {
		log.Info("create", "addr", op.Address)
		switch op.Planned.Name {
		case "panic":
			_ = report(providers.Progress[schema.Volume]{Phase: "about to fail"})
			panic("a defect of the provider")
		case "environment":
			return volume{ID: strings.Join(os.Environ(), "\n"), Value: op.Planned}, nil
		case "pid":
			return volume{ID: strconv.Itoa(os.Getpid()), Value: op.Planned}, nil
		case "wait":
			_ = report(providers.Progress[schema.Volume]{Phase: "waiting"})
			<-ctx.Done()
			return volume{ID: "vol-half", Value: op.Planned}, ctx.Err()
		}
		return volume{ID: "vol-" + op.Key, Value: op.Planned}, nil
	}
	return f
}

// runHost starts a provider, prints its process and socket folder, and waits to be killed during a call.
func runHost() int {
	p, err := wire.Start(context.Background(), program("real"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	far := wire.NewClient(func(context.Context) (*wire.Conn, error) { return p.Conn(), nil })
	b, err := far.Open(context.Background(), providers.BackendConfig{Name: "lab"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_, err = b.Volumes().Create(context.Background(), opV{Planned: schema.Volume{Name: "wait"}}, func(providers.Progress[schema.Volume]) error {
		fmt.Println(p.PID())
		return nil
	})
	fmt.Println("not killed:", err)
	return 1
}

func program(name string) wire.Program {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return wire.Program{Name: name, Path: self, Argv0: "dstack-provider-" + name, Env: []string{
		"TMPDIR=" + os.TempDir(),
		"GORACE=atexit_sleep_ms=0", // else each end takes a second under the race detector
	}}
}

// startReal returns a provider in a process of its own, and an open backend of it.
func startReal(t testing.TB) (*wire.Process, providers.Backend) {
	t.Helper()
	p, err := wire.Start(context.Background(), program("real"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	far := wire.NewClient(func(context.Context) (*wire.Conn, error) { return p.Conn(), nil })
	b, err := far.Open(context.Background(), providers.BackendConfig{Name: "lab"})
	require.NoError(t, err)
	return p, b
}

func TestProcessAnswersAndEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	p, b := startReal(t)
	require.Equal(t, "account of lab", b.Identity())
	made, err := b.Volumes().Create(context.Background(), opV{Key: "k", Planned: schema.Volume{Name: "data"}}, nil)
	require.NoError(t, err)
	require.Equal(t, "vol-k", made.ID)

	before := time.Now()
	require.NoError(t, p.Close())
	require.Less(t, time.Since(before), time.Second, "it had nothing to do")
	require.NoError(t, p.Close(), "closing twice is nothing")
	require.ErrorIs(t, syscall.Kill(p.PID(), 0), syscall.ESRCH)
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "plugin*"))
	require.NoError(t, err)
	require.Empty(t, left, "folders of sockets are left behind")
	_, err = b.Volumes().Create(context.Background(), opV{}, nil)
	require.ErrorContains(t, err, `provider "real" was ended`)
}

func TestProcessSeesItsOwnEnvironmentOnly(t *testing.T) {
	t.Setenv("CANARY", "secret")
	_, b := startReal(t)
	made, err := b.Volumes().Create(context.Background(), opV{Planned: schema.Volume{Name: "environment"}}, nil)
	require.NoError(t, err)
	require.Contains(t, made.ID, "TMPDIR=")
	require.NotContains(t, made.ID, "CANARY")
	require.NotContains(t, made.ID, "PRIVATE KEY")
}

func TestCrashIsReportedWithItsFirstWords(t *testing.T) {
	p, b := startReal(t)
	waiting := make(chan error)
	started := make(chan struct{})
	go func() {
		_, err := b.Volumes().Create(context.Background(), opV{Planned: schema.Volume{Name: "wait"}}, func(providers.Progress[schema.Volume]) error {
			close(started)
			return nil
		})
		waiting <- err
	}()
	<-started
	_, err := b.Volumes().Create(context.Background(), opV{Address: "volume.bad", Planned: schema.Volume{Name: "panic"}}, nil)
	require.Equal(t, providers.Internal, providers.KindOf(err))
	require.ErrorContains(t, err, `provider "real" ended unexpectedly (exit status 2)`)
	require.ErrorContains(t, err, "create addr=volume.bad")
	require.ErrorContains(t, err, "panic: a defect of the provider")
	require.ErrorContains(t, err, "more lines")
	require.Less(t, len(err.Error()), 4000)
	crash, ok := errors.AsType[*wire.CrashError](err)
	require.True(t, ok)
	require.Equal(t, "real", crash.Provider)

	require.ErrorContains(t, <-waiting, "ended unexpectedly", "every call in flight fails")
	<-p.Done()
}

func TestKilledProcessIsReported(t *testing.T) {
	p, b := startReal(t)
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGKILL))
	_, err := b.Volumes().Create(context.Background(), opV{}, nil)
	require.ErrorContains(t, err, "signal: killed")
}

func TestProviderEndsWithItsHost(t *testing.T) {
	tmp := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	host := exec.Command(self)
	host.Args[0] = "host"
	host.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err, "the host said %q", line)
	require.NoError(t, syscall.Kill(pid, 0), "the provider runs")

	require.NoError(t, host.Process.Kill())
	_ = host.Wait()
	require.Eventually(t, func() bool {
		return !runs(pid)
	}, 3*time.Second, 10*time.Millisecond, "the provider outlives its host")
	left, err := filepath.Glob(filepath.Join(tmp, "plugin*"))
	require.NoError(t, err)
	require.Empty(t, left, "the provider has left its socket behind")
}

// runs tells whether a process is there and is no zombie.
func runs(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestProviderIgnoresInterrupts(t *testing.T) {
	p, b := startReal(t)
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGINT))
	_, err := b.Volumes().Create(context.Background(), opV{}, nil)
	require.NoError(t, err)
	group, err := syscall.Getpgid(p.PID())
	require.NoError(t, err)
	require.Equal(t, p.PID(), group, "a terminal's interrupt must not reach it")
}

func TestStrangersAreRefused(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	_, b := startReal(t)
	sockets, err := filepath.Glob(filepath.Join(os.TempDir(), "plugin*", "*"))
	require.NoError(t, err)
	require.Len(t, sockets, 1)

	foreign := foreignPair(t)
	for name, config := range map[string]*tls.Config{
		"without a certificate":           {InsecureSkipVerify: true},
		"with a certificate of their own": {InsecureSkipVerify: true, Certificates: []tls.Certificate{foreign}},
		"with TLS 1.2":                    {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := net.Dial("unix", sockets[0])
			require.NoError(t, err)
			defer raw.Close()
			require.NoError(t, raw.SetDeadline(time.Now().Add(5*time.Second)))
			config.NextProtos = []string{"h2"}
			conn := tls.Client(raw, config)
			// In TLS 1.3 the server's refusal comes after the client's half of the handshake.
			if err = conn.Handshake(); err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			require.ErrorContains(t, err, "remote error: tls:")
		})
	}
	t.Run("without TLS", func(t *testing.T) {
		raw, err := net.Dial("unix", sockets[0])
		require.NoError(t, err)
		defer raw.Close()
		_, err = raw.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		require.NoError(t, err)
		require.NoError(t, raw.SetDeadline(time.Now().Add(5*time.Second)))
		reply := make([]byte, 64)
		n, _ := raw.Read(reply)
		require.NotContains(t, string(reply[:n]), "\x04", "settings of HTTP/2: it was let in")
	})
	_, err = b.Volumes().Create(context.Background(), opV{}, nil)
	require.NoError(t, err, "the host itself is still served")
}

func TestStartErrorsSayWhatToDo(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "dstack-provider-plain")
	require.NoError(t, os.WriteFile(plain, []byte("text"), 0o600))
	for name, c := range map[string]struct {
		program wire.Program
		want    []string
	}{
		"not executable": {wire.Program{Name: "plain", Path: plain}, []string{`provider "plain"`, plain, "may not be executed"}},
		"not there":      {wire.Program{Name: "none", Path: plain + "-none"}, []string{`provider "none"`, "no such file"}},
		"no provider":    {program("chatty"), []string{"no dstack provider", "exit status 3", "hello, I print"}},
		"never answers":  {func() wire.Program { p := program("stuck"); p.Timeout = 100 * time.Millisecond; return p }(), []string{"did not answer within 100ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			_, err := wire.Start(context.Background(), c.program)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			left, globErr := filepath.Glob(filepath.Join(os.TempDir(), "plugin*"))
			require.NoError(t, globErr)
			require.Empty(t, left)
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	before := time.Now()
	_, err := wire.Start(ctx, program("stuck"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(before), 5*time.Second)
}

func TestProviderRunByHandSaysWhatItIs(t *testing.T) {
	p := program("real")
	cmd := exec.Command(p.Path)
	cmd.Args[0] = p.Argv0
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok)
	require.Equal(t, wire.ExitUsage, exit.ExitCode())
	require.Contains(t, string(out), "dstack-provider-real is a part of dstack")
	require.Contains(t, string(out), "dstack providers")
}
