package fake_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
)

func openWorld(t testing.TB, path string) *fake.World {
	t.Helper()
	w, err := fake.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func count(t testing.TB, w *fake.World, kind string) int {
	t.Helper()
	n, err := w.Count(kind)
	require.NoError(t, err)
	return n
}

func TestWorldsOnOneJournalSeeTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world")
	a, b := openWorld(t, path), openWorld(t, path)
	id, err := a.Add(fake.Object{Kind: fake.KindDisk, Zone: "us-east-1a", Attributes: json.RawMessage(`{"size":"10GB"}`)})
	require.NoError(t, err)
	require.Equal(t, 1, count(t, b, fake.KindDisk))
	require.NoError(t, b.Mutate(id, func(attributes map[string]any) { attributes["size"] = "20GB" }))
	objects, err := a.Objects()
	require.NoError(t, err)
	require.JSONEq(t, `{"size":"20GB"}`, string(objects[0].Attributes))
	require.NoError(t, a.Delete(id))
	require.Zero(t, count(t, b, ""))

	other, err := b.Add(fake.Object{Kind: fake.KindDisk})
	require.NoError(t, err)
	require.NotEqual(t, id, other, "an id is not used twice")
}

func TestWorldChangesFromManySides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world")
	const sides, each = 4, 50
	var wait sync.WaitGroup
	errs := make(chan error, sides*each)
	for range sides {
		w := openWorld(t, path)
		wait.Go(func() {
			for range each {
				_, err := w.Add(fake.Object{Kind: fake.KindDisk})
				errs <- err
			}
		})
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	objects, err := openWorld(t, path).Objects()
	require.NoError(t, err)
	require.Len(t, objects, sides*each)
	for i, o := range objects {
		require.Equal(t, i+1, o.Number)
	}
}

func TestWorldRefuses(t *testing.T) {
	w := fake.Memory()
	disk, err := w.Add(fake.Object{Kind: fake.KindDisk})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		do   func() error
		want string
	}{
		"deleting what is not there":   {func() error { return w.Delete("x") }, "delete x: no such object in this world"},
		"changing what is not there":   {func() error { return w.Mutate("x", nil) }, "change x: no such object in this world"},
		"silencing what is not there":  {func() error { return w.SetReachable("x", false) }, "change x: no such object in this world"},
		"adding an id that is there":   {func() error { _, err := w.Add(fake.Object{ID: disk}); return err }, "add " + disk + ": the world has an object of this id"},
		"attributes that are not JSON": {func() error { return w.Mutate(disk, func(map[string]any) {}) }, "read the attributes of " + disk + ": unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) { require.EqualError(t, tt.do(), tt.want) })
	}
}

func TestMutateKeepsTheType(t *testing.T) {
	b, w := open(t, fake.Settings{})
	made, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.NoError(t, err)
	err = w.Mutate(made.ID, func(a map[string]any) { a["size"] = 7 })
	require.ErrorContains(t, err, "change the attributes of "+made.ID+": size: ")
	require.ErrorContains(t, err, "where string is needed")
	require.NoError(t, w.Mutate(made.ID, func(a map[string]any) { a["size"] = "7GB" }))
}

func TestJournal(t *testing.T) {
	const header = `{"format":"dstack-fake-world","format_version":1}` + "\n"
	const disk = `{"put":{"id":"disk-1","kind":"disk","number":1,"made":"2026-01-01T00:00:00Z"}}` + "\n"
	for name, tt := range map[string]struct {
		content string
		disks   int
		err     string
	}{
		"an empty file is an empty world":                {"", 0, ""},
		"a torn header is begun again":                   {header[:9], 0, ""},
		"a whole journal":                                {header + disk, 1, ""},
		"a torn last line is left out":                   {header + disk + disk[:20], 1, ""},
		"a file of another kind is refused":              {"hello, world\n", 0, "is not the journal of a world"},
		"another version is refused":                     {`{"format":"dstack-fake-world","format_version":2}` + "\n", 0, "one of another version"},
		"a damaged line is an error that says where":     {header + "{]\n" + disk, 0, "the line at byte 50 is damaged"},
		"what is to be deleted twice is deleted":         {header + disk + `{"delete":["disk-1"]}` + "\n" + `{"delete":["disk-1"]}` + "\n", 0, ""},
		"what becomes ready after its end stays deleted": {header + disk + `{"delete":["disk-1"]}` + "\n" + `{"ready":"disk-1"}` + "\n", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "world")
			require.NoError(t, os.WriteFile(path, []byte(tt.content), 0o600))
			w, err := fake.Open(path)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.ErrorContains(t, err, path)
				return
			}
			require.NoError(t, err)
			defer w.Close()
			require.Equal(t, tt.disks, count(t, w, fake.KindDisk))
			_, err = w.Add(fake.Object{Kind: fake.KindDisk})
			require.NoError(t, err)
			require.Equal(t, tt.disks+1, count(t, openWorld(t, path), fake.KindDisk), "what was torn does not spoil what comes after it")
		})
	}
}

// TestKilledWriters kills processes in the midst of making volumes and makes the same again, until all are there.
func TestKilledWriters(t *testing.T) {
	const total = 2000
	if path := os.Getenv("FAKE_TEST_WORLD"); path != "" {
		b, _ := open(t, fake.Settings{World: path})
		for i := range total {
			_, err := b.Volumes().Create(t.Context(), volumeOp(i), quiet)
			require.NoError(t, err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "world")
	self, err := os.Executable()
	require.NoError(t, err)
	w := openWorld(t, path)
	for kills := range 6 {
		cmd := exec.Command(self, "-test.run=^TestKilledWriters$")
		cmd.Env = append(os.Environ(), "FAKE_TEST_WORLD="+path)
		require.NoError(t, cmd.Start())
		// The process is killed when it has made some more, wherever it is then.
		for deadline := time.Now().Add(20 * time.Second); count(t, w, addr.KindVolume) < (kills+1)*total/8 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		require.Less(t, count(t, w, addr.KindVolume), total, "it was to be killed before its end")
	}
	cmd := exec.Command(self, "-test.run=^TestKilledWriters$")
	cmd.Env = append(os.Environ(), "FAKE_TEST_WORLD="+path)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	objects, err := w.Objects(addr.KindVolume)
	require.NoError(t, err)
	keys := map[string]bool{}
	for _, o := range objects {
		keys[o.Key] = true
		require.True(t, o.Ready)
	}
	require.Len(t, objects, total)
	require.Len(t, keys, total, "no volume was made twice")
}

func TestAccountsDoNotSeeEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world")
	mine, _ := open(t, fake.Settings{World: path})
	theirs, _ := open(t, fake.Settings{World: path, Account: "theirs"})
	require.Equal(t, "fake", mine.Identity())
	require.Equal(t, "theirs", theirs.Identity())
	made, err := mine.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.NoError(t, err)
	require.NoError(t, theirs.Volumes().Read(t.Context(), []providers.Object[schema.Volume]{made}, func(_ int, seen providers.Observed[schema.Volume]) {
		require.Equal(t, providers.Gone, seen.Presence)
	}))
	require.NoError(t, theirs.Volumes().Delete(t.Context(), made, volumeOp(1), quiet))
	found, err := mine.Volumes().List(t.Context(), "line")
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func BenchmarkOpenAndRead(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "world")
			backend, _ := open(b, fake.Settings{World: path})
			var made []providers.Object[schema.Volume]
			for i := range n {
				o, err := backend.Volumes().Create(b.Context(), volumeOp(i), quiet)
				require.NoError(b, err)
				made = append(made, o)
			}
			for b.Loop() {
				again, _ := open(b, fake.Settings{World: path})
				require.NoError(b, again.Volumes().Read(b.Context(), made, func(int, providers.Observed[schema.Volume]) {}))
			}
		})
	}
}
