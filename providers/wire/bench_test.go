package wire_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
)

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p, err := wire.Start(context.Background(), program("real"))
		require.NoError(b, err)
		far := wire.NewClient(func(context.Context) (*wire.Conn, error) { return p.Conn(), nil })
		_, err = far.Describe(context.Background())
		require.NoError(b, err)
		b.StopTimer()
		require.NoError(b, p.Close())
		b.StartTimer()
	}
}

func BenchmarkClose(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		p, err := wire.Start(context.Background(), program("real"))
		require.NoError(b, err)
		b.StartTimer()
		require.NoError(b, p.Close())
	}
}

// backends are the same provider in this process and in one of its own.
func backends(b *testing.B) map[string]providers.Backend {
	_, real := startReal(b)
	return map[string]providers.Backend{"in-process": across(b, &fake{}), "process": real}
}

func BenchmarkCreate(b *testing.B) {
	for name, backend := range backends(b) {
		b.Run(name, func(b *testing.B) {
			op := opV{Key: "k", Planned: schema.Volume{Name: "data", Backend: "lab", Region: "here"}}
			for b.Loop() {
				_, err := backend.Volumes().Create(context.Background(), op, nil)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkRead10000(b *testing.B) {
	recorded := recordedVolumes(10_000)
	for name, backend := range backends(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n := 0
				require.NoError(b, backend.Volumes().Read(context.Background(), recorded, func(int, providers.Observed[schema.Volume]) { n++ }))
				require.Equal(b, len(recorded), n)
			}
		})
	}
}
