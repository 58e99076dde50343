package docker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// devices are what a container is given of the machine's hardware.
type devices struct {
	Devices      []container.DeviceMapping
	Requests     []container.DeviceRequest
	Ulimits      []*container.Ulimit
	Env          []string
	Runtime, IPC string
	Caps         []string
	Security     []string
}

func TestDevicesOfAContainer(t *testing.T) {
	whole := func(path string) container.DeviceMapping {
		return container.DeviceMapping{PathOnHost: path, PathInContainer: path, CgroupPermissions: "rwm"}
	}
	cases := map[string]struct {
		vendor  string
		holds   []string
		machine int
		hpc     bool
		want    devices
	}{
		"a machine without GPUs": {},
		"NVIDIA's are asked for by their ids": {
			vendor: "nvidia", holds: []string{"GPU-1", "GPU-3"}, machine: 4,
			want: devices{Requests: []container.DeviceRequest{{
				DeviceIDs: []string{"GPU-1", "GPU-3"}, Capabilities: [][]string{{"gpu", "utility", "compute", "graphics", "video", "display", "compat32"}},
			}}},
		},
		"NVIDIA's are hidden from a job that holds none": {
			vendor: "nvidia", machine: 4, want: devices{Env: []string{"NVIDIA_VISIBLE_DEVICES=void"}},
		},
		"AMD's are the driver's device and the render nodes that the job holds": {
			vendor: "amd", holds: []string{"/dev/dri/renderD128", "/dev/dri/renderD136"}, machine: 8,
			want: devices{
				Devices: []container.DeviceMapping{whole("/dev/kfd"), whole("/dev/dri/renderD128"), whole("/dev/dri/renderD136")},
				IPC:     "host", Caps: []string{"SYS_PTRACE"}, Security: []string{"seccomp=unconfined"},
			},
		},
		"a job that holds none of AMD's gets no device": {vendor: "amd", machine: 8},
		"Intel's are given by their runtime": {
			vendor: "intel", holds: []string{"0", "5"}, machine: 8,
			want: devices{Runtime: "habana", IPC: "host", Caps: []string{"SYS_NICE"}, Env: []string{"HABANA_VISIBLE_DEVICES=0,5"}},
		},
		"a job that holds none of Intel's does without their runtime": {vendor: "intel", machine: 8},
		"InfiniBand comes with memory that may be locked": {
			hpc: true, want: devices{
				Devices: []container.DeviceMapping{whole("/dev/infiniband")}, Ulimits: []*container.Ulimit{{Name: "memlock", Soft: -1, Hard: -1}},
			},
		},
		"InfiniBand and GPUs": {
			vendor: "amd", holds: []string{"/dev/dri/renderD128"}, machine: 1, hpc: true,
			want: devices{
				Devices: []container.DeviceMapping{whole("/dev/infiniband"), whole("/dev/kfd"), whole("/dev/dri/renderD128")},
				Ulimits: []*container.Ulimit{{Name: "memlock", Soft: -1, Hard: -1}},
				IPC:     "host", Caps: []string{"SYS_PTRACE"}, Security: []string{"seccomp=unconfined"},
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config, host := configure(runtime.Task{
				Dir: "/j", Spec: api.JobSpec{ID: "j", Container: &api.Container{Image: "i"}}, GPUs: c.holds, MachineGPUs: c.machine, GPUVendor: c.vendor,
			}, c.hpc)
			got := devices{
				Devices: host.Devices, Requests: host.DeviceRequests, Ulimits: host.Ulimits, Env: config.Env,
				Runtime: host.Runtime, IPC: string(host.IpcMode), Caps: host.CapAdd, Security: host.SecurityOpt,
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
