package planner

import (
	"context"
	"log/slog"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// logPlan writes down what a plan came to, and each decision in it. Values are left out: they are in the plan, where what
// is secret of them is hidden.
func (p *Planner) logPlan(ctx context.Context, out *plan.Plan, diags diag.List, took time.Duration) {
	if !p.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	if out == nil {
		p.Log.Debug("plan cannot be made", "op", "plan", "errors", len(diags)-len(diags.Warnings()), "duration", took)
		return
	}
	for _, c := range out.Changes {
		attrs := []any{"addr", c.Address, "op", string(c.Action)}
		for _, path := range c.ReplacePaths {
			attrs = append(attrs, "forced_by", path)
		}
		for _, cause := range c.Cause {
			attrs = append(attrs, "caused_by", cause.Place)
		}
		if c.Offer != nil {
			attrs = append(attrs, "backend", c.Backend, "region", c.Offer.Region, "zone", c.Zone, "type", c.Offer.InstanceType, "candidates", len(c.Candidates), "left_out", len(c.LeftOut))
		}
		if c.Placement != nil {
			attrs = append(attrs, "on", c.Placement.Instance)
		}
		p.Log.Debug("decided", attrs...)
	}
	for _, d := range out.Drift {
		p.Log.Debug("drift", "addr", d.Address, "class", d.Class, "gone", d.Gone, "differences", len(d.Diff))
	}
	for _, n := range out.NotChecked {
		p.Log.Debug("not checked", "addr", n.Address)
	}
	for _, r := range out.Policies {
		p.Log.Debug("policy", "name", r.Name, "result", string(r.Result))
	}
	p.Log.Debug("plan is made", "op", "plan", "plan", out.ID, "serial", out.Serial, "changes", len(out.Changes), "steps", len(out.Steps), "unchanged", out.Unchanged,
		"deferred", len(out.Deferred), "warnings", len(diags.Warnings()), "duration", took)
}

// logStep writes down what happens to a step of an apply.
func (p *Planner) logStep(e apply.Event) {
	attrs := []any{"addr", e.Address, "op", string(e.Op), "event", string(e.Type), "duration", e.Elapsed}
	if e.Phase != "" {
		attrs = append(attrs, "phase", e.Phase, "done", e.Done, "total", e.Total)
	}
	p.Log.Debug("step", attrs...)
}
