package fake_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// open opens a backend named fake of a new provider, in a world in memory.
func open(t testing.TB, settings fake.Settings) (providers.Backend, *fake.World) {
	t.Helper()
	p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
	b, err := p.Open(t.Context(), providers.BackendConfig{Name: "fake", Settings: settings.JSON()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b, p.World()
}

func volumeOp(n int) providers.Op[schema.Volume] {
	return providers.Op[schema.Volume]{
		Address: fmt.Sprintf("volume.data[%d]", n), Lineage: "line", Key: fmt.Sprintf("key-%d", n),
		Planned: schema.Volume{Name: fmt.Sprintf("data-%d", n), Backend: "fake", Region: "us-east-1", Zone: "us-east-1a", Size: value.MemoryOf(100)},
	}
}

func quiet[T any](providers.Progress[T]) error { return nil }

func TestVolumesSurviveTheirProvider(t *testing.T) {
	settings := fake.Settings{World: filepath.Join(t.TempDir(), "deep", "world")}
	first, _ := open(t, settings)
	made, err := first.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.NoError(t, err)

	second, _ := open(t, settings)
	found, err := second.Volumes().Find(t.Context(), []string{"key-1", "key-2"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, made.ID, found[0].Object.ID)
	require.True(t, found[0].Complete)
	require.Equal(t, "volume.data[1]", found[0].Address)
	require.Equal(t, schema.Encode(made.Value), schema.Encode(found[0].Object.Value))
}

func BenchmarkCreate(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				backend, _ := open(b, fake.Settings{World: filepath.Join(b.TempDir(), "world")})
				for i := range n {
					_, err := backend.Volumes().Create(context.Background(), volumeOp(i), quiet)
					require.NoError(b, err)
				}
			}
		})
	}
}
