package place

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// drawProblem makes a small problem of everything: machines with holds, groups, growing fleets, runs of all kinds.
func drawProblem(t *rapid.T) (Problem, []schema.Offer) {
	p := Problem{Backends: backends()}
	needs := []schema.Requirements{
		{}, needGPU("A100:1"), needGPU("A100:40GB:8"), needGPU("A100:80GB:8"), needGPU("0"),
		{Resources: schema.Resources{CPU: value.Must(value.ParseIntRange("4.."))}, MaxPrice: value.PriceOf(20_000_000)},
		{Regions: []string{"us-east-1"}},
	}
	need := rapid.SampledFrom(needs)
	facts := func() schema.Offer {
		o := rapid.SampledFrom([]schema.Offer{
			small("us-east-1", "us-east-1a"), big("us-east-1", "us-east-1a"), big("us-west-2", "us-west-2a"), bigger("us-east-1", "us-east-1b"),
			{Backend: "local", Region: "local", InstanceType: "local", CPUs: 8, MemoryMiB: 4096},
		}).Draw(t, "machine")
		o.TotalBlocks = rapid.SampledFrom([]int{1, 1, 2, 4}).Draw(t, "blocks")
		return o
	}
	fleets := []addr.Instance{fleetAddr("a"), fleetAddr("b")}
	count := map[addr.Instance]int{}
	for i := range rapid.IntRange(0, 5).Draw(t, "machines") {
		f := rapid.SampledFrom(fleets).Draw(t, "fleet")
		m := Machine{Addr: f.Machine(addr.Int(i)), Facts: facts(), Unreachable: rapid.IntRange(0, 9).Draw(t, "reach") == 0}
		if rapid.Bool().Draw(t, "held") {
			k := rapid.IntRange(1, m.Facts.TotalBlocks).Draw(t, "held blocks")
			m.Holds = []Hold{{Job: jobAddr(fmt.Sprintf("old%d", i), 0), Blocks: k, GPUs: len(m.Facts.GPUs) / m.Facts.TotalBlocks * k,
				Keep: rapid.Bool().Draw(t, "keep")}}
		}
		count[f]++
		p.Machines = append(p.Machines, m)
	}
	for i, f := range fleets {
		if n := rapid.IntRange(0, 3).Draw(t, "members"); n > 0 {
			g := Group{Fleet: f, Need: need.Draw(t, "group need"), Cluster: rapid.Bool().Draw(t, "cluster")}
			g.Need.Blocks = value.BlocksOf(rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "group blocks"))
			for m := range n {
				g.Members = append(g.Members, f.Machine(addr.Int(10+m)))
			}
			count[f] += n
			p.Groups = append(p.Groups, g)
			if rapid.Bool().Draw(t, "elastic") {
				p.Fleets = append(p.Fleets, Fleet{Addr: f, Count: count[f], Max: count[f] + i + 1, Need: g.Need, Cluster: g.Cluster})
			}
		}
	}
	vols := []Volume{
		{Addr: block("volume", "zoned").Self(), At: offer.Location{Backend: "aws", Region: "us-east-1", Zone: "us-east-1a"}},
		{Addr: block("volume", "free").Self(), At: offer.Location{Backend: "aws", Region: "us-east-1"}},
		{Addr: block("volume", "west").Self(), At: offer.Location{Backend: "aws", Region: "us-west-2", Zone: "us-west-2a"}},
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "runs") {
		nodes := rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "nodes")
		j := Job{Need: need.Draw(t, "need"), Nodes: nodes, Fleet: rapid.SampledFrom(append([]addr.Instance{{}}, fleets...)).Draw(t, "bound")}
		if rapid.IntRange(0, 2).Draw(t, "reuse") == 0 {
			j.Creation = value.Reuse
		}
		if rapid.IntRange(0, 2).Draw(t, "mounts") == 0 {
			alt := rapid.SliceOfNDistinct(rapid.SampledFrom(vols), 1, 2, func(v Volume) addr.Resource { return v.Addr }).Draw(t, "volumes")
			j.Mounts = []Mount{{Path: "/data", Alternatives: alt}}
		}
		if rapid.IntRange(0, 2).Draw(t, "ports") == 0 {
			j.Ports = []int{8000}
		}
		j.Rolling = rapid.Bool().Draw(t, "rolling")
		for r := range nodes {
			n := j
			n.Rank, n.Addr = r, jobAddr(fmt.Sprintf("run%d", i), r)
			if len(p.Machines) > 0 && rapid.IntRange(0, 3).Draw(t, "current") == 0 {
				n.Current = rapid.SampledFrom(p.Machines).Draw(t, "where").Addr
			}
			p.Jobs = append(p.Jobs, n)
		}
	}
	offers := []schema.Offer{small("us-east-1", "us-east-1a", "us-east-1b"), big("us-east-1", "us-east-1a", "us-east-1b"), big("us-west-2", "us-west-2a"), bigger("us-east-1", "us-east-1a")}
	if rapid.Bool().Draw(t, "quota") {
		left := rapid.IntRange(0, 4).Draw(t, "left")
		offers[1].Quota = &schema.Quota{Name: "P", Left: left * 96, Cost: 96}
		offers[3].Quota = offers[1].Quota
	}
	if rapid.Bool().Draw(t, "limit") {
		offers[0].Limit = rapid.IntRange(1, 3).Draw(t, "limit left")
	}
	return p, offers
}

// violations lists everything that a solution does wrong.
func violations(p Problem, s Solution) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	type room struct {
		facts        schema.Offer
		blocks, gpus int
	}
	machines := map[addr.Resource]*room{}
	for _, m := range p.Machines {
		r := &room{facts: m.Facts}
		for _, h := range m.Holds {
			if h.Keep {
				r.blocks += h.Blocks
				r.gpus += h.GPUs
			}
		}
		machines[m.Addr] = r
	}
	explained := map[addr.Resource]bool{}
	for _, e := range s.Errors {
		if e.Summary() == "" || e.Detail() == "" || e.NextStep == "" {
			say("error %v says not enough: %s", e.Addrs, e.Detail())
		}
		for _, a := range e.Addrs {
			explained[a] = true
		}
	}
	used := map[string]int{}
	groupOf := map[addr.Resource]Made{}
	for _, g := range s.Groups {
		for _, m := range g.Members {
			if machines[m] != nil {
				say("%s is made twice", m)
			}
			machines[m] = &room{}
			groupOf[m] = g
			if len(g.Candidates) > 0 {
				machines[m].facts = g.Candidates[0].Offer
			} else if !explained[m] {
				say("%s has neither candidate nor error", m)
			}
		}
		if len(g.Candidates) > MostCandidates {
			say("%s has %d candidates", g.ID, len(g.Candidates))
		}
		for i, c := range g.Candidates {
			if len(c.Offer.Zones) > 1 || len(c.Offer.Zones) == 1 && c.Offer.Zones[0] != c.Zone {
				say("candidate %d of %s is in %v, zone %q", i, g.ID, c.Offer.Zones, c.Zone)
			}
		}
		if len(g.Candidates) > 0 {
			o := g.Candidates[0].Offer
			if o.Quota != nil {
				if used[o.Quota.Name] += len(g.Members) * o.Quota.Cost; used[o.Quota.Name] > o.Quota.Left {
					say("quota %s is exceeded", o.Quota.Name)
				}
			}
			if o.Limit > 0 {
				if used[o.InstanceType] += len(g.Members); used[o.InstanceType] > o.Limit {
					say("limit of %s is exceeded", o.InstanceType)
				}
			}
		}
	}
	replicas := map[addr.Instance][]addr.Resource{}
	zone := map[addr.Resource]string{}
	ports := map[string]addr.Instance{}
	for _, j := range p.Jobs {
		a, ok := s.Jobs[j.Addr]
		if !ok {
			if explained[j.Addr] || len(s.Errors) > 0 && !onlyAbout(s.Errors, p, j) {
				continue
			}
			say("%s has neither place nor error", j.Addr)
			continue
		}
		m := machines[a.Instance]
		if m == nil {
			say("%s is on %s, which is not there", j.Addr, a.Instance)
			continue
		}
		if j.Fleet != (addr.Instance{}) && a.Instance.Block != j.Fleet {
			say("%s is on %s, outside of its fleet", j.Addr, a.Instance)
		}
		m.blocks += a.Blocks
		m.gpus += a.GPUs
		share := offer.Slice(m.facts, a.Blocks, m.facts.TotalBlocks)
		need := offer.Query{Need: j.Need}.Effective(p.Backends[m.facts.Backend])
		if j.Fleet != (addr.Instance{}) {
			need.Spot = value.SpotAuto
		}
		unknown := slices.ContainsFunc(p.Machines, func(m Machine) bool { return m.Addr == a.Instance && m.FactsUnknown })
		if lacks := offer.Match(need, share); len(lacks) > 0 && !unknown {
			say("%s on %s lacks %s", j.Addr, a.Instance, offer.LacksText(lacks))
		}
		if len(share.GPUs) != a.GPUs || a.Of != max(m.facts.TotalBlocks, 1) {
			say("%s says %d GPUs and %d blocks", j.Addr, a.GPUs, a.Of)
		}
		for i, mt := range j.Mounts {
			v := mt.Alternatives[slices.IndexFunc(mt.Alternatives, func(v Volume) bool { return v.Addr == a.Volumes[i] })]
			if v.Unknown {
				continue
			}
			if !v.At.Admits(m.facts) {
				say("%s mounts %s in %s on a machine in %v", j.Addr, v.Addr, v.At, m.facts.Zones)
			}
			if v.At.Zone == "" && m.facts.Zones != nil {
				if z := zone[v.Addr]; z != "" && z != m.facts.Zones[0] {
					say("%s is in %s and %s", v.Addr, z, m.facts.Zones[0])
				}
				zone[v.Addr] = m.facts.Zones[0]
				if s.Zones[v.Addr] != m.facts.Zones[0] {
					say("zone of %s is not said", v.Addr)
				}
			}
		}
		if p.Backends[m.facts.Backend].SharedNetwork && len(j.Ports) > 0 {
			if by, taken := ports[m.facts.Backend]; taken && by != j.Run() {
				say("%s and %s have one port", j.Addr, by)
			}
			ports[m.facts.Backend] = j.Run()
		}
		if j.Nodes > 1 {
			replicas[j.Run()] = append(replicas[j.Run()], a.Instance)
		}
	}
	for run, on := range replicas {
		nodes := 0
		for _, j := range p.Jobs {
			if j.Run() == run {
				nodes++
			}
		}
		first := machines[on[0]].facts
		for i, a := range on {
			f := machines[a].facts
			if f.TotalBlocks > 1 || f.Backend != first.Backend || f.Region != first.Region || a.Block != on[0].Block || slices.Contains(on[:i], a) {
				say("nodes of %s are on %v", run, on)
			}
		}
		if len(on) != nodes {
			say("only %d nodes of %s are placed", len(on), run)
		}
	}
	for a, m := range machines {
		if m.blocks > max(m.facts.TotalBlocks, 1) && m.facts.Backend != "" {
			say("%s has %d blocks of %d in use", a, m.blocks, m.facts.TotalBlocks)
		}
		if m.gpus > len(m.facts.GPUs) {
			say("%s has %d GPUs of %d in use", a, m.gpus, len(m.facts.GPUs))
		}
	}
	return out
}

// onlyAbout tells whether no error is about the job or machines that it could be on.
func onlyAbout(errors []Unplaceable, p Problem, j Job) bool {
	return !slices.ContainsFunc(errors, func(e Unplaceable) bool {
		return slices.Contains(e.Addrs, j.Addr) || e.Block == j.Fleet || j.Fleet == (addr.Instance{}) && e.Kind != NoRoom
	})
}

func offersFor(p *Problem, offers []schema.Offer) {
	p.Offers = map[string][]schema.Offer{}
	for _, n := range Needs(*p) {
		p.Offers[offer.Key(n)] = offers
	}
}

func TestEverySolutionIsValid(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		p, offers := drawProblem(t)
		offersFor(&p, offers)
		s := Solve(p)
		if bad := violations(p, s); len(bad) > 0 {
			t.Fatalf("%q\n%+v", bad, where(s))
		}
	})
}

func TestOrderOfTheProblemDoesNotMatter(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		p, offers := drawProblem(t)
		offersFor(&p, offers)
		want := Solve(p)
		q := p
		q.Machines, q.Groups, q.Fleets, q.Jobs = slices.Clone(p.Machines), slices.Clone(p.Groups), slices.Clone(p.Fleets), slices.Clone(p.Jobs)
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		r.Shuffle(len(q.Machines), func(i, j int) { q.Machines[i], q.Machines[j] = q.Machines[j], q.Machines[i] })
		r.Shuffle(len(q.Groups), func(i, j int) { q.Groups[i], q.Groups[j] = q.Groups[j], q.Groups[i] })
		r.Shuffle(len(q.Fleets), func(i, j int) { q.Fleets[i], q.Fleets[j] = q.Fleets[j], q.Fleets[i] })
		r.Shuffle(len(q.Jobs), func(i, j int) { q.Jobs[i], q.Jobs[j] = q.Jobs[j], q.Jobs[i] })
		got := Solve(q)
		opts := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(addr.Resource{}, addr.Instance{}, addr.Block{}, addr.Key{}),
			cmp.Comparer(func(a, b schema.Requirements) bool { return offer.Key(a) == offer.Key(b) })}
		if diff := cmp.Diff(want, got, opts...); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Whole machines and single jobs are a matching, which is found whenever there is one.
func TestWholeMachinesAreFoundWheneverThereIsAWay(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		p := Problem{Backends: backends(), Offers: map[string][]schema.Offer{}}
		for i := range rapid.IntRange(1, 5).Draw(t, "machines") {
			o := rapid.SampledFrom([]schema.Offer{small("us-east-1", "us-east-1a"), big("us-east-1", "us-east-1a"), big("us-west-2", "us-west-2a"), bigger("us-east-1", "us-east-1b")}).Draw(t, "machine")
			p.Machines = append(p.Machines, Machine{Addr: machineAddr(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "fleet"), i), Facts: o})
		}
		needs := []schema.Requirements{{}, needGPU("A100:8"), needGPU("80GB:8"), {Regions: []string{"us-east-1"}}, {Zones: []string{"us-east-1a", "us-west-2a"}}}
		for i := range rapid.IntRange(1, 5).Draw(t, "jobs") {
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr("t", i), Replica: i, Nodes: 1, Need: rapid.SampledFrom(needs).Draw(t, "need"), Creation: value.Reuse,
				Fleet: rapid.SampledFrom([]addr.Instance{{}, fleetAddr("a"), fleetAddr("b")}).Draw(t, "bound")})
		}
		s := Solve(p)
		if feasible(p, 0, map[int]bool{}) != (len(s.Errors) == 0) {
			t.Fatalf("a way exists: %v; %v", feasible(p, 0, map[int]bool{}), where(s))
		}
	})
}

func feasible(p Problem, i int, used map[int]bool) bool {
	if i == len(p.Jobs) {
		return true
	}
	j := p.Jobs[i]
	for n, m := range p.Machines {
		need := j.Need
		need.Resources = offer.WithDefaults(need.Resources)
		if used[n] || j.Fleet != (addr.Instance{}) && j.Fleet != m.Addr.Block || len(offer.Match(need, m.Facts)) > 0 {
			continue
		}
		used[n] = true
		if feasible(p, i+1, used) {
			return true
		}
		delete(used, n)
	}
	return false
}

// Jobs that fit together where they are do not move, whatever else there is to place.
func TestJobsThatFitWhereTheyAreDoNotMove(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		p, offers := drawProblem(t)
		used := map[addr.Resource]int{}
		for _, m := range p.Machines {
			for _, h := range m.Holds {
				if h.Keep {
					used[m.Addr] += h.Blocks
				}
			}
		}
		var kept []Job
		for i, m := range p.Machines {
			need := schema.Requirements{}
			b := p.Backends[m.Facts.Backend]
			k, ok := offer.Fit(offer.Query{Need: need}.Effective(b), m.Facts, m.Facts.TotalBlocks)
			for n := 0; ok && !m.Unreachable && used[m.Addr]+k <= m.Facts.TotalBlocks && n < 2; n++ {
				used[m.Addr] += k
				kept = append(kept, Job{Addr: jobAddr(fmt.Sprintf("kept%d", i), n), Replica: n, Nodes: 1, Current: m.Addr, Fleet: m.Addr.Block})
			}
		}
		for i := range p.Jobs {
			p.Jobs[i].Current = addr.Resource{}
		}
		p.Jobs = append(p.Jobs, kept...)
		offersFor(&p, offers)
		s := Solve(p)
		for _, j := range kept {
			if a := s.Jobs[j.Addr]; a.Instance != j.Current || a.Moved {
				t.Fatalf("%s moved from %s to %s", j.Addr, j.Current, a.Instance)
			}
		}
	})
}
