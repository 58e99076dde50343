package statefile_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

// three is a folder whose state has volumes 1 to 3, of a session each, and
// volume 4 in the journal of a session that died.
func three(t *testing.T) (dir string, store *statefile.Local) {
	t.Helper()
	base := filepath.Join(t.TempDir(), "a state's folder")
	store = statefile.NewLocal(base, statefile.LocalOptions{Version: "0.1.0"})
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	for i := 1; i <= 3; i++ {
		session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
		require.NoError(t, err)
		require.NoError(t, session.Append(t.Context(), putVolume(i)))
		require.NoError(t, session.Close(t.Context()))
	}
	session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
	require.NoError(t, err)
	require.NoError(t, session.Append(t.Context(), putVolume(4)))
	dir = filepath.Join(t.TempDir(), "a state's folder")
	require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
	require.NoError(t, session.Close(t.Context()))
	return dir, statefile.NewLocal(dir, statefile.LocalOptions{Version: "0.1.0"})
}

// contents are the files of a folder, without the lock.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(data)
		return err
	}))
	return files
}

// TestDamage damages a state, looks at the error, shows that no operation changes
// anything, and then does what the error says in a shell.
func TestDamage(t *testing.T) {
	edit := func(name string, change func(string) string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(change(string(data))), 0o600))
		}
	}
	half := func(s string) string { return s[:len(s)/2] }
	for name, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
		// left is the number of volumes after the fix that the error names.
		left int
	}{
		"the snapshot is truncated":       {edit("snapshot.json", half), "snapshot.json: the snapshot is cut short", 4},
		"the snapshot is empty":           {edit("snapshot.json", func(string) string { return "" }), "snapshot.json: the snapshot is empty", 4},
		"the snapshot is garbage":         {edit("snapshot.json", func(string) string { return "\x00\x01garbage" }), "snapshot.json: the snapshot is cut short", 4},
		"the snapshot was edited":         {edit("snapshot.json", func(s string) string { return strings.Replace(s, "100GB", "900GB", 1) }), "does not match its checksum", 4},
		"the snapshot is gone":            {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "snapshot.json"))) }, "the snapshot is not there, but what belongs to it is", 4},
		"a record in the middle is bad":   {edit("journal-3.jsonl", func(s string) string { return strings.Replace(s, `"n":7`, `"n":9`, 1) }), "journal-3.jsonl:1: the record does not match its checksum", 3},
		"a line is empty":                 {edit("journal-3.jsonl", func(s string) string { return "\n" + s }), "journal-3.jsonl:1: the record is cut short", 3},
		"the last line is something else": {edit("journal-3.jsonl", func(s string) string { return s + "oops" }), "journal-3.jsonl:3: the last line is neither a record nor the beginning of one", 4},
		"an older snapshot was put back": {func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "history", "snapshot-1.json"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "snapshot.json"), data, 0o600))
		}, "the snapshot has serial 1, but journal-3.jsonl continues serial 3", 4},
		"the journal is that of another snapshot": {func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "history", "journal-1.jsonl"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "journal-3.jsonl"), data, 0o600))
		}, "state has forked: ", 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir, store := three(t)
			test.damage(t, dir)
			before := contents(t, dir)
			_, err := store.Read(t.Context())
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, dir)
			require.ErrorContains(t, err, "Nothing was changed.")
			_, initErr := store.Init(t.Context())
			require.Error(t, initErr, "a damaged state is not taken for none")
			_, lockErr := store.Lock(t.Context(), statefile.Holder{User: "ana"})
			require.Error(t, lockErr)
			require.Empty(t, cmp.Diff(before, contents(t, dir)))

			_, command, found := strings.Cut(err.Error(), "\n  ")
			require.True(t, found, "the error has a command on a line of its own: %v", err)
			out, shellErr := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
			require.NoError(t, shellErr, "%s\n%s", command, out)
			state, err := store.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.left, state.Len())
			session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
			require.NoError(t, err)
			require.NoError(t, session.Append(t.Context(), putVolume(5)))
			require.NoError(t, session.Close(t.Context()))
			state, err = store.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.left+1, state.Len())
		})
	}
}

// TestDamageTwice damages a snapshot again after it was put back: journals since
// the kept one are all needed, and the one that is in its place is not overwritten.
func TestDamageTwice(t *testing.T) {
	dir, store := three(t)
	for want := 4; want < 7; want++ {
		require.NoError(t, os.Truncate(filepath.Join(dir, "snapshot.json"), 10))
		_, err := store.Read(t.Context())
		_, command, _ := strings.Cut(err.Error(), "\n  ")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
		session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
		require.NoError(t, err)
		require.Equal(t, want, session.State().Len())
		require.NoError(t, session.Append(t.Context(), putVolume(want+1)))
		require.NoError(t, session.Close(t.Context()))
	}
}

func TestNewerSnapshotIsRefused(t *testing.T) {
	dir, store := three(t)
	path := filepath.Join(dir, "snapshot.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"format_version":2,"dstack_version":"0.7.0"}`), 0o600))
	_, err := store.Read(t.Context())
	require.EqualError(t, err, "state "+path+" has format version 2, and this dstack reads up to 1. Nothing was changed. Use dstack 0.7.0 or newer.")
}

func TestHugeFileIsRefused(t *testing.T) {
	dir, store := three(t)
	require.NoError(t, os.Truncate(filepath.Join(dir, "journal-3.jsonl"), 2<<30))
	_, err := store.Read(t.Context())
	require.ErrorContains(t, err, "no state is larger")
}

func TestFilesAndFoldersArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".dstack", "state")
	store := statefile.NewLocal(dir, statefile.LocalOptions{})
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	for range 2 {
		session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
		require.NoError(t, err)
		require.NoError(t, session.Append(t.Context(), putVolume(1)))
		require.NoError(t, session.Close(t.Context()))
	}
	require.NoError(t, store.Keep(t.Context(), "a/b.log", strings.NewReader("log")))
	seen := 0
	require.NoError(t, filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		seen++
		if d.IsDir() {
			require.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), path)
			return nil
		}
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), path)
		return nil
	}))
	require.Greater(t, seen, 8)
}

func TestHistoryKeepsTheLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store := statefile.NewLocal(dir, statefile.LocalOptions{Keep: 3})
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	for i := range 7 {
		session, err := store.Lock(t.Context(), statefile.Holder{User: "ana", Operation: "apply"})
		require.NoError(t, err)
		require.NoError(t, session.Append(t.Context(), statefile.NewPlan(time.Now(), statefile.AppliedPlan{ID: "plan", Status: statefile.PlanApplied}), putVolume(i)))
		require.NoError(t, session.Close(t.Context()))
	}
	versions, err := store.History(t.Context())
	require.NoError(t, err)
	require.Len(t, versions, 3)
	require.Equal(t, uint64(6), versions[0].Serial)
	require.Equal(t, "plan", versions[0].Written.Plan)
	names, err := filepath.Glob(filepath.Join(dir, "history", "*"))
	require.NoError(t, err)
	require.Len(t, names, 6, "each snapshot with its journal: %v", names)
	left, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestSessionWithoutRecordsLeavesNoTrace(t *testing.T) {
	dir, store := three(t)
	before := contents(t, dir)
	session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
	require.NoError(t, err)
	require.NoError(t, session.Close(t.Context()))
	_, err = store.Init(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(before, contents(t, dir)))
}

// TestLockFileIsRemoved is what people do who are told that a state is locked:
// the one who holds the lock notices and writes no more.
func TestLockFileIsRemoved(t *testing.T) {
	dir, store := three(t)
	session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
	require.NoError(t, err)
	require.NoError(t, session.Append(t.Context(), putVolume(5)))
	require.NoError(t, os.Remove(filepath.Join(dir, "lock")))
	other, err := store.Lock(t.Context(), statefile.Holder{User: "bob"})
	require.NoError(t, err)
	require.ErrorContains(t, session.Append(t.Context(), putVolume(6)), "was removed while it was locked")
	require.NoError(t, other.Append(t.Context(), putVolume(7)))
	require.ErrorContains(t, session.Close(t.Context()), "was removed while it was locked")
	state, err := store.Read(t.Context())
	require.NoError(t, err)
	require.NotNil(t, state.Resource("volume.data[7]"), "who lost the lock takes nothing from who has it")
	require.NoError(t, other.Append(t.Context(), putVolume(8)))
	require.NoError(t, other.Close(t.Context()))
	state, err = store.Read(t.Context())
	require.NoError(t, err)
	require.NotNil(t, state.Resource("volume.data[7]"))
	require.NotNil(t, state.Resource("volume.data[5]"))
	require.Nil(t, state.Resource("volume.data[6]"))
	require.NotNil(t, state.Resource("volume.data[8]"))
}

func TestFolderThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	store := statefile.NewLocal(path, statefile.LocalOptions{})
	_, err := store.Init(t.Context())
	require.Error(t, err)
	require.ErrorContains(t, err, path)
}
