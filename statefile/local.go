package statefile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Local is the store of a folder:
//
//	snapshot.json        the state when the last session ended
//	journal-41.jsonl     what was recorded since snapshot 41
//	lock                 locked by the kernel while somebody writes; says who
//	history/             the snapshots before, each with its journal
//	runs/                what is left of runs, see [Archive]
//
// A snapshot is never written to: a new one takes its place by rename. So there
// is at every moment a whole snapshot, and beside it the journal with all that
// was recorded since.
type Local struct {
	dir     string
	options LocalOptions
	disk    disk
}

// LocalOptions are what a local store depends on besides its folder. The zero
// value works.
type LocalOptions struct {
	// Version is the program's, for the error that an older one will give.
	Version string
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Random makes lineages and digest keys, crypto/rand if nil.
	Random io.Reader
	// Keep is the number of earlier snapshots that are kept, 20 if 0.
	Keep int
}

var (
	_ Store     = (*Local)(nil)
	_ Historian = (*Local)(nil)
	_ Archive   = (*Local)(nil)
)

// NewLocal is the store in the folder dir, which need not exist.
func NewLocal(dir string, options LocalOptions) *Local {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Random == nil {
		options.Random = rand.Reader
	}
	if options.Keep == 0 {
		options.Keep = 20
	}
	return &Local{dir: dir, options: options, disk: osDisk{}}
}

const (
	snapshotFile = "snapshot.json"
	lockFile     = "lock"
	historyDir   = "history"
	runsDir      = "runs"
	tempMark     = ".tmp-"
	// maxFile is far above any state, and below what would exhaust a machine.
	maxFile = 1 << 30
	// readTries is how often a reader starts again because the state changed. One
	// session ends between two tries, so that more than a few mean something else.
	readTries = 100
	failTries = 3
)

// Describe names the folder.
func (l *Local) Describe() string { return "the folder " + l.dir }

// Capabilities are all there are: the kernel frees the lock of a process that
// died, and nobody loses it while alive.
func (l *Local) Capabilities() Capabilities {
	return Capabilities{Append: true, Lease: true, Fence: true, History: true}
}

func (l *Local) path(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}

func journalName(serial uint64) string { return "journal-" + strconv.FormatUint(serial, 10) + ".jsonl" }

func keptName(serial uint64) string { return "snapshot-" + strconv.FormatUint(serial, 10) + ".json" }

// serialIn is the number in a name such as journal-41.jsonl.
func serialIn(name, prefix, suffix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	digits, ok1 := strings.CutSuffix(digits, suffix)
	serial, err := strconv.ParseUint(digits, 10, 64)
	return serial, ok && ok1 && err == nil && prefix+strconv.FormatUint(serial, 10)+suffix == name
}

// loaded is what a writer needs beside the state itself.
type loaded struct {
	state *State
	tail  Tail
	// snapshot is the serial of snapshot.json. The state's own is above it when a
	// snapshot was put back from history together with journals.
	snapshot uint64
}

// Read reads snapshot and journal.
func (l *Local) Read(ctx context.Context) (*State, error) {
	got, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	return got.state, nil
}

// load reads until the snapshot is the same before and after. What fails in
// between is an error only if the snapshot stayed, since a session that ends
// takes the journal away, and only if it fails again: a new writer may have cut
// off a torn end while it was read.
func (l *Local) load(ctx context.Context) (*loaded, error) {
	path := l.path(snapshotFile)
	failed := 0
	for range readTries {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read state in %s: %w", l.Describe(), err)
		}
		before, err := l.disk.Identity(path)
		if errors.Is(err, fs.ErrNotExist) {
			if err := l.absent(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		got, err := l.loadOnce()
		after, afterErr := l.disk.Identity(path)
		if afterErr != nil || before != after {
			continue
		}
		if err == nil {
			return got, nil
		}
		if failed++; failed == failTries {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read state in %s: it changed under each of %d tries", l.Describe(), readTries)
}

// absent is the error for a folder without a snapshot: nothing was there yet, or
// the snapshot is lost. It is nil if there is one by now.
func (l *Local) absent() error {
	names, err := l.disk.List(l.dir)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	kept, err := l.keptSerials()
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if _, err := l.disk.Identity(l.path(snapshotFile)); err == nil {
		return nil
	}
	lost := len(kept) > 0
	for _, name := range names {
		if _, ok := serialIn(name, "journal-", ".jsonl"); ok {
			lost = true
		}
	}
	if lost {
		return &DamagedError{Where: l.path(snapshotFile), Reason: "the snapshot is not there, but what belongs to it is", Fix: l.restoreFix()}
	}
	return fmt.Errorf("%s: %w", l.Describe(), ErrNotInitialised)
}

func (l *Local) loadOnce() (*loaded, error) {
	path := l.path(snapshotFile)
	data, err := l.disk.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	state, err := openSnapshot(path, data)
	if err != nil {
		return nil, l.withFix(err)
	}
	got := &loaded{state: state, snapshot: state.serial}
	for serial := state.serial; ; serial++ {
		journal := l.path(journalName(serial))
		data, err := l.disk.ReadFile(journal, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			return got, l.stray(got)
		}
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		state.serial = serial
		if got.tail, err = state.Replay(journal, data); err != nil {
			return nil, l.withFix(err)
		}
	}
}

func openSnapshot(where string, data []byte) (*State, error) {
	snap, err := DecodeSnapshot(where, data)
	if err != nil {
		return nil, err
	}
	state, err := FromSnapshot(snap)
	if err != nil {
		return nil, &DamagedError{Where: where, Reason: err.Error()}
	}
	return state, nil
}

// stray looks for journals that continue a snapshot which is not there.
func (l *Local) stray(got *loaded) error {
	names, err := l.disk.List(l.dir)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for _, name := range names {
		serial, ok := serialIn(name, "journal-", ".jsonl")
		if ok && serial > got.state.serial {
			return &DamagedError{
				Where:  l.path(snapshotFile),
				Reason: fmt.Sprintf("the snapshot has serial %d, but %s continues serial %d: an older snapshot was put in the place of a newer one", got.snapshot, name, serial),
				Fix:    l.restoreFix(),
			}
		}
	}
	return nil
}

// Init makes the empty snapshot under a temporary name and links it to its
// place, which fails if there is one: of several at once, one wins.
func (l *Local) Init(ctx context.Context) (*State, error) {
	state, err := l.Read(ctx)
	if !errors.Is(err, ErrNotInitialised) {
		return state, err
	}
	lineage, err := NewLineage(l.options.Random)
	if err != nil {
		return nil, fmt.Errorf("make state in %s: %w", l.Describe(), err)
	}
	key := make([]byte, DigestKeySize)
	if _, err := io.ReadFull(l.options.Random, key); err != nil {
		return nil, fmt.Errorf("make state in %s: %w", l.Describe(), err)
	}
	empty := New(lineage, key).Snapshot()
	empty.Version = l.options.Version
	if err := l.disk.MkdirAll(l.dir); err != nil {
		return nil, fmt.Errorf("make state in %s: %w", l.Describe(), err)
	}
	if err := l.place(empty); err != nil {
		return nil, fmt.Errorf("make state in %s: %w", l.Describe(), err)
	}
	return l.Read(ctx)
}

// place puts the first snapshot in its place, unless somebody else was faster.
func (l *Local) place(snap *Snapshot) error {
	temp, err := l.writeTemp(snap)
	if err != nil {
		return err
	}
	defer l.disk.Remove(temp)
	target := l.path(snapshotFile)
	err = l.disk.Link(temp, target)
	if errors.Is(err, errNoLink) {
		err = l.placeLocked(temp, target)
	}
	if err != nil {
		// A session that began meanwhile may even have removed our temporary file.
		if _, there := l.disk.Identity(target); there == nil {
			return nil
		}
		return err
	}
	return l.disk.SyncDir(l.dir)
}

// placeLocked is for file systems without hard links: who holds the lock may
// rename.
func (l *Local) placeLocked(temp, target string) error {
	lock, err := l.disk.Lock(l.path(lockFile))
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := l.disk.Identity(target); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return l.disk.Rename(temp, target)
}

// writeTemp writes a snapshot under a name of its own, durably, and returns its
// path.
func (l *Local) writeTemp(snap *Snapshot) (string, error) {
	data, err := EncodeSnapshot(snap)
	if err != nil {
		return "", err
	}
	return l.writeNew(l.dir, snapshotFile, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeNew writes a new file beside the place that it is meant for.
func (l *Local) writeNew(dir, name string, write func(io.Writer) error) (path string, err error) {
	var id [8]byte
	if _, err := io.ReadFull(l.options.Random, id[:]); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name+tempMark+hex.EncodeToString(id[:]))
	f, err := l.disk.Create(path)
	if err != nil {
		return "", err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		l.disk.Remove(path)
		return "", err
	}
	return path, nil
}
