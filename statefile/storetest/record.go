package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

func readOpen(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	defer session.Close(t.Context())
	require.NoError(t, session.Append(t.Context(), put(1)))
	require.Equal(t, "vol-0001", session.State().Resource("volume.data[1]").ID)
	if !store.Capabilities().Append {
		t.Skip("the store gets records only at the end of a session")
	}
	other := read(t, config.Reopen(t, store))
	require.Empty(t, cmp.Diff(pulled(t, session.State()), pulled(t, other)))
	require.Equal(t, session.State().Head(), other.Head())
}

func readClosed(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	require.NoError(t, session.Append(t.Context(), put(1), put(2)))
	require.NoError(t, session.Append(t.Context(),
		statefile.NewDelete(epoch, statefile.Ref{Address: "volume.data[1]"}, statefile.Removal{Reason: statefile.Destroyed})))
	require.NoError(t, session.Close(t.Context()))
	other := read(t, config.Reopen(t, store))
	require.Empty(t, cmp.Diff(pulled(t, session.State()), pulled(t, other)))
	want := volume(2)
	want.Changed.Serial = 1
	require.Empty(t, cmp.Diff([]*statefile.Resource{want}, other.Resources()))
}

func appendTogether(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	const writers, each = 10, 20
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				if err := session.Append(context.Background(), put(n)); err != nil {
					errs[w] = err
					return
				}
				// Whoever returns from Append finds its record in the view.
				if session.State().Resource(volume(n).Address) == nil {
					errs[w] = fmt.Errorf("volume %d is not in the state after its append", n)
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	if store.Capabilities().Append {
		require.Equal(t, writers*each, read(t, config.Reopen(t, store)).Len(), "before the session ends")
	}
	require.NoError(t, session.Close(t.Context()))
	require.Empty(t, cmp.Diff(pulled(t, session.State()), pulled(t, read(t, config.Reopen(t, store)))))
	require.Equal(t, writers*each, session.State().Len())
}

func appendOrder(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	ref := statefile.Ref{Address: "volume.data[1]"}
	intent := statefile.Intent{Address: ref.Address, Kind: "volume", Backend: "aws", Operation: statefile.Create, Key: "k1", Attempt: 1, Since: epoch}
	require.NoError(t, session.Append(t.Context(),
		statefile.NewIntent(epoch, intent),
		statefile.NewCheckpoint(epoch, ref, statefile.Checkpoint{Key: "k1", ID: "vol-9"}),
	))
	require.Equal(t, "vol-9", read(t, store).Intent(ref).Reached.ID)
	require.NoError(t, session.Append(t.Context(), statefile.NewPut(epoch, volume(1), "k1"), statefile.NewStatus(epoch, ref, "detached")))
	require.NoError(t, session.Close(t.Context()))
	state := read(t, store)
	require.Nil(t, state.Intent(ref))
	require.Equal(t, "detached", state.Resource(ref.Address).Status)
}

func appendBad(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	broken := volume(1)
	broken.Attributes = []byte(`{"not": json}`)
	head := session.State().Head()
	require.Error(t, session.Append(t.Context(), put(2), statefile.NewPut(epoch, broken, "")))
	require.Error(t, session.Append(t.Context(), statefile.Record{Type: statefile.TypePut, Data: []byte(`{}`)}))
	require.Equal(t, head, session.State().Head(), "nothing of a refused append is recorded")
	require.NoError(t, session.Append(t.Context(), put(3)))
	require.NoError(t, session.Close(t.Context()))
	require.Equal(t, 1, read(t, store).Len())
}

func appendCancelled(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, session.Append(ctx, put(1)), context.Canceled)
	require.NoError(t, session.Append(t.Context(), put(2)))
	require.NoError(t, session.Close(ctx), "a session is closed even when its command was interrupted")
	state := read(t, store)
	require.Nil(t, state.Resource("volume.data[1]"))
	require.NotNil(t, state.Resource("volume.data[2]"))
}

func appendClosed(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	require.NoError(t, session.Close(t.Context()))
	require.ErrorIs(t, session.Append(t.Context(), put(1)), statefile.ErrClosed)
	require.NoError(t, session.Close(t.Context()), "closing twice is closing once")
	require.Zero(t, read(t, store).Len())
}

func readersDuringWrites(t *testing.T, config Config) {
	store := initialised(t, config)
	stop := make(chan struct{})
	const readers = 3
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for r := range readers {
		other := config.Reopen(t, store)
		wg.Go(func() {
			seen := 0
			for {
				state, err := other.Read(context.Background())
				if err != nil {
					errs[r] = err
					return
				}
				if state.Len() < seen {
					errs[r] = fmt.Errorf("a reader saw %d resources after %d", state.Len(), seen)
					return
				}
				seen = state.Len()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	n := 0
	for range 5 {
		session := lock(t, store)
		for range 10 {
			n++
			require.NoError(t, session.Append(t.Context(), put(n)))
		}
		require.NoError(t, session.Close(t.Context()))
	}
	close(stop)
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, n, read(t, store).Len())
}

func serials(t *testing.T, config Config) {
	store := initialised(t, config)
	head := read(t, store).Head()
	session := lock(t, store)
	require.NoError(t, session.Close(t.Context()))
	require.Zero(t, read(t, store).Serial(), "nothing was recorded")
	require.Equal(t, head, read(t, store).Head())
	for want := uint64(1); want <= 3; want++ {
		session := lock(t, store)
		require.NoError(t, session.Append(t.Context(), put(int(want))))
		require.NoError(t, session.Close(t.Context()))
		state := read(t, store)
		require.Equal(t, want, state.Serial())
		require.Equal(t, want, state.Resource(volume(int(want)).Address).Changed.Serial)
		require.NotEqual(t, head, state.Head())
		head = state.Head()
		require.Equal(t, "ana@laptop", state.Written().By)
		require.Equal(t, "apply", state.Written().Operation)
	}
}

func bigState(t *testing.T, config Config) {
	store := initialised(t, config)
	session := lock(t, store)
	records := make([]statefile.Record, config.Large)
	for i := range records {
		records[i] = put(i)
	}
	require.NoError(t, session.Append(t.Context(), records...))
	require.NoError(t, session.Close(t.Context()))
	state := read(t, config.Reopen(t, store))
	require.Equal(t, config.Large, state.Len())
	require.Equal(t, pulled(t, session.State()), pulled(t, state))
	list := state.Resources()
	for i := 1; i < len(list); i++ {
		require.Negative(t, statefile.CompareAddresses(list[i-1].Address, list[i].Address), "%s and %s", list[i-1].Address, list[i].Address)
	}
}

func digestKey(t *testing.T, config Config) {
	store := initialised(t, config)
	digest := read(t, store).Digest("token", []byte("hunter2"))
	session := lock(t, store)
	require.NoError(t, session.Append(t.Context(), put(1)))
	require.NoError(t, session.Close(t.Context()))
	state := read(t, store)
	require.Equal(t, digest, state.Digest("token", []byte("hunter2")))
	require.NotEqual(t, digest, state.Digest("other", []byte("hunter2")))
	require.NotContains(t, pulled(t, state), "digest_key")
	compact, err := state.MarshalJSON()
	require.NoError(t, err)
	require.NotContains(t, string(compact), "digest_key")
}
