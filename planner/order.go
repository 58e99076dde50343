package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/graph"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
)

// steps turns actions into steps and edges. Creates and updates follow what they need; destroys run against those edges.
type steps struct {
	w        *walk
	list     []plan.Step
	must     []edge
	may      []edge         // wishes: in a circle they give way
	up       map[*item]int  // the create or update of an item
	down     map[*item]int  // the delete of its old object
	ready    map[string]int // by address of a block: everything of it is made
	blocks   map[addr.Block][]*item
	alike    map[addr.Block][]addr.Block // by address without keys in the path: blocks of all instances of a module
	former   map[string][]*item          // by address: objects that were deposed before
	promised map[addr.Instance]int       // the step that looks at what a repetition of a block promises
}

// edge says that a step comes after another.
type edge struct{ step, needs int }

// newSteps finds out what addresses stand for.
func (w *walk) newSteps() *steps {
	s := &steps{w: w, up: map[*item]int{}, down: map[*item]int{}, ready: map[string]int{}, blocks: map[addr.Block][]*item{}, alike: map[addr.Block][]addr.Block{}, former: map[string][]*item{}}
	for _, it := range w.order {
		if it.kind != addr.KindSupport {
			s.blocks[it.addr.Block.Block] = append(s.blocks[it.addr.Block.Block], it)
		}
		if it.rec != nil && it.rec.Deposed != "" {
			s.former[it.name] = append(s.former[it.name], it)
		}
	}
	for b := range s.blocks {
		if b.Module != addr.Root {
			s.index(b)
		}
	}
	for _, blocks := range s.alike {
		slices.SortFunc(blocks, func(a, b addr.Block) int { return a.Instance(addr.NoKey).Self().Compare(b.Instance(addr.NoKey).Self()) })
	}
	return s
}

// steps makes the steps of all items, sorted so that they could be done one by one.
func (w *walk) steps() ([]plan.Step, error) {
	s := w.newSteps()
	for _, it := range w.order {
		s.make(it)
	}
	s.conditions()
	for _, it := range w.order {
		s.link(it)
	}
	s.volumes()
	s.room()
	for _, runs := range w.runs {
		for _, r := range runs {
			if r.Type == desired.TypeService {
				s.oneByOne(r)
			} else {
				s.together(r)
			}
		}
	}
	return s.sorted()
}

func (s *steps) add(st plan.Step) int {
	s.list = append(s.list, st)
	return len(s.list) - 1
}

func (s *steps) need(step, needs int) { s.must = append(s.must, edge{step, needs}) }

func (s *steps) wish(step, needs int) { s.may = append(s.may, edge{step, needs}) }

// make adds the steps of one item.
func (s *steps) make(it *item) {
	if it.importing() {
		taken := s.add(plan.Step{Address: it.name, Op: plan.OpImport})
		s.up[it] = taken
		defer func() {
			for after := taken + 1; after < len(s.list); after++ {
				s.need(after, taken)
			}
		}()
	}
	switch {
	case it.action == plan.Forget:
		s.down[it] = s.add(plan.Step{Address: it.name, Op: plan.OpForget, Deposed: it.rec.Deposed})
	case it.action == plan.Delete:
		op := plan.OpDelete
		if it.rec.presence == providers.Gone {
			op = plan.OpForget
		}
		s.down[it] = s.add(plan.Step{Address: it.name, Op: op, Deposed: it.rec.Deposed})
	case it.action == plan.CreateThenDelete:
		key := deposedKey(it)
		depose := s.add(plan.Step{Address: it.name, Op: plan.OpDepose, Deposed: key})
		s.up[it] = s.add(plan.Step{Address: it.name, Op: plan.OpCreate})
		s.down[it] = s.add(plan.Step{Address: it.name, Op: plan.OpDelete, Deposed: key})
		s.need(s.up[it], depose)
		s.need(s.down[it], s.up[it])
	case it.action == plan.DeleteThenCreate, it.fresh && it.exists() && it.comes():
		s.down[it] = s.add(plan.Step{Address: it.name, Op: plan.OpDelete})
		s.up[it] = s.add(plan.Step{Address: it.name, Op: plan.OpCreate})
		s.need(s.up[it], s.down[it])
	case it.action == plan.Create:
		s.up[it] = s.add(plan.Step{Address: it.name, Op: plan.OpCreate})
	case it.action == plan.Update:
		op := plan.OpUpdate
		if it.recordOnly() {
			op = plan.OpRecord
		}
		s.up[it] = s.add(plan.Step{Address: it.name, Op: op})
	}
	if s.w.previous(it) != "" && it.stays() {
		moved := s.add(plan.Step{Address: it.name, Op: plan.OpMove})
		if up, changes := s.up[it]; changes {
			s.need(up, moved)
		}
	}
}

func deposedKey(it *item) string { return fmt.Sprintf("r%d", it.rec.Revision) }

// link adds the edges of one item.
func (s *steps) link(it *item) {
	up, comes := s.up[it]
	if comes {
		for _, need := range it.needs {
			for _, v := range s.made(need, it.addr.Block.Block, it) {
				s.need(up, v)
			}
		}
	}
	if it.rec == nil {
		return
	}
	// What stands on something lets go of it before that ends.
	down, goes := s.down[it]
	for _, need := range it.rec.Needs {
		for _, other := range append(s.items(need), s.former[need]...) {
			end, ends := s.down[other]
			switch {
			case !ends || other == it || !it.exists():
			case goes:
				s.before(down, end, it, other)
			case it.action == plan.Update && (other.action == plan.CreateThenDelete || !slices.Contains(it.needs, need)):
				s.before(up, end, it, other) // it stands on the new one then, or on nothing
			}
		}
	}
}

// before puts the step that lets go of an object before the one that ends it. Where one only refers to the other, that is
// a wish.
func (s *steps) before(release, end int, it, other *item) {
	holds := it.kind == addr.KindSupport || other.kind == addr.KindSupport || it.kind == addr.KindJob && other.kind == addr.KindInstance
	if holds {
		s.need(end, release)
	} else {
		s.wish(end, release)
	}
}

// index notes a block of a module under the addresses that mean all instances of the module, and that of the module itself.
func (s *steps) index(b addr.Block) {
	all := b
	all.Module = b.Module.Static()
	s.alike[all] = append(s.alike[all], b)
	for m := all.Module; ; {
		call, ok := m.Call()
		if !ok {
			return
		}
		s.alike[call.Block] = append(s.alike[call.Block], b)
		m = call.Module
	}
}

// pattern are the items of all blocks that an address in modules without keys stands for.
func (s *steps) pattern(target addr.Block) []*item {
	all, within := target, target.Module
	all.Module = target.Module.Static()
	if target.Type == "module" {
		within = target.Module.Child(target.Name, addr.NoKey)
	}
	var out []*item
	for _, b := range s.alike[all] {
		if b.Module.Within(within) {
			out = append(out, s.blocks[b]...)
		}
	}
	return out
}

// items are those of an address. Without a key it may be that of a block, of which all count, and so do all instances of a
// module without one.
func (s *steps) items(address string) []*item {
	a, err := addr.ParseAny(address)
	if err != nil {
		return nil
	}
	if it := s.w.items[a]; it != nil && a != a.Block.Block.Instance(addr.NoKey).Self() {
		return []*item{it}
	}
	if found, ok := s.blocks[a.Block.Block]; ok || len(s.alike) == 0 {
		return slices.Clip(found)
	}
	return s.pattern(a.Block.Block)
}

// made are the steps after which what an address names is there for an item of the user's, and keeps its promises. Those of
// a block are one join.
func (s *steps) made(address string, user addr.Block, for_ *item) []int {
	if v, ok := s.ready[address]; ok {
		return []int{v}
	}
	var all []int
	for _, it := range s.items(address) {
		v, ok := s.up[it]
		if promise, waits := s.promise(it, user); waits {
			v, ok = promise, len(all) == 0 || all[len(all)-1] != promise // it comes after all that it is about
		}
		if ok && it != for_ {
			all = append(all, v)
		}
	}
	if len(all) <= 1 {
		return all
	}
	join := s.add(plan.Step{Address: address, Op: plan.OpJoin})
	for _, v := range all {
		s.need(join, v)
	}
	s.ready[address] = join
	return []int{join}
}

// volumes lets a volume be detached before it is attached elsewhere.
func (s *steps) volumes() {
	detached := map[string][]*item{}
	for _, it := range s.w.order {
		if _, goes := s.down[it]; goes && it.kind == addr.KindSupport && desired.Text(it.rec.value, "type") == attachment {
			target := desired.Text(it.rec.value, "target")
			detached[target] = append(detached[target], it)
		}
	}
	if len(detached) == 0 {
		return
	}
	for _, it := range s.w.order {
		up, comes := s.up[it]
		if !comes || it.kind != addr.KindSupport || desired.Text(it.want, "type") != attachment {
			continue
		}
		for _, old := range detached[desired.Text(it.want, "target")] {
			s.need(up, s.down[old])
		}
	}
}

// room lets a job free its share of an instance before another takes it. A job that starts beside the one that it replaces
// has a share of its own; what it frees is room for those after it.
func (s *steps) room() {
	leavers := map[string][]*item{} // by instance
	for _, it := range s.w.order {
		if _, goes := s.down[it]; !goes || it.kind != addr.KindJob {
			continue
		}
		on := desired.Text(it.rec.live(), "instance")
		leavers[on] = append(leavers[on], it)
	}
	for _, it := range s.w.order {
		up, comes := s.up[it]
		if !comes || it.kind != addr.KindJob || it.placement == nil {
			continue
		}
		for _, other := range leavers[it.placement.Instance] {
			switch {
			case other == it:
			case other.action != plan.CreateThenDelete:
				s.need(up, s.down[other])
			case it.action == plan.CreateThenDelete && other.addr.Compare(it.addr) < 0:
				s.need(up, s.down[other])
			}
		}
	}
}

// together lets all nodes of a run stop before any of them starts again, and before any of their instances is touched.
func (s *steps) together(r *runItem) {
	var stops []int
	machines := map[int]bool{}
	for _, it := range s.blocks[r.Addr.Block] {
		if it.kind != addr.KindJob || it.addr.Block != r.Addr || it.rec == nil {
			continue
		}
		if down, ok := s.down[it]; ok {
			stops = append(stops, down)
		}
		if on := s.w.instanceOf(it); on != nil {
			if down, ok := s.down[on]; ok {
				machines[down] = true
			}
		}
	}
	for _, stop := range stops {
		for _, it := range r.jobs {
			if up, ok := s.up[it]; ok {
				s.need(up, stop)
			}
		}
		for down := range machines {
			s.need(down, stop)
		}
	}
}

// oneByOne makes each replica wait for the one before it to be replaced.
func (s *steps) oneByOne(r *runItem) {
	last := -1
	for _, it := range r.jobs {
		if !it.action.IsReplace() {
			continue
		}
		first := s.up[it]
		if it.action == plan.DeleteThenCreate {
			first = s.down[it]
		}
		if last >= 0 {
			s.wish(first, last)
		}
		last = s.up[it]
		if it.action == plan.CreateThenDelete {
			last = s.down[it]
		}
	}
}

// circleError says that steps need each other.
type circleError struct {
	path   string
	beside []*item // replaced in the order create, delete, which is what can be changed about it
}

func (e *circleError) Error() string {
	return fmt.Sprintf("the changes need each other in a circle: %s, and again the first. Do them in two plans", e.path)
}

// sorted puts the steps into an order in which each comes after what it needs. Wishes that make a circle are dropped.
func (s *steps) sorted() ([]plan.Step, error) {
	for {
		g := graph.New(len(s.list))
		for _, e := range slices.Concat(s.must, s.may) {
			g.Need(e.step, e.needs)
		}
		order, cycle := g.Sort()
		if cycle == nil {
			return s.numbered(g, order), nil
		}
		if err := s.giveWay(cycle); err != nil {
			return nil, err
		}
	}
}

// giveWay drops the wishes that are in a circle. It is an error if there is none.
func (s *steps) giveWay(cycle []int) error {
	in := map[edge]bool{}
	for i, v := range cycle {
		in[edge{v, cycle[(i+1)%len(cycle)]}] = true
	}
	before := len(s.may)
	s.may = slices.DeleteFunc(s.may, func(e edge) bool { return in[e] })
	if len(s.may) < before {
		return nil
	}
	err := &circleError{}
	var path []string
	for _, v := range cycle {
		path = append(path, fmt.Sprintf("%s of %s", s.list[v].Op, s.list[v].Address))
	}
	err.path = strings.Join(path, ", then ")
	for it := range s.down {
		if it.action == plan.CreateThenDelete && (slices.Contains(cycle, s.down[it]) || slices.Contains(cycle, s.up[it])) {
			err.beside = append(err.beside, it)
		}
	}
	sortItems(err.beside)
	return err
}

func (s *steps) numbered(g *graph.Graph, order []int) []plan.Step {
	at := make([]int, len(order))
	for i, v := range order {
		at[v] = i
	}
	out := make([]plan.Step, len(order))
	for i, v := range order {
		out[i] = s.list[v]
		for _, n := range g.Needs(v) {
			out[i].Needs = append(out[i].Needs, at[n])
		}
		slices.Sort(out[i].Needs)
	}
	return out
}
