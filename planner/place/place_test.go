package place

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestClusterFleetWithTaskOfTwoNodes(t *testing.T) {
	train := fleetAddr("train")
	need := needGPU("A100:80GB:8")
	run := need
	p := Problem{
		Groups: []Group{{Fleet: train, Members: []addr.Resource{train.Machine(addr.Int(0)), train.Machine(addr.Int(1))}, Need: need, Cluster: true}},
		Jobs: []Job{
			{Addr: jobAddr("finetune", 0), Fleet: train, Need: run, Nodes: 2, Rank: 0},
			{Addr: jobAddr("finetune", 1), Fleet: train, Need: run, Nodes: 2, Rank: 1},
		},
	}
	s := solve(p, big("us-east-1", "us-east-1a"), bigger("us-east-1", "us-east-1a", "us-east-1b"), bigger("us-west-2", "us-west-2a"))
	require.Empty(t, s.Errors)
	require.Empty(t, cmp.Diff(map[string]string{
		"task.finetune.job[0]": "fleet.train.instance[0]",
		"task.finetune.job[1]": "fleet.train.instance[1]",
	}, where(s)))
	require.Len(t, s.Groups, 1)
	require.Len(t, s.Groups[0].Candidates, 3)
	require.Equal(t, "us-east-1a", s.Groups[0].Candidates[0].Zone)
}
