package value

import (
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// OffDuration is a limit that can be switched off: "6h", or "off" for no limit.
type OffDuration struct {
	text    string
	off     bool
	seconds int64
}

var offDurationWords = words{"Duration",
	`It is a number of seconds, one number with one unit of s, m, h, d or w ("90s", "2h"), or "off" or false for no limit.`}

var offDurationForms = forms[OffDuration]{
	words:  offDurationWords,
	text:   ParseOffDuration,
	number: offDurationNumber,
	flag:   offDurationFlag,
}

// ParseOffDuration reads a duration or "off".
func ParseOffDuration(text string) (OffDuration, error) {
	if isOff(text) {
		return OffDuration{text: text, off: true}, nil
	}
	n, err := parseSeconds(text, offDurationWords)
	if err != nil {
		return OffDuration{}, err
	}
	return OffDuration{text: text, seconds: n}, nil
}

// Off reports whether there is no limit.
func (d OffDuration) Off() bool { return d.off }

// Limit is the limit, and false if there is none or it is unset.
func (d OffDuration) Limit() (time.Duration, bool) {
	return time.Duration(d.seconds) * time.Second, !d.IsZero() && !d.off
}

// Seconds is the limit in seconds, and false if there is none or it is unset.
func (d OffDuration) Seconds() (int64, bool) { return d.seconds, !d.IsZero() && !d.off }

// String is the duration as written.
func (d OffDuration) String() string { return d.text }

// Canonical is "off", or the duration in the largest unit that divides it.
func (d OffDuration) Canonical() string {
	switch {
	case d.IsZero():
		return ""
	case d.off:
		return "off"
	}
	return secondsText(d.seconds)
}

// IsZero reports whether it is unset, so that the default holds.
func (d OffDuration) IsZero() bool { return d == OffDuration{} }

// Equal reports whether both mean the same.
func (d OffDuration) Equal(o OffDuration) bool {
	return d.off == o.off && d.seconds == o.seconds && d.IsZero() == o.IsZero()
}

// MarshalText gives the text as written.
func (d OffDuration) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText reads a duration or "off".
func (d *OffDuration) UnmarshalText(text []byte) error { return decodeText(d, text, ParseOffDuration) }

// UnmarshalCty reads a string, a number of seconds or a bool: false is off, and true unsets, so that the default holds.
func (d *OffDuration) UnmarshalCty(v cty.Value) error { return decodeCty(d, v, offDurationForms) }

// Grammar describes limits that can be switched off.
func (OffDuration) Grammar() Grammar {
	return Grammar{
		Name:    "Duration or off",
		Summary: "A limit in whole seconds, or no limit.",
		Forms: []Form{
			{`"6h"`, "six hours; the units are s, m, h, d and w"},
			{`21600`, "21600 seconds"},
			{`"off"`, "no limit"},
			{`false`, "no limit"},
			{`true`, "the default"},
		},
		Schema: anyOf(textSchema(durationPattern), textSchema(offPattern),
			Schema{"type": "number", "minimum": 0}, Schema{"type": "boolean"}),
	}
}

const offPattern = `^\s*[oO][fF][fF]\s*$`

func isOff(text string) bool { return strings.EqualFold(strings.Trim(text, " \t"), "off") }

func offDurationNumber(text string) (OffDuration, error) {
	n, err := secondsNumber(text, offDurationWords)
	if err != nil {
		return OffDuration{}, err
	}
	return OffDuration{text: secondsText(n), seconds: n}, nil
}

func offDurationFlag(on bool) (OffDuration, error) {
	if on {
		return OffDuration{}, nil
	}
	return OffDuration{text: "off", off: true}, nil
}
