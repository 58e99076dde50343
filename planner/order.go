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
	w      *walk
	graph  *graph.Graph
	list   []plan.Step
	up     map[*item]int  // the create or update of an item
	down   map[*item]int  // the delete of its old object
	ready  map[string]int // by address of a block: everything of it is made
	blocks map[addr.Block][]*item
}

// order makes the steps of all items, sorted so that they could be done one by one.
func (w *walk) steps() ([]plan.Step, error) {
	s := &steps{w: w, graph: graph.New(0), up: map[*item]int{}, down: map[*item]int{}, ready: map[string]int{}, blocks: map[addr.Block][]*item{}}
	for _, it := range w.order {
		if it.kind != addr.KindSupport {
			s.blocks[it.addr.Block.Block] = append(s.blocks[it.addr.Block.Block], it)
		}
	}
	for _, it := range w.order {
		s.make(it)
	}
	for _, it := range w.order {
		s.link(it)
	}
	s.replicas()
	return s.sorted()
}

func (s *steps) add(st plan.Step) int {
	s.list = append(s.list, st)
	return s.graph.Add()
}

// make adds the steps of one item.
func (s *steps) make(it *item) {
	switch {
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
		s.graph.Need(s.up[it], depose)
		s.graph.Need(s.down[it], s.up[it])
	case it.action == plan.DeleteThenCreate, it.fresh && it.exists() && it.comes():
		s.down[it] = s.add(plan.Step{Address: it.name, Op: plan.OpDelete})
		s.up[it] = s.add(plan.Step{Address: it.name, Op: plan.OpCreate})
		s.graph.Need(s.up[it], s.down[it])
	case it.action == plan.Create:
		s.up[it] = s.add(plan.Step{Address: it.name, Op: plan.OpCreate})
	case it.action == plan.Update:
		op := plan.OpUpdate
		if it.recordOnly() {
			op = plan.OpRecord
		}
		s.up[it] = s.add(plan.Step{Address: it.name, Op: op})
	}
}

func deposedKey(it *item) string { return fmt.Sprintf("r%d", it.rec.Revision) }

// link adds the edges of one item.
func (s *steps) link(it *item) {
	if up, ok := s.up[it]; ok {
		for _, need := range it.needs {
			for _, v := range s.made(need, it) {
				s.graph.Need(up, v)
			}
		}
	}
	// What stood on something must let go of it before that ends.
	if it.rec == nil {
		return
	}
	if up, ok := s.up[it]; ok && !it.goes() {
		for _, need := range it.rec.Needs {
			for _, other := range s.items(need) {
				if down, goes := s.down[other]; goes && other.action == plan.CreateThenDelete {
					s.graph.Need(down, up) // what stood on the old one stands on the new one first
				}
			}
		}
	}
	release, leaves := s.down[it]
	if !leaves || it.action == plan.CreateThenDelete {
		if up, changes := s.up[it]; changes && !it.action.IsReplace() {
			release, leaves = up, true
		}
	}
	if !leaves {
		return
	}
	for _, need := range it.rec.Needs {
		for _, other := range s.items(need) {
			down, goes := s.down[other]
			if !goes || other == it {
				continue
			}
			_, isDelete := s.down[it]
			if isDelete || !slices.Contains(it.needs, need) {
				s.graph.Need(down, release)
			}
		}
	}
}

// items are those of an address, or of a block.
func (s *steps) items(address string) []*item {
	a, err := addr.ParseAny(address)
	if err != nil {
		return nil
	}
	if it := s.w.items[a]; it != nil {
		return []*item{it}
	}
	return s.blocks[a.Block.Block]
}

// made are the steps after which what an address names is there. A block of several is one join.
func (s *steps) made(address string, for_ *item) []int {
	items := s.items(address)
	if len(items) == 1 {
		if v, ok := s.up[items[0]]; ok && items[0] != for_ {
			return []int{v}
		}
		return nil
	}
	if v, ok := s.ready[address]; ok {
		return []int{v}
	}
	var all []int
	for _, it := range items {
		if v, ok := s.up[it]; ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return nil
	}
	join := s.add(plan.Step{Address: address, Op: plan.OpJoin})
	for _, v := range all {
		s.graph.Need(join, v)
	}
	s.ready[address] = join
	return []int{join}
}

// replicas adds what holds between jobs: all nodes of a replica stop before any of their instances is touched and before
// any starts again; what a job leaves is free before another takes it; replicas of a service are replaced one by one.
func (s *steps) replicas() {
	leavers := map[string][]int{} // by instance: the stops on it
	for _, it := range s.w.order {
		if it.kind != addr.KindJob || it.rec == nil || it.action == plan.CreateThenDelete {
			continue
		}
		on := desired.Text(it.rec.live(), "instance")
		if down, ok := s.down[it]; ok && (it.placement == nil || it.placement.Instance != on) {
			leavers[on] = append(leavers[on], down)
		}
	}
	for _, it := range s.w.order {
		if it.kind != addr.KindJob || it.placement == nil {
			continue
		}
		if up, ok := s.up[it]; ok {
			for _, down := range leavers[it.placement.Instance] {
				if down != s.down[it] || s.up[it] != down {
					s.graph.Need(up, down)
				}
			}
		}
	}
	for _, runs := range s.w.runs {
		for _, r := range runs {
			if r.Type == desired.TypeService {
				s.oneByOne(r)
			} else if r.Nodes > 1 {
				s.together(r)
			}
		}
	}
}

func (s *steps) together(r *runItem) {
	for _, a := range r.jobs {
		down, stops := s.down[a]
		if !stops {
			continue
		}
		for _, b := range r.jobs {
			if up, ok := s.up[b]; ok {
				s.graph.Need(up, down)
			}
			if b.rec == nil {
				continue
			}
			if on := s.w.instanceOf(b); on != nil {
				if d, ok := s.down[on]; ok {
					s.graph.Need(d, down)
				}
			}
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
			s.graph.Need(first, last)
		}
		last = s.up[it]
		if it.action == plan.CreateThenDelete {
			last = s.down[it]
		}
	}
}

// sorted puts the steps into an order in which each comes after what it needs.
func (s *steps) sorted() ([]plan.Step, error) {
	order, cycle := s.graph.Sort()
	if cycle != nil {
		var path []string
		for _, v := range cycle {
			path = append(path, fmt.Sprintf("%s of %s", s.list[v].Op, s.list[v].Address))
		}
		return nil, fmt.Errorf("the changes need each other in a circle: %s, and again the first. Do them in two plans", strings.Join(path, ", then "))
	}
	at := make([]int, len(order))
	for i, v := range order {
		at[v] = i
	}
	out := make([]plan.Step, len(order))
	for i, v := range order {
		out[i] = s.list[v]
		for _, n := range s.graph.Needs(v) {
			out[i].Needs = append(out[i].Needs, at[n])
		}
		slices.Sort(out[i].Needs)
	}
	return out, nil
}
