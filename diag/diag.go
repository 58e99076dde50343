package diag

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Severity tells whether a diagnostic stops the work.
type Severity string

// Severities. A warning never changes an exit code.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one thing to tell the user. Its JSON is that of `validate --json`.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`           // a few words without names: "Memory has an unknown unit"
	Detail   string   `json:"detail"`            // sentences: what, why, what to do; a command to copy has a line of its own, indented by two
	Rule     string   `json:"rule,omitempty"`    // the rule that a finding of validate --lint breaks: unused-variable
	Address  string   `json:"address,omitempty"` // the resource or block that it is about
	Range    *Range   `json:"range,omitempty"`   // the place to mark
	Snippet  *Snippet `json:"snippet,omitempty"` // the source there, filled in by whoever holds the sources
}

// Range is a place in a file. Lines and columns count from 1, columns in grapheme clusters, bytes from 0.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos is one position in a file.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// String returns file:line, which terminals make a link.
func (r Range) String() string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

// Snippet is the source of a diagnostic: whole lines, with the marked part given by byte offsets into Code.
type Snippet struct {
	Context   string  `json:"context,omitempty"` // `in fleet "train", resources`
	Code      string  `json:"code"`
	StartLine int     `json:"start_line"`
	Start     int     `json:"highlight_start_offset"`
	End       int     `json:"highlight_end_offset"`
	Values    []Value `json:"values,omitempty"`
}

// Value is what an expression in the snippet had as value: "var.size is 4".
type Value struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// List is a number of diagnostics. It is an error when one of them is.
type List []*Diagnostic

// Errorf makes a list of one error without a place.
func Errorf(summary, format string, args ...any) List {
	return List{{Severity: Error, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}

// Warnf makes a list of one warning without a place.
func Warnf(summary, format string, args ...any) List {
	return List{{Severity: Warning, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}

// At gives every diagnostic of the list that has no place the given one, and returns the list.
func (l List) At(r *hcl.Range) List { return l.AtRange(FromRange(r)) }

// AtRange is At for a place that was taken over already.
func (l List) AtRange(r *Range) List {
	for _, d := range l {
		if d.Range == nil {
			d.Range = r
		}
	}
	return l
}

// For gives every diagnostic of the list that has no address the given one, and returns the list.
func (l List) For(address string) List {
	for _, d := range l {
		if d.Address == "" {
			d.Address = address
		}
	}
	return l
}

// HasErrors tells whether the work must stop.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d *Diagnostic) bool { return d.Severity == Error })
}

// Errors returns the errors alone.
func (l List) Errors() List { return l.only(Error) }

// Warnings returns the warnings alone.
func (l List) Warnings() List { return l.only(Warning) }

func (l List) only(s Severity) List {
	var out List
	for _, d := range l {
		if d.Severity == s {
			out = append(out, d)
		}
	}
	return out
}

// Sort orders by place: what has none comes last, in the order of adding.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b *Diagnostic) int {
		switch {
		case a.Range == nil && b.Range == nil:
			return 0
		case a.Range == nil:
			return 1
		case b.Range == nil:
			return -1
		}
		if c := strings.Compare(a.Range.Filename, b.Range.Filename); c != 0 {
			return c
		}
		return a.Range.Start.Byte - b.Range.Start.Byte
	})
}

// Err returns the list as error, nil when nothing in it is one.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return &listError{l}
}

type listError struct{ list List }

func (e *listError) Error() string {
	errs := e.list.Errors()
	s := errs[0].Summary + ": " + errs[0].Detail
	if errs[0].Range != nil {
		s = errs[0].Range.String() + ": " + s
	}
	if n := len(errs) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// From returns the diagnostics that an error is made of; any other error becomes one of its own with the given summary.
func From(err error, summary string) List {
	if err == nil {
		return nil
	}
	if le, ok := errors.AsType[*listError](err); ok {
		return le.list
	}
	return List{{Severity: Error, Summary: summary, Detail: sentence(err.Error())}}
}

// sentence makes an error's text one: capital first, full stop last.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ".[_/\"") { // an address or a name stays what it is
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.Contains(s, "\n") {
		s += "."
	}
	return s
}

// FromHCL takes over what the HCL library reports.
func FromHCL(in hcl.Diagnostics) List {
	var out List
	for _, d := range in {
		sev := Error
		if d.Severity == hcl.DiagWarning {
			sev = Warning
		}
		out = append(out, &Diagnostic{Severity: sev, Summary: d.Summary, Detail: d.Detail, Range: FromRange(d.Subject)})
	}
	return out
}

// FromRange takes over a place of the HCL library; nil stays nil.
func FromRange(r *hcl.Range) *Range {
	if r == nil {
		return nil
	}
	return &Range{
		Filename: r.Filename,
		Start:    Pos{r.Start.Line, r.Start.Column, r.Start.Byte},
		End:      Pos{r.End.Line, r.End.Column, r.End.Byte},
	}
}
