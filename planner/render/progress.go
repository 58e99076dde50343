package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// EventType is what happened to a step.
type EventType string

// Types of events.
const (
	Started     EventType = "start"
	Progress    EventType = "progress"    // Phase, Done and Total say how far it is
	Done        EventType = "done"        // Elapsed says how long it took
	Failed      EventType = "failed"      // Message says why
	Retry       EventType = "retry"       // it failed and is tried again after Wait; Message says why
	Candidate   EventType = "candidate"   // another offer is taken; Message says which and why
	Skipped     EventType = "skipped"     // never started; Message says because of what
	Interrupted EventType = "interrupted" // nothing new is started; Message names what is in flight
)

// Event is one thing that an apply tells.
type Event struct {
	Time    time.Time
	Type    EventType
	Address string
	Deposed string // the key of an old object
	Action  string // create, update, delete, adopt...
	Phase   string // "waiting for SSH"
	Done    int64
	Total   int64
	Elapsed time.Duration
	Wait    time.Duration // until the next try
	Message string
}

// Line writes an event for a pipe: "14:02:11  fleet.train.instance[1]  create  waiting for SSH (3/5)".
func (e Event) Line() string {
	text := ""
	switch e.Type {
	case Started:
		text = "started"
	case Progress:
		text = first(e.Phase, "going on")
		if e.Total > 0 {
			text += fmt.Sprintf(" (%d/%d)", e.Done, e.Total)
		}
	case Done:
		text = "done in " + Duration(e.Elapsed)
	case Failed:
		text = "failed: " + flat(e.Message)
	case Retry:
		text = e.again() + ": " + flat(e.Message)
	case Candidate:
		text = "next offer: " + flat(e.Message)
	case Interrupted:
		text = "interrupted: " + flat(e.Message)
	case Skipped:
		text = "not started: " + flat(e.Message)
	default:
		text = string(e.Type)
	}
	return join("  ", e.Time.Format("15:04:05"), e.name(), word(e.Action), clean(strings.TrimSpace(text)))
}

// flat is a message of several lines in one: the first says what happened, the others what that means.
func flat(message string) string {
	var lines []string
	for line := range strings.Lines(message) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) < 2 {
		return strings.TrimSpace(message)
	}
	return lines[0] + ": " + strings.Join(lines[1:], "; ")
}

// word is what an action is called everywhere else.
func word(action string) string {
	if action == "delete" {
		return "destroy"
	}
	return clean(action)
}

// name is the address, with the key of the old object where one is meant.
func (e Event) name() string {
	if e.Deposed == "" {
		return clean(e.Address)
	}
	return clean(e.Address) + " (old one " + clean(e.Deposed) + ")"
}

func (e Event) again() string {
	if e.Wait <= 0 {
		return "tried again"
	}
	return "tried again in " + Duration(e.Wait)
}

func (e Event) key() string { return stepKey(e.Address, e.Deposed, e.Action) }

func stepKey(address, deposed, action string) string {
	return address + "\x00" + deposed + "\x00" + action
}

// Live is an apply as a terminal shows it: one block that is drawn again after each event.
type Live struct {
	title       string
	total       int
	parallelism int
	began       time.Time

	left                  map[string]int // steps to go, by declared address
	done, failed, skipped int
	notice                string  // that it was interrupted
	finished              []Event // the last ones
	running               []Event // in the order of their start, each with its newest progress
	latest                map[string]EventType

	steps  []plan.Step
	stepAt map[string]int // by key
	users  [][]int        // of each step: those that need it
	passed []bool         // steps that are not shown as waiting; what needs them waits for what they need
}

// keptFinished is how many finished steps the block remembers.
const keptFinished = 64

// NewLive begins the block of an apply of p. Declared resources are counted, one that is replaced once; support objects
// are shown while they are worked on and not counted. Parallelism is left out of the block where it is 0.
func NewLive(p *plan.Plan, title string, parallelism int, began time.Time) *Live {
	l := &Live{title: title, parallelism: parallelism, began: began, left: map[string]int{}, latest: map[string]EventType{}}
	declared := make(map[string]bool, len(p.Changes))
	for _, c := range p.Changes {
		declared[c.Address] = c.Kind != addr.KindSupport
	}
	for _, s := range p.Steps {
		if declared[s.Address] && s.Op != plan.OpJoin {
			l.left[s.Address]++
		}
	}
	l.total = len(l.left)
	l.steps, l.stepAt = p.Steps, make(map[string]int, len(p.Steps))
	l.users, l.passed = make([][]int, len(p.Steps)), make([]bool, len(p.Steps))
	for i, s := range p.Steps {
		l.passed[i] = s.Op == plan.OpJoin || !declared[s.Address]
		if s.Op != plan.OpJoin {
			l.stepAt[stepKey(s.Address, s.Deposed, string(s.Op))] = i
		}
		for _, need := range s.Needs {
			l.users[need] = append(l.users[need], i)
		}
	}
	return l
}

// Add takes an event in.
func (l *Live) Add(e Event) {
	key := e.key()
	last := l.latest[key]
	at := func(list []Event) int {
		return slices.IndexFunc(list, func(x Event) bool { return x.key() == key })
	}
	switch e.Type {
	case Interrupted:
		l.notice = "Interrupted: nothing new is started. Once more ends what runs."
		return
	case Started, Progress, Retry, Candidate:
		if i := at(l.running); i >= 0 {
			started := l.running[i].Time
			l.running[i] = e
			l.running[i].Time = started
		} else {
			l.running = append(l.running, e)
		}
	case Done, Failed, Skipped:
		l.drop(&l.running, at(l.running))
		if last == Done || last == Failed || last == Skipped {
			return // told twice
		}
		l.end(e)
	}
	l.latest[key] = e.Type
}

// end counts a step that is over. A resource is done with the last of its steps, and failed or skipped with the first.
func (l *Live) end(e Event) {
	l.finished = append(l.finished, e)
	if len(l.finished) > keptFinished {
		l.finished = slices.Delete(l.finished, 0, len(l.finished)-keptFinished)
	}
	left := l.left[e.Address]
	switch {
	case left <= 0:
	case e.Type == Failed:
		l.failed++
		l.left[e.Address] = 0
	case e.Type == Skipped:
		l.skipped++
		l.left[e.Address] = 0
	default:
		if l.left[e.Address]--; left == 1 {
			l.done++
		}
	}
}

func (l *Live) drop(list *[]Event, i int) {
	if i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
}

// Block draws the apply as it is at o.Now in at most height lines: what runs is there before what is done, and what is
// done before what waits. Every line fits the width, so that the block can be drawn over.
func (l *Live) Block(o Options, height int) []string {
	height = max(height, 3)
	room := height - 2
	running := newest(l.running, room)
	finished := newest(l.finished, room-len(running))
	head := "Applying " + clean(l.title) + ": " + Count(l.total, "change")
	if l.parallelism > 0 {
		head += fmt.Sprintf(", %d at a time", l.parallelism)
	}
	elapsed := Duration(o.Now.Sub(l.began))
	lines := []string{pad(clip(head, o.width()-len(elapsed)-1), o.width()-displayWidth(elapsed)) + elapsed}
	for _, e := range finished {
		lines = append(lines, finishedLine(e, o))
	}
	for _, e := range running {
		lines = append(lines, runningLine(e, o))
	}
	for _, w := range l.waiting(room - len(running) - len(finished)) {
		lines = append(lines, clip("  "+o.paint("waiting", dim)+"   "+clean(w.address)+"  for "+addresses(w.need), o.width()))
	}
	return append(lines, clip(l.counts(), o.width()))
}

// wait is a step that is held up.
type wait struct {
	address string
	need    []string // what runs and has to be done before
}

// waiting are at most that many of the steps that come next: those that wait for what runs, in the order of the plan.
func (l *Live) waiting(most int) []wait {
	if most <= 0 {
		return nil
	}
	found := map[int]map[string]bool{} // by step: addresses that it waits for
	for _, e := range l.running {
		first, known := l.stepAt[e.key()]
		if !known {
			continue
		}
		seen := map[int]bool{first: true}
		for queue := []int{first}; len(queue) > 0; {
			at := queue[0]
			queue = queue[1:]
			direct := 0
			for _, user := range l.users[at] {
				if direct > 2*most {
					break // thousands may wait for one; those that come first are enough, each may be two steps
				}
				s := l.steps[user]
				switch {
				case seen[user]:
				case l.passed[user]:
					seen[user] = true
					queue = append(queue, user)
				case l.latest[stepKey(s.Address, s.Deposed, string(s.Op))] == "":
					seen[user] = true
					direct++
					if found[user] == nil {
						found[user] = map[string]bool{}
					}
					found[user][e.Address] = true
				}
			}
		}
	}
	var out []wait
	told := map[string]bool{} // a replace is two steps of one address
	for _, i := range slices.Sorted(maps.Keys(found)) {
		s := l.steps[i]
		delete(found[i], s.Address) // of its own old object
		if len(out) == most || len(found[i]) == 0 || told[s.Address] {
			continue
		}
		told[s.Address] = true
		out = append(out, wait{s.Address, slices.Sorted(maps.Keys(found[i]))})
	}
	return out
}

// Rows is how many rows of a terminal of that width lines take that may have been drawn for a wider one.
func Rows(lines []string, width int) int {
	if width <= 0 {
		return len(lines)
	}
	rows := 0
	for _, line := range lines {
		rows += max(1, (displayWidth(line)+width-1)/width)
	}
	return rows
}

func newest(list []Event, n int) []Event { return list[max(0, len(list)-max(n, 0)):] }

// counts is the last line: "[3/7] 2 running, 2 waiting".
func (l *Live) counts() string {
	ended := l.done + l.failed + l.skipped
	running := 0
	for _, e := range l.running {
		if l.left[e.Address] > 0 {
			running++
		}
	}
	parts := []string{fmt.Sprintf("%d running", running)}
	if l.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", l.failed))
	}
	if n := l.total - ended - running; n > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting", n))
	}
	return join("  ", fmt.Sprintf("[%d/%d] ", ended, l.total)+strings.Join(parts, ", "), l.notice)
}

func finishedLine(e Event, o Options) string {
	switch e.Type {
	case Failed:
		return clip("  "+o.paint("failed", red)+"    "+e.name()+"  "+word(e.Action)+": "+clean(flat(e.Message)), o.width())
	case Skipped:
		return clip("  skipped   "+e.name()+"  "+clean(flat(e.Message)), o.width())
	}
	return clip("  "+o.paint("done", green)+"      "+e.name()+" "+past(e.Action)+" ("+Duration(e.Elapsed)+")", o.width())
}

func runningLine(e Event, o Options) string {
	text := "  " + o.paint("running", yellow) + "   " + e.name() + "  " + present(e.Action)
	switch {
	case e.Type == Retry:
		text += ": " + e.again() + ", " + clean(flat(e.Message))
	case e.Type == Candidate:
		text += ": next offer, " + clean(flat(e.Message))
	case e.Phase != "":
		text += ": " + clean(e.Phase)
	}
	if e.Total > 0 {
		text += fmt.Sprintf(", %d of %d", e.Done, e.Total)
	}
	elapsed := "  " + Duration(o.Now.Sub(e.Time))
	return clip(text, o.width()-len(elapsed)) + elapsed
}

// clip ends a line of the block where the terminal does. Nothing is lost by it: the tally has everything whole.
func clip(s string, width int) string {
	if displayWidth(s) <= width {
		return s
	}
	var b strings.Builder
	used := 0
	colored := false
	for i := 0; i < len(s); {
		if s[i] == 0x1b {
			end := i + strings.IndexByte(s[i:], 'm') + 1
			colored = s[i:end] != reset
			b.WriteString(s[i:end])
			i = end
			continue
		}
		r := []rune(s[i:min(len(s), i+4)])[0]
		text := string(r)
		w := displayWidth(text)
		if used+w > width-3 {
			break
		}
		b.WriteString(text)
		used += w
		i += len(text)
	}
	if colored {
		b.WriteString(reset)
	}
	return b.String() + "..."
}

func past(action string) string {
	switch action {
	case "create":
		return "created"
	case "delete", "destroy":
		return "destroyed"
	case "update":
		return "updated"
	case "adopt":
		return "adopted"
	case "replace":
		return "replaced"
	case "import":
		return "imported"
	case "forget":
		return "forgotten"
	case "record":
		return "recorded"
	case "depose":
		return "set aside"
	}
	return clean(action) + " done"
}

func present(action string) string {
	switch action {
	case "create":
		return "creating"
	case "delete", "destroy":
		return "destroying"
	case "update":
		return "updating"
	case "adopt":
		return "adopting"
	case "replace":
		return "replacing"
	case "record":
		return "recording"
	case "forget":
		return "forgetting"
	case "depose":
		return "setting aside"
	}
	return clean(action)
}
