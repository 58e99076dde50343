package statefile

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// localSession writes to a local store. Nothing is written before the first
// record, so that a session without one leaves no trace.
type localSession struct {
	store  *Local
	holder Holder
	state  *State
	// snapshot is the serial of the snapshot that the session began with.
	snapshot uint64

	// mu guards next, the batch that gathers records while another is written.
	mu   sync.Mutex
	next *batch

	// io guards the rest: who holds it writes.
	io      sync.Mutex
	lock    lock
	tail    Tail
	journal file
	// recorded says that this session wrote something.
	recorded bool
	closed   bool
	// broken is why nothing can be recorded any more.
	broken error
}

// batch is what is written, and synced, at once.
type batch struct {
	records []Record
	done    bool
	err     error
}

func (s *localSession) State() *State { return s.state }

// Append adds the records to the batch that is gathered and then waits for its
// turn to write. Whoever gets the turn first writes the batch for all in it;
// meanwhile the next one is gathered.
func (s *localSession) Append(ctx context.Context, records ...Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if len(records) == 0 {
		return nil
	}
	for _, r := range records {
		if err := r.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if s.next == nil {
		s.next = &batch{}
	}
	b := s.next
	b.records = append(b.records, records...)
	s.mu.Unlock()

	s.io.Lock()
	defer s.io.Unlock()
	if !b.done {
		s.mu.Lock()
		s.next = nil
		s.mu.Unlock()
		b.err = s.write(b.records)
		b.done = true
	}
	return b.err
}

// write makes records durable and applies them.
func (s *localSession) write(records []Record) error {
	if s.closed {
		return ErrClosed
	}
	if s.broken != nil {
		return fmt.Errorf("record: an earlier record could not be written: %w", s.broken)
	}
	if err := s.lock.Check(); err != nil {
		s.broken = err
		return fmt.Errorf("record: %w", err)
	}
	if err := s.open(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if !s.recorded {
		epoch := NewEpoch(s.store.options.Now(), s.holder, s.store.options.Version)
		records = append([]Record{epoch}, records...)
	}
	sealed, lines, err := s.state.Seal(records)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if s.tail.Open {
		lines = append([]byte{'\n'}, lines...)
	}
	if _, err := s.journal.Write(lines); err != nil {
		// What was written of it would stand before the next record.
		if undo := s.journal.Truncate(s.tail.Good); undo != nil {
			s.broken = err
		}
		return fmt.Errorf("record: %w", err)
	}
	if err := s.journal.Sync(); err != nil {
		// After a failed sync nobody knows what is on the disk.
		s.broken = err
		return fmt.Errorf("record: %w", err)
	}
	s.tail = Tail{Good: s.tail.Good + int64(len(lines))}
	s.recorded = true
	for _, r := range sealed {
		if err := s.state.Apply(r); err != nil {
			s.broken = err
			return fmt.Errorf("record: %w", err)
		}
	}
	return nil
}

// open opens the journal for the first record: a torn end is cut off, and the
// file's name made durable before anything in it counts.
func (s *localSession) open() error {
	if s.journal != nil {
		return nil
	}
	journal, err := s.store.disk.OpenAppend(s.store.path(journalName(s.state.Serial())))
	if err != nil {
		return err
	}
	if err = journal.Truncate(s.tail.Good); err == nil {
		err = s.store.disk.SyncDir(s.store.dir)
	}
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	s.journal = journal
	return nil
}

// Close ends the session. It takes no heed of ctx, because what is recorded must
// be kept.
func (s *localSession) Close(context.Context) error {
	s.io.Lock()
	defer s.io.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.journal != nil {
		if s.broken != nil && s.lock.Check() == nil {
			// What was written without being acknowledged must not turn up later,
			// behind the head of the snapshot that follows.
			errs = append(errs, s.journal.Truncate(s.tail.Good))
		}
		errs = append(errs, s.journal.Close())
	}
	if s.recorded {
		if err := s.compact(); err != nil {
			errs = append(errs, fmt.Errorf("write snapshot in %s: %w; nothing is lost: the journal has all of it", s.store.Describe(), err))
		}
	}
	errs = append(errs, release(s.lock))
	return errors.Join(errs...)
}

func (s *localSession) compact() error {
	if err := s.lock.Check(); err != nil {
		return err
	}
	return s.store.compact(s.state, s.snapshot)
}
