package storetest

import (
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

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
