package place

import (
	"cmp"
	"container/heap"
	"slices"
	"strconv"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
)

// cand is an offer in one zone, of which the members of a group could be made.
type cand struct {
	offer schema.Offer
	zone  string
}

// choice is what was found for a need, once for all groups that share it.
type choice struct {
	offer.Selection
	cands []*cand
	fresh *state
}

// state is what groups have in common that were treated alike: the candidates that are left to them. Groups in one
// state have members with the same loads.
type state struct {
	cands []*cand
	next  map[step]*state // nil: nothing would be left
}

type step struct {
	class *class
	load  *load
}

// load is what jobs are on a member, by class.
type load struct {
	key    string
	parent *load
	last   *class
	ids    []int
	used   map[*cand]int // host blocks, -1 if they do not fit
}

// group is machines that are made of one offer in one zone.
type group struct {
	index   int
	fleet   addr.Instance
	members []*member
	need    schema.Requirements
	within  offer.Location
	cluster bool
	choice  *choice
	state   *state
	chosen  *cand
	dead    bool // its members are in another group now
}

// member is a machine to be made.
type member struct {
	addr  addr.Resource
	group *group
	load  *load
	jobs  []*job
	added bool
}

// pool finds groups by their states.
type pool struct {
	states []*state
	groups map[*state]*intHeap
}

func (p *pool) add(g *group) {
	if p.groups == nil {
		p.groups = map[*state]*intHeap{}
	}
	h := p.groups[g.state]
	if h == nil {
		h = &intHeap{}
		p.groups[g.state] = h
		p.states = append(p.states, g.state)
	}
	heap.Push(h, g.index)
}

// each calls f with the first group of every state.
func (s *solver) each(p *pool, f func(*group)) {
	kept := p.states[:0]
	for _, st := range p.states {
		h := p.groups[st]
		for h.Len() > 0 {
			if g := s.groups[(*h)[0]]; !g.dead && g.state == st {
				break
			}
			heap.Pop(h)
		}
		if h.Len() == 0 {
			delete(p.groups, st)
			continue
		}
		kept = append(kept, st)
		f(s.groups[(*h)[0]])
	}
	clear(p.states[len(kept):])
	p.states = kept
}

// choose filters and orders what is offered for a need.
func (s *solver) choose(need schema.Requirements, within offer.Location, count int, mounts bool) *choice {
	answers := offer.Key(need)
	key := answers + "|" + strconv.Quote(within.Backend) + strconv.Quote(within.Region) + strconv.Quote(within.Zone) + strconv.Itoa(count) + strconv.FormatBool(mounts)
	if c := s.choices[key]; c != nil {
		return c
	}
	q := offer.Query{Need: need, Within: within, Count: count, InstanceMounts: mounts}
	c := &choice{Selection: offer.Select(q, s.p.Offers[answers], s.p.Backends)}
	for _, o := range c.Usable {
		c.cands = append(c.cands, s.cand(o))
	}
	c.fresh = newState(c.cands)
	s.choices[key] = c
	return c
}

// cand makes equal offers one object, whatever need they were found for.
func (s *solver) cand(o schema.Offer) *cand {
	key := shapeKey(&Machine{Facts: o}) + strconv.Itoa(o.Limit)
	if o.Quota != nil {
		key += o.Quota.Name + "\x00" + strconv.Itoa(o.Quota.Cost) + "\x00" + strconv.Itoa(o.Quota.Left)
	}
	c := s.cands[key]
	if c == nil {
		c = &cand{offer: o, zone: offer.Zone(o)}
		s.cands[key] = c
	}
	return c
}

func newState(cands []*cand) *state { return &state{cands: cands, next: map[step]*state{}} }

// addGroup makes a group findable. Its choice is made already.
func (s *solver) addGroup(g *group) *group {
	g.index = len(s.groups)
	s.groups = append(s.groups, g)
	s.ofFleet[g.fleet] = append(s.ofFleet[g.fleet], g)
	for _, m := range g.members {
		m.group = g
		s.taken[m.addr] = true
		s.members[m.addr] = m
	}
	s.offerGroup(g)
	return g
}

// offerGroup files a group under its state.
func (s *solver) offerGroup(g *group) {
	if len(g.state.cands) == 0 {
		return
	}
	s.poolOf(g.fleet).add(g)
	if g.fleet.Type == "fleet" {
		s.anyPool.add(g) // what a run brings is for its own jobs
	}
}

func (s *solver) poolOf(f addr.Instance) *pool {
	p := s.pools[f]
	if p == nil {
		p = &pool{}
		s.pools[f] = p
	}
	return p
}

// with is the load with one more job.
func (s *solver) with(l *load, c *class) *load {
	ids := append(slices.Clone(l.ids), c.id)
	slices.Sort(ids)
	key := ""
	for _, id := range ids {
		key += strconv.Itoa(id) + ","
	}
	n := s.loads[key]
	if n == nil {
		n = &load{key: key, parent: l, last: c, ids: ids, used: map[*cand]int{}}
		s.loads[key] = n
	}
	return n
}

// usedOn is how many host blocks a load takes of a candidate, -1 if it does not fit.
func (s *solver) usedOn(l *load, cd *cand) int {
	if l.parent == nil {
		return 0
	}
	if n, ok := l.used[cd]; ok {
		return n
	}
	n := -1
	if before := s.usedOn(l.parent, cd); before >= 0 {
		if k := s.onCand(l.last, cd); k > 0 && before+k <= max(cd.offer.TotalBlocks, 1) {
			n = before + k
		}
	}
	l.used[cd] = n
	return n
}

func (s *solver) onCand(c *class, cd *cand) int {
	k, ok := c.onCand[cd]
	if !ok {
		k, _ = s.check(c, cd.offer, false)
		c.onCand[cd] = k
	}
	return k
}

// after is the state of a group once a job of the class is put on a member with that load, nil if it does not fit.
func (s *solver) after(st *state, l *load, c *class) *state {
	key := step{c, l}
	n, ok := st.next[key]
	if !ok {
		full := s.with(l, c)
		var left []*cand
		for _, cd := range st.cands {
			if s.usedOn(full, cd) >= 0 {
				left = append(left, cd)
			}
		}
		if len(left) > 0 {
			n = newState(left)
		}
		st.next[key] = n
	}
	return n
}

// findMember finds the best planned machine: the one that gets no dearer, of those the fullest, of those the first.
func (s *solver) findMember(c *class, p *pool, keepFirst bool) *member {
	type score struct {
		price, left, group, member int
	}
	var best *member
	var bestScore score
	s.each(p, func(g *group) {
		var seen []*load
		for i, m := range g.members {
			if slices.Contains(seen, m.load) {
				continue
			}
			seen = append(seen, m.load)
			st := s.after(g.state, m.load, c)
			if st == nil || keepFirst && st.cands[0] != g.state.cands[0] {
				continue
			}
			top := st.cands[0]
			sc := score{
				price:  int(top.offer.Price - g.state.cands[0].offer.Price),
				left:   max(top.offer.TotalBlocks, 1) - s.usedOn(s.with(m.load, c), top),
				group:  g.index,
				member: i,
			}
			if best == nil || cmp.Or(cmp.Compare(sc.price, bestScore.price), cmp.Compare(sc.left, bestScore.left),
				cmp.Compare(sc.group, bestScore.group), cmp.Compare(sc.member, bestScore.member)) < 0 {
				best, bestScore = m, sc
			}
		}
	})
	return best
}

// put puts a job on a member that it fits.
func (s *solver) put(m *member, j *job, c *class) {
	g := m.group
	g.state = s.after(g.state, m.load, c)
	s.board(m, j, c)
	s.pinZones(g, j, c)
	s.offerGroup(g)
}

// board enters a job on a member whose group's state is right already.
func (s *solver) board(m *member, j *job, c *class) {
	m.load = s.with(m.load, c)
	m.jobs = append(m.jobs, j)
	j.member, j.class = m, c
	for _, cd := range m.group.state.cands {
		for _, port := range j.Ports {
			s.claim(cd.offer.Backend, port, j.replica())
		}
	}
}

// pinZones keeps a group in its first zone if a volume that has none yet is mounted there and elsewhere, so that all
// that mount it come together.
func (s *solver) pinZones(g *group, j *job, c *class) {
	top := g.state.cands[0]
	pinned := false
	for _, m := range c.mounts {
		v, ok := m.pick(top.offer)
		if ok && !v.Unknown && v.At.Zone == "" && s.mounters[v.Addr] > 1 && top.zone != "" {
			s.zones[v.Addr] = top.zone
			pinned = true
		}
	}
	if pinned {
		g.state = newState(slices.DeleteFunc(slices.Clone(g.state.cands), func(cd *cand) bool {
			return cd.offer.Backend != top.offer.Backend || cd.offer.Region != top.offer.Region || cd.zone != top.zone
		}))
	}
}
