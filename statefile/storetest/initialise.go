package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

func notInitialised(t *testing.T, config Config) {
	store := config.New(t)
	_, err := store.Read(t.Context())
	require.ErrorIs(t, err, statefile.ErrNotInitialised)
	_, err = store.Lock(t.Context(), holder("apply"))
	require.ErrorIs(t, err, statefile.ErrNotInitialised)
	require.NotEmpty(t, store.Describe())
}

func initOnce(t *testing.T, config Config) {
	store := config.New(t)
	first, err := store.Init(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, first.Lineage())
	require.Zero(t, first.Serial())
	require.Zero(t, first.Len())
	again, err := config.Reopen(t, store).Init(t.Context())
	require.NoError(t, err)
	require.Equal(t, first.Lineage(), again.Lineage())
	require.Equal(t, first.Head(), again.Head())
	require.Equal(t, first.Digest("p", []byte("v")), again.Digest("p", []byte("v")))
	other, err := config.New(t).Init(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.Lineage(), other.Lineage(), "two states have two lineages")
	require.NotEqual(t, first.Head(), other.Head(), "and so two chains")
}

func initTogether(t *testing.T, config Config) {
	store := config.New(t)
	const n = 8
	lineages := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		other := config.Reopen(t, store)
		wg.Go(func() {
			state, err := other.Init(context.Background())
			if errs[i] = err; err == nil {
				lineages[i] = state.Lineage()
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	for _, lineage := range lineages {
		require.Equal(t, lineages[0], lineage)
	}
}
