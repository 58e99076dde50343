package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// Tally is the end of an apply: what was done, what was not, and what to do next.
type Tally struct {
	Done        int
	Interrupted bool // by the user: what is left was not started because of that
	Failed      []FailedStep
	NotStarted  []SkippedStep
	Gone        []plan.Note // what does not exist any more because the apply stopped between destroying and creating
	Ended       []plan.Note // jobs that ended during the apply, with how
	Before      plan.Amount
	After       plan.Amount
	Serial      uint64 // of the state that holds it
	Elapsed     time.Duration
	Next        string // the command that goes on: dstack apply night.plan
	Follow      []string
}

// FailedStep is a step that did not succeed.
type FailedStep struct {
	Address string
	Action  string
	Tries   int
	Elapsed time.Duration
	Message string // why, with the provider's code
}

// SkippedStep is a step that was never started.
type SkippedStep struct {
	Address string
	Because []string // the addresses whose steps failed; none after an interrupt
}

// tallyWidth is the room for the word in front of a line.
const tallyWidth = 15

// Text writes the end of an apply.
func (t Tally) Text(o Options) string {
	var b strings.Builder
	indent(&b, "", t.headline(), o.width())
	if t.Before != t.After {
		indent(&b, "", amount(t.Before)+" -> "+amount(t.After), o.width())
	}
	var list []remark
	for _, n := range foldNotes(t.Gone) {
		list = append(list, remark{"  gone", n})
	}
	for _, f := range foldFailed(t.Failed) {
		list = append(list, remark{"  failed", f})
	}
	for _, s := range foldSkipped(t.NotStarted) {
		list = append(list, remark{"  not started", s})
	}
	for _, n := range foldNotes(t.Ended) {
		list = append(list, remark{"  ended", n})
	}
	if len(list) > 0 {
		b.WriteByte('\n')
	}
	for _, r := range list {
		prefix := pad(r.word, tallyWidth)
		if strings.TrimSpace(r.word) == "failed" {
			prefix = o.paint(r.word, red) + strings.Repeat(" ", tallyWidth-len(r.word))
		}
		for _, line := range strings.Split(r.text, "\n") {
			indent(&b, prefix, line, o.width())
			prefix = strings.Repeat(" ", tallyWidth)
		}
	}
	if t.incomplete() {
		fmt.Fprintf(&b, "\nWhat was done is recorded (serial %d).", t.Serial)
		if t.Next != "" {
			b.WriteString(" To try the rest again:\n  " + clean(t.Next))
		}
		b.WriteByte('\n')
	}
	if len(t.Follow) > 0 {
		b.WriteString("\nTo follow what runs:\n")
		for _, c := range t.Follow {
			b.WriteString("  " + clean(c) + "\n")
		}
	}
	return b.String()
}

func (t Tally) incomplete() bool {
	return t.Interrupted || len(t.Failed) > 0 || len(t.NotStarted) > 0
}

func (t Tally) headline() string {
	if !t.incomplete() {
		return fmt.Sprintf("Apply finished: %s done in %s (serial %d).", grouped(t.Done), Duration(t.Elapsed), t.Serial)
	}
	word := "Apply stopped: "
	if t.Interrupted {
		word = "Apply interrupted: "
	}
	parts := []string{grouped(t.Done) + " done"}
	if n := len(t.Failed); n > 0 {
		parts = append(parts, grouped(n)+" failed")
	}
	if n := len(t.NotStarted); n > 0 {
		text := grouped(n) + " not started"
		if len(t.Failed) > 0 && !t.Interrupted {
			text += " because of them"
		}
		parts = append(parts, text)
	}
	return word + strings.Join(parts, ", ") + "."
}

// foldFailed writes failures, those that say the same of several resources once.
func foldFailed(list []FailedStep) []string {
	type saying struct {
		action, message string
		tries           int
		elapsed         string
	}
	var order []saying
	all := map[saying][]string{}
	for _, f := range list {
		k := saying{f.Action, f.Message, f.Tries, Duration(f.Elapsed)}
		if _, ok := all[k]; !ok {
			order = append(order, k)
		}
		all[k] = append(all[k], f.Address)
	}
	var out []string
	for _, k := range order {
		text := listed(all[k]) + "   " + word(k.action)
		if k.tries > 1 {
			text += fmt.Sprintf(", %d tries in %s", k.tries, k.elapsed)
		}
		for _, line := range strings.Split(strings.TrimSpace(k.message), "\n") {
			text += "\n" + clean(line)
		}
		out = append(out, text)
	}
	return out
}

func foldSkipped(list []SkippedStep) []string {
	var order []string
	all := map[string][]string{}
	for _, s := range list {
		why := "the apply was interrupted"
		if len(s.Because) > 0 {
			why = "needs " + addresses(slices.Clone(s.Because))
		}
		if _, ok := all[why]; !ok {
			order = append(order, why)
		}
		all[why] = append(all[why], s.Address)
	}
	var out []string
	for _, why := range order {
		out = append(out, listed(all[why])+"   "+why)
	}
	return out
}

// listed is addresses with commas: "fleet.train.instance[0], [1]".
func listed(list []string) string { return strings.ReplaceAll(addresses(list), " and [", ", [") }
