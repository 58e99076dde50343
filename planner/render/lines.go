package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/diff"
)

const (
	contextLines = 3  // shown around each changed line
	newLines     = 12 // shown of a text that appears or goes
	linesShown   = 80 // of the difference of two texts
)

// noEnd is said of a last line that does not end.
const noEnd = " (no end of line)"

// textDiff writes the difference of two texts of which one has several lines, line by line. It is false for all else.
func textDiff(before, after json.RawMessage) ([]string, bool) {
	var old, new string
	if before != nil && json.Unmarshal(before, &old) != nil || after != nil && json.Unmarshal(after, &new) != nil {
		return nil, false
	}
	if !severalLines(old) && !severalLines(new) {
		return nil, false
	}
	switch {
	case before == nil:
		return wholeText("+ ", new), true
	case after == nil:
		return wholeText("- ", old), true
	}
	out := hunks(splitLines(old), splitLines(new))
	if rest := len(out) - linesShown; rest > 0 {
		out = append(out[:linesShown:linesShown], "... "+Count(rest, "more line"))
	}
	return out, true
}

func severalLines(s string) bool { return strings.Contains(strings.TrimSuffix(s, "\n"), "\n") }

// splitLines keeps the end of each line with it, so that a missing one is a difference.
func splitLines(s string) []string { return strings.SplitAfter(s, "\n") }

func wholeText(symbol, s string) []string {
	lines := splitLines(s)
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	out := make([]string, 0, min(len(lines), newLines)+1)
	for i, l := range lines {
		if i == newLines-1 && len(lines) > newLines {
			return append(out, fmt.Sprintf("... %s", Count(len(lines)-i, "more line")))
		}
		out = append(out, symbol+lineText(l, i == len(lines)-1, 0))
	}
	return out
}

// lineText is a line without its end; a last line without one says so, as does one with a carriage return. A long one is cut
// around what differs in it.
func lineText(l string, last bool, at int) string {
	text, ended := strings.CutSuffix(l, "\n")
	text = cut(clean(strings.ReplaceAll(text, "\t", "    ")), longestLine-len(noEnd), at)
	if last && !ended && l != "" {
		return text + noEnd
	}
	return text
}

func hunks(old, new []string) []string {
	old, new = dropEmptyLast(old), dropEmptyLast(new)
	pairs := diff.Align(old, new)
	near := make([]bool, len(pairs))
	changed := 0
	for i, p := range pairs {
		if p.Old >= 0 && p.New >= 0 {
			continue
		}
		changed++
		for j := max(0, i-contextLines); j <= min(len(pairs)-1, i+contextLines); j++ {
			near[j] = true
		}
	}
	if changed == 0 {
		return []string{"(no line differs)"}
	}
	var out []string
	for i := 0; i < len(pairs); {
		if !near[i] {
			i++
			continue
		}
		if i > 0 || !near[len(near)-1] {
			out = append(out, fmt.Sprintf("@@ line %d", lineNumber(pairs, i)))
		}
		for i < len(pairs) && near[i] {
			if p := pairs[i]; p.Old >= 0 && p.New >= 0 {
				out = append(out, "  "+lineText(old[p.Old], p.Old == len(old)-1, 0))
				i++
				continue
			}
			end := i
			for end < len(pairs) && (pairs[end].Old < 0 || pairs[end].New < 0) {
				end++
			}
			out = append(out, gap(old, new, pairs[i:end])...)
			i = end
		}
	}
	return out
}

func dropEmptyLast(lines []string) []string {
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		return lines[:len(lines)-1]
	}
	return lines
}

func lineNumber(pairs []diff.Pair, i int) int {
	for ; i < len(pairs); i++ {
		if pairs[i].New >= 0 {
			return pairs[i].New + 1
		}
		if pairs[i].Old >= 0 {
			return pairs[i].Old + 1
		}
	}
	return 1
}

// gap writes lines that go and lines that come. Where two are the same but for blanks, the blanks are made visible.
func gap(old, new []string, pairs []diff.Pair) []string {
	gone, come := map[string]string{}, map[string]string{}
	for _, p := range pairs {
		if p.Old >= 0 {
			gone[squeeze(old[p.Old])] = old[p.Old]
		} else {
			come[squeeze(new[p.New])] = new[p.New]
		}
	}
	var olds, news []int
	for _, p := range pairs {
		if p.Old >= 0 {
			olds = append(olds, p.Old)
		} else {
			news = append(news, p.New)
		}
	}
	at := make([]int, max(len(olds), len(news)))
	for i := range min(len(olds), len(news)) {
		at[i] = differAt(old[olds[i]], new[news[i]])
	}
	out := make([]string, 0, len(pairs))
	for i, n := range olds {
		out = append(out, "- "+visible(old[n], n == len(old)-1, come, at[i]))
	}
	for i, n := range news {
		out = append(out, "+ "+visible(new[n], n == len(new)-1, gone, at[i]))
	}
	return out
}

// squeeze is a line without its blanks.
func squeeze(l string) string { return strings.Join(strings.Fields(l), "") }

// visible is a line, with its blanks as signs if only they tell it from its counterpart.
func visible(l string, last bool, others map[string]string, at int) string {
	text, ended := strings.CutSuffix(l, "\n")
	other, ok := others[squeeze(l)]
	if !ok || strings.TrimSuffix(other, "\n") == text {
		return lineText(l, last, at)
	}
	text = cut(clean(strings.NewReplacer(" ", "·", "\t", "→").Replace(text)), longestLine-len(noEnd), at)
	if last && !ended {
		text += noEnd
	}
	return text
}
