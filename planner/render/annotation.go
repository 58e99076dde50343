package render

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// mostAnnotations is how many of one level GitHub shows for one step.
const mostAnnotations = 10

// Annotations are workflow commands of GitHub, one a line, that put what a plan says beside the lines that it is about:
// what denies it as errors, what is destroyed or replaced and what is warned of as warnings, all other changes as notices.
// folder is that of the configuration in its repository; it is empty for the repository's own. There are never more than
// GitHub shows: the last of a level counts the rest.
func Annotations(p *plan.Plan, folder string) string {
	a := &annotations{folder: folder, byPlace: map[string]*annotation{}}
	for _, r := range p.Denying() {
		a.add("error", r.Declared, "denied by "+clean(r.Name), policyLine(r))
	}
	for _, d := range saidOnce(p.Diagnostics.Errors()) {
		a.diagnostic("error", d)
	}
	v := newChangeView(p, Options{Width: fenceWidth, document: true})
	for _, b := range v.changed() {
		level := "notice"
		if b.dangerous() {
			level = "warning"
		}
		text := b.name() + " " + b.title
		for _, f := range b.fields {
			if f.label == "because" {
				text += ", because " + f.lines[0]
			}
		}
		a.add(level, placeOf(b.changes[0]), "dstack plan", text)
	}
	for _, d := range saidOnce(p.Diagnostics.Warnings()) {
		a.diagnostic("warning", d)
	}
	for _, r := range p.Policies {
		if r.Result != plan.PolicyPassed && !r.Denies() {
			a.add("warning", r.Declared, clean(r.Name), policyLine(r))
		}
	}
	return a.text()
}

// placeOf is where the change was written: what forces a replacement, else the first attribute that differs, else the block.
func placeOf(c *plan.Change) string {
	for _, cause := range c.Cause {
		if slices.Contains(c.ReplacePaths, cause.Attribute) && cause.Place != "" {
			return cause.Place
		}
	}
	if len(c.Cause) > 0 && c.Cause[0].Place != "" {
		return c.Cause[0].Place
	}
	return c.Declared
}

// annotation is what is said of one place at one level.
type annotation struct {
	level      string
	properties []string
	title      string
	lines      []string
}

type annotations struct {
	folder  string
	list    []*annotation
	byPlace map[string]*annotation
}

// add says something of a place, file:line, or of none. What is of one place is one annotation.
func (a *annotations) add(level, place, title, text string) {
	var properties []string
	if i := strings.LastIndexByte(place, ':'); i > 0 {
		if line, err := strconv.Atoi(place[i+1:]); err == nil {
			properties = a.properties(place[:i], line)
		}
	}
	a.put(level, properties, title, text)
}

func (a *annotations) put(level string, properties []string, title, text string) {
	key := level + "\n" + title + "\n" + strings.Join(properties, ",")
	if at := a.byPlace[key]; at != nil && len(properties) > 0 {
		at.lines = append(at.lines, text)
		return
	}
	at := &annotation{level, properties, title, []string{text}}
	a.byPlace[key] = at
	a.list = append(a.list, at)
}

func (a *annotations) properties(file string, line int) []string {
	file = path.Join(a.folder, strings.ReplaceAll(file, `\`, "/"))
	if path.IsAbs(file) || strings.HasPrefix(file, "../") || len(file) > 1000 {
		return nil // not of the repository
	}
	return []string{"file=" + property(file), fmt.Sprintf("line=%d", line)}
}

func (a *annotations) diagnostic(level string, s *said) {
	text := clean(s.first.Summary)
	if len(s.addresses) > 0 {
		text += ", for " + cut(addresses(s.addresses), whyWidth, 0)
	}
	text += ": " + clean(strings.Join(strings.Fields(s.first.Detail), " "))
	r := s.first.Range
	if r == nil {
		a.put(level, nil, "dstack plan", text)
		return
	}
	properties := a.properties(r.Filename, r.Start.Line)
	if properties != nil && r.End.Line > r.Start.Line {
		properties = append(properties, fmt.Sprintf("endLine=%d", r.End.Line))
	}
	a.put(level, properties, "dstack plan", text)
}

// shownLines is how much is said of one place.
const shownLines = 10

// text writes the annotations of each level, as many as are shown.
func (a *annotations) text() string {
	var out strings.Builder
	for _, level := range []string{"error", "warning", "notice"} {
		var list []*annotation
		for _, at := range a.list {
			if at.level == level {
				list = append(list, at)
			}
		}
		rest := 0
		if len(list) > mostAnnotations {
			for _, at := range list[mostAnnotations-1:] {
				rest += len(at.lines)
			}
			list = list[:mostAnnotations-1]
		}
		for _, at := range list {
			at.write(&out)
		}
		if rest > 0 {
			(&annotation{level, nil, "dstack plan", []string{"and " + grouped(rest) + " more, which the plan lists"}}).write(&out)
		}
	}
	return out.String()
}

func (at *annotation) write(out *strings.Builder) {
	lines := slices.Clone(at.lines[:min(len(at.lines), shownLines)])
	if n := len(at.lines); n > shownLines {
		lines[shownLines-1] = "and " + grouped(n-shownLines+1) + " more"
	}
	for i, l := range lines {
		lines[i] = data(cut(l, 1000, 0))
	}
	properties := append(slices.Clone(at.properties), "title="+property(cut(at.title, 100, 0)))
	fmt.Fprintf(out, "::%s %s::%s\n", at.level, strings.Join(properties, ","), strings.Join(lines, "%0A"))
}

// data writes text as the message of a workflow command.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(clean(s))
}

// property writes text as a property of a workflow command.
func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
