package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/render"
)

// tableDir is the folder of the table of expressions, of what they mention and of the files that they read.
const tableDir = "testdata/expressions"

// A row of the table is an expression and what it is worth, in lines that begin with a mark:
//
//	?   the expression, of one or several lines
//	=   what it is worth, as the console prints it, here and in Terraform
//	!   the error that it gives here; Terraform gives one too, in words of its own
//	t=  what Terraform's console prints where that differs, or
//	t!  an error of Terraform's where it is worth something here
//	~   why the two differ
//
// A line that begins with # names what follows.
type row struct {
	section string
	text    string
	own     worth
	theirs  *worth // nil where the two agree
	reason  string
}

// worth is what an expression is worth, or its error.
type worth struct {
	text   string
	failed bool
}

// visible puts the pictures of control characters in their place, which no table should hold.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return '\u2400' + r
		}
		return r
	}, text)
}

// agrees tells whether two programs say the same: of errors only that there is one.
func (a worth) agrees(b worth) bool { return a.failed == b.failed && (a.failed || a.text == b.text) }

func (a worth) String() string {
	if a.failed {
		return "an error: " + a.text
	}
	return a.text
}

// readTable reads the table.
func readTable(t *testing.T) []*row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tableDir, "table.txt"))
	require.NoError(t, err)
	var out []*row
	var section, last string
	add := func(to *string, first bool, text string) {
		if first {
			*to = text
		} else {
			*to += "\n" + text
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		n := i + 1
		if line == "" {
			last = ""
			continue
		}
		mark, text, _ := strings.Cut(line, " ")
		if mark == "#" {
			section = text
			continue
		}
		if mark == "?" && last != "?" {
			out = append(out, &row{section: section})
		}
		require.NotEmpty(t, out, "line %d", n)
		r := out[len(out)-1]
		first := mark != last
		last = mark
		switch mark {
		case "?":
			add(&r.text, first, text)
		case "=", "!":
			r.own.failed = mark == "!"
			add(&r.own.text, first, text)
		case "t=", "t!":
			if r.theirs == nil {
				r.theirs = &worth{failed: mark == "t!"}
			}
			add(&r.theirs.text, first, text)
		case "~":
			add(&r.reason, first, text)
		default:
			t.Fatalf("line %d of the table has no mark: %s", n, line)
		}
	}
	return out
}

// writeTable writes the table as it is read.
func writeTable(t *testing.T, rows []*row) {
	t.Helper()
	var b bytes.Buffer
	put := func(mark, text string) {
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString(mark)
			if line != "" {
				b.WriteString(" " + line)
			}
			b.WriteByte('\n')
		}
	}
	section := ""
	for i, r := range rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		if r.section != section {
			section = r.section
			put("#", section)
		}
		put("?", r.text)
		if r.own.failed {
			put("!", r.own.text)
		} else {
			put("=", r.own.text)
		}
		if r.theirs == nil {
			continue
		}
		if r.theirs.failed {
			put("t!", r.theirs.text)
		} else {
			put("t=", r.theirs.text)
		}
		put("~", r.reason)
	}
	require.NoError(t, os.WriteFile(filepath.Join(tableDir, "table.txt"), b.Bytes(), 0o644))
}

// tableText is what the expressions mention.
func tableText(t *testing.T, own string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tableDir, "common.hcl"))
	require.NoError(t, err)
	return append(text, own...)
}

// evaluator evaluates an expression as the console does.
func evaluator(t *testing.T) func(text string) worth {
	t.Helper()
	c, list := Load(t.Context(), LoadOptions{Dir: tableDir, Sources: []Source{{Path: "main.dstack.hcl", Text: tableText(t, `
volume "unknown" {
  size = "1GB"
}
locals {
  unknown = volume.unknown.id
}
`)}}})
	require.Empty(t, rendered(list))
	scope := &values{"volume.unknown": cty.DynamicVal}
	return func(text string) worth {
		v, list := c.Evaluate("<console>", text, scope)
		if !list.HasErrors() {
			return worth{text: visible(render.Console(v))}
		}
		var b strings.Builder
		for i, d := range list.Errors() {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "%s: %s", d.Summary, d.Detail)
		}
		return worth{text: b.String(), failed: true}
	}
}

// TestExpressionsAreWorthWhatTheTableSays holds the evaluator against the table. Where the table and Terraform part is
// checked by TestTerraformAgreesWithTheTable; -update writes both anew.
func TestExpressionsAreWorthWhatTheTableSays(t *testing.T) {
	rows := readTable(t)
	require.GreaterOrEqual(t, len(rows), 400)
	evaluate := evaluator(t)
	seen := map[string]bool{}
	for _, r := range rows {
		require.False(t, seen[r.text], "%s stands twice", r.text)
		seen[r.text] = true
		got := evaluate(r.text)
		if *update {
			if before := r.own; r.theirs == nil && before.text != "" && !before.agrees(got) {
				r.theirs, r.reason = &before, unexplained // the table was right about Terraform, whether it is here or not
			}
			r.own = got
			continue
		}
		if d := cmp.Diff(r.own.String(), got.String()); d != "" {
			t.Errorf("%s: %s (-table +got):\n%s", r.section, r.text, d)
		}
		switch {
		case r.theirs != nil && r.own.agrees(*r.theirs):
			t.Errorf("%s: %s is worth the same in Terraform, so the table needs no second answer", r.section, r.text)
		case r.theirs != nil && (r.reason == "" || r.reason == unexplained):
			t.Errorf("%s: %s is worth another thing in Terraform, and the table does not say why:\nhere %s\nthere %s", r.section, r.text, r.own, *r.theirs)
		}
	}
	if *update {
		updateTheirs(t, rows)
		writeTable(t, rows)
	}
}

// unexplained stands in the table for a reason that somebody still has to write.
const unexplained = "?"

// updateTheirs records what Terraform says of each row, if it is there, and where it differs.
func updateTheirs(t *testing.T, rows []*row) {
	t.Helper()
	path := terraformPath(t)
	if path == "" {
		return
	}
	theirs := terraformAnswers(t, path, rows)
	for i, r := range rows {
		if r.theirs = nil; r.own.agrees(theirs[i]) {
			r.reason = ""
			continue
		}
		if r.theirs = &theirs[i]; r.theirs.failed {
			theirs[i] = askAlone(t, path, terraformDir(t), r.text) // for its title
		}
		if r.reason == "" {
			r.reason = unexplained
		}
	}
}
