package planner

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/desired"
)

// runtimeOf is what is said of how the jobs of a run are to run where they leave it open: by their fleet, else by all backends
// that the fleet, or the run that has none, can be on.
func (w *walk) runtimeOf(run cty.Value) string {
	fleet := cty.NilVal
	if a, err := addr.ParseInstance(desired.Text(run, "fleet")); err == nil {
		for _, f := range w.fleets[a.Block] {
			if f.Addr == a {
				fleet = f.Value()
			}
		}
	}
	said := make(map[string]string, len(w.backends.all))
	for _, name := range w.backends.declaredNames() {
		said[name] = w.backends.all[name].config.Runtime
	}
	return runtimeIn(run, fleet, said)
}

// runtimeOf is the same after the plan, by what the configuration says.
func (r *resolver) runtimeOf(run cty.Value) string {
	fleet := cty.NilVal
	if a, err := addr.ParseInstance(desired.Text(run, "fleet")); err == nil {
		if b := r.p.Config.Block(a.Block); b != nil {
			if d, err := r.decode(b, a); err == nil {
				fleet = r.merged(d, d.Value)
			}
		}
	}
	if r.runtimes == nil {
		r.runtimes = map[string]string{}
		for name, b := range r.p.declared(r.state()) {
			r.runtimes[name] = b.runtime
		}
	}
	return runtimeIn(run, fleet, r.runtimes)
}

// runtimeIn is what a run's fleet says, NilVal if it has none, else what the backends say that it can be on.
func runtimeIn(run, fleet cty.Value, backends map[string]string) string {
	where := run
	if fleet != cty.NilVal {
		if said := desired.Runtime(desired.Text(fleet, "runtime")); said != "" {
			return said
		}
		where = fleet
	}
	need, err := desired.Requirements(where)
	if err != nil {
		return "" // whoever expands the block says so
	}
	var said []string
	for name, runtime := range backends {
		if len(need.Backends) == 0 || slices.Contains(need.Backends, name) {
			said = append(said, runtime)
		}
	}
	return desired.RuntimeOf(said)
}

// misplaced says that a job was put on an instance of a fleet that it did not name, and whose jobs are not of its kind.
func (w *walk) misplaced(run *desired.Run, job *item) diag.List {
	if w.placed == nil || job.placement == nil {
		return nil
	}
	on, err := addr.ParseResource(job.placement.Instance)
	if err != nil || w.items[on] == nil {
		return nil
	}
	why := run.Unexpected(job.want, w.items[on].want)
	if why == "" {
		return nil
	}
	return at(diag.Errorf("Job cannot run where there is room", "The run names no fleet and would get %s, which %s. Say runtime in the run "+
		`("docker" with no image is the default image), or name another fleet.`, on, why), job)
}
