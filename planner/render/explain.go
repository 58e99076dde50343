package render

import (
	"strings"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// Explain writes where values come from: each attribute with the chain of names that leads to it.
func Explain(list []plan.Explanation, o Options) string {
	var out strings.Builder
	for i, e := range list {
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(o.paint(clean(e.Address), bold) + " " + fate(e.Action) + "\n")
		if e.Reason != "" {
			indent(&out, "  because  ", clean(e.Reason), o.width())
		}
		for _, a := range e.Attributes {
			explainOne(&out, a, o)
		}
	}
	return out.String()
}

// fate says what becomes of a resource.
func fate(a plan.Action) string {
	switch {
	case a == plan.Create:
		return "will be created"
	case a == plan.Update:
		return "will be updated"
	case a == plan.Delete:
		return "will be destroyed"
	case a == plan.Forget:
		return "will be forgotten"
	case a.IsReplace():
		return "will be replaced"
	}
	return "stays as it is"
}

func explainOne(out *strings.Builder, a plan.Explained, o Options) {
	out.WriteByte('\n')
	d := plan.AttrDiff{Path: a.Path, Before: a.Before, After: a.After, Unknown: a.Unknown, Sensitive: a.Sensitive, Forces: a.Forces}
	if !a.Sensitive && !a.Unknown {
		d.Inside = diff.Inside(a.Before, a.After)
	}
	room := o.width() - 4 - displayWidth(a.Path)
	text := ""
	switch same := string(a.Before) == string(a.After); {
	case a.Sensitive:
		text = "(sensitive)"
	case same && !a.Unknown && len(a.After) > 0:
		text = valueText(a.Path, a.After, false)
	case same && !a.Unknown:
		text = "(not set)"
	default:
		text = strings.Join(diffLines(d, false, room), "\n")
	}
	for i, line := range strings.Split(text, "\n") {
		prefix := "  " + clean(a.Path) + "  "
		if i > 0 {
			prefix = "    "
		}
		indent(out, prefix, line, o.width())
	}
	if a.Forces {
		why := "it cannot change in place"
		if a.Why != "" {
			why = clean(a.Why)
		}
		indent(out, "    forces a replacement: ", why, o.width())
	}
	for _, l := range a.Chain {
		indent(out, strings.Repeat("  ", l.Depth+2), linkText(l), o.width())
	}
}

// linkText is one step of a chain: var.gpu = "A100", from --var (main.dstack.hcl:3).
func linkText(l plan.Link) string {
	var b strings.Builder
	b.WriteString(clean(l.Name))
	text := l.Text
	if l.Value != "" {
		text = l.Value
	}
	if text != "" {
		if l.Name != "" {
			b.WriteString(" = ")
		}
		const most = 100
		b.WriteString(cut(clean(text), most, -1))
	}
	if l.From != "" && l.Name != "" {
		b.WriteString(", from " + clean(l.From))
	}
	if l.Place != "" {
		if b.Len() > 0 {
			b.WriteString("  ")
		}
		b.WriteString(clean(l.Place))
	}
	return b.String()
}
