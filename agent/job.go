package agent

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/cgroup"
)

// Files in the folder of a job.
const (
	recordFile  = "record.json"
	statusFile  = "status.json"
	lockFile    = "lock"
	controlSock = "control.sock"
	logDir      = "log"
	workDir     = "work"
	linksDir    = "mnt"
	rootDir     = "root"
	errorsFile  = "supervisor.log"
)

// record is what the agent keeps of a job: what was asked for and what was lent.
type record struct {
	Version     int         `json:"version"`
	Spec        api.JobSpec `json:"spec"`
	SubmittedAt time.Time   `json:"submitted_at"`
	// Digest identifies the specification with the values of its environment; Salt keeps it from being guessed from.
	Digest string `json:"digest"`
	Salt   string `json:"salt"`
	// Blocks are the host blocks that the job holds of TotalBlocks, GPUs its GPUs.
	Blocks      []int    `json:"blocks"`
	TotalBlocks int      `json:"total_blocks"`
	GPUs        []string `json:"gpus,omitempty"`
}

// status is what the supervisor keeps of a job: how it goes.
type status struct {
	Status     api.Status `json:"status"`
	Reason     api.Reason `json:"reason,omitempty"`
	Message    string     `json:"message,omitempty"`
	ExitCode   *int       `json:"exit_code,omitempty"`
	StartedAt  time.Time  `json:"started_at,omitzero"`
	FinishedAt time.Time  `json:"finished_at,omitzero"`
	// PID leads the job's session; Started tells it from a later process of the same number.
	PID     int   `json:"pid,omitempty"`
	Started int64 `json:"started,omitempty"`
	// Supervisor is the process that writes this.
	Supervisor int          `json:"supervisor"`
	Cgroup     cgroup.Group `json:"cgroup,omitzero"`
}

// task is what the supervisor is told, through a pipe.
type task struct {
	Spec    api.JobSpec `json:"spec"`
	Base    []string    `json:"base"`
	Program string      `json:"program"`
	// Mounts is the way in which mounts work, as in api.Facts.
	Mounts      string   `json:"mounts"`
	GPUs        []string `json:"gpus"`
	MachineGPUs int      `json:"machine_gpus"`
}

// stageTask is what the stage is told, through a pipe.
type stageTask struct {
	// Root is where a root is built and entered; empty leaves the machine's.
	Root   string      `json:"root,omitempty"`
	Mounts []api.Mount `json:"mounts,omitempty"`
	Shm    int64       `json:"shm,omitempty"`
	User   *api.User   `json:"user,omitempty"`
	Dir    string      `json:"dir"`
	Argv   []string    `json:"argv"`
	Env    []string    `json:"env"`
	// Check only tries whether a root can be built.
	Check bool `json:"check,omitempty"`
}

// stageError is what the stage answers when it could not become the job.
type stageError struct {
	// Code is the exit code of a job whose program could not be executed, and 0 when things went wrong before that.
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Messages on a supervisor's control socket, one JSON object a line.
type (
	// controlRequest opens a connection: with Stop it asks for the job's end, with Limits for other limits, and gets one
	// controlReply; without both it gets an event now and after each change until the job is over.
	controlRequest struct {
		Stop   *api.StopRequest `json:"stop,omitempty"`
		Limits *api.Limits      `json:"limits,omitempty"`
	}
	controlReply struct {
		Status status `json:"status"`
	}
	controlEvent struct {
		Status status `json:"status"`
		LogEnd int64  `json:"log_end"`
	}
)

// supervisorFDs are the files that a supervisor inherits beside the standard ones.
const (
	lockFD  = 3
	readyFD = 4
)

// stageFDs are the files that a stage inherits beside the standard ones.
const (
	taskFD  = 3
	errorFD = 4
)

func jobPath(dir, id string, elem ...string) string {
	return filepath.Join(append([]string{dir, "jobs", id}, elem...)...)
}

// digest identifies a specification.
func (r record) sameAs(spec api.JobSpec) bool { return r.Digest == digest(spec, r.Salt) }

// canonical is the form of a specification that is compared.
func canonical(spec api.JobSpec) []byte {
	data, err := json.Marshal(spec)
	if err != nil {
		// Extra is the only part that could be no JSON, and it came from JSON.
		return nil
	}
	return data
}
