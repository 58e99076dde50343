package process

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/environ"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

func TestJobEnvironment(t *testing.T) {
	base := BaseEnv([]string{"PATH=/p", "HOME=/h", "SECRET=x", "LC_ALL=C", "TMPDIR=/t", "DSTACK_AGENT=no", "odd"})
	cases := map[string]struct {
		task      runtime.Task
		mountRoot string
		want      []string
	}{
		"what the machine gives": {
			runtime.Task{Dir: "/j", Base: base, Program: "/agent"}, "/m",
			[]string{"PATH=/p", "HOME=/h", "LC_ALL=C", "TMPDIR=/t", "DSTACK_AGENT=/agent", "DSTACK_MOUNT_ROOT=/m", "DSTACK_AGENT_JOB=/j"},
		},
		"a bare machine": {
			runtime.Task{Dir: "/j", Program: "/agent"}, "",
			[]string{"PATH=" + environ.DefaultPath, "HOME=/", "DSTACK_AGENT=/agent", "DSTACK_MOUNT_ROOT=", "DSTACK_AGENT_JOB=/j"},
		},
		"the specification wins, its last value most, but for what the agent knows the job by": {
			runtime.Task{Dir: "/j", Program: "/agent", Spec: api.JobSpec{Env: []string{"HOME=/x", "A=1", "A=2=3", "DSTACK_AGENT_JOB=other"}}}, "",
			[]string{"PATH=" + environ.DefaultPath, "HOME=/x", "DSTACK_AGENT=/agent", "DSTACK_MOUNT_ROOT=", "A=2=3", "DSTACK_AGENT_JOB=/j"},
		},
		"its GPUs": {
			runtime.Task{Dir: "/j", Program: "/agent", GPUs: []string{"g0", "g2"}, MachineGPUs: 4}, "",
			[]string{"PATH=" + environ.DefaultPath, "HOME=/", "DSTACK_AGENT=/agent", "DSTACK_MOUNT_ROOT=", "CUDA_VISIBLE_DEVICES=g0,g2", "NVIDIA_VISIBLE_DEVICES=g0,g2", "DSTACK_AGENT_JOB=/j"},
		},
		"none of the machine's GPUs": {
			runtime.Task{Dir: "/j", Program: "/agent", MachineGPUs: 4}, "",
			[]string{"PATH=" + environ.DefaultPath, "HOME=/", "DSTACK_AGENT=/agent", "DSTACK_MOUNT_ROOT=", "CUDA_VISIBLE_DEVICES=", "NVIDIA_VISIBLE_DEVICES=void", "DSTACK_AGENT_JOB=/j"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, jobEnv(c.task, c.mountRoot)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
