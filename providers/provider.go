package providers

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// Protocol is the version of the contract that this program speaks.
const Protocol = 1

// Provider is one kind of infrastructure.
type Provider interface {
	// Describe says what the provider is. It does no I/O and its answer never changes within one program.
	Describe(ctx context.Context) (Description, error)
	// Open makes a handle for one configured use. It checks the settings, finds credentials, and asks for the account's
	// identity. Errors are of kind auth, invalid or transient.
	Open(ctx context.Context, config BackendConfig) (Backend, error)
}

// Description is what a provider says about itself. It is cached by the program's checksum, so validate starts nothing.
type Description struct {
	Name         string       `json:"name"`
	Version      string       `json:"version"`
	Protocol     int          `json:"protocol"`
	Settings     []Setting    `json:"settings,omitempty"`
	Kinds        []string     `json:"kinds"`
	Capabilities Capabilities `json:"capabilities"`
	Environment  []string     `json:"environment,omitempty"` // variables that it asks for, beside the base; a trailing * is a prefix
}

// Setting is one attribute of `settings` in a backend block.
type Setting struct {
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"type"` // cty's JSON: "string", ["list","string"]
	Required bool            `json:"required,omitempty"`
	Secret   bool            `json:"secret,omitempty"`      // never recorded
	Env      string          `json:"environment,omitempty"` // the variable that it comes from when not written, or when the block is gone
	Doc      string          `json:"doc"`
}

// Capabilities is what a provider can do; core asks for nothing else.
type Capabilities struct {
	Regions          []string          `json:"regions,omitempty"` // all there are, when they are few and fixed
	MultiNode        bool              `json:"multi_node,omitempty"`
	Spot             bool              `json:"spot,omitempty"`
	Blocks           bool              `json:"blocks,omitempty"`
	PlacementGroups  bool              `json:"placement_groups,omitempty"`
	Reservations     bool              `json:"reservations,omitempty"`
	Privileged       bool              `json:"privileged,omitempty"`
	InstanceMounts   bool              `json:"instance_mounts,omitempty"`
	ForceDetach      bool              `json:"force_detach,omitempty"`
	PrivateGateways  bool              `json:"private_gateways,omitempty"`
	ExistingMachines bool              `json:"existing_machines,omitempty"` // a requirement that nobody wrote constrains nothing
	SharedNetwork    bool              `json:"shared_network,omitempty"`    // its instances share their ports, as on one machine
	Processes        bool              `json:"processes,omitempty"`         // a job without an image can be a process
	Containers       bool              `json:"containers,omitempty"`        // a job with an image can run
	Code             bool              `json:"code,omitempty"`              // jobs get what is in Paths.Content
	Imports          map[string]string `json:"imports,omitempty"`           // kinds that can be taken over, with what their id is: "the path of a folder"
	ConsistencyDelay time.Duration     `json:"consistency_delay,omitempty"` // how long Find may miss what was just made
}

// BackendConfig is one configured use of a provider.
type BackendConfig struct {
	Name     string          `json:"name"` // of the backend block
	Regions  []string        `json:"regions,omitempty"`
	Runtime  string          `json:"runtime,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"` // one object; secrets are in it but never recorded
	Paths    Paths           `json:"-"`
}

// Paths are places on the host's machine that a provider may need.
type Paths struct {
	Home  string `json:"home"`  // DSTACK_HOME
	Agent string `json:"agent"` // the program dstack-agent
	// Content is a folder that holds, while a plan is applied, what the jobs that it creates get as repo and files: the list of
	// each content under the digest that the job names, and what the files in it hold under their own; see package content.
	Content string `json:"content,omitempty"`
}

// Backend is an open handle. The methods for kinds return nil where the provider does not have that kind. Rarer
// abilities are the small interfaces below, found by a type assertion. A handle to another process is always a Renamer and
// an Importer, and its methods return errors.ErrUnsupported where the provider is none.
type Backend interface {
	// Identity is the account: an AWS account's number, a machine's id. It is recorded and must not change while
	// resources are.
	Identity() string
	Instances() Resource[schema.Instance]
	Volumes() Resource[schema.Volume]
	Gateways() Resource[schema.Gateway]
	Jobs() Resource[schema.Job]
	Supports() Resource[schema.Support]
	Close() error
}

// Offerer is a backend on which machines can be made.
type Offerer interface {
	// Offers lists for each of the requirements what could satisfy it; what does not fit may be left out or not, core
	// filters again. An offer that fits several is yielded for each. yield is called from one goroutine at a time.
	Offers(ctx context.Context, needs []schema.Requirements, yield func(need int, offer schema.Offer)) error
}

// Stopper is a backend whose jobs can be asked to stop outside of an apply.
type Stopper interface {
	// StopJob returns when the job has been asked. Stopping what has ended succeeds.
	StopJob(ctx context.Context, job Object[schema.Job], needs []Need, abort bool) error
}

// LogReader is a backend that keeps its jobs' output.
type LogReader interface {
	// JobLogs calls yield for each piece of output in order, until the end or, with Follow, until the job has ended.
	JobLogs(ctx context.Context, job Object[schema.Job], needs []Need, opts LogOptions, yield func(LogEntry) error) error
}

// Connector is a backend whose jobs can be entered from this machine. A handle to another process always is one, and its
// method returns errors.ErrUnsupported where the provider is none.
type Connector interface {
	// ConnectJob says where the agent of a job is reached, and lets in whoever may enter. What it says holds until the
	// backend is closed.
	ConnectJob(ctx context.Context, job Object[schema.Job], needs []Need) (Connection, error)
}

// Connection is where the agent of a job is reached from this machine.
type Connection struct {
	Folder string // in which the agent's socket is
	Job    string // the job's id with its agent
}

// LogOptions selects output.
type LogOptions struct {
	Follow   bool
	Offset   int64     // continue after the entry whose Next this is
	Since    time.Time // zero: from the start
	Tail     int       // the last so many lines; 0: all
	Attempt  int       // whose output is wanted; 0: that of the latest
	Onward   bool      // with Follow, go on with the attempts after it
	Diagnose bool      // not the job's output but what its agent has to say about it
}

// LogEntry is one line of output, or a part of one that has not ended.
type LogEntry struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"` // stdout, stderr, or agent for what the agent has to say
	Text   []byte    `json:"text"`   // with its line end, if it has one
	Next   int64     `json:"next"`   // offset to continue from
	// Attempt is the one that wrote it, where that is known. Each has offsets of its own.
	Attempt int `json:"attempt,omitempty"`
}

// Renamer is a backend that writes the address of an object beside it, in tags or labels that can be changed. They are for
// people and for finding what is recorded nowhere; nothing is found by address alone.
type Renamer interface {
	// Rename writes down the address that an object has from now on. Nothing else about it changes, and doing it again
	// changes nothing. It is errors.ErrUnsupported for a kind that carries no address, or one that cannot change.
	Rename(ctx context.Context, kind string, recorded Object[cty.Value], address string) error
}

// Importer is a backend that can take over what is there and recorded nowhere: what somebody made by hand, or what a state
// had recorded that is lost. Capabilities.Imports lists the kinds, with what their ids are.
type Importer interface {
	// Locate looks something up by its id, as a person wrote it, and changes nothing. What is not there is an error of kind
	// not_found that says what was looked for and where.
	Locate(ctx context.Context, kind, id string) (Located, error)
	// Adopt makes what Locate finds one of ours: the lineage, the address and, where its tags have none, the key go into its
	// tags. Doing it again changes nothing.
	Adopt(ctx context.Context, kind, id string, as Adoption) (Located, error)
}

// Adoption is what an object is adopted as.
type Adoption struct {
	Address string
	Lineage string
	Key     string // where the object has none yet
}

// Located is something that exists, with who made it as far as its tags say.
type Located struct {
	Object   Object[cty.Value]
	Lineage  string // "" where it was not made by dstack
	Address  string
	Key      string
	Warnings []string // sentences for people, shown with the plan
}

// Prober is a provider that can say whether it would work here, without side effects: used by init.
type Prober interface {
	Probe(ctx context.Context, w io.Writer) error
}
