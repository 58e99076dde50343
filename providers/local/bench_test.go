package local_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/local"
	"github.com/dstackai/dstack-planner/schema"
)

// BenchmarkVolumes makes, reads and deletes volumes, one after the other.
func BenchmarkVolumes(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		backend, err := local.New(local.Options{}).Open(b.Context(), config(b.TempDir()))
		require.NoError(b, err)
		r := backend.Volumes()
		made := make([]providers.Object[schema.Volume], n)
		create := func(round int) {
			for i := range made {
				made[i], err = r.Create(b.Context(), providers.Op[schema.Volume]{Address: fmt.Sprintf("volume.data[%d]", i), Lineage: "bench",
					Key: fmt.Sprintf("%d-%d", round, i), Planned: volume("data")}, silent[schema.Volume])
				require.NoError(b, err)
			}
		}
		remove := func() {
			for _, o := range made {
				require.NoError(b, r.Delete(b.Context(), o, providers.Op[schema.Volume]{}, silent[schema.Volume]))
			}
		}
		b.Run(fmt.Sprintf("create-%d", n), func(b *testing.B) {
			for round := 0; b.Loop(); round++ {
				create(round)
				b.StopTimer()
				remove()
				b.StartTimer()
			}
		})
		create(-1)
		b.Run(fmt.Sprintf("read-%d", n), func(b *testing.B) {
			for b.Loop() {
				present := 0
				require.NoError(b, r.Read(b.Context(), made, func(_ int, seen providers.Observed[schema.Volume]) { present += int(seen.Presence) }))
				require.Equal(b, n*int(providers.Present), present)
			}
		})
		b.Run(fmt.Sprintf("delete-%d", n), func(b *testing.B) {
			for round := 0; b.Loop(); round++ {
				remove()
				b.StopTimer()
				create(-2 - round)
				b.StartTimer()
			}
		})
		remove()
	}
}
