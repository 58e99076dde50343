package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func dollars(d float64) Price { return Price{Hourly: value.MoneyOf(d)} }

func tables(o Options) string {
	big := Hardware{CPUs: 96, MemoryMiB: 1152 * 1024, DiskMiB: 100 * 1024, GPUs: rendertest.GPUs(8, "A100", 80)}
	lab := Hardware{CPUs: 64, MemoryMiB: 192 * 1024, GPUs: rendertest.GPUs(4, "A100", 80)}
	o.Now = rendertest.Noon()
	ago := func(d time.Duration) time.Time { return rendertest.Noon().Add(-d) }
	parts := []string{
		Ps([]PsRow{
			{Name: "finetune", Type: "task", Backend: "aws", Region: "us-east-1", Machines: 2, Hardware: big, Price: dollars(81.94), Status: "pulling", Submitted: ago(3 * time.Minute), Jobs: []PsJob{{Name: "job=0", Instance: "fleet.train 0", Status: "running"}, {Name: "job=1", Instance: "fleet.train 1", Status: "pulling 62 % of 5.0GB"}}},
			{Name: "notebook", Type: "dev", Backend: "ssh", Instance: "lab 10.0.0.11", Hardware: Hardware{CPUs: 16, MemoryMiB: 48 * 1024, GPUs: rendertest.GPUs(1, "A100", 80)}, Share: "1/4", Status: "inactive for 2 m 34 s", Submitted: ago(5 * time.Hour)},
			{Name: "eval", Type: "task", Backend: "gcp", Region: "us-central1", Hardware: Hardware{CPUs: 48, Spot: true}, Price: Price{Unknown: true}, Status: "failed", Reason: "container_exited_with_error", Submitted: ago(72 * time.Hour)},
		}, o),
		Fleets([]FleetRow{
			{Fleet: "train", Instance: "0", Backend: "aws", Region: "us-east-1", Zone: "us-east-1a", Hardware: big, Price: dollars(40.97), Status: "busy", Blocks: 1, Busy: 1, Created: ago(3 * time.Hour)},
			{Fleet: "lab", Instance: "10.0.0.11", Backend: "ssh", Hardware: lab, Status: "busy", Blocks: 4, Busy: 3, Created: ago(48 * time.Hour)},
			{Fleet: "lab", Instance: "10.0.0.12", Backend: "ssh", Hardware: lab, Status: "unreachable 14 m", Created: ago(48 * time.Hour), Error: "no route to host"},
			{Fleet: "empty", Created: ago(time.Minute)},
		}, o),
		Volumes([]VolumeRow{{Name: "data-0", Backend: "aws", Region: "us-east-1", Zone: "us-east-1a", Size: "500GB", Price: dollars(0.0548), Status: "attached", Attached: "train 0", Created: ago(time.Hour)}}, o),
		Gateways([]GatewayRow{{Name: "public", Backend: "aws", Region: "us-east-1", Hostname: "ec2-1-2-3-4.compute.amazonaws.com", Domain: "*.models.example.com", Default: true, Status: "running", Created: ago(time.Hour)}}, o),
		Offers([]OfferRow{
			{Offer: schema.Offer{Backend: "aws", Region: "us-east-1", Zones: []string{"us-east-1a", "us-east-1b"}, InstanceType: "p4de.24xlarge", CPUs: 96, MemoryMiB: 1152 * 1024, GPUs: rendertest.GPUs(8, "A100", 80), Price: value.MoneyOf(40.97), Availability: schema.Available}},
			{Offer: schema.Offer{Backend: "oci", Region: "us-ashburn-1", InstanceType: "VM.GPU.A10.4", CPUs: 60, PriceUnknown: true, Spot: true, Availability: schema.NoQuota}, Note: "quota of 0 GPUs"},
		}, o),
	}
	return strings.Join(parts, "\n")
}

func TestTables(t *testing.T) {
	for _, width := range []int{0, 60, 80, 120} {
		golden.Assert(t, fmt.Sprintf("testdata/table/all-%d.golden", width), tables(Options{Width: width}))
	}
	golden.Assert(t, "testdata/table/verbose.golden", tables(Options{Verbose: true}))
}

func TestTableKeepsItsWords(t *testing.T) {
	full := strings.Fields(tables(Options{}))
	for _, width := range []int{40, 60, 80, 100} {
		text := tables(Options{Width: width})
		for word := range strings.FieldsSeq(text) {
			require.Contains(t, full, word, "a word was cut at %d", width)
		}
		if width < 80 {
			continue
		}
		for _, line := range strings.Split(text, "\n") {
			require.LessOrEqual(t, displayWidth(line), width, line)
		}
	}
}

func TestQuantities(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 40 * time.Millisecond: "40 ms", 12 * time.Second: "12 s", 60 * time.Second: "1 m", 192 * time.Minute: "3 h 12 m", 3*time.Hour + 5*time.Second: "3 h",
		50 * time.Hour: "2 d 2 h", -time.Minute: "1 m",
	} {
		require.Equal(t, want, Duration(d))
	}
	for d, want := range map[time.Duration]string{0: "just now", -time.Hour: "just now", 2 * time.Second: "2 s ago", 119 * time.Second: "1 m ago", 47 * time.Hour: "47 h ago", 72 * time.Hour: "3 d ago"} {
		require.Equal(t, want, Ago(rendertest.Noon().Add(-d), rendertest.Noon()))
	}
	require.Equal(t, "at an unknown time", Ago(time.Time{}, rendertest.Noon()))
	for mib, want := range map[int64]string{0: "0GB", 512: "512MB", 1024: "1GB", 1536: "1.5GB", 1152 * 1024: "1152GB"} {
		require.Equal(t, want, Size(mib))
	}
	require.Equal(t, "1 policy, 1,200 policies", Count(1, "policy")+", "+Count(1200, "policy"))
	require.Equal(t, "8 x A100 80GB, 1 x L4, 2 CPU", Machine(2, 0, append(rendertest.GPUs(8, "A100", 80), schema.GPU{Name: "L4"})))
	require.Equal(t, "2xCPU, 8GB, 8xA100 (80GB), 100GB (disk)", Resources(2, 8192, 102400, rendertest.GPUs(8, "A100", 80)))
	require.Empty(t, Resources(0, 0, 0, nil))
}
