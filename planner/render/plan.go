package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// Text writes a plan for a terminal or a pipe: what would be done, what it costs, what is in danger and what is not known;
// then each change, the dangerous ones first; then what else a reviewer must know, the bill and the next command.
func Text(p *plan.Plan, o Options) string {
	if o.Now.IsZero() {
		o.Now = p.CreatedAt
	}
	v := newChangeView(p, o)
	var out strings.Builder
	if v.nothing() {
		indent(&out, "", noChanges(p, o), o.width())
		section(&out, o, v.remarks())
		if len(p.Diagnostics) > 0 {
			out.WriteString("\n" + Diagnostics(p.Diagnostics, o))
		}
		return out.String()
	}
	indent(&out, "", o.paint(headline(p), bold), o.width())
	if line := costLine(p); line != "" {
		indent(&out, "", line, o.width())
	}
	for _, d := range v.dangers() {
		indent(&out, o.paint("! ", red, bold), d, o.width())
	}
	for _, b := range v.blocks() {
		out.WriteByte('\n')
		b.write(&out, o)
	}
	section(&out, o, v.remarks())
	if table := costTable(p, o); table != "" {
		out.WriteString("\n" + table)
	}
	if len(p.Diagnostics) > 0 {
		out.WriteString("\n" + Diagnostics(p.Diagnostics, o))
	}
	if !o.Asking {
		out.WriteByte('\n')
		indent(&out, "", tally(p), o.width())
		out.WriteString(next(p, o))
	}
	return out.String()
}

func newChangeView(p *plan.Plan, o Options) *changeView {
	v := &changeView{o: o, p: p, supports: map[string][]*plan.Change{}, deletes: map[string]int{}, joins: map[int]*endings{}, changes: make(map[string]*plan.Change, len(p.Changes))}
	for _, c := range p.Changes {
		v.changes[c.Address] = c
		if c.Kind == addr.KindSupport && shownOf(c) != showNothing {
			owner := ownerOf(c.Address)
			v.supports[owner] = append(v.supports[owner], c)
		}
	}
	for i, s := range p.Steps {
		if s.Op == plan.OpDelete {
			v.deletes[s.Address] = i
		}
	}
	return v
}

// nothing tells whether there is nothing to do and nothing put off.
func (v *changeView) nothing() bool {
	for _, c := range v.p.Changes {
		if shownOf(c) != showNothing {
			return false
		}
	}
	for _, out := range v.p.Outputs {
		if out.Action != plan.NoOp && out.Action != "" {
			return false
		}
	}
	return len(v.p.Deferred) == 0
}

func noChanges(p *plan.Plan, o Options) string {
	checked := "checked " + Ago(p.CreatedAt, o.Now)
	if p.Destroy {
		return "Nothing to destroy. No resource is recorded."
	}
	not := len(p.NotChecked)
	switch {
	case p.Unchanged == 0 && not == 0:
		return "No changes. The configuration declares no resources, and none is recorded."
	case not > 0:
		return fmt.Sprintf("No changes. %s of %s match the configuration (%s); %d could not be checked.", grouped(max(0, p.Unchanged-not)), Count(p.Unchanged, "resource"), checked, not)
	case p.Unchanged == 1:
		return fmt.Sprintf("No changes. 1 resource matches the configuration (%s).", checked)
	}
	return fmt.Sprintf("No changes. %s match the configuration (%s).", Count(p.Unchanged, "resource"), checked)
}

// summary is the plan's own, or counted where it has none, so that a change is never unsaid.
func summary(p *plan.Plan) plan.Summary {
	if p.Summary != (plan.Summary{}) {
		return p.Summary
	}
	var s plan.Summary
	for _, c := range p.Changes {
		n := map[shown]*int{
			showCreate: &s.Create, showUpdate: &s.Update, showRecord: &s.Update, showReplace: &s.Replace, showReplaceNewFirst: &s.Replace,
			showDestroy: &s.Destroy, showForget: &s.Forget, showMove: &s.Move, showInFlight: &s.Adopt,
		}[shownOf(c)]
		switch {
		case n == nil:
		case c.Kind == addr.KindSupport:
			s.Support++
		default:
			*n++
		}
	}
	return s
}

// counts are the words of headline and tally.
func counts(p *plan.Plan) []string {
	s := summary(p)
	var out []string
	for _, c := range []struct {
		n    int
		word string
	}{
		{s.Create, "create"}, {s.Update, "update"}, {s.Replace, "replace"}, {s.Destroy, "destroy"}, {s.Adopt, "adopt"},
		{s.Move, "move"}, {s.Import, "import"}, {s.Forget, "forget"},
	} {
		if c.n > 0 {
			out = append(out, grouped(c.n)+" "+c.word)
		}
	}
	return out
}

func headline(p *plan.Plan) string {
	parts := counts(p)
	if len(parts) == 0 {
		switch {
		case summary(p).Support > 0:
			parts = append(parts, Count(summary(p).Support, "support object"))
		case len(p.Deferred) == 0:
			parts = append(parts, "only outputs change")
		}
	}
	if n := len(p.Deferred); n > 0 {
		parts = append(parts, grouped(n)+" deferred")
	}
	if n := len(p.NotChecked); n > 0 {
		parts = append(parts, grouped(n)+" not checked")
	}
	word := "Plan: "
	switch {
	case p.Destroy:
		word = "Destroy plan: "
	case p.Partial:
		word = "Partial plan: "
	}
	return word + strings.Join(parts, ", ")
}

func tally(p *plan.Plan) string {
	parts := counts(p)
	if summary(p).Support > 0 {
		parts = append(parts, Count(summary(p).Support, "support object"))
	}
	if n := len(p.Deferred); n > 0 {
		parts = append(parts, grouped(n)+" deferred")
	}
	if p.Unchanged > 0 {
		parts = append(parts, grouped(p.Unchanged)+" unchanged")
	}
	if len(counts(p)) == 0 && summary(p).Support == 0 && len(p.Deferred) == 0 {
		return "Only outputs change. Nothing was changed."
	}
	return strings.Join(parts, ", ") + ". Nothing was changed."
}

func next(p *plan.Plan, o Options) string {
	switch {
	case o.Saved != "":
		return "To apply exactly this plan:\n  dstack apply " + shellWord(o.Saved) + "\n"
	case p.Destroy:
		return "To do this:\n  dstack destroy\n"
	}
	return "To do this:\n  dstack apply\n"
}

// shellWord quotes a file's name where a shell would take it apart.
func shellWord(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%", r) {
			return "'" + strings.ReplaceAll(clean(s), "'", `'\''`) + "'"
		}
	}
	return s
}

// dangers are what a reader must not miss: data first, then work that is lost.
func (v *changeView) dangers() []string {
	lost, stopped := map[risk][]string{}, map[string]*stoppedRun{}
	for _, c := range v.p.Changes {
		if c.Action != plan.Delete && !c.Action.IsReplace() {
			continue
		}
		if c.DataAtRisk != "" {
			r := risk{c.Action.IsReplace(), c.DataAtRisk}
			lost[r] = append(lost[r], c.Address)
		}
		if c.Kind == addr.KindJob && c.Deposed == "" {
			stop(stopped, c)
		}
	}
	var data, runs []string
	for r, list := range lost {
		data = append(data, r.text(list))
	}
	for run, s := range stopped {
		if text := s.text(clean(run), v.p.CreatedAt); text != "" {
			runs = append(runs, text)
		}
	}
	slices.SortFunc(data, compareNatural)
	slices.SortFunc(runs, compareNatural)
	return append(data, runs...)
}

// risk is data that goes with resources, the same for each of them.
type risk struct {
	replaced bool
	data     string
}

func (r risk) text(list []string) string {
	each := ""
	if len(list) > 1 {
		each = " each"
	}
	if r.replaced {
		return "replaces " + addresses(list) + ": loses " + clean(r.data) + each
	}
	return "destroys " + addresses(list) + ": " + clean(r.data) + each
}

// stop counts a job among those that are stopped, if it is going on.
func stop(stopped map[string]*stoppedRun, c *plan.Change) {
	var job struct {
		Status  string `json:"status"`
		Started string `json:"started_at"`
		Type    string `json:"type"`
	}
	if json.Unmarshal(c.Before, &job) != nil || job.Status == "" || ended(job.Status) {
		return
	}
	run := blockOf(c.Address)
	s := stopped[run]
	if s == nil {
		s = &stoppedRun{service: job.Type == "service"}
		stopped[run] = s
	}
	s.jobs++
	s.again = s.again || c.Action.IsReplace()
	s.newFirst = s.newFirst || c.Action == plan.CreateThenDelete
	if at, err := time.Parse(time.RFC3339, job.Started); err == nil && (s.since.IsZero() || at.Before(s.since)) {
		s.since = at
	}
}

func ended(status string) bool {
	return slices.Contains([]string{"done", "failed", "terminated", "aborted", "lost"}, status)
}

// stoppedRun is a run that is going on and will not.
type stoppedRun struct {
	jobs     int
	again    bool
	newFirst bool
	service  bool
	since    time.Time
}

func (s *stoppedRun) text(run string, now time.Time) string {
	note := Count(s.jobs, "job")
	if !s.since.IsZero() {
		note += ", running for " + Duration(now.Sub(s.since))
	}
	switch {
	case s.service && s.again && s.newFirst:
		return "" // replicas follow each other without a pause
	case s.service && s.again:
		return "interrupts " + run + " (" + note + ")"
	case s.again:
		return "restarts " + run + " from its beginning (" + note + ")"
	}
	return "stops " + run + " (" + note + ")"
}

// blocks are the changes in the order of danger, then of addresses, with equal neighbours folded.
func (v *changeView) blocks() []*block {
	var list []*block
	for _, c := range v.p.Changes {
		if c.Kind == addr.KindSupport || shownOf(c) == showNothing {
			continue
		}
		list = append(list, v.block(c))
	}
	list = append(list, v.ownerless()...)
	slices.SortStableFunc(list, func(a, b *block) int {
		if d := a.rank() - b.rank(); d != 0 {
			return d
		}
		if d := compareNatural(a.base, b.base); d != 0 {
			return d
		}
		return compareNatural(a.keys[0], b.keys[0])
	})
	list = fold(list)
	for _, n := range v.p.Deferred {
		if n.Address != "" {
			list = append(list, deferred(n))
		}
	}
	return list
}

// shownSupports is how many support objects are named where nothing else is said of their owner.
const shownSupports = 3

// ownerless are support objects whose owner does not change itself.
func (v *changeView) ownerless() []*block {
	var out []*block
	for _, owner := range sortedKeys(v.supports) {
		if c := v.changes[owner]; c != nil && shownOf(c) != showNothing {
			continue
		}
		first := v.supports[owner][0]
		s := shownOf(first)
		for _, c := range v.supports[owner] {
			if shownOf(c) != s {
				s = showUpdate
			}
		}
		b := &block{base: owner, keys: []string{""}, action: s, title: "has other support objects than before"}
		switch s {
		case showCreate:
			b.title = "gets support objects"
		case showDestroy:
			b.title = "loses support objects"
		}
		if first.Reason != "" {
			b.fields = v.because(first)
		}
		b.fields = append(b.fields, v.supportFields(owner, v.o.Verbose || len(v.supports[owner]) <= shownSupports)...)
		out = append(out, b)
	}
	return out
}

func deferred(n plan.Note) *block {
	return &block{base: n.Address, keys: []string{""}, action: showInFlight, title: "is deferred", fields: []field{{label: "because", lines: []string{clean(n.Text)}}}}
}

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
	for _, n := range foldNotes(v.p.NotChecked) {
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
		text := clean(p.Name) + " " + clean(p.Result)
		if p.Message != "" {
			text += ": " + clean(p.Message)
		}
		out = append(out, remark{"Policies", text})
	}
	return out
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

func driftText(d *plan.Drift, room int) string {
	var parts []string
	if d.Gone {
		parts = append(parts, "it is gone")
	}
	for _, a := range d.Diff {
		lines := diffLines(a, true, room)
		if _, several := textDiff(a.Before, a.After); several && !a.Sensitive && !a.Unknown {
			lines = []string{"its text differs"}
		}
		parts = append(parts, label(a.Path)+" "+strings.Join(lines, " "))
	}
	text := clean(d.Address) + ": " + strings.Join(parts, ", ")
	switch d.Class {
	case "conflict":
		text += "; the plan sets it back"
	case "feeds":
		text += "; what changes depends on it"
	case "informational":
		text += "; nothing depends on it"
	}
	return text
}

func outputText(name string, out *plan.Output, room int) string {
	if out.Action == plan.NoOp || out.Action == "" {
		return ""
	}
	d := plan.AttrDiff{Path: name, Before: out.Before, After: out.After, Unknown: out.Unknown, Sensitive: out.Sensitive}
	symbol := map[plan.Action]string{plan.Create: "+", plan.Delete: "-"}[out.Action]
	if symbol == "" {
		symbol = "~"
	}
	lines := diffLines(d, false, room-len(name)-5)
	if _, several := textDiff(out.Before, out.After); several && !out.Sensitive && !out.Unknown {
		return symbol + " " + clean(name) + "\n" + strings.Join(lines, "\n")
	}
	return symbol + " " + clean(name) + "  " + strings.Join(lines, " ")
}
