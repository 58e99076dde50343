package install_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host/install"
	"github.com/dstackai/dstack-planner/providers/host/link"
	"github.com/dstackai/dstack-planner/providers/host/link/linktest"
)

// TestMain lets the test's program be dstack-agent when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && agent.IsCommand(os.Args[1]) {
		os.Exit(agent.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // each process would wait for a second before it is gone
	os.Exit(m.Run())
}

const ourKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIeW2uY0o1nVjG5m4JmSx1y0v7p6b8x7cJ8y0Y2a3b4c me@laptop"

var owner = api.Owner{Lineage: "l1", Address: `fleet.lab.instance["10.0.0.11"]`, By: "me@laptop"}

// world is a machine below a folder, and somebody who comes to it over SSH.
type world struct {
	t         testing.TB
	root, bin string
	links     *link.Links
	machine   link.Machine
	server    *linktest.Server
	installer *install.Installer
	before    map[string]string
	want      install.Want
}

type option func(*world, *linktest.Options, *link.Options, *install.Options)

// somewhere makes a machine with an in-process SSH server.
func somewhere(t testing.TB, change ...option) *world {
	t.Helper()
	w, key, file := bare(t)
	so := linktest.Options{Keys: []ssh.PublicKey{key.PublicKey()}, Env: w.env()}
	lo := link.Options{Home: t.TempDir(), User: "me"}
	o := install.Options{Root: w.root, Programs: func(string) (string, error) { return os.Args[0], nil }}
	for _, f := range change {
		f(w, &so, &lo, &o)
	}
	w.server = linktest.Serve(t, so)
	w.links = link.New(lo)
	t.Cleanup(func() { require.NoError(t, w.links.Close()) })
	w.machine = link.Machine{Host: w.server.Host, Port: w.server.Port, User: "me", Identity: file}
	w.installer = install.New(o)
	w.before = w.listing()
	return w
}

func bare(t testing.TB) (*world, ssh.Signer, string) {
	t.Helper()
	root, err := os.MkdirTemp("/tmp", "inst")
	require.NoError(t, err)
	w := &world{t: t, root: root, bin: t.TempDir(), want: install.Want{Owner: owner, Keys: []string{ourKey}, Env: map[string]string{"LAB": "s3cret"}}}
	for _, dir := range []string{"/usr/local/bin", "/var/lib", "/etc/systemd/system", "/run", "/home/me/.ssh"} {
		require.NoError(t, os.MkdirAll(root+dir, 0o755))
	}
	require.NoError(t, os.WriteFile(root+"/home/me/.ssh/authorized_keys", []byte("ssh-rsa AAAAB x"), 0o600))
	if os.Geteuid() != 0 {
		w.program("id", `case "$1" in -u) echo 0;; -un) echo root;; *) exec /usr/bin/id "$@";; esac`)
	}
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return len(w.processes()) == 0 }, time.Minute, 5*time.Millisecond, "processes are left")
		require.NoError(t, os.RemoveAll(root))
	})
	file := filepath.Join(t.TempDir(), "id")
	return w, linktest.WriteKey(t, file), file
}

// env is what commands on the machine see: its home, and programs that stand before the real ones.
func (w *world) env() []string {
	return []string{"HOME=" + w.root + "/home/me", "PATH=" + w.bin + ":" + os.Getenv("PATH"), "W=" + w.bin}
}

// program has commands on the machine find a script of this name.
func (w *world) program(name, script string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(filepath.Join(w.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

func (w *world) open() *link.Link {
	w.t.Helper()
	l, err := w.links.Open(context.Background(), w.machine)
	require.NoError(w.t, err)
	return l
}

func (w *world) install() (*install.Done, error) {
	l, err := w.links.Open(context.Background(), w.machine)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return w.installer.Install(context.Background(), l, w.want)
}

func (w *world) installed() *install.Done {
	w.t.Helper()
	done, err := w.install()
	require.NoError(w.t, err)
	return done
}

func (w *world) remove(o install.RemoveOptions) (*install.Done, error) {
	l, err := w.links.Open(context.Background(), w.machine)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return w.installer.Remove(context.Background(), l, w.want.Owner, o)
}

// gone gives the machine back, and sees that it is as it was.
func (w *world) gone() {
	w.t.Helper()
	_, err := w.remove(install.RemoveOptions{Force: true})
	require.NoError(w.t, err)
	require.Empty(w.t, cmp.Diff(w.before, w.listing()))
}

func (w *world) info() api.Info {
	w.t.Helper()
	c := w.installer.Client(w.links, w.machine)
	defer c.Close()
	info, err := c.Info(context.Background())
	require.NoError(w.t, err)
	return info
}

func (w *world) listing() map[string]string {
	w.t.Helper()
	files := map[string]string{}
	require.NoError(w.t, filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() && info.Size() < 1<<20 {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(data)
		}
		files[strings.TrimPrefix(path, w.root)] = fmt.Sprint(info.Mode(), " ", text)
		return nil
	}))
	return files
}

// processes are agents and keepers of this machine.
func (w *world) processes() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range dirs {
		text, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pid != os.Getpid() && bytes.HasPrefix(text, []byte(w.root)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestInstallAndRemove(t *testing.T) {
	w := somewhere(t)
	done := w.installed()
	require.Equal(t, []string{
		`wrote down that it is fleet.lab.instance["10.0.0.11"]`, "installed /usr/local/bin/dstack-agent", "wrote the agent's environment",
		"added 1 key to " + w.root + "/home/me/.ssh/authorized_keys", "started the agent",
	}, done.Did)
	require.Equal(t, "linux", done.Host.OS)
	require.Equal(t, runtime.GOARCH, done.Host.Arch)
	require.NotZero(t, done.Host.CPUs)
	require.NotZero(t, done.Host.MemoryBytes)
	require.Nil(t, done.Host.Record)
	require.Equal(t, w.root+"/home/me", done.Host.Login.Home)
	info := w.info()
	require.True(t, info.Owner.Is(owner))
	require.WithinDuration(t, time.Now(), info.Owner.Since, time.Minute)
	require.NoDirExists(t, w.root+api.HostUploadFolder)

	var sent int64
	w.want.Sent = func(done, _ int64) { sent = done }
	require.Empty(t, w.installed().Did, "again changes nothing")
	require.Zero(t, sent, "and sends nothing")
	require.Equal(t, info.PID, w.info().PID)
	l := w.open()
	h, err := w.installer.Look(t.Context(), l)
	require.NoError(t, err)
	l.Close()
	require.True(t, h.Record.Owner.Is(owner))

	would, err := w.remove(install.RemoveOptions{Preview: true})
	require.NoError(t, err)
	require.Equal(t, info.PID, w.info().PID)
	did, err := w.remove(install.RemoveOptions{})
	require.NoError(t, err)
	require.Equal(t, would.Did, did.Did)
	require.Equal(t, []string{"removed 1 key from " + w.root + "/home/me/.ssh/authorized_keys", "removed /usr/local/bin/dstack-agent", "removed /var/lib/dstack-agent"}, did.Did)
	require.Empty(t, cmp.Diff(w.before, w.listing()))
	did, err = w.remove(install.RemoveOptions{})
	require.NoError(t, err)
	require.Empty(t, did.Did)
	c := w.installer.Client(w.links, w.machine)
	defer c.Close()
	_, err = c.Info(t.Context())
	require.ErrorIs(t, err, client.ErrNotRunning)
}

// TestOddMachines has machines on which all works though they are not as most are.
func TestOddMachines(t *testing.T) {
	for name, change := range map[string]option{
		"MOTD and shell noise on every command": func(_ *world, s *linktest.Options, _ *link.Options, _ *install.Options) {
			s.Noise = "Welcome to the lab!\nrecord=\nuid=7\nYou have mail."
		},
		"a login shell that is not sh": func(w *world, s *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("strange", "echo 'strange shell 1.0'\ncase \"$2\" in *[\\'\\\"\\$\\;\\|]*) echo 'syntax error'; exit 9;; esac\nexec /bin/sh")
			s.Shell = w.bin + "/strange"
		},
		"no SFTP":      func(_ *world, s *linktest.Options, _ *link.Options, _ *install.Options) { s.NoSFTP = true },
		"one session":  func(_ *world, s *linktest.Options, _ *link.Options, _ *install.Options) { s.MostSessions = 1 },
		"no forwarded": func(_ *world, s *linktest.Options, _ *link.Options, _ *install.Options) { s.NoForwarding = true },
		"a login that is not root, with sudo": func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			if os.Geteuid() != 0 {
				return
			}
			// The numbers are root's still, so that the test's own user can write what the login could.
			w.program("id", `case "$1" in -u) [ -n "$SUDO" ] && echo 0 || echo 1000;; -un) echo me;; -g) echo 0;; esac`)
			w.program("sudo", `[ "$1" = -n ] || exit 1; shift; SUDO=1 exec "$@"`)
			w.program("chown", `exit 0`)
		},
		"no sha256sum": func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			for _, name := range []string{"sha256sum", "busybox", "openssl"} {
				w.program(name, "exit 127")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "no SFTP" {
				t.Skip("left out of short runs")
			}
			w := somewhere(t, change)
			w.installed()
			require.True(t, w.info().Owner.Is(owner))
			require.Empty(t, w.installed().Did)
			w.gone()
		})
	}
}

// TestRefusals has every reason for which a machine does not become a host, and the words that a stranger needs.
func TestRefusals(t *testing.T) {
	notRoot := `case "$1" in -u) echo 1000;; -un) echo me;; -g) echo 1000;; esac`
	sudo := func(said string, code int) option {
		return func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("id", notRoot)
			w.program("sudo", fmt.Sprintf("echo %q >&2; exit %d", said, code))
		}
	}
	for name, tc := range map[string]struct {
		change option
		why    install.Why
		kind   providers.ErrorKind
		want   []string
	}{
		"another system": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("uname", `[ "$1" = -s ] && echo FreeBSD || echo amd64`)
		}, install.NotLinux, providers.Invalid, []string{"me@127.0.0.1:", "it runs freebsd, and agents run on Linux"}},
		"an architecture without an agent": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("uname", `[ "$1" = -s ] && echo Linux || echo riscv64`)
		}, install.WrongArchitecture, providers.Invalid, []string{"its architecture is riscv64, and agents are for x86_64 (amd64) and aarch64 (arm64)"}},
		"an architecture whose agent is not there": {func(w *world, _ *linktest.Options, _ *link.Options, o *install.Options) {
			w.program("uname", `[ "$1" = -s ] && echo Linux || echo aarch64`)
			o.Programs = install.Beside(filepath.Join(w.bin, "dstack-agent"))
			if runtime.GOARCH == "arm64" {
				w.program("uname", `[ "$1" = -s ] && echo Linux || echo x86_64`)
			}
		}, install.NoProgram, providers.Invalid, []string{"the agent for its architecture, linux/", "is not there: ", "/dstack-agent-linux-", "it belongs beside dstack"}},
		"no sudo": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("id", notRoot)
		}, install.NoSudo, providers.Auth, []string{"it has no sudo, and me is not root", "log in as root, or install sudo and let me run everything without a password"}},
		"sudo with a password": {sudo("sudo: a password is required", 1), install.SudoAsks, providers.Auth,
			[]string{"sudo asks me for a password", "echo 'me ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/me"}},
		"a login that may not": {sudo("me is not in the sudoers file.", 1), install.SudoRefuses, providers.Auth,
			[]string{"sudo does not let me be root", "NOPASSWD: ALL"}},
		"sudo that wants a terminal": {sudo("sudo: sorry, you must have a tty to run sudo", 1), install.SudoRefuses, providers.Auth,
			[]string{"sudo wants a terminal (requiretty)", "echo 'Defaults:me !requiretty'"}},
		"sudo that is broken": {sudo("sudo: /etc/sudo.conf is world writable", 1), install.SudoRefuses, providers.Auth,
			[]string{`sudo does not work for me: it says "sudo: /etc/sudo.conf is world writable"`}},
		"a full disk": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("df", "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo '/dev/x 100 100 3072 100% /'")
		}, install.DiskFull, providers.NoCapacity, []string{"its disk is full: the agent needs ", "and 3 MiB are free", "make room on it, and do the same again"}},
		"a disk that becomes full": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("cp", "echo 'cp: error writing: No space left on device' >&2; exit 1")
		}, install.DiskFull, providers.NoCapacity, []string{"No space left on device", "make room on it"}},
		"something in the way": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			require.NoError(w.t, os.WriteFile(w.root+api.HostProgram, []byte("theirs"), 0o755))
		}, install.InTheWay, providers.Invalid, []string{"there is a /usr/local/bin/dstack-agent that dstack did not put there; move it away"}},
		"a machine that answers nonsense": {func(w *world, _ *linktest.Options, _ *link.Options, _ *install.Options) {
			w.program("uname", "exit 1")
			w.program("id", "exit 1")
		}, install.Failed, providers.Internal, []string{"it does not answer what it is asked"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no sudo" {
				if _, err := exec.LookPath("sudo"); err == nil {
					t.Skip("this machine has sudo")
				}
			}
			w := somewhere(t, tc.change)
			_, err := w.install()
			var r *install.Refusal
			require.ErrorAs(t, err, &r)
			require.Equal(t, tc.why, r.Why, err)
			require.Equal(t, tc.kind, r.Kind())
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			for _, name := range []string{"df", "cp", "uname", "id", "sudo"} {
				_ = os.Remove(filepath.Join(w.bin, name))
			}
			if os.Geteuid() == 0 {
				w.gone()
			}
		})
	}
}

func TestOwnership(t *testing.T) {
	w := somewhere(t)
	w.installed()
	theirs := w.want
	theirs.Owner = api.Owner{Lineage: "l2", Address: "fleet.b.instance[0]", By: "you@desk"}
	mine := w.want
	w.want = theirs
	_, err := w.install()
	var r *install.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, install.Owned, r.Why)
	require.Equal(t, providers.Conflict, r.Kind())
	require.ErrorContains(t, err, `it is fleet.lab.instance["10.0.0.11"] of another state (l1) since `)
	require.ErrorContains(t, err, "by me@laptop; take it over with --take-over: what runs on it then ends")
	_, err = w.remove(install.RemoveOptions{Force: true})
	require.ErrorAs(t, err, &r)
	require.ErrorContains(t, err, "it stays as it is")
	require.True(t, w.info().Owner.Is(mine.Owner))

	w.want.Owner = api.Owner{Lineage: "l1", Address: "fleet.c.instance[0]"}
	_, err = w.install()
	require.ErrorContains(t, err, `it is fleet.lab.instance["10.0.0.11"] of the same state since`)

	c := w.installer.Client(w.links, w.machine)
	defer c.Close()
	_, err = c.Submit(t.Context(), api.JobSpec{ID: "train-0-0", Argv: []string{"/bin/sleep", "1000"}})
	require.NoError(t, err)
	_, err = c.WaitReady(t.Context(), "train-0-0")
	require.NoError(t, err)
	w.want = mine
	_, err = w.remove(install.RemoveOptions{})
	require.ErrorAs(t, err, &r)
	require.Equal(t, install.InUse, r.Why)
	require.ErrorContains(t, err, "jobs run on it: train-0-0; stop them first")

	w.want = theirs
	w.want.TakeOver = true
	done := w.installed()
	require.Equal(t, `took it over from fleet.lab.instance["10.0.0.11"]`, done.Did[0])
	require.Contains(t, done.Did, "ended train-0-0")
	require.True(t, w.info().Owner.Is(theirs.Owner))
	w.gone()
}

func TestNotes(t *testing.T) {
	w := somewhere(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w.program("date", fmt.Sprintf("echo %d", now.Add(-time.Hour).Unix()))
	i := install.New(install.Options{Root: w.root, Now: func() time.Time { return now }})
	l := w.open()
	defer l.Close()
	h, err := i.Look(t.Context(), l)
	require.NoError(t, err)
	require.Equal(t, []string{
		"its clock is 1h0m0s behind ours, so that times in its logs are, too; set it: timedatectl set-ntp true",
		"it has no Docker, so that jobs on it are processes; install Docker for jobs with an image",
		"it has no systemd, so that after a start of the machine its agent starts when dstack asks for it",
	}, h.Notes())
	require.Empty(t, cmp.Diff(w.before, w.listing()), "to look changes nothing")
}

// An upload that broke goes on where it broke, and what was damaged is sent anew.
func TestUploadsGoOn(t *testing.T) {
	const size = 30 << 20
	for name, noSFTP := range map[string]bool{"by SFTP": false, "by the shell": true} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && noSFTP {
				t.Skip("left out of short runs")
			}
			large := filepath.Join(t.TempDir(), "agent")
			program, err := os.ReadFile(os.Args[0])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(large, program, 0o700))
			if len(program) < size {
				require.NoError(t, os.Truncate(large, size)) // what follows a program is of no matter to it
			}
			info, err := os.Stat(large)
			require.NoError(t, err)
			w := somewhere(t, func(_ *world, s *linktest.Options, _ *link.Options, o *install.Options) {
				s.NoSFTP = noSFTP
				o.Programs = func(string) (string, error) { return large, nil }
			})
			var dropped atomic.Bool
			w.want.Sent = func(done, total int64) {
				if done > total-(8<<20) && dropped.CompareAndSwap(false, true) {
					w.server.Drop()
				}
			}
			_, err = w.install()
			require.ErrorContains(t, err, "the connection was lost")
			var f *link.Failure
			require.ErrorAs(t, err, &f)
			require.Equal(t, providers.Transient, f.Kind())
			parts, err := os.ReadDir(w.root + api.HostUploadFolder)
			require.NoError(t, err)
			require.Len(t, parts, 1)

			first := int64(-1)
			w.want.Sent = func(done, _ int64) {
				if first < 0 {
					first = done
				}
			}
			w.again(func() error { _, err := w.install(); return err })
			require.Greater(t, first, int64(8<<20), "it went on")
			require.Less(t, first, info.Size())
			w.gone()

			// A part of the right size that holds something else.
			sum := parts[0].Name()
			require.NoError(t, os.MkdirAll(w.root+api.HostUploadFolder, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(w.root+api.HostUploadFolder, sum), make([]byte, info.Size()), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(w.root+api.HostUploadFolder, "older"), nil, 0o600))
			w.installed()
			w.gone()
		})
	}
}

// cutting is a connection that breaks after so many bytes in both directions.
type cutting struct {
	net.Conn
	left *atomic.Int64
}

func (c *cutting) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left.Add(-int64(n)) < 0 {
		_ = c.Conn.Close()
	}
	return n, err
}

func (c *cutting) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		_ = c.Conn.Close()
	}
	return c.Conn.Write(b)
}

// TestLinksThatBreak breaks the connection at many places of an installation and of a removal. Doing it again converges.
func TestLinksThatBreak(t *testing.T) {
	left := new(atomic.Int64)
	left.Store(1 << 60)
	w := somewhere(t, func(_ *world, _ *linktest.Options, l *link.Options, _ *install.Options) {
		l.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return &cutting{conn, left}, err
		}
	})
	w.installed()
	installed := w.listing()
	total := (int64(1) << 60) - left.Load()
	w.gone()
	at := []int64{3_000, 8_000, 20_000, total / 2, total - 1_000, total - 300}
	if testing.Short() {
		at = []int64{8_000, total - 1_000}
	}
	broken := 0
	try := func(f func() error) {
		l, err := w.links.Open(context.Background(), w.machine)
		if err == nil {
			l.Close()
			err = f()
		}
		if err != nil {
			broken++
		}
	}
	// Until connections are made anew that broke.
	for _, n := range at {
		w.server.Drop()
		left.Store(n)
		try(func() error { _, err := w.install(); return err })
		left.Store(1 << 60)
		w.again(func() error { _, err := w.install(); return err })
		require.Empty(t, cmp.Diff(unchanging(installed), unchanging(w.listing())))
		require.Eventually(t, func() bool { return len(w.processes()) == 2 }, time.Minute, 5*time.Millisecond, "one keeper, one agent")
		w.server.Drop()
		left.Store(n % 10_000)
		try(func() error { _, err := w.remove(install.RemoveOptions{Force: true}); return err })
		left.Store(1 << 60)
		w.again(func() error { _, err := w.remove(install.RemoveOptions{Force: true}); return err })
		require.Empty(t, cmp.Diff(w.before, w.listing()))
	}
	require.GreaterOrEqual(t, broken, len(at), "connections broke")
}

// again does something until it works: the first may meet a connection that has just been lost, or a program that goes on without us.
func (w *world) again(f func() error) {
	w.t.Helper()
	var err error
	require.Eventually(w.t, func() bool {
		var l *link.Link
		if l, err = w.links.Open(context.Background(), w.machine); err == nil {
			l.Close()
			err = f()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond, "%v", err)
}

// unchanging is a listing without what differs from one agent to the next.
func unchanging(files map[string]string) map[string]string {
	out := map[string]string{}
	for path, text := range files {
		if base := filepath.Base(path); base != "keeper.lock" && base != "agent.log" && base != "host.json" {
			out[path] = text
		}
	}
	return out
}

// TestSSHD has the same with OpenSSH, also where it forwards no sockets.
func TestSSHD(t *testing.T) {
	for name, more := range map[string]string{"as it is": "", "without forwarding": "AllowTcpForwarding no\nAllowStreamLocalForwarding no\n"} {
		t.Run(name, func(t *testing.T) {
			w, key, file := bare(t)
			keys := filepath.Join(t.TempDir(), "authorized_keys")
			require.NoError(t, os.WriteFile(keys, ssh.MarshalAuthorizedKey(key.PublicKey()), 0o600))
			port := linktest.SSHD(t, keys, more+"SetEnv HOME="+w.root+"/home/me\n")
			me, err := user.Current()
			require.NoError(t, err)
			w.links = link.New(link.Options{Home: t.TempDir()})
			defer w.links.Close()
			w.machine = link.Machine{Host: "127.0.0.1", Port: port, User: me.Username, Identity: file}
			w.installer = install.New(install.Options{Root: w.root, Programs: func(string) (string, error) { return os.Args[0], nil }})
			w.before = w.listing()
			w.installed()
			info := w.info()
			require.True(t, info.Owner.Is(owner))
			require.Empty(t, w.installed().Did)
			c := w.installer.Client(w.links, w.machine)
			defer c.Close()
			_, err = c.Submit(t.Context(), api.JobSpec{ID: "a", Argv: []string{"/bin/sh", "-c", "seq 5; sleep 1000"}})
			require.NoError(t, err)
			var lines []string
			for line, err := range c.Logs(t.Context(), "a", api.LogQuery{Follow: true}) {
				require.NoError(t, err)
				if lines = append(lines, string(line.Text)); len(lines) == 5 {
					break
				}
			}
			require.Equal(t, []string{"1", "2", "3", "4", "5"}, lines)
			done, err := w.remove(install.RemoveOptions{Force: true})
			require.NoError(t, err)
			require.Contains(t, done.Did, "ended a")
			require.Empty(t, cmp.Diff(w.before, w.listing()))
		})
	}
}

func TestProgramsBeside(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "dstack-agent")
	find := install.Beside(own)
	_, err := find("arm64")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(own, nil, 0o700))
	for _, arch := range []string{"amd64", "arm64"} {
		path, err := find(arch)
		if runtime.GOOS == "linux" && arch == runtime.GOARCH {
			require.NoError(t, err)
			require.Equal(t, own, path, "this machine's own")
		} else {
			require.ErrorIs(t, err, fs.ErrNotExist)
		}
		require.NoError(t, os.WriteFile(own+"-linux-"+arch, nil, 0o700))
		path, err = find(arch)
		require.NoError(t, err)
		require.Equal(t, own+"-linux-"+arch, path)
	}
}
