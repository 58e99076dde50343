package reference_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

var claimRow = regexp.MustCompile(`(?m)^\| ([a-z]+) \| .* \| (yes|no) \|$`)

// TestThePageOfStoresSaysWhatTheyClaim holds docs/stores.md against the store itself.
func TestThePageOfStoresSaysWhatTheyClaim(t *testing.T) {
	page, err := os.ReadFile(docs + "stores.md")
	require.NoError(t, err)
	written := map[string]bool{}
	for _, row := range claimRow.FindAllStringSubmatch(string(page), -1) {
		written[row[1]] = row[2] == "yes"
	}
	raw, err := json.Marshal(statefile.NewLocal(t.TempDir(), statefile.LocalOptions{}).Capabilities())
	require.NoError(t, err)
	claimed := map[string]bool{}
	require.NoError(t, json.Unmarshal(raw, &claimed))
	require.Empty(t, cmp.Diff(claimed, written), "(-store +page)")
}

var epoch = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

var fileRow = regexp.MustCompile("(?m)^\\| `([a-z-]+)(?:N)?(?:[.a-z]*)(/?)` \\| ")

// TestThePageOfStoresListsTheFiles makes a state, writes to it, and looks what is there.
func TestThePageOfStoresListsTheFiles(t *testing.T) {
	page, err := os.ReadFile(docs + "stores.md")
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, row := range fileRow.FindAllStringSubmatch(string(page), -1) {
		listed[row[1]] = true
	}
	require.Len(t, listed, 5)

	dir := t.TempDir()
	store := statefile.NewLocal(dir, statefile.LocalOptions{})
	_, err = store.Init(t.Context())
	require.NoError(t, err)
	found := map[string]bool{}
	look := func() {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			found[regexp.MustCompile(`^[a-z]+-?`).FindString(e.Name())] = true
		}
	}
	session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
	require.NoError(t, err)
	require.NoError(t, session.Append(t.Context(), statefile.NewBackend(epoch, "local", &statefile.Backend{Provider: "local"})))
	look()
	require.NoError(t, session.Close(t.Context()))
	look()
	require.Subset(t, slices.Collect(maps.Keys(listed)), slices.Collect(maps.Keys(found)))
	require.Len(t, found, 4, "all but runs/, which comes with the first run")
}
