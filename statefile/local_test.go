package statefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
	"github.com/dstackai/dstack-planner/statefile/storetest"
)

func TestLocalKeepsTheContract(t *testing.T) {
	folders := map[statefile.Store]string{}
	open := func(dir string) statefile.Store {
		store := statefile.NewLocal(dir, statefile.LocalOptions{Version: "0.1.0"})
		folders[store] = dir
		return store
	}
	journal := func(store statefile.Store) string { return filepath.Join(folders[store], "journal-0.jsonl") }
	storetest.RunConfig(t, storetest.Config{
		New:    func(t *testing.T) statefile.Store { return open(filepath.Join(t.TempDir(), "project", "state")) },
		Reopen: func(_ *testing.T, store statefile.Store) statefile.Store { return open(folders[store]) },
		Crash: func(t *testing.T, store statefile.Store) statefile.Store {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(folders[store])))
			return open(dir)
		},
		Journal: func(t *testing.T, store statefile.Store) []byte {
			data, err := os.ReadFile(journal(store))
			require.NoError(t, err)
			return data
		},
		SetJournal: func(t *testing.T, store statefile.Store, data []byte) {
			require.NoError(t, os.WriteFile(journal(store), data, 0o600))
		},
	})
}
