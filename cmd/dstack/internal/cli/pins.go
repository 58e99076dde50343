package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/providers/launch"
)

// pins is the lock file of the folder, for the providers from outside that may run here.
type pins struct{ lock *lockfile.Lock }

func readPins() (*pins, error) {
	l, err := lockfile.Read(".")
	return &pins{l}, failedWith(err, "Lock file cannot be read")
}

// verify is asked before a program from outside is run.
func (p *pins) verify(path, sum string) error {
	name := strings.TrimPrefix(filepath.Base(path), "dstack-provider-")
	sums := p.lock.Providers[name]
	if slices.Contains(sums, sum) {
		return nil
	}
	unpinned := &launch.UnpinnedError{Name: name, Path: path, SHA256: sum}
	if len(sums) > 0 {
		return fmt.Errorf("%w, and %s pins another one for it: the program was changed or updated. If that was meant, pin it with:\n  dstack init", unpinned, lockfile.Name)
	}
	return fmt.Errorf("%w. If you trust it, pin it with:\n  dstack init", unpinned)
}

// add pins one more program.
func (p *pins) add(name, sum string) {
	p.lock.Providers[name] = append(p.lock.Providers[name], sum)
}

func (p *pins) write() error { return p.lock.Write(".") }
