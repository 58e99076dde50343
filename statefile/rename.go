package statefile

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Renaming is what becomes of a state when addresses change: all of it is one record, so that there is never half of it.
type Renaming struct {
	// Moves are the objects that get another name. No two of them get the same, and none gets that of one that stays.
	Moves []Rename `json:"moves,omitempty"`
	// Resources are the objects of which more than the name differs afterwards, because they name others; under their new
	// names. What is neither here nor among Moves stays as it is.
	Resources []*Resource `json:"resources,omitempty"`
	// Intents are the open intents that differ afterwards.
	Intents []RenamedIntent `json:"intents,omitempty"`
	// Closed are the closed intents that differ afterwards; each stands for the one with its key.
	Closed []ClosedIntent `json:"closed,omitempty"`
	// Runs are the runs that differ afterwards, nil for addresses that have none any more.
	Runs map[string]*Run `json:"runs,omitempty"`
	// Names are the kept names that differ afterwards, "" for addresses that have none any more. See [State.Name].
	Names map[string]string `json:"names,omitempty"`
	// Changed is who did it. Moved objects keep their own; it stands on the tombstones of the names that they had.
	Changed Changed `json:"changed,omitzero"`
}

// Rename is another name for an object.
type Rename struct {
	From Ref `json:"from"`
	To   Ref `json:"to"`
}

// RenamedIntent is an open intent as it is afterwards, and the name that it was under.
type RenamedIntent struct {
	Was    Ref     `json:"was"`
	Intent *Intent `json:"intent"`
}

// IsZero tells whether there is nothing to rename.
func (r Renaming) IsZero() bool {
	return len(r.Moves)+len(r.Resources)+len(r.Intents)+len(r.Closed)+len(r.Runs)+len(r.Names) == 0
}

// NewRename records that addresses have changed.
func NewRename(at time.Time, r Renaming) Record {
	c := &renameChange{Renaming: r}
	c.Moves = slices.Clone(r.Moves)
	c.Resources = make([]*Resource, len(r.Resources))
	for i, res := range r.Resources {
		c.Resources[i] = res.Clone()
	}
	c.Intents = slices.Clone(r.Intents)
	for i := range c.Intents {
		c.Intents[i].Intent = c.Intents[i].Intent.Clone()
	}
	c.Closed = slices.Clone(r.Closed)
	for i := range c.Closed {
		c.Closed[i].Intent = *c.Closed[i].Clone()
	}
	c.Runs = maps.Clone(r.Runs)
	for address, run := range c.Runs {
		c.Runs[address] = run.Clone()
	}
	c.Names = maps.Clone(r.Names)
	return newRecord(at, c)
}

type renameChange struct{ Renaming }

func (*renameChange) recordType() Type { return TypeRename }

func (c *renameChange) check() error {
	for _, m := range c.Moves {
		if err := m.From.check(TypeRename); err != nil {
			return err
		}
		if err := m.To.check(TypeRename); err != nil {
			return err
		}
	}
	for _, r := range c.Resources {
		if r == nil {
			return fmt.Errorf("the rename record has a resource that is null")
		}
		if err := r.Ref().check(TypeRename); err != nil {
			return err
		}
	}
	for _, in := range c.Intents {
		if in.Intent == nil || in.Intent.Key == "" {
			return fmt.Errorf("the rename record has an intent without a key")
		}
		if err := in.Intent.Ref().check(TypeRename); err != nil {
			return err
		}
	}
	return nil
}

func (c *renameChange) apply(s *State, _ time.Time) {
	changed := c.Changed
	if changed.Serial == 0 {
		changed.Serial = s.serial + 1
	}
	moved := make([]*Resource, 0, len(c.Moves))
	for _, m := range c.Moves {
		old := s.object(m.From)
		if old == nil {
			continue
		}
		next := *old
		next.Address, next.Deposed = m.To.Address, m.To.Deposed
		moved = append(moved, &next)
		s.remove(m.From)
		s.bury(tombstone(old, Moved, changed))
	}
	// Only now, because the name that one leaves may be that which another gets.
	for _, r := range moved {
		r.Revision = max(r.Revision, s.nextRevision(r.Ref()))
	}
	for _, r := range moved {
		s.put(r)
	}
	for _, r := range c.Resources {
		next := *r
		if now := s.object(r.Ref()); now != nil {
			next.Revision = max(next.Revision, now.Revision)
		}
		s.put(&next)
	}
	c.applyIntents(s)
	for address, run := range c.Runs {
		if run == nil {
			delete(s.runs, address)
			continue
		}
		s.runs[address] = run
	}
	for address, name := range c.Names {
		if name == "" {
			delete(s.names, address)
			continue
		}
		s.names[address] = name
	}
}

func (c *renameChange) applyIntents(s *State) {
	for _, in := range c.Intents {
		s.closeIntent(in.Was, in.Intent.Key)
	}
	for _, in := range c.Intents {
		s.intents[in.Intent.Ref()] = append(slices.Clip(s.intents[in.Intent.Ref()]), in.Intent)
	}
	if len(c.Closed) == 0 {
		return
	}
	s.closed = slices.Clone(s.closed)
	for _, closed := range c.Closed {
		for i := range s.closed {
			if s.closed[i].Key == closed.Key {
				s.closed[i] = closed
			}
		}
	}
}

// With is the state as it would be with the records: a copy, to look at. It is in no store and has the head of s.
func (s *State) With(records ...Record) (*State, error) {
	s.mu.RLock()
	head := s.head
	s.mu.RUnlock()
	out, err := FromSnapshot(s.Snapshot())
	if err != nil {
		return nil, err
	}
	for i := range records {
		if err := records[i].check(); err != nil {
			return nil, err
		}
		records[i].change.apply(out, records[i].Time)
	}
	out.head = head
	return out, nil
}

// Name is the name of a block that says none and was named after an address that it had before, "" where there is none
// such. The address is that of the block's repetition.
func (s *State) Name(address string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names[address]
}

// Names are all such names by address.
func (s *State) Names() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.names)
}

// dropNames takes away the names of blocks of which nothing is left.
func (s *State) dropNames() {
	if len(s.names) == 0 {
		return
	}
	left := map[string]bool{}
	keep := func(address string) {
		// An address begins with that of its block, which ends before a dot outside of quotes.
		quoted := false
		for i := 0; i <= len(address); i++ {
			switch {
			case i == len(address), address[i] == '.' && !quoted:
				if _, named := s.names[address[:i]]; named {
					left[address[:i]] = true
				}
			case address[i] == '\\' && quoted:
				i++
			case address[i] == '"':
				quoted = !quoted
			}
		}
	}
	for address := range s.resources {
		keep(address)
	}
	for address := range s.deposed {
		keep(address)
	}
	for ref := range s.intents {
		keep(ref.Address)
	}
	for address, run := range s.runs {
		if !run.Destroyed {
			keep(address)
		}
	}
	maps.DeleteFunc(s.names, func(address, _ string) bool { return !left[address] })
}
