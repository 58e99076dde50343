package value

import (
	"math"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Memory is an amount of memory or storage in GB, of 1024 MB each: "16GB", "512MB", 16.
type Memory struct {
	text string
	gb   float64
}

// mostMemory is a million TB, in GB.
const mostMemory = 1024 * 1_000_000

var memoryWords = words{"Memory",
	`Memory is a number of GB, or a number with MB, GB or TB ("512MB", "16GB", "1.5TB").`}

var memoryForms = forms[Memory]{
	words:  memoryWords,
	text:   ParseMemory,
	number: memoryNumber,
}

// ParseMemory reads an amount of memory.
func ParseMemory(text string) (Memory, error) {
	gb, err := parseMemory(text, memoryWords)
	if err != nil {
		return Memory{}, err
	}
	return Memory{text: text, gb: gb}, nil
}

// MemoryOf is an amount in GB. What is no amount (below zero, not a number, beyond a million TB) becomes the nearest
// one that is.
func MemoryOf(gb float64) Memory {
	if !(gb > 0) {
		gb = 0
	}
	gb = min(gb, mostMemory)
	return Memory{text: memoryText(gb), gb: gb}
}

// MemoryFromMiB is an amount in MB of 1024 x 1024 bytes.
func MemoryFromMiB(mib int64) Memory { return MemoryOf(float64(mib) / 1024) }

// GB is the amount in GB.
func (m Memory) GB() float64 { return m.gb }

// MiB is the amount in MB of 1024 x 1024 bytes, rounded.
func (m Memory) MiB() int64 { return int64(math.Round(m.gb * 1024)) }

// Bytes is the amount in bytes, rounded.
func (m Memory) Bytes() int64 { return int64(math.Round(m.gb * (1 << 30))) }

// Display is the amount for people: GB with at most six significant digits, "1152GB".
func (m Memory) Display() string {
	if m.IsZero() {
		return ""
	}
	return displayGB(m.gb)
}

// String is the amount as written.
func (m Memory) String() string { return m.text }

// Canonical is the amount in GB: "512MB" is "0.5GB".
func (m Memory) Canonical() string {
	if m.IsZero() {
		return ""
	}
	return memoryText(m.gb)
}

// IsZero reports whether the amount is unset; 0GB is set.
func (m Memory) IsZero() bool { return m == Memory{} }

// Equal reports whether both are the same amount, or both unset.
func (m Memory) Equal(o Memory) bool { return m.gb == o.gb && m.IsZero() == o.IsZero() }

// MarshalText gives the text as written.
func (m Memory) MarshalText() ([]byte, error) { return []byte(m.text), nil }

// UnmarshalText reads an amount of memory.
func (m *Memory) UnmarshalText(text []byte) error { return decodeText(m, text, ParseMemory) }

// UnmarshalCty reads a string or a number of GB.
func (m *Memory) UnmarshalCty(v cty.Value) error { return decodeCty(m, v, memoryForms) }

// Grammar describes amounts of memory.
func (Memory) Grammar() Grammar {
	return Grammar{
		Name:    "Memory",
		Summary: "An amount of memory or storage; 1GB is 1024MB and 1TB is 1024GB.",
		Forms: []Form{
			{`"16GB"`, "16GB; the units are MB, GB and TB, in any case"},
			{`"16"`, "16GB"},
			{`16`, "16GB"},
			{`"512MB"`, "half a GB"},
		},
		Schema: anyOf(textSchema(memoryPattern), Schema{"type": "number", "minimum": 0}),
	}
}

const (
	memoryToken    = `(\d[\d\s]*(\.\s*\d[\d\s]*)?|\.\s*\d[\d\s]*)([mMgGtT]\s*[bB]\s*)?`
	memoryPattern  = `^\s*` + memoryToken + `$`
	memoryRangeRaw = `(` + memoryToken + `|` + memoryToken + `\.\s*\.\s*(` + memoryToken + `)?|\.\s*\.\s*` + memoryToken + `)`
)

func memoryNumber(text string) (Memory, error) {
	gb, err := parseMemory(text, memoryWords)
	if err != nil {
		return Memory{}, err
	}
	return MemoryOf(gb), nil
}

func memoryText(gb float64) string { return strconv.FormatFloat(gb, 'f', -1, 64) + "GB" }

// displayGB prints at most six significant digits and never an exponent.
func displayGB(gb float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(gb, 'g', 6, 64), 64)
	if err != nil {
		rounded = gb
	}
	return memoryText(rounded)
}

func parseMemory(text string, w words) (float64, error) {
	q := squeeze(text)
	if q.s == "" {
		return 0, mistake(w.noun+" is empty", "The text is empty. %s", w.accepts)
	}
	return scanMemory(q, 0, len(q.s), w)
}

// scanMemory reads q.s[from:to], which is not empty, as one amount in GB.
func scanMemory(q squeezed, from, to int, w words) (float64, error) {
	s := q.s[from:to]
	if s[0] == '-' {
		return 0, q.mistake(from, to, w.noun+" is negative", "%s is below zero. %s", quote(s), w.accepts)
	}
	end, points := 0, 0
	for end < len(s) && (isDigit(s[end]) || s[end] == '.') {
		if s[end] == '.' {
			points++
		}
		end++
	}
	if end == points || points > 1 || s[end-1] == '.' {
		part := to
		if end > 0 {
			part = from + end
		}
		return 0, q.mistake(from, part, w.noun+" is not a number", "%s is not a number. %s", quote(q.s[from:part]), w.accepts)
	}
	factor := 1.0
	if unit := s[end:]; unit != "" {
		switch {
		case strings.EqualFold(unit, "GB"):
		case strings.EqualFold(unit, "MB"):
			factor = 1.0 / 1024
		case strings.EqualFold(unit, "TB"):
			factor = 1024
		default:
			return 0, q.mistake(from+end, to, w.noun+" has an unknown unit", "%s is not a unit.%s %s", quote(unit), unitHint(unit), w.accepts)
		}
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err != nil || n*factor > mostMemory {
		return 0, q.mistake(from, to, w.noun+" is out of range", "%s is more than a million TB. %s", quote(s), w.accepts)
	}
	return n * factor, nil
}

// unitHint says what to write instead of a unit that other programs know.
func unitHint(unit string) string {
	switch strings.ToUpper(unit) {
	case "G", "GI", "GIB":
		return " Write GB, which is 1024MB here."
	case "M", "MI", "MIB":
		return " Write MB, which is 1024 x 1024 bytes here."
	case "T", "TI", "TIB":
		return " Write TB, which is 1024GB here."
	}
	return ""
}
