package render

import (
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// remark is a line or two below the changes, with its word in front.
type remark struct{ word, text string }

// remarks are what is no change: what was not checked, drift, ended runs, outputs, policies and warnings.
func (v *changeView) remarks() []remark {
	var out []remark
	for _, n := range v.p.Deferred {
		if n.Address == "" {
			out = append(out, remark{"Deferred", clean(n.Text)})
		}
	}
	for _, n := range foldNotes(v.p.NotPlanned) {
		out = append(out, remark{"Left out", n})
	}
	for _, n := range v.notChecked() {
		out = append(out, remark{"Not checked", n})
	}
	for _, d := range v.p.Drift {
		out = append(out, remark{"Drift", driftText(d, v.o.width()-remarkWidth)})
	}
	for _, n := range foldNotes(v.p.Notes) {
		out = append(out, remark{"Note", n})
	}
	for _, name := range sortedKeys(v.p.Outputs) {
		if text := outputText(name, v.p.Outputs[name], v.o.width()-remarkWidth); text != "" {
			out = append(out, remark{"Outputs", text})
		}
	}
	for _, p := range v.p.Policies {
		out = append(out, remark{"Policies", PolicyText(p)})
	}
	if text := checksText(v.p.Checks); text != "" {
		out = append(out, remark{"Checks", text})
	}
	return out
}

// checksText counts the conditions that hold, where not all of them do. Which fail, and why, stands with the warnings.
func checksText(list []plan.Check) string {
	held, failed := 0, 0
	var unknown []string
	for _, c := range list {
		held += c.Passed
		failed += c.Failed
		if c.Unknown > 0 {
			unknown = append(unknown, c.Address)
		}
	}
	var parts []string
	if held > 0 {
		parts = append(parts, grouped(held)+holds(held))
	}
	if failed > 0 {
		parts = append(parts, grouped(failed)+" failed")
	}
	if len(unknown) > 0 {
		parts = append(parts, addresses(unknown)+" known after apply")
	}
	if failed == 0 && len(unknown) == 0 {
		return ""
	}
	return strings.Join(parts, ", ")
}

func holds(n int) string {
	if n == 1 {
		return " holds"
	}
	return " hold"
}

// remarkWidth is the room for the word in front of a remark.
const remarkWidth = 14

func section(out *strings.Builder, o Options, list []remark) {
	if len(list) > 0 {
		out.WriteByte('\n')
	}
	last := ""
	for _, r := range list {
		word := r.word
		if word == last {
			word = ""
		}
		last = r.word
		prefix := pad(word, remarkWidth)
		for i, line := range strings.Split(r.text, "\n") {
			if i > 0 {
				prefix = strings.Repeat(" ", remarkWidth)
			}
			indent(out, prefix, line, o.width())
		}
	}
}

// foldNotes writes notes, those with the same text on one line with all their addresses.
func foldNotes(notes []plan.Note) []string {
	var order []string
	byText := map[string][]string{}
	for _, n := range notes {
		if _, ok := byText[n.Text]; !ok {
			order = append(order, n.Text)
			byText[n.Text] = nil
		}
		if n.Address != "" {
			byText[n.Text] = append(byText[n.Text], n.Address)
		}
	}
	var out []string
	for _, text := range order {
		if list := byText[text]; len(list) > 0 {
			out = append(out, addresses(list)+": "+clean(text))
		} else {
			out = append(out, clean(text))
		}
	}
	return out
}

// Drift is a sentence about what a provider reports otherwise than recorded, on one line.
func Drift(d *plan.Drift) string { return driftText(d, 1000) }

func driftText(d *plan.Drift, room int) string {
	var parts []string
	if d.Gone {
		parts = append(parts, "it was deleted outside of dstack")
	}
	for _, a := range d.Diff {
		if a.MovedFrom != "" {
			continue
		}
		lines := diffLines(a, true, room)
		if a.MovedTo != "" {
			lines = []string{movedText(a)}
		}
		if a.Inside != nil && !a.Sensitive && !a.Unknown {
			lines = []string{insideText(a.Inside)}
		} else if byText(a) {
			lines = []string{"its text differs"}
		}
		parts = append(parts, label(a.Path)+" "+strings.Join(lines, " "))
	}
	text := clean(d.Address) + ": " + strings.Join(parts, ", ")
	switch d.Class {
	case plan.DriftConflict:
		if d.Gone {
			text += "; the plan makes it again"
		} else {
			text += "; the plan sets it back"
		}
	case plan.DriftFeeds:
		text += "; what changes depends on it"
	case plan.DriftInformational:
		text += "; nothing depends on it"
	case plan.DriftLeftAlone:
		text += "; this plan leaves that as it is"
	}
	return text
}

func outputText(name string, out *plan.Output, room int) string {
	if out.Action == plan.NoOp || out.Action == "" {
		return ""
	}
	d := plan.AttrDiff{Path: name, Before: out.Before, After: out.After, Unknown: out.Unknown, Sensitive: out.Sensitive, Inside: out.Inside}
	symbol := map[plan.Action]string{plan.Create: "+", plan.Delete: "-"}[out.Action]
	if symbol == "" {
		symbol = "~"
	}
	lines := diffLines(d, false, room-len(name)-5)
	if byText(d) {
		return symbol + " " + clean(name) + "\n" + strings.Join(lines, "\n")
	}
	return symbol + " " + clean(name) + "  " + strings.Join(lines, " ")
}
