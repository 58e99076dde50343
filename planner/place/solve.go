package place

import (
	"cmp"
	"maps"
	"slices"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// job is a Job with where it was put.
type job struct {
	*Job
	needKey string
	class   *class
	bin     *bin // on a machine whose facts are known
	k       int
	member  *member // or on one that is made
	stays   bool    // it is where it was, and must not be moved to make room
	beside  bool
	failed  *failure
}

// replica is what shares ports and localities: the nodes of one replica of a run.
type replica struct {
	run   addr.Instance
	job   addr.Resource // of jobs that are not placed by this plan
	index int
}

func (j *job) replica() replica { return replica{run: j.Run(), index: j.Replica} }

// Run is the run that the job belongs to.
func (j *Job) Run() addr.Instance { return j.Addr.Block }

func (j *job) placed() bool { return j.bin != nil || j.member != nil }

func (j *job) bound() bool { return j.Fleet != (addr.Instance{}) }

type portKey struct {
	backend string
	port    int
}

type solver struct {
	p      *Problem
	jobs   []*job
	shared []string // backends whose machines share a network, sorted

	bins    []*bin
	byAddr  map[addr.Resource]*bin
	shapes  []*shape
	byFleet map[addr.Instance][]*shape
	epoch   int // counts releases

	fleets  map[addr.Instance]*fleet
	groups  []*group
	ofFleet map[addr.Instance][]*group
	members map[addr.Resource]*member
	pools   map[addr.Instance]*pool
	anyPool pool
	taken   map[addr.Resource]bool
	lowest  map[addr.Instance]int // no index below is free

	classes map[string]*class
	choices map[string]*choice
	cands   map[string]*cand
	loads   map[string]*load
	empty   *load

	ports    map[portKey]replica
	zones    map[addr.Resource]string // that volumes without one have got
	mounters map[addr.Resource]int    // replicas that may mount a volume that has no zone
	siblings map[addr.Instance]locality

	ledger *ledger
	budget int // steps that repairs may still take
}

// fleet is one that may grow.
type fleet struct {
	*Fleet
	added   int
	cluster *group // that new members of a cluster join
}

// repairBudget bounds what is spent on making room by moving what was just placed.
const repairBudget = 20_000

// Solve decides where everything runs.
func Solve(p Problem) Solution {
	s := newSolver(&p)
	s.addMachines()
	s.addGroups()
	s.addJobs()

	s.keepCurrent()
	s.placeReplicas()
	s.placeSingles()
	s.roll()
	s.chooseOffers()
	return s.solution()
}

func newSolver(p *Problem) *solver {
	s := &solver{
		p: p, byAddr: map[addr.Resource]*bin{}, byFleet: map[addr.Instance][]*shape{},
		fleets: map[addr.Instance]*fleet{}, ofFleet: map[addr.Instance][]*group{}, members: map[addr.Resource]*member{}, pools: map[addr.Instance]*pool{},
		taken: map[addr.Resource]bool{}, lowest: map[addr.Instance]int{},
		classes: map[string]*class{}, choices: map[string]*choice{}, cands: map[string]*cand{}, loads: map[string]*load{},
		empty: &load{used: map[*cand]int{}},
		ports: map[portKey]replica{}, zones: map[addr.Resource]string{}, mounters: map[addr.Resource]int{},
		siblings: map[addr.Instance]locality{}, budget: repairBudget,
	}
	for _, name := range slices.Sorted(maps.Keys(p.Backends)) {
		if p.Backends[name].SharedNetwork {
			s.shared = append(s.shared, name)
		}
	}
	for i := range p.Fleets {
		f := &p.Fleets[i]
		s.fleets[f.Addr] = &fleet{Fleet: f}
	}
	for _, r := range p.Reserved {
		s.taken[r] = true
	}
	return s
}

// addGroups splits groups that need not be together into one for each member.
func (s *solver) addGroups() {
	groups := make([]*Group, 0, len(s.p.Groups))
	for i := range s.p.Groups {
		if len(s.p.Groups[i].Members) > 0 {
			groups = append(groups, &s.p.Groups[i])
		}
	}
	var made []*group
	for _, g := range groups {
		members := slices.SortedFunc(slices.Values(g.Members), addr.Resource.Compare)
		need := groupNeed(g.Need, g.Cluster)
		size := 1
		if g.Cluster {
			size = len(members)
		}
		ch := s.choose(need, g.Within, size, false)
		for part := range slices.Chunk(members, size) {
			n := &group{fleet: g.Fleet, need: need, within: g.Within, cluster: g.Cluster, choice: ch, state: ch.fresh}
			for _, a := range part {
				n.members = append(n.members, &member{addr: a, load: s.empty})
			}
			made = append(made, n)
		}
	}
	slices.SortStableFunc(made, func(a, b *group) int { return a.members[0].addr.Compare(b.members[0].addr) })
	for _, g := range made {
		s.addGroup(g)
		if f := s.fleets[g.fleet]; f != nil && g.cluster {
			f.cluster = g
		}
	}
}

func (s *solver) addJobs() {
	seen := map[addr.Resource]map[replica]bool{}
	for i := range s.p.Jobs {
		j := &job{Job: &s.p.Jobs[i]}
		j.needKey = offer.Key(j.Need)
		s.jobs = append(s.jobs, j)
		for _, m := range j.Mounts {
			for _, v := range m.Alternatives {
				if v.Unknown || v.At.Zone != "" {
					continue
				}
				if seen[v.Addr] == nil {
					seen[v.Addr] = map[replica]bool{}
				}
				seen[v.Addr][j.replica()] = true
			}
		}
	}
	for v, by := range seen {
		s.mounters[v] = len(by)
	}
	slices.SortFunc(s.jobs, func(a, b *job) int { return a.Addr.Compare(b.Addr) })
}

// keepCurrent leaves single jobs where they are if they fit there.
func (s *solver) keepCurrent() {
	for _, j := range s.jobs {
		if j.Nodes > 1 || j.Current.IsZero() {
			continue
		}
		c := s.classOf(j)
		if b := s.byAddr[j.Current]; b != nil && s.inScope(j, b.Addr.Block) && !b.Unreachable && !b.Closed {
			if k := s.fitOn(c, b.shape); k > 0 && k <= b.free {
				s.take(b, j, c, k)
				j.stays = true
			}
		} else if m := s.members[j.Current]; m != nil && s.inScope(j, m.group.fleet) && s.after(m.group.state, m.load, c) != nil {
			s.put(m, j, c)
			j.stays = true
		}
	}
}

// inScope tells whether the job may be on machines of the fleet or run.
func (s *solver) inScope(j *job, owner addr.Instance) bool {
	return !j.bound() || j.Fleet == owner
}

// placeSingles places all other jobs that are alone: first those with the least choice, then the largest.
func (s *solver) placeSingles() {
	var todo []*job
	for _, j := range s.jobs {
		if j.Nodes <= 1 && !j.placed() {
			todo = append(todo, j)
		}
	}
	slices.SortStableFunc(todo, func(a, b *job) int {
		return cmp.Or(
			compareBool(a.bound(), b.bound()),
			compareBool(len(a.Mounts) > 0, len(b.Mounts) > 0),
			compareBool(a.Creation == value.Reuse, b.Creation == value.Reuse),
			-compareSize(a.Need.Resources, b.Need.Resources),
		)
	})
	for _, j := range todo {
		if !s.placeSingle(j) {
			j.failed = s.explain([]*job{j})
		}
	}
}

// placeSingle goes from what costs nothing more to what does: machines that exist, planned ones, room made by moving
// others, machines that the fleet may add, and one of its own.
func (s *solver) placeSingle(j *job) bool {
	c := s.classOf(j)
	if b, k := s.findBin(c, j.Fleet, nil); b != nil {
		s.take(b, j, c, k)
		return true
	}
	if m := s.plannedFor(j, c); m != nil {
		s.put(m, j, c)
		return true
	}
	// What a job with ports or volumes decides for others cannot be taken back, so it moves nobody.
	if sc := s.scopeOf(c, j.Fleet); !sc.stuck && len(j.Ports)+len(j.Mounts) == 0 {
		if s.makeRoom(j, c, maxDepth) {
			return true
		}
		sc.stuck = true
	}
	return s.planFor([]*job{j})
}

// plannedFor finds a machine that is made anyway.
func (s *solver) plannedFor(j *job, c *class) *member {
	if j.bound() {
		return s.findMember(c, s.poolOf(j.Fleet), false)
	}
	if m := s.findMember(c, s.poolOf(j.Run()), false); m != nil {
		return m
	}
	return s.findMember(c, &s.anyPool, true)
}

// maxDepth is how many jobs are moved at most to make room for one.
const maxDepth = 4

// makeRoom moves a job that this plan has put on a machine that exists to another one, if that makes room.
func (s *solver) makeRoom(j *job, c *class, depth int) bool {
	if depth == 0 {
		return false
	}
	order := s.scopeOf(c, j.Fleet).order
	for _, f := range order {
		for _, b := range f.shape.bins {
			if s.budget <= 0 {
				return false
			}
			s.budget--
			if b.Unreachable || b.Closed || b.free >= f.k {
				continue // it has room, which is left for what is being moved
			}
			for _, other := range slices.Clone(b.jobs) {
				if other.stays || other.Nodes > 1 || len(other.Ports)+len(other.Mounts) > 0 || b.free+other.k < f.k {
					continue
				}
				s.budget -= len(order) // the search for another place
				oc, ok := other.class, other.k
				s.release(other)
				s.take(b, j, c, f.k)
				if nb, k := s.findBin(oc, other.Fleet, b); nb != nil {
					s.take(nb, other, oc, k)
					return true
				}
				if s.makeRoom(other, oc, depth-1) {
					return true
				}
				s.release(j)
				s.take(b, other, oc, ok)
			}
		}
	}
	return false
}

// roll moves single jobs that replace a running one to where there is room beside it. What a job leaves is room for the next.
func (s *solver) roll() {
	for _, j := range s.jobs {
		if !j.Rolling || j.Nodes > 1 || !j.stays || j.bin == nil || len(j.Mounts) > 0 {
			continue
		}
		if len(j.Ports) > 0 && s.p.Backends[j.bin.Facts.Backend].SharedNetwork {
			continue
		}
		old, k := j.bin, j.k
		c := s.classOf(j)
		b, n := s.findBin(c, j.Fleet, nil)
		if b == nil {
			continue
		}
		// The old share is given back only once the new one is taken.
		old.jobs = slices.DeleteFunc(old.jobs, func(o *job) bool { return o == j })
		s.take(b, j, c, n)
		old.free += k
		s.file(old)
		s.epoch++
		j.beside = true
	}
}

// settle notes what a job's place decides for others: ports in use and zones of volumes.
func (s *solver) settle(j *job, c *class, o schema.Offer) {
	for _, port := range j.Ports {
		s.claim(o.Backend, port, j.replica())
	}
	for _, m := range c.mounts {
		if v, ok := m.pick(o); ok && !v.Unknown && v.At.Zone == "" {
			if z := offer.Zone(o); z != "" && !v.Addr.IsZero() {
				s.zones[v.Addr] = z
			}
		}
	}
}

func (s *solver) claim(backend string, port int, owner replica) {
	if s.p.Backends[backend].SharedNetwork {
		s.ports[portKey{backend, port}] = owner
	}
}

func (s *solver) unclaim(j *job) {
	for _, name := range s.shared {
		for _, port := range j.Ports {
			if s.ports[portKey{name, port}] == j.replica() {
				delete(s.ports, portKey{name, port})
			}
		}
	}
}

// nextAddr is the lowest free number of a fleet or run, which is taken by asking for it.
func (s *solver) nextAddr(owner addr.Instance) addr.Resource {
	for n := s.lowest[owner]; ; n++ {
		a := owner.Machine(addr.Int(n))
		if !s.taken[a] {
			s.taken[a] = true
			s.lowest[owner] = n + 1
			return a
		}
	}
}

func slice(o schema.Offer, k int) schema.Offer { return offer.Slice(o, k, o.TotalBlocks) }

// compareBool puts what is true first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// compareSize orders by the least that is needed: GPUs, CPUs, memory.
func compareSize(a, b schema.Resources) int {
	return cmp.Or(cmp.Compare(a.GPU.Count().Min, b.GPU.Count().Min), cmp.Compare(a.CPU.Range().Min, b.CPU.Range().Min),
		cmp.Compare(a.Memory.Range().Min, b.Memory.Range().Min))
}
