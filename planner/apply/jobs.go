package apply

import (
	"context"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// keepJobs is how many ended jobs a run remembers.
const keepJobs = 100

// Words of a job's end that core itself finds.
const (
	statusLost       = "lost"
	statusTerminated = "terminated"
	reasonByUser     = "terminated_by_user"
)

// jobEnd is how a job ended that is about to leave the resources: the section runs keeps it. nil is for what is no job.
type jobEnd struct {
	e       *engine
	rec     *statefile.Resource
	address addr.Resource
	job     schema.Job
	value   cty.Value
	kept    bool // it is recorded already
	final   bool // its whole run is taken down
}

// endOfJob takes what the plan saw of a job, else what is recorded. A job that is gone, and whose end nobody saw, is lost.
func (e *engine) endOfJob(r *statefile.Resource, c *plan.Change, gone bool) *jobEnd {
	if r == nil || r.Kind != addr.KindJob {
		return nil
	}
	a, err := addr.ParseResource(r.Address)
	if err != nil {
		return nil
	}
	end := &jobEnd{e: e, rec: r, address: a}
	raw := r.Attributes
	if c != nil && len(c.Before) > 0 {
		raw = c.Before
	}
	end.final = c != nil && c.EndsRun
	v, err := schema.UnmarshalValue(schema.KindObject(addr.KindJob), raw)
	if err != nil {
		return nil
	}
	end.take(v)
	if gone && !end.over() {
		end.job.Status, end.job.Reason = statusLost, ""
	}
	return end
}

func (j *jobEnd) take(v cty.Value) {
	if job, err := schema.Decode[schema.Job](v); err == nil {
		if j.job.Instance != "" {
			job.Instance = j.job.Instance // as recorded: a provider may know it under an address that it had
		}
		j.job, j.value = job, v
	}
}

// over tells whether the status is final.
func (j *jobEnd) over() bool {
	switch j.job.Status {
	case "done", "failed", statusTerminated, "aborted", statusLost:
		return true
	}
	return false
}

// lastLook learns how a job ended before it is deleted, and records it. What cannot be asked stays as it was seen.
func (e *engine) lastLook(ctx context.Context, w *worker, a *attempt, end *jobEnd) error {
	w.flush(ctx)
	if !end.over() {
		seen := make(chan cty.Value, 1)
		err, _ := e.guarded(ctx, e.policy.Find, func(ctx context.Context) error {
			return a.res.Read(ctx, []providers.Object[cty.Value]{a.prior}, func(_ int, o providers.Observed[cty.Value]) {
				if o.Presence == providers.Present {
					select {
					case seen <- o.Object.Value:
					default:
					}
				}
			})
		})
		select {
		case v := <-seen:
			if err == nil {
				end.take(v)
			}
		default:
		}
	}
	if e.opts.KeepLog != nil {
		if b, _, err := e.opts.Backends(ctx, a.backend); err == nil {
			job := providers.Need{Address: a.ref.Address, Kind: a.kind, Backend: a.backend, Object: a.prior}
			if end.value != cty.NilVal {
				job.Object.Value = end.value // its agent may have tried it again since it was recorded
			}
			e.opts.KeepLog(ctx, b, job, a.op.Needs)
		}
	}
	if !end.over() {
		return nil
	}
	err := w.writeEntry(ctx, &entry{locks: end.locks(), records: end.records})
	end.kept = err == nil
	return err
}

// deleted is told that a job was deleted, with the last that its provider reported of it.
func (j *jobEnd) deleted(last *providers.Object[cty.Value]) {
	if j == nil {
		return
	}
	if last != nil && last.Value != cty.NilVal && !last.Value.IsNull() && !j.over() {
		j.take(last.Value)
	}
	if !j.over() {
		j.job.Status, j.job.Reason = statusTerminated, reasonByUser
		j.job.Finished = j.e.clock.Now().UTC().Format(time.RFC3339)
	}
}

func (j *jobEnd) run() string { return j.address.Block.String() }

func (j *jobEnd) locks() []lockName {
	if j == nil || j.kept {
		return nil
	}
	return []lockName{{name: j.run()}}
}

// records keep the end in the section runs. They are made under the lock of the run.
func (j *jobEnd) records() ([]statefile.Record, error) {
	if j == nil || j.kept {
		return nil, nil
	}
	e := j.e
	run := e.state.Run(j.run()).Clone()
	if run == nil {
		run = &statefile.Run{Address: j.run(), Name: j.job.Run, Type: j.job.Type, SubmittedAt: parseTime(j.job.Submitted)}
	}
	// All jobs of a run have one specification but for what is their own; that of the one that ended last counts.
	text, digests, err := j.specification()
	if err != nil {
		return nil, err
	}
	run.Specification, run.Secrets = text, digests
	attempt := max(1, j.job.Attempt)
	ended := statefile.RunJob{
		Index: j.address.Index(), Attempt: attempt, Status: j.job.Status, Reason: j.job.Reason, ExitCode: j.job.ExitCode, Instance: j.job.Instance,
		SubmittedAt: parseTime(j.job.Submitted), StartedAt: parseTime(j.job.Started), FinishedAt: parseTime(j.job.Finished),
	}
	run.Jobs = slices.DeleteFunc(run.Jobs, func(o statefile.RunJob) bool { return o.Index == ended.Index && o.Attempt == ended.Attempt })
	run.Jobs = append(run.Jobs, ended)
	if extra := len(run.Jobs) - keepJobs; extra > 0 {
		run.Jobs = slices.Clone(run.Jobs[extra:])
	}
	run.Attempts, run.Destroyed = max(run.Attempts, attempt), j.final
	run.Status, run.Reason, run.Changed = ended.Status, ended.Reason, e.changed()
	return []statefile.Record{statefile.NewRun(e.clock.Now(), j.run(), run)}, nil
}

// specification is what of a job a configuration says, without secrets.
func (j *jobEnd) specification() ([]byte, map[string]string, error) {
	o := schema.KindObject(addr.KindJob)
	recorded, err := schema.UnmarshalValue(o, j.rec.Attributes)
	if err != nil || recorded.IsNull() {
		return nil, nil, err
	}
	attrs := recorded.AsValueMap()
	for _, a := range o.Attrs {
		if !a.Configured() {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	text, err := schema.MarshalValue(cty.ObjectVal(attrs))
	return text, j.rec.Secrets, err
}

func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
