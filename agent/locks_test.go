package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

func TestLocks(t *testing.T) {
	gpus := []api.GPU{{ID: "g0"}, {ID: "g1"}, {ID: "g2"}, {ID: "g3"}}
	type ask struct {
		owner        string
		blocks, gpus int
	}
	cases := map[string]struct {
		before []ask
		free   []string
		ask    ask
		blocks []int
		gpus   []string
		kind   api.Kind
	}{
		"the first ones that are free":            {nil, nil, ask{"a", 2, 1}, []int{0, 1}, []string{"g0"}, ""},
		"zero blocks are all":                     {nil, nil, ask{"a", 0, -1}, []int{0, 1, 2, 3}, []string{"g0", "g1", "g2", "g3"}, ""},
		"beside another":                          {[]ask{{"a", 1, 2}}, nil, ask{"b", 3, 2}, []int{1, 2, 3}, []string{"g2", "g3"}, ""},
		"all when one is lent: conflict":          {[]ask{{"a", 1, 0}}, nil, ask{"b", 0, 0}, nil, nil, api.KindConflict},
		"too few GPUs: no blocks either":          {[]ask{{"a", 1, 3}}, nil, ask{"b", 1, 2}, nil, nil, api.KindConflict},
		"more than the machine has: invalid":      {nil, nil, ask{"a", 5, 0}, nil, nil, api.KindInvalid},
		"more GPUs than the machine has: invalid": {nil, nil, ask{"a", 1, 5}, nil, nil, api.KindInvalid},
		"a release frees its owner's only":        {[]ask{{"a", 1, 1}, {"b", 1, 1}}, []string{"a", "x"}, ask{"c", 3, 3}, []int{0, 2, 3}, []string{"g0", "g2", "g3"}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLocks(4, gpus)
			for _, a := range c.before {
				_, _, err := l.acquire(a.owner, a.blocks, a.gpus)
				require.Nil(t, err)
			}
			for _, owner := range c.free {
				l.release(owner)
			}
			was, _ := l.busy()
			blocks, ids, err := l.acquire(c.ask.owner, c.ask.blocks, c.ask.gpus)
			if c.kind != "" {
				require.NotNil(t, err)
				require.Equal(t, c.kind, err.Kind)
				now, _ := l.busy()
				require.Equal(t, was, now, "nothing was taken")
				return
			}
			require.Nil(t, err)
			if diff := cmp.Diff([]any{c.blocks, c.gpus}, []any{blocks, ids}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGPUs(t *testing.T) {
	cases := map[string]struct {
		line string
		want api.GPU
	}{
		"a data centre's":               {"GPU-1, NVIDIA A100-SXM4-80GB, 81920", api.GPU{Name: "A100", MemoryMiB: 80 << 10}},
		"less than what is sold":        {"GPU-1, NVIDIA H100 80GB HBM3, 81559", api.GPU{Name: "H100", MemoryMiB: 80 << 10}},
		"the newest":                    {"GPU-1, NVIDIA H200, 143771", api.GPU{Name: "H200", MemoryMiB: 141 << 10}},
		"a twin":                        {"GPU-1, NVIDIA H100 NVL, 95830", api.GPU{Name: "H100NVL", MemoryMiB: 94 << 10}},
		"a chip with a processor":       {"GPU-1, NVIDIA GH200 480GB, 97871", api.GPU{Name: "GH200", MemoryMiB: 96 << 10}},
		"an old one":                    {"GPU-1, Tesla T4, 15360", api.GPU{Name: "T4", MemoryMiB: 16 << 10}},
		"the small one of two sizes":    {"GPU-1, Tesla V100-SXM2-16GB, 16160", api.GPU{Name: "V100", MemoryMiB: 16 << 10}},
		"a workstation's":               {"GPU-1, NVIDIA RTX A6000, 49140", api.GPU{Name: "A6000", MemoryMiB: 48 << 10}},
		"a later workstation's":         {"GPU-1, NVIDIA RTX 6000 Ada Generation, 49140", api.GPU{Name: "RTX6000Ada", MemoryMiB: 48 << 10}},
		"a player's":                    {"GPU-1, NVIDIA GeForce RTX 4090, 24564", api.GPU{Name: "RTX4090", MemoryMiB: 24 << 10}},
		"a player's better one":         {"GPU-1, NVIDIA GeForce RTX 3080 Ti, 12288", api.GPU{Name: "RTX3080Ti", MemoryMiB: 12 << 10}},
		"a model that nobody knows yet": {"GPU-1, NVIDIA Z900, 100000", api.GPU{Name: "Z900", MemoryMiB: 98 << 10}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseGPUs(c.line + "\n")
			require.NoError(t, err)
			c.want.Vendor, c.want.ID = "nvidia", "GPU-1"
			if diff := cmp.Diff([]api.GPU{c.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, bad := range []string{"No devices were found", "GPU-1, NVIDIA H200", "GPU-1, NVIDIA H200, [N/A]", "a, b, -1"} {
		_, err := parseGPUs(bad)
		require.ErrorContains(t, err, "nvidia-smi", "%q", bad)
	}
	none, err := parseGPUs("\n")
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestFactsOfAFolderThatIsNotThere(t *testing.T) {
	f, err := ReadFacts(t.Context(), filepath.Join(t.TempDir(), "not", "there"), "", "")
	require.NoError(t, err)
	require.Positive(t, f.CPUs)
	require.Positive(t, f.MemoryBytes)
	require.Positive(t, f.DiskFreeBytes)
	require.NotEmpty(t, f.Kernel)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, host, f.Hostname)
	require.Equal(t, api.MountsLinks, f.Mounts, "without a program nothing can be tried")
}
