package storetest

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

// tornRename cuts the journal at every byte of a rename of several things: whoever dies while it is written leaves the
// addresses as they were.
func tornRename(t *testing.T, config Config) {
	if config.Crash == nil || config.Journal == nil || config.SetJournal == nil {
		t.Skip("the suite cannot damage the journal of this store")
	}
	store := initialised(t, config)
	session := lock(t, store)
	for i := 1; i <= 3; i++ {
		require.NoError(t, session.Append(t.Context(), put(i)))
	}
	before := bytes.Clone(config.Journal(t, store))
	was := pulled(t, session.State())
	moves := []statefile.Rename{
		{From: statefile.Ref{Address: volume(1).Address}, To: statefile.Ref{Address: "volume.eu"}},
		{From: statefile.Ref{Address: volume(2).Address}, To: statefile.Ref{Address: volume(1).Address}},
	}
	tied := volume(3)
	tied.Needs = []string{"volume.eu"}
	rename := statefile.Renaming{Moves: moves, Resources: []*statefile.Resource{tied}, Names: map[string]string{"volume.eu": "data-1"}}
	require.NoError(t, session.Append(t.Context(), statefile.NewRename(epoch, rename)))
	after := bytes.Clone(config.Journal(t, store))
	is := pulled(t, session.State())
	left := config.Crash(t, store)
	require.NoError(t, session.Close(t.Context()))
	require.NotEqual(t, was, is)
	for n := len(before); n <= len(after); n++ {
		config.SetJournal(t, left, after[:n])
		want := was
		if n >= len(after)-1 { // all but the line feed
			want = is
		}
		require.Empty(t, cmp.Diff(want, pulled(t, read(t, left))), "%d of %d bytes", n-len(before), len(after)-len(before))
	}
	state := read(t, left)
	require.Equal(t, "vol-0001", state.Resource("volume.eu").ID)
	require.Equal(t, "vol-0002", state.Resource(volume(1).Address).ID)
	require.Nil(t, state.Resource(volume(2).Address))
	require.Equal(t, []string{"volume.eu"}, state.Resource(tied.Address).Needs)
	require.Equal(t, "data-1", state.Name("volume.eu"))
}
