package schema

import (
	"fmt"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema/value"
)

// KindObject returns the description of a kind of resource. It panics on any other name.
func KindObject(kind string) *Object {
	switch kind {
	case addr.KindInstance:
		return Of[Instance]()
	case addr.KindVolume:
		return Of[Volume]()
	case addr.KindGateway:
		return Of[Gateway]()
	case addr.KindJob:
		return Of[Job]()
	case addr.KindSupport:
		return Of[Support]()
	}
	panic(fmt.Sprintf("schema: no kind %q", kind))
}

// Instance is a machine: of a fleet, or brought by a run.
type Instance struct {
	ID   string `name:"id,computed" doc:"What the backend calls the machine."`
	Name string `name:"name" change:"update" doc:"The fleet's name and the instance's number or hostname, joined by a hyphen."`

	Resources         *Resources         `name:"resources" change:"constraint" doc:"What the machine must have at least, or exactly."`
	Backends          []string           `name:"backends" change:"constraint" doc:"Backends that it may be on."`
	Regions           []string           `name:"regions" change:"constraint" doc:"Regions that it may be in."`
	AvailabilityZones []string           `name:"availability_zones" change:"constraint" doc:"Zones that it may be in."`
	InstanceTypes     []string           `name:"instance_types" change:"constraint" doc:"Types that it may be of."`
	SpotPolicy        value.SpotPolicy   `name:"spot_policy" change:"constraint" doc:"Whether it may, must or must not be a spot instance."`
	MaxPrice          value.Price        `name:"max_price" change:"constraint" doc:"The most that it may cost, in dollars an hour."`
	Reservation       string             `name:"reservation" change:"constraint" doc:"The capacity reservation that it is taken from."`
	Placement         value.Placement    `name:"placement" change:"replace" doc:"Whether it must stand close to the others of its fleet."`
	Blocks            value.Blocks       `name:"blocks" change:"provider" doc:"Into how many shares its GPUs, CPUs and memory are divided."`
	IdleDuration      value.IdleDuration `name:"idle_duration" change:"record" doc:"How long it is kept without a job."`
	Retry             value.RetryPolicy  `name:"retry" change:"record" doc:"For how long and after what its creation is tried again."`
	Env               map[string]string  `name:"env" change:"update" doc:"Variables for the agent and every job on it (SSH fleets)."`
	AuthorizedKeys    []string           `name:"authorized_keys" change:"update" doc:"Public keys that open it, beside our own."`
	Runtime           string             `name:"runtime" change:"update" doc:"How jobs run on it: auto, docker or process."`
	NetworkMode       string             `name:"network_mode" change:"update" doc:"bridge forces Docker's bridge network on every job."`
	Host              *Host              `name:"host" change:"provider" doc:"How a host that already exists is reached (SSH fleets)."`

	Backend      string   `name:"backend,placed" doc:"The backend that it is on."`
	Region       string   `name:"region,placed" doc:"The region that it is in."`
	Zone         string   `name:"availability_zone,placed" doc:"The zone that it is in."`
	InstanceType string   `name:"instance_type,placed" doc:"Its type, as the backend calls it."`
	Spot         bool     `name:"spot,placed" doc:"Whether it is a spot instance."`
	Price        *float64 `name:"price,placed" doc:"What it costs, in dollars an hour."`
	CPUs         int      `name:"cpus,placed" doc:"Logical CPUs."`
	MemoryMiB    int64    `name:"memory_mib,placed" doc:"Memory in MiB."`
	DiskMiB      int64    `name:"disk_mib,placed" doc:"Disk in MiB."`
	GPUs         []GPU    `name:"gpus,placed" doc:"One for each GPU."`
	TotalBlocks  int      `name:"total_blocks,placed" doc:"The number of shares that it is divided into."`

	Hostname   string `name:"hostname,computed" doc:"The name or address under which it is reached."`
	InternalIP string `name:"internal_ip,computed" doc:"Its address for the other nodes of its cluster."`
	SSHPort    int    `name:"ssh_port,computed" doc:"The port of its SSH server, 0 if it has none."`
	SSHUser    string `name:"ssh_user,computed" doc:"The user that logs in."`

	AgentVersion string `name:"agent_version,status" doc:"The version of the agent on it."`
	Facts        *Facts `name:"facts,status" doc:"What its agent has found on it."`
	Status       string `name:"status,status" doc:"provisioning, idle, busy, unreachable or terminating."`
}

// Facts are what an agent has found on its machine, beside what placement counts with.
type Facts struct {
	Kernel        string   `name:"kernel" json:"kernel" doc:"The version of its kernel."`
	Architecture  string   `name:"architecture" json:"architecture" doc:"amd64 or arm64."`
	Addresses     []string `name:"addresses" json:"addresses" doc:"The addresses of its network interfaces, with the length of their prefix."`
	Runtimes      []string `name:"runtimes" json:"runtimes" doc:"How jobs can run on it: process, docker."`
	DockerVersion string   `name:"docker_version" json:"docker_version,omitempty" doc:"The version of its Docker Engine."`
	DockerError   string   `name:"docker_error" json:"docker_error,omitempty" doc:"Why no container can run on it."`
	GPUError      string   `name:"gpu_error" json:"gpu_error,omitempty" doc:"Why its GPUs cannot be listed."`
}

// Resources is what a machine or a job needs.
type Resources struct {
	CPU     value.IntRange    `name:"cpu" change:"constraint" default:"2.." doc:"Logical CPUs."`
	Memory  value.MemoryRange `name:"memory" change:"constraint" default:"8GB.." doc:"Memory."`
	GPU     value.GPU         `name:"gpu" change:"constraint" doc:"GPUs by vendor, name, memory and count, in any order. Without it GPUs do not matter."`
	Disk    value.DiskSize    `name:"disk" change:"constraint" default:"100GB.." doc:"Disk."`
	ShmSize value.Memory      `name:"shm_size" change:"constraint" doc:"Size of /dev/shm. The container runtime's default is 64MB."`
}

// GPU is one GPU of a machine.
type GPU struct {
	Name      string `name:"name" json:"name" doc:"A100, MI300X, v5litepod..."`
	Vendor    string `name:"vendor" json:"vendor" doc:"nvidia, amd, google or intel."`
	MemoryMiB int64  `name:"memory_mib" json:"memory_mib" doc:"Its memory in MiB."`
}

// Host says how a machine that already exists is reached.
type Host struct {
	Hostname     string     `name:"hostname" change:"replace" doc:"Name or address."`
	Port         int        `name:"port" change:"update" doc:"Port of the SSH server."`
	User         string     `name:"user" change:"update" doc:"User that logs in."`
	IdentityFile string     `name:"identity_file" change:"update" doc:"Private key that opens it."`
	InternalIP   string     `name:"internal_ip" change:"update" doc:"Its address for the other hosts."`
	Network      string     `name:"network" change:"update" doc:"The private network of which its internal address is taken."`
	ProxyJump    *ProxyJump `name:"proxy_jump" change:"update" doc:"The head node through which it is reached."`
}

// ProxyJump is a head node between us and a host.
type ProxyJump struct {
	Hostname     string `name:"hostname,required" change:"update" doc:"Name or address of the head node."`
	Port         int    `name:"port" change:"update" default:"22" doc:"Port of its SSH server."`
	User         string `name:"user,required" change:"update" doc:"User that logs in there."`
	IdentityFile string `name:"identity_file,required" change:"update" doc:"Private key that opens it."`
}

// Volume is a disk that outlives machines.
type Volume struct {
	ID       string       `name:"id,computed" doc:"What the backend calls the volume."`
	Name     string       `name:"name" change:"update" doc:"Its name."`
	Backend  string       `name:"backend" change:"replace" doc:"The backend that it is on."`
	Region   string       `name:"region" change:"replace" doc:"The region that it is in."`
	Zone     string       `name:"availability_zone,kept" change:"replace" doc:"The zone that it is in; where none is written, that of the first instance that mounts it."`
	Size     value.Memory `name:"size,kept" change:"provider" doc:"Its size. It can grow where the backend can; it never shrinks."`
	VolumeID string       `name:"volume_id" change:"replace" doc:"An existing disk to use: never formatted, never destroyed."`

	Location string   `name:"location,computed" doc:"Where it is: a folder of the local provider, a cloud's own name."`
	Price    *float64 `name:"price,computed,varies" doc:"What it costs, in dollars an hour."`

	Status string `name:"status,status" doc:"active, attached or failed."`
}

// Gateway publishes services under a domain.
type Gateway struct {
	ID          string       `name:"id,computed" doc:"What the backend calls the gateway."`
	Name        string       `name:"name" change:"update" doc:"Its name."`
	Default     bool         `name:"default" change:"record" doc:"Whether services without a gateway of their own use it."`
	Backend     string       `name:"backend" change:"replace" doc:"The backend that it is on."`
	Region      string       `name:"region" change:"replace" doc:"The region that it is in."`
	Domain      string       `name:"domain" change:"update" doc:"The wildcard domain under which services appear."`
	PublicIP    bool         `name:"public_ip" change:"replace" doc:"Whether it can be reached from the Internet."`
	Certificate *Certificate `name:"certificate" change:"provider" doc:"Where its certificates come from."`

	Hostname  string   `name:"hostname,computed" doc:"The name or address under which it is reached."`
	IPAddress string   `name:"ip_address,computed" doc:"Its address."`
	Port      int      `name:"port,computed" doc:"Its port for plain HTTP."`
	URL       string   `name:"url,computed" doc:"Where it answers, with its port."`
	Price     *float64 `name:"price,computed,varies" doc:"What it costs, in dollars an hour."`

	Status string `name:"status,status" doc:"provisioning, running or failed."`
}

// Certificate says where a gateway's certificates come from.
type Certificate struct {
	Type string `name:"type" change:"provider" default:"lets-encrypt" rule:"lets-encrypt or acm" doc:"Who issues it."`
	ARN  string `name:"arn" change:"provider" doc:"The certificate in AWS Certificate Manager (type acm)."`
}

// Job is one container or process of a run, on one instance.
type Job struct {
	ID   string `name:"id,computed" doc:"The job's id with its agent."`
	Name string `name:"name" change:"update" doc:"The run's name and the job's number, joined by a hyphen."`
	Run  string `name:"run" change:"replace" doc:"The name of the run."`
	Type string `name:"type" change:"replace" doc:"task, service or dev-environment."`

	Replica  int `name:"replica" change:"replace" doc:"The number of the replica of a service, else 0."`
	NodeRank int `name:"node_rank" change:"replace" doc:"The number of the node of a task, else 0."`
	Nodes    int `name:"nodes" change:"replace" doc:"How many nodes there are."`

	Image        string              `name:"image" change:"replace" doc:"The container image; a job without one is a process where its runtime allows that."`
	Entrypoint   string              `name:"entrypoint" change:"replace" doc:"Stands for the image's own; split as a shell would."`
	Commands     []string            `name:"commands" change:"replace" doc:"Shell commands, each run only if the one before succeeded."`
	User         value.UnixUser      `name:"user" change:"replace" doc:"User and group that it runs as."`
	Privileged   bool                `name:"privileged" change:"replace" doc:"Whether the container has all privileges of its host."`
	WorkingDir   string              `name:"working_dir" change:"replace" doc:"Working directory."`
	RegistryAuth *RegistryAuth       `name:"registry_auth" change:"replace" doc:"Credentials for the image's registry."`
	Python       string              `name:"python" change:"replace" doc:"Python version of the default image."`
	NVCC         bool                `name:"nvcc" change:"replace" doc:"Whether the default image has the CUDA compiler."`
	SingleBranch bool                `name:"single_branch" change:"replace" doc:"Whether only the current branch of the repository is cloned."`
	Env          map[string]string   `name:"env" change:"replace" doc:"Environment variables."`
	Resources    *Resources          `name:"resources" change:"constraint" doc:"What it needs of its instance."`
	Mounts       []Mount             `name:"volumes" change:"replace" doc:"What is mounted where."`
	Repo         *Repo               `name:"repo" change:"replace" doc:"The code that it starts with."`
	Files        []File              `name:"files" change:"replace" doc:"Single files that it gets."`
	Ports        []value.PortMapping `name:"ports" change:"update" doc:"Ports that attach forwards."`
	Port         value.ServicePort   `name:"port" change:"replace" doc:"The port on which a service answers."`
	Gateway      string              `name:"gateway,address" change:"update" doc:"Address of the gateway that publishes the service."`
	StripPrefix  bool                `name:"strip_prefix" change:"update" doc:"Whether /services/NAME, by which its gateway has it beside its own host name, is taken off paths."`
	Auth         bool                `name:"auth" change:"update" doc:"Whether requests need a bearer token."`
	Tokens       []string            `name:"tokens,sensitive" change:"update" doc:"The bearer tokens that the service takes."`
	HTTPS        bool                `name:"https" change:"update" doc:"Whether the service is published over HTTPS."`
	Model        *Model              `name:"model" change:"update" doc:"The model that the service answers for."`
	IDE          string              `name:"ide" change:"replace" doc:"The editor of a dev environment."`
	IDEVersion   string              `name:"version" change:"replace" doc:"Version of the editor."`
	Init         []string            `name:"init" change:"replace" doc:"Commands that prepare a dev environment."`
	Runtime      string              `name:"runtime" change:"replace" doc:"docker or process; auto chooses by image and instance."`

	MaxDuration        value.OffDuration `name:"max_duration" change:"update" doc:"How long it may run."`
	StopDuration       value.OffDuration `name:"stop_duration" change:"update" doc:"How long a whole stop may take before volumes are detached by force."`
	StopGrace          value.Duration    `name:"stop_grace" change:"update" doc:"How long it may take to end after SIGINT."`
	InactivityDuration value.OffDuration `name:"inactivity_duration" change:"update" doc:"How long a dev environment may be without a connection."`
	Retry              value.RetryPolicy `name:"retry" change:"update" doc:"After what, and for how long, it is tried again."`

	Instance string `name:"instance,placed,address" doc:"Address of the instance that it runs on."`
	Blocks   int    `name:"blocks,placed" doc:"How many of its instance's shares it takes."`
	GPUCount int    `name:"gpus,placed" doc:"How many GPUs it takes."`

	Host string `name:"host,computed" doc:"The name or address under which the job's instance is reached."`

	Attempt   int    `name:"attempt,status" doc:"The number of the try, from 1."`
	Status    string `name:"status,status" doc:"submitted, provisioning, pulling, running, terminating, done, failed, terminated, aborted or lost."`
	Reason    string `name:"reason,status" doc:"Why it ended."`
	Message   string `name:"message,status" doc:"The same in words, with the last lines of its output."`
	ExitCode  *int   `name:"exit_code,status" doc:"Exit code, null while there is none."`
	Submitted string `name:"submitted_at,status" doc:"RFC 3339."`
	Started   string `name:"started_at,status" doc:"RFC 3339."`
	Finished  string `name:"finished_at,status" doc:"RFC 3339."`
}

// RegistryAuth opens a private registry.
type RegistryAuth struct {
	Username string `name:"username,required" change:"replace" doc:"User name."`
	Password string `name:"password,required,sensitive" change:"replace" doc:"Password or token."`
}

// Model is a model that a service answers for.
type Model struct {
	Name         string `name:"name,required" change:"update" doc:"The model's name for clients."`
	Type         string `name:"type" change:"update" default:"chat" rule:"chat" doc:"What it does."`
	Format       string `name:"format" change:"update" default:"openai" rule:"openai or tgi" doc:"The protocol that the service speaks."`
	Prefix       string `name:"prefix" change:"update" default:"/v1" doc:"Path of the OpenAI-compatible API."`
	ChatTemplate string `name:"chat_template" change:"update" doc:"Template of the prompt (tgi)."`
	EOSToken     string `name:"eos_token" change:"update" doc:"Token that ends an answer (tgi)."`
}

// Support is what a resource needs beside itself: a placement group, an attachment, a route.
type Support struct {
	ID      string            `name:"id,computed" doc:"What the backend calls it."`
	Type    string            `name:"type" change:"replace" doc:"placement-group, security-group, attachment, route..."`
	Owner   string            `name:"owner,address" change:"replace" doc:"Address of what it is for."`
	Target  string            `name:"target,address" change:"replace" doc:"Address of the second thing that it ties, such as a volume or a gateway."`
	Backend string            `name:"backend" change:"replace" doc:"The backend whose provider makes it."`
	Region  string            `name:"region" change:"replace" doc:"The region that it is in."`
	Zone    string            `name:"availability_zone" change:"replace" doc:"The zone that it is in."`
	Config  map[string]string `name:"config" change:"provider" doc:"What its provider planned for it."`
	Tokens  []string          `name:"token_digests" change:"update" doc:"SHA-256 digests of the bearer tokens that a route takes."`
	Auth    bool              `name:"auth" change:"update" doc:"Whether a route needs a bearer token."`

	Data   map[string]string `name:"data,computed" doc:"What its provider made of it."`
	Status string            `name:"status,status" doc:"ready or failed."`
}
