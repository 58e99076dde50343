package value

import (
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// ReplicaRange is how many replicas a service has: 2, or "1..4", between which it is scaled.
type ReplicaRange struct {
	text     string
	min, max int
}

var replicaWords = words{"Number of replicas",
	`It is a whole number, or a range with both bounds (2, "1..4", "0..1").`}

var replicaForms = forms[ReplicaRange]{
	words: replicaWords,
	text:  ParseReplicaRange,
	number: func(text string) (ReplicaRange, error) {
		r, err := ParseReplicaRange(text)
		if err != nil {
			return ReplicaRange{}, err
		}
		return r.settled(), nil
	},
	object: replicasFromObject,
}

// ParseReplicaRange reads one number or a range with both bounds.
func ParseReplicaRange(text string) (ReplicaRange, error) {
	q := squeeze(text)
	span, err := parseRange(q, 0, len(q.s), replicaWords, scanCount)
	if err != nil {
		return ReplicaRange{}, err
	}
	r, problem := replicasFrom(span, text)
	if problem != nil {
		problem.Offset, problem.Length = 0, len(text)
		return ReplicaRange{}, problem
	}
	r.text = text
	return r, nil
}

// Min is the lowest number of replicas.
func (r ReplicaRange) Min() int { return r.min }

// Max is the highest number of replicas.
func (r ReplicaRange) Max() int { return r.max }

// Scales reports whether the number can change.
func (r ReplicaRange) Scales() bool { return r.min != r.max }

// Contains reports whether n is in the range.
func (r ReplicaRange) Contains(n int) bool { return r.min <= n && n <= r.max }

// Clip is the number in the range that is nearest to n.
func (r ReplicaRange) Clip(n int) int { return min(max(n, r.min), r.max) }

// String is the range as written.
func (r ReplicaRange) String() string { return r.text }

// Canonical is the range without blanks and leading zeros, and one number if both bounds are equal.
func (r ReplicaRange) Canonical() string {
	if r.IsZero() {
		return ""
	}
	return r.settled().text
}

// IsZero reports whether the number is unset; 0 replicas are set.
func (r ReplicaRange) IsZero() bool { return r == ReplicaRange{} }

// Equal reports whether both are the same range, or both unset.
func (r ReplicaRange) Equal(o ReplicaRange) bool { return r.Canonical() == o.Canonical() }

// MarshalText gives the text as written.
func (r ReplicaRange) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText reads one number or a range with both bounds.
func (r *ReplicaRange) UnmarshalText(text []byte) error {
	return decodeText(r, text, ParseReplicaRange)
}

// UnmarshalCty reads a string, a whole number, or an object { min, max }.
func (r *ReplicaRange) UnmarshalCty(v cty.Value) error { return decodeCty(r, v, replicaForms) }

// Grammar describes numbers of replicas.
func (ReplicaRange) Grammar() Grammar {
	bound := countSchema()
	return Grammar{
		Name:    "Replicas",
		Summary: "How many replicas a service has.",
		Forms: []Form{
			{`2`, "always 2"},
			{`"1..4"`, "scaled between 1 and 4"},
			{`{ min = 0, max = 4 }`, "scaled between 0 and 4"},
		},
		Schema: anyOf(textSchema(`^\s*`+countToken+`(\.\s*\.\s*`+countToken+`)?$`),
			Schema{"type": "integer", "minimum": 0},
			objectSchema([]string{"min", "max"}, map[string]Schema{"min": bound, "max": bound})),
	}
}

func (r ReplicaRange) settled() ReplicaRange {
	r.text = Between(r.min, r.max).format(strconv.Itoa)
	return r
}

func replicasFrom(span Range[int], written string) (ReplicaRange, *Error) {
	switch {
	case !span.HasMax:
		return ReplicaRange{}, mistake("Number of replicas has no maximum",
			"%s says nothing of how many replicas there may be, so its cost has no bound. %s", quote(written), replicaWords.accepts)
	case !span.HasMin:
		return ReplicaRange{}, mistake("Number of replicas has no minimum",
			"%s does not say how many replicas are always there; write 0 if there may be none. %s", quote(written), replicaWords.accepts)
	}
	return ReplicaRange{min: span.Min, max: span.Max}, nil
}

func replicasFromObject(o object) (ReplicaRange, error) {
	span, err := rangeFromObject(o, countForms(replicaWords), strconv.Itoa)
	if err != nil {
		return ReplicaRange{}, err
	}
	r, problem := replicasFrom(span, span.format(strconv.Itoa))
	if problem != nil {
		return ReplicaRange{}, problem
	}
	return r.settled(), nil
}
