package runtime

import (
	"context"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/cgroup"
	"github.com/dstackai/dstack-planner/agent/internal/joblog"
)

// LastMoment is how long a start that is given up still waits for a program that was told to begin.
const LastMoment = 5 * time.Second

// Runtime starts attempts at jobs in one way.
type Runtime interface {
	// Start starts an attempt and returns when its program runs. When it returns an error, nothing of the attempt is left;
	// a *StartError says how the job shall end. It may take long; the end of ctx ends it, but not a program that has just been
	// told to begin: that one is let begin for up to LastMoment, so that whoever stops it can ask it first.
	Start(ctx context.Context, t Task, h Host) (Attempt, error)
	// Remove ends and removes what is left of an attempt whose supervisor was killed, and returns the handle without what
	// is gone. Nothing being left is success.
	Remove(ctx context.Context, dir string, left Handle) (Handle, error)
	// Inside opens the world of an attempt that runs. It needs no supervisor.
	Inside(t Task, of Handle) Inside
}

// Task is an attempt at a job, with what the machine gives it.
type Task struct {
	// Dir is the job's folder. It is there and belongs to the agent's user alone.
	Dir  string      `json:"-"`
	Spec api.JobSpec `json:"spec"`
	// Base is what jobs may see of the agent's environment.
	Base []string `json:"base"`
	// Program is the agent's own program.
	Program string `json:"program"`
	// Mounts is the way in which mounts work for processes, as in api.Facts.
	Mounts string `json:"mounts"`
	// GPUs are the ids of the GPUs that the job holds, MachineGPUs is how many there are.
	GPUs        []string `json:"gpus"`
	MachineGPUs int      `json:"machine_gpus"`
	// GPUVendor is whose they are.
	GPUVendor string `json:"gpu_vendor,omitempty"`
	// DockerHost is where the Docker Engine listens, as in DOCKER_HOST; empty means where it does by default.
	DockerHost string `json:"docker_host,omitempty"`
}

// Handle is what an attempt is found by again. It is kept on disk with the job's status; new fields are added only.
type Handle struct {
	// PID leads the job's session; Started tells it from a later process of the same number.
	PID     int          `json:"pid,omitempty"`
	Started int64        `json:"started,omitempty"`
	Cgroup  cgroup.Group `json:"cgroup,omitzero"`
	// Container is the id of the job's container, Address its address in a network of its own.
	Container string `json:"container,omitempty"`
	Address   string `json:"address,omitempty"`
	// ImageDir is where the job starts in its container if only the image says that.
	ImageDir string `json:"image_dir,omitempty"`
}

// Host is what the supervisor does for an attempt.
type Host struct {
	// Keep changes the handle and makes it durable. What a runtime makes on the machine, it keeps before or at once.
	Keep func(change func(*Handle)) error
	// Pulling tells how far the job's image has come, and may be called often.
	Pulling func(progress string)
	// Log takes the job's output.
	Log *joblog.Writer
}

// Attempt is a job that runs, in the hands of its supervisor.
type Attempt interface {
	// Done is closed when the job's program has ended. What it started may go on.
	Done() <-chan struct{}
	// Signal sends a signal to the job's program and what it started, as a terminal would.
	Signal(sig syscall.Signal) error
	// End kills what is left of the job, takes in the rest of its output, removes what was made for it and says how it ended.
	// It is called once.
	End() Exit
}

// Exit is how an attempt ended.
type Exit struct {
	// Code is nil if it is not known. Signal is what killed the program, with 128 and its number as Code.
	Code   *int
	Signal syscall.Signal
	// OutOfMemory is true if the kernel killed one of its processes because the job was at its memory limit.
	OutOfMemory bool
	// Notes are what went wrong with the end itself.
	Notes []string
	// Left is the handle without what is gone.
	Left Handle
}

// StartError says why a job could not be started.
type StartError struct {
	Reason  api.Reason
	Message string
	// Code is the exit code of a job whose program could not be executed, else nil.
	Code *int
}

// Error returns the message.
func (e *StartError) Error() string { return e.Message }
