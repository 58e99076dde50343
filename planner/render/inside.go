package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

const (
	insideShown = 20 // differences inside of a text that are shown, of those that the plan has
	insideNamed = 2  // differences inside of a text that a short line names
)

// byText tells whether a difference is shown on lines of its own, by what differs inside of two texts.
func byText(d plan.AttrDiff) bool {
	_, several := textLines(d, longestLine)
	return several
}

// textLines writes a difference of texts by what differs in them: by path where both are JSON or YAML, by line where one has
// several. It is false for all else, and for secrets and what is not known.
func textLines(d plan.AttrDiff, room int) ([]string, bool) {
	if d.Sensitive || d.Unknown {
		return nil, false
	}
	lines, several := textDiff(d.Before, d.After)
	if d.Inside == nil {
		return lines, several
	}
	return insideLines(d.Inside, lines, room), true
}

// insideLines says what two texts are, and each path at which they differ. Where they mean the same, it is the way in which
// they are written that differs: of YAML that may be a comment that a program reads, so that it is shown by line as well.
func insideLines(in *plan.Inside, byLine []string, most int) []string {
	format := formatName(in)
	if len(in.Diff) == 0 {
		out := []string{"@@ the same " + format + ", written otherwise"}
		if in.Format == plan.InsideYAML {
			out = append(out, byLine...)
		}
		return out
	}
	n := len(in.Diff) + in.More
	head := fmt.Sprintf("@@ as %s, %s differ", format, Count(n, "value"))
	if n == 1 {
		head += "s"
	}
	if in.Layout {
		head += "; it is written otherwise, too"
	}
	out := []string{head}
	room := 0
	shown := in.Diff[:min(len(in.Diff), insideShown)]
	for _, d := range shown {
		if w := displayWidth(clean(d.Path)); w <= widestLabel {
			room = max(room, w)
		}
	}
	most -= widestLabel - labelWidth // the label may be that wide
	line := func(sign, path string, raw json.RawMessage, at int) string {
		value, wide := valueText("", raw, false), pad(path, room)
		if displayWidth(sign+wide+"  "+value) > most {
			wide = path
		}
		return sign + wide + "  " + cut(value, max(most-displayWidth(sign+wide+"  "), widestLabel), at)
	}
	for _, d := range shown {
		path, at := clean(d.Path), 0
		if d.Before != nil && d.After != nil {
			at = differAt(valueText("", d.Before, false), valueText("", d.After, false))
		}
		if d.Before != nil {
			out = append(out, line("- ", path, d.Before, at))
		}
		if d.After != nil {
			out = append(out, line("+ ", path, d.After, at))
		}
	}
	if rest := n - len(shown); rest > 0 {
		out = append(out, fmt.Sprintf("... %s", Count(rest, "more value")))
	}
	return out
}

// insideText says on one line what differs inside of two texts.
func insideText(in *plan.Inside) string {
	if len(in.Diff) == 0 {
		return "is the same " + formatName(in) + ", written otherwise"
	}
	var paths []string
	for _, d := range in.Diff[:min(len(in.Diff), insideNamed)] {
		paths = append(paths, clean(d.Path))
	}
	text := "differs as " + formatName(in) + " at " + strings.Join(paths, ", ")
	if rest := len(in.Diff) + in.More - len(paths); rest > 0 {
		text += " and " + grouped(rest) + " more"
	}
	return text
}

func formatName(in *plan.Inside) string { return strings.ToUpper(clean(string(in.Format))) }
