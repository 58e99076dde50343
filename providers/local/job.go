package local

import (
	"cmp"
	"context"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
)

type jobs struct{ *backend }

// Plan says what can never run here.
func (r jobs) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	return answer(changes, r.plan), ctx.Err()
}

func (r jobs) plan(c providers.Change, want schema.Job, p *providers.Planned) {
	p.Err = host.Check(want, r.place(), c.Knows)
	container := r.place().InDocker(want)
	// A container that has a share of the machine has an address of its own.
	if p.Err == nil && !container && c.Knows("image") && c.Knows("runtime") {
		p.Promise(map[string]cty.Value{"host": cty.StringVal(loopback)})
	}
	if len(want.Mounts) > 0 && !container && r.mounts() == api.MountsLinks {
		p.Warnings = append(p.Warnings, "This machine gives jobs no mount namespaces, so mounts of "+c.Address+
			" are links below $DSTACK_MOUNT_ROOT and not at their paths: write \"$DSTACK_MOUNT_ROOT"+want.Mounts[0].Path+"\" in its commands.")
	}
}

// Create submits the job to its instance's agent and returns when it runs or has ended; a service when its port answers.
func (r jobs) Create(ctx context.Context, op providers.Op[schema.Job], report providers.Report[schema.Job]) (providers.Object[schema.Job], error) {
	var none providers.Object[schema.Job]
	if err := begin(ctx, op); err != nil {
		return none, err
	}
	on, perr := host.Instance(op)
	if perr != nil {
		return none, perr
	}
	if _, err := known(on); err != nil {
		return none, err
	}
	id := idOf(op.Key)
	spec, err := host.Spec(op, id, r.site())
	if err != nil {
		return none, err
	}
	c, _, err := r.reach(ctx, on.ID)
	if isGone(err) {
		return none, providers.Errorf(providers.NotFound, "instance %s is not on this machine any more", on.Value.Name)
	}
	if err != nil {
		return none, failed(err)
	}
	defer c.Close()
	shown := func(j api.Job) providers.Object[schema.Job] {
		v := op.Planned
		v.Host = hostOf(j)
		host.Show(&v, j)
		return object(id, v, private{Instance: on.ID}, false)
	}
	err = host.Upload(ctx, c, r.content, spec.Contents, func(done, total int64) error {
		return report(providers.Progress[schema.Job]{Phase: "uploading code", Done: done, Total: total})
	})
	if err != nil {
		return none, err
	}
	j, err := host.Start(ctx, c, spec, r.ready, func(phase string, j api.Job) error {
		made := shown(j)
		return told(report, phase, &made)
	})
	if j.ID == "" {
		return none, err
	}
	made := shown(j)
	made.Tainted = err != nil
	return made, err
}

// hostOf is where a job's ports answer.
func hostOf(j api.Job) string { return cmp.Or(j.Address, loopback) }

// agentOf returns a client of a job's agent. It is an fs.ErrNotExist if its instance is gone.
func (b *backend) agentOf(ctx context.Context, o providers.Object[schema.Job]) (*client.Client, error) {
	p, err := known(o)
	if err != nil {
		return nil, err
	}
	if p.Instance == "" {
		return nil, providers.Errorf(providers.Invalid, "the record of job %s does not say on which instance it is", o.ID)
	}
	c, _, err := b.reach(ctx, p.Instance)
	return c, err
}

// Update changes what a running job can be told.
func (r jobs) Update(ctx context.Context, prior providers.Object[schema.Job], op providers.Op[schema.Job], _ providers.Report[schema.Job]) (providers.Object[schema.Job], error) {
	if err := ctx.Err(); err != nil {
		return prior, err
	}
	if err := host.Check(op.Planned, r.place(), func(string) bool { return true }); err != nil {
		return prior, err
	}
	c, err := r.agentOf(ctx, prior)
	if isGone(err) {
		return prior, gone("job", prior.ID)
	}
	if err != nil {
		return prior, failed(err)
	}
	defer c.Close()
	j, err := host.Update(ctx, c, prior.ID, op.Planned)
	if err != nil {
		return prior, err
	}
	v := op.Planned
	v.Host = hostOf(j)
	host.Show(&v, j)
	out := prior
	out.ID, out.Value = prior.ID, v
	return out, nil
}

// Delete stops the job, waits for its end and removes it from its agent.
func (r jobs) Delete(ctx context.Context, prior providers.Object[schema.Job], _ providers.Op[schema.Job], report providers.Report[schema.Job]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := r.agentOf(ctx, prior)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return failed(err)
	}
	defer c.Close()
	if err := told(report, "stopping", nil); err != nil {
		return err
	}
	return host.End(ctx, c, prior.ID, prior.Value.StopGrace.AsDuration())
}

// Read asks each agent once about all of its jobs.
func (r jobs) Read(ctx context.Context, recorded []providers.Object[schema.Job], yield func(int, providers.Observed[schema.Job])) error {
	groups := map[string][]int{}
	for i, o := range recorded {
		p, err := known(o)
		if err == nil && p.Instance == "" {
			err = providers.Errorf(providers.Invalid, "the record of job %s does not say on which instance it is", o.ID)
		}
		if err != nil {
			yield(i, unknown[schema.Job](err))
			continue
		}
		groups[p.Instance] = append(groups[p.Instance], i)
	}
	return together(ctx, groups, func(ctx context.Context, instance string, at []int) []providers.Observed[schema.Job] {
		list, err := r.jobsOf(ctx, instance)
		switch {
		case isGone(err):
			return all(len(at), providers.Observed[schema.Job]{Presence: providers.Gone})
		case err != nil:
			return all(len(at), unknown[schema.Job](failed(err)))
		}
		byID := make(map[string]api.Job, len(list))
		for _, j := range list {
			byID[j.ID] = j
		}
		out := make([]providers.Observed[schema.Job], len(at))
		for n, i := range at {
			j, ok := byID[recorded[i].ID]
			if !ok {
				out[n].Presence = providers.Gone
				continue
			}
			v := recorded[i].Value
			v.Host = hostOf(j)
			host.Show(&v, j)
			out[n] = providers.Observed[schema.Job]{Presence: providers.Present, Object: object(j.ID, v, private{Instance: instance}, false)}
		}
		return out
	}, yield)
}

// Find looks for jobs by the keys that they were submitted under.
func (r jobs) Find(ctx context.Context, keys []string) ([]providers.Found[schema.Job], error) {
	if len(keys) == 0 {
		return nil, nil
	}
	wanted := make(map[string]bool, len(keys))
	for _, k := range keys {
		wanted[k] = true
	}
	return r.known(ctx, func(j api.Job) bool { return wanted[j.Labels[api.LabelIdempotencyKey]] })
}

// List is every job of a lineage.
func (r jobs) List(ctx context.Context, lineage string) ([]providers.Found[schema.Job], error) {
	return r.known(ctx, func(j api.Job) bool { return j.Labels[labelLineage] == lineage })
}

// known asks all agents for their jobs.
func (r jobs) known(ctx context.Context, pick func(api.Job) bool) ([]providers.Found[schema.Job], error) {
	ids, err := r.instances.ids()
	if err != nil {
		return nil, failed(err)
	}
	var out []providers.Found[schema.Job]
	for _, id := range ids {
		list, err := r.jobsOf(ctx, id)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, failed(err)
		}
		for _, j := range list {
			if !pick(j) {
				continue
			}
			v, err := host.Recall(j)
			if err != nil {
				return nil, err
			}
			v.Host = hostOf(j)
			out = append(out, providers.Found[schema.Job]{Key: j.Labels[api.LabelIdempotencyKey], Address: j.Labels[labelAddress],
				Object: object(j.ID, v, private{Instance: id}, false), Complete: j.Port == 0 || j.Ready})
		}
	}
	return out, nil
}

const (
	labelLineage = api.LabelLineage
	labelAddress = api.LabelAddress
	labelKey     = api.LabelIdempotencyKey
)

// StopJob asks a job to end, or kills it.
func (b *backend) StopJob(ctx context.Context, job providers.Object[schema.Job], _ []providers.Need, abort bool) error {
	c, err := b.agentOf(ctx, job)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return failed(err)
	}
	defer c.Close()
	return host.Stop(ctx, c, job.ID, abort)
}

// JobLogs passes on what a job has written.
func (b *backend) JobLogs(ctx context.Context, job providers.Object[schema.Job], _ []providers.Need, opts providers.LogOptions, yield func(providers.LogEntry) error) error {
	c, err := b.agentOf(ctx, job)
	if isGone(err) {
		return providers.Errorf(providers.NotFound, "the output of job %s is gone with its instance", strings.TrimSpace(job.Value.Name+" "+job.ID))
	}
	if err != nil {
		return failed(err)
	}
	defer c.Close()
	return host.Logs(ctx, c, job.ID, opts, yield)
}

// ConnectJob says where the job's agent listens, after telling it who may enter: our own key, and those of its instance.
func (b *backend) ConnectJob(ctx context.Context, job providers.Object[schema.Job], _ []providers.Need) (providers.Connection, error) {
	var none providers.Connection
	p, err := known(job)
	if err != nil {
		return none, err
	}
	c, err := b.agentOf(ctx, job)
	if isGone(err) {
		return none, providers.Errorf(providers.NotFound, "the instance of job %s is gone", job.Value.Name)
	}
	if err != nil {
		return none, failed(err)
	}
	defer c.Close()
	own, err := host.OwnKey(b.home)
	if err != nil {
		return none, failed(err)
	}
	t, err := b.instances.tagged(p.Instance)
	if err != nil {
		return none, failed(err)
	}
	on, err := b.instances.value(t)
	if err != nil {
		return none, failed(err)
	}
	keys := append([]string{host.PublicText(own.PublicKey())}, on.AuthorizedKeys...)
	if err := c.SetAccess(ctx, api.Access{AuthorizedKeys: keys}); err != nil {
		return none, host.Error(err)
	}
	return providers.Connection{Folder: b.instances.dir(p.Instance), Job: job.ID}, nil
}
