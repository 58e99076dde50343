package value

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// ComputeCapability is the version of a GPU's instruction set, as NVIDIA counts it: "8.0". In a requirement it is
// the lowest version that is accepted.
type ComputeCapability struct {
	text         string
	major, minor int
}

var computeWords = words{"Compute capability",
	`A compute capability is two whole numbers: "8.0", 8.0 or [8, 0].`}

var computeForms = forms[ComputeCapability]{
	words: computeWords,
	text:  ParseComputeCapability,
	number: func(text string) (ComputeCapability, error) {
		// The language does not tell 8.0 from 8.
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		c, err := ParseComputeCapability(text)
		if err != nil {
			return ComputeCapability{}, err
		}
		return c.settled(), nil
	},
	list: computeFromList,
}

// ParseComputeCapability reads two numbers with a point between them.
func ParseComputeCapability(text string) (ComputeCapability, error) {
	s := strings.Trim(text, " \t")
	major, minor, ok := strings.Cut(s, ".")
	a, okA := digits(major, 9999)
	b, okB := digits(minor, 9999)
	if !ok || !okA || !okB {
		return ComputeCapability{}, mistakeAt(0, len(text), computeWords.noun+" is not two numbers",
			"%s is not two whole numbers with a point between them. %s", quote(s), computeWords.accepts)
	}
	return ComputeCapability{text: text, major: int(a), minor: int(b)}, nil
}

// ComputeCapabilityOf is the version major.minor.
func ComputeCapabilityOf(major, minor int) ComputeCapability {
	return ComputeCapability{major: max(major, 0), minor: max(minor, 0)}.settled()
}

// Major is the number before the point.
func (c ComputeCapability) Major() int { return c.major }

// Minor is the number behind the point.
func (c ComputeCapability) Minor() int { return c.minor }

// AtLeast reports whether c is o or a later version.
func (c ComputeCapability) AtLeast(o ComputeCapability) bool {
	return c.major > o.major || c.major == o.major && c.minor >= o.minor
}

// String is the version as written.
func (c ComputeCapability) String() string { return c.text }

// Canonical is the version without leading zeros.
func (c ComputeCapability) Canonical() string {
	if c.IsZero() {
		return ""
	}
	return strconv.Itoa(c.major) + "." + strconv.Itoa(c.minor)
}

// IsZero reports whether the version is unset.
func (c ComputeCapability) IsZero() bool { return c == ComputeCapability{} }

// Equal reports whether both are the same version, or both unset.
func (c ComputeCapability) Equal(o ComputeCapability) bool { return c.Canonical() == o.Canonical() }

// MarshalText gives the text as written.
func (c ComputeCapability) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// UnmarshalText reads two numbers with a point between them.
func (c *ComputeCapability) UnmarshalText(text []byte) error {
	return decodeText(c, text, ParseComputeCapability)
}

// UnmarshalCty reads a string, a number or a list of two numbers.
func (c *ComputeCapability) UnmarshalCty(v cty.Value) error { return decodeCty(c, v, computeForms) }

// Grammar describes compute capabilities.
func (ComputeCapability) Grammar() Grammar {
	return Grammar{
		Name:    "Compute capability",
		Summary: "The lowest version of the instruction set of NVIDIA GPUs that is accepted.",
		Forms: []Form{
			{`"8.0"`, "8.0 or later"},
			{`7.5`, "7.5 or later"},
			{`[8, 0]`, "8.0 or later"},
		},
		Schema: anyOf(textSchema(`^\s*\d+\.\d+\s*$`), Schema{"type": "number", "minimum": 0},
			Schema{"type": "array", "items": countSchema(), "minItems": 2, "maxItems": 2}),
	}
}

func (c ComputeCapability) settled() ComputeCapability {
	c.text = strconv.Itoa(c.major) + "." + strconv.Itoa(c.minor)
	return c
}

func computeFromList(items []cty.Value) (ComputeCapability, error) {
	if len(items) != 2 {
		return ComputeCapability{}, mistake(computeWords.noun+" is not two numbers",
			"The number of elements in the list is %d, not 2. %s", len(items), computeWords.accepts)
	}
	parts, err := each(items, countForms(computeWords))
	if err != nil {
		return ComputeCapability{}, err
	}
	if parts[0] > 9999 || parts[1] > 9999 {
		return ComputeCapability{}, mistake(computeWords.noun+" is out of range", "A number is above 9999. %s", computeWords.accepts)
	}
	return ComputeCapabilityOf(parts[0], parts[1]), nil
}
