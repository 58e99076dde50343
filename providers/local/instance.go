package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

type instances struct{ *backend }

// Plan promises the addresses, and says that the shares of a machine are set when its agent starts.
func (r instances) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	return answer(changes, r.plan), ctx.Err()
}

func (r instances) plan(c providers.Change, want schema.Instance, p *providers.Planned) {
	if p.Err = r.check(want); p.Err != nil {
		return
	}
	p.Promise(map[string]cty.Value{
		"hostname": cty.StringVal(loopback), "internal_ip": cty.StringVal(loopback), "ssh_port": cty.NumberIntVal(0), "ssh_user": cty.NullVal(cty.String),
	})
	if c.Prior == nil || !c.Knows("blocks") {
		return
	}
	prior, err := schema.Decode[schema.Instance](c.Prior.Value)
	if err == nil && !prior.Blocks.Equal(want.Blocks) && shares(prior, want.Blocks) != max(1, prior.TotalBlocks) {
		p.Replace = append(p.Replace, providers.ReplaceReason{Path: "blocks", Why: "the shares of a machine are set when its agent starts"})
	}
}

// shares is into how many shares a machine is divided by what is written.
func shares(m schema.Instance, blocks value.Blocks) int {
	switch {
	case blocks.IsZero():
		return 1
	case !blocks.Auto():
		return blocks.Count()
	case len(m.GPUs) > 0:
		return max(1, min(m.CPUs, len(m.GPUs)))
	}
	return max(1, m.CPUs)
}

func (r instances) check(v schema.Instance) *providers.Error {
	if err := r.checkPlace(v.Region, v.Zone); err != nil {
		return err
	}
	switch {
	case v.Host != nil:
		return providers.Errorf(providers.Invalid, "an instance of backend %s is this machine, so it has no host to be reached at", r.name)
	case v.Runtime == host.RuntimeDocker && !r.place().Docker:
		return providers.Errorf(providers.Invalid, `runtime = "docker" needs Docker, and this machine has none: %s`, r.place().DockerError)
	case v.InstanceType != "" && v.InstanceType != Region:
		return providers.Errorf(providers.Invalid, "there is no instance type %s on backend %s; this machine has one, %s", v.InstanceType, r.name, Region)
	case v.Spot:
		return providers.Errorf(providers.Invalid, "backend %s has no spot instances; this machine is yours", r.name)
	}
	if n := v.TotalBlocks; n < 0 || n > 1 && (v.CPUs%n != 0 || len(v.GPUs)%n != 0) {
		return providers.Errorf(providers.Invalid, "this machine cannot be divided into %d: it has %d CPUs and %d GPUs", n, v.CPUs, len(v.GPUs))
	}
	return nil
}

// Create starts an agent and returns when it answers.
func (r instances) Create(ctx context.Context, op providers.Op[schema.Instance], report providers.Report[schema.Instance]) (providers.Object[schema.Instance], error) {
	var none providers.Object[schema.Instance]
	if err := begin(ctx, op); err != nil {
		return none, err
	}
	if err := r.check(op.Planned); err != nil {
		return none, err
	}
	if err := r.checkAgent(); err != nil {
		return none, err
	}
	v := finishInstance(idOf(op.Key), op.Planned)
	return r.instances.serve(ctx, op, report, "starting the agent", v, func(id string, v *schema.Instance) error {
		c, info, err := r.startAgent(ctx, id, v.TotalBlocks)
		if err != nil {
			return err
		}
		defer c.Close()
		showInstance(v, info)
		return nil
	})
}

// withoutEnv is what may be written down of an instance.
func withoutEnv(v schema.Instance) schema.Instance {
	v.Env = nil
	return v
}

// finishInstance fills in what the provider says.
func finishInstance(id string, v schema.Instance) schema.Instance {
	v.ID, v.Hostname, v.InternalIP, v.SSHPort, v.SSHUser = id, loopback, loopback, 0, ""
	v.TotalBlocks = max(1, v.TotalBlocks)
	return v
}

// showInstance fills in what the agent says.
func showInstance(v *schema.Instance, info api.Info) {
	host.ShowMachine(v, info.Facts)
	v.Status = "idle"
	if info.ActiveJobs > 0 {
		v.Status = "busy"
	}
	v.CPUs, v.MemoryMiB, v.TotalBlocks = info.CPUs, info.MemoryBytes>>20, max(1, info.Blocks)
	if now := host.GPUs(info.Facts); !slices.Equal(v.GPUs, now) {
		v.GPUs = now
	}
}

// checkAgent says whether there is a program to start.
func (b *backend) checkAgent() *providers.Error {
	if b.agent == "" {
		return providers.Errorf(providers.Invalid, "the program dstack-agent was not found; it belongs beside dstack")
	}
	if info, err := os.Stat(b.agent); err != nil || info.IsDir() {
		return providers.Errorf(providers.Invalid, "there is no program %s; dstack-agent belongs beside dstack", b.agent)
	}
	return nil
}

// startAgent starts the agent of an instance if it does not run, and returns when it answers. The folder is held.
func (b *backend) startAgent(ctx context.Context, id string, blocks int) (*client.Client, api.Info, error) {
	var none api.Info
	if err := b.checkAgent(); err != nil {
		return nil, none, err
	}
	c, err := client.StartAgent(ctx, client.StartOptions{Program: b.agent, Dir: b.instances.dir(id), Env: environment(os.Environ())}, max(1, blocks))
	if err != nil {
		return nil, none, providers.Errorf(providers.Transient, "the agent of instance %s does not start: %w", id, err)
	}
	info, err := c.Info(ctx)
	if err != nil {
		c.Close()
		return nil, none, host.Error(err)
	}
	return c, info, nil
}

// environment is what agents and gateways are started with: nothing that the host's environment may hold of secrets, but how
// servers are reached from here.
func environment(environ []string) []string {
	var out []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", dockerHost,
			"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy":
			out = append(out, v)
		default:
			if strings.HasPrefix(name, "LC_") {
				out = append(out, v)
			}
		}
	}
	return out
}

// reach returns a client of an instance's agent, which is started again if it was killed. It is an fs.ErrNotExist if there is
// no such instance.
func (b *backend) reach(ctx context.Context, id string) (*client.Client, api.Info, error) {
	return reachServer(ctx, b.instances, id, client.New, func(ctx context.Context, t tags) (*client.Client, api.Info, error) {
		v, err := b.instances.value(t)
		if err != nil {
			return nil, api.Info{}, err
		}
		return b.startAgent(ctx, id, v.TotalBlocks)
	})
}

// jobsOf lists the jobs of an instance.
func (b *backend) jobsOf(ctx context.Context, id string) ([]api.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, b.ask)
	defer cancel()
	c, _, err := b.reach(ctx, id)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	list, err := c.Jobs(ctx)
	return list, host.Error(err)
}

// Update writes down what has changed; nothing of it concerns the agent.
func (r instances) Update(ctx context.Context, prior providers.Object[schema.Instance], op providers.Op[schema.Instance], _ providers.Report[schema.Instance]) (providers.Object[schema.Instance], error) {
	if err := ctx.Err(); err != nil {
		return prior, err
	}
	if _, err := known(prior); err != nil {
		return prior, err
	}
	if err := r.check(op.Planned); err != nil {
		return prior, err
	}
	v := finishInstance(prior.ID, op.Planned)
	v.AgentVersion, v.Facts, v.Status = prior.Value.AgentVersion, prior.Value.Facts, prior.Value.Status
	err := r.instances.change(ctx, prior.ID, v, func(was schema.Instance) error {
		if v.TotalBlocks != was.TotalBlocks {
			return providers.Errorf(providers.Invalid, "instance %s is divided into %d, and cannot be divided into %d while its agent runs", prior.ID, was.TotalBlocks, v.TotalBlocks)
		}
		return nil
	})
	if err != nil {
		return prior, err
	}
	return object(prior.ID, v, private{}, prior.Tainted), nil
}

// Delete ends the agent and removes its folder. It is refused while jobs run.
func (r instances) Delete(ctx context.Context, prior providers.Object[schema.Instance], _ providers.Op[schema.Instance], report providers.Report[schema.Instance]) error {
	return r.instances.delete(ctx, prior, func() error { return r.shutDown(ctx, prior) })
}

// shutDown ends the agent of an instance whose folder is held. One that was killed is started for that if it has jobs, because
// they may still run.
func (r instances) shutDown(ctx context.Context, o providers.Object[schema.Instance]) error {
	c := client.New(r.instances.dir(o.ID))
	defer c.Close()
	err := c.Shutdown(ctx, false)
	if errors.Is(err, client.ErrNotRunning) {
		left, _ := os.ReadDir(filepath.Join(r.instances.dir(o.ID), "jobs"))
		if len(left) == 0 {
			return host.Error(c.WaitGone(ctx))
		}
		blocks := o.Value.TotalBlocks
		if t, err := r.instances.tagged(o.ID); err == nil {
			if v, err := r.instances.value(t); err == nil {
				blocks = v.TotalBlocks
			}
		}
		again, _, err := r.startAgent(ctx, o.ID, blocks)
		if err != nil {
			return err
		}
		defer again.Close()
		c, err = again, again.Shutdown(ctx, false)
		if err != nil {
			return r.inUse(o, err)
		}
	} else if err != nil {
		return r.inUse(o, err)
	}
	return host.Error(c.WaitGone(ctx))
}

func (r instances) inUse(o providers.Object[schema.Instance], err error) error {
	if api.KindOf(err) == api.KindConflict {
		return providers.Errorf(providers.Conflict, "instance %s cannot be deleted while jobs run on it: %w", o.Value.Name, err)
	}
	return host.Error(err)
}

// Read asks every agent; one that was killed is started again.
func (r instances) Read(ctx context.Context, recorded []providers.Object[schema.Instance], yield func(int, providers.Observed[schema.Instance])) error {
	return eachAlone(ctx, recorded, r.see, yield)
}

func (r instances) see(ctx context.Context, o providers.Object[schema.Instance]) providers.Observed[schema.Instance] {
	if _, err := known(o); err != nil {
		return unknown[schema.Instance](err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.ask)
	defer cancel()
	c, info, err := r.reach(ctx, o.ID)
	if isGone(err) {
		return providers.Observed[schema.Instance]{Presence: providers.Gone}
	}
	if err != nil {
		return unknown[schema.Instance](failed(err))
	}
	defer c.Close()
	t, err := r.instances.tagged(o.ID)
	if err != nil {
		return unknown[schema.Instance](failed(err))
	}
	said, err := r.instances.value(t)
	if err != nil {
		return unknown[schema.Instance](failed(err))
	}
	v := finishInstance(o.ID, o.Value)
	v.Name, v.AuthorizedKeys = said.Name, said.AuthorizedKeys
	showInstance(&v, info)
	return providers.Observed[schema.Instance]{Presence: providers.Present, Object: object(o.ID, v, private{}, !t.Ready)}
}

// Find looks for instances by the keys that they were made under.
func (r instances) Find(ctx context.Context, keys []string) ([]providers.Found[schema.Instance], error) {
	found, err := r.instances.find(ctx, keys, always)
	return found, failed(err)
}

// List is every instance of a lineage.
func (r instances) List(ctx context.Context, lineage string) ([]providers.Found[schema.Instance], error) {
	found, err := r.instances.list(ctx, lineage, always)
	return found, failed(err)
}

func always(tags) bool { return true }

// site is what this machine has of its own for jobs.
func (b *backend) site() host.Site {
	shell := "/bin/sh"
	if info, err := os.Stat("/bin/bash"); err == nil && !info.IsDir() {
		shell = "/bin/bash"
	}
	return host.Site{Place: b.place(), Shell: shell, User: lookUpUser, Folder: b.folder}
}

// dockerHost is the variable that says where the Docker Engine listens.
const dockerHost = "DOCKER_HOST"

// place says in what jobs can run on this machine. One that cannot be looked at is a matter of offers.
func (b *backend) place() host.Place {
	f, err := b.machine()
	if err != nil {
		f.DockerError = err.Error()
	}
	return host.Place{Runtimes: []string{b.runtime}, Docker: slices.Contains(f.Runtimes, api.RuntimeDocker), DockerError: f.DockerError}
}
