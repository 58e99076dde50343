package fake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

type jobKind struct{ b *backend }

func (jobKind) name() string   { return addr.KindJob }
func (jobKind) prefix() string { return "j" }

func (jobKind) place(*schema.Job) (machine, region, zone string) { return "", "", "" }

// plan promises nothing: a job's host is known when its instance is.
func (jobKind) plan(providers.Change, *schema.Job, *providers.Planned) {}

func (k jobKind) make(c *contents, op providers.Op[schema.Job], o *Object, v *schema.Job) error {
	machines, addresses := providers.NeedsOf[schema.Instance](op.Needs, addr.KindInstance)
	var i *Object
	for n, m := range machines {
		if addresses[n] == v.Instance || len(machines) == 1 {
			i = k.b.get(c, addr.KindInstance, m.ID)
		}
	}
	if i == nil {
		return providers.Errorf(providers.Invalid, "%s: a job needs an instance that exists", op.Address)
	}
	machine, err := valueOf[schema.Instance](i)
	if err != nil {
		return err
	}
	if !i.Ready {
		return providers.Errorf(providers.Conflict, "instance %s is not ready", i.ID)
	}
	o.On, o.Zone = []string{i.ID}, i.Zone
	if err := k.shares(c, i, &machine, v); err != nil {
		return err
	}
	volumes, mounted := providers.NeedsOf[schema.Volume](op.Needs, addr.KindVolume)
	for n, volume := range volumes {
		if !mounts(v, mounted[n], volume.Value.Name) {
			continue // it only refers to it
		}
		tie := attachmentOf(c, i.ID, volume.ID)
		if tie == "" {
			return providers.Errorf(providers.Conflict, "%s is not attached to instance %s", mounted[n], i.ID)
		}
		o.On = append(o.On, tie)
	}
	v.ID = o.ID
	setDefault(&v.Host, machine.Hostname)
	v.Attempt = max(1, op.Attempt)
	v.Submitted = o.Made.UTC().Format(time.RFC3339)
	v.Started = v.Submitted
	return nil
}

// mounts tells whether a job mounts a volume, by address or name.
func mounts(v *schema.Job, address, name string) bool {
	return slices.ContainsFunc(v.Mounts, func(m schema.Mount) bool {
		return slices.Contains(m.Volumes, address) || slices.Contains(m.Volumes, name)
	})
}

// shares checks that the instance has as many shares left as the job takes; one that does not say takes all.
func (jobKind) shares(c *contents, i *Object, machine *schema.Instance, v *schema.Job) error {
	total := max(1, machine.TotalBlocks)
	takes := func(v *schema.Job) int {
		if v.Blocks == 0 {
			return total
		}
		return v.Blocks
	}
	if v.Blocks < 0 || v.Blocks > total {
		return providers.Errorf(providers.Invalid, "a job on instance %s takes 1 to %d shares, or with 0 all, not %d", i.ID, total, v.Blocks)
	}
	used := 0
	for _, above := range c.dependents(i.ID) {
		if above.Kind != addr.KindJob || jobEnded(above) {
			continue
		}
		other, err := valueOf[schema.Job](above)
		if err != nil {
			return err
		}
		used += takes(&other)
	}
	if takes(v)+used > total {
		return providers.Errorf(providers.Conflict, "instance %s has %d of %d shares free, %d are needed", i.ID, total-used, total, takes(v))
	}
	return nil
}

// attachmentOf returns the id of what ties a volume to an instance, "" if nothing does.
func attachmentOf(c *contents, instance, volume string) string {
	for id := range c.above[volume] {
		if c.above[instance][id] {
			return id
		}
	}
	return ""
}

func (jobKind) update(_ *contents, op providers.Op[schema.Job], o *Object, was, v *schema.Job) error {
	// An instance may have got another address; it is the same as long as it has the same id.
	machines, addresses := providers.NeedsOf[schema.Instance](op.Needs, addr.KindInstance)
	on := slices.Index(addresses, v.Instance)
	moved := v.Instance != was.Instance && (on < 0 || !slices.Contains(o.On, machines[on].ID))
	if moved || v.Blocks != was.Blocks {
		return providers.Errorf(providers.Invalid, "job %s cannot be moved", o.ID)
	}
	v.ID = o.ID
	setDefault(&v.Host, was.Host)
	v.Attempt, v.Submitted, v.Started = was.Attempt, was.Submitted, was.Started
	return nil
}

func (jobKind) release(c *contents, o *Object) error {
	for _, above := range c.dependents(o.ID) {
		return inUse(o, above)
	}
	return nil
}

func (jobKind) observe(_ *contents, o *Object, v *schema.Job) {
	e := endOf(o, v, time.Now())
	v.Status, v.Reason, v.ExitCode = e.status, e.reason, e.code
	if !e.at.IsZero() {
		v.Finished = e.at.UTC().Format(time.RFC3339)
		v.Message = "ended: " + e.reason
		if e.code != nil && *e.code != 0 {
			v.Message = fmt.Sprintf("exit status %d", *e.code)
		}
	}
}

// end is how far a job is.
type end struct {
	status, reason string
	code           *int
	at             time.Time // zero while it runs
}

// endOf reads a job's fate from its commands: `sleep 5` takes so many seconds and `exit N` ends the job; anything else
// takes no time. Without an exit it runs until it is stopped or its max_duration is over.
func endOf(o *Object, v *schema.Job, now time.Time) end {
	if o.Stopped != "" {
		reason := "terminated_by_user"
		if o.Stopped == "aborted" {
			reason = "aborted_by_user"
		}
		return end{status: o.Stopped, reason: reason, at: o.StoppedAt}
	}
	if !o.Ready {
		return end{status: "provisioning"}
	}
	at := o.Made
	code, ends := 0, false
	for _, command := range v.Commands {
		words := strings.Fields(command)
		if len(words) != 2 {
			continue
		}
		n, err := strconv.ParseFloat(words[1], 64)
		if err != nil || n < 0 {
			continue
		}
		if words[0] == "sleep" {
			at = at.Add(time.Duration(n * float64(time.Second)))
		}
		if words[0] == "exit" {
			code, ends = int(n), true
			break
		}
	}
	if limit, ok := v.MaxDuration.Limit(); ok && limit > 0 {
		if over := o.Made.Add(limit); !ends || over.Before(at) {
			if now.Before(over) {
				return end{status: "running"}
			}
			return end{status: "terminated", reason: "max_duration_exceeded", at: over}
		}
	}
	switch {
	case !ends || now.Before(at):
		return end{status: "running"}
	case code == 0:
		return end{status: "done", reason: "done_by_runner", code: &code, at: at}
	}
	return end{status: "failed", reason: "container_exited_with_error", code: &code, at: at}
}

func jobEnded(o *Object) bool {
	v, err := valueOf[schema.Job](o)
	return err == nil && !endOf(o, &v, time.Now()).at.IsZero()
}
