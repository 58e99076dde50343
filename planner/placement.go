package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/place"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// placement is what package place decided, as the second walk asks for it. All methods take a nil placement for one that
// decided nothing yet.
type placement struct {
	solution place.Solution
	made     map[addr.Resource]*place.Made
	keys     map[addr.Instance][]addr.Key
	used     map[addr.Resource]bool
}

func newPlacement(s place.Solution) *placement {
	p := &placement{solution: s, made: map[addr.Resource]*place.Made{}, keys: map[addr.Instance][]addr.Key{}, used: map[addr.Resource]bool{}}
	for i := range s.Groups {
		for _, m := range s.Groups[i].Members {
			p.made[m] = &s.Groups[i]
		}
	}
	for _, a := range s.Added {
		p.keys[a.Block] = append(p.keys[a.Block], a.Key())
	}
	for _, j := range s.Jobs {
		p.used[j.Instance] = true
	}
	return p
}

// added are the keys of instances that placement adds to a fleet or lets a run bring.
func (p *placement) added(a addr.Instance) []addr.Key {
	if p == nil {
		return nil
	}
	return p.keys[a]
}

// adds tells whether placement makes an instance of that address.
func (p *placement) adds(a addr.Resource) bool {
	return p != nil && slices.Contains(p.keys[a.Block], a.Key())
}

// uses tells whether a job was put on the instance.
func (p *placement) uses(a addr.Resource) bool { return p != nil && p.used[a] }

// beside tells whether a job has room while the one that it replaces still runs.
func (p *placement) beside(a addr.Resource) bool {
	return p != nil && p.solution.Jobs[a].Beside
}

// zoneOf is the zone that a volume without one takes.
func (p *placement) zoneOf(a addr.Resource) string {
	if p == nil {
		return ""
	}
	return p.solution.Zones[a]
}

// group is what an instance is made of, nil if it is not made.
func (p *placement) group(a addr.Resource) *place.Made {
	if p == nil {
		return nil
	}
	return p.made[a]
}

func (p *placement) backendOf(a addr.Resource) string {
	if p == nil {
		return ""
	}
	if m := p.made[a]; m != nil && len(m.Candidates) > 0 {
		return m.Candidates[0].Offer.Backend
	}
	return ""
}

// locate gives an instance that is made what its offer says, and a job its place.
func (w *walk) locate(it *item) {
	switch it.kind {
	case addr.KindInstance:
		m := w.placed.group(it.addr)
		if m == nil || len(m.Candidates) == 0 {
			return
		}
		c := m.Candidates[0]
		it.offer, it.zone, it.group, it.leftOut = &c.Offer, c.Zone, m.ID, m.LeftOut
		it.want = desired.WithAttrs(it.want, offered(c))
		it.open = differing(m.Candidates)
	case addr.KindJob:
		if w.placed == nil {
			return
		}
		a, ok := w.placed.solution.Jobs[it.addr]
		if !ok {
			return
		}
		it.placement = &plan.Placement{Instance: a.Instance.String(), Blocks: a.Blocks, Of: a.Of}
		it.want = desired.WithAttrs(it.want, map[string]cty.Value{
			"instance": cty.StringVal(a.Instance.String()),
			"blocks":   cty.NumberIntVal(int64(a.Blocks)),
			"gpus":     cty.NumberIntVal(int64(a.GPUs)),
		})
		for _, v := range a.Volumes {
			it.mounts = append(it.mounts, v.String())
		}
		if on := w.items[a.Instance]; on != nil {
			it.backend = cmp.Or(on.backend, w.backendOf(on)) // an instance that the run brings is settled beside its jobs
		}
	}
}

// differing lists the attributes of an instance in which candidates differ.
func differing(candidates []place.Candidate) []string {
	var out []string
	first := offered(candidates[0])
	for _, a := range schema.Of[schema.Instance]().Attrs {
		if v, ok := first[a.Name]; ok && slices.ContainsFunc(candidates[1:], func(c place.Candidate) bool { return !offered(c)[a.Name].RawEquals(v) }) {
			out = append(out, a.Name)
		}
	}
	return out
}

// offered is what an offer says about an instance that is made of it.
func offered(c place.Candidate) map[string]cty.Value {
	o := c.Offer
	in := schema.Instance{Backend: o.Backend, Region: o.Region, Zone: c.Zone, InstanceType: o.InstanceType, Spot: o.Spot,
		Price: o.Hourly(), CPUs: o.CPUs, MemoryMiB: o.MemoryMiB, DiskMiB: o.DiskMiB, GPUs: o.GPUs, TotalBlocks: max(1, o.TotalBlocks)}
	if in.GPUs == nil {
		in.GPUs = []schema.GPU{}
	}
	v := schema.Encode(in)
	out := map[string]cty.Value{}
	for _, a := range schema.Of[schema.Instance]().Attrs {
		if a.Placed {
			out[a.Name] = v.GetAttr(a.Name)
		}
	}
	return out
}

// place finds a place for everything that has none, after the first walk. It returns nil when everything is as it was.
func (w *walk) place(ctx context.Context) (*placement, error) {
	w.unsettle()
	problem, err := w.problem()
	if err != nil {
		return nil, err
	}
	if len(problem.Groups) == 0 && len(problem.Jobs) == 0 {
		if !w.expired && !slices.ContainsFunc(w.order, func(it *item) bool { return it.action != plan.NoOp }) {
			return nil, nil
		}
		return newPlacement(place.Solution{}), nil
	}
	if err := w.offers(ctx, problem); err != nil {
		return nil, err
	}
	solution := place.Solve(*problem)
	for _, e := range solution.Errors {
		w.diags = append(w.diags, w.unplaceable(e)...)
	}
	return newPlacement(solution), nil
}

func (w *walk) unplaceable(e place.Unplaceable) diag.List {
	d := &diag.Diagnostic{Severity: diag.Error, Summary: e.Summary(), Detail: e.Detail(), Address: e.Block.String()}
	if b := w.p.Config.Block(e.Block.Block); b != nil {
		d.Range = diag.FromRange(&b.DefRange)
	}
	return diag.List{d}
}

// unsettle replaces jobs that cannot stay because what they stand on goes, and with one job of a multi-node run all of it.
func (w *walk) unsettle() {
	for _, runs := range w.runs {
		for _, r := range runs {
			moved := ""
			for _, j := range r.jobs {
				if j.comes() {
					moved = "another node of the run starts again"
				}
				if w.ended[j.addr] || !j.exists() || j.fresh {
					continue
				}
				if path, why := w.lost(j); path != "" {
					j.forced[path] = why // also of one that comes: it may be that the second walk finds no other reason
					moved = why
				}
			}
			for _, j := range r.jobs {
				if moved == "" || w.ended[j.addr] || !j.exists() || j.comes() || r.Nodes == 1 && len(j.forced) == 0 {
					continue
				}
				if len(j.forced) == 0 {
					j.forced["instance"] = moved
				}
				j.after = j.result.Settle(j.forced)
				w.actionOf(j)
			}
		}
	}
}

// lost says what a job stands on that goes, and why it cannot stay then; nothing if it can.
func (w *walk) lost(j *item) (path, why string) {
	on := w.instanceOf(j)
	if on == nil || on.goes() || !on.exists() || w.former(j.rec, on) {
		return "instance", "its instance is replaced; the run starts from its beginning"
	}
	for _, vol := range w.mounted(j, on) {
		if vol.comes() || w.former(j.rec, vol) {
			return "volumes", "its volume is replaced; the run starts from its beginning"
		}
		if tie := w.ownRecord(on.addr.Support(attachment + "/" + vol.name)); tie != nil && tie.presence == providers.Gone {
			return "volumes", "its volume was detached; the run starts from its beginning"
		}
	}
	return "", ""
}

// former tells whether what is recorded stands on an object that was deposed, and not on the one that has its address now:
// an apply that was cut off made the new one and came no further.
func (w *walk) former(rec *record, on *item) bool {
	return on.rec != nil && len(w.state.Deposed(on.name)) > 0 && on.rec.CreatedAt.After(rec.CreatedAt)
}

// instanceOf is the item of the instance that a job is on now.
func (w *walk) instanceOf(j *item) *item {
	a, err := addr.ParseResource(desired.Text(j.rec.live(), "instance"))
	if err != nil {
		return nil
	}
	return w.items[a]
}

// problem puts together everything that decides where jobs run.
func (w *walk) problem() (*place.Problem, error) {
	p := &place.Problem{Offers: map[string][]schema.Offer{}, Backends: map[string]offer.Backend{}}
	for name, b := range w.backends.all {
		if b.declared == "" {
			continue
		}
		p.Backends[name] = offerBackend(b)
	}
	holds := map[addr.Resource][]place.Hold{}
	for _, runs := range w.runs {
		for _, r := range runs {
			jobs, err := w.jobsToPlace(r, holds)
			if err != nil {
				return nil, err
			}
			p.Jobs = append(p.Jobs, jobs...)
		}
	}
	for _, it := range w.order {
		if it.frozen && it.kind == addr.KindJob && it.exists() && !isEnded(desired.Text(it.rec.live(), "status")) {
			if on := w.instanceOf(it); on != nil && on.stays() {
				holds[on.addr] = append(holds[on.addr], holdOf(it, true))
			}
		}
	}
	slices.SortFunc(p.Jobs, func(a, b place.Job) int { return a.Addr.Compare(b.Addr) })
	if err := w.machines(p, holds); err != nil {
		return nil, err
	}
	for _, fleets := range w.fleets {
		for _, f := range fleets {
			w.groups(p, f)
		}
	}
	slices.SortFunc(p.Fleets, func(a, b place.Fleet) int { return a.Addr.Self().Compare(b.Addr.Self()) })
	slices.SortFunc(p.Groups, func(a, b place.Group) int { return a.Members[0].Compare(b.Members[0]) })
	return p, nil
}

// machines adds every instance that stays, with the jobs that are on it.
func (w *walk) machines(p *place.Problem, holds map[addr.Resource][]place.Hold) error {
	for _, r := range w.records {
		if r.Kind == addr.KindInstance && w.items[r.addr] == nil {
			p.Reserved = append(p.Reserved, r.addr)
		}
	}
	for _, it := range w.order {
		if it.kind != addr.KindInstance {
			continue
		}
		if !it.goes() || it.addr.Block.Type == "fleet" {
			p.Reserved = append(p.Reserved, it.addr) // what a run brought and is of no use leaves its number to what takes its place
		}
		if !it.stays() {
			continue
		}
		facts, err := machineOffer(it.rec)
		if err != nil {
			return fmt.Errorf("%s: %w", it.name, err)
		}
		p.Machines = append(p.Machines, place.Machine{
			Addr: it.addr, Facts: facts, Holds: holds[it.addr],
			Unreachable: it.rec.err != nil || desired.Text(it.rec.live(), "status") == "unreachable",
		})
	}
	return nil
}

// machineOffer is a recorded instance as an offer.
func machineOffer(r *record) (schema.Offer, error) {
	in, err := schema.Decode[schema.Instance](r.live())
	if err != nil {
		return schema.Offer{}, fmt.Errorf("read the recorded instance: %w", err)
	}
	o := schema.Offer{Backend: in.Backend, Region: in.Region, InstanceType: in.InstanceType, CPUs: in.CPUs, MemoryMiB: in.MemoryMiB,
		DiskMiB: in.DiskMiB, GPUs: in.GPUs, Spot: in.Spot, TotalBlocks: in.TotalBlocks}
	if in.Zone != "" {
		o.Zones = []string{in.Zone}
	}
	if in.Price != nil {
		o.Price = value.MoneyOf(*in.Price)
	} else {
		o.PriceUnknown = true
	}
	return o, nil
}

// groups adds the instances of a fleet that are made, and what it may grow by.
func (w *walk) groups(p *place.Problem, f *fleetItem) {
	var members []addr.Resource
	var within offer.Location
	for _, it := range f.items {
		switch {
		case it.comes():
			members = append(members, it.addr)
		case it.exists() && f.Cluster:
			within = offer.Location{Backend: it.rec.Backend, Region: desired.Text(it.rec.live(), "region"), Zone: desired.Text(it.rec.live(), "availability_zone")}
		}
	}
	if f.SSH {
		return // hosts are what they are
	}
	if len(members) > 0 {
		p.Groups = append(p.Groups, place.Group{Fleet: f.Addr, Members: members, Need: f.Need, Within: within, Cluster: f.Cluster})
	}
	if f.Max == desired.Unlimited || len(f.items) < f.Max {
		p.Fleets = append(p.Fleets, place.Fleet{Addr: f.Addr, Count: len(f.items), Max: f.Max, Need: f.Need, Within: within, Cluster: f.Cluster})
	}
}

// jobsToPlace lists the jobs of a run that need a place; those that stay hold theirs.
func (w *walk) jobsToPlace(r *runItem, holds map[addr.Resource][]place.Hold) ([]place.Job, error) {
	var out []place.Job
	for _, it := range r.jobs {
		if w.ended[it.addr] {
			continue
		}
		var current addr.Resource
		if it.exists() {
			if on := w.instanceOf(it); on != nil && on.stays() {
				current = on.addr
			}
			if current != (addr.Resource{}) && !it.fresh {
				holds[current] = append(holds[current], holdOf(it, !it.comes()))
			}
			if !it.comes() {
				continue
			}
		}
		job, err := w.placeJob(r, it, current)
		if err != nil {
			return nil, err
		}
		out = append(out, job)
	}
	return out, nil
}

// holdOf is the share of its instance that a job has.
func holdOf(it *item, keep bool) place.Hold {
	live := it.rec.live()
	return place.Hold{Job: it.addr, Blocks: max(1, int(numberOf(live, "blocks"))), GPUs: int(numberOf(live, "gpus")), Keep: keep, Ports: portsOf(live)}
}

func (w *walk) placeJob(r *runItem, it *item, current addr.Resource) (place.Job, error) {
	need, err := desired.Requirements(it.want)
	if err != nil {
		return place.Job{}, fmt.Errorf("%s: %w", it.name, err)
	}
	run := r.Need
	run.Resources = need.Resources
	j := place.Job{Addr: it.addr, Need: run, Rank: int(numberOf(it.want, "node_rank")), Replica: int(numberOf(it.want, "replica")),
		Nodes: r.Nodes, Current: current, Ports: portsOf(it.want), Rolling: it.action.IsReplace() && (r.Type == desired.TypeService || r.decl.Meta.CreateBeforeDestroy)}
	if r.Reuse {
		j.Creation = value.Reuse
	}
	if r.Fleet != "" {
		f, err := addr.ParseInstance(r.Fleet)
		if err != nil {
			return j, err
		}
		j.Fleet = f
		if !isGiven(r.decl.Value.GetAttr("spot_policy")) {
			j.Need.Spot = "" // the fleet has decided it
		}
	}
	mounts, _ := it.want.GetAttr("volumes").Unmark()
	if mounts.IsNull() || !mounts.IsKnown() {
		return j, nil
	}
	for _, m := range mounts.AsValueSlice() {
		if err := w.mount(&j, m); err != nil {
			return j, err
		}
	}
	return j, nil
}

func (w *walk) mount(j *place.Job, m cty.Value) error {
	m, _ = m.UnmarkDeep()
	if !m.IsKnown() {
		return nil
	}
	if p := desired.Text(m, "instance_path"); p != "" {
		if o := m.GetAttr("optional"); o.IsNull() || !o.IsKnown() || o.False() {
			j.InstanceMounts = true
		}
		return nil
	}
	names := m.GetAttr("volume")
	if names.IsNull() || !names.IsKnown() {
		return nil
	}
	out := place.Mount{Path: desired.Text(m, "path")}
	for _, n := range names.AsValueSlice() {
		if !n.IsKnown() {
			return nil
		}
		vol := w.volume(n.AsString())
		if vol == nil {
			return fmt.Errorf("%s mounts the volume %q, and there is no such volume.%s Refer to its block instead: volume = volume.name",
				j.Addr, n.AsString(), schema.DidYouMean(n.AsString(), w.volumeNames()))
		}
		v := place.Volume{Addr: vol.addr, At: offer.Location{Backend: vol.backend}}
		planned, _ := vol.planned.UnmarkDeep()
		v.At.Region = desired.Text(planned, "region")
		if !vol.comes() || isGiven(vol.want.GetAttr("availability_zone")) {
			v.At.Zone = desired.Text(planned, "availability_zone")
		}
		out.Alternatives = append(out.Alternatives, v)
	}
	j.Mounts = append(j.Mounts, out)
	return nil
}

// volume finds a volume by address or name.
func (w *walk) volume(name string) *item {
	if strings.Contains(name, ".") {
		if a, err := addr.ParseResource(name); err == nil {
			return w.items[a]
		}
		return nil
	}
	for _, items := range w.selves {
		for _, it := range items {
			if it.kind == addr.KindVolume && desired.Text(it.planned, "name") == name {
				return it
			}
		}
	}
	return nil
}

func (w *walk) volumeNames() []string {
	var out []string
	for _, it := range w.order {
		if it.kind == addr.KindVolume {
			out = append(out, desired.Text(it.planned, "name"))
		}
	}
	return out
}

// portsOf lists the ports that a job listens on.
func portsOf(v cty.Value) []int {
	if p, err := value.ParseServicePort(desired.Text(v, "port")); err == nil {
		return []int{p.Container()}
	}
	return nil
}

// offers asks every backend once for everything that is needed. A backend that fails is a warning that names it.
func (w *walk) offers(ctx context.Context, p *place.Problem) error {
	needs := place.Needs(*p)
	if len(needs) == 0 {
		return nil
	}
	names := w.backends.declaredNames()
	lists := make([][][]schema.Offer, len(names)) // by backend, by need
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.opts.Parallelism)
	for i, name := range names {
		var asked []schema.Requirements
		var at []int
		for n, need := range needs {
			if need.Backends == nil || slices.Contains(need.Backends, name) {
				asked, at = append(asked, need), append(at, n)
			}
		}
		lists[i] = make([][]schema.Offer, len(needs))
		if len(asked) == 0 {
			continue
		}
		g.Go(func() error {
			err := w.offersOf(ctx, name, asked, func(n int, o schema.Offer) {
				o.Backend = name
				lists[i][at[n]] = append(lists[i][at[n]], o)
			})
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			b := p.Backends[name]
			b.Failed = err.Error()
			p.Backends[name] = b
			w.diags = append(w.diags, diag.Warnf("Backend gave no offers", "Backend %q could not be asked what it offers: %v. The plan was made without it.", name, err).For("backend."+name)...)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for n, need := range needs {
		var of [][]schema.Offer
		for i := range names {
			of = append(of, lists[i][n])
		}
		p.Offers[offer.Key(need)] = offer.Merge(of)
	}
	return nil
}

func (w *walk) offersOf(ctx context.Context, name string, needs []schema.Requirements, yield func(int, schema.Offer)) error {
	b, err := w.backends.open(ctx, name)
	if err != nil {
		return err
	}
	o, ok := b.handle.(providers.Offerer)
	if !ok {
		return nil // it makes no machines
	}
	return w.backends.veil().Error(o.Offers(ctx, needs, func(n int, of schema.Offer) {
		if n >= 0 && n < len(needs) {
			yield(n, of)
		}
	}))
}
