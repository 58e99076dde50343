package agent_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
)

func TestSubmitIsIdempotent(t *testing.T) {
	m := start(t)
	env := func(v string) func(*api.JobSpec) { return func(s *api.JobSpec) { s.Env = []string{"TOKEN=" + v} } }
	first := m.run("a", "echo once", env("1"))
	m.finished("a")
	m.kill()
	m.up()
	again := m.run("a", "echo once", env("1"))
	require.Equal(t, first.SubmittedAt, again.SubmittedAt)
	require.Equal(t, "once\n", m.output("a"))
	_, err := m.Submit(t.Context(), spec("a", "echo once", env("2")))
	require.Equal(t, api.KindConflict, api.KindOf(err), "another value of a variable is another specification: %v", err)

	// Many at once are one too.
	results := make(chan api.Job)
	for range 8 {
		go func() {
			j, err := m.Submit(t.Context(), spec("b", "echo $$"))
			if err != nil {
				t.Error(err)
			}
			results <- j
		}()
	}
	one := <-results
	for range 7 {
		require.Equal(t, one.SubmittedAt, (<-results).SubmittedAt)
	}
	m.finished("b")
	require.Equal(t, 1, strings.Count(m.output("b"), "\n"))
}

func TestRefusals(t *testing.T) {
	m := start(t)
	cases := map[string]func(*api.JobSpec){
		"an id that is no name of a folder":     func(s *api.JobSpec) { s.ID = ".a b" },
		"no program":                            func(s *api.JobSpec) { s.Argv = nil },
		"a variable without a value":            func(s *api.JobSpec) { s.Env = []string{"A"} },
		"a working directory outside":           func(s *api.JobSpec) { s.WorkingDir = "a/../../x" },
		"a relative mount":                      func(s *api.JobSpec) { s.Mounts = []api.Mount{{Source: "/tmp", Path: "x"}} },
		"a mount at the root":                   func(s *api.JobSpec) { s.Mounts = []api.Mount{{Source: "/tmp", Path: "/x/.."}} },
		"two mounts at one path":                func(s *api.JobSpec) { s.Mounts = []api.Mount{{Source: "/tmp", Path: "/a"}, {Source: "/", Path: "/a/"}} },
		"more blocks than there are":            func(s *api.JobSpec) { s.Blocks.Need = 2 },
		"blocks of a machine otherwise divided": func(s *api.JobSpec) { s.Blocks = api.HostBlocks{Need: 1, Total: 4} },
		"more GPUs than there are":              func(s *api.JobSpec) { s.GPUs = 99 },
		"a negative limit":                      func(s *api.JobSpec) { s.CPULimit = -1 },
		"a port that is none":                   func(s *api.JobSpec) { s.Port = 70000 },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := m.Submit(t.Context(), spec("a", "true", change))
			require.Equal(t, api.KindInvalid, api.KindOf(err), "%v", err)
		})
	}
	jobs, err := m.Jobs(t.Context())
	require.NoError(t, err)
	require.Empty(t, jobs)
	_, err = m.Job(t.Context(), "a")
	require.Equal(t, api.KindNotFound, api.KindOf(err))
}

func TestHostBlocksAreLent(t *testing.T) {
	m := start(t, func(m *machine) { m.blocks = 4 })
	need := func(n int) func(*api.JobSpec) {
		return func(s *api.JobSpec) { s.Blocks = api.HostBlocks{Need: n, Total: 4} }
	}
	m.run("three", "sleep 60", need(3))
	require.Equal(t, []int{3}, m.run("one", "sleep 60", need(1)).Blocks)
	_, err := m.Submit(t.Context(), spec("more", "true", need(1)))
	require.Equal(t, api.KindConflict, api.KindOf(err))
	require.ErrorContains(t, err, "held by one, three")
	m.kill()
	m.up()
	_, err = m.Submit(t.Context(), spec("more", "true", need(1)))
	require.Equal(t, api.KindConflict, api.KindOf(err), "what is lent stays so when the agent is killed")
	_, err = m.Stop(t.Context(), "one", api.StopRequest{Abort: true})
	require.NoError(t, err)
	m.finished("one")
	_, err = m.Submit(t.Context(), spec("whole", "true"))
	require.Equal(t, api.KindConflict, api.KindOf(err), "a job that names no number takes the whole machine")
	m.run("more", "true", need(1))
	m.finished("more")

	require.Equal(t, api.KindConflict, api.KindOf(m.Shutdown(t.Context(), false)))
	require.Equal(t, api.KindConflict, api.KindOf(m.Delete(t.Context(), "three", false)))
	require.NoError(t, m.Delete(t.Context(), "three", true))
	require.NoError(t, m.Delete(t.Context(), "three", false), "deleting what is gone succeeds")
	require.NoDirExists(t, filepath.Join(m.dir, "jobs", "three"))
	m.run("whole", "true")
	m.finished("whole")
	info, err := m.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, info.Blocks)
	require.Zero(t, info.BusyBlocks)
	require.Equal(t, 3, info.FinishedJobs)
}

func TestSecretsAreWhereTheyBelongOnly(t *testing.T) {
	const canary, secret = "canary-8d1f", "secret-77ab"
	m := start(t, func(m *machine) {
		m.env = append(os.Environ(), "AGENT_ONLY="+canary, "LANG=C.UTF-8", "TZ=UTC")
	})
	m.run("a", "env; echo up; sleep 60", func(s *api.JobSpec) { s.Env = []string{"LANG=first", "TOKEN=" + secret, "LANG=mine"} })
	m.said("a", "up\n")
	out := m.output("a")
	require.NotContains(t, out, canary)
	require.Contains(t, out, "TOKEN="+secret)
	require.Contains(t, out, "LANG=mine\n")
	require.NotContains(t, out, "LANG=first")
	require.Contains(t, out, "TZ=UTC\n")
	require.Contains(t, out, "DSTACK_MOUNT_ROOT=\n")
	require.Contains(t, out, "DSTACK_AGENT="+program(t)+"\n")

	// The job has printed its secret; apart from its log it is nowhere.
	found, _ := exec.Command("grep", "-rl", "--exclude-dir=log", secret, m.dir).Output()
	require.Empty(t, string(found))
	args, err := exec.Command("ps", "-eo", "args").Output()
	require.NoError(t, err)
	require.NotContains(t, string(args), secret)
	j, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, []string{"LANG", "TOKEN", "LANG"}, j.Spec.Env)
	for _, name := range []string{"record.json", "status.json", "control.sock", "../../agent.sock"} {
		info, err := os.Stat(filepath.Join(m.dir, "jobs", "a", name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

func program(t *testing.T) string {
	t.Helper()
	p, err := os.Executable()
	require.NoError(t, err)
	return p
}

func TestMounts(t *testing.T) {
	m := start(t, func(m *machine) { m.blocks = 2 })
	info, err := m.Info(t.Context())
	require.NoError(t, err)
	if info.Mounts == api.MountsLinks {
		t.Skip("no mount namespace can be had here")
	}
	vol := filepath.Join(filepath.Dir(m.dir), "volume")
	file := filepath.Join(filepath.Dir(m.dir), "file")
	require.NoError(t, os.WriteFile(file, []byte("content"), 0o644))
	before := listing(t)
	half := func(mounts ...api.Mount) func(*api.JobSpec) {
		return func(s *api.JobSpec) { s.Blocks.Need, s.Mounts = 1, mounts }
	}
	m.run("writer", "echo hello > $DSTACK_MOUNT_ROOT/dstack-test/data/x; until test -e /dstack-test/data/y; do sleep 0.01; done; cat /dstack-test/data/y",
		half(api.Mount{Source: vol, Path: "/dstack-test/data", Create: true}))
	m.run("reader", `until test -e /mnt/no/such/x; do sleep 0.01; done; cat /mnt/no/such/x /etc/dstack-file; echo back > /mnt/no/such/y
test -e /proc/self && test -x /bin/sh && test -d /tmp && echo machine
! touch /srv/locked/z 2>/dev/null && echo locked; test -e /skipped || echo skipped; touch /mnt/beside`,
		half(
			api.Mount{Source: vol, Path: "/mnt/no/such", Create: true}, api.Mount{Source: file, Path: "/etc/dstack-file"},
			api.Mount{Source: vol, Path: "/srv/locked", ReadOnly: true, Create: true}, api.Mount{Source: "/absent", Path: "/skipped", Optional: true},
		))
	require.Equal(t, api.StatusDone, m.finished("reader").Status, m.output("reader"))
	require.Equal(t, api.StatusDone, m.finished("writer").Status, m.output("writer"))
	require.Equal(t, "hello\ncontentmachine\nlocked\nskipped\n", m.output("reader"))
	require.Equal(t, "back\n", m.output("writer"))
	data, err := os.ReadFile(filepath.Join(vol, "x"))
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(data))
	if diff := cmp.Diff(before, listing(t)); diff != "" {
		t.Errorf("something is left on the machine: %s", diff)
	}
	require.NoDirExists(t, filepath.Join(m.dir, "jobs", "writer", "root"))
	mode, err := os.Stat(vol)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o777), mode.Mode().Perm())
}

// listing is what is in the folders that the mounts of tests go through.
func listing(t *testing.T) (all []string) {
	t.Helper()
	for _, dir := range []string{"/", "/mnt", "/etc", "/srv"} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

func TestShmAndUser(t *testing.T) {
	m := start(t)
	if os.Getuid() != 0 {
		t.Skip("only root changes users")
	}
	vol := filepath.Join(filepath.Dir(m.dir), "volume")
	m.run("a", "id -u; id -g; df -k /dev/shm | tail -1 | awk '{print $2}'; touch here /dstack-data/there; umask", func(s *api.JobSpec) {
		s.User = &api.User{UID: 65534, GID: 65534}
		s.ShmSize = 8 << 20
		s.Mounts = []api.Mount{{Source: vol, Path: "/dstack-data", Create: true}}
	})
	j := m.finished("a")
	require.Equal(t, "65534\n65534\n8192\n0022\n", m.output("a"))
	require.Equal(t, api.StatusDone, j.Status, j.Message)
	info, err := os.Stat(filepath.Join(vol, "there"))
	require.NoError(t, err)
	require.Equal(t, uint32(65534), info.Sys().(*syscall.Stat_t).Uid)
}

func TestMountsOfAnAgentThatIsNotRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("TestMounts shows it")
	}
	root, err := os.MkdirTemp("/tmp", "agent")
	require.NoError(t, err)
	defer os.RemoveAll(root)
	require.NoError(t, os.Chmod(root, 0o777))
	// The test's program lies where root alone gets to.
	prog := filepath.Join(root, "dstack-agent")
	data, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(prog, data, 0o755))
	dir := filepath.Join(root, "i")
	cmd := exec.Command(prog, "serve", "--dir", dir)
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	require.NoError(t, cmd.Start())
	m := &machine{t: t, dir: dir, Client: client.New(dir)}
	var info api.Info
	require.Eventually(t, func() bool {
		info, err = m.Info(t.Context())
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
	defer func() {
		require.NoError(t, m.Shutdown(context.Background(), true))
		cmd.Wait()
	}()
	if info.Mounts != api.MountsUserNamespace {
		t.Skip("no user namespace can be had here")
	}
	m.run("a", "id -u; grep CapEff /proc/self/status | tr -d '\t'; echo hi > /dstack-data/x; touch /mnt/locked/y 2>/dev/null || cat /mnt/locked/x",
		func(s *api.JobSpec) {
			vol := filepath.Join(root, "volume")
			s.Mounts = []api.Mount{{Source: vol, Path: "/dstack-data", Create: true}, {Source: vol, Path: "/mnt/locked", ReadOnly: true}}
		})
	require.Equal(t, api.StatusDone, m.finished("a").Status)
	require.Equal(t, "65534\nCapEff:0000000000000000\nhi\n", m.output("a"), "it has its own user and no rights")
	_, err = m.Submit(t.Context(), spec("b", "true", func(s *api.JobSpec) { s.User = &api.User{} }))
	require.Equal(t, api.KindInvalid, api.KindOf(err))
}

func TestMemoryLimit(t *testing.T) {
	m := start(t)
	info, err := m.Info(t.Context())
	require.NoError(t, err)
	if info.Cgroup == "none" {
		t.Skip("no limits can be set here")
	}
	m.run("a", "head -c 300000000 /dev/zero | tail >/dev/null; exit 12", func(s *api.JobSpec) { s.MemoryLimit, s.CPULimit = 64<<20, 1 })
	j := m.finished("a")
	require.Contains(t, j.Message, "out of memory: it may use 67108864 bytes")
}

func TestLogIsResumedWithoutAGap(t *testing.T) {
	m := start(t)
	m.run("a", "for i in $(seq 400); do echo line $i; done; sleep 0.2; for i in $(seq 401 800); do echo line $i; done",
		func(s *api.JobSpec) { s.Log = api.LogLimits{SegmentBytes: 4000} })
	want := 1
	var offset int64
	for want <= 800 {
		// A follower that is cut off after some lines goes on where it was.
		n := 0
		for line, err := range m.Logs(t.Context(), "a", api.LogQuery{Follow: true, Offset: offset}) {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("line %d", want), line.Text)
			require.Equal(t, offset, line.Offset)
			offset = line.Next
			want++
			if n++; n == 150 {
				break
			}
		}
		require.NotZero(t, n, "the log ended after line %d", want)
	}
	var tail []string
	for line, err := range m.Logs(t.Context(), "a", api.LogQuery{Tail: 2}) {
		require.NoError(t, err)
		tail = append(tail, line.Text)
	}
	require.Equal(t, []string{"line 799", "line 800"}, tail)
	for range m.Logs(t.Context(), "a", api.LogQuery{Since: time.Now()}) {
		t.Error("a line of the future")
	}
}

func TestFolderOfAnyDepth(t *testing.T) {
	m := start(t, func(m *machine) { m.dir = filepath.Join(m.dir, strings.Repeat("a-long-name/", 20), "i") })
	m.run("a", "echo deep")
	require.Equal(t, api.StatusDone, m.finished("a").Status)
	require.Equal(t, "deep\n", m.output("a"))
	m.kill()
	m.up()
	require.Equal(t, "deep\n", m.output("a"))
}

func TestOneAgentForAFolder(t *testing.T) {
	m := start(t)
	out, err := exec.Command(os.Args[0], "serve", "--dir", m.dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "another agent serves "+m.dir)
	_, err = client.New(t.TempDir()).Info(t.Context())
	require.ErrorIs(t, err, client.ErrNotRunning)
}

func TestStartThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "jobs"), nil, 0o600))
	_, err := client.StartAgent(context.Background(), client.StartOptions{Program: os.Args[0], Dir: filepath.Dir(dir)}, 1)
	require.ErrorContains(t, err, "make folder")
}
