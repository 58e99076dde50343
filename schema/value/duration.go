package value

import (
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Duration is a length of time in whole seconds: 90, "90s", "2h".
type Duration struct {
	text    string
	seconds int64
}

// longest is a hundred years, far above anything meant and far below what time.Duration can hold.
const longest = 100 * 365 * 86400

var durationWords = words{"Duration",
	`A duration is a number of seconds, or one number with one unit of s, m, h, d or w ("90s", "2h", "3d").`}

var durationForms = forms[Duration]{
	words:  durationWords,
	text:   ParseDuration,
	number: durationNumber,
}

// ParseDuration reads a duration.
func ParseDuration(text string) (Duration, error) {
	n, err := parseSeconds(text, durationWords)
	if err != nil {
		return Duration{}, err
	}
	return Duration{text: text, seconds: n}, nil
}

// DurationOf is d in whole seconds; a fraction is cut off. Durations below zero become zero, and those above a
// hundred years become a hundred years.
func DurationOf(d time.Duration) Duration {
	n := min(max(int64(d/time.Second), 0), longest)
	return Duration{text: secondsText(n), seconds: n}
}

// Seconds is the length in seconds.
func (d Duration) Seconds() int64 { return d.seconds }

// AsDuration is the length as Go's type.
func (d Duration) AsDuration() time.Duration { return time.Duration(d.seconds) * time.Second }

// String is the duration as written.
func (d Duration) String() string { return d.text }

// Canonical is the duration in the largest unit that divides it: "60m" is "1h".
func (d Duration) Canonical() string {
	if d.IsZero() {
		return ""
	}
	return secondsText(d.seconds)
}

// IsZero reports whether the duration is unset; 0 seconds are set.
func (d Duration) IsZero() bool { return d == Duration{} }

// Equal reports whether both are the same length, or both unset.
func (d Duration) Equal(o Duration) bool {
	return d.seconds == o.seconds && d.IsZero() == o.IsZero()
}

// MarshalText gives the text as written.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error { return decodeText(d, text, ParseDuration) }

// UnmarshalCty reads a string or a number of seconds, whose fraction is cut off.
func (d *Duration) UnmarshalCty(v cty.Value) error { return decodeCty(d, v, durationForms) }

// Grammar describes durations.
func (Duration) Grammar() Grammar {
	return Grammar{
		Name:    "Duration",
		Summary: "A length of time in whole seconds.",
		Forms: []Form{
			{`"2h"`, "two hours; the units are s, m, h, d and w"},
			{`"90"`, "90 seconds"},
			{`90`, "90 seconds"},
		},
		Schema: anyOf(textSchema(durationPattern), Schema{"type": "number", "minimum": 0}),
	}
}

const durationPattern = `^\s*\d+\s*[smhdw]?\s*$`

func durationNumber(text string) (Duration, error) {
	n, err := secondsNumber(text, durationWords)
	if err != nil {
		return Duration{}, err
	}
	return Duration{text: secondsText(n), seconds: n}, nil
}

// units are the units of a duration, the largest first.
var units = [...]struct {
	letter  byte
	seconds int64
}{{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}

// secondsText prints a number of seconds in the largest unit that divides it; zero is "0s".
func secondsText(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.seconds == 0 {
			return strconv.FormatInt(n/u.seconds, 10) + string(u.letter)
		}
	}
	return "0s"
}

// parseSeconds reads `<digits><blanks?><unit?>`.
func parseSeconds(text string, w words) (int64, error) {
	s := strings.Trim(text, " \t")
	start := strings.Index(text, s)
	if s == "" {
		return 0, mistake(w.noun+" is empty", "The text is empty. %s", w.accepts)
	}
	if s[0] == '-' {
		return 0, mistakeAt(start, len(s), w.noun+" is negative", "%s is below zero. %s", quote(s), w.accepts)
	}
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	unit := strings.Trim(s[end:], " \t")
	place := start + len(s) - len(unit)
	switch {
	case end == 0:
		return 0, mistakeAt(start, len(s), w.noun+" is not a number with a unit", "%s does not start with a digit. %s", quote(s), w.accepts)
	case unit != "" && strings.ContainsAny(unit, "0123456789") && unit[0] != '.':
		return 0, mistakeAt(start, len(s), w.noun+" has several parts",
			"%s is put together from several parts; write it in its smallest unit (90m for an hour and a half). %s", quote(s), w.accepts)
	case unit != "" && unit[0] == '.':
		return 0, mistakeAt(start, len(s), w.noun+" is not a whole number",
			"%s has a fraction; write it in a smaller unit (90m for an hour and a half). %s", quote(s), w.accepts)
	}
	factor := int64(1)
	if unit != "" {
		factor = 0
		for _, u := range units {
			if len(unit) == 1 && unit[0] == u.letter {
				factor = u.seconds
			}
		}
		if factor == 0 {
			return 0, mistakeAt(place, len(unit), w.noun+" has an unknown unit", "%s is not a unit.%s %s", quote(unit), timeUnitHint(unit), w.accepts)
		}
	}
	n, ok := digits(s[:end], longest/factor)
	if !ok {
		return 0, mistakeAt(start, len(s), w.noun+" is too long", "%s is more than a hundred years. %s", quote(s), w.accepts)
	}
	return n * factor, nil
}

// timeUnitHint says what to write instead of a unit in capitals or in full.
func timeUnitHint(unit string) string {
	lower := strings.ToLower(unit)
	for _, u := range [...]struct{ letter, other string }{
		{"s", "s sec secs second seconds"}, {"m", "min mins minute minutes"}, {"h", "h hr hrs hour hours"},
		{"d", "d day days"}, {"w", "w wk week weeks"},
	} {
		for word := range strings.FieldsSeq(u.other) {
			if word == lower {
				return " Write " + quote(u.letter) + "."
			}
		}
	}
	return ""
}

// secondsNumber reads a decimal number of seconds and cuts off its fraction.
func secondsNumber(text string, w words) (int64, error) {
	whole, _, _ := strings.Cut(text, ".")
	if whole[0] == '-' {
		return 0, mistake(w.noun+" is negative", "%s is below zero. %s", text, w.accepts)
	}
	n, ok := digits(whole, longest)
	if !ok {
		return 0, mistake(w.noun+" is too long", "%s seconds are more than a hundred years. %s", text, w.accepts)
	}
	return n, nil
}
