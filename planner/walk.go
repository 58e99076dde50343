package planner

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// walk goes over the blocks in dependency order and says what each is worth and what it stands for. It is done twice:
// the second walk knows the placement that the first one made possible.
type walk struct {
	p        *Planner
	opts     PlanOptions
	now      time.Time
	state    *statefile.State // with what moves where it goes
	moved    *relocation
	names    map[string]string // that blocks have kept, by address
	levels   [][]*config.Block
	blocks   map[string]backendBlock
	backends *backends
	reader   *reader
	putOff   map[addr.Block]bool // blocks that the first walk has deferred; nil in it
	heldBy   map[string]string   // deferred blocks that wait for a backend
	records  map[statefile.Ref]*record
	found    map[string]providers.Found[cty.Value] // by idempotency key: what open intents had made
	byBlock  map[addr.Instance][]*record           // recorded instances and jobs of a block's repetition

	placed *placement // nil in the first walk

	values   map[addr.Block]cty.Value
	settled  map[addr.Block]*config.Block // those whose value can be made; most are never asked for
	items    map[addr.Resource]*item
	order    []*item
	fleets   map[addr.Block][]*fleetItem
	runs     map[addr.Block][]*runItem
	selves   map[addr.Block][]*item // items of blocks that are themselves resources
	jobsOn   map[string]use         // by address of the instance, from the records
	profiles *profiles
	deferred []plan.Note
	dropped  map[addr.Block]bool // deferred blocks
	decoded  map[addr.Block]*decodedBlock
	ended    map[addr.Resource]bool // jobs that ended and stay as they are
	early    diag.List              // warnings of what came before the walks
	diags    diag.List
	rules    rules                      // what became of conditions, in the last walk
	pending  map[addr.Instance]*pending // conditions that apply has to look at
	reads    readings

	number       int                                 // of the walk
	all          []*config.Decoded                   // everything that was decoded in this walk
	known        map[addr.Block]bool                 // blocks of which anything is recorded
	triggers     map[triggerKey]map[addr.Key]bool    // what replace_triggered_by was found to say in this walk
	told         map[addr.Resource]bool              // what the first walk found replace_triggered_by to replace
	foretold     map[addr.Resource]string            // what an earlier second walk found it to replace, with why
	stopped      map[addr.Resource]map[string]string // jobs that the first walk found unable to stay, with why
	expired      bool                                // the first walk found instances whose idle time is over
	starts       map[addr.Resource]bool              // jobs of which an earlier second walk told whether they start
	oldFirst     map[addr.Resource]bool              // what cannot be made before the old one is destroyed
	discarded    map[addr.Resource]string            // instances that runs brought and that are of no use any more, with why
	alternatives map[altKey]*alternative
	notPlanned   []plan.Note // what a partial plan leaves out

	routeTokens   map[addr.Resource]cty.Value // digests of tokens that an apply has made, by route; nil until asked for
	serviceTokens map[addr.Instance]cty.Value // the same by service
}

// decodedBlock is what a block came to, kept for the second walk when it refers to nothing that can differ there.
type decodedBlock struct {
	instances []*config.Decoded
}

type fleetItem struct {
	*desired.Fleet
	decl  *config.Decoded
	items []*item
}

type runItem struct {
	*desired.Run
	decl  *config.Decoded
	jobs  []*item
	owned []*item // instances that it brought
}

// Value gives what a block is worth so far; it makes walk a config.Scope.
func (w *walk) Value(b addr.Block) (cty.Value, bool) {
	v, ok := w.values[b]
	if !ok && w.settled[b] != nil {
		v, ok = repeated(w.settled[b], w.published(b)), true
		w.values[b] = v
	}
	return v, ok
}

// Walk is the number of the walk: within one, a block's value does not change.
func (w *walk) Walk() int { return w.number }

// run walks over all blocks once.
func (w *walk) run(ctx context.Context) error {
	w.number++
	w.all = nil
	w.values, w.settled = map[addr.Block]cty.Value{}, map[addr.Block]*config.Block{}
	w.items = map[addr.Resource]*item{}
	w.fleets, w.runs, w.selves = map[addr.Block][]*fleetItem{}, map[addr.Block][]*runItem{}, map[addr.Block][]*item{}
	w.order, w.deferred, w.heldBy = nil, nil, map[string]string{}
	w.jobsOn = w.busy()
	w.profiles = newProfiles(w.p.Config)
	w.dropped = map[addr.Block]bool{}
	w.ended = map[addr.Resource]bool{}
	w.diags = slices.Clone(w.early)
	w.triggers = map[triggerKey]map[addr.Key]bool{}
	w.reads.found = map[addr.Block]map[addr.Key]cty.Value{}
	for name, b := range w.blocks {
		w.values[b.block.Addr] = backendValue(name, b.written)
	}
	for _, level := range w.levels {
		var made []*item
		for _, b := range level {
			made = append(made, w.block(b)...)
		}
		if w.diags.HasErrors() {
			continue
		}
		if w.lookUp(ctx); w.diags.HasErrors() {
			continue
		}
		if err := w.settle(ctx, made); err != nil {
			return err
		}
		for _, b := range level {
			w.publish(b)
		}
	}
	w.deferredBackends()
	w.freeze()
	w.diags = append(w.diags, w.p.Config.CheckModules(w)...)
	w.diags = append(w.diags, config.CheckNames(w.all)...)
	w.diags = append(w.diags, config.CheckDefaults(w.all)...)
	return nil
}

// freeze keeps what is recorded of deferred blocks as it is.
func (w *walk) freeze() {
	if len(w.dropped) == 0 {
		return
	}
	for ref, rec := range w.records {
		a := rec.addr
		if ref.Deposed != "" || !w.isDropped(a.Block.Block) || w.items[a] != nil || rec.imported != nil {
			continue // what a deferred block may not even want is taken over when it is planned
		}
		it := &item{addr: a, name: rec.Address, kind: rec.Kind, object: schema.KindObject(rec.Kind), backend: rec.Backend, rec: rec, frozen: true,
			action: plan.NoOp, want: rec.live(), planned: rec.live(), needs: slices.Clone(rec.Needs), forced: map[string]string{}}
		w.items[a] = it
		w.order = append(w.order, it)
	}
	sortItems(w.order)
}

// isDropped tells whether a block was deferred, or the call of a module that it is in.
func (w *walk) isDropped(b addr.Block) bool {
	for {
		if w.dropped[b] {
			return true
		}
		call, ok := b.Module.Call()
		if !ok {
			return false
		}
		b = call.Block
	}
}

// block evaluates one block and adds the resources that it stands for.
func (w *walk) block(b *config.Block) []*item {
	switch b.Addr.Type {
	case "backend", "output", "check", "variable", "locals", "dstack":
		return nil // backends were evaluated before, outputs are at the end
	}
	w.waits(b)
	if b.Addr.Type == "module" {
		w.call(b)
		return nil
	}
	decoded, ok := w.decode(b)
	if !ok {
		return nil
	}
	var made []*item
	for _, d := range decoded.instances {
		if len(w.dropped) > 0 && w.isDropped(d.Addr.Block) {
			continue
		}
		w.all = append(w.all, d)
		made = append(made, w.expand(d)...)
	}
	return made
}

// call finds out whether the number of a module is known.
func (w *walk) call(b *config.Block) {
	_, deferred, diags := w.p.Config.Repetition(b, w)
	w.diags = append(w.diags, diags...)
	w.deferAll(deferred)
}

// waits defers a block if something that it refers to was deferred.
func (w *walk) waits(b *config.Block) {
	if len(w.dropped) == 0 {
		return
	}
	for _, path := range w.p.Config.Paths(b, w) {
		at := b.Addr
		at.Module = path
		for _, ref := range w.p.Config.References(b) {
			if w.meansDropped(config.Target(at, ref)) {
				w.postpone(at, "it refers to "+mentioned(b, ref)+", which is deferred")
				break
			}
		}
		for _, p := range w.p.Config.StandIns(b) {
			if w.meansDropped(p.Addr) {
				w.postpone(at, p.Addr.String()+" stands in for what it does not say, and is deferred")
			}
		}
	}
}

// mentioned is what a block refers to as somebody reads it who looks at that block.
func mentioned(b *config.Block, ref config.Reference) string {
	switch {
	case ref.To.Type == "module":
		return ref.To.String()
	case ref.To.Module != b.Addr.Module && ref.To.Module != addr.Root:
		return string(ref.To.Module) + "." + ref.Traversal
	}
	return ref.Traversal
}

// meansDropped tells whether some of what an address without keys in its path stands for was deferred.
func (w *walk) meansDropped(target addr.Block) bool {
	if w.isDropped(target) {
		return true
	}
	for b := range w.dropped {
		if means(target, b) {
			return true
		}
	}
	return false
}

func (w *walk) postpone(b addr.Block, why string) {
	if w.dropped[b] {
		return
	}
	w.dropped[b] = true
	w.deferred = append(w.deferred, plan.Note{Address: b.String(), Text: why})
	w.values[b] = cty.DynamicVal
}

func (w *walk) deferAll(deferred []config.Deferred) {
	for _, d := range deferred {
		w.postpone(d.Block, "how many there are depends on "+w.until(d.Open))
	}
}

func (w *walk) decode(b *config.Block) (*decodedBlock, bool) {
	if d := w.decoded[b.Addr]; d != nil {
		return d, true
	}
	instances, deferred, diags := w.p.Config.Repetition(b, w)
	w.diags = append(w.diags, diags...)
	if diags.HasErrors() {
		return nil, false
	}
	w.deferAll(deferred)
	out := &decodedBlock{}
	failed := false
	for _, inst := range instances {
		if len(w.dropped) > 0 && w.isDropped(inst.Addr.Block) {
			continue
		}
		d, diags := w.p.Config.Decode(inst, w)
		keepName(w.names, d)
		w.diags = append(w.diags, diags...)
		if diags.HasErrors() {
			failed = true
			continue
		}
		out.instances = append(out.instances, d)
	}
	if failed {
		return nil, false
	}
	if len(deferred) == 0 && w.constant(b) {
		w.decoded[b.Addr] = out
	}
	return out, true
}

// decodeEarly decodes blocks that refer to nothing while the providers are asked what is there. What has errors or warnings
// is left to the walk, which reports them.
func (w *walk) decodeEarly() <-chan map[addr.Block]*decodedBlock {
	out := make(chan map[addr.Block]*decodedBlock, 1)
	go func() {
		all := map[addr.Block]*decodedBlock{}
		for _, b := range w.p.Config.Blocks() {
			if !b.Type.Repeat || len(w.p.Config.References(b)) > 0 {
				continue
			}
			instances, deferred, said := w.p.Config.Repetition(b, nowhere{})
			if len(deferred)+len(said) > 0 {
				continue
			}
			d := &decodedBlock{}
			for _, inst := range instances {
				one, ds := w.p.Config.Decode(inst, nowhere{})
				if said = append(said, ds...); len(said) > 0 {
					break
				}
				keepName(w.names, one)
				d.instances = append(d.instances, one)
			}
			if len(said) == 0 {
				all[b.Addr] = d
			}
		}
		out <- all
	}()
	return out
}

// nowhere is the scope of what refers to nothing.
type nowhere struct{}

func (nowhere) Value(addr.Block) (cty.Value, bool) { return cty.NilVal, false }

// constant tells whether a block refers to nothing that the second walk knows better.
func (w *walk) constant(b *config.Block) bool {
	for _, ref := range w.p.Config.References(b) {
		if ref.To.Type != "profile" && ref.To.Type != "backend" && !ref.DependsOn {
			return false
		}
	}
	return true
}

// merged is the block's value with its profile and the defaults.
func (w *walk) merged(d *config.Decoded, v cty.Value) cty.Value { return w.profiles.merged(d, v) }

func (w *walk) expand(d *config.Decoded) []*item {
	switch d.Addr.Type {
	case "profile":
		w.values[d.Addr.Block] = withAddress(d.Value, d.Addr.String())
		w.profiles.add(d)
	case "fleet":
		return w.fleet(d)
	case "volume", "gateway":
		return w.located(d)
	case "task", "service", "dev_environment":
		return w.runBlock(d)
	case "data":
		w.data(d)
	}
	return nil
}

func (w *walk) fail(d *config.Decoded, summary string, err error) {
	w.diags = append(w.diags, diag.From(err, summary).At(&d.Block.DefRange).For(d.Addr.String())...)
}

func (w *walk) settings() desired.Settings {
	s := w.p.Config.Dstack()
	return desired.Settings{AuthorizedKeys: s.AuthorizedKeys, DefaultImage: s.DefaultImage}
}

// add makes the item of a wanted resource.
func (w *walk) add(r desired.Resource, d *config.Decoded) *item {
	name := r.Addr.String()
	it := &item{addr: r.Addr, name: name, kind: r.Addr.Kind(), want: r.Value, decl: d, rec: w.records[statefile.Ref{Address: name}]}
	it.object = schema.KindObject(it.kind)
	it.forced = map[string]string{}
	if d != nil {
		it.needs = w.references(d)
	}
	maps.Copy(it.forced, w.stopped[r.Addr])
	if w.asked(r.Addr) {
		it.asked = true
		it.forced[askedFor] = plan.AskedFor
	}
	if why := cmp.Or(w.triggered(it), w.foretold[r.Addr]); why != "" {
		it.forced[triggerPath] = why
	}
	w.locate(it)
	w.items[r.Addr] = it
	w.order = append(w.order, it)
	return it
}

// references lists what a block's resources stand on by reference: other blocks that stand for resources, and modules.
func (w *walk) references(d *config.Decoded) []string {
	var out []string
	for _, ref := range w.p.Config.References(d.Block) {
		switch ref.To.Type {
		case "module":
			if !ref.DependsOn {
				continue // the number of modules; what decides it is known
			}
		case "fleet", "volume", "gateway", "task", "service", "dev_environment":
		default:
			continue
		}
		if name := config.Target(d.Addr.Block, ref).String(); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (w *walk) fleet(d *config.Decoded) []*item {
	v := w.merged(d, d.Value)
	if n, _ := v.GetAttr("nodes").Unmark(); !n.IsKnown() {
		w.postpone(d.Addr.Block, "its number of nodes depends on "+w.until(d.Open("nodes", "profile")))
		return nil
	}
	if w.waitsToBePlaced(d, v) {
		return nil
	}
	if !desired.HostsKnown(v) {
		w.postpone(d.Addr.Block, "its hosts depend on "+w.until(d.Open("ssh")))
		return nil
	}
	if w.staysPutOff(d) {
		return nil
	}
	f, err := desired.ExpandFleet(d.Addr, v, w.settings())
	if err != nil {
		w.fail(d, "Fleet cannot be expanded", err)
		return nil
	}
	fi := &fleetItem{Fleet: f, decl: d}
	w.fleets[d.Addr.Block] = append(w.fleets[d.Addr.Block], fi)
	wanted := f.Instances(w.have(d.Addr, f))
	for _, k := range w.placed.added(d.Addr) {
		if !slices.ContainsFunc(wanted, func(r desired.Resource) bool { return r.Addr.Key() == k }) {
			wanted = append(wanted, f.Instance(k))
		}
	}
	for _, r := range wanted {
		fi.items = append(fi.items, w.add(r, d))
	}
	return fi.items
}

// have lists the instances of a fleet that exist, in the order of their keys.
func (w *walk) have(a addr.Instance, f *desired.Fleet) []desired.Have {
	busy := w.jobsOn
	idle, limited := idleLimit(f.Value())
	var out []desired.Have
	for _, r := range w.byBlock[a] {
		at := r.addr
		if at.Kind() != addr.KindInstance || r.presence == providers.Gone {
			continue
		}
		h := desired.Have{Key: at.Key(), Busy: busy[r.Address].running}
		h.Idle = limited && !h.Busy && w.idled(r, busy[r.Address], idle)
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b desired.Have) int { return a.Key.Compare(b.Key) })
	return out
}

// use is what is known of the jobs of an instance.
type use struct {
	running bool
	until   time.Time // when the last one ended
}

// busy says for each recorded instance whether jobs are on it.
func (w *walk) busy() map[string]use {
	out := map[string]use{}
	for _, r := range w.records {
		if r.Kind != addr.KindJob {
			continue
		}
		on := desired.Text(r.live(), "instance")
		u := out[on]
		if isEnded(desired.Text(r.live(), "status")) {
			if t, err := time.Parse(time.RFC3339, desired.Text(r.live(), "finished_at")); err == nil {
				u.until = latest(u.until, t)
			}
		} else if r.presence != providers.Gone {
			u.running = true
		}
		out[on] = u
	}
	for _, run := range w.state.Runs() { // and of those that have left
		for _, j := range run.Jobs {
			u := out[j.Instance]
			u.until = latest(u.until, j.FinishedAt)
			out[j.Instance] = u
		}
	}
	return out
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// idled tells whether the idle time of an instance is over. Placement may still give it a job: it goes in the second walk.
func (w *walk) idled(r *record, u use, idle time.Duration) bool {
	if w.now.Sub(latest(r.CreatedAt, u.until)) <= idle {
		return false
	}
	if w.placed == nil {
		w.expired = true
		return false
	}
	return !w.placed.uses(r.addr)
}

// located makes the item of a volume or gateway, with its backend and region.
func (w *walk) located(d *config.Decoded) []*item {
	v := d.Value
	set := map[string]cty.Value{}
	name := desired.Text(v, "backend")
	if b, _ := v.GetAttr("backend").Unmark(); !b.IsKnown() {
		w.postpone(d.Addr.Block, "its backend depends on "+w.until(d.Open("backend")))
		return nil
	}
	if name != "" && w.waitsForBackend(d, []string{name}) {
		return nil
	}
	if name == "" {
		all := slices.Concat(w.backends.declaredNames(), slices.Sorted(maps.Keys(w.backends.deferred)))
		if len(all) == 1 && w.waitsForBackend(d, all) {
			return nil
		}
		if len(all) != 1 {
			w.fail(d, "Backend is not said", errorf("%s needs backend, because there is more than one: %s", d.Addr, join(all)))
			return nil
		}
		name = all[0]
		set["backend"] = cty.StringVal(name)
	}
	b := w.backends.all[name]
	if b == nil {
		w.fail(d, "No such backend", errorf("there is no backend %q%s", name, schema.DidYouMean(name, w.backends.names())))
		return nil
	}
	if r, _ := v.GetAttr("region").Unmark(); r.IsKnown() && r.IsNull() {
		region, one := b.region()
		if !one {
			w.fail(d, "Region is not said", errorf("%s needs region: backend %q has more than one", d.Addr, name))
			return nil
		}
		set["region"] = cty.StringVal(region)
	}
	v = desired.Merge(d.Block.Type.Object, desired.WithAttrs(v, set), cty.NullVal(cty.EmptyObject))
	var r desired.Resource
	var err error
	if d.Addr.Type == "volume" {
		r, err = desired.Volume(d.Addr, v)
	} else {
		r, err = desired.Gateway(d.Addr, v)
	}
	if err != nil {
		w.fail(d, "Name cannot be used", err)
		return nil
	}
	it := w.add(r, d)
	w.selves[d.Addr.Block] = append(w.selves[d.Addr.Block], it)
	it.backend = name
	if z := w.placed.zoneOf(r.Addr); z != "" {
		it.want = desired.WithAttrs(it.want, map[string]cty.Value{"availability_zone": cty.StringVal(z)})
		it.open = []string{"availability_zone"} // with another candidate it is another
	}
	return []*item{it}
}

func (w *walk) runBlock(d *config.Decoded) []*item {
	v := w.merged(d, d.Value)
	for _, name := range []string{"nodes", "replicas"} {
		if v.Type().HasAttribute(name) {
			if n, _ := v.GetAttr(name).Unmark(); !n.IsKnown() {
				w.postpone(d.Addr.Block, "its number of "+name+" depends on "+w.until(d.Open(name)))
				return nil
			}
		}
	}
	if w.waitsToBePlaced(d, v) || w.staysPutOff(d) {
		return nil
	}
	replicas := 0
	if rec := w.state.Run(d.Addr.String()); rec != nil && rec.Scale != nil {
		replicas = *rec.Scale
	}
	set := w.settings()
	set.Runtime = w.runtimeOf(v)
	run, diags := desired.ExpandRun(d.Addr, v, replicas, set, func(rank, count, replica int) (cty.Value, diag.List) {
		jv, diags := d.Job(rank, count, replica)
		if diags.HasErrors() {
			return jv, diags
		}
		return w.merged(d, jv), diags
	})
	w.diags = append(w.diags, diags...)
	if diags.HasErrors() {
		return nil
	}
	ri := &runItem{Run: run, decl: d}
	w.runs[d.Addr.Block] = append(w.runs[d.Addr.Block], ri)
	var made []*item
	for _, r := range w.ownInstances(ri) {
		it := w.add(r, d)
		ri.owned = append(ri.owned, it)
		made = append(made, it)
	}
	for _, r := range run.Jobs {
		it := w.add(r, d)
		w.diags = append(w.diags, w.misplaced(run, it)...)
		ri.jobs = append(ri.jobs, it)
		made = append(made, it)
	}
	return made
}

// ownInstances are the instances that a run brought and still needs, and those that placement lets it bring now. One
// without a job stays until its idle time is over.
func (w *walk) ownInstances(ri *runItem) []desired.Resource {
	busy := w.jobsOn
	idle, limited := idleLimit(ri.Value())
	var out []desired.Resource
	for _, r := range w.byBlock[ri.Addr] {
		at := r.addr
		if at.Kind() != addr.KindInstance || r.presence == providers.Gone {
			continue
		}
		if w.discarded[at] != "" && !w.placed.adds(at) {
			continue
		}
		u := busy[r.Address]
		if !u.running && limited && w.idled(r, u, idle) {
			continue
		}
		out = append(out, ri.Instance(at.Key()))
	}
	for _, k := range w.placed.added(ri.Addr) {
		if !slices.ContainsFunc(out, func(r desired.Resource) bool { return r.Addr.Key() == k }) {
			out = append(out, ri.Instance(k))
		}
	}
	slices.SortFunc(out, func(a, b desired.Resource) int { return a.Addr.Compare(b.Addr) })
	return out
}

// publish lets references to a block get its own attributes, and its resources as they are planned.
func (w *walk) publish(b *config.Block) {
	switch b.Addr.Type {
	case "backend", "output", "check", "variable", "locals", "dstack", "module":
		return
	}
	for _, path := range w.p.Config.Paths(b, w) {
		at := b.Addr
		at.Module = path
		w.settled[at] = b
	}
}

// repeated is the value of a block with count or for_each, or of one without.
func repeated(b *config.Block, of map[addr.Key]cty.Value) cty.Value {
	if !b.Repeats() {
		if v, ok := of[addr.NoKey]; ok {
			return v
		}
		return cty.DynamicVal
	}
	return byKey(of)
}

// byKey is a tuple for keys 0 to n-1, else an object.
func byKey(of map[addr.Key]cty.Value) cty.Value {
	keys := make([]addr.Key, 0, len(of))
	for k := range of {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, addr.Key.Compare)
	inRow := true
	for i, k := range keys {
		if n, isInt := k.Int(); !isInt || n != i {
			inRow = false
		}
	}
	if inRow {
		out := make([]cty.Value, len(keys))
		for i, k := range keys {
			out[i] = of[k]
		}
		return cty.TupleVal(out)
	}
	out := make(map[string]cty.Value, len(keys))
	for _, k := range keys {
		out[k.Text()] = of[k]
	}
	return cty.ObjectVal(out)
}

func withAddress(v cty.Value, address string) cty.Value {
	return desired.WithAttrs(v, map[string]cty.Value{"address": cty.StringVal(address)})
}

// published gives the value of each repetition of a block of resources.
func (w *walk) published(b addr.Block) map[addr.Key]cty.Value {
	if b.Type == "data" {
		return w.reads.found[b]
	}
	out := map[addr.Key]cty.Value{}
	for _, f := range w.fleets[b] {
		out[f.Addr.Key] = fleetValue(f.Addr, f.Name, f.items)
	}
	for _, it := range w.selves[b] {
		out[it.addr.Block.Key] = withAddress(it.settled(), it.name)
	}
	for _, r := range w.runs[b] {
		v := fleetValue(r.Addr, r.Name, r.owned)
		out[r.Addr.Key] = desired.WithAttrs(v, map[string]cty.Value{"type": cty.StringVal(r.Type), "job": itemValues(r.jobs)})
	}
	return out
}

func fleetValue(a addr.Instance, name string, items []*item) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(a.String()), "name": cty.StringVal(name), "instance": itemValues(items),
	})
}

func itemValues(items []*item) cty.Value {
	of := make(map[addr.Key]cty.Value, len(items))
	for _, it := range items {
		of[it.addr.Key()] = withAddress(it.settled(), it.name)
	}
	return byKey(of)
}
