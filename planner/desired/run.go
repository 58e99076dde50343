package desired

import (
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Types of runs, as jobs keep them.
const (
	TypeTask    = "task"
	TypeService = "service"
	TypeDev     = "dev-environment"
)

// Run is a task, service or dev environment as expanded from its block.
type Run struct {
	Addr     addr.Instance
	Name     string
	Type     string
	Nodes    int                // of a task
	Replicas value.ReplicaRange // of a service
	Fleet    string             // address, "" for any
	Gateway  string             // address, schema.NoReference for none, "" for the default
	Need     schema.Requirements
	Reuse    bool // never bring instances
	Port     int  // on which a service answers, of replica 0
	Jobs     []Resource

	value cty.Value
	set   Settings
}

// PerJob evaluates a run's block for one job.
type PerJob func(rank, count, replica int) (cty.Value, diag.List)

// ExpandRun expands a run's block to its jobs. v is of the block's type with profile and defaults merged in, perJob
// gives the same for one job. replicas is how many replicas of a service there are to be; other runs have one.
func ExpandRun(a addr.Instance, v cty.Value, replicas int, set Settings, perJob PerJob) (*Run, diag.List) {
	name, err := nameOf(a, v)
	if err != nil {
		return nil, diag.From(err, "Run has no name")
	}
	need, err := Requirements(v)
	if err != nil {
		return nil, diag.From(err, "Requirements cannot be read")
	}
	r := &Run{Addr: a, Name: name, Nodes: 1, Fleet: Text(v, "fleet"), Need: need, value: v, set: set,
		Reuse: Text(v, "creation_policy") == string(value.Reuse)}
	jobs := 1
	switch a.Type {
	case "task":
		r.Type = TypeTask
		r.Nodes = number(v, "nodes", 1)
		jobs = r.Nodes
		r.Need.MultiNode = r.Nodes > 1
	case "service":
		r.Type = TypeService
		r.Gateway = Text(v, "gateway")
		if r.Replicas, err = value.ParseReplicaRange(Text(v, "replicas")); err != nil {
			return nil, diag.From(err, "Replicas cannot be read")
		}
		jobs = r.Replicas.Clip(replicas)
	default:
		r.Type = TypeDev
	}
	r.Need.Privileged = flag(v, "privileged")
	var diags diag.List
	for i := range jobs {
		rank, replica := i, 0
		if r.Type == TypeService {
			rank, replica = 0, i
		}
		jv, ds := perJob(rank, r.Nodes, replica)
		diags = append(diags, ds...)
		if ds.HasErrors() {
			continue
		}
		r.Jobs = append(r.Jobs, r.job(i, rank, replica, jv))
	}
	return r, diags
}

func number(v cty.Value, name string, otherwise int) int {
	n, _ := v.GetAttr(name).Unmark()
	if n.IsNull() || !n.IsKnown() {
		return otherwise
	}
	i, _ := n.AsBigFloat().Int64()
	return int(i)
}

func (r *Run) job(index, rank, replica int, v cty.Value) Resource {
	set := map[string]cty.Value{
		"name":      cty.StringVal(r.Name + "-" + strconv.Itoa(index)),
		"run":       cty.StringVal(r.Name),
		"type":      cty.StringVal(r.Type),
		"replica":   cty.NumberIntVal(int64(replica)),
		"node_rank": cty.NumberIntVal(int64(rank)),
		"nodes":     cty.NumberIntVal(int64(r.Nodes)),
	}
	if d, ok := r.maxDuration(v); ok {
		set["max_duration"] = d
	}
	if r.Type == TypeService {
		set["gateway"] = cty.NullVal(cty.String) // the route knows it
	}
	if r.Type != TypeService {
		// What only services have is unset for others, so that a later default is no change of theirs.
		for _, name := range []string{"auth", "https", "strip_prefix"} {
			set[name] = cty.False
		}
	}
	if sb := v.GetAttr("single_branch"); !isSet(sb) {
		set["single_branch"] = cty.BoolVal(r.Type != TypeDev)
	}
	r.runtime(v, set)
	return Resource{Addr: r.Addr.Job(index), Value: project(schema.Of[schema.Job](), v, set)}
}

// maxDuration is the limit of a run that names none: 6 hours for a dev environment, 72 for a task, none for a service.
func (r *Run) maxDuration(v cty.Value) (cty.Value, bool) {
	if isSet(v.GetAttr("max_duration")) {
		return cty.NilVal, false
	}
	switch r.Type {
	case TypeTask:
		return cty.StringVal("72h"), true
	case TypeDev:
		return cty.StringVal("6h"), true
	}
	return cty.NilVal, false
}

// Instance is an instance that the run brings, by number.
func (r *Run) Instance(k addr.Key) Resource {
	set := map[string]cty.Value{
		"blocks":    cty.StringVal("1"),
		"placement": cty.StringVal(string(value.PlacementAny)),
		"env":       cty.NullVal(cty.Map(cty.String)),
	}
	if r.Nodes > 1 {
		set["placement"] = cty.StringVal(string(value.PlacementCluster))
	}
	return Resource{Addr: r.Addr.Machine(k), Value: instanceValue(r.value, fmt.Sprintf("%s-%s", r.Name, k.Text()), r.set, set)}
}

// Value is the block's value, with profile and defaults merged in.
func (r *Run) Value() cty.Value { return r.value }
