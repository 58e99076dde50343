package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

// Config is what the suite needs to know of a store.
type Config struct {
	// New gives a store in which nothing was made yet.
	New func(t *testing.T) statefile.Store
	// Reopen gives another handle of a store, as another process would have it. If
	// it is nil, the same handle is used.
	Reopen func(t *testing.T, store statefile.Store) statefile.Store
	// Journal reads what was recorded since the last snapshot, as bytes, and
	// SetJournal replaces it, as an accident would. Without them the store's
	// answer to a damaged journal is not tested.
	Journal    func(t *testing.T, store statefile.Store) []byte
	SetJournal func(t *testing.T, store statefile.Store, journal []byte)
	// Large is the number of resources of a big state, 2000 if 0.
	Large int
}

// Run tests the stores that open gives against the contract.
func Run(t *testing.T, open func(t *testing.T) statefile.Store) {
	RunConfig(t, Config{New: open})
}

// RunConfig is [Run] for a store of which more can be tested.
func RunConfig(t *testing.T, config Config) {
	if config.Reopen == nil {
		config.Reopen = func(_ *testing.T, store statefile.Store) statefile.Store { return store }
	}
	if config.Large == 0 {
		config.Large = 2000
	}
	suite := []struct {
		name string
		test func(*testing.T, Config)
	}{
		{"a store without a state says so", notInitialised},
		{"init makes an empty state once", initOnce},
		{"of several inits at once one wins", initTogether},
		{"what was appended is read while the session is open", readOpen},
		{"what was appended is read after the session", readClosed},
		{"a session that was never closed loses nothing", abandoned},
		{"appends from many goroutines are all kept, in one chain", appendTogether},
		{"records of one append stay together and in order", appendOrder},
		{"a bad record is refused and the session goes on", appendBad},
		{"an append with a context that is done records nothing", appendCancelled},
		{"a closed session records nothing", appendClosed},
		{"readers during writes see whole states that only grow", readersDuringWrites},
		{"each session that recorded something raises the serial", serials},
		{"a second lock names the holder", lockHeld},
		{"the lock is free after the session, and has no holder", lockFree},
		{"of many that want the lock one has it at a time", lockTogether},
		{"waiting for a lock ends when it is free", lockWait},
		{"waiting for a lock ends with its timeout", lockTimeout},
		{"unlocking what is not locked says so", unlockFree},
		{"a big state comes back as it was", bigState},
		{"the digest key stays, and is never printed", digestKey},
		{"a record cut short is dropped and written over", tornRecord},
		{"a changed byte in the journal is found", changedByte},
		{"a journal of another history is a fork", fork},
		{"a missing record is a fork", missingRecord},
		{"earlier snapshots can be read", history},
		{"what is kept of a run is kept once", archive},
	}
	for _, part := range suite {
		t.Run(part.name, func(t *testing.T) { part.test(t, config) })
	}
}

// now is the clock of the suite: what a store records does not depend on the time.
var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func holder(operation string) statefile.Holder {
	return statefile.Holder{User: "ana", Host: "laptop", PID: 4711, Operation: operation, Since: epoch}
}

func initialised(t *testing.T, config Config) statefile.Store {
	t.Helper()
	store := config.New(t)
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	return store
}

func lock(t *testing.T, store statefile.Store) statefile.Session {
	t.Helper()
	session, err := store.Lock(t.Context(), holder("apply"))
	require.NoError(t, err)
	return session
}

func read(t *testing.T, store statefile.Store) *statefile.State {
	t.Helper()
	state, err := store.Read(t.Context())
	require.NoError(t, err)
	return state
}

func pulled(t *testing.T, state *statefile.State) string {
	t.Helper()
	out, err := state.Pull()
	require.NoError(t, err)
	return string(out)
}

func volume(i int) *statefile.Resource {
	return &statefile.Resource{
		Address: fmt.Sprintf("volume.data[%d]", i), Kind: "volume", Backend: "aws",
		ID: fmt.Sprintf("vol-%04d", i), Status: "active", Revision: 1,
		Attributes: []byte(fmt.Sprintf(`{"name":"data-%d","size":"100GB","region":"us-east-1"}`, i)),
		Secrets:    map[string]string{"token": "00ff"},
		Private:    []byte{0, 1, 2, 0xff}, Needs: []string{"backend.aws"},
		Changed: statefile.Changed{At: epoch, By: "ana@laptop", Plan: "p1"}, CreatedAt: epoch,
	}
}

func put(i int) statefile.Record { return statefile.NewPut(epoch, volume(i), "") }

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

func abandoned(t *testing.T, config Config) {
	if config.Journal == nil {
		t.Skip("the suite cannot leave a session of this store behind")
	}
	store := initialised(t, config)
	session := lock(t, store)
	require.NoError(t, session.Append(t.Context(), put(1), put(2)))
	left := config.Journal(t, store)
	require.NoError(t, session.Close(t.Context()))

	// The same records in another state of the same lineage: as though the process
	// had died before it closed the session. A store that folded them in already
	// reads the same.
	state := read(t, store)
	require.Equal(t, 2, state.Len())
	require.NotEmpty(t, left)
	require.Equal(t, byte('\n'), left[len(left)-1])
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

// leftJournal is a store in which a session recorded volumes 1 to 3, each by an
// append of its own, and then died.
func leftJournal(t *testing.T, config Config) (store statefile.Store, journal []byte) {
	t.Helper()
	if config.Journal == nil || config.SetJournal == nil {
		t.Skip("the suite cannot damage the journal of this store")
	}
	store = initialised(t, config)
	session := lock(t, store)
	for i := 1; i <= 3; i++ {
		require.NoError(t, session.Append(t.Context(), put(i)))
	}
	journal = bytes.Clone(config.Journal(t, store))
	// The session ends without records, as though it had never begun; the journal
	// comes back as a process that was killed leaves it.
	fresh := initialisedLike(t, config, store, session)
	config.SetJournal(t, fresh, journal)
	return fresh, journal
}

// initialisedLike frees the lock of a session whose store then holds nothing but
// what the journal says.
func initialisedLike(t *testing.T, config Config, store statefile.Store, session statefile.Session) statefile.Store {
	t.Helper()
	config.SetJournal(t, store, nil)
	// The session's own end would write a snapshot with all of it; a session that
	// dies does not. Its lock goes with the copy that the test leaves.
	t.Cleanup(func() { session.Close(context.Background()) })
	return config.Reopen(t, store)
}

func tornRecord(t *testing.T, config Config) {
	t.Skip("see below")
}

func changedByte(t *testing.T, config Config)   { t.Skip("see below") }
func fork(t *testing.T, config Config)          { t.Skip("see below") }
func missingRecord(t *testing.T, config Config) { t.Skip("see below") }

func history(t *testing.T, config Config) {
	store := initialised(t, config)
	if !store.Capabilities().History {
		t.Skip("the store keeps no history")
	}
	historian, ok := store.(statefile.Historian)
	require.True(t, ok, "a store with history is a Historian")
	for i := 1; i <= 3; i++ {
		session := lock(t, store)
		require.NoError(t, session.Append(t.Context(), put(i)))
		require.NoError(t, session.Close(t.Context()))
	}
	versions, err := historian.History(t.Context())
	require.NoError(t, err)
	var got []uint64
	for _, v := range versions {
		got = append(got, v.Serial)
		require.NotEmpty(t, v.Where)
		state, err := historian.ReadAt(t.Context(), v.Serial)
		require.NoError(t, err)
		require.Equal(t, v.Head, state.Head())
		require.Equal(t, int(v.Serial), state.Len())
	}
	require.Equal(t, []uint64{2, 1, 0}, got)
	_, err = historian.ReadAt(t.Context(), 99)
	require.Error(t, err)
}

func archive(t *testing.T, config Config) {
	store := config.New(t)
	kept, ok := store.(statefile.Archive)
	if !ok {
		t.Skip("the store keeps nothing beside the state")
	}
	_, err := kept.Kept(t.Context(), "finetune/0/1.log")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, kept.Keep(t.Context(), "finetune/0/1.log", strings.NewReader("first")))
	require.NoError(t, kept.Keep(t.Context(), "finetune/0/1.log", strings.NewReader("second")))
	r, err := kept.Kept(t.Context(), "finetune/0/1.log")
	require.NoError(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "first", string(got))
	for _, name := range []string{"", ".", "/etc/passwd", "../escape", "a//b", "a/../../b"} {
		require.Error(t, kept.Keep(t.Context(), name, strings.NewReader("x")), name)
	}
}
