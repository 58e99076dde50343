package value

import (
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// Name is the name of a run, fleet, volume or gateway: a lower-case letter, then 1 to 40 lower-case letters, digits
// and dashes.
type Name string

const longestName = 41

var nameWords = words{"Name",
	`A name has 2 to 41 lower-case letters, digits and dashes, and starts with a letter ("my-fleet").`}

var nameForms = forms[Name]{words: nameWords, text: ParseName}

// ParseName reads a name.
func ParseName(text string) (Name, error) {
	if at, length, why := nameProblem(text); why != "" {
		hint := ""
		if better, ok := nearestName(text); ok {
			hint = " Write " + quote(better) + "."
		}
		return "", mistakeAt(at, length, "Name is not valid", "%s %s.%s %s", quote(text), why, hint, nameWords.accepts)
	}
	return Name(text), nil
}

// NameFromLabel is the name of what a block with this label declares, with its keys (of count or for_each) behind
// it, joined by dashes. An underscore becomes a dash. If that is no name, the error says to set one.
func NameFromLabel(label string, keys ...string) (Name, error) {
	text := strings.ReplaceAll(strings.Join(append([]string{label}, keys...), "-"), "_", "-")
	if _, _, why := nameProblem(text); why != "" {
		return "", mistake("Label makes no valid name", "The name made from the label, %s, %s. %s "+
			"Change the label, or set name in the block.", quote(text), why, nameWords.accepts)
	}
	return Name(text), nil
}

// String is the name.
func (n Name) String() string { return string(n) }

// Canonical is the name.
func (n Name) Canonical() string { return string(n) }

// IsZero reports whether there is no name.
func (n Name) IsZero() bool { return n == "" }

// MarshalText gives the name.
func (n Name) MarshalText() ([]byte, error) { return []byte(n), nil }

// UnmarshalText reads a name.
func (n *Name) UnmarshalText(text []byte) error { return decodeText(n, text, ParseName) }

// UnmarshalCty reads a string.
func (n *Name) UnmarshalCty(v cty.Value) error { return decodeCty(n, v, nameForms) }

// Grammar describes names.
func (Name) Grammar() Grammar {
	return Grammar{
		Name:    "Name",
		Summary: "The name of a run, fleet, volume or gateway, unique in a state.",
		Forms:   []Form{{`"my-fleet"`, "2 to 41 lower-case letters, digits and dashes, a letter first"}},
		Schema:  textSchema(`^[a-z][a-z0-9-]{1,40}$`),
	}
}

// nameProblem says why s is no name, and which part is wrong.
func nameProblem(s string) (at, length int, why string) {
	switch {
	case s == "":
		return -1, 0, "is empty"
	case s[0] < 'a' || s[0] > 'z':
		return 0, 1, "does not start with a lower-case letter"
	}
	for i, c := range s {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			_, size := utf8.DecodeRuneInString(s[i:])
			return i, size, "contains " + quote(s[i:i+size])
		}
	}
	switch {
	case len(s) < 2:
		return 0, len(s), "is shorter than 2 characters"
	case len(s) > longestName:
		return longestName, len(s) - longestName, "is longer than 41 characters"
	}
	return 0, 0, ""
}

// nearestName is s with the usual mistakes mended.
func nearestName(s string) (string, bool) {
	better := strings.ToLower(strings.NewReplacer("_", "-", " ", "-", ".", "-").Replace(s))
	_, _, why := nameProblem(better)
	return better, why == ""
}
