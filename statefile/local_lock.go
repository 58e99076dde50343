package statefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// probePause is how long a lock is given to become free that may be held only
	// by somebody who looks whether it is.
	probePause = 2 * time.Millisecond
	probeTries = 3
	// unnamedTries is how often the name of a holder is looked for that has the
	// lock and has not written its name yet.
	unnamedTries = 50
)

// Lock takes the kernel's lock on the file lock and writes the holder into it.
func (l *Local) Lock(ctx context.Context, holder Holder) (Session, error) {
	if _, err := l.disk.Identity(l.path(snapshotFile)); errors.Is(err, fs.ErrNotExist) {
		if err := l.absent(); err != nil {
			return nil, err
		}
	}
	lock, err := l.take(ctx)
	if err != nil {
		return nil, err
	}
	err = writeHolder(lock, holder)
	var got *loaded
	if err == nil {
		got, err = l.load(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, release(lock))
	}
	return &localSession{store: l, lock: lock, holder: holder, state: got.state, tail: got.tail, snapshot: got.snapshot}, nil
}

// release frees a lock. The name goes first, so that nobody takes it for that of
// the next holder.
func release(lock lock) error {
	return errors.Join(lock.Truncate(0), lock.Close())
}

// take takes the lock. It tries a few times, because one who asks for the holder
// holds the lock for a moment, and because a new holder needs a moment to write
// its name.
func (l *Local) take(ctx context.Context) (lock, error) {
	for try := 1; ; try++ {
		lock, err := l.disk.Lock(l.path(lockFile))
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, errHeld) {
			return nil, fmt.Errorf("lock state in %s: %w", l.Describe(), err)
		}
		holder := l.readHolder()
		if try >= unnamedTries || holder != nil && try >= probeTries {
			return nil, &LockedError{Store: l.Describe(), Holder: holder, Alive: true}
		}
		if err := pause(ctx, probePause); err != nil {
			return nil, fmt.Errorf("lock state in %s: %w", l.Describe(), err)
		}
	}
}

func writeHolder(lock lock, holder Holder) error {
	data, err := json.Marshal(holder)
	if err != nil {
		return fmt.Errorf("write lock holder: %w", err)
	}
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write lock holder: %w", err)
	}
	if _, err := lock.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write lock holder: %w", err)
	}
	return nil
}

// readHolder is who the lock file names, nil if that cannot be read now.
func (l *Local) readHolder() *Holder {
	const limit = 64 << 10
	data, err := l.disk.ReadFile(l.path(lockFile), limit)
	if err != nil {
		return nil
	}
	var holder Holder
	if json.Unmarshal(data, &holder) != nil {
		return nil
	}
	return &holder
}

// Holder says who holds the lock. A holder that has not written its name yet is
// one without a name.
func (l *Local) Holder(ctx context.Context) (*Holder, error) {
	for try := 1; ; try++ {
		held, err := l.disk.Locked(l.path(lockFile))
		if err != nil {
			return nil, fmt.Errorf("read lock of %s: %w", l.Describe(), err)
		}
		if !held {
			return nil, nil
		}
		if holder := l.readHolder(); holder != nil {
			return holder, nil
		}
		if try >= unnamedTries {
			return &Holder{}, nil
		}
		if err := pause(ctx, probePause); err != nil {
			return nil, fmt.Errorf("read lock of %s: %w", l.Describe(), err)
		}
	}
}

// Unlock cannot take the lock from a process that lives, with force or without:
// it would not notice, and go on writing. What ends the lock is to end the process.
func (l *Local) Unlock(ctx context.Context, _ bool) error {
	holder, err := l.Holder(ctx)
	if err != nil {
		return err
	}
	if holder == nil {
		return ErrNotLocked
	}
	how := "end that process"
	if holder.PID != 0 {
		how = fmt.Sprintf("end that process, on the machine it runs on:\n  kill %d", holder.PID)
	}
	return fmt.Errorf("unlock: the lock of %s is held by a process that lives, %s; the lock ends with it. To free the lock, %s", l.Describe(), holder, how)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
