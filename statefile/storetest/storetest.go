package storetest

import (
	"testing"

	"github.com/dstackai/dstack-planner/statefile"
)

// Config is what the suite needs to know of a store.
type Config struct {
	// New gives a store in which nothing was made yet.
	New func(t *testing.T) statefile.Store
	// Reopen gives another handle of a store, as another process would have it. If
	// it is nil, the same handle is used.
	Reopen func(t *testing.T, store statefile.Store) statefile.Store
	// Crash gives the store as it would be if every process that has it open had
	// been killed just now; the given one stays as it is. If it is nil, what a
	// session leaves that was never closed is not tested.
	Crash func(t *testing.T, store statefile.Store) statefile.Store
	// Journal reads what was recorded since the last snapshot, as bytes, and
	// SetJournal replaces it, as an accident would. Without them the store's
	// answer to a damaged journal is not tested.
	Journal    func(t *testing.T, store statefile.Store) []byte
	SetJournal func(t *testing.T, store statefile.Store, journal []byte)
	// Large is the number of resources of a big state, 2000 if 0.
	Large int
}

// Run tests the stores that open gives against the contract.
func Run(t *testing.T, open func(t *testing.T) statefile.Store) {
	RunConfig(t, Config{New: open})
}

// RunConfig is [Run] for a store of which more can be tested.
func RunConfig(t *testing.T, config Config) {
	if config.Reopen == nil {
		config.Reopen = func(_ *testing.T, store statefile.Store) statefile.Store { return store }
	}
	if config.Large == 0 {
		config.Large = 2000
	}
	suite := []struct {
		name string
		test func(*testing.T, Config)
	}{
		{"a store without a state says so", notInitialised},
		{"init makes an empty state once", initOnce},
		{"of several inits at once one wins", initTogether},
		{"what was appended is read while the session is open", readOpen},
		{"what was appended is read after the session", readClosed},
		{"a session that died loses nothing", crash},
		{"appends from many goroutines are all kept, in one chain", appendTogether},
		{"records of one append stay together and in order", appendOrder},
		{"a bad record is refused and the session goes on", appendBad},
		{"an append with a context that is done records nothing", appendCancelled},
		{"a closed session records nothing", appendClosed},
		{"readers during writes see whole states that only grow", readersDuringWrites},
		{"each session that recorded something raises the serial", serials},
		{"a second lock names the holder", lockHeld},
		{"the lock is free after the session, and has no holder", lockFree},
		{"of many that want the lock one has it at a time", lockTogether},
		{"waiting for a lock ends when it is free", lockWait},
		{"waiting for a lock ends with its timeout", lockTimeout},
		{"unlocking what is not locked says so", unlockFree},
		{"a big state comes back as it was", bigState},
		{"the digest key stays, and is never printed", digestKey},
		{"of a rename that was cut short there is nothing, and of one that was not there is all", tornRename},
		{"a record cut short is dropped and written over", tornRecord},
		{"a changed byte in the journal is found", changedByte},
		{"a journal of another history is a fork", fork},
		{"a missing record is a fork", missingRecord},
		{"earlier snapshots can be read", history},
		{"what is kept of a run is kept once", archive},
	}
	for _, part := range suite {
		t.Run(part.name, func(t *testing.T) { part.test(t, config) })
	}
}
