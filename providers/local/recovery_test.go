package local_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// dieEnv says to a process of TestKilledProvider what to make before it is killed.
const dieEnv = "LOCAL_TEST_DIE"

// death is what a process that is to be killed is told.
type death struct {
	Home, Kind, Key string
}

// TestKilledProvider kills a process that has reported a checkpoint and not returned. What it was making is found, and goes on
// under the same key.
func TestKilledProvider(t *testing.T) {
	if text := os.Getenv(dieEnv); text != "" {
		die(t, text)
		return
	}
	t.Parallel()
	t.Run("while it makes an instance", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		goesOn(w, w.Instances(), addr.KindInstance, "fleet.f.instance[0]", instance(w.machine, "f-0", 1), false, providers.Need{})
	})
	t.Run("while it makes a volume", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		goesOn(w, w.Volumes(), addr.KindVolume, "volume.data", volume("data"), true, providers.Need{})
	})
	t.Run("while it makes a gateway", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		goesOn(w, w.Gateways(), addr.KindGateway, "gateway.public", gateway("public"), false, providers.Need{})
	})
	t.Run("while it waits for a job", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		on := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
		job := goesOn(w, w.Jobs(), addr.KindJob, "task.t.job[0]", task("t", "echo once", "sleep 600"), true, on)
		found, err := w.Jobs().List(t.Context(), "test")
		require.NoError(t, err)
		require.Len(t, found, 1, "the job was submitted once")
		said(w, job, "once")
		require.NoError(t, w.Backend.(providers.Stopper).StopJob(t.Context(), job, nil, true))
		require.Equal(t, "once\n", output(w, job))
	})
}

// goesOn lets a process die while it makes an object and makes it again.
func goesOn[T any](w *world, r providers.Resource[T], kind, address string, v T, complete bool, on providers.Need) providers.Object[T] {
	w.Helper()
	op := operation(w, address, v)
	told := death{Home: w.home, Kind: kind, Key: op.Key}
	if on.Address != "" {
		op.Needs = []providers.Need{on}
	}
	text, err := json.Marshal(told)
	require.NoError(w, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProvider$")
	cmd.Env = append(os.Environ(), dieEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	require.Error(w, err)
	require.True(w, cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled(), "%s", out)

	found, err := r.Find(w.Context(), []string{op.Key})
	require.NoError(w, err)
	require.Len(w, found, 1)
	require.Equal(w, op.Key, found[0].Key)
	require.Equal(w, address, found[0].Address)
	require.Equal(w, complete, found[0].Complete)
	again, err := r.Create(w.Context(), op, silent[T])
	require.NoError(w, err)
	require.Equal(w, found[0].Object.ID, again.ID)
	keep(w, r, address, again, op.Needs...)
	seen := see(w, r, again)
	require.Equal(w, providers.Present, seen.Presence, "%v", seen.Err)
	require.False(w, seen.Object.Tainted)
	return again
}

// die makes an object and kills its own process at the first checkpoint.
func die(t *testing.T, text string) {
	var d death
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	w := &world{T: t, home: d.Home, machine: facts(t)}
	w.Backend = w.reopen()
	switch d.Kind {
	case addr.KindInstance:
		dieMaking(w, w.Instances(), d.Key, "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	case addr.KindVolume:
		dieMaking(w, w.Volumes(), d.Key, "volume.data", volume("data"))
	case addr.KindGateway:
		dieMaking(w, w.Gateways(), d.Key, "gateway.public", gateway("public"))
	case addr.KindJob:
		machines, err := w.Instances().List(t.Context(), "test")
		require.NoError(t, err)
		dieMaking(w, w.Jobs(), d.Key, "task.t.job[0]", task("t", "echo once", "sleep 600"), need(machines[0].Address, machines[0].Object))
	}
}

func dieMaking[T any](w *world, r providers.Resource[T], key, address string, v T, needs ...providers.Need) {
	op := operation(w, address, v, needs...)
	op.Key = key
	_, err := r.Create(w.Context(), op, func(p providers.Progress[T]) error {
		if p.Checkpoint != nil {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	})
	w.Fatalf("it lives: %v", err)
}

// TestTornFolders lets creates begin on every state in which a killed one can have left its folder.
func TestTornFolders(t *testing.T) {
	t.Parallel()
	for name, tear := range map[string]func(t *testing.T, dir string){
		"there is a folder and nothing in it": func(*testing.T, string) {},
		"its tags were being written": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "tags.json.new"), []byte(`{"vers`), 0o600))
		},
		"its tags are torn": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "tags.json"), []byte(`{"version":1,"kind":"vol`), 0o600))
		},
		"its tags are empty": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "tags.json"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			op := operation(w, "volume.data", volume("data"))
			made, err := w.Volumes().Create(t.Context(), op, silent[schema.Volume])
			require.NoError(t, err)
			dir := w.dir(addr.KindVolume, made.ID)
			prepare := func() {
				require.NoError(t, os.RemoveAll(dir))
				require.NoError(t, os.Mkdir(dir, 0o700))
				tear(t, dir)
			}
			prepare()
			list, err := w.Volumes().List(t.Context(), "test")
			require.NoError(t, err)
			require.Empty(t, list)
			again, err := w.Volumes().Create(t.Context(), op, silent[schema.Volume])
			require.NoError(t, err)
			require.Equal(t, made.ID, again.ID)
			require.Equal(t, providers.Present, see(w, w.Volumes(), again).Presence)

			prepare()
			found, err := w.Volumes().Find(t.Context(), []string{op.Key})
			require.NoError(t, err)
			require.Empty(t, found)
			require.NoDirExists(t, dir, "what nobody can find is removed")
		})
	}
	t.Run("its tags are there and its data is not", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		op := operation(w, "volume.data", volume("data"))
		made, err := w.Volumes().Create(t.Context(), op, silent[schema.Volume])
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(made.Value.Location))
		found, err := w.Volumes().Find(t.Context(), []string{op.Key})
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.False(t, found[0].Complete)
		require.True(t, see(w, w.Volumes(), made).Object.Tainted)
		_, err = w.Volumes().Create(t.Context(), op, silent[schema.Volume])
		require.NoError(t, err)
		require.DirExists(t, made.Value.Location)
	})
}

func TestDeleteThatWasCutOffIsFinished(t *testing.T) {
	t.Parallel()
	w := open(t)
	trash := filepath.Join(w.home, "local", "volumes", ".removed-0123456789ab-x", "data", "closed")
	require.NoError(t, os.MkdirAll(trash, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(trash, "file"), nil, 0o400))
	require.NoError(t, os.Chmod(trash, 0o500))
	w.reopen()
	left, err := os.ReadDir(filepath.Join(w.home, "local", "volumes"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestTwoProviders lets two handles of one home work on the same objects at the same time.
func TestTwoProviders(t *testing.T) {
	t.Parallel()
	w := open(t)
	both := []providers.Backend{w.Backend, w.reopen()}
	op := operation(w, "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	made := make([]providers.Object[schema.Instance], len(both))
	atOnce := func(do func(i int, b providers.Backend) error) {
		t.Helper()
		errs := make([]error, len(both))
		var wait sync.WaitGroup
		for i, b := range both {
			wait.Go(func() { errs[i] = do(i, b) })
		}
		wait.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
	atOnce(func(i int, b providers.Backend) (err error) {
		made[i], err = b.Instances().Create(t.Context(), op, silent[schema.Instance])
		return err
	})
	require.Equal(t, made[0].ID, made[1].ID)

	// One agent, whoever starts it again.
	for range 5 {
		w.kill(addr.KindInstance, made[0].ID)
		atOnce(func(_ int, b providers.Backend) error {
			return b.Instances().Read(t.Context(), made[:1], func(_ int, seen providers.Observed[schema.Instance]) {
				if seen.Presence != providers.Present {
					t.Errorf("it is %v: %v", seen.Presence, seen.Err)
				}
			})
		})
	}
	// One deletes while the other reads, and would start again what it does not find running.
	atOnce(func(i int, b providers.Backend) error {
		if i == 0 {
			return b.Instances().Delete(t.Context(), made[0], providers.Op[schema.Instance]{}, silent[schema.Instance])
		}
		for range 20 {
			if err := b.Instances().Read(t.Context(), made[:1], func(int, providers.Observed[schema.Instance]) {}); err != nil {
				return err
			}
		}
		return nil
	})
	require.Equal(t, providers.Gone, see(w, w.Instances(), made[0]).Presence)
	require.NoError(t, both[1].Instances().Delete(t.Context(), made[0], providers.Op[schema.Instance]{}, silent[schema.Instance]))
	require.True(t, eventually(func() bool { return processes(w.home) == "" }))
}

func TestSameIDUnderAnotherKey(t *testing.T) {
	t.Parallel()
	w := open(t)
	op := operation(w, "volume.data", volume("data"))
	made, err := w.Volumes().Create(t.Context(), op, silent[schema.Volume])
	require.NoError(t, err)
	replaceIn(t, filepath.Join(w.dir(addr.KindVolume, made.ID), "tags.json"), op.Key, "another")
	_, err = w.Volumes().Create(t.Context(), op, silent[schema.Volume])
	require.Equal(t, providers.Conflict, providers.KindOf(err), "%v", err)
	found, err := w.Volumes().Find(t.Context(), []string{op.Key})
	require.NoError(t, err)
	require.Empty(t, found)
	require.DirExists(t, made.Value.Location)
}
