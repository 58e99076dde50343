package planner

import (
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// jobEnded handles a job that has ended: it stays as it is until its specification changes, or comes again as the next
// attempt when it failed.
func (w *walk) jobEnded(it *item) bool {
	live := it.rec.live()
	status := desired.Text(live, "status")
	if !isEnded(status) {
		return false
	}
	it.after = it.result.Settle(it.forced)
	reason := desired.Text(live, "reason")
	finished, _ := time.Parse(time.RFC3339, desired.Text(live, "finished_at"))
	how := w.how(status, finished)
	service := desired.Text(live, "type") == desired.TypeService
	switch {
	case it.asked:
		it.fresh, it.action = true, plan.Create
		it.reason = plan.AskedFor + "; " + how
	case it.after.Action == diff.Replace:
		it.fresh, it.action = true, plan.Create
		it.reason = firstPath(it.after) + " changed; " + how
		if why := it.forced[triggerPath]; why != "" {
			it.reason = why + "; " + how
		}
	case service && !stopped(status):
		it.fresh, it.action = true, plan.Create
		it.reason = "a service is to run; it " + how
	case status == "failed" && reason != "max_duration_exceeded":
		it.fresh, it.action = true, plan.Create
		it.reason = "it failed" + because(reason) + "; " + how
	default:
		it.action = plan.NoOp
		it.note = how + because(reason)
		w.ended[it.addr] = true
		return true
	}
	return true
}

// nextAttempt is the number that a job's next try would have.
func (w *walk) nextAttempt(it *item) int {
	if it.kind != addr.KindJob {
		return 0
	}
	last := 0
	if it.rec != nil {
		last = int(numberOf(it.rec.live(), "attempt"))
	}
	if run := w.state.Run(it.addr.Block.String()); run != nil {
		for _, j := range run.Jobs {
			if j.Index == it.addr.Index() {
				last = max(last, j.Attempt)
			}
		}
	}
	return last + 1
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + strings.ReplaceAll(reason, "_", " ") + ")"
}

func firstPath(r diff.Result) string {
	if len(r.Forces) > 0 {
		return r.Forces[0]
	}
	if len(r.Diffs) > 0 {
		return r.Diffs[0].Path
	}
	return "its specification"
}

// isEnded tells whether a job's status is final.
func isEnded(status string) bool {
	switch status {
	case "done", "failed", "terminated", "aborted", "lost":
		return true
	}
	return false
}

func numberOf(v cty.Value, name string) int64 {
	if v.IsNull() || !v.IsKnown() || !v.Type().HasAttribute(name) {
		return 0
	}
	n, _ := v.GetAttr(name).Unmark()
	if n.IsNull() || !n.IsKnown() || n.Type() != cty.Number {
		return 0
	}
	i, _ := n.AsBigFloat().Int64()
	return i
}

// stopped tells whether somebody stopped a job; that is meant to stay, also for a service.
func stopped(status string) bool { return status == "terminated" || status == "aborted" }

// how says how and when a job ended.
func (w *walk) how(status string, finished time.Time) string {
	if finished.IsZero() {
		return "ended " + status
	}
	return "ended " + status + " " + ago(w.now.Sub(finished))
}

// endedAway handles a job that is not there any more, because its instance is gone, and whose end is known: from its
// record, or from the section runs. It does not run again for that; one whose end nobody took is lost.
func (w *walk) endedAway(it *item) bool {
	var status, reason string
	var finished time.Time
	var prior diff.Value
	if it.rec != nil {
		status, reason = desired.Text(it.rec.value, "status"), desired.Text(it.rec.value, "reason")
		finished, _ = time.Parse(time.RFC3339, desired.Text(it.rec.value, "finished_at"))
		prior = diff.Value{V: it.rec.value, Digests: it.rec.Secrets}
		if !isEnded(status) {
			status, reason = "lost", "its instance is gone"
		}
	} else {
		run := w.state.Run(it.addr.Block.String())
		end := lastEnd(run, it.addr.Index())
		if end == nil || run.Destroyed {
			return false
		}
		status, reason, finished = end.Status, end.Reason, end.FinishedAt
		spec, err := schema.UnmarshalValue(it.object, run.Specification)
		if err != nil {
			return false
		}
		prior = diff.Value{V: spec, Digests: run.Secrets}
	}
	how := w.how(status, finished)
	want := it
	if it.rec == nil { // what is kept is the specification of one job of the run
		of := it.addr.Block.Job(int(numberOf(prior.V, "node_rank") + numberOf(prior.V, "replica")))
		if one := w.items[of]; one != nil {
			want = one
		}
	}
	changed := diff.Compare(it.object, prior, want.clean, diff.Options{Ignore: w.ignored(it)}).Settle(nil)
	service := desired.Text(it.want, "type") == desired.TypeService
	switch {
	case it.asked:
		it.reason = plan.AskedFor + "; " + how
	case it.forced[triggerPath] != "":
		it.reason = it.forced[triggerPath] + "; " + how
	case changed.Action == diff.Replace:
		it.reason = firstPath(changed) + " changed; " + how
	case service && !stopped(status):
		it.reason = "a service is to run; it " + how
	case status == "failed" && reason != "max_duration_exceeded":
		it.reason = "it failed" + because(reason) + "; " + how
	default:
		it.action, it.note = plan.NoOp, how+because(reason)
		it.planned = written(it.object, it.planned)
		w.ended[it.addr] = true
		return true
	}
	it.action = plan.Create
	return true
}

// written is a value with nothing but what a configuration says.
func written(o *schema.Object, v cty.Value) cty.Value {
	set := map[string]cty.Value{}
	for _, a := range o.Attrs {
		if !a.Configured() {
			set[a.Name] = cty.NullVal(a.Type)
		}
	}
	return desired.WithAttrs(v, set)
}

// lastEnd is how the latest attempt of a job ended.
func lastEnd(run *statefile.Run, index int) *statefile.RunJob {
	if run == nil {
		return nil
	}
	var last *statefile.RunJob
	for i, j := range run.Jobs {
		if j.Index == index && (last == nil || j.Attempt >= last.Attempt) {
			last = &run.Jobs[i]
		}
	}
	return last
}
