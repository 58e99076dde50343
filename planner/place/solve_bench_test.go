package place

import (
	"fmt"
	"testing"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
)

// worlds are the situations whose cost must grow with their size and no faster.
var worlds = map[string]func(n int) Problem{
	"machines that exist": func(n int) Problem {
		p := Problem{}
		for i := range n {
			o := big("us-east-1", "us-east-1a")
			o.TotalBlocks = 8
			p.Machines = append(p.Machines, Machine{Addr: machineAddr("lab", i), Facts: o})
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), 0), Need: needGPU("A100:4"), Nodes: 1})
		}
		return p
	},
	"machines that all differ": func(n int) Problem {
		p := Problem{}
		for i := range n {
			o := big("us-east-1", "us-east-1a")
			o.MemoryMiB += int64(i)
			p.Machines = append(p.Machines, Machine{Addr: machineAddr("lab", i), Facts: o})
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), 0), Need: needGPU("A100:8"), Nodes: 1})
		}
		return p
	},
	"machines of a fleet to be made": func(n int) Problem {
		g := Group{Fleet: fleetAddr("train"), Need: needGPU("A100:8")}
		p := Problem{}
		for i := range n {
			g.Members = append(g.Members, machineAddr("train", i))
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), 0), Need: needGPU("A100:8"), Nodes: 1, Fleet: g.Fleet})
		}
		p.Groups = []Group{g}
		return p
	},
	"fleets of one machine each": func(n int) Problem {
		p := Problem{}
		for i := range n {
			f := fleetAddr(fmt.Sprintf("f%d", i))
			p.Groups = append(p.Groups, Group{Fleet: f, Need: needGPU("A100:8"), Members: []addr.Resource{f.Machine(addr.Int(0))}})
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), 0), Need: needGPU("A100:8"), Nodes: 1, Fleet: f})
		}
		return p
	},
	"machines that runs bring": func(n int) Problem {
		p := Problem{}
		for i := range n {
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), 0), Need: needGPU("A100:8"), Nodes: 1})
		}
		return p
	},
	"a fleet that grows": func(n int) Problem {
		f := fleetAddr("train")
		p := Problem{Fleets: []Fleet{{Addr: f, Max: Unlimited, Need: needGPU("A100:8")}}}
		for i := range n {
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), 0), Need: needGPU("A100:8"), Nodes: 1, Fleet: f})
		}
		return p
	},
	"runs of two nodes": func(n int) Problem {
		p := Problem{}
		for i := range n {
			p.Machines = append(p.Machines, Machine{Addr: machineAddr("lab", i), Facts: big("us-east-1", "us-east-1a")})
			p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i/2), i%2), Need: needGPU("A100:8"), Rank: i % 2, Nodes: 2})
		}
		return p
	},
	"jobs that find no room": func(n int) Problem {
		p := Problem{}
		for i := range n {
			p.Machines = append(p.Machines, Machine{Addr: machineAddr("lab", i), Facts: big("us-east-1", "us-east-1a")})
			for k := range 2 {
				p.Jobs = append(p.Jobs, Job{Addr: jobAddr(fmt.Sprintf("t%d", i), k), Need: needGPU("A100:8"), Fleet: fleetAddr("lab"), Nodes: 1, Replica: k})
			}
		}
		return p
	},
}

func BenchmarkSolve(b *testing.B) {
	var offers []schema.Offer
	for i := range 100 {
		o := bigger(fmt.Sprintf("region-%d", i), "a", "b", "c")
		o.Price += 1
		offers = append(offers, o)
	}
	for name, world := range worlds {
		for _, n := range []int{100, 1_000, 10_000} {
			p := world(n)
			p.Backends = backends()
			p.Offers = map[string][]schema.Offer{}
			for _, need := range Needs(p) {
				p.Offers[offer.Key(need)] = offers
			}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					Solve(p)
				}
			})
		}
	}
}
