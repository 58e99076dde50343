package value

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// UnixUser is the user, and perhaps the group, that a container's processes run as: "ubuntu", "1000:1000".
type UnixUser struct {
	text        string
	user, group string
}

// mostID is the highest id; the one above it means "unchanged" to the kernel.
const mostID = 1<<32 - 2

var userWords = words{"User",
	`A user is a name or an id, and perhaps a group behind a colon ("ubuntu", "1000", "1000:1000", "app:video").`}

var userForms = forms[UnixUser]{
	words: userWords,
	text:  ParseUnixUser,
	number: func(text string) (UnixUser, error) {
		if strings.Contains(text, ".") {
			return UnixUser{}, mistake("User is not a whole number", "%s is no id. %s", text, userWords.accepts)
		}
		return ParseUnixUser(text)
	},
}

// ParseUnixUser reads `user[:group]`.
func ParseUnixUser(text string) (UnixUser, error) {
	if strings.Trim(text, " \t") == "" {
		return UnixUser{}, mistake("User is empty", "The text is empty. %s", userWords.accepts)
	}
	user, group, two := strings.Cut(text, ":")
	if again := strings.IndexByte(group, ':'); again >= 0 {
		at := len(user) + 1 + again
		return UnixUser{}, mistakeAt(at, len(text)-at, "User has too many parts", "More than one colon stands in %s. %s", quote(text), userWords.accepts)
	}
	u := UnixUser{text: text}
	var err error
	if u.user, err = unixName(user, "user"); err != nil {
		return UnixUser{}, shifted(0, err)
	}
	if two {
		if u.group, err = unixName(group, "group"); err != nil {
			return UnixUser{}, shifted(len(user)+1, err)
		}
	}
	return u, nil
}

// User is the user's name or id.
func (u UnixUser) User() string { return u.user }

// Group is the group's name or id; it is empty if none is given.
func (u UnixUser) Group() string { return u.group }

// UID is the user's id, and false if the user is a name.
func (u UnixUser) UID() (uint32, bool) { return unixID(u.user) }

// GID is the group's id, and false if the group is a name or not given.
func (u UnixUser) GID() (uint32, bool) { return unixID(u.group) }

// String is the user as written.
func (u UnixUser) String() string { return u.text }

// Canonical is the user and group without leading zeros of ids.
func (u UnixUser) Canonical() string {
	if u.group == "" {
		return u.user
	}
	return u.user + ":" + u.group
}

// IsZero reports whether the user is unset.
func (u UnixUser) IsZero() bool { return u == UnixUser{} }

// Equal reports whether both are the same user and group.
func (u UnixUser) Equal(o UnixUser) bool { return u.user == o.user && u.group == o.group }

// MarshalText gives the text as written.
func (u UnixUser) MarshalText() ([]byte, error) { return []byte(u.text), nil }

// UnmarshalText reads `user[:group]`.
func (u *UnixUser) UnmarshalText(text []byte) error { return decodeText(u, text, ParseUnixUser) }

// UnmarshalCty reads a string, or a number, which is an id.
func (u *UnixUser) UnmarshalCty(v cty.Value) error { return decodeCty(u, v, userForms) }

// Grammar describes users.
func (UnixUser) Grammar() Grammar {
	return Grammar{
		Name:    "Unix user",
		Summary: "The user, and perhaps the group, that a container's processes run as.",
		Forms: []Form{
			{`"ubuntu"`, "the user of that name"},
			{`1000`, "the user with that id"},
			{`"1000:1000"`, "the user and the group with these ids"},
			{`"app:video"`, "the user and the group of these names"},
		},
		Schema: anyOf(textSchema(`^[^:/\s-][^:/\s]*(:[^:/\s-][^:/\s]*)?$`), Schema{"type": "integer", "minimum": 0}),
	}
}

// unixName reads one part: a name or an id, without leading zeros.
func unixName(s, what string) (string, error) {
	if s == "" {
		return "", mistakeAt(0, 0, "User has an empty part", "The %s is empty. %s", what, userWords.accepts)
	}
	if s[0] == '-' {
		return "", mistakeAt(0, len(s), "User is negative", "%s is no %s: ids are not negative and names do not start with a dash. %s", quote(s), what, userWords.accepts)
	}
	if allDigits(s) {
		if _, ok := digits(s, mostID); !ok {
			return "", mistakeAt(0, len(s), "User is out of range", "%s is more than the highest id, %d. %s", quote(s), mostID, userWords.accepts)
		}
		id := strings.TrimLeft(s, "0")
		if id == "" {
			id = "0"
		}
		return id, nil
	}
	for i, c := range s {
		if c == utf8.RuneError || c == '/' || unicode.IsSpace(c) || !unicode.IsPrint(c) {
			_, size := utf8.DecodeRuneInString(s[i:])
			return "", mistakeAt(i, size, "User has an invalid character", "The %s %s contains %s. %s", what, quote(s), quote(string(c)), userWords.accepts)
		}
	}
	return s, nil
}

func unixID(s string) (uint32, bool) {
	n, ok := digits(s, mostID)
	return uint32(n), ok
}
