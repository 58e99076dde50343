package host

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Site is what differs between the machines on which jobs run.
type Site struct {
	// Place says in what jobs can run here.
	Place Place
	// Shell runs commands.
	Shell string
	// User finds a user of the machine.
	User func(value.UnixUser) (*api.User, error)
	// Folder is where a volume is on the machine.
	Folder func(volume providers.Object[schema.Volume]) (string, error)
}

// Instance returns the machine that a job is to run on, among what it stands on.
func Instance(op providers.Op[schema.Job]) (providers.Object[schema.Instance], *providers.Error) {
	machines, addresses := providers.NeedsOf[schema.Instance](op.Needs, addr.KindInstance)
	if len(machines) == 0 {
		return providers.Object[schema.Instance]{}, providers.Errorf(providers.Invalid, "%s needs an instance to run on, and was given none", op.Address)
	}
	if op.Planned.Instance == "" {
		return machines[0], nil
	}
	i := slices.Index(addresses, op.Planned.Instance)
	if i < 0 {
		return providers.Object[schema.Instance]{}, providers.Errorf(providers.Invalid, "%s is to run on %s, which is not among what it was given", op.Address, op.Planned.Instance)
	}
	return machines[i], nil
}

// Spec is a job in the agent's words, to be known to it by id. Two calls for the same operation are equal.
func Spec(op providers.Op[schema.Job], id string, site Site) (api.JobSpec, error) {
	job := op.Planned
	var none api.JobSpec
	on, perr := Instance(op)
	if perr != nil {
		return none, perr
	}
	place := site.Place
	place.Runtimes = append([]string{on.Value.Runtime}, place.Runtimes...)
	if err := Check(job, place, func(string) bool { return true }); err != nil {
		return none, err
	}
	argv, err := place.argv(job, site.Shell)
	if err != nil {
		return none, providers.Errorf(providers.Invalid, "job %s cannot run: %w", job.Name, err)
	}
	nodes, perr := nodesOf(op, on.Value)
	if perr != nil {
		return none, perr
	}
	extra, err := keep(job)
	if err != nil {
		return none, err
	}
	spec := api.JobSpec{
		ID: id, Argv: argv, Env: Env(job, on.Value, nodes), WorkingDir: job.WorkingDir, GPUs: job.GPUCount, Extra: extra,
		Labels: map[string]string{
			api.LabelLineage: op.Lineage, api.LabelAddress: op.Address, api.LabelIdempotencyKey: op.Key, api.LabelAttempt: strconv.Itoa(max(1, op.Attempt)),
		},
		StopGrace: job.StopGrace.AsDuration(), StopDuration: Limit(job.StopDuration), MaxDuration: Limit(job.MaxDuration), InactivityDuration: Limit(job.InactivityDuration),
		Attempt: max(1, op.Attempt), Retry: Retry(job),
	}
	if place.InDocker(job) {
		spec.Container = container(job, on.Value)
	} else if !job.User.IsZero() {
		if spec.User, err = site.User(job.User); err != nil {
			return none, providers.Errorf(providers.Invalid, "job %s cannot run as %s: %w", job.Name, job.User, err)
		}
	}
	if job.Type == typeService {
		spec.Port = job.Port.Container()
	}
	if job.Resources != nil {
		spec.ShmSize = job.Resources.ShmSize.Bytes()
	}
	spec.Repo, spec.Contents = repo(job), contents(job)
	share(&spec, job, on.Value)
	if spec.Mounts, err = mounts(op, site); err != nil {
		return none, err
	}
	return spec, nil
}

// typeService is the type of a job that answers on a port.
const typeService = "service"

// Retry is what an agent does by itself when a job fails. Nodes of one run start again together or not at all, so that is left
// to those who see all of them.
func Retry(job schema.Job) api.Retry {
	if job.Nodes > 1 || !job.Retry.On(value.RetryError) {
		return api.Retry{}
	}
	return api.Retry{For: job.Retry.Duration()}
}

// Limit is a duration as the agent takes it: 0 is none.
func Limit(d value.OffDuration) time.Duration {
	if limit, ok := d.Limit(); ok {
		return limit
	}
	return 0
}

// nodesOf lists the machines of a run by rank.
func nodesOf(op providers.Op[schema.Job], on schema.Instance) ([]schema.Instance, *providers.Error) {
	if op.Planned.Nodes <= 1 {
		return []schema.Instance{on}, nil
	}
	machines, _ := providers.NeedsOf[schema.Instance](op.Needs, addr.KindInstance)
	if len(machines) != op.Planned.Nodes {
		return nil, providers.Errorf(providers.Internal, "%s is one of %d nodes, and was given %d instances", op.Address, op.Planned.Nodes, len(machines))
	}
	out := make([]schema.Instance, len(machines))
	for i, m := range machines {
		out[i] = m.Value
	}
	return out, nil
}

// share is what the job gets of its machine. A machine that is not divided sets no limits.
func share(spec *api.JobSpec, job schema.Job, on schema.Instance) {
	total := max(1, on.TotalBlocks)
	spec.Blocks = api.HostBlocks{Need: job.Blocks, Total: total}
	if total == 1 {
		return
	}
	k := job.Blocks
	if k == 0 {
		k = total
	}
	spec.CPULimit = float64(on.CPUs / total * k)
	spec.MemoryLimit = on.MemoryMiB / int64(total) * int64(k) << 20
}

// mounts are the job's mounts: of alternative volumes the one that it was given.
func mounts(op providers.Op[schema.Job], site Site) ([]api.Mount, error) {
	volumes, addresses := providers.NeedsOf[schema.Volume](op.Needs, addr.KindVolume)
	var out []api.Mount
	for _, m := range op.Planned.Mounts {
		if m.InstancePath != "" {
			out = append(out, api.Mount{Source: m.InstancePath, Path: m.Path, Create: true})
			continue
		}
		at := -1
		for _, name := range m.Volumes {
			if at = slices.Index(addresses, name); at < 0 {
				at = slices.IndexFunc(volumes, func(v providers.Object[schema.Volume]) bool { return v.Value.Name == name })
			}
			if at >= 0 {
				break
			}
		}
		if at < 0 {
			return nil, providers.Errorf(providers.Invalid, "%s mounts %s at %s, and was given no such volume", op.Address, strings.Join(m.Volumes, " or "), m.Path)
		}
		folder, err := site.Folder(volumes[at])
		if err != nil {
			return nil, err
		}
		out = append(out, api.Mount{Source: folder, Path: m.Path})
	}
	return out, nil
}

// keep is the job as its agent keeps it, so that it can be found without its record. Nothing in it may be secret.
func keep(job schema.Job) (json.RawMessage, error) {
	job.Env, job.Tokens, job.RegistryAuth = nil, nil, nil
	if job.Repo != nil {
		r := *job.Repo
		r.Token, r.PrivateKey = "", ""
		job.Repo = &r
	}
	data, err := schema.MarshalValue(schema.Encode(job))
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "job %s cannot be written down: %w", job.Name, err)
	}
	return data, nil
}
