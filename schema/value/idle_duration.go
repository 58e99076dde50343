package value

import (
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// IdleDuration is how long an instance may be idle before it is destroyed: "5m", or "off" for ever.
type IdleDuration struct {
	text    string
	never   bool
	seconds int64
}

var idleDurationWords = words{"Idle duration",
	`It is a number of seconds, one number with one unit of s, m, h, d or w ("5m", "3d"), or "off", false or -1 to keep idle instances.`}

var idleDurationForms = forms[IdleDuration]{
	words:  idleDurationWords,
	text:   ParseIdleDuration,
	number: idleDurationNumber,
	flag:   idleDurationFlag,
}

// ParseIdleDuration reads a duration, "off", or a negative number, which means off.
func ParseIdleDuration(text string) (IdleDuration, error) {
	if isOff(text) || isNegativeInt(text) {
		return IdleDuration{text: text, never: true}, nil
	}
	n, err := parseSeconds(text, idleDurationWords)
	if err != nil {
		return IdleDuration{}, err
	}
	return IdleDuration{text: text, seconds: n}, nil
}

// Never reports whether an idle instance is kept for ever.
func (d IdleDuration) Never() bool { return d.never }

// Limit is how long an instance may be idle; zero means that it goes at once. It is false if an idle instance is
// kept for ever or if the duration is unset.
func (d IdleDuration) Limit() (time.Duration, bool) {
	return time.Duration(d.seconds) * time.Second, !d.IsZero() && !d.never
}

// Seconds is Limit in seconds.
func (d IdleDuration) Seconds() (int64, bool) { return d.seconds, !d.IsZero() && !d.never }

// String is the duration as written.
func (d IdleDuration) String() string { return d.text }

// Canonical is "off", or the duration in the largest unit that divides it.
func (d IdleDuration) Canonical() string {
	switch {
	case d.IsZero():
		return ""
	case d.never:
		return "off"
	}
	return secondsText(d.seconds)
}

// IsZero reports whether it is unset, so that the default holds.
func (d IdleDuration) IsZero() bool { return d == IdleDuration{} }

// Equal reports whether both mean the same.
func (d IdleDuration) Equal(o IdleDuration) bool {
	return d.never == o.never && d.seconds == o.seconds && d.IsZero() == o.IsZero()
}

// MarshalText gives the text as written.
func (d IdleDuration) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText reads a duration, "off" or a negative number.
func (d *IdleDuration) UnmarshalText(text []byte) error {
	return decodeText(d, text, ParseIdleDuration)
}

// UnmarshalCty reads a string, a number of seconds, of which a negative one means off, or a bool: false is off, and
// true unsets, so that the default holds.
func (d *IdleDuration) UnmarshalCty(v cty.Value) error { return decodeCty(d, v, idleDurationForms) }

// Grammar describes idle durations.
func (IdleDuration) Grammar() Grammar {
	return Grammar{
		Name:    "Idle duration",
		Summary: "How long an instance may be idle before it is destroyed.",
		Forms: []Form{
			{`"5m"`, "five minutes; the units are s, m, h, d and w"},
			{`0`, "an idle instance is destroyed at once"},
			{`"off"`, "idle instances are kept"},
			{`false`, "idle instances are kept"},
			{`-1`, "idle instances are kept"},
			{`true`, "the default"},
		},
		Schema: anyOf(textSchema(durationPattern), textSchema(offPattern), textSchema(`^\s*-\d+\s*$`),
			Schema{"type": "number"}, Schema{"type": "boolean"}),
	}
}

func isNegativeInt(text string) bool {
	s := strings.Trim(text, " \t")
	return len(s) > 1 && s[0] == '-' && allDigits(s[1:]) && strings.Trim(s[1:], "0") != ""
}

func idleDurationNumber(text string) (IdleDuration, error) {
	if text[0] == '-' {
		return IdleDuration{text: "off", never: true}, nil
	}
	n, err := secondsNumber(text, idleDurationWords)
	if err != nil {
		return IdleDuration{}, err
	}
	return IdleDuration{text: secondsText(n), seconds: n}, nil
}

func idleDurationFlag(on bool) (IdleDuration, error) {
	if on {
		return IdleDuration{}, nil
	}
	return IdleDuration{text: "off", never: true}, nil
}
