package host_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
)

func TestGPUsAreCalledAsRequirementsDo(t *testing.T) {
	cases := map[string]struct {
		seen api.GPU
		want schema.GPU
	}{
		"a data centre's":               {api.GPU{Vendor: "nvidia", Name: "NVIDIA A100-SXM4-80GB", MemoryMiB: 81920}, schema.GPU{Vendor: "nvidia", Name: "A100", MemoryMiB: 80 << 10}},
		"less than what is sold":        {api.GPU{Vendor: "nvidia", Name: "NVIDIA H100 80GB HBM3", MemoryMiB: 81559}, schema.GPU{Vendor: "nvidia", Name: "H100", MemoryMiB: 80 << 10}},
		"a newer one":                   {api.GPU{Vendor: "nvidia", Name: "NVIDIA H200", MemoryMiB: 143771}, schema.GPU{Vendor: "nvidia", Name: "H200", MemoryMiB: 141 << 10}},
		"a twin":                        {api.GPU{Vendor: "nvidia", Name: "NVIDIA H100 NVL", MemoryMiB: 95830}, schema.GPU{Vendor: "nvidia", Name: "H100NVL", MemoryMiB: 94 << 10}},
		"a chip with a processor":       {api.GPU{Vendor: "nvidia", Name: "NVIDIA GH200 480GB", MemoryMiB: 97871}, schema.GPU{Vendor: "nvidia", Name: "GH200", MemoryMiB: 96 << 10}},
		"an old one":                    {api.GPU{Vendor: "nvidia", Name: "Tesla T4", MemoryMiB: 15360}, schema.GPU{Vendor: "nvidia", Name: "T4", MemoryMiB: 16 << 10}},
		"the small one of two sizes":    {api.GPU{Vendor: "nvidia", Name: "Tesla V100-SXM2-16GB", MemoryMiB: 16160}, schema.GPU{Vendor: "nvidia", Name: "V100", MemoryMiB: 16 << 10}},
		"a workstation's":               {api.GPU{Vendor: "nvidia", Name: "NVIDIA RTX A6000", MemoryMiB: 49140}, schema.GPU{Vendor: "nvidia", Name: "A6000", MemoryMiB: 48 << 10}},
		"a later workstation's":         {api.GPU{Vendor: "nvidia", Name: "NVIDIA RTX 6000 Ada Generation", MemoryMiB: 49140}, schema.GPU{Vendor: "nvidia", Name: "RTX6000Ada", MemoryMiB: 48 << 10}},
		"a player's":                    {api.GPU{Vendor: "nvidia", Name: "NVIDIA GeForce RTX 4090", MemoryMiB: 24564}, schema.GPU{Vendor: "nvidia", Name: "RTX4090", MemoryMiB: 24 << 10}},
		"a player's better one":         {api.GPU{Vendor: "nvidia", Name: "NVIDIA GeForce RTX 3080 Ti", MemoryMiB: 12288}, schema.GPU{Vendor: "nvidia", Name: "RTX3080Ti", MemoryMiB: 12 << 10}},
		"AMD's":                         {api.GPU{Vendor: "amd", Name: "AMD Instinct MI300X", MemoryMiB: 196592}, schema.GPU{Vendor: "amd", Name: "MI300X", MemoryMiB: 192 << 10}},
		"AMD's, as it is called on OAM": {api.GPU{Vendor: "amd", Name: "MI300X-O", MemoryMiB: 196592}, schema.GPU{Vendor: "amd", Name: "MI300X", MemoryMiB: 192 << 10}},
		"Intel's by its card":           {api.GPU{Vendor: "intel", Name: "HL-225", MemoryMiB: 98304}, schema.GPU{Vendor: "intel", Name: "Gaudi2", MemoryMiB: 96 << 10}},
		"Intel's later card":            {api.GPU{Vendor: "intel", Name: "HL-325L", MemoryMiB: 131072}, schema.GPU{Vendor: "intel", Name: "Gaudi3", MemoryMiB: 128 << 10}},
		"of an agent that corrects":     {api.GPU{Vendor: "nvidia", Name: "A100", MemoryMiB: 80 << 10}, schema.GPU{Vendor: "nvidia", Name: "A100", MemoryMiB: 80 << 10}},
		"a size that nobody sells":      {api.GPU{Vendor: "nvidia", Name: "NVIDIA H100 80GB HBM3", MemoryMiB: 100000}, schema.GPU{Vendor: "nvidia", Name: "H100", MemoryMiB: 98 << 10}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]schema.GPU{c.want}, host.GPUs(api.Facts{GPUs: []api.GPU{c.seen}})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
