package render

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// EventType is what happened to a step.
type EventType string

// Types of events.
const (
	Started  EventType = "started"
	Progress EventType = "progress" // Phase, Done and Total say how far it is
	Done     EventType = "done"
	Failed   EventType = "failed" // Message says why
	Retry    EventType = "retry"  // it failed and is tried again; Message says why
	Waiting  EventType = "waiting"
	Skipped  EventType = "skipped" // never started; Message says because of what
)

// Event is one thing that an apply tells.
type Event struct {
	Time    time.Time
	Type    EventType
	Address string
	Action  string // create, update, destroy, adopt...
	Phase   string // "waiting for SSH"
	Done    int
	Total   int
	Elapsed time.Duration
	Message string
	For     []string // addresses that a waiting step waits for
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
		text = "failed: " + e.Message
	case Retry:
		text = "tried again: " + e.Message
	case Waiting:
		text = "waiting for " + addresses(slices.Clone(e.For))
	case Skipped:
		text = "not started: " + e.Message
	default:
		text = string(e.Type)
	}
	return join("  ", e.Time.Format("15:04:05"), clean(e.Address), clean(e.Action), clean(strings.TrimSpace(text)))
}

// Live is an apply as a terminal shows it: one block that is drawn again after each event.
type Live struct {
	title       string // "night.plan"
	total       int
	parallelism int
	began       time.Time

	done, failed, skipped int
	finished              []Event // the last ones
	running               []Event // in the order of their start, each with its newest progress
	waiting               []Event
	index                 map[string]EventType
}

// keptFinished is how many finished steps the block remembers.
const keptFinished = 64

// NewLive begins the block of an apply of total changes.
func NewLive(title string, total, parallelism int, began time.Time) *Live {
	return &Live{title: title, total: total, parallelism: parallelism, began: began, index: map[string]EventType{}}
}

// Add takes an event in. What was never said to wait is not looked for there: thousands may wait.
func (l *Live) Add(e Event) {
	key := e.Address + "\x00" + e.Action
	at := func(list []Event) int {
		return slices.IndexFunc(list, func(x Event) bool { return x.Address == e.Address && x.Action == e.Action })
	}
	switch e.Type {
	case Started, Progress, Retry:
		if i := at(l.running); i >= 0 {
			e.Elapsed = 0
			started := l.running[i].Time
			l.running[i] = e
			l.running[i].Time = started
		} else {
			l.running = append(l.running, e)
		}
		if l.index[key] == Waiting {
			l.drop(&l.waiting, at(l.waiting))
		}
	case Waiting:
		if l.index[key] != Waiting {
			l.waiting = append(l.waiting, e)
		}
	case Done, Failed, Skipped:
		l.drop(&l.running, at(l.running))
		if l.index[key] == Waiting {
			l.drop(&l.waiting, at(l.waiting))
		}
		if prior := l.index[key]; prior == Done || prior == Failed || prior == Skipped {
			return
		}
		switch e.Type {
		case Done:
			l.done++
		case Failed:
			l.failed++
		default:
			l.skipped++
		}
		l.finished = append(l.finished, e)
		if len(l.finished) > keptFinished {
			l.finished = slices.Delete(l.finished, 0, len(l.finished)-keptFinished)
		}
	}
	l.index[key] = e.Type
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
	waiting := l.waiting[:min(len(l.waiting), room-len(running)-len(finished))]
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
	for _, e := range waiting {
		lines = append(lines, clip("  "+o.paint("waiting", dim)+"   "+clean(e.Address)+"  for "+addresses(slices.Clone(e.For)), o.width()))
	}
	return append(lines, l.counts())
}

func newest(list []Event, n int) []Event { return list[max(0, len(list)-max(n, 0)):] }

// counts is the last line: "[3/7] 2 running, 2 waiting".
func (l *Live) counts() string {
	ended := l.done + l.failed + l.skipped
	parts := []string{fmt.Sprintf("%d running", len(l.running))}
	if l.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", l.failed))
	}
	if n := l.total - ended - len(l.running); n > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting", n))
	}
	return fmt.Sprintf("[%d/%d] ", ended, l.total) + strings.Join(parts, ", ")
}

func finishedLine(e Event, o Options) string {
	switch e.Type {
	case Failed:
		return clip("  "+o.paint("failed", red)+"    "+clean(e.Address)+"  "+clean(e.Action)+": "+clean(e.Message), o.width())
	case Skipped:
		return clip("  skipped   "+clean(e.Address)+"  "+clean(e.Message), o.width())
	}
	return clip("  "+o.paint("done", green)+"      "+clean(e.Address)+" "+past(e.Action)+" ("+Duration(e.Elapsed)+")", o.width())
}

func runningLine(e Event, o Options) string {
	text := "  " + o.paint("running", yellow) + "   " + clean(e.Address) + "  " + present(e.Action)
	switch {
	case e.Type == Retry:
		text += ": tried again, " + clean(e.Message)
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
	case "forget":
		return "forgotten"
	case "record":
		return "recorded"
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
	}
	return clean(action)
}
