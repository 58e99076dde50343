package place

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func TestCandidates(t *testing.T) {
	need := needGPU("A100:8")
	p := Problem{Groups: []Group{planned("lab", 1, need, divided(8))},
		Jobs: []Job{single("a", schema.Requirements{Resources: schema.Resources{GPU: value.Must(value.ParseGPU("A100:2..")), CPU: value.Must(value.ParseIntRange("24.."))}}, bound("lab"))}}
	twice := big("us-east-1", "us-east-1a")
	twice.InstanceType, twice.CPUs, twice.Price = "twice", 192, 60_000_000
	s := solve(p, big("us-east-1", "us-east-1a", "us-east-1b"), twice, bigger("us-west-2", "x", "y", "z"))
	require.Empty(t, s.Errors)
	var got []string
	for _, c := range s.Groups[0].Candidates {
		got = append(got, c.Offer.InstanceType+" "+c.Zone)
	}
	require.Equal(t, []string{"p4d.24xlarge us-east-1a", "p4d.24xlarge us-east-1b", "p4de.24xlarge x", "p4de.24xlarge y", "p4de.24xlarge z"}, got,
		"five at most, an offer with several zones is several")
	a := s.Jobs[jobAddr("a", 0)]
	require.Equal(t, []int{2, 8, 2}, []int{a.Blocks, a.Of, a.GPUs})
	require.Equal(t, value.MoneyOf(32.77)*2/8, a.Price, "a job costs its share")
	require.Equal(t, value.MoneyOf(40.97)*2/8, s.Groups[0].Candidates[2].Shares[jobAddr("a", 0)].Price)
	require.Nil(t, s.Groups[0].Candidates[1].Shares, "nothing differs in the other zone")
}

func TestVolumesTakeTheZoneOfTheirMachine(t *testing.T) {
	v := volume("v", "aws", "us-east-1", "")
	p := Problem{Groups: []Group{planned("lab", 2, schema.Requirements{})},
		Jobs: []Job{single("a", schema.Requirements{}, bound("lab"), mounts(v)), single("b", schema.Requirements{}, bound("lab"), mounts(v))}}
	s := solve(p, limited(1, small("us-east-1", "us-east-1a", "us-east-1b")), func() schema.Offer {
		o := small("us-east-1", "us-east-1b", "us-east-1a")
		o.InstanceType, o.Price = "other", 300_000
		return o
	}())
	require.Empty(t, s.Errors)
	require.Equal(t, map[addr.Resource]string{v.Addr: "us-east-1a"}, s.Zones)
	for _, g := range s.Groups {
		for _, c := range g.Candidates {
			require.Equal(t, "us-east-1a", c.Zone, "what mounts one volume comes together, whatever candidate is taken")
		}
	}
	require.Equal(t, []addr.Resource{v.Addr}, s.Jobs[jobAddr("a", 0)].Volumes)
}

func TestRollingReplicasMoveWhereThereIsRoom(t *testing.T) {
	rolling := func(j *Job) { j.Rolling = true }
	lab := func(n int) func(*Job) { return at(machineAddr("lab", n)) }
	s := solve(Problem{
		Machines: []Machine{on("lab", 0, big("us-east-1"), 1), on("lab", 1, big("us-east-1"), 1), on("lab", 2, big("us-east-1"), 1)},
		Jobs:     []Job{single("a", needGPU("A100:8"), rolling, lab(0)), single("b", needGPU("A100:8"), rolling, lab(1))},
	})
	require.Equal(t, map[string]string{"task.a.job[0]": "fleet.lab.instance[2]", "task.b.job[0]": "fleet.lab.instance[0]"}, where(s),
		"what the first leaves is room for the second")
	require.True(t, s.Jobs[jobAddr("a", 0)].Beside)
	require.True(t, s.Jobs[jobAddr("a", 0)].Moved)
	full := solve(Problem{
		Machines: []Machine{on("lab", 0, big("us-east-1"), 1)},
		Jobs:     []Job{single("a", needGPU("A100:8"), rolling, lab(0))},
	}, big("us-east-1", "us-east-1a"))
	require.False(t, full.Jobs[jobAddr("a", 0)].Beside, "no machine is made for it")
	require.Empty(t, full.Added)
}
