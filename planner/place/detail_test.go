package place

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// priced is A100 80GB eight times for at most so much.
func priced(dollars float64) schema.Requirements {
	n := needGPU("A100:80GB:8")
	n.MaxPrice = value.PriceOf(value.MoneyOf(dollars))
	return n
}

func TestDetail(t *testing.T) {
	spot := bigger("us-east-1", "us-east-1a")
	spot.Spot, spot.Price = true, value.MoneyOf(12.55)
	far := small("us-east-1")
	failing := backends()
	failing["gcp"] = offer.Backend{Failed: "credentials expired 2 d ago", Hint: "gcloud auth application-default login"}
	for name, c := range map[string]struct {
		p      Problem
		offers []schema.Offer
		want   string
	}{
		"no offer, a backend that failed, and what would help": {
			p:      Problem{Backends: failing, Groups: []Group{planned("train", 2, priced(30), cluster)}},
			offers: []schema.Offer{far, big("us-west-2", "us-west-2a"), bigger("us-east-1", "us-east-1a")},
			want: `2 nodes are needed with 8 x A100 80GB for at most $30.00/h each, in one region. Closest:
  aws us-east-1  p4de.24xlarge  $40.97/h  over max_price by $10.97
  aws us-west-2  p4d.24xlarge   $32.77/h  40GB for each GPU, 80GB needed;
                                          over max_price by $2.77
  aws us-east-1  m5.xlarge      $0.192/h  no GPU, 8 x A100 80GB needed
  gcp            not asked: credentials expired 2 d ago
                 (gcloud auth application-default login)
Raise max_price to 41.`,
		},
		"spot would do": {
			p: Problem{Groups: []Group{planned("train", 1, priced(30))}}, offers: []schema.Offer{spot, bigger("us-east-1", "us-east-1a")},
			want: `1 node is needed with 8 x A100 80GB for at most $30.00/h. Closest:
  aws us-east-1  p4de.24xlarge  $40.97/h  over max_price by $10.97
  aws us-east-1  p4de.24xlarge  $12.55/h  spot only
Raise max_price to 41, or allow spot (lowest $12.55/h).`,
		},
		"not enough host blocks, and who has them": {
			p: Problem{Machines: []Machine{on("lab", 0, big("us-east-1"), 8, holds("llama", 6, 6)), on("lab", 1, big("us-east-1"), 1, holds("x", 1, 8)),
				{Addr: machineAddr("lab", 2), Facts: big("us-east-1"), Unreachable: true}},
				Jobs: []Job{single("a", needGPU("A100:4"), bound("lab"))}},
			want: `1 node is needed with 4 x A100. fleet.lab has not enough machines that are free. Closest:
  fleet.lab.instance[0]  2 of 8 blocks free, 4 needed; taken by task.llama.job[0]
  fleet.lab.instance[1]  8 GPUs, 4 x A100 needed
  fleet.lab.instance[2]  8 GPUs, 4 x A100 needed
Raise nodes of fleet.lab, or stop what runs there.`,
		},
		"a quota that is not enough for all": {
			p: Problem{Groups: []Group{planned("a", 3, schema.Requirements{})}}, offers: []schema.Offer{limited(1, small("us-east-1", "us-east-1a"))},
			want: `2 nodes are needed. What fits is needed by several, and there is not enough of it for all. Closest:
  aws us-east-1  m5.xlarge  $0.192/h  1 can be had, 2 needed
Ask for a higher quota, allow other offers, or make fewer machines.`,
		},
		"a fleet that has nothing": {
			p:    Problem{Jobs: []Job{single("a", schema.Requirements{}, bound("lab"))}},
			want: `1 node is needed. fleet.lab has no machines. Give fleet.lab nodes, or bind the run to another fleet.`,
		},
		"a volume elsewhere": {
			p: Problem{Jobs: []Job{single("a", schema.Requirements{}, mounts(volume("v", "aws", "us-west-2", "us-west-2b")))}}, offers: []schema.Offer{small("us-west-2", "us-west-2a")},
			want: `1 node is needed. Closest:
  aws us-west-2  m5.xlarge  $0.192/h  volume.v is in aws us-west-2b
Let its volumes be where it can run, or give it another port.`,
		},
		"no backend": {
			p:    Problem{Backends: map[string]offer.Backend{}, Jobs: []Job{single("a", schema.Requirements{})}},
			want: `1 node is needed. Write a backend block.`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := solve(c.p, c.offers...)
			require.Len(t, s.Errors, 1)
			require.Empty(t, cmp.Diff(c.want, s.Errors[0].Detail()))
		})
	}
}

func TestErrorsThatAreAlikeAreOne(t *testing.T) {
	p := Problem{Groups: []Group{planned("train", 500, needGPU("H100:8"))}}
	for i := range 300 {
		p.Jobs = append(p.Jobs, Job{Addr: block("service", "llama").Job(i), Replica: i, Nodes: 1, Fleet: fleetAddr("lab"), Need: needGPU("A100:8")})
	}
	s := solve(p, small("us-east-1"))
	require.Len(t, s.Errors, 2)
	require.Len(t, s.Errors[0].Addrs, 500)
	require.Equal(t, 500, s.Errors[0].Count)
	require.Equal(t, "No offer fits fleet.train", s.Errors[0].Summary())
	require.Len(t, s.Errors[1].Addrs, 300)
	require.Equal(t, "No machine has room for service.llama", s.Errors[1].Summary())
}

func TestLeftOutSaysWhyACheaperOfferWasNotTaken(t *testing.T) {
	need := needGPU("A100:8")
	need.Backends = []string{"aws"}
	cheap := big("EU")
	cheap.Backend, cheap.Price = "gcp", 1_000_000
	s := solve(Problem{
		Groups: []Group{planned("lab", 1, need)},
		Jobs:   []Job{single("a", needGPU("A100:80GB:8"), bound("lab"))},
	}, cheap, big("us-east-1", "us-east-1a", "us-east-1b"), bigger("us-east-1", "us-east-1a"))
	var got []string
	for _, lo := range s.Groups[0].LeftOut {
		got = append(got, lo.Offer.Backend+" "+lo.Offer.InstanceType+": "+lo.Why)
	}
	require.Equal(t, []string{"gcp p4d.24xlarge: not in backends", "aws p4d.24xlarge: task.a.job[0]: 40GB for each GPU, 80GB needed"}, got)
}

func TestNeedsAsksForEachOnce(t *testing.T) {
	p := Problem{
		Groups: []Group{planned("a", 2, needGPU("1")), planned("b", 1, needGPU("1"))},
		Fleets: []Fleet{{Addr: fleetAddr("full"), Count: 2, Max: 2, Need: needGPU("2")}, {Addr: fleetAddr("idle"), Max: 1, Need: needGPU("3")},
			{Addr: fleetAddr("grows"), Max: Unlimited, Need: needGPU("4"), Cluster: true}},
		Jobs: []Job{single("x", needGPU("5")), single("y", needGPU("5")), single("z", needGPU("6"), reuse), single("f", needGPU("7"), bound("full")),
			single("g", needGPU("8"), bound("grows"))},
	}
	var got []string
	for _, n := range Needs(p) {
		text := n.Resources.GPU.String()
		if n.MultiNode {
			text += " multi"
		}
		got = append(got, text)
	}
	require.Equal(t, []string{"1", "5", "4 multi"}, got)
	require.Empty(t, Needs(Problem{}))
}
