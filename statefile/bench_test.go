package statefile

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchVolume has about as many attributes as a real resource.
func benchVolume(i int) *Resource {
	r := testVolume(i)
	r.Attributes = fmt.Appendf(nil, `{"name":"data-%d","backend":"aws","region":"us-east-1","zone":"us-east-1a","size":"107374182400","tags":{"team":"research","owner":"ana"},"volume_id":"vol-%d"}`, i, i)
	r.Needs, r.Key = []string{"backend.aws"}, NewKey("lineage", r.Address, "head", 1)
	r.Declared = Declared{File: "main.dstack.hcl", Line: i}
	return r
}

// filled is a store with a snapshot of n resources, or with all of them in the journal.
func filled(tb testing.TB, n int, closed bool) *Local {
	tb.Helper()
	store := NewLocal(filepath.Join(tb.TempDir(), "state"), LocalOptions{})
	_, err := store.Init(context.Background())
	require.NoError(tb, err)
	session, err := store.Lock(context.Background(), Holder{User: "ana"})
	require.NoError(tb, err)
	records := make([]Record, n)
	for i := range records {
		records[i] = NewPut(testTime, benchVolume(i), "")
	}
	require.NoError(tb, session.Append(context.Background(), records...))
	if closed {
		require.NoError(tb, session.Close(context.Background()))
	} else {
		tb.Cleanup(func() { session.Close(context.Background()) })
	}
	return store
}

var sizes = []int{100, 1000, 10000}

func BenchmarkOpen(b *testing.B) {
	for name, closed := range map[string]bool{"snapshot": true, "journal": false} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				store := filled(b, n, closed)
				b.ReportAllocs()
				for b.Loop() {
					state, err := store.Read(context.Background())
					if err != nil || state.Len() != n {
						b.Fatal(state.Len(), err)
					}
				}
			})
		}
	}
}

// BenchmarkAppend records one step; that it takes as long at each size is the point.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 10} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%d-writers/%d", writers, n), func(b *testing.B) {
				session, err := filled(b, n, true).Lock(context.Background(), Holder{User: "ana"})
				require.NoError(b, err)
				defer session.Close(context.Background())
				for b.Loop() {
					var wg sync.WaitGroup
					for w := range writers {
						wg.Go(func() {
							if err := session.Append(context.Background(), NewPut(testTime, benchVolume(w), "")); err != nil {
								b.Error(err)
							}
						})
					}
					wg.Wait()
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*writers), "us/record")
			})
		}
	}
}

// BenchmarkClose ends a session that recorded one step.
func BenchmarkClose(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			store := filled(b, n, true)
			for b.Loop() {
				b.StopTimer()
				session, err := store.Lock(context.Background(), Holder{User: "ana"})
				require.NoError(b, err)
				require.NoError(b, session.Append(context.Background(), NewPut(testTime, benchVolume(0), "")))
				b.StartTimer()
				if err := session.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
