package api

import (
	"encoding/json"
	"time"
)

// JobSpec is what an agent is asked to run. Everything in it is resolved: the agent substitutes nothing but the defaults
// that are named here.
type JobSpec struct {
	// ID names the job on its instance: 1 to 128 letters, digits, dots, dashes and underscores, the first a letter or digit.
	ID string `json:"id"`
	// Labels are kept with the job and given back; the agent reads none of them.
	Labels map[string]string `json:"labels,omitempty"`
	// Container makes the job a container; nil makes it a process of the machine.
	Container *Container `json:"container,omitempty"`
	// Argv is the program and its arguments. A name without a slash is looked up in the job's own PATH. A container without
	// any runs what its image says.
	Argv []string `json:"argv"`
	// Env are NAME=VALUE, a later one winning over an earlier one and over what the agent adds. The values are handed to
	// the job through pipes: they are neither written to disk nor shown in process arguments.
	Env []string `json:"env,omitempty"`
	// WorkingDir is where the job starts, from a folder of its own that is removed with the job; empty means that folder. In a
	// container that folder is at OwnFolder, empty means what the image says unless there is a Repo or are Contents, and what is missing is
	// made.
	WorkingDir string `json:"working_dir,omitempty"`
	// User is whom a process runs as; nil means as the agent. Only an agent of root can be asked for another user.
	User *User `json:"user,omitempty"`
	// Mounts are folders and files of the machine that the job sees at other paths.
	Mounts []Mount `json:"mounts,omitempty"`
	// Blocks is the share of the machine's host blocks that the job holds while it lives.
	Blocks HostBlocks `json:"blocks,omitzero"`
	// GPUs is how many GPUs the job holds alone while it lives; -1 means all of the machine.
	GPUs int `json:"gpus,omitempty"`
	// CPULimit is how many cores the job may use; 0 means no limit. It holds where Info.Cgroup is not "none".
	CPULimit float64 `json:"cpu_limit,omitempty"`
	// MemoryLimit is how many bytes of memory the job may use; 0 means no limit. It holds where Info.Cgroup is not "none".
	MemoryLimit int64 `json:"memory_limit_bytes,omitempty"`
	// ShmSize is the size in bytes of a /dev/shm of the job's own; 0 leaves it the machine's. It holds where Info.Mounts is
	// not "links".
	ShmSize int64 `json:"shm_size_bytes,omitempty"`
	// MaxDuration is how long the job may run before it is stopped; 0 means without end.
	MaxDuration time.Duration `json:"max_duration_ns,omitempty"`
	// InactivityDuration is how long nobody may be connected before the job is stopped; 0 means without end.
	InactivityDuration time.Duration `json:"inactivity_duration_ns,omitempty"`
	// StopGrace is how long a stopped job may take to end by itself; 0 means DefaultStopGrace.
	StopGrace time.Duration `json:"stop_grace_ns,omitempty"`
	// StopDuration bounds a whole stop, whatever grace was given; 0 means that nothing but the grace does.
	StopDuration time.Duration `json:"stop_duration_ns,omitempty"`
	// Attempt is the number of the first try; 0 means 1. Retry says whether others follow when it fails.
	Attempt int   `json:"attempt,omitempty"`
	Retry   Retry `json:"retry,omitzero"`
	// Port is where a service listens, on Job.Address; the job is ready when it answers. 0 means that the job is ready when
	// it runs.
	Port int `json:"port,omitempty"`
	// Log bounds what is kept of the job's output.
	Log LogLimits `json:"log,omitzero"`
	// Repo is cloned into the job's own folder before each try. Contents are put over it.
	Repo *Repo `json:"repo,omitempty"`
	// Contents are folders and files that the job finds when it starts. They belong to its user.
	Contents []Content `json:"contents,omitempty"`
	// Extra is kept with the job and given back.
	Extra json.RawMessage `json:"extra,omitempty"`
}

// Retry says for how long a job is tried again that fails by an error. The zero value means never.
type Retry struct {
	// For is how long after the first failure of a series another try may begin. A try that ran for longer ends the series.
	For time.Duration `json:"for_ns,omitempty"`
	// Pause is how long the job rests before its second try, a second unless set; later rests are longer, up to 15 s.
	Pause time.Duration `json:"pause_ns,omitempty"`
}

// DefaultStopGrace is how long a job may take to end after SIGINT when nothing else was said.
const DefaultStopGrace = 10 * time.Second

// Labels that the local provider puts on its jobs.
const (
	LabelLineage        = "lineage"
	LabelAddress        = "address"
	LabelAttempt        = "attempt"
	LabelIdempotencyKey = "idempotency_key"
)

// Container is what a container needs beside what every job does.
type Container struct {
	// Image names the image, with a tag or a digest. One that is there is not pulled, unless its tag is "latest" or left out.
	Image string `json:"image"`
	// RegistryAuth are credentials for the image's registry. The password is not kept.
	RegistryAuth *RegistryAuth `json:"registry_auth,omitempty"`
	// User is whom the job runs as, by names or numbers that the image knows: "user" or "user:group". Empty means as the image says.
	User string `json:"user,omitempty"`
	// Privileged gives the container all privileges of its machine.
	Privileged bool `json:"privileged,omitempty"`
	// Network is NetworkHost or NetworkBridge.
	Network string `json:"network"`
}

// OwnFolder is where a container has the job's own folder, if the job has contents or starts there.
const OwnFolder = "/workflow"

// Networks of a container.
const (
	// NetworkHost is the machine's own.
	NetworkHost = "host"
	// NetworkBridge is one of its own, behind Docker's bridge.
	NetworkBridge = "bridge"
)

// RegistryAuth are credentials for a registry.
type RegistryAuth struct {
	Username string `json:"username"`
	Password string `json:"password,omitempty"`
}

// Repo is a Git repository on a server.
type Repo struct {
	// URL is https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH, without credentials.
	URL string `json:"url"`
	// Commit is what the job gets, 40 hexadecimal digits.
	Commit string `json:"commit"`
	// Branch is the one that the clone is on; empty is none.
	Branch string `json:"branch,omitempty"`
	// History brings all branches with what came before; else it is the commit alone, where the server can do that.
	History bool `json:"history,omitempty"`
	// Username and Token are for HTTPS, PrivateKey and KnownHosts for SSH, which needs both. Token and PrivateKey are not kept.
	Username   string `json:"username,omitempty"`
	Token      string `json:"token,omitempty"`
	PrivateKey string `json:"private_key,omitempty"`
	KnownHosts string `json:"known_hosts,omitempty"`
}

// User is a user of the machine by numbers.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
}

// Mount shows Source, a path of the machine, at Path in the job.
type Mount struct {
	Source string `json:"source"`
	Path   string `json:"path"`
	// Optional leaves the mount out when Source is not there.
	Optional bool `json:"optional,omitempty"`
	// Create makes a missing Source: its parents with mode 0755, the folder itself with 0777.
	Create bool `json:"create,omitempty"`
	// ReadOnly lets the job read only; it is refused where mounts are links.
	ReadOnly bool `json:"read_only,omitempty"`
}

// HostBlocks is a share of a machine that is divided into equal parts.
type HostBlocks struct {
	// Need is how many blocks the job takes; 0 means all.
	Need int `json:"need,omitempty"`
	// Total is how many blocks the asker believes the machine to have; the agent refuses another number. 0 does not ask.
	Total int `json:"total,omitempty"`
}

// LogLimits bounds what is kept of a job's output on disk. Zero values mean the defaults.
type LogLimits struct {
	// SegmentBytes is the size after which a new file is begun.
	SegmentBytes int64 `json:"segment_bytes,omitempty"`
	// TotalBytes is how much is kept; when there is more, the oldest files are dropped.
	TotalBytes int64 `json:"total_bytes,omitempty"`
}

// Status is where a job stands in its life.
type Status string

// Statuses of a job. Pulling is for containers; a process goes from submitted to running.
const (
	StatusSubmitted    Status = "submitted"
	StatusProvisioning Status = "provisioning"
	StatusPulling      Status = "pulling"
	StatusRunning      Status = "running"
	StatusTerminating  Status = "terminating"
	StatusDone         Status = "done"
	StatusFailed       Status = "failed"
	StatusTerminated   Status = "terminated"
	StatusAborted      Status = "aborted"
)

// Finished reports whether a job of this status has ended for good.
func (s Status) Finished() bool {
	switch s {
	case StatusDone, StatusFailed, StatusTerminated, StatusAborted:
		return true
	}
	return false
}

// Job is what an agent knows of a job.
type Job struct {
	ID     string            `json:"id"`
	Labels map[string]string `json:"labels,omitempty"`
	Status Status            `json:"status"`
	// Reason and Message say why the job ended; for a job that failed Message has the last lines of its output. While an image
	// is pulled Message says how far that is.
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// ExitCode is nil until the job's program has ended, and when it never started; 128 and more are signals.
	ExitCode    *int      `json:"exit_code,omitempty"`
	SubmittedAt time.Time `json:"submitted_at"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
	// Attempt is the number of the try that these are of. Attempts are those before it that failed on this instance, at most 100.
	Attempt  int       `json:"attempt"`
	Attempts []Attempt `json:"attempts,omitempty"`
	// Ready is true while a job without a port runs, and while one with a port runs and its port answers.
	Ready bool `json:"ready"`
	// Port is the port of the specification.
	Port int `json:"port,omitempty"`
	// HostKey is the public key of the job's SSH server, as known_hosts has it.
	HostKey string `json:"host_key,omitempty"`
	// WorkingDir is where the job starts, as a path of the job. It is empty until the image is there that says so.
	WorkingDir string `json:"working_dir,omitempty"`
	// AloneSince is since when nobody is connected to a job that runs; zero while somebody is.
	AloneSince time.Time `json:"alone_since,omitzero"`
	// Address is where the job's ports answer: 127.0.0.1, or that of its container in a network of its own.
	Address string `json:"address,omitempty"`
	// PID is the process that leads the job's session, or the first of its container, as the machine numbers it.
	PID int `json:"pid,omitempty"`
	// Blocks are the numbers of the host blocks that the job holds, GPUs the ids of its GPUs; both are empty when it has ended.
	Blocks []int    `json:"blocks,omitempty"`
	GPUs   []string `json:"gpus,omitempty"`
	// Spec is what was asked for, with the names of the variables in Env but not their values.
	Spec JobSpec `json:"spec"`
}

// JobList is every job that an agent knows, ordered by id.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// StopRequest asks for the end of a job.
type StopRequest struct {
	// Grace is how long the job may take; 0 means what its specification says.
	Grace time.Duration `json:"grace_ns,omitempty"`
	// Abort kills at once.
	Abort bool `json:"abort,omitempty"`
	// Reason is why; empty means terminated_by_user, or aborted_by_user with Abort.
	Reason Reason `json:"reason,omitempty"`
	// Message is kept with the job.
	Message string `json:"message,omitempty"`
}

// Limits are what can be changed of a job while it runs; zero values mean what they mean in a JobSpec.
type Limits struct {
	// MaxDuration counts from the start of the job, so one that is over already stops it.
	MaxDuration time.Duration `json:"max_duration_ns,omitempty"`
	// InactivityDuration counts from when the last one left, or from the start of the job.
	InactivityDuration time.Duration `json:"inactivity_duration_ns,omitempty"`
	// StopGrace and StopDuration hold for the next stop; one that has begun goes on as it is.
	StopGrace    time.Duration `json:"stop_grace_ns,omitempty"`
	StopDuration time.Duration `json:"stop_duration_ns,omitempty"`
	// Retry holds for the next failure.
	Retry Retry `json:"retry,omitzero"`
}

// Access says who may enter jobs.
type Access struct {
	// AuthorizedKeys are public keys as authorized_keys has them, without options. They are all who may enter.
	AuthorizedKeys []string `json:"authorized_keys"`
}

// ShutdownRequest asks the agent to end.
type ShutdownRequest struct {
	// Force aborts the jobs that have not ended.
	Force bool `json:"force,omitempty"`
}
