package storetest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

// crashed is a store in which a session recorded volumes 1 to 3, each by an
// append of its own, and then died.
func crashed(t *testing.T, config Config) statefile.Store {
	t.Helper()
	if config.Crash == nil {
		t.Skip("the suite cannot crash a session of this store")
	}
	store := initialised(t, config)
	session := lock(t, store)
	for i := 1; i <= 3; i++ {
		require.NoError(t, session.Append(t.Context(), put(i)))
	}
	left := config.Crash(t, store)
	require.NoError(t, session.Close(t.Context()))
	return left
}

// crashedJournal is crashed, with what the session left in the journal.
func crashedJournal(t *testing.T, config Config) (statefile.Store, []byte) {
	t.Helper()
	store := crashed(t, config)
	if config.Journal == nil || config.SetJournal == nil {
		t.Skip("the suite cannot damage the journal of this store")
	}
	return store, bytes.Clone(config.Journal(t, store))
}

func crash(t *testing.T, config Config) {
	store := crashed(t, config)
	require.Equal(t, 3, read(t, store).Len())
	require.Equal(t, "ana@laptop", read(t, store).Writer().Who())
	session := lock(t, store)
	require.Equal(t, 3, session.State().Len())
	require.NoError(t, session.Append(t.Context(), put(4)))
	again := config.Crash(t, store)
	require.NoError(t, session.Close(t.Context()))
	require.Equal(t, 4, read(t, again).Len(), "two sessions that died after each other")
	require.Equal(t, 4, read(t, store).Len())
	require.Equal(t, uint64(1), read(t, store).Serial())
}

func tornRecord(t *testing.T, config Config) {
	left, journal := crashedJournal(t, config)
	last := bytes.LastIndexByte(journal[:len(journal)-1], '\n') + 1
	for _, cut := range []struct {
		name string
		left []byte
		want int
	}{
		{"only the line feed is missing: the record is whole", journal[:len(journal)-1], 3},
		{"the last bytes are missing", journal[:len(journal)-3], 2},
		{"half of the record is missing", journal[:(last+len(journal))/2], 2},
		{"one byte of it is there", journal[:last+1], 2},
		{"nothing of it is there", journal[:last], 2},
		{"the rest of it is zeros", append(bytes.Clone(journal[:last+20]), make([]byte, 300)...), 2},
		{"zeros follow a whole record", append(bytes.Clone(journal), make([]byte, 300)...), 3},
		{"there is only the beginning of the first record", journal[:5], 0},
		{"there is nothing", nil, 0},
	} {
		t.Run(cut.name, func(t *testing.T) {
			store := config.Crash(t, left)
			config.SetJournal(t, store, cut.left)
			require.Equal(t, cut.want, read(t, store).Len())
			session := lock(t, store)
			require.NoError(t, session.Append(t.Context(), put(9)))
			require.Equal(t, cut.want+1, read(t, config.Reopen(t, store)).Len(), "the next writer continues behind the last whole record")
			crashed := config.Crash(t, store)
			require.NoError(t, session.Close(t.Context()))
			require.Equal(t, cut.want+1, read(t, crashed).Len())
			require.Equal(t, cut.want+1, read(t, store).Len())
		})
	}
}

func changedByte(t *testing.T, config Config) {
	store, journal := crashedJournal(t, config)
	whole := pulled(t, read(t, store))
	found := 0
	for i := 0; i < len(journal); i += 1 + len(journal)/400 {
		changed := bytes.Clone(journal)
		changed[i] ^= 1
		config.SetJournal(t, store, changed)
		state, err := store.Read(t.Context())
		if err == nil {
			require.Equal(t, whole, pulled(t, state), "byte %d", i)
			continue
		}
		found++
		if found == 1 {
			var damaged *statefile.DamagedError
			require.ErrorAs(t, err, &damaged)
			require.Contains(t, err.Error(), "Nothing was changed")
		}
		_, err = store.Lock(t.Context(), holder("apply"))
		require.Error(t, err, "nobody may write to it")
	}
	require.NotZero(t, found)
	config.SetJournal(t, store, journal)
	session := lock(t, store)
	require.NoError(t, session.Close(t.Context()), "the lock is free after each failure")
}

func fork(t *testing.T, config Config) {
	store, _ := crashedJournal(t, config)
	other, journal := crashedJournal(t, config)
	require.Equal(t, 3, read(t, other).Len())
	config.SetJournal(t, store, journal)
	_, err := store.Read(t.Context())
	var forked *statefile.ForkError
	require.ErrorAs(t, err, &forked)
	require.Contains(t, err.Error(), forked.Snapshot, "both heads are shown")
	require.Contains(t, err.Error(), forked.Journal)
	require.NotEqual(t, forked.Snapshot, forked.Journal)
}

func missingRecord(t *testing.T, config Config) {
	store, journal := crashedJournal(t, config)
	lines := bytes.SplitAfter(journal, []byte("\n"))
	for i := range len(lines) - 2 {
		without := bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
		config.SetJournal(t, store, without)
		_, err := store.Read(t.Context())
		var forked *statefile.ForkError
		require.ErrorAs(t, err, &forked, "without record %d", i+1)
		require.Equal(t, i+1, forked.Line)
	}
}
