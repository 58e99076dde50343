package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/agent/internal/setup"
)

// TestMain lets the test's program be dstack-agent when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && agent.IsCommand(os.Args[1]) {
		os.Exit(agent.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // each process would wait for a second before it is gone
	os.Exit(m.Run())
}

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIeW2uY0o1nVjG5m4JmSx1y0v7p6b8x7cJ8y0Y2a3b4c me@laptop"

// world is a machine below a folder.
type world struct {
	setup.Place
	t    testing.TB
	spec api.HostSpec
}

func machine(t testing.TB) *world {
	t.Helper()
	root, err := os.MkdirTemp("/tmp", "setup")
	require.NoError(t, err)
	w := &world{Place: setup.Place{Root: root, Program: os.Args[0]}, t: t}
	for _, dir := range []string{"/usr/local/bin", "/var/lib", "/etc/systemd/system/multi-user.target.wants", "/run", "/home/me"} {
		require.NoError(t, os.MkdirAll(w.At(dir), 0o755))
	}
	sum, err := setup.Sum(os.Args[0])
	require.NoError(t, err)
	w.spec = api.HostSpec{
		Owner: api.Owner{Lineage: "l1", Address: `fleet.lab.instance["10.0.0.11"]`, By: "me@laptop", Since: time.Date(2026, 11, 1, 9, 30, 0, 0, time.UTC)},
		Login: api.Login{Name: "me", UID: os.Getuid(), GID: os.Getgid(), Home: w.At("/home/me")},
		Keys:  []string{key}, Env: map[string]string{"LAB_TOKEN": "s3cret"}, Program: sum,
	}
	t.Cleanup(func() {
		record, err := w.Record()
		if err == nil && record != nil {
			_, err = setup.Remove(context.Background(), w.Place, api.HostRemoval{Owner: record.Owner, Force: true})
		}
		require.NoError(t, err)
		w.still()
		require.NoError(t, os.RemoveAll(root))
	})
	return w
}

func (w *world) install() []string {
	w.t.Helper()
	r, err := setup.Install(context.Background(), w.Place, w.spec)
	require.NoError(w.t, err)
	return r.Did
}

func (w *world) remove() []string {
	w.t.Helper()
	r, err := setup.Remove(context.Background(), w.Place, api.HostRemoval{Owner: w.spec.Owner, Force: true})
	require.NoError(w.t, err)
	return r.Did
}

// client is the agent as the login reaches it.
func (w *world) client() *client.Client { return client.New(w.At(api.HostRunFolder)) }

func (w *world) info() api.Info {
	w.t.Helper()
	c := w.client()
	defer c.Close()
	info, err := c.Info(context.Background())
	require.NoError(w.t, err)
	return info
}

// listing is every file with its rights and what it holds.
func (w *world) listing() map[string]string {
	w.t.Helper()
	files := map[string]string{}
	require.NoError(w.t, filepath.WalkDir(w.Root, func(path string, d fs.DirEntry, err error) error {
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
		files[strings.TrimPrefix(path, w.Root)] = fmt.Sprint(info.Mode(), " ", text)
		return nil
	}))
	return files
}

// processes are the agents and keepers of this machine.
func (w *world) processes() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range dirs {
		text, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pid != os.Getpid() && bytes.Contains(text, []byte(w.Root)) && !bytes.HasPrefix(text, []byte("/bin/sh")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// still is that no process is left. One that has ended may take a moment to be gone.
func (w *world) still() {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return len(w.processes()) == 0 }, time.Minute, 5*time.Millisecond, "processes are left")
}

func TestAHostComesAndGoes(t *testing.T) {
	w := machine(t)
	require.NoError(t, os.MkdirAll(w.At("/home/me/.ssh"), 0o700))
	require.NoError(t, os.WriteFile(w.At("/home/me/.ssh/authorized_keys"), []byte("ssh-rsa AAAAB3NzaC1yc2E= other"), 0o640))
	before := w.listing()

	require.Equal(t, []string{
		`wrote down that it is fleet.lab.instance["10.0.0.11"]`, "installed /usr/local/bin/dstack-agent", "wrote the agent's environment",
		"added 1 key to " + w.At("/home/me/.ssh/authorized_keys"), "started the agent",
	}, w.install())
	info := w.info()
	require.Equal(t, w.At(api.HostProgram), info.Program)
	require.Equal(t, w.spec.Owner, *info.Owner)
	require.Equal(t, 1, info.Blocks)
	require.WithinDuration(t, time.Now(), info.Now, time.Minute)
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", info.PID))
	require.NoError(t, err)
	require.NotContains(t, string(environ), "s3cret", "the environment of a process can be read by its user")
	socket, err := os.Stat(w.At(api.HostSocket))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, socket.Mode().Perm())

	t.Run("again changes nothing", func(t *testing.T) {
		require.Empty(t, w.install())
		require.Equal(t, info.PID, w.info().PID)
	})
	t.Run("what is another is put right, and what is as it was stays", func(t *testing.T) {
		w.spec.Env = nil
		require.Equal(t, []string{"removed the agent's environment", "started the agent"}, w.install())
		require.NotEqual(t, info.PID, w.info().PID)
		require.NoError(t, os.Remove(w.At(api.HostProgram)))
		require.Equal(t, []string{"installed /usr/local/bin/dstack-agent"}, w.install())
		w.spec.Blocks = 2
		require.Equal(t, []string{"started the agent"}, w.install())
		require.Equal(t, 2, w.info().Blocks)
	})
	r, err := setup.Remove(t.Context(), w.Place, api.HostRemoval{Owner: w.spec.Owner, Preview: true})
	require.NoError(t, err)
	require.Equal(t, r.Did, w.remove())
	require.Equal(t, []string{"removed 1 key from " + w.At("/home/me/.ssh/authorized_keys"), "removed /usr/local/bin/dstack-agent", "removed /var/lib/dstack-agent"}, r.Did)
	require.Empty(t, cmp.Diff(before, w.listing()))
	w.still()
	require.Empty(t, w.remove(), "what is gone is gone")
	require.Empty(t, cmp.Diff(before, w.listing()))
}

func TestTheAgentIsKeptRunning(t *testing.T) {
	w := machine(t)
	w.install()
	c := w.client()
	defer c.Close()
	back := func(was int) (now api.Info) {
		t.Helper()
		require.Eventually(t, func() bool {
			info, err := c.Info(t.Context())
			now = info
			return err == nil && info.PID != was
		}, time.Minute, 5*time.Millisecond)
		return now
	}
	first := w.info()
	require.NoError(t, syscall.Kill(first.PID, syscall.SIGKILL))
	second := back(first.PID)

	// Without its keeper the agent ends, so that there are never two; the first who asks for it starts both.
	text, err := os.ReadFile(w.At(api.HostFolder + "/keeper.lock"))
	require.NoError(t, err)
	keeper, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(keeper, syscall.SIGKILL))
	w.still()
	cmd := exec.Command(w.At(api.HostProgram), "host", "connect", "--root", w.Root)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	var out bytes.Buffer
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	_, err = fmt.Fprint(in, "GET /v1/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.True(t, strings.HasPrefix(out.String(), api.HostConnected+"\nHTTP/1.1 200 OK\r\n"), out.String())
	back(second.PID)
}

// systemctl does of systemd what an agent needs, and writes down what it was asked.
const systemctl = `#!/bin/sh
echo "$*" >>"$ROOT/calls"
pid=$ROOT/run/pid
lives() { grep -q '^State:.[^ZX]' "/proc/$(cat "$pid")/status" 2>/dev/null; }
end() {
  [ -f "$pid" ] || return
  kill "$(cat "$pid")" 2>/dev/null
  while lives; do sleep 0.01; done
  rm -f "$pid"
}
case "$1" in
enable) ln -sf "$ROOT/etc/systemd/system/$2" "$ROOT/etc/systemd/system/multi-user.target.wants/$2" ;;
restart)
  end
  line=$(sed -n 's/^ExecStart=//p' "$ROOT/etc/systemd/system/$2")
  setsid sh -c 'echo $$ >"$0"; exec '"$line" "$pid" </dev/null >/dev/null 2>&1 &
  while [ ! -s "$pid" ]; do sleep 0.01; done ;;
disable) end; rm -f "$ROOT/etc/systemd/system/multi-user.target.wants/$3" ;;
esac
`

func TestAHostWithSystemd(t *testing.T) {
	w := machine(t)
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "systemctl"), []byte(systemctl), 0o700))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("ROOT", w.Root)
	require.NoError(t, os.MkdirAll(w.At("/run/systemd/system"), 0o755))
	before := w.listing()
	did := w.install()
	require.Contains(t, did, "installed /etc/systemd/system/dstack-agent.service")
	require.Empty(t, w.install())
	first := w.info().PID
	w.spec.Blocks = 4
	require.Equal(t, []string{"started the agent"}, w.install())
	require.NotEqual(t, first, w.info().PID)
	w.remove()
	calls, err := os.ReadFile(w.At("/calls"))
	require.NoError(t, err)
	require.Equal(t, `daemon-reload
enable dstack-agent.service
restart dstack-agent.service
restart dstack-agent.service
disable --now dstack-agent.service
daemon-reload
reset-failed dstack-agent.service
`, string(calls))
	require.NoError(t, os.Remove(w.At("/calls")))
	require.Empty(t, cmp.Diff(before, w.listing()))
}

func TestAMachineBelongsToOne(t *testing.T) {
	w := machine(t)
	w.install()
	other := w.spec
	other.Owner = api.Owner{Lineage: "l2", Address: "fleet.theirs.instance[0]", By: "you@desk"}
	for name, tc := range map[string]struct {
		owner api.Owner
		want  string
	}{
		"another state": {other.Owner, `it is fleet.lab.instance["10.0.0.11"] of another state (l1) since 2026-11-01 09:30 UTC, by me@laptop`},
		"another fleet": {api.Owner{Lineage: "l1", Address: "fleet.b.instance[0]"}, `it is fleet.lab.instance["10.0.0.11"] of the same state since 2026-11-01 09:30 UTC, by me@laptop`},
	} {
		t.Run(name, func(t *testing.T) {
			spec := w.spec
			spec.Owner = tc.owner
			_, err := setup.Install(t.Context(), w.Place, spec)
			require.EqualError(t, err, tc.want)
			require.Equal(t, api.KindConflict, api.KindOf(err))
			_, err = setup.Remove(t.Context(), w.Place, api.HostRemoval{Owner: tc.owner, Force: true})
			require.EqualError(t, err, tc.want)
		})
	}
	c := w.client()
	job, err := c.Submit(t.Context(), api.JobSpec{ID: "train-0-0", Argv: []string{"/bin/sleep", "1000"}})
	require.NoError(t, err)
	require.Equal(t, "train-0-0", job.ID)
	_, err = c.WaitReady(t.Context(), job.ID)
	require.NoError(t, err)
	c.Close()
	_, err = setup.Remove(t.Context(), w.Place, api.HostRemoval{Owner: w.spec.Owner})
	require.EqualError(t, err, "jobs run on it: train-0-0; stop them first")
	require.NotZero(t, w.info().PID, "it was refused before anything was done")

	other.TakeOver = true
	installed := w.Place
	installed.Program = w.At(api.HostProgram)
	r, err := setup.Install(t.Context(), installed, other)
	require.NoError(t, err)
	require.Equal(t, `took it over from fleet.lab.instance["10.0.0.11"]`, r.Did[0])
	require.Contains(t, r.Did, "ended train-0-0")
	require.Equal(t, other.Owner, *w.info().Owner)
	text, err := os.ReadFile(w.At("/home/me/.ssh/authorized_keys"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), "\n"), string(text))
	require.Contains(t, string(text), "(dstack l2 fleet.theirs.instance[0]; with the folder)")
}

// What belongs to the login is written as the login, since root may be nobody on the server of homes; where only root may, root does.
func TestFilesOfTheLogin(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	const nobody = 65534
	w := machine(t)
	require.NoError(t, os.Chmod(w.Root, 0o755))
	w.spec.Login = api.Login{Name: "nobody", UID: nobody, GID: nobody, Home: w.At("/home/me")}
	owner := func(path string) int {
		info, err := os.Stat(w.At(path))
		require.NoError(t, err)
		return int(info.Sys().(*syscall.Stat_t).Uid)
	}
	require.NoError(t, os.Chown(w.At("/home/me"), nobody, nobody))
	before := w.listing()
	w.install()
	require.Equal(t, nobody, owner("/home/me/.ssh"))
	require.Equal(t, nobody, owner("/home/me/.ssh/authorized_keys"))
	require.Equal(t, nobody, owner(api.HostSocket))
	w.remove()
	require.Empty(t, cmp.Diff(before, w.listing()))

	require.NoError(t, os.Mkdir(w.At("/home/me/.ssh"), 0o755))
	require.NoError(t, os.WriteFile(w.At("/home/me/.ssh/authorized_keys"), []byte("ssh-rsa AAAAB x\n"), 0o644))
	before = w.listing()
	w.install()
	require.Equal(t, 0, owner("/home/me/.ssh/authorized_keys"))
	w.remove()
	require.Empty(t, cmp.Diff(before, w.listing()))
}

func TestWhatIsSomebodyElsesIsLeftAlone(t *testing.T) {
	for _, path := range []string{api.HostProgram, api.HostUnit} {
		w := machine(t)
		require.NoError(t, os.WriteFile(w.At(path), []byte("theirs"), 0o755))
		before := w.listing()
		_, err := setup.Install(t.Context(), w.Place, w.spec)
		require.ErrorContains(t, err, "there is a "+path+" that dstack did not put there; move it away")
		w.remove()
		require.Empty(t, cmp.Diff(before, w.listing()))
	}
}

func TestADamagedAgentIsNotInstalled(t *testing.T) {
	w := machine(t)
	w.spec.Program = strings.Repeat("0", 64)
	_, err := setup.Install(t.Context(), w.Place, w.spec)
	require.ErrorContains(t, err, "the agent that was sent is damaged")
	require.NoFileExists(t, w.At(api.HostProgram))
}

// TestCutOffAnywhere kills whoever installs or removes at any moment. Doing it again ends as if nothing had happened.
func TestCutOffAnywhere(t *testing.T) {
	runs := 6
	if testing.Short() {
		runs = 1
	}
	if text := os.Getenv("SETUP_KILLS"); text != "" {
		runs, _ = strconv.Atoi(text)
	}
	w := machine(t)
	before := w.listing()
	w.install()
	installed := w.listing()
	w.remove()
	spec, err := json.Marshal(w.spec)
	require.NoError(t, err)
	removal, err := json.Marshal(api.HostRemoval{Owner: w.spec.Owner, Force: true})
	require.NoError(t, err)
	cut := func(verb string, input []byte) {
		cmd := exec.Command(os.Args[0], "host", verb, "--root", w.Root)
		cmd.Stdin = bytes.NewReader(input)
		require.NoError(t, cmd.Start())
		time.AfterFunc(time.Duration(rand.Int64N(int64(300*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
	}
	for range runs {
		cut("install", spec)
		if rand.IntN(2) == 0 {
			cut("remove", removal)
		}
		w.install()
		require.Empty(t, cmp.Diff(unchanging(installed), unchanging(w.listing())))
		require.Eventually(t, func() bool { return len(w.processes()) == 2 }, time.Minute, 5*time.Millisecond, "one keeper, one agent")
		cut("remove", removal)
		w.remove()
		require.Empty(t, cmp.Diff(before, w.listing()))
		w.still()
	}
}

// unchanging is a listing without what differs from one agent to the next.
func unchanging(files map[string]string) map[string]string {
	out := map[string]string{}
	for path, text := range files {
		if filepath.Base(path) != "keeper.lock" && filepath.Base(path) != "agent.log" {
			out[path] = text
		}
	}
	return out
}
