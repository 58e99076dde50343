package place

import (
	"cmp"
	"container/heap"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
)

// bin is a machine whose facts are known, with what is free on it.
type bin struct {
	*Machine
	index int // in the order of addresses
	shape *shape
	free  int
	jobs  []*job // placed on it by this plan
}

// shape is all that machines may have in common. Machines of one shape differ in what is free on them alone.
type shape struct {
	facts   schema.Offer
	unknown bool
	fleet   addr.Instance
	total   int
	byFree  []intHeap // indices of bins by the number of free blocks; stale entries are dropped when met
	bins    []*bin
}

func (sh *shape) place() locality {
	return locality{fleet: sh.fleet, backend: sh.facts.Backend, region: sh.facts.Region}
}

// placeIn is place, with the zone if that counts.
func (sh *shape) placeIn(zones bool) locality {
	l := sh.place()
	if zones {
		l.zone = offer.Zone(sh.facts)
	}
	return l
}

// locality is where the nodes of one run can be together.
type locality struct {
	fleet                 addr.Instance
	backend, region, zone string
}

func (s *solver) addMachines() {
	machines := make([]*Machine, len(s.p.Machines))
	for i := range s.p.Machines {
		machines[i] = &s.p.Machines[i]
	}
	slices.SortFunc(machines, func(a, b *Machine) int { return a.Addr.Compare(b.Addr) })
	shapes := map[string]*shape{}
	for i, m := range machines {
		s.taken[m.Addr] = true
		b := &bin{Machine: m, index: i}
		s.bins = append(s.bins, b)
		s.byAddr[m.Addr] = b
		key := shapeKey(m)
		sh := shapes[key]
		if sh == nil {
			sh = &shape{facts: m.Facts, unknown: m.FactsUnknown, fleet: m.Addr.Block, total: max(m.Facts.TotalBlocks, 1)}
			sh.byFree = make([]intHeap, sh.total+1)
			shapes[key] = sh
			s.shapes = append(s.shapes, sh)
			s.byFleet[sh.fleet] = append(s.byFleet[sh.fleet], sh)
		}
		b.shape = sh
		sh.bins = append(sh.bins, b)
		b.free = s.freeOn(m, sh)
		s.file(b)
	}
}

// freeOn counts the blocks that are free once what does not stay is gone. GPUs count, too: a machine that was divided
// otherwise when a job came may have blocks left and no GPUs for them.
func (s *solver) freeOn(m *Machine, sh *shape) int {
	free, gpus := sh.total, len(m.Facts.GPUs)
	for _, h := range m.Holds {
		if !h.Keep {
			continue
		}
		free -= max(h.Blocks, 1)
		gpus -= h.GPUs
		for _, port := range h.Ports {
			s.claim(m.Facts.Backend, port, replica{run: h.Job.Block, job: h.Job})
		}
		s.siblings[h.Job.Block] = sh.place()
	}
	if per := len(m.Facts.GPUs) / sh.total; per > 0 {
		free = min(free, gpus/per)
	}
	return max(free, 0)
}

func shapeKey(m *Machine) string {
	f := &m.Facts
	var b strings.Builder
	for _, t := range []string{m.Addr.Block.String(), f.Backend, f.Region, strings.Join(f.Zones, ","), f.InstanceType,
		strconv.Itoa(f.CPUs), strconv.FormatInt(f.MemoryMiB, 10), strconv.FormatInt(f.DiskMiB, 10), strconv.FormatInt(int64(f.Price), 10),
		strconv.FormatBool(f.Spot), strconv.FormatBool(f.PriceUnknown), strconv.FormatBool(m.FactsUnknown), strconv.Itoa(f.TotalBlocks)} {
		b.WriteString(t)
		b.WriteByte(0)
	}
	for _, g := range f.GPUs {
		b.WriteString(g.Name + "\x00" + g.Vendor + "\x00" + strconv.FormatInt(g.MemoryMiB, 10) + "\x00")
	}
	return b.String()
}

// file makes the bin findable by what is free on it, unless it takes no job.
func (s *solver) file(b *bin) {
	if b.free > 0 && !b.Unreachable && !b.Closed {
		heap.Push(&b.shape.byFree[b.free], b.index)
	}
}

// take puts a job on a bin.
func (s *solver) take(b *bin, j *job, c *class, k int) {
	b.free -= k
	b.jobs = append(b.jobs, j)
	s.file(b)
	j.bin, j.k, j.class = b, k, c
	s.settle(j, c, b.shape.facts)
}

// release takes a job off its bin again.
func (s *solver) release(j *job) {
	b := j.bin
	b.free += j.k
	b.jobs = slices.DeleteFunc(b.jobs, func(o *job) bool { return o == j })
	s.file(b)
	s.unclaim(j)
	j.bin, j.k = nil, 0
	s.epoch++
}

// first is the bin with the lowest address of those that have exactly so many blocks free, but for one.
func (s *solver) first(sh *shape, free int, except *bin) *bin {
	h := &sh.byFree[free]
	var set *bin
	defer func() {
		if set != nil {
			heap.Push(h, set.index)
		}
	}()
	for h.Len() > 0 {
		b := s.bins[(*h)[0]]
		if b.free == free && b != except {
			return b
		}
		heap.Pop(h)
		if b == except && b.free == free {
			set = b
		}
	}
	return nil
}

// fitOn is how many blocks of a shape a class takes.
func (s *solver) fitOn(c *class, sh *shape) int {
	k, ok := c.onShape[sh]
	if !ok {
		k, _ = s.check(c, sh.facts, sh.unknown)
		c.onShape[sh] = k
	}
	return k
}

// scopeOf lists the shapes of a fleet, or of all, that a class fits: the cheapest share first, then the one that wastes
// least.
func (s *solver) scopeOf(c *class, f addr.Instance) *scope {
	if sc := c.scopes[f]; sc != nil {
		return sc
	}
	shapes := s.shapes
	if f != (addr.Instance{}) {
		shapes = s.byFleet[f]
	}
	sc := &scope{}
	for _, sh := range shapes {
		if k := s.fitOn(c, sh); k > 0 {
			sc.order = append(sc.order, fit{sh, k, slice(sh.facts, k)})
		}
	}
	slices.SortStableFunc(sc.order, compareFits)
	c.scopes[f] = sc
	return sc
}

// compareFits orders shares of machines by price, then by what they take away from other jobs.
func compareFits(a, b fit) int {
	return cmp.Or(cmp.Compare(a.share.Price, b.share.Price), cmp.Compare(len(a.share.GPUs), len(b.share.GPUs)),
		cmp.Compare(a.share.CPUs, b.share.CPUs), cmp.Compare(a.share.MemoryMiB, b.share.MemoryMiB))
}

// findBin finds the best machine that exists: the cheapest share, of those the fullest machine that has room, of those
// the first by address.
func (s *solver) findBin(c *class, f addr.Instance, except *bin) (*bin, int) {
	sc := s.scopeOf(c, f)
	if sc.epoch != s.epoch {
		sc.start, sc.epoch = 0, s.epoch
	}
	var best *bin
	var found fit
	left := 0
	for i := sc.start; i < len(sc.order); i++ {
		f := sc.order[i]
		if best != nil && compareFits(f, found) > 0 {
			break
		}
		free := f.k
		var b *bin
		for ; free <= f.shape.total; free++ {
			if b = s.first(f.shape, free, except); b != nil {
				break
			}
		}
		if b == nil {
			if i == sc.start && except == nil {
				sc.start++
			}
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(free-f.k, left), cmp.Compare(b.index, best.index)) < 0 {
			best, found, left = b, f, free-f.k
		}
		if left == 0 && i-sc.start > 64 {
			break // a perfect fit; the rest could win by its address alone
		}
	}
	return best, found.k
}

type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
