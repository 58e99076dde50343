package schema

import "github.com/dstackai/dstack-planner/schema/value"

// BlockType is a kind of block at the top of a file.
type BlockType struct {
	Name   string
	Doc    string
	Label  bool // it has one label, its name
	Repeat bool // it takes count, for_each, depends_on and lifecycle
	Open   bool // its attributes are the user's own (locals)
	Object *Object
}

// BlockTypes lists all blocks of the language.
func BlockTypes() []BlockType {
	return []BlockType{
		{"dstack", "Settings of the configuration itself.", false, false, false, Of[Dstack]()},
		{"variable", "An input.", true, false, false, Of[Variable]()},
		{"locals", "Names for expressions.", false, false, true, Of[Locals]()},
		{"output", "A result, for people and other programs.", true, false, false, Of[Output]()},
		{"module", "Another folder of blocks, with inputs and outputs of its own.", true, false, false, Of[ModuleCall]()},
		{"backend", "One configured use of a provider: an account.", true, false, false, Of[Backend]()},
		{"profile", "Settings that several fleets and runs share.", true, false, false, Of[Profile]()},
		{"fleet", "Instances that are kept, made by a backend or existing hosts.", true, true, false, Of[Fleet]()},
		{"volume", "A disk that outlives instances.", true, true, false, Of[VolumeBlock]()},
		{"gateway", "An entry that publishes services under a domain.", true, true, false, Of[GatewayBlock]()},
		{"dev_environment", "An instance to work on with an editor.", true, true, false, Of[DevEnvironment]()},
		{"task", "Commands that run until they end, on one node or several.", true, true, false, Of[Task]()},
		{"service", "Commands that answer requests, in replicas.", true, true, false, Of[Service]()},
		{"data", "What is looked up when a plan is made: offers of machines.", true, true, false, Of[OffersData]()},
		{"check", "Assertions that are looked at with every plan and after every apply, and warn.", true, false, false, Of[Check]()},
		{"moved", "An address that has changed: what is recorded under the old one goes on under the new one.", false, false, false, Of[Moved]()},
		{"removed", "A block that was taken out, with what becomes of what it stood for.", false, false, false, Of[Removed]()},
		{"import", "Something that exists and is taken over.", false, false, false, Of[Import]()},
		{"policy", "A rule that a plan must keep.", true, false, false, Of[Policy]()},
	}
}

// BlockTypeOf returns the block of that name.
func BlockTypeOf(name string) (BlockType, bool) {
	for _, b := range BlockTypes() {
		if b.Name == name {
			return b, true
		}
	}
	return BlockType{}, false
}

// Kinds lists what the first of two labels can be, as in data "offers" "NAME"; nil for a block with one label or none.
func (b BlockType) Kinds() []string {
	if b.Name == "data" {
		return []string{"offers"}
	}
	return nil
}

// Dstack is the block `dstack`.
type Dstack struct {
	RequiredVersion string  `name:"required_version" doc:"The versions of dstack that the configuration works with, such as \">= 0.1\"."`
	DefaultImage    string  `name:"default_image" doc:"The image of jobs that name none and run in a container."`
	State           *State  `name:"state,block" doc:"Where the state is kept."`
	Access          *Access `name:"access,block" doc:"Who may open instances."`
}

// State is the block `state` in `dstack`; its label names the store.
type State struct {
	Store string `name:"store,label" rule:"local" doc:"The kind of store."`
	Path  string `name:"path" doc:"The folder of a local store; .dstack/state unless set."`
}

// Access is the block `access` in `dstack`.
type Access struct {
	AuthorizedKeys []string `name:"authorized_keys" doc:"Public keys that open every instance."`
}

// Variable is the block `variable`.
type Variable struct {
	Type        Any          `name:"type" doc:"The type that a value must have: string, number, bool, list(...), map(...), object({...})."`
	Default     Any          `name:"default" doc:"The value when none is given."`
	Description string       `name:"description" doc:"What it is for."`
	Sensitive   bool         `name:"sensitive" doc:"Whether its value is kept out of plans, state and logs."`
	Ephemeral   bool         `name:"ephemeral" doc:"Whether its value is kept nowhere at all."`
	Nullable    *bool        `name:"nullable" default:"true" doc:"Whether null is a value."`
	Validation  []Validation `name:"validation,block" doc:"What a value must satisfy."`
}

// Validation is a rule of a variable, and a condition of a resource.
type Validation struct {
	Condition    Any    `name:"condition,required" doc:"An expression that must be true."`
	ErrorMessage string `name:"error_message,required" doc:"What to say when it is not."`
}

// Check is the block `check`.
type Check struct {
	Assert []Validation `name:"assert,block,required" doc:"What must hold. If it does not, that is a warning and stops nothing."`
}

// Locals is the block `locals`, whose attributes are the user's own.
type Locals struct{}

// Output is the block `output`.
type Output struct {
	Value        Any          `name:"value,required" doc:"The value."`
	Description  string       `name:"description" doc:"What it is."`
	Sensitive    bool         `name:"sensitive" doc:"Whether it is kept out of what is shown."`
	DependsOn    Any          `name:"depends_on" doc:"What must be done before the value counts."`
	Precondition []Validation `name:"precondition,block" doc:"What must hold before the value is given."`
}

// Policy is the block `policy`.
type Policy struct {
	Condition    Any    `name:"condition,required" doc:"An expression over plan that must be true, such as plan.cost.after.hourly_max <= 120."`
	ErrorMessage string `name:"error_message,required" doc:"What to say when it is not; it may use plan as well."`
	Enforcement  string `name:"enforcement" default:"deny" rule:"deny or warn" doc:"deny keeps a plan that breaks the rule from being applied; warn only says so."`
}

// ModuleCall is the block `module`. Its other arguments are the variables of the module.
type ModuleCall struct {
	Source    string `name:"source,required" doc:"Where the module is: a folder such as ./modules/net, or a Git repository."`
	Count     Any    `name:"count" doc:"How many of the module there are, with count.index from 0."`
	ForEach   Any    `name:"for_each" doc:"A map or a set of strings: one of the module for each, with each.key and each.value."`
	DependsOn Any    `name:"depends_on" doc:"What must be done before anything of the module."`
}

// Backend is the block `backend`.
type Backend struct {
	Provider string   `name:"provider" doc:"The provider; the block's label unless set."`
	Regions  []string `name:"regions" doc:"The regions that are used; all unless set."`
	Runtime  string   `name:"runtime" default:"auto" rule:"auto, docker or process" doc:"How jobs run on its instances."`
	Settings Any      `name:"settings" doc:"What only this provider has; see dstack providers schema."`
}

// Lifecycle is the block `lifecycle`.
type Lifecycle struct {
	PreventDestroy      bool         `name:"prevent_destroy" doc:"Refuse every plan that destroys or replaces it."`
	CreateBeforeDestroy bool         `name:"create_before_destroy" doc:"Make the new one before the old one is destroyed."`
	IgnoreChanges       Any          `name:"ignore_changes" doc:"Attributes whose changes do not count: [size], or all."`
	ReplaceTriggeredBy  Any          `name:"replace_triggered_by" doc:"References whose change replaces it."`
	Precondition        []Validation `name:"precondition,block" doc:"What must hold before it is planned."`
	Postcondition       []Validation `name:"postcondition,block" doc:"What must hold afterwards."`
}

// Meta is what every block that makes resources takes beside its own attributes.
type Meta struct {
	Count     Any        `name:"count" doc:"How many of the block there are, with count.index from 0."`
	ForEach   Any        `name:"for_each" doc:"A map or a set of strings: one of the block for each, with each.key and each.value."`
	DependsOn Any        `name:"depends_on" doc:"What must be done before, where no reference says so."`
	Lifecycle *Lifecycle `name:"lifecycle,block" doc:"Rules about its end and its replacement."`
}

// Limits limit the choice of offer; fleets, runs and profiles have them.
type Limits struct {
	Backends          []string         `name:"backends" doc:"Backends that may be used; all unless set."`
	Regions           []string         `name:"regions" doc:"Regions that may be used, exactly as the backend writes them."`
	AvailabilityZones []string         `name:"availability_zones" doc:"Zones that may be used; offers that name no zone then do not count."`
	InstanceTypes     []string         `name:"instance_types" doc:"Types that may be used, exactly as the backend writes them."`
	Reservation       string           `name:"reservation" doc:"The capacity reservation to take instances from."`
	SpotPolicy        value.SpotPolicy `name:"spot_policy" default:"on-demand" doc:"spot, on-demand, or auto for whichever is cheaper."`
	MaxPrice          value.Price      `name:"max_price" rule:"more than 0" doc:"The most that an instance may cost, in dollars an hour."`
}

// Profile is the block `profile`.
type Profile struct {
	Default        bool `name:"default" doc:"Whether it applies where no profile is named. DSTACK_PROFILE chooses another one for that."`
	Limits         `name:",inline"`
	Retry          value.RetryPolicy    `name:"retry" default:"off" doc:"Whether, after what and for how long to try again."`
	MaxDuration    value.OffDuration    `name:"max_duration" doc:"How long a run may last: 6h for a dev environment, 72h for a task and no limit for a service unless set."`
	StopDuration   value.OffDuration    `name:"stop_duration" default:"5m" doc:"How long a whole stop may take before volumes are detached by force."`
	StopGrace      value.Duration       `name:"stop_grace" default:"10s" doc:"How long a job may take to end after SIGINT."`
	CreationPolicy value.CreationPolicy `name:"creation_policy" default:"reuse-or-create" doc:"reuse forbids to make an instance for a run."`
	IdleDuration   value.IdleDuration   `name:"idle_duration" doc:"How long an instance is kept without a job: 5m where a run made it, 3d in a fleet unless set."`
}

// Fleet is the block `fleet`.
type Fleet struct {
	Name         value.Name      `name:"name" doc:"Its name; the label unless set."`
	Nodes        value.IntRange  `name:"nodes" doc:"How many instances there are: a number, or a range of which the lower end is always kept. Not for SSH fleets."`
	Placement    value.Placement `name:"placement" default:"any" doc:"cluster puts all instances close together: one backend, one region, a placement group where there is one."`
	Resources    *Resources      `name:"resources,block" doc:"What each instance must have."`
	Blocks       value.Blocks    `name:"blocks" default:"1" doc:"Into how many shares each instance is divided; auto takes as many as it has GPUs, or CPUs."`
	Profile      string          `name:"profile,ref" doc:"The profile whose settings stand in for what is not written here."`
	Limits       `name:",inline"`
	Retry        value.RetryPolicy  `name:"retry" default:"off" doc:"Whether, after what and for how long a creation is tried again."`
	IdleDuration value.IdleDuration `name:"idle_duration" default:"3d" doc:"How long an instance above the lower end of nodes is kept without a job."`
	Env          map[string]string  `name:"env,env" rule:"SSH fleets only" doc:"Variables for the agent and every job."`
	Runtime      string             `name:"runtime" default:"auto" rule:"auto, docker or process" doc:"How jobs run on its instances."`
	NetworkMode  string             `name:"network_mode" default:"auto" rule:"auto or bridge" doc:"bridge forces Docker's bridge network on every job."`
	SSH          *SSH               `name:"ssh,block" doc:"Hosts that exist already; such a fleet has no nodes."`
}

// SSH is the block `ssh` in `fleet`.
type SSH struct {
	User         string     `name:"user" doc:"User that logs in, unless a host says otherwise."`
	Port         int        `name:"port" default:"22" rule:"1 to 65535" doc:"Port of the SSH servers."`
	IdentityFile string     `name:"identity_file" doc:"Private key that opens the hosts."`
	Network      string     `name:"network" rule:"a private network" doc:"The network of which the hosts' internal addresses are taken, such as 10.0.0.0/24."`
	ProxyJump    *ProxyJump `name:"proxy_jump,block" doc:"The head node through which the hosts are reached."`
	Hosts        []SSHHost  `name:"host,block" doc:"One host."`
}

// SSHHost is the block `host` in `ssh`.
type SSHHost struct {
	Hostname     string       `name:"hostname,required" doc:"Name or address; it is the instance's key."`
	Port         int          `name:"port" rule:"1 to 65535" doc:"Port of its SSH server."`
	User         string       `name:"user" doc:"User that logs in."`
	IdentityFile string       `name:"identity_file" doc:"Private key that opens it."`
	InternalIP   string       `name:"internal_ip" rule:"a private address; on all hosts or on none" doc:"Its address for the other hosts."`
	Blocks       value.Blocks `name:"blocks" doc:"Into how many shares it is divided; the fleet's unless set."`
	ProxyJump    *ProxyJump   `name:"proxy_jump,block" doc:"The head node through which it is reached."`
}

// VolumeBlock is the block `volume`.
type VolumeBlock struct {
	Name     value.Name   `name:"name" doc:"Its name; the label unless set."`
	Backend  string       `name:"backend" doc:"The backend that it is on; may be left out where there is one only."`
	Region   string       `name:"region" doc:"The region that it is in; may be left out where the backend has exactly one."`
	Zone     string       `name:"availability_zone" doc:"The zone that it is in; that of the first instance that mounts it unless set."`
	Size     value.Memory `name:"size" rule:"size or volume_id is needed" doc:"Its size."`
	VolumeID string       `name:"volume_id" doc:"An existing disk to use: never formatted, never destroyed."`
}

// GatewayBlock is the block `gateway`.
type GatewayBlock struct {
	Name        value.Name   `name:"name" doc:"Its name; the label unless set."`
	Default     bool         `name:"default" doc:"Whether services without a gateway of their own use it."`
	Backend     string       `name:"backend" doc:"The backend that it is on; may be left out where there is one only."`
	Region      string       `name:"region" doc:"The region that it is in; may be left out where the backend has exactly one."`
	Domain      string       `name:"domain" doc:"The domain under which services appear, such as *.models.example.com."`
	PublicIP    *bool        `name:"public_ip" default:"true" doc:"Whether it can be reached from the Internet."`
	Certificate *Certificate `name:"certificate,block" doc:"Where its certificates come from; lets-encrypt unless set."`
}

// Run is what tasks, services and dev environments have in common.
type Run struct {
	Name         value.Name        `name:"name" doc:"Its name; the label unless set."`
	Fleet        string            `name:"fleet,ref" doc:"The fleet that it runs on; any that fits unless set."`
	Image        string            `name:"image,job" doc:"The container image."`
	User         value.UnixUser    `name:"user,job" doc:"User and group that it runs as; the image's unless set."`
	Privileged   bool              `name:"privileged,job" doc:"Whether its container has all privileges of the host."`
	Entrypoint   string            `name:"entrypoint,job" doc:"Stands for the image's own."`
	WorkingDir   string            `name:"working_dir,job" doc:"Working directory."`
	RegistryAuth *RegistryAuth     `name:"registry_auth,block,job" doc:"Credentials for the image's registry."`
	Python       string            `name:"python,job" rule:"3.8 to 3.13, not beside image" doc:"Python version of the default image."`
	NVCC         bool              `name:"nvcc,job" rule:"not beside image" doc:"Whether the default image has the CUDA compiler."`
	SingleBranch *bool             `name:"single_branch,job" doc:"Whether only the current branch of the repository is cloned; true for tasks and services."`
	Env          map[string]string `name:"env,env,job" doc:"Environment variables: a map, or a list of NAME=VALUE. A bare NAME is taken from the environment of the command."`
	Resources    *Resources        `name:"resources,block" doc:"What each job needs of its instance."`
	Volumes      []Mount           `name:"volumes,job" doc:"What is mounted where: \"data:/data\", or an object with volume and path."`
	Repo         *RepoBlock        `name:"repo,block,job" doc:"The code that each job starts with, in its own folder."`
	Files        []FileCopy        `name:"files,job" doc:"Single files that each job gets: \"LOCAL:REMOTE\", or an object with local and path."`
	Runtime      string            `name:"runtime" default:"auto" rule:"auto, docker or process" doc:"How it runs."`

	Profile        string `name:"profile,ref" doc:"The profile whose settings stand in for what is not written here."`
	Limits         `name:",inline"`
	Retry          value.RetryPolicy    `name:"retry" default:"off" doc:"Whether, after what and for how long to try again."`
	MaxDuration    value.OffDuration    `name:"max_duration" doc:"How long it may last."`
	StopDuration   value.OffDuration    `name:"stop_duration" default:"5m" doc:"How long a whole stop may take before volumes are detached by force."`
	StopGrace      value.Duration       `name:"stop_grace" default:"10s" doc:"How long a job may take to end after SIGINT."`
	CreationPolicy value.CreationPolicy `name:"creation_policy" default:"reuse-or-create" doc:"reuse forbids to make an instance for it."`
	IdleDuration   value.IdleDuration   `name:"idle_duration" default:"5m" doc:"How long an instance that it brought is kept without a job."`
}

// Task is the block `task`.
type Task struct {
	Run      `name:",inline"`
	Commands []string            `name:"commands,job" rule:"commands or image is needed" doc:"Shell commands, each run only if the one before succeeded."`
	Nodes    int                 `name:"nodes" default:"1" rule:"at least 1" doc:"On how many instances it runs, one job on each."`
	Ports    []value.PortMapping `name:"ports,job" doc:"Ports that attach forwards."`
}

// DevEnvironment is the block `dev_environment`.
type DevEnvironment struct {
	Run                `name:",inline"`
	IDE                string              `name:"ide,required" rule:"vscode or cursor" doc:"The editor that opens it."`
	Version            string              `name:"version,job" doc:"Version of the editor."`
	Init               []string            `name:"init,job" doc:"Commands that prepare it."`
	Ports              []value.PortMapping `name:"ports,job" doc:"Ports that attach forwards."`
	InactivityDuration value.OffDuration   `name:"inactivity_duration" default:"off" doc:"How long it may be without a connection before it ends."`
}

// Service is the block `service`.
type Service struct {
	Run         `name:",inline"`
	Commands    []string           `name:"commands,job" rule:"commands or image is needed" doc:"Shell commands, each run only if the one before succeeded."`
	Port        value.ServicePort  `name:"port,required,job" doc:"The port on which it answers."`
	Gateway     string             `name:"gateway,ref" doc:"The gateway that publishes it: the default or only one unless set; false for none."`
	StripPrefix *bool              `name:"strip_prefix" default:"true" doc:"Whether /services/NAME, by which its gateway has it beside its own host name, is taken off paths."`
	Model       *Model             `name:"model" doc:"The model that it answers for: a name, or an object."`
	HTTPS       *bool              `name:"https" default:"true" doc:"Whether it is published over HTTPS."`
	Auth        *bool              `name:"auth" default:"true" doc:"Whether requests need a bearer token."`
	Tokens      []string           `name:"tokens,sensitive" doc:"The bearer tokens that it takes; unless set, the first apply makes one and shows it. Only their digests are kept."`
	Replicas    value.ReplicaRange `name:"replicas" default:"1" doc:"How many there are: a number, or a range for scaling."`
	Scaling     *Scaling           `name:"scaling,block" rule:"needed for a range of replicas, and only there" doc:"When there are more or fewer."`
}

// Scaling is the block `scaling` in `service`.
type Scaling struct {
	Metric         string         `name:"metric,required" rule:"rps" doc:"What is measured: requests a second."`
	Target         float64        `name:"target,required" rule:"more than 0" doc:"How much of it one replica takes."`
	ScaleUpDelay   value.Duration `name:"scale_up_delay" default:"5m" doc:"The least time before there are more."`
	ScaleDownDelay value.Duration `name:"scale_down_delay" default:"10m" doc:"The least time before there are fewer."`
}

// Moved is the block `moved`.
type Moved struct {
	From Any `name:"from,required,address" doc:"The old address: of a block, of one repetition of it, of one instance, or of a module."`
	To   Any `name:"to,required,address" doc:"The new address, of the same sort."`
}

// Removed is the block `removed`.
type Removed struct {
	From      Any               `name:"from,required,address" doc:"The address of what was taken out: a block, one repetition of it, one instance, or a module."`
	Lifecycle *RemovedLifecycle `name:"lifecycle,block" doc:"What becomes of it."`
}

// RemovedLifecycle is the block `lifecycle` in `removed`.
type RemovedLifecycle struct {
	Destroy *bool `name:"destroy" default:"true" doc:"Whether it is destroyed. With false it is forgotten: it goes on, and goes on costing money, outside of the state."`
}

// Import is the block `import`.
type Import struct {
	To      Any    `name:"to,required,address" doc:"The address under which it is recorded from now on: of a volume, a gateway, or an instance such as fleet.lab.instance[0]. With for_each its keys may use each.key."`
	ID      string `name:"id,required" doc:"What its provider calls it; see dstack providers schema."`
	Backend string `name:"backend" doc:"The backend that it is on; that of the block that to names unless set."`
	ForEach Any    `name:"for_each" doc:"A map or a set of strings: one import for each, with each.key and each.value."`
}
