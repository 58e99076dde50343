package api

import "time"

// Info is what an agent says of itself and its machine.
type Info struct {
	Facts
	// Protocol is the Version that the agent speaks.
	Protocol int `json:"protocol"`
	// PID is the agent's process, Program its executable file.
	PID       int       `json:"pid"`
	Program   string    `json:"program"`
	StartedAt time.Time `json:"started_at"`
	// Now is the machine's time when it answered; zero from agents that do not say.
	Now time.Time `json:"now,omitzero"`
	// Owner is whose instance the machine is; nil where nobody has said.
	Owner *Owner `json:"owner,omitempty"`
	// Blocks is how many host blocks the machine is divided into, BusyBlocks how many of them jobs hold.
	Blocks     int `json:"blocks"`
	BusyBlocks int `json:"busy_blocks"`
	// BusyGPUs are the ids of GPUs that jobs hold.
	BusyGPUs []string `json:"busy_gpus,omitempty"`
	// ActiveJobs have not ended; FinishedJobs have, and are kept until they are deleted.
	ActiveJobs   int `json:"active_jobs"`
	FinishedJobs int `json:"finished_jobs"`
}

// Facts are what is true of a machine whether an agent runs on it or not.
type Facts struct {
	// AgentVersion is the version of the program that looked.
	AgentVersion string `json:"agent_version"`
	OS           string `json:"os"`
	Arch         string `json:"arch"`
	Kernel       string `json:"kernel"`
	Hostname     string `json:"hostname"`
	// CPUs are logical cores.
	CPUs        int   `json:"cpus"`
	MemoryBytes int64 `json:"memory_bytes"`
	// DiskBytes and DiskFreeBytes are of the file system that holds the agent's folder.
	DiskBytes     int64 `json:"disk_bytes"`
	DiskFreeBytes int64 `json:"disk_free_bytes"`
	// Addresses are those of interfaces that are up, in CIDR form, without loopback and link-local ones.
	Addresses []string `json:"addresses"`
	GPUs      []GPU    `json:"gpus"`
	// GPUError says why GPUs could not be listed though their tool is there.
	GPUError string `json:"gpu_error,omitempty"`
	// Runtimes are the ways in which jobs can run: RuntimeProcess and RuntimeDocker.
	Runtimes []string `json:"runtimes"`
	// DockerVersion is that of the Docker Engine, empty if containers cannot run.
	DockerVersion string `json:"docker_version,omitempty"`
	// DockerError says why containers cannot run, and what would help.
	DockerError string `json:"docker_error,omitempty"`
	// Mounts says how jobs see their mounts: MountsNamespace, MountsUserNamespace or MountsLinks.
	Mounts string `json:"mounts"`
	// Cgroup says how limits are kept: "v1", "v2" or "none".
	Cgroup string `json:"cgroup"`
}

// How jobs see their mounts.
const (
	// MountsNamespace is a mount namespace of each job, made by root.
	MountsNamespace = "namespace"
	// MountsUserNamespace is a mount namespace within a user namespace, for agents that are not root.
	MountsUserNamespace = "userns"
	// MountsLinks are symbolic links below DSTACK_MOUNT_ROOT, where no namespace can be had.
	MountsLinks = "links"
)

// Ways in which jobs can run.
const (
	// RuntimeProcess runs jobs as plain processes of the machine.
	RuntimeProcess = "process"
	// RuntimeDocker runs jobs as containers of the machine's Docker Engine.
	RuntimeDocker = "docker"
)

// GPU is one GPU of a machine.
type GPU struct {
	Vendor string `json:"vendor"`
	// Name and MemoryMiB are what the driver says: "NVIDIA A100-SXM4-80GB", 81920.
	Name      string `json:"name"`
	MemoryMiB int    `json:"memory_mib"`
	// ID is by what a job is given the GPU: NVIDIA's unique id, the render node of an AMD GPU, the index of one of Intel.
	ID string `json:"id"`
}
