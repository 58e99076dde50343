package provtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

func testCheckpoint[T any](s *session[T]) {
	op := s.op()
	var checkpoints []providers.Object[T]
	var ended, busy atomic.Bool
	made, err := s.r.Create(s.ctx(), op, func(p providers.Progress[T]) error {
		if ended.Load() {
			s.T.Error("report was called after create had returned")
		}
		if !busy.CompareAndSwap(false, true) {
			s.T.Error("report was called twice at a time")
		}
		if p.Checkpoint != nil {
			checkpoints = append(checkpoints, *p.Checkpoint)
		}
		if p.Done > p.Total && p.Total > 0 {
			s.T.Errorf("%d of %d is done", p.Done, p.Total)
		}
		busy.Store(false)
		return nil
	})
	ended.Store(true)
	require.NoError(s.T, err)
	s.deleteLater(op, made)
	require.NotEmpty(s.T, checkpoints, "create reports a checkpoint as soon as it knows an id")
	require.Equal(s.T, made.ID, checkpoints[len(checkpoints)-1].ID)
	require.NotEmpty(s.T, checkpoints[0].ID, "a checkpoint has an id")
}

func testSameKey[T any](s *session[T]) {
	op := s.op()
	made := s.create(op)
	again, err := s.r.Create(s.ctx(), op, ignore[T])
	require.NoError(s.T, err)
	require.Equal(s.T, made.ID, again.ID)
	require.Empty(s.T, differences(made.Value, again.Value))
	s.requireOne(op, made.ID)
}

func testSameKeyAtOnce[T any](s *session[T]) {
	op := s.op()
	made := make([]providers.Object[T], s.options.Parallel)
	errs := make([]error, len(made))
	var wait sync.WaitGroup
	for i := range made {
		wait.Go(func() { made[i], errs[i] = s.r.Create(s.ctx(), op, ignore[T]) })
	}
	wait.Wait()
	var one providers.Object[T]
	for i, err := range errs {
		// The others may be told to come back while the first is at work.
		if err != nil {
			require.Contains(s.T, []providers.ErrorKind{providers.Conflict, providers.Transient}, providers.KindOf(err), "%v", err)
			continue
		}
		if one.ID == "" {
			one = made[i]
			s.deleteLater(op, one)
		}
		require.Equal(s.T, one.ID, made[i].ID)
	}
	require.NotEmpty(s.T, one.ID, "one of the calls succeeds")
	s.requireOne(op, one.ID)
}

// requireOne checks that the provider holds one object of the test, and that it is the one made by op.
func (s *session[T]) requireOne(op providers.Op[T], id string) {
	s.T.Helper()
	var mine []providers.Found[T]
	s.eventually(func() bool {
		list, err := s.r.List(s.ctx(), op.Lineage)
		require.NoError(s.T, err)
		mine = slices.DeleteFunc(list, func(f providers.Found[T]) bool { return f.Address != op.Address })
		return len(mine) > 0
	})
	require.Len(s.T, mine, 1, "one object is there")
	require.Equal(s.T, op.Key, mine[0].Key)
	require.Equal(s.T, id, mine[0].Object.ID)
	require.True(s.T, mine[0].Complete, "what was finished is complete")
	require.False(s.T, mine[0].Object.Tainted)
}

func testLostAnswer[T any](s *session[T]) {
	op := s.op()
	_, err := s.r.Create(s.ctx(), op, ignore[T]) // the object is lost, as is all else that this handle knows
	require.NoError(s.T, err)
	r := s.of(s.open())
	found := s.find(r, op.Key)
	require.Len(s.T, found, 1)
	require.Equal(s.T, op.Key, found[0].Key)
	require.Equal(s.T, op.Address, found[0].Address)
	require.NotEmpty(s.T, found[0].Object.ID)
	require.True(s.T, found[0].Complete)
	s.requirePresent(found[0].Object)
	again, err := r.Create(s.ctx(), op, ignore[T])
	require.NoError(s.T, err)
	require.Equal(s.T, found[0].Object.ID, again.ID)
	require.NoError(s.T, s.delete(op, found[0].Object), "what was found can be deleted")
	s.requireNothing(op)
}

func testReportError[T any](s *session[T]) {
	op := s.op()
	after := 0
	stop := errors.New("the journal is full")
	var failed bool
	_, err := s.r.Create(s.ctx(), op, func(p providers.Progress[T]) error {
		if failed {
			after++
		}
		if p.Checkpoint == nil && !failed {
			return nil
		}
		failed = true
		return stop
	})
	require.Error(s.T, err, "an error of report stops the operation")
	require.Zero(s.T, after, "report is not called again after it failed")
	require.False(s.T, providers.KindOf(err).NothingMade(), "an object was made, so the error cannot say that none was: %v", err)

	found := s.find(s.r, op.Key)
	made, err := s.r.Create(s.ctx(), op, ignore[T])
	require.NoError(s.T, err, "the same key goes on with what there is")
	s.deleteLater(op, made)
	if len(found) > 0 {
		require.Equal(s.T, found[0].Object.ID, made.ID)
	}
	s.requireOne(op, made.ID)
}

func testCancel[T any](s *session[T]) {
	op := s.op()
	ctx, cancel := context.WithCancel(s.ctx())
	defer cancel()
	made, err := s.r.Create(ctx, op, func(providers.Progress[T]) error {
		cancel()
		return nil
	})
	if err == nil {
		require.NotEmpty(s.T, made.ID, "a create that was cancelled too late has succeeded")
	} else {
		require.False(s.T, providers.KindOf(err).NothingMade(), "a cancelled call does not know that nothing was made: %v", err)
	}
	found := s.find(s.r, op.Key)
	again, err := s.r.Create(s.ctx(), op, ignore[T])
	require.NoError(s.T, err, "the same key goes on with what there is")
	s.deleteLater(op, again)
	if len(found) > 0 {
		require.Equal(s.T, found[0].Object.ID, again.ID)
	}
	s.requireOne(op, again.ID)

	never := s.op()
	_, err = s.r.Create(ctx, never, ignore[T])
	require.Error(s.T, err, "a call that is cancelled before it starts fails")
	if found := s.find(s.r, never.Key); len(found) > 0 {
		s.deleteLater(never, found[0].Object)
	}
}

func testFindNothing[T any](s *session[T]) {
	op := s.op()
	s.create(op)
	s.find(s.r, op.Key)
	found, err := s.r.Find(s.ctx(), []string{"no such key", op.Key, "", "nor this one"})
	require.NoError(s.T, err)
	require.Len(s.T, found, 1, "keys without an object are not in the answer")
	found, err = s.r.Find(s.ctx(), nil)
	require.NoError(s.T, err)
	require.Empty(s.T, found)
	found, err = s.r.List(s.ctx(), "no such lineage")
	require.NoError(s.T, err)
	require.Empty(s.T, found)
}

func testList[T any](s *session[T]) {
	mine, other := s.op(), s.op()
	other.Lineage = "provtest-other"
	made := s.create(mine)
	s.create(other)
	s.find(s.r, other.Key)
	s.requireOne(mine, made.ID)
	found, err := s.r.List(s.ctx(), mine.Lineage)
	require.NoError(s.T, err)
	for _, f := range found {
		require.NotEqual(s.T, other.Key, f.Key, "list shows what is tagged with the lineage alone")
	}
}

func testInvalid[T any](s *session[T]) {
	if s.sample.Invalid == nil {
		s.T.Skip("the sample has nothing that is invalid")
	}
	op := s.op()
	s.sample.Invalid(&op.Planned)
	if planned := s.plan(s.change(1, op.Planned)); planned.Err != nil {
		require.Equal(s.T, providers.Invalid, planned.Err.Kind, "%v", planned.Err)
	}
	made, err := s.r.Create(s.ctx(), op, ignore[T])
	if err == nil {
		s.deleteLater(op, made)
	}
	require.Error(s.T, err)
	require.Equal(s.T, providers.Invalid, providers.KindOf(err), "%v", err)
	require.Empty(s.T, made.ID, "an invalid request makes nothing")
	s.requireNothing(op)
}

func testDrift[T any](s *session[T]) {
	if s.sample.Drift == nil {
		s.T.Skip("the sample cannot be changed from outside")
	}
	made := s.create(s.op())
	s.sample.Drift(s.T, made)
	seen := s.read(made)
	require.Equal(s.T, providers.Present, seen.Presence, "%v", seen.Err)
	require.NotEmpty(s.T, differences(made.Value, seen.Object.Value), "a read shows what is, not what was recorded")
}

func testVanish[T any](s *session[T]) {
	if s.sample.Vanish == nil {
		s.T.Skip("the sample cannot be removed from outside")
	}
	op := s.op()
	made := s.create(op)
	s.sample.Vanish(s.T, made)
	require.Equal(s.T, providers.Gone, s.read(made).Presence)
	require.NoError(s.T, s.delete(op, made), "deleting what is gone succeeds")
	s.requireNothing(op)
}

func testUnreachable[T any](s *session[T]) {
	if s.sample.Unreachable == nil {
		s.T.Skip("the sample cannot be made unreachable")
	}
	lost, near := s.create(s.op()), s.create(s.op())
	undo := s.sample.Unreachable(s.T, lost)
	seen := s.readAll([]providers.Object[T]{lost, near})
	undo()
	require.Equal(s.T, providers.Unknown, seen[0].Presence, "only what is known to be gone is gone")
	require.Error(s.T, seen[0].Err, "what is unknown says why")
	require.Equal(s.T, providers.Present, seen[1].Presence, "what can be asked is: %v", seen[1].Err)
	require.Equal(s.T, providers.Present, s.read(lost).Presence)
}

// testSecrets follows a canary through all that is recorded or shown.
func testSecrets[T any](s *session[T]) {
	if len(s.sample.Secrets) == 0 {
		s.T.Skip("the sample has no secrets")
	}
	check := func(what, text string) {
		s.T.Helper()
		for i, secret := range s.sample.Secrets {
			require.False(s.T, strings.Contains(text, secret), "secret %d of the sample is in %s", i, what)
		}
	}
	op := s.op()
	present, err := schema.MarshalValue(schema.Encode(op.Planned))
	require.NoError(s.T, err)
	for i, secret := range s.sample.Secrets {
		require.True(s.T, strings.Contains(string(present), secret), "secret %d of the sample is not in its Value", i)
	}
	made, err := s.r.Create(s.ctx(), op, func(p providers.Progress[T]) error {
		check("a phase", p.Phase)
		if p.Checkpoint != nil {
			check("the private part of a checkpoint", string(p.Checkpoint.Private))
		}
		return nil
	})
	require.NoError(s.T, err)
	s.deleteLater(op, made)
	check("an id", made.ID)
	check("the private part of an object", string(made.Private))
	for _, f := range s.find(s.r, op.Key) {
		check("a tag", f.Key+f.Address)
		check("the private part of what was found", string(f.Object.Private))
	}

	other := op
	other.Key += "-other"
	if s.sample.Invalid != nil {
		s.sample.Invalid(&other.Planned)
		if planned := s.plan(s.change(1, other.Planned)); planned.Err != nil {
			check("an error of plan", fmt.Sprintf("%+v", planned.Err))
		}
		_, err := s.r.Create(s.ctx(), other, ignore[T])
		require.Error(s.T, err)
		check("the error of an invalid create", fmt.Sprintf("%+v", err))
	}
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	_, err = s.r.Update(ctx, made, op, ignore[T])
	check("the error of a cancelled update", fmt.Sprint(err))
	check("the error of a cancelled delete", fmt.Sprint(s.r.Delete(ctx, made, op, ignore[T])))
	if seen := s.read(made); seen.Presence == providers.Gone {
		s.T.Error("a delete that was cancelled before it started has deleted the object")
	}
}
