package place

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// mostClosest is how many offers or machines an error names.
const mostClosest = 3

// failure is why jobs have no place, as things were when they were tried.
type failure struct {
	Unplaceable
	// silent says that the fleet's own error says it all.
	silent bool
	reuse  bool
	key    string
}

// explain says why jobs found no place. The jobs are one single job, or all nodes of a replica. The reason is found
// once for all single jobs that ask the same of the same fleet.
func (s *solver) explain(jobs []*job) *failure {
	j := jobs[0]
	c := s.classOf(j)
	sc := s.scopeOf(c, j.Fleet)
	var f *failure
	if sc.reason != nil && len(jobs) == 1 && sc.reason.reuse == (j.Creation == value.Reuse) {
		known := *sc.reason
		f = &known
	} else {
		f = &failure{Unplaceable: Unplaceable{Kind: NoRoom, Need: j.Need, Count: len(jobs), One: len(jobs) > 1}, reuse: j.Creation == value.Reuse}
		switch {
		case j.bound():
			s.explainBound(f, j, c, len(jobs))
		case f.reuse:
			f.Closest = s.closestMachines(c, s.bins)
			f.Why = append(f.Why, "creation_policy is reuse, so no machine is made for it.")
			f.NextStep = "Wait until a machine is free, or set creation_policy to reuse-or-create."
		default:
			s.explainOwn(f, jobs, c)
		}
		if len(jobs) == 1 {
			sc.reason = f
			known := *f
			f = &known
		}
	}
	f.Block = j.Run()
	f.Addrs = nil
	for _, x := range jobs {
		f.Addrs = append(f.Addrs, x.Addr)
	}
	f.key = strconv.Itoa(c.id) + "|" + strconv.Itoa(len(jobs)) + j.Run().String()
	if len(jobs) > 1 {
		f.key += "|" + strconv.Itoa(j.Replica)
	}
	return f
}

// explainBound explains why no machine of the job's fleet will do.
func (s *solver) explainBound(f *failure, j *job, c *class, n int) {
	var bins []*bin
	for _, sh := range s.byFleet[j.Fleet] {
		bins = append(bins, sh.bins...)
	}
	slices.SortFunc(bins, func(a, b *bin) int { return a.index - b.index })
	f.Closest = s.closestMachines(c, bins)
	planned, failed, fitting := 0, false, false
	for _, g := range s.ofFleet[j.Fleet] {
		if g.dead {
			continue
		}
		planned += len(g.members)
		if len(g.choice.cands) == 0 {
			failed = true
			continue
		}
		fitting = fitting || slices.ContainsFunc(g.choice.cands, func(cd *cand) bool { return s.onCand(c, cd) > 0 })
		if len(f.Closest) < mostClosest {
			f.Closest = append(f.Closest, s.closestCands(c, g.choice.cands, mostClosest-len(f.Closest))...)
		}
	}
	fl := s.fleets[j.Fleet]
	if fl != nil && fl.mayAdd(1) {
		ch := s.choose(groupNeed(fl.Need, fl.Cluster), fl.Within, 1, false)
		fitting = fitting || slices.ContainsFunc(ch.cands, func(cd *cand) bool { return s.onCand(c, cd) > 0 })
		if len(f.Closest) < mostClosest {
			f.Closest = append(f.Closest, s.closestCands(c, ch.cands, mostClosest-len(f.Closest))...)
		}
		if len(ch.cands) == 0 {
			f.Closest = append(f.Closest, nearest(ch.Rejected, mostClosest-min(len(f.Closest), mostClosest))...)
			f.NextStep = offer.NextStep(fl.Need, ch.Rejected)
		}
	}
	f.silent = failed && len(bins) == 0
	f.Closest = uniqueNear(f.Closest)
	whole := ""
	if c.whole {
		whole = "whole "
	}
	switch {
	case len(bins)+planned == 0 && fl == nil:
		f.Why = append(f.Why, j.Fleet.String()+" has no machines.")
		f.NextStep = "Give " + j.Fleet.String() + " nodes, or bind the run to another fleet."
	case fitting || slices.ContainsFunc(bins, func(b *bin) bool { return s.fitOn(c, b.shape) > 0 }):
		f.Why = append(f.Why, j.Fleet.String()+" has not enough "+whole+"machines that are free"+together(n)+".")
		if f.NextStep == "" {
			f.NextStep = "Raise nodes of " + j.Fleet.String() + ", or stop what runs there."
		}
	default:
		f.Why = append(f.Why, "No machine of "+j.Fleet.String()+" is what is needed.")
		if f.NextStep == "" {
			f.NextStep = "Change what the run or " + j.Fleet.String() + " asks for."
		}
	}
}

func together(n int) string {
	if n == 1 {
		return ""
	}
	return ": " + strconv.Itoa(n) + " are needed in one region"
}

// explainOwn explains why the run cannot bring machines.
func (s *solver) explainOwn(f *failure, jobs []*job, c *class) {
	need := ownNeed(*jobs[0].Job)
	if _, confined := s.siblings[jobs[0].Run()]; confined && len(jobs) > 1 {
		f.Why = append(f.Why, "The other nodes of "+jobs[0].Run().String()+" run already, and there is no free machine beside them.")
		f.NextStep = "Replace all nodes of the run."
		return
	}
	ch := s.choose(need, offer.Location{}, len(jobs), jobs[0].InstanceMounts)
	f.Kind = NoOffer
	f.Failed = s.failedBackends(need)
	if len(ch.cands) == 0 {
		f.Closest = nearest(ch.Rejected, mostClosest)
		f.NextStep = offer.NextStep(need, ch.Rejected)
		s.askNext(f)
		return
	}
	f.Closest = uniqueNear(s.closestCands(c, ch.cands, mostClosest))
	f.NextStep = "Let its volumes be where it can run, or give it another port."
}

// askNext says what to do when nothing that was offered is near.
func (s *solver) askNext(f *failure) {
	if f.NextStep != "" {
		return
	}
	switch {
	case len(s.p.Backends) == 0:
		f.NextStep = "Write a backend block."
	case len(f.Closest) == 0 && len(f.Failed) > 0:
		f.NextStep = "Make the backend reachable and plan again."
	case len(f.Closest) == 0:
		f.NextStep = "No backend offers anything: check backends and regions."
	default:
		f.NextStep = "Ask for less, or allow more backends and regions."
	}
}

// errors are all failures, those alike joined, groups first.
func (s *solver) errors() []Unplaceable {
	var out []Unplaceable
	index := map[string]int{}
	add := func(f *failure) {
		if i, ok := index[f.key]; ok {
			out[i].Addrs = append(out[i].Addrs, f.Addrs...)
			if !f.One {
				out[i].Count += f.Count
			}
			return
		}
		index[f.key] = len(out)
		out = append(out, f.Unplaceable)
	}
	for _, g := range s.groups {
		if !g.dead && g.chosen == nil {
			add(s.explainGroup(g))
		}
	}
	seen := map[*failure]bool{}
	for _, j := range s.jobs {
		if j.failed != nil && !j.failed.silent && !seen[j.failed] {
			seen[j.failed] = true
			add(j.failed)
		}
	}
	return out
}

// explainGroup says why machines cannot be made.
func (s *solver) explainGroup(g *group) *failure {
	f := &failure{Unplaceable: Unplaceable{Kind: NoOffer, Block: g.fleet, Need: g.need, Count: len(g.members), One: g.cluster && len(g.members) > 1}}
	for _, m := range g.members {
		f.Addrs = append(f.Addrs, m.addr)
	}
	f.key = "group|" + g.fleet.String() + offer.Key(g.need) + g.within.String() + strconv.FormatBool(g.cluster)
	f.Failed = s.failedBackends(g.need)
	if len(g.choice.cands) == 0 {
		f.Closest = nearest(g.choice.Rejected, mostClosest)
		f.NextStep = offer.NextStep(g.need, g.choice.Rejected)
		if g.within.Backend != "" {
			f.Why = append(f.Why, "They must be in "+g.within.String()+", where the others of "+g.fleet.String()+" are.")
		}
		s.askNext(f)
		return f
	}
	f.Kind = NoQuota
	f.key += "|quota"
	for _, c := range g.state.cands {
		var lacks []offer.Lack
		for _, cl := range c.claims(len(g.members)) {
			if needed := s.ledger.used[cl.key] + cl.cost; needed > cl.left {
				lacks = append(lacks, offer.Lack{Kind: offer.LackAvailability, Text: shortage(c, needed), Weight: 1})
			}
		}
		f.Closest = append(f.Closest, Near{Offer: c.offer, Lacks: lacks})
	}
	f.Closest = uniqueNear(f.Closest)
	f.Why = append(f.Why, "What fits is needed by several, and there is not enough of it for all.")
	f.NextStep = "Ask for a higher quota, allow other offers, or make fewer machines."
	return f
}

// failedBackends are those that might have had something and could not be asked.
func (s *solver) failedBackends(need schema.Requirements) []FailedBackend {
	var out []FailedBackend
	for _, name := range slices.Sorted(maps.Keys(s.p.Backends)) {
		b := s.p.Backends[name]
		if b.Failed != "" && (need.Backends == nil || slices.Contains(need.Backends, name)) {
			out = append(out, FailedBackend{name, b.Failed, b.Hint})
		}
	}
	return out
}

// closestMachines names machines that exist with what each lacks for the class.
func (s *solver) closestMachines(c *class, bins []*bin) []Near {
	var out []Near
	var rejected []offer.Rejected
	byOffer := map[string]*bin{}
	for _, b := range bins {
		_, lacks := s.check(c, b.Facts, b.FactsUnknown)
		if len(lacks) == 0 {
			lacks = s.occupied(b, s.fitOn(c, b.shape))
		}
		o := b.Facts
		o.InstanceType = b.Addr.String() // Closest keeps one of each type
		byOffer[o.InstanceType] = b
		rejected = append(rejected, offer.Rejected{Offer: o, Lacks: lacks})
	}
	for _, r := range offer.Closest(rejected, mostClosest) {
		b := byOffer[r.Offer.InstanceType]
		out = append(out, Near{Machine: b.Addr, Offer: b.Facts, Lacks: r.Lacks})
	}
	return out
}

// occupied says why a machine that would fit has no room, and who has it.
func (s *solver) occupied(b *bin, k int) []offer.Lack {
	lack := func(text string) []offer.Lack {
		return []offer.Lack{{Kind: offer.LackBlocks, Text: text, Weight: 0.5}}
	}
	switch {
	case b.Unreachable:
		return lack("unreachable")
	case b.Closed:
		return lack("takes no more jobs")
	}
	var holders []string
	for _, h := range b.Holds {
		if h.Keep {
			holders = append(holders, h.Job.String())
		}
	}
	for _, j := range b.jobs {
		holders = append(holders, j.Addr.String())
	}
	if b.shape.total == 1 {
		return lack("taken by " + names(holders))
	}
	text := strconv.Itoa(b.free) + " of " + strconv.Itoa(b.shape.total) + " blocks free, " + strconv.Itoa(k) + " needed"
	if len(holders) > 0 {
		text += "; taken by " + names(holders)
	}
	return lack(text)
}

// names lists a few addresses.
func names(list []string) string {
	const most = 3
	if len(list) > most {
		return strings.Join(list[:most], ", ") + " and " + strconv.Itoa(len(list)-most) + " more"
	}
	return strings.Join(list, ", ")
}

// closestCands says for the best offers of a fleet what they lack for a job.
func (s *solver) closestCands(c *class, cands []*cand, n int) []Near {
	var rejected []offer.Rejected
	for _, cd := range cands {
		if _, lacks := s.check(c, cd.offer, false); len(lacks) > 0 {
			rejected = append(rejected, offer.Rejected{Offer: cd.offer, Lacks: lacks})
		}
	}
	return nearest(rejected, n)
}

func nearest(rejected []offer.Rejected, n int) []Near {
	var out []Near
	for _, r := range offer.Closest(rejected, n) {
		out = append(out, Near{Offer: r.Offer, Lacks: r.Lacks})
	}
	return out
}

// uniqueNear keeps the first of those that read the same.
func uniqueNear(list []Near) []Near {
	seen := map[string]bool{}
	var out []Near
	for _, n := range list {
		row := n.where() + "|" + n.what() + "|" + offer.LacksText(n.Lacks)
		if !seen[row] && len(out) < mostClosest {
			seen[row] = true
			out = append(out, n)
		}
	}
	return out
}

func (n Near) where() string {
	if !n.Machine.IsZero() {
		return n.Machine.String()
	}
	return n.Offer.Backend + " " + n.Offer.Region
}

func (n Near) what() string { return n.Offer.InstanceType }
