package value

import (
	"github.com/zclconf/go-cty/cty"
)

// MemoryRange is a range of memory in GB: "16GB..", "8GB..32GB", or "16GB" for exactly 16GB.
type MemoryRange struct {
	text string
	span Range[float64]
}

var memoryRangeWords = words{"Memory",
	`Memory is a number of GB, or a number with MB, GB or TB, or a range of them ("16GB..", "8GB..32GB").`}

var memoryRangeForms = memoryRangeFormsFor(memoryRangeWords)

// memoryRangeFormsFor are the forms of a range of memory that errors call by another noun.
func memoryRangeFormsFor(w words) forms[MemoryRange] {
	return forms[MemoryRange]{
		words: w,
		text:  func(text string) (MemoryRange, error) { return parseMemoryRange(text, w) },
		number: func(text string) (MemoryRange, error) {
			r, err := parseMemoryRange(text, w)
			return r.settled(), err
		},
		object: func(o object) (MemoryRange, error) {
			span, err := rangeFromObject(o, memoryBoundForms(w), memoryText)
			if err != nil {
				return MemoryRange{}, err
			}
			return MemoryRangeOf(span), nil
		},
	}
}

func memoryBoundForms(w words) forms[float64] {
	parse := func(text string) (float64, error) { return parseMemory(text, w) }
	return forms[float64]{words: w, text: parse, number: parse}
}

// ParseMemoryRange reads a range of memory.
func ParseMemoryRange(text string) (MemoryRange, error) {
	return parseMemoryRange(text, memoryRangeWords)
}

// MemoryRangeOf is a range in GB, whose minimum must not be above its maximum. A range without any bound is unset. A
// bound that is no amount becomes the nearest one that is, as in MemoryOf.
func MemoryRangeOf(span Range[float64]) MemoryRange {
	span.Min, span.Max = MemoryOf(span.Min).gb, MemoryOf(span.Max).gb
	return MemoryRange{span: span}.settled()
}

// Range is the range in GB.
func (r MemoryRange) Range() Range[float64] { return r.span }

// Min is the lower bound, and false if there is none.
func (r MemoryRange) Min() (Memory, bool) { return boundMemory(r.span.Min, r.span.HasMin) }

// Max is the upper bound, and false if there is none.
func (r MemoryRange) Max() (Memory, bool) { return boundMemory(r.span.Max, r.span.HasMax) }

// Contains reports whether an amount in GB is in the range. An unset range contains everything.
func (r MemoryRange) Contains(gb float64) bool { return r.span.Contains(gb) }

// ContainsMiB reports whether an amount in MB of 1024 x 1024 bytes is in the range.
func (r MemoryRange) ContainsMiB(mib int64) bool { return r.span.Contains(float64(mib) / 1024) }

// Intersect is what both ranges contain, and false if that is nothing.
func (r MemoryRange) Intersect(o MemoryRange) (MemoryRange, bool) {
	span, ok := r.span.Intersect(o.span)
	if !ok {
		return MemoryRange{}, false
	}
	return MemoryRangeOf(span), true
}

// String is the range as written.
func (r MemoryRange) String() string { return r.text }

// Canonical is the range in GB: "16gb.." is "16GB..".
func (r MemoryRange) Canonical() string {
	if r.span == (Range[float64]{}) {
		return ""
	}
	return r.span.format(memoryText)
}

// IsZero reports whether the range is unset.
func (r MemoryRange) IsZero() bool { return r == MemoryRange{} }

// Equal reports whether both are the same range, or both unset.
func (r MemoryRange) Equal(o MemoryRange) bool { return r.span == o.span }

// MarshalText gives the text as written.
func (r MemoryRange) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText reads a range of memory.
func (r *MemoryRange) UnmarshalText(text []byte) error { return decodeText(r, text, ParseMemoryRange) }

// UnmarshalCty reads a string, a number of GB, or an object { min, max }.
func (r *MemoryRange) UnmarshalCty(v cty.Value) error { return decodeCty(r, v, memoryRangeForms) }

// Grammar describes ranges of memory.
func (MemoryRange) Grammar() Grammar {
	return Grammar{
		Name:    "Memory range",
		Summary: "How much memory is accepted; the bounds are included.",
		Forms: []Form{
			{`"16GB.."`, "16GB or more"},
			{`"8GB..32GB"`, "from 8GB to 32GB"},
			{`"..32GB"`, "32GB or less"},
			{`"16GB"`, "exactly 16GB"},
			{`16`, "exactly 16GB"},
			{`{ min = "8GB", max = 32 }`, "from 8GB to 32GB"},
		},
		Schema: memoryRangeSchema(),
	}
}

func memoryRangeSchema() Schema {
	bound := Memory{}.Grammar().Schema
	return anyOf(textSchema(`^\s*`+memoryRangeRaw+`$`), Schema{"type": "number", "minimum": 0},
		objectSchema(nil, map[string]Schema{"min": bound, "max": bound}))
}

func (r MemoryRange) settled() MemoryRange {
	r.text = r.Canonical()
	return r
}

func boundMemory(gb float64, set bool) (Memory, bool) {
	if !set {
		return Memory{}, false
	}
	return MemoryOf(gb), true
}

func parseMemoryRange(text string, w words) (MemoryRange, error) {
	q := squeeze(text)
	span, err := parseRange(q, 0, len(q.s), w, scanMemory)
	if err != nil {
		return MemoryRange{}, err
	}
	return MemoryRange{text: text, span: span}, nil
}
