package docker

import (
	"cmp"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/pid1"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// Labels of a container: the first two by the agent, the others as the job has them.
const (
	LabelJob     = "dstack.job"
	LabelDir     = "dstack.job.dir"
	LabelLineage = "dstack.lineage"
	LabelAddress = "dstack.address"
	LabelAttempt = "dstack.attempt"
)

// Command is the subcommand of the agent that is a container's first process.
const Command = "pid1"

// configure says what container Docker is to make for a job, whose pipes are in its folder. hpc is true on a machine
// with InfiniBand.
func configure(t runtime.Task, hpc bool) (*container.Config, *container.HostConfig) {
	spec, c := t.Spec, t.Spec.Container
	config := &container.Config{
		Image: c.Image, Entrypoint: []string{pid1.Program, Command}, Cmd: []string{}, User: c.User,
		Labels: map[string]string{LabelJob: spec.ID, LabelDir: t.Dir},
	}
	for label, name := range map[string]string{LabelLineage: api.LabelLineage, LabelAddress: api.LabelAddress, LabelAttempt: api.LabelAttempt} {
		if v := spec.Labels[name]; v != "" {
			config.Labels[label] = v
		}
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(cmp.Or(c.Network, api.NetworkBridge)),
		Privileged:  c.Privileged,
		// What the job says comes through its pipes.
		LogConfig:     container.LogConfig{Type: "none"},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		Mounts: []mount.Mount{
			{Type: mount.TypeBind, Source: t.Program, Target: pid1.Program, ReadOnly: true},
			{Type: mount.TypeBind, Source: filepath.Join(t.Dir, pipesDir), Target: pid1.Dir, ReadOnly: true},
		},
	}
	dir, own := WorkingDir(spec)
	config.WorkingDir = dir
	if own {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: t.Own(), Target: api.OwnFolder})
	}
	for _, m := range spec.Mounts {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Path, ReadOnly: m.ReadOnly})
	}
	host.NanoCPUs = int64(spec.CPULimit * 1e9)
	if spec.MemoryLimit > 0 {
		// Without swap the limit is of all that the job has.
		host.Memory, host.MemorySwap = spec.MemoryLimit, spec.MemoryLimit
	}
	if spec.ShmSize > 0 {
		host.ShmSize = spec.ShmSize
		// Docker's own forbids to execute what is in it, which compilers of kernels do.
		host.Tmpfs = map[string]string{"/dev/shm": "rw,nosuid,nodev,exec,size=" + strconv.FormatInt(spec.ShmSize, 10)}
	}
	if hpc {
		host.Devices = append(host.Devices, device(infiniband))
		host.Ulimits = append(host.Ulimits, &container.Ulimit{Name: "memlock", Soft: -1, Hard: -1})
	}
	giveGPUs(t, config, host)
	return config, host
}

// WorkingDir is where the job starts in its container, empty for where the image says. own is true if the container needs the job's
// own folder: for what is in there, or to start there.
func WorkingDir(spec api.JobSpec) (dir string, own bool) {
	own = len(spec.Contents) > 0 || spec.Repo != nil || spec.WorkingDir != "" && !path.IsAbs(spec.WorkingDir)
	if own && !path.IsAbs(spec.WorkingDir) {
		return path.Join(api.OwnFolder, spec.WorkingDir), true
	}
	return spec.WorkingDir, own
}

// giveGPUs gives the container the GPUs that the job holds, and hides the others.
func giveGPUs(t runtime.Task, config *container.Config, host *container.HostConfig) {
	if t.MachineGPUs == 0 {
		return
	}
	switch t.GPUVendor {
	case "amd":
		if len(t.GPUs) == 0 {
			return
		}
		host.Devices = append(host.Devices, device("/dev/kfd"))
		for _, node := range t.GPUs {
			host.Devices = append(host.Devices, device(node))
		}
		host.IpcMode = "host"
		host.CapAdd = append(host.CapAdd, "SYS_PTRACE")
		host.SecurityOpt = append(host.SecurityOpt, "seccomp=unconfined")
	case "intel":
		if len(t.GPUs) == 0 {
			return
		}
		host.Runtime, host.IpcMode = "habana", "host"
		host.CapAdd = append(host.CapAdd, "SYS_NICE")
		config.Env = append(config.Env, "HABANA_VISIBLE_DEVICES="+strings.Join(t.GPUs, ","))
	default:
		if len(t.GPUs) == 0 {
			// An image may ask for all, and Docker may be set up to listen to images.
			config.Env = append(config.Env, "NVIDIA_VISIBLE_DEVICES=void")
			return
		}
		host.DeviceRequests = append(host.DeviceRequests, container.DeviceRequest{
			DeviceIDs:    t.GPUs,
			Capabilities: [][]string{{"gpu", "utility", "compute", "graphics", "video", "display", "compat32"}},
		})
	}
}

func device(path string) container.DeviceMapping {
	return container.DeviceMapping{PathOnHost: path, PathInContainer: path, CgroupPermissions: "rwm"}
}

// jobEnv is what the job sees beside what its image says.
func jobEnv(t runtime.Task) []string {
	return append([]string{"DSTACK_AGENT=" + pid1.Program, "DSTACK_MOUNT_ROOT="}, t.Spec.Env...)
}
