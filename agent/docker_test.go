package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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
	"github.com/dstackai/dstack-planner/agent/internal/joblog"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
	"github.com/dstackai/dstack-planner/internal/dockertest"
)

// static builds the agent as it is shipped, so that any image can run it.
func static(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "dstack-agent")
	cmd := exec.Command("go", "build", "-o", program, "github.com/dstackai/dstack-planner/cmd/dstack-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// docked is an instance with an Engine.
func docked(t *testing.T, e *dockertest.Engine, program string, change ...func(*machine)) *machine {
	return start(t, append([]func(*machine){func(m *machine) {
		m.program, m.env = program, append(os.Environ(), "DOCKER_HOST="+e.Host)
	}}, change...)...)
}

// box submits a shell script for a container with busybox.
func (m *machine) box(id, script string, change ...func(*api.JobSpec)) api.Job {
	m.t.Helper()
	return m.run(id, script, append([]func(*api.JobSpec){func(s *api.JobSpec) {
		s.Argv[0] = "sh"
		s.Container = &api.Container{Image: "lab/box:1", Network: api.NetworkHost}
	}}, change...)...)
}

func TestDocker(t *testing.T) {
	e := dockertest.Start(t, dockertest.Options{})
	e.Import("lab/box:1", dockertest.Busybox(t), "ENV PATH=/bin FROM_IMAGE=image KEPT=image", "WORKDIR /tmp", "CMD [\"echo\", \"own words\"]")
	program := static(t)
	data, err := os.ReadFile(program)
	require.NoError(t, err)
	e.Import("lab/distroless:1", dockertest.Files{"hello": data}, `ENTRYPOINT ["/hello", "version"]`)
	for name, test := range map[string]func(*testing.T, *dockertest.Engine, string){
		"how containers end":               howContainersEnd,
		"shares of a machine":              sharesOfAMachine,
		"images are pulled":                imagesArePulled,
		"images that were brought go":      imagesThatWereBrought,
		"restarts of agent and Engine":     restartsOfAgentAndEngine,
		"stops":                            stopsOfContainers,
		"secrets and labels":               secretsAndLabels,
		"commands beside a container":      commandsBesideAContainer,
		"people enter containers":          peopleEnterContainers,
		"mounts of containers, and rights": mountsOfContainers,
		"repositories are cloned":          clonesInContainers,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, e, program)
			require.Empty(t, e.Containers(), "containers are left")
		})
	}
}

func howContainersEnd(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	type end struct {
		Status  api.Status
		Reason  api.Reason
		Code    *int
		Message string
		Output  string
	}
	in := func(image string, change ...func(*api.JobSpec)) func(*api.JobSpec) {
		return func(s *api.JobSpec) {
			s.Container = &api.Container{Image: image, Network: api.NetworkHost}
			for _, f := range change {
				f(s)
			}
		}
	}
	box := func(id, script string, change ...func(*api.JobSpec)) api.JobSpec {
		return spec(id, script, append([]func(*api.JobSpec){in("lab/box:1"), func(s *api.JobSpec) { s.Argv[0] = "sh" }}, change...)...)
	}
	cases := map[string]struct {
		spec api.JobSpec
		want end
	}{
		"exit code 0: done": {
			box("done", "echo out; printf partial"),
			end{api.StatusDone, api.ReasonDone, code(0), "", "out\npartial"},
		},
		"another exit code: failed, with the last lines": {
			box("failed", "seq 7; exit 7"),
			end{api.StatusFailed, api.ReasonExitedWithError, code(7), "3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n7\n"},
		},
		"killed by a signal": {
			box("killed", "kill -9 $$"),
			end{api.StatusFailed, api.ReasonExitedWithError, code(137), "killed by signal 9 (killed)", ""},
		},
		"no such program": {
			spec("absent", "", in("lab/box:1"), func(s *api.JobSpec) { s.Argv = []string{"no-such-program"} }),
			end{api.StatusFailed, api.ReasonExitedWithError, code(127), "find in PATH no-such-program: file does not exist", ""},
		},
		"what the image runs": {
			spec("own", "", in("lab/box:1"), func(s *api.JobSpec) { s.Argv = nil }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "own words\n"},
		},
		"an image without a shell": {
			spec("distroless", "", in("lab/distroless:1"), func(s *api.JobSpec) { s.Argv = nil }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "dstack-agent dev\n"},
		},
		"the job's variables over the image's, and its folder": {
			box("env", "echo $FROM_IMAGE $KEPT $MINE $PWD $HOME", func(s *api.JobSpec) { s.Env = []string{"FROM_IMAGE=job", "MINE=mine"} }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "job image mine /tmp /root\n"},
		},
		"a folder that the image lacks": {
			box("folder", "pwd", func(s *api.JobSpec) { s.WorkingDir = "/new/folder" }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "/new/folder\n"},
		},
		"a folder of its own, which its user can write to": {
			box("workflow", "pwd; echo x > y; cat y", func(s *api.JobSpec) { s.WorkingDir, s.Container.User = ".", "worker" }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "/workflow\nx\n"},
		},
		"a user of the image, with the groups": {
			box("user", "id -un; id -G; echo $HOME", func(s *api.JobSpec) { s.Container.User = "worker" }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "worker\n1000 44\n/home/worker\n"},
		},
		"a user by numbers": {
			box("numbers", "id -u; id -g", func(s *api.JobSpec) { s.Container.User = "1234:5678" }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "1234\n5678\n"},
		},
		"a shared memory of a size, with programs in it": {
			box("shm", "df -k /dev/shm | tail -1 | awk '{print $2}'; cp=/dev/shm/x; cat /bin/busybox > $cp; touch $cp; echo '#!/bin/sh\necho ran' > /dev/shm/y; sh -c 'exec /bin/busybox chmod +x /dev/shm/y'; /dev/shm/y",
				func(s *api.JobSpec) { s.ShmSize = 16 << 20 }),
			end{api.StatusDone, api.ReasonDone, code(0), "", "16384\nran\n"},
		},
		"longer than it may": {
			box("long", "trap 'echo over; exit 3' INT; sleep 60 & wait", func(s *api.JobSpec) { s.MaxDuration = 300 * time.Millisecond }),
			end{api.StatusTerminated, api.ReasonMaxDurationExceeded, code(3), "stopped after its max_duration of 300ms", "over\n"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := m.Submit(t.Context(), c.spec)
			require.NoError(t, err)
			j := m.finished(c.spec.ID)
			got := end{j.Status, j.Reason, j.ExitCode, j.Message, m.output(c.spec.ID)}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// fourGPUs puts a stand-in for NVIDIA's tool before those of the machine.
func fourGPUs(t *testing.T) func(*machine) {
	bin := t.TempDir()
	tool := "#!/bin/sh\nfor i in 0 1 2 3; do echo GPU-$i, NVIDIA H100 80GB HBM3, 81559; done\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte(tool), 0o755))
	return func(m *machine) { m.env = append(m.env, "PATH="+bin+":"+os.Getenv("PATH")) }
}

// BLK-04, BLK-05, BLK-06: two jobs of one instance have their own GPUs, processors, memory and network.
func sharesOfAMachine(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program, fourGPUs(t), func(m *machine) { m.blocks = 2 })
	info, err := m.Info(t.Context())
	require.NoError(t, err)
	require.Len(t, info.GPUs, 4)
	half := func(s *api.JobSpec) {
		s.Container.Network, s.Blocks.Need, s.GPUs = api.NetworkBridge, 1, 2
		s.CPULimit, s.MemoryLimit = 1.5, 64<<20
	}
	const look = `echo $(ls /dev | grep nvidia) of $NVIDIA_VISIBLE_DEVICES
cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || { cut -d" " -f1 /sys/fs/cgroup/cpu.max; cat /sys/fs/cgroup/memory.max; }
hostname -i; httpd -p 8000 -h /tmp; sleep 60`
	m.box("a", look, half, func(s *api.JobSpec) { s.Port = 8000 })
	m.box("b", look, half, func(s *api.JobSpec) { s.Port = 8000 })
	_, err = m.Submit(t.Context(), spec("c", "true", func(s *api.JobSpec) { s.Blocks.Need = 1 }))
	require.Equal(t, api.KindConflict, api.KindOf(err))
	var addresses []string
	for _, id := range []string{"a", "b"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		j, err := m.WaitReady(ctx, id)
		require.NoError(t, err)
		require.True(t, j.Ready, "%s: %s\n%s", j.Status, j.Message, m.output(id))
		addresses = append(addresses, j.Address)
		conn, err := net.Dial("tcp", net.JoinHostPort(j.Address, "8000"))
		require.NoError(t, err)
		conn.Close()
		m.said(id, j.Address)
	}
	require.NotEqual(t, addresses[0], addresses[1])
	rest := "150000\n67108864\n"
	require.Equal(t, "nvidia0 nvidia1 of GPU-0,GPU-1\n"+rest+addresses[0]+"\n", m.output("a"))
	require.Equal(t, "nvidia2 nvidia3 of GPU-2,GPU-3\n"+rest+addresses[1]+"\n", m.output("b"))
	for _, id := range []string{"a", "b"} {
		_, err := m.Stop(t.Context(), id, api.StopRequest{Abort: true})
		require.NoError(t, err)
		m.finished(id)
	}
	m.box("greedy", "head -c 200000000 /dev/zero | tail -c 200000000 | wc -c; exit 12", half)
	j := m.finished("greedy")
	require.Equal(t, api.StatusFailed, j.Status)
	require.Contains(t, j.Message, "out of memory: it may use 67108864 bytes")
	// A job without GPUs on a machine with some sees none, whatever its image asks for.
	m.box("none", look, half, func(s *api.JobSpec) { s.GPUs = 0; s.Argv[2] = "echo $(ls /dev | grep nvidia) $NVIDIA_VISIBLE_DEVICES" })
	m.finished("none")
	require.Equal(t, "void\n", m.output("none"))
}

// RUN-11, AGT-03: images come from registries, with credentials, and what goes wrong is said.
func imagesArePulled(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	public, private := dockertest.NewRegistry(t), dockertest.NewRegistry(t)
	private.Username, private.Password = "me", "right"
	files := dockertest.Busybox(t)
	digest := public.Add("team/box", "2", files, "PATH=/bin")
	public.Add("team/box", "latest", files, "PATH=/bin")
	private.Add("secret/box", "1", files, "PATH=/bin")
	run := func(id, image string, auth *api.RegistryAuth) api.Job {
		m.run(id, "", func(s *api.JobSpec) {
			s.Argv, s.Container = nil, &api.Container{Image: image, RegistryAuth: auth, Network: api.NetworkHost}
		})
		return m.finished(id)
	}
	t.Run("by its tag, by its digest, and by no tag", func(t *testing.T) {
		for id, image := range map[string]string{"tag": "team/box:2", "digest": "team/box@" + digest, "latest": "team/box"} {
			j := run(id, public.Host+"/"+image, nil)
			require.Equal(t, api.StatusDone, j.Status, j.Message)
			require.Equal(t, "the image's own words\n", m.output(id))
		}
	})
	t.Run("with the right password, which is kept nowhere", func(t *testing.T) {
		j := run("auth", private.Host+"/secret/box:1", &api.RegistryAuth{Username: "me", Password: "right"})
		require.Equal(t, api.StatusDone, j.Status, j.Message)
		require.Empty(t, j.Spec.Container.RegistryAuth.Password)
		for _, name := range []string{"record.json", "status.json", "supervisor.log"} {
			text, err := os.ReadFile(filepath.Join(m.dir, "jobs", "auth", name))
			require.NoError(t, err)
			require.NotContains(t, string(text), "right")
		}
	})
	for name, c := range map[string]struct {
		image string
		auth  *api.RegistryAuth
		want  string
	}{
		"a wrong password":         {private.Host + "/secret/other:1", &api.RegistryAuth{Username: "me", Password: "wr0ng"}, "does not accept the user name and password of registry_auth"},
		"no password":              {private.Host + "/secret/other:1", nil, "wants a user name and a password; write registry_auth"},
		"an image that is not":     {public.Host + "/team/nobody:1", nil, "does not exist in its registry; see its name and its tag"},
		"a registry that is not":   {"127.0.0.1:1/x:1", nil, "connection refused"},
		"an image of another name": {"127.0.0.1:1/" + strings.Repeat("x", 300), nil, "is no name of an image"},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, " ", "-")
			spec := spec(id, "true", func(s *api.JobSpec) {
				s.Container = &api.Container{Image: c.image, RegistryAuth: c.auth, Network: api.NetworkHost}
			})
			if _, err := m.Submit(t.Context(), spec); err != nil {
				require.ErrorContains(t, err, c.want)
				return
			}
			j := m.finished(id)
			require.Equal(t, api.ReasonCreatingContainer, j.Reason)
			require.Contains(t, j.Message, c.want)
			require.NotContains(t, j.Message, "wr0ng")
		})
	}
	t.Run("how far it is, and stopped meanwhile", func(t *testing.T) {
		slow := dockertest.NewRegistry(t)
		slow.Delay = 400 * time.Millisecond
		files := dockertest.Busybox(t)
		files["random"] = make([]byte, 200_000)
		rand.NewChaCha8([32]byte{}).Read(files["random"])
		slow.Add("slow", "1", files)
		m.box("slow", "true", func(s *api.JobSpec) { s.Container.Image = slow.Host + "/slow:1" })
		require.Eventually(t, func() bool {
			j, err := m.Job(t.Context(), "slow")
			require.NoError(t, err)
			return j.Status == api.StatusPulling && strings.Contains(j.Message, "kB of ")
		}, 30*time.Second, 10*time.Millisecond)
		_, err := m.Stop(t.Context(), "slow", api.StopRequest{})
		require.NoError(t, err)
		require.Equal(t, api.StatusTerminated, m.finished("slow").Status)
	})
	t.Run("one that is there does, if its newest cannot be had", func(t *testing.T) {
		e.Import("127.0.0.1:1/mine:latest", files, "ENV PATH=/bin")
		m.box("mine", "echo mine", func(s *api.JobSpec) { s.Container.Image = "127.0.0.1:1/mine" })
		require.Equal(t, api.StatusDone, m.finished("mine").Status)
		require.Contains(t, m.output("mine"), "is used as it is on this machine")
	})
}

// Images that were there before a job, or that somebody else uses by now, are not the agent's to remove.
func imagesThatWereBrought(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	r := dockertest.NewRegistry(t)
	files := dockertest.Busybox(t)
	for i, name := range []string{"ours", "used", "newest", "other"} {
		files["number"] = []byte{byte(i)}
		r.Add(name, "latest", files, "PATH=/bin")
	}
	e.Import(r.Host+"/there:latest", files, "ENV PATH=/bin")
	run := func(id, name string) {
		m.box(id, "true", func(s *api.JobSpec) { s.Container.Image = r.Host + "/" + name })
		j := m.finished(id)
		require.Equal(t, api.StatusDone, j.Status, j.Message)
	}
	for _, name := range []string{"ours", "used", "newest", "other", "there"} {
		run(name, name)
	}
	run("ours-again", "ours")
	files["number"] = []byte("newer")
	r.Add("newest", "latest", files, "PATH=/bin")
	run("newest-again", "newest")

	list := docker.Images(m.dir)
	require.Len(t, list, 5, "%v", list)
	require.True(t, strings.HasPrefix(list[4], "sha256:"), "the one that a newer one took the name of: %v", list)
	m.box("hold", "echo up; sleep 1000", func(s *api.JobSpec) { s.Container.Image = r.Host + "/used" })
	m.said("hold", "up")
	engine := docker.Runtime{Host: e.Host}
	removed, kept := engine.RemoveImages(t.Context(), m.dir)
	require.Equal(t, []string{list[0], list[2], list[3], list[4]}, removed)
	require.Equal(t, []string{"image " + r.Host + "/used:latest stays: something else uses it"}, kept)
	_, err := m.Stop(t.Context(), "hold", api.StopRequest{Abort: true})
	require.NoError(t, err)
	m.finished("hold")
	removed, kept = engine.RemoveImages(t.Context(), m.dir)
	require.Equal(t, list[1:2], removed)
	require.Empty(t, kept)
	require.Contains(t, e.Get("/images/json"), r.Host+"/there:latest")
}

// A job goes on, and loses no line, while the agent and Docker are killed and started again.
func restartsOfAgentAndEngine(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	go1, go2 := filepath.Join(filepath.Dir(m.dir), "go1"), filepath.Join(filepath.Dir(m.dir), "go2")
	wait := func(file string) string {
		return "until test -e /shared/" + filepath.Base(file) + "; do sleep 0.05; done\n"
	}
	m.box("a", "seq 2000\n"+wait(go1)+"seq 2001 4000\n"+wait(go2)+"seq 4001 6000; exit 5", func(s *api.JobSpec) {
		s.Mounts = []api.Mount{{Source: filepath.Dir(m.dir), Path: "/shared"}}
	})
	m.said("a", "100\n")
	m.kill()
	require.NoError(t, os.WriteFile(go1, nil, 0o644))
	m.up()
	m.said("a", "2001\n")
	e.Kill()
	require.NoError(t, os.WriteFile(go2, nil, 0o644))
	m.said("a", "6000\n")
	e.Up()
	j := m.finished("a")
	require.Equal(t, code(5), j.ExitCode, j.Message)
	var want strings.Builder
	for i := range 6000 {
		fmt.Fprintln(&want, i+1)
	}
	require.Equal(t, want.String(), m.output("a"))

	t.Run("a supervisor that is killed takes its container along", func(t *testing.T) {
		m.box("b", "echo up; sleep 60")
		m.said("b", "up")
		out, err := exec.Command("pgrep", "-f", "supervise "+m.dir).Output()
		require.NoError(t, err)
		require.NoError(t, exec.Command("kill", "-9", strings.TrimSpace(string(out))).Run())
		j := m.finished("b")
		require.Equal(t, api.ReasonExecutorError, j.Reason)
		require.Contains(t, j.Message, "interrupted")
		require.Empty(t, e.Containers())
	})
}

// An Engine that does not answer, is not there or has no room left is a reason that says what helps, and leaves nothing.
func TestDockerThatDoesNotServe(t *testing.T) {
	run := func(t *testing.T, host string, waits docker.Waits) error {
		task := runtime.Task{Dir: t.TempDir(), Program: os.Args[0], Spec: api.JobSpec{ID: "a", Container: &api.Container{Image: "x:1", Network: api.NetworkHost}}}
		log, err := joblog.NewWriter(filepath.Join(task.Dir, "log"), api.LogLimits{}, time.Now, func(int64) {})
		require.NoError(t, err)
		_, err = docker.Runtime{Host: host, Waits: waits}.Start(t.Context(), task, runtime.Host{Log: log, Pulling: func(string) {},
			Keep: func(func(*runtime.Handle)) error { return nil }})
		var start *runtime.StartError
		require.ErrorAs(t, err, &start)
		require.Equal(t, api.ReasonCreatingContainer, start.Reason)
		require.NoDirExists(t, filepath.Join(task.Dir, "pipes"))
		return err
	}
	t.Run("it hangs", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		require.NoError(t, err)
		defer l.Close()
		err = run(t, "unix://"+socket, docker.Waits{Ask: 50 * time.Millisecond})
		require.ErrorContains(t, err, "did not answer within 50ms when asked for image docker.io/library/x:1; see whether it is well")
	})
	t.Run("it is not there", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "s")
		require.ErrorContains(t, run(t, "unix://"+socket, docker.Waits{}), "Docker does not run: there is no socket "+socket)
		_, err := docker.Runtime{Host: "unix://" + socket}.Probe(t.Context())
		require.ErrorContains(t, err, "there is no socket")
	})
	t.Run("nobody listens", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
		require.NoError(t, err)
		l.SetUnlinkOnClose(false)
		l.Close()
		require.ErrorContains(t, run(t, "unix://"+socket, docker.Waits{}), "nobody listens on "+socket)
	})
	t.Run("it is on another machine", func(t *testing.T) {
		_, err := docker.Runtime{Host: "tcp://example.com:2375"}.Probe(t.Context())
		require.ErrorContains(t, err, "must be reached by a unix:// socket")
	})
	t.Run("its socket belongs to somebody else", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root becomes another user")
		}
		dir, err := os.MkdirTemp("/tmp", "agent")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		require.NoError(t, os.Chmod(dir, 0o755))
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		require.NoError(t, err)
		defer l.Close()
		require.NoError(t, os.Chmod(filepath.Join(dir, "s"), 0o600))
		program := filepath.Join(dir, "dstack-agent")
		data, err := os.ReadFile(os.Args[0])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(program, data, 0o755))
		cmd := exec.Command(program, "facts", "--dir", dir)
		cmd.Dir, cmd.Env = "/", []string{"DOCKER_HOST=unix://" + dir + "/s", "PATH=/bin"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.Output()
		require.NoError(t, err)
		var facts api.Facts
		require.NoError(t, json.Unmarshal(out, &facts))
		require.Equal(t, []string{api.RuntimeProcess}, facts.Runtimes)
		require.Contains(t, facts.DockerError, "user nobody may not use Docker's socket "+dir+"/s; add it to the group")
	})
}

func TestDockerWithAFullDisk(t *testing.T) {
	e := dockertest.Start(t, dockertest.Options{DataSize: 24 << 20})
	m := docked(t, e, os.Args[0])
	r := dockertest.NewRegistry(t)
	files := dockertest.Files{"random": make([]byte, 40<<20)}
	rand.NewChaCha8([32]byte{}).Read(files["random"])
	r.Add("big", "1", files)
	m.box("a", "true", func(s *api.JobSpec) { s.Container.Image = r.Host + "/big:1" })
	j := m.finished("a")
	require.Equal(t, api.ReasonCreatingContainer, j.Reason)
	require.Contains(t, j.Message, "the disk of Docker's images is full; make room")
	require.Empty(t, e.Containers())
}

// RUN-18, RUN-19: SIGINT, then SIGKILL to all that is left.
func stopsOfContainers(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	m.box("polite", "trap 'echo bye; exit 4' INT; echo up; sleep 60 & wait")
	m.said("polite", "up")
	_, err := m.Stop(t.Context(), "polite", api.StopRequest{})
	require.NoError(t, err)
	j := m.finished("polite")
	require.Equal(t, []any{api.StatusTerminated, api.ReasonTerminatedByUser, 4, "up\nbye\n"}, []any{j.Status, j.Reason, *j.ExitCode, m.output("polite")})

	m.box("stubborn", "trap '' INT TERM; echo up; sleep 60 & while :; do sleep 1; done")
	m.said("stubborn", "up")
	_, err = m.Stop(t.Context(), "stubborn", api.StopRequest{Grace: 200 * time.Millisecond})
	require.NoError(t, err)
	j = m.finished("stubborn")
	require.Equal(t, code(137), j.ExitCode)

	m.box("aborted", "trap '' INT; echo up; sleep 60")
	m.said("aborted", "up")
	require.NoError(t, m.Delete(t.Context(), "aborted", true))
}

// A secret of a job is in its environment, and nowhere that Docker or the agent keeps or shows it.
func secretsAndLabels(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	m.box("a", "echo ${#TOKEN}; sleep 60", func(s *api.JobSpec) {
		s.Env = []string{"TOKEN=canary-7391"}
		s.Labels = map[string]string{api.LabelLineage: "l", api.LabelAddress: "task.t.job[0]", api.LabelAttempt: "2"}
	})
	m.said("a", "11\n")
	list := e.Containers()
	require.Len(t, list, 1)
	dir := filepath.Join(m.dir, "jobs", "a")
	want := map[string]string{"dstack.job": "a", "dstack.job.dir": dir, "dstack.lineage": "l", "dstack.address": "task.t.job[0]", "dstack.attempt": "2"}
	require.Empty(t, cmp.Diff(want, list[0]))
	require.NotContains(t, e.Get("/containers/"+container(t, e, "a")+"/json"), "canary-7391")
	out, err := exec.Command("grep", "-rl", "--exclude-dir=overlay2", "canary-7391", m.dir, e.Dir).CombinedOutput()
	require.Error(t, err, "it is in %s", out)
	out, err = exec.Command("ps", "axww").Output()
	require.NoError(t, err)
	require.NotContains(t, string(out), "canary-7391")
	require.NoError(t, m.Delete(t.Context(), "a", true))
}

// container is the id of a job's container.
func container(t *testing.T, e *dockertest.Engine, job string) string {
	t.Helper()
	var list []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(e.Get(`/containers/json?all=1&filters={"label":["dstack.job=`+job+`"]}`)), &list))
	require.Len(t, list, 1)
	return list[0].ID
}

func commandsBesideAContainer(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	m.box("a", "httpd -p 127.0.0.1:7000 -h /etc; echo up; sleep 60", func(s *api.JobSpec) {
		s.Env, s.Container.User, s.Container.Network = []string{"SECRET=s3cret"}, "worker", api.NetworkBridge
	})
	m.said("a", "up")
	in := docker.Runtime{Host: e.Host}.Inside(runtime.Task{Spec: api.JobSpec{Container: &api.Container{Network: api.NetworkBridge}}},
		runtime.Handle{Container: container(t, e, "a")})
	sh := func(script string, terminal *runtime.Terminal) runtime.Process {
		p, err := in.Exec(t.Context(), runtime.Command{Argv: []string{"sh", "-c", script}, Env: []string{"EXTRA=a b"}, Terminal: terminal})
		require.NoError(t, err)
		t.Cleanup(func() { p.Close() })
		return p
	}
	all := func(r io.Reader) string {
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(text)
	}
	p := sh("echo $SECRET $EXTRA $PWD; id -un; cat; exit 7", nil)
	io.WriteString(p.Stdin(), "typed")
	require.NoError(t, p.Stdin().Close())
	require.Equal(t, "s3cret a b /tmp\nworker\ntyped", all(p.Stdout()))
	got, err := p.Wait()
	require.NoError(t, err)
	require.Equal(t, 7, got)

	p = sh("read x; stty size; echo $x", &runtime.Terminal{Rows: 10, Columns: 20})
	require.NoError(t, p.Resize(runtime.Terminal{Rows: 30, Columns: 40}))
	io.WriteString(p.Stdin(), "go\n")
	require.Equal(t, "go 30 40 go", strings.Join(strings.Fields(all(p.Stdout())), " "))

	p = sh("sleep 60", nil)
	require.NoError(t, p.Close())

	p, err = in.Exec(t.Context(), runtime.Command{Argv: []string{"no-such-program"}})
	require.NoError(t, err)
	require.Contains(t, all(p.Stderr()), "no-such-program")
	got, err = p.Wait()
	require.NoError(t, err)
	require.Equal(t, 127, got)
	p.Close()

	conn, err := in.Dial(t.Context(), "127.0.0.1:7000")
	require.NoError(t, err)
	io.WriteString(conn, "GET /group HTTP/1.0\r\n\r\n")
	require.Contains(t, all(conn), "worker:x:1000:")
	conn.Close()
	_, err = in.Dial(t.Context(), "127.0.0.1:7001")
	require.ErrorContains(t, err, "connection refused")
	require.NoError(t, m.Delete(t.Context(), "a", true))
}

// Whatever is in an image, people get in: also where there is neither a shell nor anything else.
func peopleEnterContainers(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	me := key(t)
	require.NoError(t, m.SetAccess(t.Context(), api.Access{AuthorizedKeys: []string{line(me)}}))
	for id, image := range map[string]string{"box": "lab/box:1", "distroless": "lab/distroless:1"} {
		t.Run(id, func(t *testing.T) {
			m.run(id, "", func(s *api.JobSpec) {
				s.Container = &api.Container{Image: image, Network: api.NetworkBridge}
				s.Argv, s.Env = []string{"sh", "-c", "sleep 60"}, []string{"SECRET=s3cret"}
				if id == "distroless" {
					s.Argv = []string{"/hello", "hello", "--port", "8000"}
				}
			})
			_, err := m.WaitReady(t.Context(), id)
			require.NoError(t, err)
			c, err := m.visit(id, me)
			require.NoError(t, err)
			require.Equal(t, "in with s3cret", inside(t, c, "echo in with $SECRET"))
			if id == "distroless" {
				conn, err := c.Dial("tcp", "127.0.0.1:8000")
				require.NoError(t, err)
				io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
				text, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Contains(t, string(text), "Hello from dstack")
			}
			c.Close()
			require.NoError(t, m.Delete(t.Context(), id, true))
		})
	}
}

// RUN-13: folders of the machine, read-only ones, and privileges.
func mountsOfContainers(t *testing.T, e *dockertest.Engine, program string) {
	m := docked(t, e, program)
	vol := filepath.Join(filepath.Dir(m.dir), "volume")
	m.box("a", "echo hello > /data/x; touch /locked/y 2>/dev/null || echo locked; test -e /skipped || echo skipped; mkdir /tmp/m; grep CapEff /proc/self/status | tr -d '\t'",
		func(s *api.JobSpec) {
			s.Mounts = []api.Mount{{Source: vol, Path: "/data", Create: true}, {Source: vol, Path: "/locked", ReadOnly: true}, {Source: "/absent", Path: "/skipped", Optional: true}}
		})
	j := m.finished("a")
	require.Equal(t, api.StatusDone, j.Status, j.Message)
	require.Equal(t, "locked\nskipped\nCapEff:00000000a80425fb\n", m.output("a"))
	text, err := os.ReadFile(filepath.Join(vol, "x"))
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(text))

	m.box("privileged", "grep CapEff /proc/self/status | tr -d '\t'; ls /dev | grep -c loop-control", func(s *api.JobSpec) { s.Container.Privileged = true })
	j = m.finished("privileged")
	require.Equal(t, api.StatusDone, j.Status, j.Message)
	require.NotContains(t, m.output("privileged"), "a80425fb")

	m.box("absent", "true", func(s *api.JobSpec) { s.Mounts = []api.Mount{{Source: "/no/such", Path: "/data"}} })
	require.Equal(t, "mount at /data: stat /no/such: no such file or directory", m.finished("absent").Message)
	m.box("stranger", "true", func(s *api.JobSpec) { s.Container.User = "stranger" })
	require.Contains(t, m.finished("stranger").Message, "the image does not know the job's user")
	_, err = m.Submit(t.Context(), spec("bad", "", func(s *api.JobSpec) {
		s.Container = &api.Container{Image: "x", Network: "moon"}
		s.Mounts = []api.Mount{{Source: "/tmp", Path: "/.dstack/job"}}
	}))
	require.ErrorContains(t, err, `network "moon" is neither host nor bridge; mount at /.dstack/job: the agent needs /.dstack for itself`)
}
