package statefile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var testTime = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func testVolume(i int) *Resource {
	return &Resource{
		Address: fmt.Sprintf("volume.data[%d]", i), Kind: "volume", Backend: "aws", ID: fmt.Sprintf("vol-%d", i),
		Status: "active", Revision: 1, Attributes: []byte(`{"size":"100GB"}`),
		Changed: Changed{At: testTime, By: "ana@laptop"}, CreatedAt: testTime,
	}
}

// counter is a resource whose revision says how many appends there were.
func counter(n int) *Resource {
	return &Resource{Address: "volume.counter", Kind: "volume", Backend: "aws", ID: "vol-n", Revision: uint64(n)}
}

// work is what a process does in the crash tests, and what it was told.
type work struct {
	// initialised says that Init returned; acked and tried count the appends, each
	// of which puts one more volume and then counts it.
	initialised  bool
	acked, tried int
}

// run does three sessions, and stops at the first error.
func (w *work) run(store *Local) error {
	ctx := context.Background()
	if _, err := store.Init(ctx); err != nil {
		return err
	}
	w.initialised = true
	for range 3 {
		session, err := store.Lock(ctx, Holder{User: "ana", Operation: "apply"})
		if err != nil {
			return err
		}
		for range 3 {
			if err := w.append(session); err != nil {
				return err
			}
		}
		if err := session.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) append(session Session) error {
	w.tried++
	err := session.Append(context.Background(), NewPut(testTime, testVolume(w.tried), ""), NewPut(testTime, counter(w.tried), ""))
	if err == nil {
		w.acked = w.tried
	}
	return err
}

// check reports an error if the state is not one that may be left of the work.
func (w *work) check(state *State, err error) error {
	if err != nil {
		if !w.initialised && errors.Is(err, ErrNotInitialised) {
			return nil
		}
		return fmt.Errorf("the state cannot be read: %w", err)
	}
	n := 0
	if c := state.Resource("volume.counter"); c != nil {
		n = int(c.Revision)
	}
	if n < w.acked || n > w.tried {
		return fmt.Errorf("the state has %d appends; %d were acknowledged and %d tried", n, w.acked, w.tried)
	}
	for i := 1; i <= n; i++ {
		if state.Resource(testVolume(i).Address) == nil {
			return fmt.Errorf("volume %d of %d is missing", i, n)
		}
	}
	return nil
}

// recover is what the next process does: it reads, and does one more session.
func (w *work) recover(store *Local) error {
	ctx := context.Background()
	state, err := store.Read(ctx)
	if err := w.check(state, err); err != nil {
		return err
	}
	if _, err := store.Init(ctx); err != nil {
		return err
	}
	w.initialised = true
	session, err := store.Lock(ctx, Holder{User: "bob", Operation: "apply"})
	if err != nil {
		return err
	}
	// What was tried and not acknowledged may be there; from here on it is known.
	if err := w.check(session.State(), nil); err != nil {
		return err
	}
	if c := session.State().Resource("volume.counter"); c != nil {
		w.tried = int(c.Revision)
	} else {
		w.tried = 0
	}
	w.acked = w.tried
	if err := w.append(session); err != nil {
		return err
	}
	state, err = store.Read(ctx)
	if err := w.check(state, err); err != nil {
		return fmt.Errorf("while the session is open: %w", err)
	}
	if err := session.Close(ctx); err != nil {
		return err
	}
	state, err = store.Read(ctx)
	return w.check(state, err)
}

// TestCrashAtEveryPoint stops the work before each operation that changes
// something, with an interrupted write arriving in part, and looks at each thing
// that a kill or a power cut may leave: what was acknowledged is there, and the
// next session works. Then the same again while that next session runs.
func TestCrashAtEveryPoint(t *testing.T) {
	whole := newPowerDisk()
	var all work
	require.NoError(t, all.run(onDisk(whole)))
	require.Greater(t, whole.ops, 60, "the work has many points at which it can be stopped")
	again := 0
	for left := range whole.ops {
		for _, cut := range cuts(whole.log[left]) {
			disk := newPowerDisk()
			disk.left, disk.cut = left, cut
			var done work
			require.ErrorIs(t, done.run(onDisk(disk)), errPower)
			for what := range outcomes {
				where := fmt.Sprintf("stopped before %q, %d/8 of it done, outcome %d", whole.log[left], cut, what)
				next := done
				found := disk.after(what)
				require.NoError(t, next.recover(onDisk(found)), where)
				names, err := found.List("/state")
				require.NoError(t, err)
				for _, name := range names {
					require.NotContains(t, name, tempMark, "%s: nothing half-written stays behind", where)
				}
				// Crash the recovery too, at a few of its points.
				for second := (left + cut) % 13; second < found.ops; second += 13 {
					again++
					disk := disk.after(what)
					disk.left, disk.cut = second, cut
					next := done
					require.ErrorIs(t, next.recover(onDisk(disk)), errPower, where)
					for _, what := range []outcome{processKilled, outcome(again) % outcomes} {
						last := next
						require.NoError(t, last.recover(onDisk(disk.after(what))), "%s; then before operation %d of the next session, outcome %d", where, second, what)
					}
				}
			}
		}
	}
	require.Greater(t, again, 500)
}

// cuts are the parts, in eighths, of an interrupted operation that arrive.
func cuts(op string) []int {
	if strings.HasPrefix(op, "write") {
		return []int{0, 3, 8}
	}
	return []int{0}
}

// TestErrorAtEveryPoint lets each operation fail once while the process goes on,
// as with a full disk: nothing that was acknowledged is lost, nothing that was
// refused is in the session's state, and the next session works.
func TestErrorAtEveryPoint(t *testing.T) {
	whole := newPowerDisk()
	var all work
	require.NoError(t, all.run(onDisk(whole)))
	for at := range whole.ops {
		if strings.HasPrefix(whole.log[at], "remove") && strings.Contains(whole.log[at], tempMark) {
			continue // A temporary file that stays is removed by the next session that ends.
		}
		for _, cut := range cuts(whole.log[at]) {
			disk := newPowerDisk()
			disk.cut = cut
			n := -1
			disk.fail = func(string) error {
				if n++; n == at {
					return syscall.ENOSPC
				}
				return nil
			}
			store := onDisk(disk)
			var done work
			ctx := context.Background()
			failures := 0
			count := func(err error) {
				if err != nil {
					require.ErrorIs(t, err, syscall.ENOSPC, whole.log[at])
					failures++
				}
			}
			_, err := store.Init(ctx)
			count(err)
			_, err = store.Init(ctx)
			require.NoError(t, err)
			done.initialised = true
			for range 3 {
				session, err := store.Lock(ctx, Holder{User: "ana"})
				require.NoError(t, err, whole.log[at])
				for range 3 {
					before := session.State().Head()
					err := done.append(session)
					if err != nil {
						require.Equal(t, before, session.State().Head(), "what was refused is not in the state")
						done.tried = done.acked
					}
					count(err)
				}
				count(session.Close(ctx))
				// Refused appends are not there either: the process lived to cut them off.
				state, err := store.Read(ctx)
				require.NoError(t, done.check(state, err), "%q failed, %d/8 of it done", whole.log[at], cut)
			}
			require.NotZero(t, failures, "%q failed and nobody was told", whole.log[at])
			for what := range outcomes {
				next := done
				require.NoError(t, next.recover(onDisk(disk.after(what))), "%q failed, outcome %d", whole.log[at], what)
			}
		}
	}
}

// TestTheDiskOfTheTestCanLose shows that the crash test can fail: without its
// syncs the store loses what it acknowledged.
func TestTheDiskOfTheTestCanLose(t *testing.T) {
	for name, skip := range map[string]string{
		"records are not synced":           "sync /state/journal-",
		"the name of the journal is not":   "sync folder /state",
		"the snapshot is not synced":       "sync /state/snapshot.json",
		"the journal goes away too early":  "rename /state/snapshot.json",
		"the torn end is never cut off":    "truncate /state/journal-",
		"the folder history is not synced": "sync folder /state/history",
	} {
		t.Run(name, func(t *testing.T) {
			lost := false
			for left := 0; left < 90 && !lost; left++ {
				disk := newPowerDisk()
				disk.left, disk.cut = left, 3
				var done work
				_ = done.run(onDisk(&carelessDisk{powerDisk: disk, skip: skip}))
				for what := range outcomes {
					next := done
					if next.recover(onDisk(&carelessDisk{powerDisk: disk.after(what), skip: skip})) != nil {
						lost = true
					}
				}
			}
			if strings.HasSuffix(skip, "history") {
				require.False(t, lost, "history is for damage; no crash may need it")
				return
			}
			require.True(t, lost)
		})
	}
}
