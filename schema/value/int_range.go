package value

import (
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// IntRange is a range of counts, of CPUs, GPUs or nodes: "2..", "1..4", or 2 for exactly 2.
type IntRange struct {
	text string
	span Range[int]
}

// mostCount is the highest count, far above anything that can be had.
const mostCount = 1_000_000_000

var intRangeWords = words{"Count", `It is a whole number, or a range of them (2, "2..", "1..4", "..4").`}

var intRangeForms = intRangeFormsFor(intRangeWords)

func intRangeFormsFor(w words) forms[IntRange] {
	return forms[IntRange]{
		words: w,
		text:  func(text string) (IntRange, error) { return parseIntRange(text, w) },
		number: func(text string) (IntRange, error) {
			r, err := parseIntRange(text, w)
			return r.settled(), err
		},
		object: func(o object) (IntRange, error) {
			span, err := rangeFromObject(o, countForms(w), strconv.Itoa)
			if err != nil {
				return IntRange{}, err
			}
			return IntRangeOf(span), nil
		},
	}
}

// countForms reads one count.
func countForms(w words) forms[int] {
	parse := func(text string) (int, error) {
		q := squeeze(text)
		if q.s == "" {
			return 0, mistake(w.noun+" is empty", "The text is empty. %s", w.accepts)
		}
		return scanCount(q, 0, len(q.s), w)
	}
	return forms[int]{words: w, text: parse, number: parse}
}

// ParseIntRange reads a range of counts.
func ParseIntRange(text string) (IntRange, error) { return parseIntRange(text, intRangeWords) }

// IntRangeOf is a range of counts, whose minimum must not be above its maximum. A range without any bound is unset. A
// bound that is no count becomes the nearest one that is.
func IntRangeOf(span Range[int]) IntRange {
	span.Min = min(max(span.Min, 0), mostCount)
	span.Max = min(max(span.Max, 0), mostCount)
	return IntRange{span: span}.settled()
}

// Range is the range.
func (r IntRange) Range() Range[int] { return r.span }

// Min is the lower bound, and false if there is none.
func (r IntRange) Min() (int, bool) { return r.span.Min, r.span.HasMin }

// Max is the upper bound, and false if there is none.
func (r IntRange) Max() (int, bool) { return r.span.Max, r.span.HasMax }

// Contains reports whether n is in the range. An unset range contains everything.
func (r IntRange) Contains(n int) bool { return r.span.Contains(n) }

// Intersect is what both ranges contain, and false if that is nothing.
func (r IntRange) Intersect(o IntRange) (IntRange, bool) {
	span, ok := r.span.Intersect(o.span)
	if !ok {
		return IntRange{}, false
	}
	return IntRangeOf(span), true
}

// String is the range as written.
func (r IntRange) String() string { return r.text }

// Canonical is the range without blanks and leading zeros.
func (r IntRange) Canonical() string {
	if r.span == (Range[int]{}) {
		return ""
	}
	return r.span.format(strconv.Itoa)
}

// IsZero reports whether the range is unset.
func (r IntRange) IsZero() bool { return r == IntRange{} }

// Equal reports whether both are the same range, or both unset.
func (r IntRange) Equal(o IntRange) bool { return r.span == o.span }

// MarshalText gives the text as written.
func (r IntRange) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText reads a range of counts.
func (r *IntRange) UnmarshalText(text []byte) error { return decodeText(r, text, ParseIntRange) }

// UnmarshalCty reads a string, a whole number, or an object { min, max }.
func (r *IntRange) UnmarshalCty(v cty.Value) error { return decodeCty(r, v, intRangeForms) }

// Grammar describes ranges of counts.
func (IntRange) Grammar() Grammar {
	return Grammar{
		Name:    "Count range",
		Summary: "How many are accepted; the bounds are included.",
		Forms: []Form{
			{`2`, "exactly 2"},
			{`"2"`, "exactly 2"},
			{`"2.."`, "2 or more"},
			{`"1..4"`, "from 1 to 4"},
			{`"..4"`, "4 or less"},
			{`{ min = 1, max = 4 }`, "from 1 to 4"},
		},
		Schema: intRangeSchema(),
	}
}

const countToken = `\d[\d\s]*`

func countSchema() Schema {
	return anyOf(textSchema(`^\s*`+countToken+`$`), Schema{"type": "integer", "minimum": 0})
}

func intRangeSchema() Schema {
	bound := countSchema()
	return anyOf(
		textSchema(`^\s*(`+countToken+`|`+countToken+`\.\s*\.\s*(`+countToken+`)?|\.\s*\.\s*`+countToken+`)$`),
		Schema{"type": "integer", "minimum": 0},
		objectSchema(nil, map[string]Schema{"min": bound, "max": bound}))
}

func (r IntRange) settled() IntRange {
	r.text = r.Canonical()
	return r
}

func parseIntRange(text string, w words) (IntRange, error) {
	q := squeeze(text)
	span, err := parseRange(q, 0, len(q.s), w, scanCount)
	if err != nil {
		return IntRange{}, err
	}
	return IntRange{text: text, span: span}, nil
}

// scanCount reads q.s[from:to], which is not empty, as one count.
func scanCount(q squeezed, from, to int, w words) (int, error) {
	s := q.s[from:to]
	if n, ok := digits(s, mostCount); ok {
		return int(n), nil
	}
	switch {
	case s[0] == '-':
		return 0, q.mistake(from, to, w.noun+" is negative", "%s is below zero. %s", quote(s), w.accepts)
	case allDigits(s):
		return 0, q.mistake(from, to, w.noun+" is out of range", "%s is more than %d. %s", quote(s), mostCount, w.accepts)
	}
	return 0, q.mistake(from, to, w.noun+" is not a whole number", "%s is not a whole number. %s", quote(s), w.accepts)
}
