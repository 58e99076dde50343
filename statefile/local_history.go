package statefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// compact puts a new snapshot in the place of the old one, which goes to
// history together with its journal: they are enough to make the new one again,
// should it be damaged. Before is the serial of the old one.
func (l *Local) compact(state *State, before uint64) error {
	state.Compact(l.options.Now(), l.options.Version)
	temp, err := l.writeTemp(state.Snapshot())
	if err != nil {
		return err
	}
	if err := l.keepSnapshot(before); err != nil {
		l.disk.Remove(temp)
		return fmt.Errorf("keep the snapshot before: %w", err)
	}
	if err := l.disk.Rename(temp, l.path(snapshotFile)); err != nil {
		l.disk.Remove(temp)
		return err
	}
	// Only when the new snapshot is sure to stay may its journal leave.
	if err := l.disk.SyncDir(l.dir); err != nil {
		return err
	}
	return l.sweep(state.Serial())
}

// keepSnapshot gives the current snapshot a second name in history.
func (l *Local) keepSnapshot(serial uint64) error {
	path, kept := l.path(snapshotFile), l.path(historyDir, keptName(serial))
	if err := l.disk.MkdirAll(l.path(historyDir)); err != nil {
		return err
	}
	// One of that serial is there if it was put back from history.
	if err := l.disk.Remove(kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := l.disk.Link(path, kept)
	if errors.Is(err, errNoLink) {
		err = l.copy(path, kept)
	}
	if err != nil {
		return err
	}
	return l.disk.SyncDir(l.path(historyDir))
}

func (l *Local) copy(from, to string) error {
	data, err := l.disk.ReadFile(from, maxFile)
	if err != nil {
		return err
	}
	temp, err := l.writeNew(l.dir, snapshotFile, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return l.disk.Rename(temp, to)
}

// sweep moves the journals that the snapshot of that serial contains to history,
// and removes what is left of processes that died and what is too old.
func (l *Local) sweep(serial uint64) error {
	names, err := l.disk.List(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		old, ok := serialIn(name, "journal-", ".jsonl")
		switch {
		case ok && old < serial:
			err = l.disk.Rename(l.path(name), l.path(historyDir, name))
		case strings.HasPrefix(name, snapshotFile+tempMark):
			if err = l.disk.Remove(l.path(name)); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err != nil {
			return err
		}
	}
	kept, err := l.disk.List(l.path(historyDir))
	if err != nil {
		return err
	}
	for _, name := range kept {
		old, isSnapshot := serialIn(name, "snapshot-", ".json")
		if !isSnapshot {
			var isJournal bool
			if old, isJournal = serialIn(name, "journal-", ".jsonl"); !isJournal {
				continue
			}
		}
		if old+uint64(l.options.Keep) < serial {
			if err := l.disk.Remove(l.path(historyDir, name)); err != nil {
				return err
			}
		}
	}
	if err := l.disk.SyncDir(l.path(historyDir)); err != nil {
		return err
	}
	return l.disk.SyncDir(l.dir)
}

// keptSerials are the serials of the snapshots in history, newest first.
func (l *Local) keptSerials() ([]uint64, error) {
	names, err := l.disk.List(l.path(historyDir))
	if err != nil {
		return nil, err
	}
	var serials []uint64
	for _, name := range names {
		if serial, ok := serialIn(name, "snapshot-", ".json"); ok {
			serials = append(serials, serial)
		}
	}
	slices.Sort(serials)
	slices.Reverse(serials)
	return serials, nil
}

// History lists the snapshots in history that can be read, newest first.
func (l *Local) History(ctx context.Context) ([]Version, error) {
	serials, err := l.keptSerials()
	if err != nil {
		return nil, fmt.Errorf("list history of %s: %w", l.Describe(), err)
	}
	var versions []Version
	for _, serial := range serials {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		path := l.path(historyDir, keptName(serial))
		data, err := l.disk.ReadFile(path, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list history of %s: %w", l.Describe(), err)
		}
		snap, err := DecodeSnapshot(path, data)
		if err != nil {
			return nil, err
		}
		versions = append(versions, Version{Serial: snap.Serial, Head: snap.Head, Written: snap.Written, Where: path})
	}
	return versions, nil
}

// ReadAt reads a snapshot from history.
func (l *Local) ReadAt(ctx context.Context, serial uint64) (*State, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := l.path(historyDir, keptName(serial))
	data, err := l.disk.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read serial %d: %w", serial, err)
	}
	return openSnapshot(path, data)
}

// withFix adds to an error what to do about it in this folder.
func (l *Local) withFix(err error) error {
	var damaged *DamagedError
	var fork *ForkError
	switch {
	case errors.As(err, &damaged) && damaged.Where == l.path(snapshotFile):
		damaged.Fix = l.restoreFix()
	case errors.As(err, &damaged):
		file := quote(damaged.Where)
		damaged.Fix = fmt.Sprintf("The %d records before that line are good. To go on with those, and then look with refresh for what was done after them:\n  mv %s %s.damaged && head -n %d %s.damaged > %s",
			damaged.Line-1, file, file, damaged.Line-1, file, file)
	case errors.As(err, &fork):
		file := quote(fork.Where)
		fork.Fix = fmt.Sprintf("Two writers went on from the same state, or a file was put back without the other. Put back the one that belongs to it; or, to go on without the journal and then look with refresh for what it recorded:\n  mv %s %s.fork", file, file)
	}
	return err
}

// restoreFix says how to make the snapshot again from history.
func (l *Local) restoreFix() string {
	serials, err := l.keptSerials()
	if err != nil || len(serials) == 0 {
		return "There is no earlier snapshot in history. Put the file back from a backup."
	}
	serial := serials[0]
	fix := fmt.Sprintf("To put back serial %d", serial)
	var command strings.Builder
	// All journals since that snapshot continue each other. One that is in its
	// place may have more records than the copy in history.
	for next := serial; ; next++ {
		if _, err := l.disk.Identity(l.path(journalName(next))); err == nil {
			continue
		}
		journal := l.path(historyDir, journalName(next))
		if _, err := l.disk.Identity(journal); err != nil {
			break
		}
		fmt.Fprintf(&command, "cp %s %s && ", quote(journal), quote(l.path(journalName(next))))
	}
	if command.Len() > 0 {
		fix += " and what was recorded after it, so that nothing is lost"
	}
	fmt.Fprintf(&command, "cp %s %s", quote(l.path(historyDir, keptName(serial))), quote(l.path(snapshotFile)))
	return fix + ":\n  " + command.String()
}

// quote makes a path one word of a shell.
func quote(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:", r)
	}) < 0
	if plain && path != "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
