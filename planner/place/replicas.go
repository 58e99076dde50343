package place

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema/value"
)

// placeReplicas places the replicas that have several nodes, the largest first. All nodes are on machines of their own
// in one fleet, backend and region, or none is placed.
func (s *solver) placeReplicas() {
	byReplica := map[replica][]*job{}
	var order []replica
	for _, j := range s.jobs {
		if j.Nodes > 1 {
			r := j.replica()
			if byReplica[r] == nil {
				order = append(order, r)
			}
			byReplica[r] = append(byReplica[r], j)
		}
	}
	slices.SortStableFunc(order, func(a, b replica) int {
		x, y := byReplica[a], byReplica[b]
		return cmp.Or(compareBool(hasCurrent(x), hasCurrent(y)), compareBool(x[0].bound(), y[0].bound()), cmp.Compare(len(y), len(x)),
			-compareSize(x[0].Need.Resources, y[0].Need.Resources))
	})
	for _, r := range order {
		jobs := byReplica[r]
		slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(a.Rank, b.Rank) })
		if !s.placeReplica(jobs) {
			f := s.explain(jobs)
			for _, j := range jobs {
				j.failed = f
			}
		}
	}
}

func hasCurrent(jobs []*job) bool {
	return slices.ContainsFunc(jobs, func(j *job) bool { return !j.Current.IsZero() })
}

// picked is a machine tentatively given to a node.
type picked struct {
	job   *job
	class *class
	bin   *bin
}

// option is a locality with the nodes that find a machine there.
type option struct {
	at    locality
	picks []picked
	rest  []*job
	kept  int
	price value.Money
}

func (s *solver) placeReplica(jobs []*job) bool {
	options := s.options(jobs)
	for _, o := range options {
		if len(o.rest) == 0 {
			s.accept(o)
			return true
		}
	}
	// Some of it on machines that exist, the rest on planned ones of the same fleet in the same region.
	for _, o := range options {
		if s.planMembers(o.at.fleet, o.rest, offer.Location{Backend: o.at.backend, Region: o.at.region, Zone: o.at.zone}) {
			s.accept(o)
			return true
		}
	}
	if _, confined := s.siblings[jobs[0].Run()]; confined {
		return false
	}
	return s.planFor(jobs)
}

// planFor puts all jobs on machines that are to be made.
func (s *solver) planFor(jobs []*job) bool {
	j := jobs[0]
	if j.bound() {
		return s.planMembers(j.Fleet, jobs, offer.Location{})
	}
	if len(jobs) > 1 {
		owners := []addr.Instance{j.Run()}
		for _, g := range s.groups {
			if !g.dead && g.fleet.Type == "fleet" && owners[len(owners)-1] != g.fleet {
				owners = append(owners, g.fleet)
			}
		}
		for _, f := range owners {
			if s.planMembers(f, jobs, offer.Location{}) {
				return true
			}
		}
	}
	return j.Creation != value.Reuse && s.bring(jobs)
}

// options lists the localities with machines for the replica: those that keep most nodes where they are, then those
// that hold most, then the cheapest.
func (s *solver) options(jobs []*job) []option {
	var out []option
	places := map[locality][]*shape{}
	var order []locality
	scope := s.shapes
	if jobs[0].bound() {
		scope = s.byFleet[jobs[0].Fleet]
	}
	sibling, confined := s.siblings[jobs[0].Run()]
	zones := shareVolume(jobs)
	for _, sh := range scope {
		at := sh.placeIn(zones)
		if sh.total > 1 || confined && sh.place() != sibling {
			continue
		}
		if places[at] == nil {
			order = append(order, at)
		}
		places[at] = append(places[at], sh)
	}
	for _, at := range order {
		if o := s.try(at, jobs); len(o.picks) > 0 {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b option) int {
		return cmp.Or(cmp.Compare(b.kept, a.kept), cmp.Compare(len(b.picks), len(a.picks)), cmp.Compare(a.price, b.price))
	})
	return out
}

// shareVolume tells whether a volume that may have no zone yet is mounted by the nodes: they must be in one zone then.
func shareVolume(jobs []*job) bool {
	return slices.ContainsFunc(jobs, func(j *job) bool {
		return slices.ContainsFunc(j.Mounts, func(m Mount) bool {
			return slices.ContainsFunc(m.Alternatives, func(v Volume) bool { return !v.Unknown && v.At.Zone == "" })
		})
	})
}

// try picks a machine of the locality for each node, without taking it: first where it is, then the cheapest.
func (s *solver) try(at locality, jobs []*job) option {
	o := option{at: at}
	used := map[*bin]bool{}
	var open []*job
	for _, j := range jobs {
		c := s.classOf(j)
		b := s.byAddr[j.Current]
		if b != nil && b.shape.placeIn(at.zone != "") == at && b.free > 0 && !used[b] && !b.Unreachable && !b.Closed && s.fitOn(c, b.shape) > 0 {
			used[b] = true
			o.kept++
			o.add(j, c, b)
		} else {
			open = append(open, j)
		}
	}
	// A node that mounts volumes has less choice than one that does not.
	slices.SortStableFunc(open, func(a, b *job) int { return compareBool(len(a.Mounts) > 0, len(b.Mounts) > 0) })
	for _, j := range open {
		c := s.classOf(j)
		if b := s.wholeBin(c, j.Fleet, at, used); b != nil {
			used[b] = true
			o.add(j, c, b)
		} else {
			o.rest = append(o.rest, j)
		}
	}
	slices.SortStableFunc(o.rest, func(a, b *job) int { return cmp.Compare(a.Rank, b.Rank) })
	for b := range used {
		s.file(b) // wholeBin took it out of sight
	}
	return o
}

func (o *option) add(j *job, c *class, b *bin) {
	o.picks = append(o.picks, picked{j, c, b})
	o.price += b.Facts.Price
}

// wholeBin finds the cheapest free undivided machine of the locality. It takes those that are in use out of sight; the
// caller files them again.
func (s *solver) wholeBin(c *class, fleet addr.Instance, at locality, used map[*bin]bool) *bin {
	for _, f := range s.scopeOf(c, fleet).order {
		if f.shape.placeIn(at.zone != "") != at {
			continue
		}
		h := &f.shape.byFree[1]
		for h.Len() > 0 {
			b := s.bins[(*h)[0]]
			if b.free == 1 && !used[b] {
				return b
			}
			heap.Pop(h)
		}
	}
	return nil
}

func (s *solver) accept(o option) {
	for _, p := range o.picks {
		s.take(p.bin, p.job, p.class, 1)
		p.job.stays = p.bin.Addr == p.job.Current
	}
}

// planMembers puts jobs on members of planned groups of a fleet, or adds members where the fleet may grow, all of one
// offer. A member that has a job already is not used: this is for nodes, and for jobs that found no room elsewhere.
func (s *solver) planMembers(owner addr.Instance, jobs []*job, within offer.Location) bool {
	keepFirst := jobs[0].Fleet != owner && jobs[0].Run() != owner
	f := s.fleets[owner]
	if keepFirst {
		f = nil // a fleet grows for the jobs that are bound to it
	}
	if g, free := s.clusterOf(owner, f); g != nil {
		return s.joinCluster(g, free, f, jobs, within, keepFirst)
	}
	free := s.freshSingles(owner, jobs, within)
	missing := len(jobs) - len(free)
	if missing > 0 && (f == nil || !f.mayAdd(missing)) {
		return false
	}
	g := &group{fleet: owner, members: free}
	if len(free) > 0 {
		g.need, g.within, g.cluster = free[0].group.need, free[0].group.within, free[0].group.cluster
	} else {
		g.need, g.within, g.cluster = groupNeed(f.Need, f.Cluster), f.Within, f.Cluster
	}
	g.choice = s.choose(g.need, g.within, len(jobs), false)
	g.state = s.afterAll(g.choice, jobs, within)
	if g.state == nil || keepFirst && g.state.cands[0] != g.choice.cands[0] {
		return false
	}
	for _, m := range free {
		m.group.dead = true
	}
	for range max(missing, 0) {
		g.members = append(g.members, s.newMember(owner))
		f.added++
	}
	slices.SortFunc(g.members, func(a, b *member) int { return a.addr.Compare(b.addr) })
	s.addGroup(g)
	if f != nil && f.Cluster {
		f.cluster = g
	}
	s.seat(g, g.members, jobs)
	return true
}

// clusterOf is the planned group of a cluster fleet with its members that have no job.
func (s *solver) clusterOf(owner addr.Instance, f *fleet) (*group, []*member) {
	var g *group
	if f != nil && f.cluster != nil {
		g = f.cluster
	} else {
		s.each(s.poolOf(owner), func(c *group) {
			if g == nil && c.cluster && len(c.members) > 1 {
				g = c
			}
		})
	}
	if g == nil || g.dead {
		return nil, nil
	}
	var free []*member
	for _, m := range g.members {
		if len(m.jobs) == 0 {
			free = append(free, m)
		}
	}
	return g, free
}

// joinCluster puts jobs on members of a cluster, which may grow for them.
func (s *solver) joinCluster(g *group, free []*member, f *fleet, jobs []*job, within offer.Location, keepFirst bool) bool {
	missing := len(jobs) - len(free)
	if missing > 0 && (f == nil || !f.mayAdd(missing)) {
		return false
	}
	left := s.narrow(g.state.cands, jobs, within)
	if missing > 0 {
		left = slices.DeleteFunc(left, func(c *cand) bool { return !c.holds(len(g.members) + missing) })
	}
	if len(left) == 0 || keepFirst && left[0] != g.state.cands[0] {
		return false
	}
	for range max(missing, 0) {
		m := s.newMember(g.fleet)
		m.group = g
		f.added++
		s.members[m.addr] = m
		g.members = append(g.members, m)
		free = append(free, m)
	}
	g.state = newState(left)
	s.seat(g, free, jobs)
	return true
}

// holds tells whether so many machines can be had at all.
func (c *cand) holds(n int) bool {
	return (c.offer.Limit == 0 || n <= c.offer.Limit) && (c.offer.Quota == nil || n*c.offer.Quota.Cost <= c.offer.Quota.Left)
}

// seat gives each job a member, the one that it had before if that is among them. The group's state is right already.
func (s *solver) seat(g *group, members []*member, jobs []*job) {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b *member) int { return a.addr.Compare(b.addr) })
	take := func(j *job, i int) {
		m := members[i]
		members = slices.Delete(members, i, i+1)
		j.stays = m.addr == j.Current
		s.board(m, j, s.classOf(j))
	}
	var rest []*job
	for _, j := range jobs {
		if i := slices.IndexFunc(members, func(m *member) bool { return m.addr == j.Current }); i >= 0 {
			take(j, i)
		} else {
			rest = append(rest, j)
		}
	}
	for _, j := range rest {
		take(j, 0)
	}
	for _, j := range jobs {
		s.pinZones(g, j, j.class)
	}
	s.offerGroup(g)
}

// freshSingles lists members that are groups of their own and have no job yet, as many as there are jobs at most: those
// where the jobs are now, then the first.
func (s *solver) freshSingles(owner addr.Instance, jobs []*job, within offer.Location) []*member {
	var out []*member
	add := func(m *member) {
		if m == nil || len(out) == len(jobs) || slices.Contains(out, m) {
			return
		}
		g := m.group
		alike := len(out) == 0 || out[0].group.state == g.state
		if g.fleet == owner && !g.dead && len(g.members) == 1 && len(m.jobs) == 0 && alike {
			out = append(out, m)
		}
	}
	for _, j := range jobs {
		add(s.members[j.Current])
	}
	s.each(s.poolOf(owner), func(g *group) {
		if len(g.members) > 1 || len(g.members[0].jobs) > 0 || len(s.narrow(g.state.cands, jobs, within)) == 0 {
			return
		}
		for _, i := range slices.Sorted(slices.Values(*s.poolOf(owner).groups[g.state])) {
			if len(out) == len(jobs) {
				return
			}
			if other := s.groups[i]; other.state == g.state {
				add(other.members[0])
			}
		}
	})
	return out
}

// narrow leaves the candidates on which every one of the jobs fits, alone on its machine.
func (s *solver) narrow(cands []*cand, jobs []*job, within offer.Location) []*cand {
	var classes []*class
	for _, j := range jobs {
		if c := s.classOf(j); !slices.Contains(classes, c) {
			classes = append(classes, c)
		}
	}
	var left []*cand
	for _, cd := range cands {
		if within.Admits(cd.offer) && !slices.ContainsFunc(classes, func(c *class) bool { return s.onCand(c, cd) == 0 }) {
			left = append(left, cd)
		}
	}
	return left
}

// afterAll is the state of a new group with one job on each member, nil if no candidate would hold them.
func (s *solver) afterAll(ch *choice, jobs []*job, within offer.Location) *state {
	st := ch.fresh
	if within != (offer.Location{}) {
		st = newState(slices.DeleteFunc(slices.Clone(st.cands), func(c *cand) bool { return !within.Admits(c.offer) }))
	}
	for _, j := range jobs {
		if st = s.after(st, s.empty, s.classOf(j)); st == nil {
			break
		}
	}
	return st
}

// bring makes machines for the run itself.
func (s *solver) bring(jobs []*job) bool {
	g := &group{fleet: jobs[0].Run(), need: ownNeed(*jobs[0].Job), cluster: len(jobs) > 1}
	g.choice = s.choose(g.need, offer.Location{}, len(jobs), jobs[0].InstanceMounts)
	if g.state = s.afterAll(g.choice, jobs, offer.Location{}); g.state == nil {
		return false
	}
	for range jobs {
		g.members = append(g.members, s.newMember(g.fleet))
	}
	s.addGroup(g)
	s.seat(g, g.members, jobs)
	return true
}

func (s *solver) newMember(owner addr.Instance) *member {
	return &member{addr: s.nextAddr(owner), load: s.empty, added: true}
}

func (f *fleet) mayAdd(n int) bool { return f.Max < 0 || f.Count+f.added+n <= f.Max }
