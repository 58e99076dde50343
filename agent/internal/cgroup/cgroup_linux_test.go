package cgroup

import (
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestMounts(t *testing.T) {
	cases := map[string]struct {
		info, own string
		want      mounts
	}{
		"version 2 under systemd": {
			"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/system.slice/dstack.service\n",
			mounts{v1: map[string]string{}, v2: "/sys/fs/cgroup/system.slice/dstack.service", v2Root: "/sys/fs/cgroup"},
		},
		"version 1, controllers mounted together": {
			"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			"9:name=systemd:/\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n",
			mounts{v1: map[string]string{
				"cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/sys/fs/cgroup/memory/a/b",
			}},
		},
		"version 1 in a container": {
			"35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"4:memory:/docker/ab/sub\n",
			mounts{v1: map[string]string{"memory": "/sys/fs/cgroup/memory/sub"}},
		},
		"neither":  {"22 27 0:21 / /proc rw - proc proc rw\n", "", mounts{v1: map[string]string{}}},
		"nonsense": {"- -\n\n1 - 2\n", "::\n:\n\n", mounts{v1: map[string]string{}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, parseMounts(c.info, c.own), cmp.AllowUnexported(mounts{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGroupHoldsItsProcesses(t *testing.T) {
	g, err := Create("dstack-test-group", Limits{})
	require.NoError(t, err)
	if len(g.Paths) == 0 {
		t.Skip("no control group can be made here")
	}
	defer g.Remove()
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	require.NoError(t, g.Add(cmd.Process.Pid))
	require.Equal(t, []int{cmd.Process.Pid}, g.Processes())
	cmd.Process.Kill()
	cmd.Wait()
	require.NoError(t, g.Remove())
	for _, path := range g.Paths {
		require.NoDirExists(t, path)
	}
	require.NoError(t, g.Remove(), "removing what is gone succeeds")
}

func TestMemoryLimitIsKept(t *testing.T) {
	if Probe() == None {
		t.Skip("no limits can be set here")
	}
	g, err := Create("dstack-test-memory", Limits{CPU: 0.5, Memory: 32 << 20})
	require.NoError(t, err)
	defer g.Remove()
	cmd := exec.Command("sh", "-c", "read x; head -c 200000000 /dev/zero | tail")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, g.Add(cmd.Process.Pid))
	in.Write([]byte("\n"))
	require.Error(t, cmd.Wait())
	require.Positive(t, g.OOMKills())
}
