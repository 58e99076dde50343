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
