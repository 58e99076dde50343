package place

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func block(typ, name string) addr.Instance {
	return addr.Block{Type: typ, Name: name}.Instance(addr.NoKey)
}

func fleetAddr(name string) addr.Instance { return block("fleet", name) }

func machineAddr(fleet string, n int) addr.Resource { return fleetAddr(fleet).Machine(addr.Int(n)) }

func jobAddr(task string, n int) addr.Resource { return block("task", task).Job(n) }

func gpus(n int, name string, gb int64) []schema.GPU {
	out := make([]schema.GPU, n)
	for i := range out {
		out[i] = schema.GPU{Name: name, Vendor: "nvidia", MemoryMiB: gb * 1024}
	}
	return out
}

// Types of machines that the tests know.
func small(region string, zones ...string) schema.Offer {
	return schema.Offer{Backend: "aws", Region: region, Zones: zones, InstanceType: "m5.xlarge", CPUs: 4, MemoryMiB: 16 << 10, Price: 192_000}
}

func big(region string, zones ...string) schema.Offer {
	return schema.Offer{Backend: "aws", Region: region, Zones: zones, InstanceType: "p4d.24xlarge", CPUs: 96, MemoryMiB: 1152 << 10,
		GPUs: gpus(8, "A100", 40), Price: 32_770_000}
}

func bigger(region string, zones ...string) schema.Offer {
	return schema.Offer{Backend: "aws", Region: region, Zones: zones, InstanceType: "p4de.24xlarge", CPUs: 96, MemoryMiB: 1152 << 10,
		GPUs: gpus(8, "A100", 80), Price: 40_970_000}
}

func backends() map[string]offer.Backend {
	all := offer.Backend{MultiNode: true, Spot: true, Blocks: true, Reservations: true, Privileged: true, InstanceMounts: true}
	local := all
	local.ExistingMachines, local.SharedNetwork = true, true
	return map[string]offer.Backend{"aws": all, "gcp": all, "local": local, "runpod": {Spot: true}}
}

func needGPU(text string) schema.Requirements {
	return schema.Requirements{Resources: schema.Resources{GPU: value.Must(value.ParseGPU(text))}}
}

// solve gives every need of the problem the same offers.
func solve(p Problem, offers ...schema.Offer) Solution {
	if p.Backends == nil {
		p.Backends = backends()
	}
	p.Offers = map[string][]schema.Offer{}
	for _, n := range Needs(p) {
		p.Offers[offer.Key(n)] = offers
	}
	return Solve(p)
}

func where(s Solution) map[string]string {
	out := map[string]string{}
	for j, a := range s.Jobs {
		out[j.String()] = a.Instance.String()
	}
	return out
}

// on makes a machine of a fleet.
func on(fleet string, n int, facts schema.Offer, total int, holds ...Hold) Machine {
	facts.TotalBlocks = total
	return Machine{Addr: machineAddr(fleet, n), Facts: facts, Holds: holds}
}

func holds(task string, blocks, gpus int) Hold {
	return Hold{Job: jobAddr(task, 0), Blocks: blocks, GPUs: gpus, Keep: true}
}

// single makes a job that is alone.
func single(task string, need schema.Requirements, change ...func(*Job)) Job {
	j := Job{Addr: jobAddr(task, 0), Need: need, Nodes: 1}
	for _, c := range change {
		c(&j)
	}
	return j
}

// nodes makes the jobs of a run of several nodes.
func nodes(task string, n int, need schema.Requirements, change ...func(*Job)) []Job {
	out := make([]Job, n)
	for i := range out {
		out[i] = single(task, need, change...)
		out[i].Addr, out[i].Rank, out[i].Nodes = jobAddr(task, i), i, n
	}
	return out
}

func bound(fleet string) func(*Job) { return func(j *Job) { j.Fleet = fleetAddr(fleet) } }
func reuse(j *Job)                  { j.Creation = value.Reuse }
func at(m addr.Resource) func(*Job) { return func(j *Job) { j.Current = m } }
func port(n int) func(*Job)         { return func(j *Job) { j.Ports = []int{n} } }
func mounts(v ...Volume) func(*Job) {
	return func(j *Job) { j.Mounts = append(j.Mounts, Mount{Path: "/data", Alternatives: v}) }
}

func volume(name, backend, region, zone string) Volume {
	return Volume{Addr: block("volume", name).Self(), At: offer.Location{Backend: backend, Region: region, Zone: zone}}
}

func planned(fleet string, n int, need schema.Requirements, change ...func(*Group)) Group {
	g := Group{Fleet: fleetAddr(fleet), Need: need}
	for i := range n {
		g.Members = append(g.Members, machineAddr(fleet, i))
	}
	for _, c := range change {
		c(&g)
	}
	return g
}

func cluster(g *Group)                           { g.Cluster = true }
func divided(n int) func(*Group)                 { return func(g *Group) { g.Need.Blocks = value.BlocksOf(n) } }
func limited(n int, o schema.Offer) schema.Offer { o.Limit = n; return o }

func local(n int, total int) Machine {
	return on("here", n, schema.Offer{Backend: "local", Region: "local", InstanceType: "local", CPUs: 2, MemoryMiB: 2048}, total)
}

// short says where a job is and how much it takes: "fleet.lab.instance[0] 2/8".
func short(s Solution) map[string]string {
	out := map[string]string{}
	for j, a := range s.Jobs {
		out[j.String()] = fmt.Sprintf("%s %d/%d", a.Instance, a.Blocks, a.Of)
	}
	return out
}

func TestSolve(t *testing.T) {
	east, west := small("us-east-1", "us-east-1a"), small("us-west-2", "us-west-2a")
	for name, c := range map[string]struct {
		p      Problem
		offers []schema.Offer
		want   map[string]string // job: place and share
		made   map[string]string // member: region, zone and type
		errors []string          // summaries
	}{
		"nothing to do": {},

		// OFR-11, BLK-06.
		"the smallest number of blocks that fits is taken, and jobs share a machine": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8)},
				Jobs: []Job{single("a", needGPU("A100:4")), single("b", needGPU("A100:3"))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 4/8", "task.b.job[0]": "fleet.lab.instance[0] 3/8"},
		},
		// OFR-12.
		"a whole machine on a shared host needs all of its blocks": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8, holds("old", 1, 1)), on("lab", 1, big("us-east-1"), 8)},
				Jobs: []Job{single("a", needGPU("A100:8"))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 8/8"},
		},
		"a whole machine is not there while one block is taken": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8, holds("old", 1, 1))},
				Jobs: []Job{single("a", needGPU("A100:8"), bound("lab"))}},
			errors: []string{"No machine has room for task.a"},
		},
		"what ends in the same plan leaves its share": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8, Hold{Job: jobAddr("old", 0), Blocks: 8, GPUs: 8})},
				Jobs: []Job{single("a", needGPU("A100:8"))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 8/8"},
		},
		// OFR-13, RUN-04.
		"several nodes never share hosts": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8), on("lab", 1, big("us-east-1"), 1), on("lab", 2, big("us-east-1"), 1)},
				Jobs: nodes("a", 2, needGPU("A100:1..8"))},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1", "task.a.job[1]": "fleet.lab.instance[2] 1/1"},
		},
		// RUN-04, OFR-07.
		"several nodes are in one region": {
			p: Problem{Machines: []Machine{on("lab", 0, west, 1), on("lab", 1, east, 1), on("lab", 2, east, 1)},
				Jobs: nodes("a", 2, schema.Requirements{})},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1", "task.a.job[1]": "fleet.lab.instance[2] 1/1"},
		},
		"several nodes are in one fleet": {
			p: Problem{Machines: []Machine{on("a", 0, east, 1), on("b", 0, east, 1)},
				Jobs: nodes("t", 2, schema.Requirements{}, reuse)},
			errors: []string{"No machine has room for task.t"},
		},
		"several nodes find their machines before single jobs break them up": {
			p: Problem{Machines: []Machine{on("lab", 0, east, 1), on("lab", 1, east, 1)},
				Jobs: append(nodes("z", 2, schema.Requirements{}, bound("lab")), single("a", schema.Requirements{}))},
			offers: []schema.Offer{east},
			want: map[string]string{"task.z.job[0]": "fleet.lab.instance[0] 1/1", "task.z.job[1]": "fleet.lab.instance[1] 1/1",
				"task.a.job[0]": "task.a.instance[0] 1/1"},
			made: map[string]string{"task.a.instance[0]": "us-east-1 us-east-1a m5.xlarge"},
		},
		"several nodes need a backend whose machines reach each other": {
			p: Problem{Machines: []Machine{on("pod", 0, schema.Offer{Backend: "runpod", CPUs: 8, MemoryMiB: 64 << 10}, 1),
				on("pod", 1, schema.Offer{Backend: "runpod", CPUs: 8, MemoryMiB: 64 << 10}, 1)},
				Jobs: nodes("a", 2, schema.Requirements{}, bound("pod"))},
			errors: []string{"No machine has room for task.a"},
		},
		"one node more joins those that run": {
			p: Problem{Machines: []Machine{on("lab", 0, west, 1), on("lab", 1, east, 1, holds("a", 1, 0)), on("lab", 2, east, 1)},
				Jobs: []Job{{Addr: jobAddr("a", 1), Nodes: 2, Rank: 1}}},
			want: map[string]string{"task.a.job[1]": "fleet.lab.instance[2] 1/1"},
		},

		// OFR-14, INS-03.
		"unreachable machines get no job": {
			p: Problem{Machines: []Machine{{Addr: machineAddr("lab", 0), Facts: east, Unreachable: true}, on("lab", 1, big("us-east-1"), 1)},
				Jobs: []Job{single("a", schema.Requirements{})}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1"},
		},
		"closed machines get no job": {
			p:      Problem{Machines: []Machine{{Addr: machineAddr("lab", 0), Facts: east, Closed: true}}, Jobs: []Job{single("a", schema.Requirements{}, reuse)}},
			errors: []string{"No machine has room for task.a"},
		},
		// OFR-09.
		"an idle machine is preferred to a new one, and the cheapest is taken": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 1), on("lab", 1, east, 1)},
				Jobs: []Job{single("a", schema.Requirements{})}},
			offers: []schema.Offer{east},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1"},
		},
		"a job goes where least is left": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8), on("lab", 1, big("us-east-1"), 8, holds("old", 5, 5)), on("lab", 2, big("us-east-1"), 8, holds("old2", 6, 6))},
				Jobs: []Job{single("a", needGPU("A100:3"))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 3/8"},
		},
		"the largest jobs are packed first": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8), on("lab", 1, big("us-east-1"), 8)},
				Jobs: []Job{single("a", needGPU("A100:2"), reuse), single("b", needGPU("A100:3"), reuse), single("c", needGPU("A100:6"), reuse), single("d", needGPU("A100:5"), reuse)}},
			want: map[string]string{"task.c.job[0]": "fleet.lab.instance[0] 6/8", "task.d.job[0]": "fleet.lab.instance[1] 5/8",
				"task.b.job[0]": "fleet.lab.instance[1] 3/8", "task.a.job[0]": "fleet.lab.instance[0] 2/8"},
		},
		"a job that is bound to a fleet comes before one that may go anywhere": {
			p: Problem{Machines: []Machine{on("lab", 0, east, 1), on("other", 0, big("us-east-1"), 1)},
				Jobs: []Job{single("a", schema.Requirements{}), single("b", schema.Requirements{}, bound("lab"))}},
			want: map[string]string{"task.a.job[0]": "fleet.other.instance[0] 1/1", "task.b.job[0]": "fleet.lab.instance[0] 1/1"},
		},
		"a job moves aside for one that has no other place": {
			p: Problem{Machines: []Machine{on("lab", 0, small("us-east-1", "us-east-1a"), 1), on("lab", 1, small("us-west-2", "us-west-2a"), 1)},
				Jobs: []Job{single("a", schema.Requirements{}, reuse), single("b", schema.Requirements{Regions: []string{"us-east-1"}}, reuse)}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1", "task.b.job[0]": "fleet.lab.instance[0] 1/1"},
		},
		"a GPU that was given away otherwise counts, too": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8, Hold{Job: jobAddr("old", 0), Blocks: 1, GPUs: 6, Keep: true})},
				Jobs: []Job{single("a", needGPU("A100:3"), bound("lab"))}},
			errors: []string{"No machine has room for task.a"},
		},

		"a job stays where it is although another machine is cheaper": {
			p: Problem{Machines: []Machine{on("lab", 0, east, 1), on("lab", 1, big("us-east-1"), 1)},
				Jobs: []Job{single("a", schema.Requirements{}, at(machineAddr("lab", 1)))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1"},
		},
		"a job that no longer fits moves": {
			p: Problem{Machines: []Machine{on("lab", 0, east, 1), on("lab", 1, big("us-east-1"), 1)},
				Jobs: []Job{single("a", needGPU("A100:8"), at(machineAddr("lab", 0)))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1"},
		},
		"a job comes back to the machine that is replaced under it": {
			p: Problem{Groups: []Group{planned("lab", 2, schema.Requirements{})},
				Jobs: []Job{single("a", schema.Requirements{}, bound("lab"), at(machineAddr("lab", 1)))}},
			offers: []schema.Offer{east},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[1] 1/1"},
			made: map[string]string{"fleet.lab.instance[0]": "us-east-1 us-east-1a m5.xlarge",
				"fleet.lab.instance[1]": "us-east-1 us-east-1a m5.xlarge"},
		},
		"nodes stay where they are": {
			p: Problem{Machines: []Machine{on("lab", 0, east, 1), on("lab", 1, east, 1), on("lab", 2, west, 1), on("lab", 3, west, 1)},
				Jobs: []Job{{Addr: jobAddr("a", 0), Nodes: 2, Current: machineAddr("lab", 3)}, {Addr: jobAddr("a", 1), Rank: 1, Nodes: 2, Current: machineAddr("lab", 2)}}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[3] 1/1", "task.a.job[1]": "fleet.lab.instance[2] 1/1"},
		},

		// PRF-06.
		"creation_policy reuse makes no machine": {
			p:      Problem{Jobs: []Job{single("a", schema.Requirements{}, reuse)}},
			offers: []schema.Offer{east}, errors: []string{"No machine has room for task.a"},
		},
		"a run brings the lowest free number": {
			p:      Problem{Reserved: []addr.Resource{block("task", "a").Machine(addr.Int(0))}, Jobs: []Job{single("a", schema.Requirements{})}},
			offers: []schema.Offer{west, east},
			want:   map[string]string{"task.a.job[0]": "task.a.instance[1] 1/1"},
			made:   map[string]string{"task.a.instance[1]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"a run of several nodes brings machines of one offer": {
			p: Problem{Jobs: nodes("a", 3, schema.Requirements{})}, offers: []schema.Offer{limited(2, east), west},
			want: map[string]string{"task.a.job[0]": "task.a.instance[0] 1/1", "task.a.job[1]": "task.a.instance[1] 1/1", "task.a.job[2]": "task.a.instance[2] 1/1"},
			made: map[string]string{"task.a.instance[0]": "us-west-2 us-west-2a m5.xlarge", "task.a.instance[1]": "us-west-2 us-west-2a m5.xlarge",
				"task.a.instance[2]": "us-west-2 us-west-2a m5.xlarge"},
		},

		// FLT-03; defect 23 is not copied.
		"a cluster is in one place": {
			p: Problem{Groups: []Group{planned("train", 2, schema.Requirements{}, cluster)}}, offers: []schema.Offer{limited(1, east), west},
			made: map[string]string{"fleet.train.instance[0]": "us-west-2 us-west-2a m5.xlarge", "fleet.train.instance[1]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"machines of placement any are not confined to the first one's region": {
			p: Problem{Groups: []Group{planned("train", 2, schema.Requirements{})}}, offers: []schema.Offer{limited(1, east), west},
			made: map[string]string{"fleet.train.instance[0]": "us-east-1 us-east-1a m5.xlarge", "fleet.train.instance[1]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"a cluster needs a backend whose machines reach each other": {
			p:      Problem{Groups: []Group{planned("train", 2, schema.Requirements{}, cluster)}},
			offers: []schema.Offer{{Backend: "runpod", Region: "EU", InstanceType: "pod", CPUs: 8, MemoryMiB: 64 << 10}},
			errors: []string{"No offer fits fleet.train"},
		},
		"what exists of a cluster confines the rest": {
			p:      Problem{Groups: []Group{planned("train", 1, schema.Requirements{}, cluster, func(g *Group) { g.Within = offer.Location{Backend: "aws", Region: "us-west-2"} })}},
			offers: []schema.Offer{east, west},
			made:   map[string]string{"fleet.train.instance[0]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"a quota is counted for all groups together": {
			p:      Problem{Groups: []Group{planned("a", 1, schema.Requirements{}), planned("b", 1, schema.Requirements{Regions: []string{"us-east-1"}})}},
			offers: []schema.Offer{limited(1, east), west},
			made:   map[string]string{"fleet.a.instance[0]": "us-west-2 us-west-2a m5.xlarge", "fleet.b.instance[0]": "us-east-1 us-east-1a m5.xlarge"},
		},
		"a quota that is not enough for all": {
			p:      Problem{Groups: []Group{planned("a", 2, schema.Requirements{})}, Jobs: []Job{single("t", schema.Requirements{}, bound("a"))}},
			offers: []schema.Offer{limited(1, east)},
			want:   map[string]string{"task.t.job[0]": "fleet.a.instance[0] 1/1"},
			made:   map[string]string{"fleet.a.instance[0]": "us-east-1 us-east-1a m5.xlarge"},
			errors: []string{"Not enough quota for fleet.a"},
		},

		// OFR-08, VOL-06.
		"a volume decides where a planned machine is made": {
			p: Problem{Groups: []Group{planned("train", 1, schema.Requirements{})},
				Jobs: []Job{single("a", schema.Requirements{}, bound("train"), mounts(volume("v", "aws", "us-west-2", "us-west-2a")))}},
			offers: []schema.Offer{east, small("us-west-2", "us-west-2b", "us-west-2a")},
			want:   map[string]string{"task.a.job[0]": "fleet.train.instance[0] 1/1"},
			made:   map[string]string{"fleet.train.instance[0]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"of several volumes the one that is there is mounted": {
			p: Problem{Machines: []Machine{on("lab", 0, west, 1)},
				Jobs: []Job{single("a", schema.Requirements{}, bound("lab"), mounts(volume("e", "aws", "us-east-1", ""), volume("w", "aws", "us-west-2", "us-west-2a")))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1"},
		},
		"a volume that is elsewhere": {
			p: Problem{Machines: []Machine{on("lab", 0, west, 1)},
				Jobs: []Job{single("a", schema.Requirements{}, bound("lab"), mounts(volume("e", "aws", "us-east-1", "")))}},
			errors: []string{"No machine has room for task.a"},
		},
		"a place that is not known yet restricts nothing": {
			p: Problem{Machines: []Machine{on("lab", 0, west, 1)},
				Jobs: []Job{single("a", schema.Requirements{}, bound("lab"), mounts(Volume{Addr: block("volume", "v").Self(), Unknown: true}))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1"},
		},
		"volumes in two places contradict each other": {
			p:      Problem{Jobs: []Job{single("a", schema.Requirements{}, mounts(volume("e", "aws", "us-east-1", "")), mounts(volume("w", "aws", "us-west-2", "")))}},
			offers: []schema.Offer{east, west}, errors: []string{"No offer fits task.a"},
		},

		"blocks of planned machines are packed": {
			p: Problem{Groups: []Group{planned("lab", 2, needGPU("A100:8"), divided(4))},
				Jobs: []Job{single("a", needGPU("A100:4"), bound("lab")), single("b", needGPU("A100:4"), bound("lab")), single("c", needGPU("A100:8"), bound("lab"))}},
			offers: []schema.Offer{big("us-east-1", "us-east-1a")},
			want: map[string]string{"task.c.job[0]": "fleet.lab.instance[0] 4/4", "task.a.job[0]": "fleet.lab.instance[1] 2/4",
				"task.b.job[0]": "fleet.lab.instance[1] 2/4"},
			made: map[string]string{"fleet.lab.instance[0]": "us-east-1 us-east-1a p4d.24xlarge", "fleet.lab.instance[1]": "us-east-1 us-east-1a p4d.24xlarge"},
		},
		"a job strikes out what cannot hold it": {
			p:      Problem{Groups: []Group{planned("lab", 1, needGPU("A100:8"))}, Jobs: []Job{single("a", needGPU("A100:80GB:8"), bound("lab"))}},
			offers: []schema.Offer{big("us-east-1", "us-east-1a"), bigger("us-east-1", "us-east-1a")},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1"},
			made:   map[string]string{"fleet.lab.instance[0]": "us-east-1 us-east-1a p4de.24xlarge"},
		},
		"a job that is not bound makes no planned machine dearer": {
			p:      Problem{Groups: []Group{planned("lab", 1, needGPU("A100:8"))}, Jobs: []Job{single("a", needGPU("A100:80GB:8"))}},
			offers: []schema.Offer{big("us-east-1", "us-east-1a"), bigger("us-east-1", "us-east-1a")},
			want:   map[string]string{"task.a.job[0]": "task.a.instance[0] 1/1"},
			made: map[string]string{"fleet.lab.instance[0]": "us-east-1 us-east-1a p4d.24xlarge",
				"task.a.instance[0]": "us-east-1 us-east-1a p4de.24xlarge"},
		},
		"two nodes on machines of placement any are made together": {
			p:      Problem{Groups: []Group{planned("lab", 2, schema.Requirements{})}, Jobs: nodes("a", 2, schema.Requirements{}, bound("lab"))},
			offers: []schema.Offer{limited(1, east), west},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1", "task.a.job[1]": "fleet.lab.instance[1] 1/1"},
			made:   map[string]string{"fleet.lab.instance[0]": "us-west-2 us-west-2a m5.xlarge", "fleet.lab.instance[1]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"a run that is not bound uses a planned cluster": {
			p:      Problem{Groups: []Group{planned("train", 2, needGPU("A100:8"), cluster)}, Jobs: nodes("a", 2, needGPU("A100:8"))},
			offers: []schema.Offer{big("us-east-1", "us-east-1a")},
			want:   map[string]string{"task.a.job[0]": "fleet.train.instance[0] 1/1", "task.a.job[1]": "fleet.train.instance[1] 1/1"},
			made:   map[string]string{"fleet.train.instance[0]": "us-east-1 us-east-1a p4d.24xlarge", "fleet.train.instance[1]": "us-east-1 us-east-1a p4d.24xlarge"},
		},
		"one node on a machine that exists, the other on a planned one beside it": {
			p:      Problem{Machines: []Machine{on("lab", 5, west, 1)}, Groups: []Group{planned("lab", 1, schema.Requirements{})}, Jobs: nodes("a", 2, schema.Requirements{}, bound("lab"))},
			offers: []schema.Offer{east, west},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[5] 1/1", "task.a.job[1]": "fleet.lab.instance[0] 1/1"},
			made:   map[string]string{"fleet.lab.instance[0]": "us-west-2 us-west-2a m5.xlarge"},
		},

		"a fleet grows up to its most": {
			p: Problem{Machines: []Machine{on("lab", 1, east, 1, holds("old", 1, 0))},
				Fleets: []Fleet{{Addr: fleetAddr("lab"), Count: 1, Max: 2}},
				Jobs:   []Job{single("a", schema.Requirements{}, bound("lab")), single("b", schema.Requirements{}, bound("lab"))}},
			offers: []schema.Offer{east},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1"},
			made:   map[string]string{"fleet.lab.instance[0]": "us-east-1 us-east-1a m5.xlarge"},
			errors: []string{"No machine has room for task.b"},
		},
		"a cluster that is empty grows for a run of several nodes": {
			p:      Problem{Fleets: []Fleet{{Addr: fleetAddr("lab"), Max: 2, Cluster: true}}, Jobs: nodes("a", 2, schema.Requirements{}, bound("lab"))},
			offers: []schema.Offer{limited(1, east), west},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1", "task.a.job[1]": "fleet.lab.instance[1] 1/1"},
			made:   map[string]string{"fleet.lab.instance[0]": "us-west-2 us-west-2a m5.xlarge", "fleet.lab.instance[1]": "us-west-2 us-west-2a m5.xlarge"},
		},
		"an added machine is divided, and the next job uses what is left of it": {
			p: Problem{Fleets: []Fleet{{Addr: fleetAddr("lab"), Max: Unlimited, Need: schema.Requirements{Blocks: value.BlocksOf(8)}}},
				Jobs: []Job{single("a", needGPU("A100:4"), bound("lab")), single("b", needGPU("A100:4"), bound("lab"))}},
			offers: []schema.Offer{big("us-east-1", "us-east-1a")},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 4/8", "task.b.job[0]": "fleet.lab.instance[0] 4/8"},
			made:   map[string]string{"fleet.lab.instance[0]": "us-east-1 us-east-1a p4d.24xlarge"},
		},

		// Machines that exist: what nobody wrote constrains nothing.
		"a local machine is small, and nothing is asked of it": {
			p:    Problem{Machines: []Machine{local(0, 2)}, Jobs: []Job{single("a", schema.Requirements{}), single("b", schema.Requirements{})}},
			want: map[string]string{"task.a.job[0]": "fleet.here.instance[0] 1/2", "task.b.job[0]": "fleet.here.instance[0] 1/2"},
		},
		"what is written is asked of a local machine, too": {
			p:      Problem{Machines: []Machine{local(0, 1)}, Jobs: []Job{single("a", needGPU("1"), bound("here"))}},
			errors: []string{"No machine has room for task.a"},
		},
		"a machine whose facts are not known holds what nobody can check": {
			p: Problem{Machines: []Machine{{Addr: machineAddr("lab", 0), Facts: schema.Offer{Backend: "local"}, FactsUnknown: true}},
				Jobs: []Job{single("a", needGPU("A100:8"), bound("lab"))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1"},
		},
		"machines with one network share their ports": {
			p:      Problem{Machines: []Machine{local(0, 2), local(1, 1)}, Jobs: []Job{single("a", schema.Requirements{}, port(8000), reuse), single("b", schema.Requirements{}, port(8000), reuse)}},
			want:   map[string]string{"task.a.job[0]": "fleet.here.instance[0] 1/2"},
			errors: []string{"No machine has room for task.b"},
		},
		"machines with networks of their own do not": {
			p:    Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 2)}, Jobs: []Job{single("a", schema.Requirements{}, port(8000)), single("b", schema.Requirements{}, port(8000))}},
			want: map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/2", "task.b.job[0]": "fleet.lab.instance[0] 1/2"},
		},
		"the nodes of one run may have one port": {
			p:    Problem{Machines: []Machine{local(0, 1), local(1, 1)}, Jobs: nodes("a", 2, schema.Requirements{}, port(8000), bound("here"))},
			want: map[string]string{"task.a.job[0]": "fleet.here.instance[0] 1/1", "task.a.job[1]": "fleet.here.instance[1] 1/1"},
		},
		"a spot fleet that is named need not be allowed again": {
			p: Problem{Machines: []Machine{on("lab", 0, func() schema.Offer { o := east; o.Spot = true; return o }(), 1)},
				Jobs: []Job{single("a", schema.Requirements{}, bound("lab")), single("b", schema.Requirements{}, reuse)}},
			want:   map[string]string{"task.a.job[0]": "fleet.lab.instance[0] 1/1"},
			errors: []string{"No machine has room for task.b"},
		},
		"a fleet without machines": {
			p:      Problem{Jobs: []Job{single("a", schema.Requirements{}, bound("lab"))}},
			errors: []string{"No machine has room for task.a"},
		},
		"no backend at all": {
			p:      Problem{Backends: map[string]offer.Backend{}, Jobs: []Job{single("a", schema.Requirements{})}},
			errors: []string{"No offer fits task.a"},
		},
		"a fleet that cannot be made says it once": {
			p:      Problem{Groups: []Group{planned("lab", 3, needGPU("H100:8"))}, Jobs: []Job{single("a", schema.Requirements{}, bound("lab"))}},
			offers: []schema.Offer{east},
			errors: []string{"No offer fits fleet.lab"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := solve(c.p, c.offers...)
			made := map[string]string{}
			for _, g := range s.Groups {
				for _, m := range g.Members {
					if len(g.Candidates) > 0 {
						o := g.Candidates[0]
						made[m.String()] = o.Offer.Region + " " + o.Zone + " " + o.Offer.InstanceType
					}
				}
			}
			var errors []string
			for _, e := range s.Errors {
				errors = append(errors, e.Summary())
			}
			equal := cmpopts.EquateEmpty()
			require.Empty(t, cmp.Diff(c.want, short(s), equal))
			require.Empty(t, cmp.Diff(c.made, made, equal))
			require.Empty(t, cmp.Diff(c.errors, errors, equal))
			if c.p.Backends == nil {
				c.p.Backends = backends()
			}
			require.Empty(t, violations(c.p, s))
		})
	}
}
