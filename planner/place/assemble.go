package place

import (
	"slices"

	"github.com/dstackai/dstack-planner/addr"
)

// solution collects what was decided.
func (s *solver) solution() Solution {
	sol := Solution{Jobs: make(map[addr.Resource]Assignment, len(s.jobs)), Zones: map[addr.Resource]string{}}
	for _, g := range s.groups {
		if g.dead {
			continue
		}
		sol.Groups = append(sol.Groups, s.made(g))
		for _, m := range g.members {
			if m.added {
				sol.Added = append(sol.Added, m.addr)
			}
		}
	}
	slices.SortStableFunc(sol.Groups, func(a, b Made) int { return a.Members[0].Compare(b.Members[0]) })
	slices.SortFunc(sol.Added, addr.Resource.Compare)
	torn := s.torn()
	for _, j := range s.jobs {
		if !torn[j.replica()] {
			s.assign(&sol, j)
		}
	}
	sol.Errors = s.errors()
	return sol
}

// torn are the replicas of which a node has no machine, because its group found no place: none of them can run.
func (s *solver) torn() map[replica]bool {
	out := map[replica]bool{}
	for _, j := range s.jobs {
		if j.Nodes > 1 && (!j.placed() || j.member != nil && j.member.group.chosen == nil) {
			out[j.replica()] = true
		}
	}
	return out
}

func (s *solver) made(g *group) Made {
	m := Made{Fleet: g.fleet, Fixed: g.within.Backend != "", ID: g.members[0].addr.String()}
	if g.cluster && len(g.members) > 1 {
		m.ID = g.fleet.String()
	}
	for _, mb := range g.members {
		m.Members = append(m.Members, mb.addr)
	}
	slices.SortFunc(m.Members, addr.Resource.Compare)
	if g.chosen == nil {
		return m
	}
	m.LeftOut = s.leftOut(g)
	for i, c := range s.candidates(g) {
		cd := Candidate{Offer: c.offer, Zone: c.zone}
		if i > 0 {
			cd.Shares = s.otherShares(g, c)
		}
		m.Candidates = append(m.Candidates, cd)
	}
	return m
}

// otherShares are what jobs take with another candidate than the first, where it differs.
func (s *solver) otherShares(g *group, c *cand) map[addr.Resource]Share {
	var out map[addr.Resource]Share
	for _, m := range g.members {
		for _, j := range m.jobs {
			a := j.class.shareOn(g.chosen.offer, s.onCand(j.class, g.chosen))
			b := j.class.shareOn(c.offer, s.onCand(j.class, c))
			if a.Blocks != b.Blocks || a.Of != b.Of || a.GPUs != b.GPUs || a.Price != b.Price || !slices.Equal(a.Volumes, b.Volumes) {
				if out == nil {
					out = map[addr.Resource]Share{}
				}
				out[j.Addr] = b
			}
		}
	}
	return out
}

func (s *solver) assign(sol *Solution, j *job) {
	var a Assignment
	zone := ""
	switch {
	case j.bin != nil:
		a = Assignment{Instance: j.bin.Addr, Share: j.class.shareOn(j.bin.Facts, j.k), Beside: j.beside}
		if len(j.bin.Facts.Zones) == 1 {
			zone = j.bin.Facts.Zones[0]
		}
	case j.member != nil && j.member.group.chosen != nil:
		c := j.member.group.chosen
		a = Assignment{Instance: j.member.addr, Share: j.class.shareOn(c.offer, s.onCand(j.class, c))}
		zone = c.zone
	default:
		return
	}
	a.Moved = !j.Current.IsZero() && a.Instance != j.Current
	sol.Jobs[j.Addr] = a
	if zone == "" {
		return
	}
	for i, m := range j.Mounts {
		for _, v := range m.Alternatives {
			if v.Addr == a.Volumes[i] && !v.Unknown && v.At.Zone == "" {
				sol.Zones[v.Addr] = zone
			}
		}
	}
}
