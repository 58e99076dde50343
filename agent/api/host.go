package api

import "time"

// Owner says which instance of which state a machine is.
type Owner struct {
	// Lineage is the state's, Address the instance's in it.
	Lineage string `json:"lineage"`
	Address string `json:"address"`
	// By says who made it so, for people, and Since when.
	By    string    `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// Is tells whether both are the same instance of the same state.
func (o Owner) Is(other Owner) bool { return o.Lineage == other.Lineage && o.Address == other.Address }

// Login is the user as whom dstack comes to a machine.
type Login struct {
	Name string `json:"name"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Home string `json:"home"`
}

// HostSpec is what a machine shall be as a host of jobs. `dstack-agent host install` reads it.
type HostSpec struct {
	Owner Owner `json:"owner"`
	// TakeOver takes the machine from another owner, and ends what runs there.
	TakeOver bool `json:"take_over,omitempty"`
	// Login is whom the agent's socket belongs to.
	Login Login `json:"login"`
	// Keys are lines for the login's authorized_keys.
	Keys []string `json:"keys,omitempty"`
	// Blocks is how many host blocks the machine is divided into.
	Blocks int `json:"blocks,omitempty"`
	// Env is the agent's environment, beside the machine's own.
	Env map[string]string `json:"env,omitempty"`
	// Program is the SHA-256 of the agent that this specification is for.
	Program string `json:"program"`
}

// HostRemoval says what to give back. `dstack-agent host remove` reads it.
type HostRemoval struct {
	// Owner is who gives it back; a machine of another owner is left alone.
	Owner Owner `json:"owner"`
	// Force ends jobs that run.
	Force bool `json:"force,omitempty"`
	// Preview changes nothing, and says what would be done.
	Preview bool `json:"preview,omitempty"`
}

// HostReport is what `dstack-agent host install` and `remove` answer.
type HostReport struct {
	// Did are the things that were done, one sentence without its full stop each; none if everything was so already.
	Did []string `json:"did"`
	// Kept are things that stay though they are ours, and why.
	Kept []string `json:"kept,omitempty"`
	// Error says why it ended early.
	Error *Error `json:"error,omitempty"`
}

// HostRecord is what stands on a machine about who owns it, for everybody to read.
type HostRecord struct {
	Version int   `json:"version"`
	Owner   Owner `json:"owner"`
	Login   Login `json:"login"`
	Blocks  int   `json:"blocks"`
	// Program is the SHA-256 of the agent that was installed.
	Program string `json:"program"`
	// Removing is true once it was begun to give the machine back.
	Removing bool `json:"removing,omitempty"`
}

// Where things are on a machine that is a host of jobs. Nothing else is written but a line in the login's authorized_keys.
const (
	// HostProgram is the agent.
	HostProgram = "/usr/local/bin/dstack-agent"
	// HostProgramNew is an agent that was not installed yet.
	HostProgramNew = "/usr/local/bin/.dstack-agent.new"
	// HostFolder holds all that dstack keeps there: HostRecordFile, which everybody may read, a folder for uploads that belongs to
	// the login, and what is the agent's own.
	HostFolder       = "/var/lib/dstack-agent"
	HostRecordFile   = HostFolder + "/host.json"
	HostUploadFolder = HostFolder + "/upload"
	// HostRunFolder holds HostSocket, on which the agent listens for the login.
	HostRunFolder = "/run/dstack"
	HostSocket    = HostRunFolder + "/" + AgentSocket
	// HostUnitName is the agent's service where systemd is, and HostUnit its file.
	HostUnitName = "dstack-agent.service"
	HostUnit     = "/etc/systemd/system/" + HostUnitName
)

// Words that `dstack-agent host connect` says on a line of its own before anything else: it is connected, or no agent runs.
const (
	HostConnected  = "dstack-agent: connected"
	HostNotRunning = "dstack-agent: not running"
)
