package statefile

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is a snapshot and a journal of n records that continues it.
func sample(tb testing.TB, n int) (snapshot, journal []byte, after *State) {
	tb.Helper()
	state := before(tb)
	snapshot, err := EncodeSnapshot(state.Snapshot())
	require.NoError(tb, err)
	journal = record(tb, state, NewEpoch(testTime, Holder{User: "ana", Host: "laptop", PID: 1}, "0.1.0"))
	for i := 1; i < n; i++ {
		journal = append(journal, record(tb, state, NewPut(testTime, testVolume(i), ""))...)
	}
	return snapshot, journal, state
}

// before is the state that the sample's journal continues.
func before(tb testing.TB) *State {
	tb.Helper()
	state := New("6a1f0c1e-0000-4000-8000-000000000001", bytes.Repeat([]byte{7}, DigestKeySize))
	record(tb, state, NewPut(testTime, testVolume(0), ""))
	state.Compact(testTime, "0.1.0")
	return state
}

// record seals and applies records as a session does.
func record(tb testing.TB, state *State, records ...Record) []byte {
	tb.Helper()
	sealed, lines, err := state.Seal(records)
	require.NoError(tb, err)
	for _, r := range sealed {
		require.NoError(tb, state.Apply(r))
	}
	return lines
}

// replay reads a journal behind the state of before.
func replay(tb testing.TB, journal []byte) (*State, Tail, error) {
	tb.Helper()
	state := before(tb)
	tail, err := state.Replay("journal-1.jsonl", journal)
	return state, tail, err
}

// requireTyped fails unless the error is one that says where and what to do.
func requireTyped(t *testing.T, err error) {
	t.Helper()
	var damaged *DamagedError
	var fork *ForkError
	var newer *NewerFormatError
	require.True(t, errors.As(err, &damaged) || errors.As(err, &fork) || errors.As(err, &newer), "%T: %v", err, err)
}

// FuzzSnapshot reads any bytes as a snapshot: no panic, an error that says where,
// and what is accepted is written back to the same bytes.
func FuzzSnapshot(f *testing.F) {
	snapshot, _, _ := sample(f, 2)
	f.Add(snapshot)
	f.Add(snapshot[:len(snapshot)/2])
	f.Add([]byte(nil))
	f.Add([]byte("{}"))
	f.Add([]byte(`{"format_version":2,"dstack_version":"9.0.0"}`))
	f.Add([]byte(`{"format_version":1,"resources":[` + "\n],\n" + `"sum":"` + string(bytes.Repeat([]byte("0"), 64)) + "\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := openSnapshot("snapshot.json", data)
		if err != nil {
			requireTyped(t, err)
		} else {
			checkAgain(t, state)
		}
		// Most bytes end at the checksum; what stands behind it has to bear anything too.
		snap, err := decodeSnapshotBody(data)
		if err != nil || snap.FormatVersion != FormatVersion {
			return
		}
		if state, err := FromSnapshot(snap); err == nil {
			checkAgain(t, state)
		}
	})
}

// checkAgain writes a state and reads it back.
func checkAgain(t *testing.T, state *State) {
	t.Helper()
	once, err := EncodeSnapshot(state.Snapshot())
	require.NoError(t, err)
	again, err := openSnapshot("snapshot.json", once)
	require.NoError(t, err)
	twice, err := EncodeSnapshot(again.Snapshot())
	require.NoError(t, err)
	require.Equal(t, string(once), string(twice))
	_, err = state.Pull()
	require.NoError(t, err)
}

// FuzzJournal reads any bytes as a journal: no panic, and an error that says where.
func FuzzJournal(f *testing.F) {
	_, journal, _ := sample(f, 4)
	f.Add(journal)
	f.Add(journal[:len(journal)-10])
	f.Add(append(bytes.Clone(journal), 0, 0, 0))
	f.Add([]byte("\n"))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, tail, err := replay(t, data)
		if err != nil {
			requireTyped(t, err)
			return
		}
		require.Equal(t, int64(len(data)), tail.Good+tail.Torn)
		// The next writer continues at Good: what it writes there can be read.
		next := bytes.Clone(data[:tail.Good])
		if tail.Open {
			next = append(next, '\n')
		}
		next = append(next, record(t, state, NewPut(testTime, testVolume(99), ""))...)
		again, _, err := replay(t, next)
		require.NoError(t, err)
		require.Equal(t, state.Head(), again.Head())
	})
}

// FuzzDamage changes one byte of a journal or cuts it: either that is found, or
// everything that was acknowledged is there.
func FuzzDamage(f *testing.F) {
	_, journal, after := sample(f, 4)
	f.Add(uint(0), byte(1), false)
	f.Add(uint(len(journal)-1), byte(1), false)
	f.Add(uint(len(journal)-1), byte('\n'), false)
	f.Add(uint(len(journal)/2), byte('\n'^'"'), false)
	f.Add(uint(len(journal)/2), byte(0), true)
	f.Fuzz(func(t *testing.T, at uint, mask byte, cut bool) {
		at %= uint(len(journal))
		data := bytes.Clone(journal)
		if cut {
			state, tail, err := replay(t, data[:at])
			require.NoError(t, err, "a journal that is cut short can always be read")
			require.Equal(t, bytes.Count(data[:at+1], []byte("\n")), tail.Lines, "a record counts as soon as only its line feed is missing")
			require.LessOrEqual(t, state.Records(), after.Records())
			return
		}
		if data[at] ^= mask; mask == 0 {
			return
		}
		checkDamaged(t, data, after)
	})
}

func checkDamaged(t *testing.T, journal []byte, after *State) {
	t.Helper()
	state, _, err := replay(t, journal)
	if err != nil {
		requireTyped(t, err)
		return
	}
	require.Equal(t, after.Head(), state.Head(), "a changed byte took a record away")
}

// FuzzRecord reads any bytes as the content of each type of record.
func FuzzRecord(f *testing.F) {
	for _, r := range everyRecord() {
		f.Add(string(r.Type), []byte(r.Data))
	}
	f.Add("put", []byte(`{"resource":null}`))
	f.Add("run", []byte(`{"address":"task.a","run":null}`))
	f.Add("intent", []byte(`null`))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		c, err := decodeChange(Type(kind), data)
		if err != nil {
			return
		}
		state := New("lineage", nil)
		record(t, state, everyRecord()...)
		c.apply(state, testTime)
		checkAgain(t, state)
	})
}

// TestEveryByteOfAJournalCounts changes each byte in each bit, and to zero.
func TestEveryByteOfAJournalCounts(t *testing.T) {
	_, journal, after := sample(t, 3)
	for i := range journal {
		for _, to := range []byte{journal[i] ^ 1, journal[i] ^ 0x20, journal[i] ^ 0x80, 0, '\n'} {
			if to == journal[i] {
				continue
			}
			data := bytes.Clone(journal)
			data[i] = to
			checkDamaged(t, data, after)
		}
	}
}

// TestEveryByteOfASnapshotCounts changes each byte, and cuts at each byte.
func TestEveryByteOfASnapshotCounts(t *testing.T) {
	snapshot, _, _ := sample(t, 1)
	for i := range snapshot {
		data := bytes.Clone(snapshot)
		data[i] ^= 1
		_, err := openSnapshot("snapshot.json", data)
		require.Error(t, err, "byte %d (%q)", i, snapshot[i])
		requireTyped(t, err)
		_, err = openSnapshot("snapshot.json", snapshot[:i])
		require.Error(t, err, "cut at %d", i)
		requireTyped(t, err)
	}
}
