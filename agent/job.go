package agent

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/jobstate"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// Files in the folder of a job.
const (
	recordFile  = "record.json"
	statusFile  = "status.json"
	lockFile    = "lock"
	controlSock = "control.sock"
	logDir      = "log" // of each attempt, below its number
	notesDir    = "diagnosis"
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
	// Attempt is the number of the try that this is of, Attempts are those before it.
	Attempt  int           `json:"attempt"`
	Attempts []api.Attempt `json:"attempts,omitempty"`
	// Handle is what the attempt is found by.
	runtime.Handle
	// Supervisor is the process that writes this.
	Supervisor int `json:"supervisor"`
}

// state is what the status is to the table of what can happen.
func (st status) state() jobstate.State {
	return jobstate.State{Status: st.Status, Reason: st.Reason, Attempt: max(st.Attempt, 1)}
}

// become takes over what the table says.
func (st *status) become(s jobstate.State) {
	st.Status, st.Reason, st.Attempt = s.Status, s.Reason, s.Attempt
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
