package value

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// Error says why a value cannot be read. It is the type of every error that this package returns for bad input.
type Error struct {
	// Summary is short and names no value: "Memory has an unknown unit".
	Summary string
	// Detail says in sentences what is wrong with which part, what is accepted, and gives an example.
	Detail string
	// Offset and Length mark the wrong part of the text in bytes. Offset is -1 if there is no text, or if the
	// whole value is wrong.
	Offset, Length int
	// Path leads from the value that was read to the wrong one inside it: an attribute of an object or an
	// element of a list. It is empty for the value itself.
	Path cty.Path
	// Key says that the last step of Path is wrong itself, not what it leads to.
	Key bool
}

// Error is the summary and the detail in one line.
func (e *Error) Error() string {
	return e.Summary + ": " + e.Detail
}

// mistake is an error about the whole value.
func mistake(summary, detail string, args ...any) *Error {
	return mistakeAt(-1, 0, summary, detail, args...)
}

// mistakeAt is an error about length bytes of the text from offset.
func mistakeAt(offset, length int, summary, detail string, args ...any) *Error {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Error{Summary: summary, Detail: detail, Offset: offset, Length: length}
}

// within says that err is about what step leads to.
func within(step cty.PathStep, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	inner := *e
	inner.Path = append(cty.Path{step}, e.Path...)
	return &inner
}

// unplaced says that err is about a text which the author did not write, so that no part of it can be marked.
func unplaced(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	whole := *e
	whole.Offset, whole.Length = -1, 0
	return &whole
}

// shifted says that err is about a part of the text that starts at offset.
func shifted(offset int, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	if moved.Offset >= 0 {
		moved.Offset += offset
	}
	return &moved
}

// renamed gives err another summary.
func renamed(summary string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	other := *e
	other.Summary = summary
	return &other
}

// quote prints s in quotes, shortened in the middle if it is long.
func quote(s string) string {
	const longest = 60
	if utf8.RuneCountInString(s) > longest {
		r := []rune(s)
		s = string(r[:longest/2]) + "..." + string(r[len(r)-longest/3:])
	}
	return strconv.Quote(s)
}

// alternatives joins words as a person would: `"a", "b" or "c"`.
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
