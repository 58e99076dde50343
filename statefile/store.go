package statefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Store is where a state lives. Its methods may be called from several
// goroutines and several processes at once.
type Store interface {
	// Describe names the store in a sentence: the folder .dstack/state.
	Describe() string
	// Capabilities says what may be relied on.
	Capabilities() Capabilities
	// Read is the state as of now: snapshot and journal, with every record whose
	// Append had returned when Read began. It takes no lock, writes nothing, and
	// starts again when the state changed under it. It is [ErrNotInitialised] where there is none.
	Read(ctx context.Context) (*State, error)
	// Init makes the empty state, unless there is one, and reads what is there.
	// Of several at once one makes it and all read the same.
	Init(ctx context.Context) (*State, error)
	// Lock makes the caller the only writer until the session is closed. It does
	// not wait: while somebody else holds the lock it is a *[LockedError].
	// [LockWait] waits.
	Lock(ctx context.Context, holder Holder) (Session, error)
	// Holder says who holds the lock now, nil if nobody does.
	Holder(ctx context.Context) (*Holder, error)
	// Unlock frees a lock that a dead holder left, or with force any lock. It is
	// [ErrNotLocked] if nobody holds it.
	Unlock(ctx context.Context, force bool) error
}

// Session is the time during which one writer holds a state.
type Session interface {
	// State is the live view: every record is in it before its Append returns.
	State() *State
	// Append makes records durable, in the order in which calls were accepted.
	// When it returns nil they survive a crash. When it returns an error they are
	// not in State, and a crash may still leave them, or the first of them, in the
	// store. Concurrent callers share the cost. A ctx that is done before the
	// records are accepted records nothing; later it is not looked at, because
	// what was done must be recorded.
	Append(ctx context.Context, records ...Record) error
	// Close folds the journal into a new snapshot, if something was recorded, and
	// frees the lock. The lock is freed even if the former fails; nothing is lost
	// then, because the journal is still there.
	Close(ctx context.Context) error
}

// Capabilities says what a store can do.
type Capabilities struct {
	// Append: a record is durable in the store when Append returns, and not only
	// on the machine that applies.
	Append bool `json:"append"`
	// Lease: the lock of a holder that died becomes free, or is known to be dead,
	// without anybody's word for it.
	Lease bool `json:"lease"`
	// Fence: one that lost the lock without noticing cannot append.
	Fence bool `json:"fence"`
	// History: earlier snapshots are kept; the store is a [Historian].
	History bool `json:"history"`
}

// Historian is a store that keeps earlier snapshots.
type Historian interface {
	// History lists them, newest first.
	History(ctx context.Context) ([]Version, error)
	// ReadAt is the state with that serial.
	ReadAt(ctx context.Context, serial uint64) (*State, error)
}

// Version is one earlier snapshot.
type Version struct {
	Serial  uint64  `json:"serial"`
	Head    string  `json:"head"`
	Written Written `json:"written"`
	// Where is the place of the snapshot, such as the path of a file.
	Where string `json:"where"`
}

// Archive is a store that keeps what is left of a run, such as its log, beside
// the state. No lock is needed.
type Archive interface {
	// Keep stores what content yields under a name of slash separated parts.
	// What is there under that name already is kept instead, and is no error.
	Keep(ctx context.Context, name string, content io.Reader) error
	// Kept opens what is stored under name; it is fs.ErrNotExist if nothing is.
	Kept(ctx context.Context, name string) (io.ReadCloser, error)
}

var (
	// ErrNotInitialised is the error for a store without a state.
	ErrNotInitialised = errors.New("state is not initialised")
	// ErrNotLocked is the error of Unlock for a lock that nobody holds.
	ErrNotLocked = errors.New("state is not locked")
	// ErrClosed is the error for a session that was closed.
	ErrClosed = errors.New("session is closed")
)

// LockedError says that somebody else holds the lock.
type LockedError struct {
	// Store describes the store.
	Store string
	// Holder is nil if the holder cannot be known.
	Holder *Holder
	// Alive says that the holder is known to live. One that is not may be
	// unlocked.
	Alive bool
}

func (e *LockedError) Error() string {
	who := "somebody unknown"
	if e.Holder != nil {
		who = e.Holder.String()
	}
	if e.Alive {
		return fmt.Sprintf("state in %s is locked by %s; wait for it to end, or use --lock-timeout to have this command wait", e.Store, who)
	}
	return fmt.Sprintf("state in %s is still locked by %s, which shows no sign of life; if it is really gone, free the lock with: dstack state unlock", e.Store, who)
}

// DamagedError says that a part of a state cannot be what was written. Reading
// it changed nothing.
type DamagedError struct {
	// Where is the file or object, Line the line in it (0 if it has none).
	Where string
	Line  int
	// Reason says what is wrong, Fix what to do.
	Reason string
	Fix    string
}

func (e *DamagedError) Error() string {
	where := e.Where
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.Where, e.Line)
	}
	msg := fmt.Sprintf("state is damaged: %s: %s. Nothing was changed.", where, e.Reason)
	if e.Fix != "" {
		msg += " " + e.Fix
	}
	return msg
}

// ForkError says that a journal does not continue its snapshot: two writers
// went different ways, or a file was put back without the other.
type ForkError struct {
	Where string
	// Snapshot is the head that the state has, Journal the one that the record at
	// Line continues.
	Snapshot string
	Journal  string
	Line     int
	Fix      string
}

func (e *ForkError) Error() string {
	msg := fmt.Sprintf("state has forked: %s:%d continues the head %s, but the state before it has the head %s. Nothing was changed.",
		e.Where, e.Line, e.Journal, e.Snapshot)
	if e.Fix != "" {
		msg += " " + e.Fix
	}
	return msg
}

// NewerFormatError says that a state was written by a later version that
// changed its format.
type NewerFormatError struct {
	Where string
	// Format is the state's version of the format, Version that of the program that wrote it.
	Format  int
	Version string
}

func (e *NewerFormatError) Error() string {
	use := "a newer version of dstack"
	if e.Version != "" {
		use = "dstack " + e.Version + " or newer"
	}
	return fmt.Sprintf("state %s has format version %d, and this dstack reads up to %d. Nothing was changed. Use %s.",
		e.Where, e.Format, FormatVersion, use)
}

// lockPoll is how long LockWait sleeps between two tries.
const lockPoll = 250 * time.Millisecond

// LockWait takes the lock as [Store.Lock] does, and while somebody else holds it
// tries again until timeout has passed. Waiting, if not nil, is called once,
// with the first holder that is in the way.
func LockWait(ctx context.Context, store Store, holder Holder, timeout time.Duration, waiting func(*LockedError)) (Session, error) {
	deadline := time.Now().Add(timeout)
	for {
		session, err := store.Lock(ctx, holder)
		var locked *LockedError
		if !errors.As(err, &locked) {
			return session, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, err
		}
		if waiting != nil {
			waiting(locked)
			waiting = nil
		}
		timer := time.NewTimer(min(lockPoll, left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for the lock: %w: %w", ctx.Err(), err)
		case <-timer.C:
		}
	}
}
