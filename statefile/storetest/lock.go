package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

func lockHeld(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	defer session.Close(t.Context())
	other := config.Reopen(t, store)
	_, err := other.Lock(t.Context(), statefile.Holder{User: "bob", Host: "desk"})
	var locked *statefile.LockedError
	require.ErrorAs(t, err, &locked)
	require.NotNil(t, locked.Holder)
	require.Empty(t, cmp.Diff(holder("apply"), *locked.Holder))
	require.True(t, locked.Alive)
	require.Contains(t, err.Error(), "ana@laptop (pid 4711), apply")
	got, err := other.Holder(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(holder("apply"), *got))
	require.NoError(t, session.Append(t.Context(), put(1)), "who holds the lock does not notice")
}

func lockFree(t *testing.T, config Config) {
	store := initialised(t, config)
	got, err := store.Holder(t.Context())
	require.NoError(t, err)
	require.Nil(t, got)
	session := lock(t, store)
	require.NoError(t, session.Append(t.Context(), put(1)))
	require.NoError(t, session.Close(t.Context()))
	got, err = store.Holder(t.Context())
	require.NoError(t, err)
	require.Nil(t, got)
	next := lock(t, config.Reopen(t, store))
	require.Equal(t, 1, next.State().Len())
	require.NoError(t, next.Close(t.Context()))
}

func lockTogether(t *testing.T, config Config) {
	store := initialised(t, config)
	const writers, each = 4, 3
	errs := make([]error, writers)
	var mu sync.Mutex
	held := 0
	var wg sync.WaitGroup
	for w := range writers {
		other := config.Reopen(t, store)
		wg.Go(func() {
			for i := range each {
				session, err := statefile.LockWait(context.Background(), other, holder("apply"), time.Minute, nil)
				if err != nil {
					errs[w] = err
					return
				}
				mu.Lock()
				if held++; held != 1 {
					errs[w] = fmt.Errorf("%d hold the lock", held)
				}
				mu.Unlock()
				// One that read the state of before somebody else's session would fork it.
				err = session.Append(context.Background(), put(w*each+i))
				mu.Lock()
				held--
				mu.Unlock()
				if err := errors.Join(err, session.Close(context.Background())); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, writers*each, read(t, store).Len())
	require.Equal(t, uint64(writers*each), read(t, store).Serial())
}

func lockWait(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	var seen *statefile.LockedError
	next, err := statefile.LockWait(t.Context(), config.Reopen(t, store), holder("destroy"), time.Minute, func(locked *statefile.LockedError) {
		seen = locked
		if err := session.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, err)
	require.NotNil(t, seen, "who waits is told for whom")
	require.Equal(t, "apply", seen.Holder.Operation)
	require.NoError(t, next.Close(t.Context()))
}

func lockTimeout(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	defer session.Close(t.Context())
	_, err := statefile.LockWait(t.Context(), config.Reopen(t, store), holder("destroy"), 10*time.Millisecond, nil)
	var locked *statefile.LockedError
	require.ErrorAs(t, err, &locked)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = statefile.LockWait(ctx, config.Reopen(t, store), holder("destroy"), time.Hour, func(*statefile.LockedError) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorAs(t, err, &locked, "who is interrupted still learns for whom it waited")
}

func unlockFree(t *testing.T, config Config) {
	store := initialised(t, config)
	require.ErrorIs(t, store.Unlock(t.Context(), false), statefile.ErrNotLocked)
	require.ErrorIs(t, store.Unlock(t.Context(), true), statefile.ErrNotLocked)
	session := lock(t, store)
	require.Error(t, store.Unlock(t.Context(), false), "a live holder keeps the lock unless it is forced")
	require.NoError(t, session.Append(t.Context(), put(1)))
	require.NoError(t, session.Close(t.Context()))
}
