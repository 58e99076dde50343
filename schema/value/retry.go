package value

import (
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// RetryPolicy says on which events a run is tried again, and for how long after the first of them.
type RetryPolicy struct {
	text    string
	events  [retryEvents]bool
	seconds int64
}

// RetryEvent is something after which a run may be tried again.
type RetryEvent string

// The events, in the order in which the canonical text has them.
const (
	RetryNoCapacity   RetryEvent = "no-capacity"
	RetryInterruption RetryEvent = "interruption"
	RetryError        RetryEvent = "error"
)

const (
	retryEvents  = 3
	retrySeconds = 3600
)

func allRetryEvents() [retryEvents]RetryEvent {
	return [...]RetryEvent{RetryNoCapacity, RetryInterruption, RetryError}
}

var retryWords = words{"Retry policy",
	`It is true, false, or an object with on_events, a list of "no-capacity", "interruption" and "error", and ` +
		`duration, an hour unless set. As a text it is "on", "off" or "1h[no-capacity, error]".`}

var retryForms = forms[RetryPolicy]{
	words: retryWords,
	text:  ParseRetryPolicy,
	flag: func(on bool) (RetryPolicy, error) {
		if on {
			return RetryAlways(), nil
		}
		return RetryNever(), nil
	},
	object: retryFromObject,
}

// RetryNever is the policy that tries nothing again.
func RetryNever() RetryPolicy { return RetryPolicy{text: "off"} }

// RetryAlways is the policy that tries again for an hour after any event.
func RetryAlways() RetryPolicy {
	return RetryPolicy{events: [...]bool{true, true, true}, seconds: retrySeconds}.settled()
}

// ParseRetryPolicy reads "on", "off", or a duration and events as in "1h[no-capacity, error]".
func ParseRetryPolicy(text string) (RetryPolicy, error) {
	s := strings.Trim(text, " \t")
	start := strings.Index(text, s)
	switch {
	case s == "":
		return RetryPolicy{}, mistake("Retry policy is empty", "The text is empty. %s", retryWords.accepts)
	case isOff(s):
		return RetryPolicy{text: text}, nil
	case strings.EqualFold(s, "on"):
		p := RetryAlways()
		p.text = text
		return p, nil
	}
	open := strings.IndexByte(s, '[')
	if open < 0 {
		return RetryPolicy{}, mistakeAt(start, len(s), "Retry policy has no events", "%s names no event. %s", quote(s), retryWords.accepts)
	}
	if s[len(s)-1] != ']' {
		return RetryPolicy{}, mistakeAt(start+open, len(s)-open, "Retry policy has an open bracket",
			`The "[" before the events has no "]" at the end. %s`, retryWords.accepts)
	}
	p := RetryPolicy{text: text, seconds: retrySeconds}
	if open > 0 {
		n, err := parseSeconds(s[:open], durationWords)
		if err != nil {
			return RetryPolicy{}, shifted(start, err)
		}
		p.seconds = n
	}
	at := start + open + 1
	for part := range strings.SplitSeq(s[open+1:len(s)-1], ",") {
		if problem := p.add(strings.Trim(part, " \t")); problem != nil {
			problem.Offset, problem.Length = at, len(part)
			return RetryPolicy{}, problem
		}
		at += len(part) + 1
	}
	return p, nil
}

// RetryOn is a policy for some events. A duration of zero is an hour.
func RetryOn(d time.Duration, events ...RetryEvent) (RetryPolicy, error) {
	p := RetryPolicy{seconds: retrySeconds}
	if d != 0 {
		p.seconds = DurationOf(d).seconds
	}
	if len(events) == 0 {
		return RetryPolicy{}, noRetryEvents()
	}
	for _, e := range events {
		if err := p.add(string(e)); err != nil {
			return RetryPolicy{}, err
		}
	}
	return p.settled(), nil
}

// Off reports whether nothing is tried again, because the policy says so or is unset.
func (p RetryPolicy) Off() bool { return p.events == [retryEvents]bool{} }

// On reports whether a run is tried again after the event.
func (p RetryPolicy) On(event RetryEvent) bool {
	for i, e := range allRetryEvents() {
		if e == event {
			return p.events[i]
		}
	}
	return false
}

// Events lists the events after which a run is tried again.
func (p RetryPolicy) Events() []RetryEvent {
	var out []RetryEvent
	for i, e := range allRetryEvents() {
		if p.events[i] {
			out = append(out, e)
		}
	}
	return out
}

// Duration is how long a run is tried again after the first event.
func (p RetryPolicy) Duration() time.Duration { return time.Duration(p.seconds) * time.Second }

// String is the policy as written.
func (p RetryPolicy) String() string { return p.text }

// Canonical is "off", or the duration and the events in one order: "1h[no-capacity,error]".
func (p RetryPolicy) Canonical() string {
	switch {
	case p.IsZero():
		return ""
	case p.Off():
		return "off"
	}
	return p.settled().text
}

// IsZero reports whether the policy is unset.
func (p RetryPolicy) IsZero() bool { return p == RetryPolicy{} }

// Equal reports whether both mean the same.
func (p RetryPolicy) Equal(o RetryPolicy) bool { return p.Canonical() == o.Canonical() }

// MarshalText gives the text as written.
func (p RetryPolicy) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a policy.
func (p *RetryPolicy) UnmarshalText(text []byte) error { return decodeText(p, text, ParseRetryPolicy) }

// UnmarshalCty reads a bool, an object { on_events, duration } or a string.
func (p *RetryPolicy) UnmarshalCty(v cty.Value) error { return decodeCty(p, v, retryForms) }

// Grammar describes retry policies.
func (RetryPolicy) Grammar() Grammar {
	event := Schema{"type": "string", "enum": []string{"no-capacity", "interruption", "error"}}
	events := listSchema(event)
	events["minItems"] = 1
	return Grammar{
		Name:    "Retry policy",
		Summary: "After which events a run is tried again, and for how long.",
		Forms: []Form{
			{`true`, "after any event, for an hour"},
			{`false`, "never"},
			{`{ on_events = ["no-capacity", "interruption"], duration = "2h" }`, "after these events, for two hours"},
			{`{ on_events = ["error"] }`, "after an error, for an hour"},
			{`"2h[no-capacity, interruption]"`, "after these events, for two hours"},
			{`"off"`, "never"},
		},
		Schema: anyOf(Schema{"type": "boolean"},
			textSchema(offPattern), textSchema(`^\s*[oO][nN]\s*$`),
			textSchema(`^\s*(\d+\s*[smhdw]?\s*)?\[\s*(no-capacity|interruption|error)\s*(,\s*(no-capacity|interruption|error)\s*)*\]\s*$`),
			objectSchema([]string{"on_events"}, map[string]Schema{
				"on_events": events,
				"duration":  Duration{}.Grammar().Schema,
			})),
	}
}

// settled has the canonical text of a policy that is not off.
func (p RetryPolicy) settled() RetryPolicy {
	var names []string
	for _, e := range p.Events() {
		names = append(names, string(e))
	}
	p.text = secondsText(p.seconds) + "[" + strings.Join(names, ",") + "]"
	return p
}

// add adds one event by name. An event that is there already changes nothing.
func (p *RetryPolicy) add(name string) *Error {
	known := allRetryEvents()
	i := slices.Index(known[:], RetryEvent(name))
	if i >= 0 {
		p.events[i] = true
		return nil
	}
	names := []string{string(RetryNoCapacity), string(RetryInterruption), string(RetryError)}
	if name == "" {
		return mistake("Retry policy has an empty event", "Each event is %s.", alternatives(names))
	}
	hint := ""
	if s := suggest(name, names); s != "" {
		hint = " Did you mean " + quote(s) + "?"
	}
	return mistake("Retry policy has an unknown event", "%s is none of %s.%s", quote(name), alternatives(names), hint)
}

func noRetryEvents() *Error {
	return mistake("Retry policy has no events", "on_events is missing or empty. %s", retryWords.accepts)
}

func retryFromObject(o object) (RetryPolicy, error) {
	if err := o.only("on_events", "duration"); err != nil {
		return RetryPolicy{}, err
	}
	p := RetryPolicy{seconds: retrySeconds}
	d, set, err := attr(o, "duration", durationForms)
	if err != nil {
		return RetryPolicy{}, err
	}
	if set {
		p.seconds = d.seconds
	}
	names, _, err := attr(o, "on_events", forms[[]string]{
		words: words{"List of events", retryWords.accepts},
		list: func(items []cty.Value) ([]string, error) {
			return each(items, stringForms("Event", retryWords.accepts))
		},
	})
	if err != nil {
		return RetryPolicy{}, err
	}
	if len(names) == 0 {
		return RetryPolicy{}, noRetryEvents()
	}
	for i, name := range names {
		if err := p.add(name); err != nil {
			return RetryPolicy{}, within(cty.GetAttrStep{Name: "on_events"}, within(cty.IndexStep{Key: cty.NumberIntVal(int64(i))}, err))
		}
	}
	return p.settled(), nil
}
