package planner

import (
	"context"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// resolver evaluates blocks against what exists now: for the leaves that a plan left open because they were not known,
// and for secrets, which no plan holds. It is a config.Scope; a resource that is not recorded is not known.
type resolver struct {
	p     *Planner
	state func() *statefile.State

	mu       sync.Mutex
	profiles *profiles
	blocks   map[addr.Block]cty.Value              // what is worth what; forgotten when something of the block changes
	of       map[addr.Block][]string               // addresses of the recorded resources of each block
	data     map[addr.Block]map[addr.Key]cty.Value // what the plan has looked up
	runtimes map[string]string                     // what each declared backend says of how jobs run
	deferred map[addr.Block]bool                   // of which nothing is known before the next plan
}

func newResolver(p *Planner, state func() *statefile.State) *resolver {
	return &resolver{p: p, state: state}
}

// forget must be called when the record of an address has changed.
func (r *resolver) forget(address string) {
	a, err := addr.ParseResource(address)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.blocks, a.Block.Block)
	if r.of != nil && a.Kind() != addr.KindSupport {
		r.of[a.Block.Block] = append(r.of[a.Block.Block], address)
	}
}

// resolve evaluates what is wanted at an address, of the kind's type, with marks. made makes the token of a service that names
// none.
func (r *resolver) resolve(_ context.Context, address string, made *tokens) (cty.Value, error) {
	a, err := addr.ParseResource(address)
	if err != nil {
		return cty.NilVal, err
	}
	if a.Kind() == addr.KindSupport {
		return r.resolveRoute(a, made)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.want(a)
}

func (r *resolver) want(a addr.Resource) (cty.Value, error) {
	b := r.p.Config.Block(a.Block.Block)
	if b == nil {
		return cty.NilVal, fmt.Errorf("the plan's sources have no block %s", a.Block.Block)
	}
	d, err := r.decode(b, a.Block)
	if err != nil {
		return cty.NilVal, err
	}
	switch a.Block.Type {
	case "volume", "gateway":
		v := desired.Merge(b.Type.Object, d.Value, cty.NullVal(cty.EmptyObject))
		res, err := desired.Volume(a.Block, v)
		if a.Block.Type == "gateway" {
			res, err = desired.Gateway(a.Block, v)
		}
		return res.Value, err
	case "fleet":
		f, err := desired.ExpandFleet(a.Block, r.merged(d, d.Value), r.settings())
		if err != nil {
			return cty.NilVal, err
		}
		if !f.SSH {
			return f.Instance(a.Key()).Value, nil
		}
		for _, res := range f.Instances(nil) {
			if res.Addr == a {
				return res.Value, nil
			}
		}
	default:
		return r.ofRun(a, d)
	}
	return cty.NilVal, fmt.Errorf("the plan's sources do not make %s", a)
}

func (r *resolver) ofRun(a addr.Resource, d *config.Decoded) (cty.Value, error) {
	run, err := r.expand(a.Block, d, a.Index()+1)
	if err != nil {
		return cty.NilVal, err
	}
	if a.Kind() == addr.KindInstance {
		return run.Instance(a.Key()).Value, nil
	}
	for _, j := range run.Jobs {
		if j.Addr == a {
			return j.Value, nil
		}
	}
	return cty.NilVal, fmt.Errorf("the plan's sources do not make %s", a)
}

func (r *resolver) expand(a addr.Instance, d *config.Decoded, replicas int) (*desired.Run, error) {
	set := r.settings()
	set.Runtime = r.runtimeOf(r.merged(d, d.Value))
	run, diags := desired.ExpandRun(a, r.merged(d, d.Value), replicas, set, func(rank, count, replica int) (cty.Value, diag.List) {
		jv, diags := d.Job(rank, count, replica)
		if diags.HasErrors() {
			return jv, diags
		}
		return r.merged(d, jv), diags
	})
	return run, diags.Err()
}

func (r *resolver) settings() desired.Settings {
	s := r.p.Config.Dstack()
	return desired.Settings{AuthorizedKeys: s.AuthorizedKeys, DefaultImage: s.DefaultImage}
}

func (r *resolver) decode(b *config.Block, a addr.Instance) (*config.Decoded, error) {
	instances, deferred, diags := r.p.Config.RepetitionIn(a.Module, b, r)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	if deferred != nil {
		return nil, fmt.Errorf("how many %s there are is still not known", b.Addr)
	}
	for _, inst := range instances {
		if inst.Addr == a {
			d, diags := r.p.Config.Decode(inst, r)
			keepName(r.state().Names(), d)
			return d, diags.Err()
		}
	}
	return nil, fmt.Errorf("%s has no repetition %s now", b.Addr, a.Key)
}

// merged applies the profile as the plan did.
func (r *resolver) merged(d *config.Decoded, v cty.Value) cty.Value {
	if r.profiles == nil {
		r.readProfiles()
	}
	return r.profiles.merged(d, v)
}

func (r *resolver) readProfiles() {
	r.profiles = newProfiles(r.p.Config)
	for _, b := range r.p.Config.Blocks() {
		if b.Addr.Type != "profile" {
			continue
		}
		for _, m := range r.p.Config.Paths(b, r) {
			d, err := r.decode(b, addr.Block{Module: m, Type: b.Addr.Type, Name: b.Addr.Name}.Instance(addr.NoKey))
			if err == nil { // whoever uses a wrong one was refused when the plan was made
				r.profiles.add(d)
			}
		}
	}
}

// Value gives what a block is worth now.
func (r *resolver) Value(b addr.Block) (cty.Value, bool) {
	if v, ok := r.blocks[b]; ok {
		return v, true
	}
	block := r.p.Config.Block(b)
	if block == nil || r.deferred[b] {
		return cty.NilVal, false
	}
	if b.Type == "profile" {
		d, err := r.decode(block, b.Instance(addr.NoKey))
		if err != nil {
			return cty.NilVal, false
		}
		return withAddress(d.Value, b.String()), true
	}
	if b.Type == "data" {
		return repeated(block, r.data[b]), true
	}
	if r.blocks == nil {
		r.blocks = map[addr.Block]cty.Value{}
	}
	if b.Type == "backend" {
		d, diags := r.p.Config.Decode(config.Instance{Addr: b.Instance(addr.NoKey), Block: block}, r)
		if diags.HasErrors() {
			return cty.NilVal, false
		}
		return backendValue(b.Name, desired.Merge(block.Type.Object, d.Value, cty.NullVal(cty.EmptyObject))), true
	}
	v := repeated(block, r.recorded(b))
	r.blocks[b] = v
	return v, true
}

// recorded gives the value of each repetition of a block, from the state.
func (r *resolver) recorded(b addr.Block) map[addr.Key]cty.Value {
	if r.of == nil {
		r.of = map[addr.Block][]string{}
		for _, res := range r.state().Resources() {
			if a, err := addr.ParseResource(res.Address); err == nil && res.Deposed == "" && a.Kind() != addr.KindSupport {
				r.of[a.Block.Block] = append(r.of[a.Block.Block], res.Address)
			}
		}
	}
	selves := map[addr.Key]cty.Value{}
	machines, jobs := map[addr.Instance]map[addr.Key]cty.Value{}, map[addr.Instance]map[addr.Key]cty.Value{}
	for _, address := range dedup(r.of[b]) {
		a, v, ok := r.live(address)
		if !ok {
			continue
		}
		switch a.Kind() {
		case addr.KindInstance:
			put(machines, a, v)
		case addr.KindJob:
			put(jobs, a, v)
		default:
			selves[a.Block.Key] = v
		}
	}
	if b.Type == "volume" || b.Type == "gateway" {
		return selves
	}
	out := map[addr.Key]cty.Value{}
	block := r.p.Config.Block(b)
	instances, _, _ := r.p.Config.RepetitionIn(b.Module, block, r)
	for _, inst := range instances {
		attrs := map[string]cty.Value{"address": cty.StringVal(inst.Addr.String()), "instance": byKey(machines[inst.Addr])}
		if d, err := r.decode(block, inst.Addr); err == nil {
			attrs["name"] = cty.StringVal(d.Name)
			r.putEnded(jobs, inst.Addr, d)
		}
		if b.Type != "fleet" {
			attrs["type"] = cty.StringVal(runType(b.Type))
			attrs["job"] = byKey(jobs[inst.Addr])
		}
		out[inst.Addr.Key] = cty.ObjectVal(attrs)
	}
	return out
}

// putEnded adds the jobs of a run that have ended and left the record: they are worth what is written of them, as in a plan.
func (r *resolver) putEnded(jobs map[addr.Instance]map[addr.Key]cty.Value, a addr.Instance, d *config.Decoded) {
	rec := r.state().Run(a.String())
	if rec == nil {
		return
	}
	replicas := 0
	if rec.Scale != nil {
		replicas = *rec.Scale
	}
	run, err := r.expand(a, d, replicas)
	if err != nil {
		return
	}
	for _, j := range run.Jobs {
		if _, there := jobs[a][j.Addr.Key()]; !there && lastEnd(rec, j.Addr.Index()) != nil {
			put(jobs, j.Addr, withAddress(written(schema.Of[schema.Job](), j.Value), j.Addr.String()))
		}
	}
}

func runType(block string) string {
	switch block {
	case "task":
		return desired.TypeTask
	case "service":
		return desired.TypeService
	}
	return desired.TypeDev
}

func put(of map[addr.Instance]map[addr.Key]cty.Value, a addr.Resource, v cty.Value) {
	if of[a.Block] == nil {
		of[a.Block] = map[addr.Key]cty.Value{}
	}
	of[a.Block][a.Key()] = v
}

// live is the value of a recorded resource as references get it. Its secrets are evaluated again.
func (r *resolver) live(address string) (addr.Resource, cty.Value, bool) {
	a, err := addr.ParseResource(address)
	rec := r.state().Resource(address)
	if err != nil || rec == nil {
		return a, cty.NilVal, false
	}
	v, err := schema.UnmarshalValue(schema.KindObject(rec.Kind), rec.Attributes)
	if err != nil {
		return a, cty.NilVal, false
	}
	if len(rec.Secrets) > 0 {
		if want, err := r.want(a); err == nil {
			for path := range rec.Secrets {
				if leaf, ok := diff.Get(want, path); ok {
					if with, err := diff.Set(v, path, leaf); err == nil {
						v = with
					}
				}
			}
		}
	}
	return a, withAddress(v, address), true
}
