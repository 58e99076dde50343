package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/statefile"
)

// tallyOf counts what became of the declared resources.
func tallyOf(r *apply.Result, p *plan.Plan, st *statefile.State, elapsed time.Duration) render.Tally {
	t := render.Tally{Interrupted: r.Interrupted, Elapsed: elapsed, Before: p.Cost.Before, After: p.Cost.After, Serial: st.Serial()}
	changes := map[string]*plan.Change{}
	for _, c := range p.Changes {
		changes[c.Address] = c
	}
	// A replace is several steps of one address; it counts once, and as what is worst of them.
	type outcome struct{ failed, left bool }
	outcomes := map[string]*outcome{}
	for _, s := range r.Steps {
		c := changes[s.Address]
		if s.Op.IsCondition() {
			if s.Status == apply.Failed {
				t.Failed = append(t.Failed, render.FailedStep{Address: s.Address, Action: string(s.Op), Tries: 1, Message: "it does not hold; see below"})
			}
			continue
		}
		if c == nil || s.Op == plan.OpJoin {
			continue
		}
		o := outcomes[s.Address]
		if o == nil {
			o = &outcome{}
			outcomes[s.Address] = o
		}
		switch s.Status {
		case apply.Failed:
			o.failed = true
			message := "it failed"
			if s.Err != nil {
				message = s.Err.Error()
			}
			if s.Unknown {
				message += "\nWhether anything was made is not known; the next plan finds out."
			}
			t.Failed = append(t.Failed, render.FailedStep{Address: s.Address, Action: string(s.Op), Tries: s.Tries, Elapsed: s.Elapsed, Message: message})
		case apply.Skipped, apply.NotStarted:
			if !o.left && !o.failed {
				var because []string
				if s.Because != "" {
					because = []string{s.Because}
				}
				t.NotStarted = append(t.NotStarted, render.SkippedStep{Address: s.Address, Because: because})
			}
			o.left = true
		}
	}
	for address, o := range outcomes {
		if !o.failed && !o.left && changes[address].Kind != addr.KindSupport {
			t.Done++
		}
		c := changes[address]
		if c.Action == plan.DeleteThenCreate && (o.failed || o.left) && st.Resource(address) == nil {
			t.Gone = append(t.Gone, plan.Note{Address: address, Text: "the old one was destroyed, and there is no new one yet"})
		}
	}
	slices.SortFunc(t.Gone, func(x, y plan.Note) int { return statefile.CompareAddresses(x.Address, y.Address) })
	if !r.Complete() {
		t.After = t.Before // what it costs now is known after the next refresh
	}
	t.Ended = endedJobs(p, st)
	return t
}

// endedJobs are jobs that the plan started and that have ended by now, with how.
func endedJobs(p *plan.Plan, st *statefile.State) []plan.Note {
	var out []plan.Note
	for _, c := range p.Changes {
		if c.Kind != addr.KindJob || c.Action == plan.Delete || c.Action == plan.NoOp {
			continue
		}
		r := st.Resource(c.Address)
		if r == nil || !planner.Ended(r.Status) {
			continue
		}
		v := jobOf(r.Attributes)
		text := v.Status
		if v.Status != "done" {
			if v.Reason != "" {
				text += ", " + strings.ReplaceAll(v.Reason, "_", " ")
			}
			if v.ExitCode != nil {
				text += fmt.Sprintf(" (exit code %d)", *v.ExitCode)
			}
			if v.Started == "" && v.Message != "" {
				text += ": " + v.Message // it has no log that would say so
			}
		}
		out = append(out, plan.Note{Address: c.Address, Text: text})
	}
	return out
}

// mostFollow is how many commands are named at the end.
const mostFollow = 3

// follow names the commands that follow the runs that were started.
func (a *app) follow(p *plan.Plan, st *statefile.State) []string {
	var out []string
	more := 0
	seen := map[string]bool{}
	for _, c := range p.Changes {
		r := st.Resource(c.Address)
		if c.Kind != addr.KindJob || c.Action == plan.Delete || c.Action == plan.NoOp || r == nil {
			continue
		}
		name := jobOf(r.Attributes).Run
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if len(out) == mostFollow {
			more++
			continue
		}
		out = append(out, a.dstack()+" logs "+name)
	}
	if more > 0 {
		out = append(out, a.dstack()+" ps")
	}
	return out
}
