package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// FormatVersion is the version of the JSON. It grows by additions only within a major version.
const FormatVersion = "1.0"

// Plan is everything that a review and an apply need.
type Plan struct {
	FormatVersion string    `json:"format_version"`
	DstackVersion string    `json:"dstack_version"`
	ID            string    `json:"id"` // digest of all but created_at
	CreatedAt     time.Time `json:"created_at"`

	Lineage string `json:"lineage"`
	Serial  uint64 `json:"serial"`
	Head    string `json:"head"`  // of the state's chain when the plan was made
	Store   string `json:"store"` // in words: "the folder .dstack/state"
	Destroy bool   `json:"destroy,omitempty"`

	Complete    bool               `json:"complete"`              // false: something is deferred
	Partial     bool               `json:"partial"`               // true: targeted, or something is excluded
	NotPlanned  []Note             `json:"not_planned,omitempty"` // changes that a partial plan leaves out, with why
	RefreshOnly bool               `json:"refresh_only,omitempty"`
	Refresh     *Refresh           `json:"refresh,omitempty"` // nil where all that is recorded was to be compared with what is there
	Summary     Summary            `json:"summary"`
	Changes     []*Change          `json:"changes"`
	Moves       []Move             `json:"moves,omitempty"` // addresses that change before anything else does
	Unchanged   int                `json:"unchanged"`
	Drift       []*Drift           `json:"drift"`
	NotChecked  []Note             `json:"not_checked,omitempty"` // what is taken as recorded, with why and since when
	Notes       []Note             `json:"notes,omitempty"`       // what is a no-op and worth a word: a run that ended
	Deferred    []Note             `json:"deferred,omitempty"`
	Outputs     map[string]*Output `json:"outputs"`
	Cost        Cost               `json:"cost"`
	Policies    []Policy           `json:"policies"`
	Checks      []Check            `json:"checks,omitempty"` // what became of every condition
	Data        []Data             `json:"data,omitempty"`   // what was looked up
	Diagnostics diag.List          `json:"diagnostics"`

	// What apply needs beside the changes.
	Steps      []Step              `json:"steps"`
	Groups     []Group             `json:"groups,omitempty"`
	Sources    []Source            `json:"sources,omitempty"`
	Answers    []Answer            `json:"answers,omitempty"`     // of functions that look at the machine
	PolicySets []PolicySet         `json:"policy_sets,omitempty"` // folders of policies beside those of the sources
	Variables  map[string]Input    `json:"variables,omitempty"`
	Secrets    map[string]string   `json:"secrets,omitempty"` // sensitive inputs: var.hf_token, env.HF_TOKEN -> digest
	Profile    string              `json:"profile,omitempty"` // that DSTACK_PROFILE chose
	Moment     *Moment             `json:"moment,omitempty"`  // nil where everything is the same at any time
	Backends   map[string]Backend  `json:"backends,omitempty"`
	Revisions  map[string]Revision `json:"revisions,omitempty"` // by address: what the plan read or changes
	Intents    []IntentDecision    `json:"intents,omitempty"`   // what becomes of intents that are open
}

// AskedFor begins the reason of what is replaced on request alone.
const AskedFor = "--replace asks for it"

// Vanished is the reason of what is gone though nobody asked for it.
const Vanished = "it was deleted outside of dstack"

// Replaces tells whether something is replaced on request alone.
func (p *Plan) Replaces() bool {
	return slices.ContainsFunc(p.Changes, func(c *Change) bool { return strings.HasPrefix(c.Reason, AskedFor) })
}

// Summary counts declared things, a replace once; support objects have a count of their own.
type Summary struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Replace int `json:"replace"`
	Destroy int `json:"destroy"`
	Adopt   int `json:"adopt"`
	Move    int `json:"move"`
	Import  int `json:"import"`
	Forget  int `json:"forget"`
	Support int `json:"support"`
}

// Changes is the sum of what is declared and changes.
func (s Summary) Changes() int {
	return s.Create + s.Update + s.Replace + s.Destroy + s.Adopt + s.Move + s.Import + s.Forget
}

// Action is what happens to one resource instance, as Terraform's lists have it.
type Action string

// Actions.
const (
	NoOp             Action = "no-op"
	Create           Action = "create"
	Update           Action = "update"
	Delete           Action = "delete"
	DeleteThenCreate Action = "delete,create"
	CreateThenDelete Action = "create,delete"
	Forget           Action = "forget"
)

// IsReplace tells whether the old one goes and a new one comes.
func (a Action) IsReplace() bool { return a == DeleteThenCreate || a == CreateThenDelete }

// MarshalJSON writes the list form: ["delete", "create"].
func (a Action) MarshalJSON() ([]byte, error) { return json.Marshal(splitAction(a)) }

// UnmarshalJSON reads the list form.
func (a *Action) UnmarshalJSON(b []byte) error {
	var parts []string
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	*a = joinAction(parts)
	return nil
}

// Change is what happens to one resource instance.
type Change struct {
	Address         string            `json:"address"`
	PreviousAddress string            `json:"previous_address,omitempty"`
	Import          *Import           `json:"import,omitempty"`  // it is taken over first; before is what was found
	Deposed         string            `json:"deposed,omitempty"` // the key of an old object that waits for its end
	Kind            string            `json:"kind"`
	Backend         string            `json:"backend,omitempty"`
	Action          Action            `json:"actions"`
	Reason          string            `json:"reason"` // a clause: "new block, main.dstack.hcl:52"
	Cause           []Cause           `json:"cause,omitempty"`
	Declared        string            `json:"declared,omitempty"` // main.dstack.hcl:52
	Before          json.RawMessage   `json:"before,omitempty"`
	After           json.RawMessage   `json:"after,omitempty"` // what is known
	AfterUnknown    []string          `json:"after_unknown,omitempty"`
	WaitsFor        map[string]string `json:"waits_for,omitempty"` // what makes leaves of after_unknown unknown that the block writes: env["URL"]: service.llama.url
	Sensitive       []string          `json:"sensitive,omitempty"`
	Digests         map[string]string `json:"digests,omitempty"` // of the sensitive leaves after
	Diff            []AttrDiff        `json:"diff,omitempty"`
	UnchangedAttrs  int               `json:"unchanged_attributes,omitempty"`
	ReplacePaths    []string          `json:"replace_paths,omitempty"`
	NewFirstFor     string            `json:"new_first_for,omitempty"` // its own block does not say create_before_destroy: what needs the new one before the old one goes
	RecordOnly      bool              `json:"record_only,omitempty"`   // an update without a call
	Offer           *schema.Offer     `json:"offer,omitempty"`
	Zone            string            `json:"zone,omitempty"`
	Group           string            `json:"group,omitempty"`
	Candidates      []Candidate       `json:"candidates,omitempty"` // shown; the first is Offer
	NoOther         string            `json:"no_other,omitempty"`   // why there is no second candidate: "volume.data[0] is in us-east-1a"
	LeftOut         []LeftOut         `json:"left_out,omitempty"`   // cheaper offers that were not taken
	Placement       *Placement        `json:"placement,omitempty"`
	InFlight        *InFlight         `json:"in_flight,omitempty"`
	DataAtRisk      string            `json:"data_at_risk,omitempty"` // "500GB of data"
	Cost            *CostLine         `json:"cost,omitempty"`
	Attempt         int               `json:"attempt,omitempty"`
	Tainted         bool              `json:"tainted,omitempty"`
	Protected       bool              `json:"protected,omitempty"`       // prevent_destroy, to be recorded
	EndsRun         bool              `json:"ends_run,omitempty"`        // a job whose whole run is taken down
	OnlyCandidate   bool              `json:"only_candidate,omitempty"`  // a support object that only a candidate after the first needs
	Needs           []string          `json:"needs,omitempty"`           // addresses that it stands on after the apply
	Evaluate        bool              `json:"evaluate,omitempty"`        // apply evaluates the block again for the unknown and secret leaves
	IdempotencyKey  string            `json:"idempotency_key,omitempty"` // of an intent that is taken up
}

// Move is an address that changes: of one repetition of a block with all that belongs to it, or of one instance. What is
// recorded under From goes on under To, and so does everything that names it.
type Move struct {
	From     string   `json:"from"`
	To       string   `json:"to"`
	Declared []string `json:"declared,omitempty"` // the blocks moved that led there: main.dstack.hcl:12; none for what follows from count
	Name     string   `json:"name,omitempty"`     // the name that it keeps, because none is written
	Count    int      `json:"count"`              // how many declared things that are
}

// Import is something that exists, is recorded nowhere, and is taken over.
type Import struct {
	ID       string `json:"id"`                // as a person wrote it
	Object   string `json:"object"`            // as the provider knows it
	Backend  string `json:"backend"`           // that it is on
	Key      string `json:"key,omitempty"`     // idempotency key in its tags; it gets one where it has none
	Lineage  string `json:"lineage,omitempty"` // of the state that made it
	Address  string `json:"address,omitempty"` // that it has in that state
	Declared string `json:"declared"`          // the block import: main.dstack.hcl:12
}

// Why is the reason of an import, a clause.
func (i Import) Why() string { return "import block, " + i.Declared }

// Why is the reason of a move, a clause.
func (m Move) Why() string {
	if len(m.Declared) == 0 {
		return "count has changed"
	}
	return "moved block, " + strings.Join(m.Declared, ", then ")
}

// AttrDiff is one attribute that differs, by path. Values are JSON; nil stands for absent.
type AttrDiff struct {
	Path      string          `json:"path"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Applied   json.RawMessage `json:"applied,omitempty"` // what was applied last, where somebody has changed that since to what is before
	Unknown   bool            `json:"unknown,omitempty"` // known after apply
	Sensitive bool            `json:"sensitive,omitempty"`
	Forces    bool            `json:"forces_replacement,omitempty"`
	Why       string          `json:"why,omitempty"`        // the provider's sentence
	MovedTo   string          `json:"moved_to,omitempty"`   // of what goes: the path at which the same value comes, a renamed key or a moved element
	MovedFrom string          `json:"moved_from,omitempty"` // of what comes: the path that it had
	Inside    *Inside         `json:"inside,omitempty"`     // of two texts that are JSON or YAML: what differs in them
}

// Cause is where a changed attribute comes from.
type Cause struct {
	Attribute string `json:"attribute,omitempty"`
	Place     string `json:"place,omitempty"` // file:line
	From      string `json:"from,omitempty"`  // var.gpu, drift, default, provider
}

// Placement says where a job runs.
type Placement struct {
	Instance string `json:"instance"`
	Blocks   int    `json:"blocks"`
	Of       int    `json:"of"`
}

// InFlight is an operation that was cut off.
type InFlight struct {
	Since time.Time `json:"since"`
	By    string    `json:"by"`
	ID    string    `json:"id,omitempty"` // of what was found
	Found bool      `json:"found"`
}

// IntentDecision is what becomes of an open intent: the change of its address takes it up, or apply closes it first of
// all; a closed one's key is asked for another 24 hours.
type IntentDecision struct {
	Address string `json:"address"`
	Deposed string `json:"deposed,omitempty"`
	Key     string `json:"key"`
	Close   bool   `json:"close,omitempty"`
}

// LeftOut is an offer that was not taken, with the reason.
type LeftOut struct {
	Offer schema.Offer `json:"offer"`
	Why   string       `json:"why"`
}

// Group is resource instances that share backend, region or zone, with the alternatives for the whole of it.
type Group struct {
	ID         string      `json:"id"`
	Members    []string    `json:"members"`         // addresses of the instances that are made
	Fixed      bool        `json:"fixed,omitempty"` // some of it exists, which confines it
	Candidates []Candidate `json:"candidates"`      // the first is planned, five at most
}

// Candidate is one alternative for a whole group.
type Candidate struct {
	Offer schema.Offer `json:"offer"`
	Zone  string       `json:"zone,omitempty"`
	// Values are the planned values of what differs from the plan's own: instances, and volumes that take their zone.
	Values map[string]json.RawMessage `json:"values,omitempty"`
	// Supports are support objects of this candidate: steps of the plan that only it needs.
	Supports []string `json:"supports,omitempty"`
}

// Op is what a step does.
type Op string

// Operations of steps.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
	OpRecord Op = "record" // writes the state only
	OpForget Op = "forget" // takes it out of the state only
	OpDepose Op = "depose" // records the old object as deposed
	OpImport Op = "import" // records what is there and recorded nowhere, and tags it as ours
	OpMove   Op = "move"   // lets the tags of what has moved already have its new address
	OpJoin   Op = "join"   // does nothing; it stands for all of a block, so that edges stay few

	OpPrecondition  Op = "precondition"  // looks at what a block demands, before anything of it is done
	OpPostcondition Op = "postcondition" // looks at what a block promises of what it stands for
)

// IsCondition tells whether the step only looks at conditions: its address is that of a repetition of a block then.
func (o Op) IsCondition() bool { return o == OpPrecondition || o == OpPostcondition }

// Step is one thing that apply does. Steps are in an order in which they could be done one by one.
type Step struct {
	Address string `json:"address"`
	Deposed string `json:"deposed,omitempty"` // the object that a delete means
	Op      Op     `json:"op"`
	Needs   []int  `json:"needs,omitempty"` // indices of steps that come before
}

// Drift is what differs between the record and what the provider reports.
type Drift struct {
	Address string     `json:"address"`
	Kind    string     `json:"kind"`
	Gone    bool       `json:"gone,omitempty"`
	Diff    []AttrDiff `json:"diff,omitempty"`
	Class   string     `json:"class"` // one of the Drift constants
}

// Classes of drift.
const (
	DriftConflict      = "conflict"      // the configuration says otherwise, so it is changed back
	DriftFeeds         = "feeds"         // what changes is made of it
	DriftInformational = "informational" // nothing depends on it
	DriftLeftAlone     = "left_alone"    // this plan does nothing about it: it is left out on request, or deferred
)

// Note is a sentence about one address.
type Note struct {
	Address string    `json:"address,omitempty"`
	Text    string    `json:"text"`
	Since   time.Time `json:"since,omitzero"` // of what was not checked: when it was recorded as it is
}

// Output is one output before and after.
type Output struct {
	Action    Action          `json:"actions"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Unknown   bool            `json:"after_unknown,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Inside    *Inside         `json:"inside,omitempty"` // of two texts that are JSON or YAML: what differs in them
}

// PolicyResult is what became of a policy.
type PolicyResult string

// Results of policies.
const (
	PolicyPassed  PolicyResult = "passed"
	PolicyDenied  PolicyResult = "denied"  // its condition is false
	PolicyWarned  PolicyResult = "warned"  // its condition is false, and it only warns
	PolicyUnknown PolicyResult = "unknown" // whether its condition holds is not known, or cannot be evaluated
)

// Policy is the result of one policy.
type Policy struct {
	Name        string       `json:"name"`
	Enforcement string       `json:"enforcement"` // deny, or warn: the plan can be applied whatever the result
	Result      PolicyResult `json:"result"`
	Message     string       `json:"message,omitempty"`
	Declared    string       `json:"declared"`         // main.dstack.hcl:52
	Values      []diag.Value `json:"values,omitempty"` // what the condition mentions: plan.cost.after.hourly_max, "is 100.46"
}

// Denies tells whether the plan cannot be applied because of the policy: it was broken, or that could not be known.
func (p Policy) Denies() bool {
	return p.Result == PolicyDenied || p.Result == PolicyUnknown && p.Enforcement != "warn"
}

// Denying lists the policies because of which the plan cannot be applied.
func (p *Plan) Denying() []Policy {
	var out []Policy
	for _, r := range p.Policies {
		if r.Denies() {
			out = append(out, r)
		}
	}
	return out
}

// Answer is what a function answered that looks at the machine: at files, at the home folder, at the working directory. One
// that ends in a sensitive value has a digest in place of the value, and is asked again at apply.
type Answer struct {
	Function string          `json:"function"` // file, fileexists, templatefile: the text of the template, path.cwd
	Args     []string        `json:"args,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
	Digest   string          `json:"digest,omitempty"`
}

// PolicySet is a folder of policies that the plan was made with: apply evaluates them again.
type PolicySet struct {
	Dir       string           `json:"dir"` // as it was given
	Sources   []Source         `json:"sources"`
	Variables map[string]Input `json:"variables,omitempty"`
	Answers   []Answer         `json:"answers,omitempty"` // but for those that end in a sensitive value
}

// Data is what a block `data` has found. Apply takes it from the plan.
type Data struct {
	Address string          `json:"address"`
	Value   json.RawMessage `json:"value"`
	Found   string          `json:"found"` // in words: "12 offers, from $0.50/h"
}

// Check is what became of the conditions of one block: the assertions of a check, or what a block demands before and
// promises afterwards. Repetitions of the block are counted together.
type Check struct {
	Address  string      `json:"address"` // of the block: check.budget, volume.data
	Kind     string      `json:"kind"`    // check, resource, data or output
	Status   CheckStatus `json:"status"`  // the worst of all
	Passed   int         `json:"passed"`
	Failed   int         `json:"failed"`  // broken ones too; of a check only, since anything else makes no plan
	Unknown  int         `json:"unknown"` // known after apply
	Problems []Problem   `json:"problems,omitempty"`
}

// CheckStatus says whether conditions hold.
type CheckStatus string

// Statuses of checks, the best first.
const (
	CheckPass    CheckStatus = "pass"
	CheckUnknown CheckStatus = "unknown"
	CheckFail    CheckStatus = "fail"
	CheckError   CheckStatus = "error" // a condition cannot be evaluated
)

// Problem is a condition that does not hold.
type Problem struct {
	Message string `json:"message"`
	Place   string `json:"place"` // main.dstack.hcl:12
}

// Source is one file of the configuration.
type Source struct {
	Path   string `json:"path"` // relative to the configuration's folder; absolute where it is personal
	Text   string `json:"text"`
	Digest string `json:"digest"`
	// Personal says that it is DSTACK_HOME/config.dstack.hcl of who made the plan.
	Personal bool `json:"personal,omitempty"`
}

// Input is the value of a variable that is not sensitive.
type Input struct {
	Value json.RawMessage `json:"value"`
	Type  json.RawMessage `json:"type"`
}

// Moment is what functions that are not pure went by, so that apply gets the same answers: timestamp and plantimestamp
// the time, uuid and bcrypt the seed. The seed is encrypted with a key of the state, because who has it can compute answers that ended
// in a sensitive place.
type Moment struct {
	Time time.Time `json:"time"`
	Seed string    `json:"seed"`
}

// Backend is a backend that the plan uses.
type Backend struct {
	Provider string          `json:"provider"`
	Version  string          `json:"version"`
	Identity string          `json:"identity"`
	Config   json.RawMessage `json:"config,omitempty"` // without secrets
	// Secrets maps the path of each sensitive setting to its digest under the state's key.
	Secrets  map[string]string `json:"secrets,omitempty"`
	Declared string            `json:"declared,omitempty"`
}

// Revision is what a resource's record said when the plan was made. 0 means that it must not exist.
type Revision struct {
	Revision  uint64 `json:"revision"`
	Occupancy uint64 `json:"occupancy,omitempty"` // 0: does not matter
}

// Cost is what the plan does to the bill.
type Cost struct {
	Before     Amount     `json:"before"`
	After      Amount     `json:"after"`
	Difference Amount     `json:"difference"`
	Lines      []CostLine `json:"lines,omitempty"` // by block
}

// Amount is a price. Unknown counts the prices that are not in it.
type Amount struct {
	Hourly    value.Money `json:"hourly"`
	HourlyMax value.Money `json:"hourly_max"` // the highest that the candidates allow
	Monthly   value.Money `json:"monthly"`
	Unknown   int         `json:"unknown,omitempty"`
}

// CostLine is the cost of one block or change.
type CostLine struct {
	Address string `json:"address"`
	Count   int    `json:"count,omitempty"`
	Before  Amount `json:"before"`
	After   Amount `json:"after"`
}
