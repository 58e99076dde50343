package value

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Blocks is the number of host blocks that an instance is divided into: "auto", or 1 or more.
type Blocks struct {
	text string
	auto bool
	n    int
}

var blocksWords = words{"Blocks", `It is "auto", or a whole number of 1 or more.`}

var blocksForms = forms[Blocks]{
	words: blocksWords,
	text:  ParseBlocks,
	number: func(text string) (Blocks, error) {
		b, err := ParseBlocks(text)
		if err != nil {
			return Blocks{}, err
		}
		return BlocksOf(b.n), nil
	},
}

// ParseBlocks reads "auto" or a number.
func ParseBlocks(text string) (Blocks, error) {
	s := strings.Trim(text, " \t")
	start := strings.Index(text, s)
	if strings.EqualFold(s, "auto") {
		return Blocks{text: text, auto: true}, nil
	}
	if s == "" {
		return Blocks{}, mistake("Blocks is empty", "The text is empty. %s", blocksWords.accepts)
	}
	n, err := scanCount(squeezed{text: s, s: s}, 0, len(s), blocksWords)
	if err != nil {
		return Blocks{}, shifted(start, err)
	}
	if n == 0 {
		return Blocks{}, mistakeAt(start, len(s), "Blocks is zero", "An instance has one block at least. %s", blocksWords.accepts)
	}
	return Blocks{text: text, n: n}, nil
}

// BlocksOf is a number of blocks, at least 1.
func BlocksOf(n int) Blocks {
	n = min(max(n, 1), mostCount)
	return Blocks{text: strconv.Itoa(n), n: n}
}

// AutoBlocks is as many blocks as the instance has GPUs, or CPUs if it has no GPU.
func AutoBlocks() Blocks { return Blocks{text: "auto", auto: true} }

// Auto reports whether the number follows from the instance.
func (b Blocks) Auto() bool { return b.auto }

// Count is the number of blocks; 1 if it is unset, and 0 if it follows from the instance.
func (b Blocks) Count() int {
	if b.IsZero() {
		return 1
	}
	return b.n
}

// String is the number as written.
func (b Blocks) String() string { return b.text }

// Canonical is "auto" or the number.
func (b Blocks) Canonical() string {
	switch {
	case b.IsZero():
		return ""
	case b.auto:
		return "auto"
	}
	return strconv.Itoa(b.n)
}

// IsZero reports whether the number is unset.
func (b Blocks) IsZero() bool { return b == Blocks{} }

// Equal reports whether both mean the same.
func (b Blocks) Equal(o Blocks) bool { return b.Canonical() == o.Canonical() }

// MarshalText gives the text as written.
func (b Blocks) MarshalText() ([]byte, error) { return []byte(b.text), nil }

// UnmarshalText reads "auto" or a number.
func (b *Blocks) UnmarshalText(text []byte) error { return decodeText(b, text, ParseBlocks) }

// UnmarshalCty reads a string or a whole number.
func (b *Blocks) UnmarshalCty(v cty.Value) error { return decodeCty(b, v, blocksForms) }

// Grammar describes numbers of host blocks.
func (Blocks) Grammar() Grammar {
	return Grammar{
		Name:    "Blocks",
		Summary: "How many equal shares an instance is divided into, so that several jobs can use it.",
		Forms: []Form{
			{`4`, "four shares"},
			{`"4"`, "four shares"},
			{`"auto"`, "one share for each GPU, or for each CPU if there is no GPU"},
		},
		Schema: anyOf(textSchema(`^\s*([aA][uU][tT][oO]|0*[1-9]\d*)\s*$`), Schema{"type": "integer", "minimum": 1}),
	}
}
