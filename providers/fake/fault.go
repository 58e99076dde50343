package fake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/providers"
)

// Script is a list of rules. In JSON it is a list, or a string that holds the JSON of one.
type Script []Rule

// UnmarshalJSON reads and checks the rules.
func (s *Script) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*s = nil
		return nil
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		data = []byte(text)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var rules []Rule
	if err := d.Decode(&rules); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return fmt.Errorf("faults: rule %d: %w", i, err)
		}
	}
	*s = rules
	return nil
}

// Rule says what goes wrong and when. All conditions that are written must hold; an unwritten one always does. Patterns
// are texts in which * stands for any characters; | separates alternatives.
type Rule struct {
	Fault Fault `json:"fault"`

	Op      string `json:"op,omitempty"`      // create (of unreachable: read) unless said. There are plan, create, update, delete, read, find, list, offers, stop, logs, open, locate, adopt, rename, or *
	Kind    string `json:"kind,omitempty"`    // pattern: instance|volume
	Address string `json:"address,omitempty"` // pattern: fleet.train.instance[*]
	Type    string `json:"type,omitempty"`    // pattern of the instance type, or a support object's type
	Region  string `json:"region,omitempty"`  // pattern
	Zone    string `json:"zone,omitempty"`    // pattern

	// Nth and Times count the calls for which all conditions above hold, over all processes that use the world: the
	// rule applies from the Nth (1 unless said) on, to as many as Times says (all unless said).
	Nth   int `json:"nth,omitempty"`
	Times int `json:"times,omitempty"`
	// Above lets the rule apply only while more than so many reads are under way on the backend, this one counted.
	Above int `json:"above,omitempty"`
	// Probability is the chance that the rule applies to one of these calls; always unless said. The same seed, address
	// and key have the same luck, until the rule has applied there.
	Probability float64 `json:"probability,omitempty"`

	When    Stage          `json:"when,omitempty"`       // where in the call; each fault has a stage of its own for when it is not said
	Delay   Duration       `json:"delay,omitzero"`       // of slow and hang
	Phases  []string       `json:"phases,omitempty"`     // reported by slow, evenly over Delay
	Until   string         `json:"until,omitempty"`      // of slow: a file; after Delay, nothing happens until it is there
	Message string         `json:"message,omitempty"`    // of the error
	Code    string         `json:"code,omitempty"`       // of the error: the cloud's own word
	Retry   Duration       `json:"retry_after,omitzero"` // of throttled: how long the cloud does not want to be asked
	Set     map[string]any `json:"set,omitempty"`        // of wrong: the attributes that the answer has instead
	ID      string         `json:"id,omitempty"`         // of bad_id: the id that the answer has instead, "" unless said
}

// Fault is what goes wrong. Besides the ones below each kind of error of the contract is a fault: no_capacity, throttled...
type Fault string

// Faults.
const (
	Slow        Fault = "slow"        // it reports Phases, and takes Delay longer, and until the file Until is there
	Hang        Fault = "hang"        // nothing happens until the call is cancelled, and for Delay after that
	Partial     Fault = "partial"     // the object is made, not whole, and returned with an error
	Lost        Fault = "lost"        // all is done, and the answer is lost
	Unreachable Fault = "unreachable" // an object cannot be asked; other calls fail as transient
	Crash       Fault = "crash"       // the process exits with ExitCode
	Panic       Fault = "panic"       // the process panics
	Wrong       Fault = "wrong"       // the answer contradicts the plan
	BadID       Fault = "bad_id"      // the answer has a wrong id
)

// ExitCode is that of a provider that a crash ended.
const ExitCode = 70

// Stage is a moment in a call that changes something.
type Stage string

// Stages, in order. What is no change has only the first and the last.
const (
	Before     Stage = "before"     // nothing was done
	Made       Stage = "made"       // it exists (is changed, is deleted), and nobody knows yet
	Checkpoint Stage = "checkpoint" // the checkpoint was reported; the same as made where there is none
	Finished   Stage = "finished"   // all is done but the answer
)

func stages() []Stage { return []Stage{Before, Made, Checkpoint, Finished} }

func ops() []string {
	return []string{"plan", "create", "update", "delete", "read", "find", "list", "offers", "stop", "logs", "open", "locate", "adopt", "rename"}
}

// errorKind returns the kind of error that the fault is.
func (f Fault) errorKind() (providers.ErrorKind, bool) {
	kind := providers.ErrorKind(f)
	return kind, slices.Contains([]providers.ErrorKind{
		providers.NoCapacity, providers.NoQuota, providers.Invalid, providers.Auth, providers.Throttled, providers.NotFound,
		providers.Conflict, providers.Transient, providers.Internal,
	}, kind)
}

// stage is when the fault happens unless the rule says.
func (f Fault) stage() Stage {
	switch f {
	case Partial, Slow:
		return Checkpoint
	case Crash, Panic:
		return Made
	case Lost, Wrong, BadID:
		return Finished
	}
	return Before
}

func (r *Rule) check() error {
	kind, isError := r.Fault.errorKind()
	switch r.Fault {
	case Slow, Hang, Partial, Lost, Unreachable, Crash, Panic, Wrong, BadID:
	default:
		if !isError {
			return fmt.Errorf("there is no fault %q; there are slow, hang, partial, lost, unreachable, crash, panic, wrong, bad_id, and the kinds of errors", r.Fault)
		}
	}
	if r.Op == "" {
		r.Op = "create"
		if r.Fault == Unreachable {
			r.Op = "read"
		}
	}
	if r.Op != "*" {
		for op := range strings.SplitSeq(r.Op, "|") {
			if !slices.Contains(ops(), op) {
				return fmt.Errorf("there is no op %q; there are %s, and *", op, strings.Join(ops(), ", "))
			}
		}
	}
	if r.When == "" {
		r.When = r.Fault.stage()
	}
	switch {
	case !slices.Contains(stages(), r.When):
		return fmt.Errorf("there is no stage %q; when is before, made, checkpoint or finished", r.When)
	case isError && kind.NothingMade() && r.When != Before:
		return fmt.Errorf("%s says that nothing was made, so it can only happen before", r.Fault)
	case r.Fault == Slow && r.Delay == 0 && r.Until == "":
		return fmt.Errorf("slow needs a delay, or a file that it waits for")
	case r.Fault == Partial && r.Op != "create":
		return fmt.Errorf("partial is a fault of create alone")
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("a probability is between 0 and 1, not %v", r.Probability)
	case r.Nth < 0 || r.Times < 0 || r.Above < 0:
		return fmt.Errorf("nth, times and above are not negative")
	case r.Above > 0 && r.Op != "read":
		return fmt.Errorf("above counts reads, so op is read")
	case r.Retry > 0 && kind != providers.Throttled:
		return fmt.Errorf("retry_after belongs to throttled")
	}
	return nil
}

// call is what conditions are about.
type call struct {
	op, kind, address, key, machine, region, zone string
	// each is set when a read asks for one of its objects, and not for the read as a whole.
	each bool
	// open is how many reads are under way on the backend, with this one.
	open int
}

// each tells whether the rule, in a read, is about single objects: an unreachable machine does not make the others so.
func (r *Rule) each() bool {
	return r.Fault == Unreachable || r.Address != "" || r.Type != "" || r.Region != "" || r.Zone != ""
}

func (r *Rule) matches(c call) bool {
	if c.op == "read" && r.each() != c.each {
		return false
	}
	return c.open >= r.least() && match(r.Op, c.op) && match(r.Kind, c.kind) && match(r.Address, c.address) && match(r.Type, c.machine) &&
		match(r.Region, c.region) && match(r.Zone, c.zone)
}

// least is how many reads have to be under way for the rule to apply.
func (r *Rule) least() int {
	if r.Above == 0 {
		return 0
	}
	return r.Above + 1
}

// match tells whether a text satisfies a pattern.
func match(pattern, text string) bool {
	if pattern == "" || pattern == "*" || pattern == text {
		return true
	}
	for one := range strings.SplitSeq(pattern, "|") {
		if glob(one, text) {
			return true
		}
	}
	return false
}

func glob(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	parts := strings.Split(rest, "*")
	text = text[len(head):]
	for _, part := range parts[:len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// script is a Script with the names under which a world counts its rules.
type script struct {
	rules Script
	names []string
	seed  int64
}

// newScript names each rule by what it says, so that a changed script counts anew and a reordered one goes on. Equal
// rules are told apart by their order.
func newScript(rules Script, seed int64) script {
	seen := map[string]int{}
	names := make([]string, len(rules))
	for i, r := range rules {
		data, _ := json.Marshal(r)
		h := fnv.New64a()
		h.Write(data)
		name := strconv.FormatUint(h.Sum64(), 36)
		seen[name]++
		names[i] = name + "." + strconv.Itoa(seen[name])
	}
	return script{rules, names, seed}
}

// hits returns the rules that apply to a call, in order, and counts them in the world.
func (s script) hits(w *World, c call) ([]Rule, error) {
	var matching []int
	counted := false
	for i := range s.rules {
		r := &s.rules[i]
		if !r.matches(c) {
			continue
		}
		matching = append(matching, i)
		counted = counted || r.Nth > 0 || r.Times > 0 || r.Probability > 0
	}
	var out []Rule
	if !counted {
		for _, i := range matching {
			out = append(out, s.rules[i])
		}
		return out, nil
	}
	err := w.change(func(now *contents) (*record, error) {
		counts := map[string]int{}
		for _, i := range matching {
			if s.applies(i, c, now.counts, counts) {
				out = append(out, s.rules[i])
			}
		}
		if len(counts) == 0 {
			return nil, nil
		}
		return &record{Count: maps.Clone(counts)}, nil
	})
	return out, err
}

// applies decides about one rule whose conditions hold, and notes in counts what has to be remembered.
func (s script) applies(i int, c call, before, counts map[string]int) bool {
	r, name := &s.rules[i], s.names[i]
	if r.Nth > 0 || r.Times > 0 {
		n := before[name] + 1
		counts[name] = n
		first := max(1, r.Nth)
		if n < first || r.Times > 0 && n >= first+r.Times {
			return false
		}
	}
	if r.Probability > 0 {
		// How often it has applied here is a part of the draw: else a crash would meet the same luck at each restart.
		at := name + "@" + c.op + " " + c.address
		if s.draw(name, c, before[at]) >= r.Probability {
			return false
		}
		counts[at] = before[at] + 1
	}
	return true
}

// draw returns a number in [0, 1) that depends on nothing but its arguments and the seed.
func (s script) draw(name string, c call, applied int) float64 {
	h := fnv.New64a()
	fmt.Fprintln(h, s.seed, name, c.op, c.kind, c.address, c.key, applied)
	// FNV's low bits are good, its high ones are not for short texts; a multiplication mixes them.
	x := h.Sum64()
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 29
	return float64(x>>11) / (1 << 53)
}

// concernsEach tells whether any rule is about single objects of a read.
func (s script) concernsEach() bool {
	return slices.ContainsFunc(s.rules, func(r Rule) bool { return match(r.Op, "read") && r.each() })
}
