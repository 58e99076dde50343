package render

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

const (
	// CommentLimit is how large a comment may be so that every host of pull requests takes it: GitHub allows 65,536
	// characters. It counts bytes, of which no text has fewer than characters or UTF-16 units.
	CommentLimit = 65_000
	// SummaryLimit is how large a job summary on GitHub may be, of all that one step writes. At 1 MiB the upload fails, and
	// just below it may be dropped.
	SummaryLimit = 1_000_000

	leastLimit  = 2_000 // what the first line, the footer and the marker take at most
	longestName = 200   // of a configuration, in bytes
)

// MarkdownOptions say where Markdown will stand. The zero value fits a comment of a pull request.
type MarkdownOptions struct {
	Name   string // of the configuration, where there are several in one repository: "infra/research"
	Limit  int    // in bytes; CommentLimit when it is 0, and at least 2,000
	Saved  string // the file that the plan was saved to
	Full   string // URL where the whole plan can be read
	Commit string // what the plan was made of: "main@4be1d02"
	Files  string // URL of the repository's files at that commit; places in files lead there
	Folder string // of the configuration in the repository: "infra/research", empty for the repository's own
}

// Marker is a comment that no reader sees, the last line of the Markdown of every plan of one configuration. Whoever posts
// it finds the earlier one by it.
func Marker(name string) string {
	var b strings.Builder
	name = limited(name, longestName)
	for i := 0; i < len(name); i++ {
		c := name[i]
		if isPathLetter(rune(c)) && (c != '-' || i > 0 && name[i-1] != '-') {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return strings.TrimRight("<!-- dstack plan "+b.String(), " ") + " -->"
}

// Markdown writes a plan for a pull request: a first line that is enough to decide, what is in danger, a table of all that
// changes, then the differences, folded, and the bill. It is never larger than the limit: the largest differences are left
// out first, and the first line counts what is missing. Every resource that is destroyed or replaced is named as long as
// the names alone fit. It holds no time of its own, so that the same plan gives the same text.
func Markdown(p *plan.Plan, o MarkdownOptions) []byte {
	m := newMarkdown(p, o)
	sections := []string{}
	add := func(s string) {
		if s != "" {
			sections = append(sections, s)
		}
	}
	footer := m.footer()
	m.claim(footer)
	verdict := m.verdict()
	m.claim(verdict + m.missing(missing{details: 1_000_000, names: 1_000_000})) // the longest that it can become
	m.claim(Marker(m.name))
	if m.v.nothing() {
		if _, matches, ok := strings.Cut(noChanges(p, ""), ". "); ok {
			m.claim(matches)
			add(matches + "\n")
		}
		add(m.remarks())
	} else {
		var left missing
		names, table := m.changes(&left)
		caution := m.caution()
		remarks := m.remarks()
		bill := m.bill()
		graph := m.graph()
		details := m.details(&left)
		verdict += m.missing(left)
		add(caution)
		add(names)
		add(table)
		add(remarks)
		add(details)
		add(bill)
		add(graph)
	}
	add(footer)
	return []byte("### " + verdict + "\n\n" + strings.Join(sections, "\n") + "\n" + Marker(m.name) + "\n")
}

// missing counts what did not fit.
type missing struct {
	details int // changes without their differences
	names   int // of resources that are destroyed or replaced
}

// markdown is one rendering with the room that is left in it.
type markdown struct {
	p      *plan.Plan
	o      MarkdownOptions
	v      *changeView
	w      writer
	name   string
	blocks []*block
	listed map[*block]bool // blocks with a row of their own in the table
	room   int
}

// fenceWidth is how wide lines in fenced blocks are: what a comment shows without being scrolled.
const fenceWidth = 100

func newMarkdown(p *plan.Plan, o MarkdownOptions) *markdown {
	m := &markdown{p: p, o: o, name: limited(o.Name, longestName), room: max(o.Limit, leastLimit), listed: map[*block]bool{}}
	if o.Limit == 0 {
		m.room = CommentLimit
	}
	m.room -= len("### \n\n\n\n")
	if len(o.Files) > 300 || !isURL(o.Files) {
		m.o.Files = ""
	}
	if len(o.Full) > 300 || !isURL(o.Full) {
		m.o.Full = ""
	}
	m.w = writer{code: code, files: strings.TrimSuffix(m.o.Files, "/"), folder: o.Folder}
	m.v = newChangeView(p, Options{Width: fenceWidth, Now: p.CreatedAt, document: true})
	m.blocks = m.v.changed()
	return m
}

// fits tells whether there is room for a section and the line after it.
func (m *markdown) fits(s string) bool { return len(s)+1 <= m.room }

// claim takes room for a section, if there is enough.
func (m *markdown) claim(s string) bool {
	if s == "" {
		return true
	}
	if !m.fits(s) {
		return false
	}
	m.room -= len(s) + 1
	return true
}

// fitting is the first of the sections that there is room for.
func (m *markdown) fitting(share int, sections ...func() string) string {
	for _, f := range sections {
		if s := f(); len(s) < share && m.claim(s) {
			return s
		}
	}
	return ""
}

// limited is text of at most n bytes, for names that nobody makes longer.
func limited(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func isURL(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && onlyOf(s, func(r rune) bool {
		return isPathLetter(r) || strings.ContainsRune(":~%@?=&+,", r)
	})
}

// verdict is the first line: what would be done, what it costs, and what is in danger.
func (m *markdown) verdict() string {
	word := "dstack " + strings.ToLower(sort(m.p))
	if m.name != "" {
		word += " of " + code(m.name)
	}
	if m.v.nothing() {
		what, _, _ := strings.Cut(noChanges(m.p, ""), ".")
		return word + ": " + strings.ToLower(what)
	}
	_, counts, _ := strings.Cut(headline(m.p), ": ")
	parts := []string{counts}
	if line := costLine(m.p); line != "" {
		parts = append(parts, m.w.prose(limited(line, 400)))
	}
	data, runs := false, 0
	for _, d := range m.v.dangers() {
		if d.data {
			data = true
		} else {
			runs++
		}
	}
	if denied := len(m.p.Denying()); denied > 0 {
		parts = append(parts, "denied by "+Count(denied, "policy"))
	}
	if data {
		parts = append(parts, "loses data")
	}
	if runs > 0 {
		parts = append(parts, "stops "+Count(runs, "run"))
	}
	return word + ": " + strings.Join(parts, " · ")
}

// missing says what is not there, and where it can be read.
func (m *markdown) missing(left missing) string {
	var parts []string
	if left.names > 0 {
		parts = append(parts, grouped(left.names)+" destroyed or replaced without a name here")
	}
	if left.details > 0 {
		parts = append(parts, Count(left.details, "change")+" without differences here")
	}
	if len(parts) == 0 {
		return ""
	}
	where := "`dstack plan` shows them"
	switch {
	case m.o.Full != "":
		where = "[all of it](" + m.o.Full + ")"
	case m.o.Saved != "" && len(m.o.Saved) <= 200:
		where = code("dstack show "+shellWord(m.o.Saved)) + " shows them"
	}
	return " · " + strings.Join(parts, ", ") + ": " + where
}

// footer says how the plan ends up, what it was made of, and how it is applied.
func (m *markdown) footer() string {
	var line []string
	c := m.p.Cost
	if c.Before != (plan.Amount{}) || c.After != (plan.Amount{}) {
		text := "**cost** " + amount(c.Before) + " → " + amount(c.After)
		if c.After.HourlyMax > c.After.Hourly {
			text += ", at most " + c.After.HourlyMax.Hourly()
		}
		line = append(line, text)
	}
	results := map[string]int{}
	for _, p := range m.p.Policies {
		results[string(p.Result)]++
	}
	var policies []string
	for _, r := range sortedKeys(results) {
		policies = append(policies, grouped(results[r])+" "+m.w.prose(limited(r, 20)))
	}
	if len(policies) > 0 && len(policies) <= 5 {
		line = append(line, "**policies** "+strings.Join(policies, ", "))
	}
	if n := summary(m.p).Support; n > 0 {
		line = append(line, Count(n, "support object"))
	}
	if !m.v.nothing() && m.p.Unchanged > 0 {
		line = append(line, grouped(m.p.Unchanged)+" unchanged")
	}
	from := "plan"
	if m.p.ID != "" {
		from += " " + code(limited(m.p.ID, 12))
	}
	if m.o.Commit != "" {
		from += " of " + code(limited(m.o.Commit, 120))
	}
	if m.p.Store != "" {
		from += " on " + m.w.prose(limited(m.p.Store, 200)) + fmt.Sprintf(", serial %d", m.p.Serial)
	}
	if v := m.versions(); v != "" {
		from += ", " + v
	}
	second := []string{from}
	if next := m.next(); next != "" && !m.v.nothing() {
		second = append(second, "to apply: "+code(next))
	}
	out := ""
	if len(line) > 0 {
		out = strings.Join(line, " · ") + "\\\n"
	}
	return out + strings.Join(second, " · ") + "\n"
}

// versions are those of dstack and of the providers that were asked.
func (m *markdown) versions() string {
	seen := map[string]bool{}
	for _, b := range m.p.Backends {
		seen[limited(b.Provider+" "+b.Version, 40)] = true
	}
	list := sortedKeys(seen)
	if m.p.DstackVersion != "" {
		list = append([]string{"dstack " + limited(m.p.DstackVersion, 40)}, list...)
	}
	if len(list) > 5 {
		list = list[:5]
	}
	return m.w.prose(strings.Join(list, ", "))
}

// next is the command that applies the plan, where one does.
func (m *markdown) next() string {
	switch {
	case len(m.p.Denying()) > 0, len(m.o.Saved) > 200:
		return ""
	case m.o.Saved != "":
		return "dstack apply " + shellWord(m.o.Saved)
	case m.p.RefreshOnly:
		return "dstack refresh"
	case m.p.Partial || m.p.Replaces():
		return "" // apply needs the same flags, which the plan does not know
	case m.p.Destroy:
		return "dstack destroy"
	}
	return "dstack apply"
}
