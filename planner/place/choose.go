package place

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// ledger counts what groups take of quotas and limits that they share.
type ledger struct {
	used    map[string]int
	holders map[string][]*group // who takes it
	budget  int
}

// claim is what a group takes of one quota or limit.
type claim struct {
	key        string
	cost, left int
}

// claims lists what n machines of a candidate take. A limit belongs to the offer, whatever the zone.
func (c *cand) claims(n int) []claim {
	var out []claim
	o := &c.offer
	if o.Quota != nil {
		out = append(out, claim{"quota\x00" + o.Backend + "\x00" + o.Quota.Name, n * o.Quota.Cost, o.Quota.Left})
	}
	if o.Limit > 0 {
		out = append(out, claim{"limit\x00" + o.Backend + "\x00" + o.Region + "\x00" + o.InstanceType + "\x00" + strconv.FormatBool(o.Spot), n, o.Limit})
	}
	return out
}

func (l *ledger) admits(g *group, c *cand) bool {
	for _, cl := range c.claims(len(g.members)) {
		if l.used[cl.key]+cl.cost > cl.left {
			return false
		}
	}
	return true
}

func (l *ledger) enter(g *group, c *cand) {
	g.chosen = c
	for _, cl := range c.claims(len(g.members)) {
		l.used[cl.key] += cl.cost
		l.holders[cl.key] = append(l.holders[cl.key], g)
	}
}

func (l *ledger) leave(g *group) {
	for _, cl := range g.chosen.claims(len(g.members)) {
		l.used[cl.key] -= cl.cost
	}
	g.chosen = nil
}

// chooseOffers gives each group its cheapest candidate that quotas and limits allow. Groups with the fewest candidates
// come first, so that nobody takes the only one that another could have.
func (s *solver) chooseOffers() {
	l := &ledger{used: map[string]int{}, holders: map[string][]*group{}, budget: repairBudget}
	var order []*group
	for _, g := range s.groups {
		if !g.dead && len(g.state.cands) > 0 {
			order = append(order, g)
		}
	}
	slices.SortStableFunc(order, func(a, b *group) int {
		return cmp.Or(cmp.Compare(len(a.state.cands), len(b.state.cands)), cmp.Compare(a.index, b.index))
	})
	for _, g := range order {
		if i := slices.IndexFunc(g.state.cands, func(c *cand) bool { return l.admits(g, c) }); i >= 0 {
			l.enter(g, g.state.cands[i])
		} else {
			l.makeRoom(g, maxDepth)
		}
	}
	s.ledger = l
}

// makeRoom moves groups to other candidates of theirs until this one finds a place.
func (l *ledger) makeRoom(g *group, depth int) bool {
	if depth == 0 {
		return false
	}
	for _, c := range g.state.cands {
		for _, cl := range c.claims(len(g.members)) {
			for _, other := range slices.Clone(l.holders[cl.key]) {
				if l.budget--; l.budget <= 0 {
					return false
				}
				if other == g || other.chosen == nil || !other.chosen.takes(cl.key) {
					continue
				}
				had := other.chosen
				l.leave(other)
				if !l.admits(g, c) {
					l.enter(other, had)
					continue
				}
				l.enter(g, c)
				i := slices.IndexFunc(other.state.cands, func(o *cand) bool { return o != had && l.admits(other, o) })
				if i >= 0 {
					l.enter(other, other.state.cands[i])
					return true
				}
				if l.makeRoom(other, depth-1) {
					return true
				}
				l.leave(g)
				l.enter(other, had)
			}
		}
	}
	return false
}

func (c *cand) takes(key string) bool {
	return slices.ContainsFunc(c.claims(1), func(cl claim) bool { return cl.key == key })
}

// candidates are the alternatives of a group that has a place: the chosen one, then the others that there is room for,
// in order.
func (s *solver) candidates(g *group) []*cand {
	out := []*cand{g.chosen}
	chosen := g.chosen
	s.ledger.leave(g)
	for _, c := range g.state.cands {
		if len(out) == MostCandidates {
			break
		}
		if c != chosen && s.ledger.admits(g, c) {
			out = append(out, c)
		}
	}
	g.chosen = chosen
	for _, cl := range chosen.claims(len(g.members)) {
		s.ledger.used[cl.key] += cl.cost
	}
	return out
}

// mostLeftOut is how many cheaper offers are named that were not taken.
const mostLeftOut = 3

// leftOut names cheaper offers that the group did not take: those that did not fit it, then those that its jobs or
// others stood in the way of.
func (s *solver) leftOut(g *group) []plan.LeftOut {
	var out []plan.LeftOut
	for _, lo := range g.choice.LeftOut {
		if lo.Offer.Price < g.chosen.offer.Price {
			out = append(out, lo)
		}
	}
	for _, c := range g.choice.cands {
		if c.offer.PriceUnknown || c.offer.Price >= g.chosen.offer.Price || len(out) >= mostLeftOut {
			break
		}
		why := s.strikes(g, c)
		same := func(lo plan.LeftOut) bool {
			return lo.Offer.Backend == c.offer.Backend && lo.Offer.Region == c.offer.Region && lo.Offer.InstanceType == c.offer.InstanceType &&
				lo.Offer.Spot == c.offer.Spot
		}
		if why != "" && !slices.ContainsFunc(out, same) {
			out = append(out, plan.LeftOut{Offer: c.offer, Why: why})
		}
	}
	slices.SortStableFunc(out, func(a, b plan.LeftOut) int { return cmp.Compare(a.Offer.Price, b.Offer.Price) })
	return out[:min(len(out), mostLeftOut)]
}

// strikes says what struck a candidate out.
func (s *solver) strikes(g *group, c *cand) string {
	for _, m := range g.members {
		for _, j := range m.jobs {
			if k, lacks := s.check(j.class, c.offer, false); k == 0 {
				return j.Addr.String() + ": " + offer.LacksText(lacks)
			}
		}
		if s.usedOn(m.load, c) < 0 {
			return "has not enough blocks for the jobs of " + m.addr.String()
		}
	}
	for _, cl := range c.claims(len(g.members)) {
		if s.ledger.used[cl.key]+cl.cost > cl.left {
			return shortage(c, s.ledger.used[cl.key]+cl.cost)
		}
	}
	return ""
}

// shortage says that a quota or limit does not suffice for all that is planned.
func shortage(c *cand, needed int) string {
	if q := c.offer.Quota; q != nil && needed > q.Left {
		return offer.QuotaText(*q, needed)
	}
	return strconv.Itoa(c.offer.Limit) + " can be had, " + strconv.Itoa(needed) + " needed"
}
