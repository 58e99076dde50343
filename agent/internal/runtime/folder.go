package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Own is the job's own folder on the machine, where its code is: it is made by the time an attempt starts, and belongs to
// the job's user. A relative working directory starts there.
func (t Task) Own() string { return filepath.Join(t.Dir, "work") }

// MakeOwn makes the job's own folder, unless it is there.
func (t Task) MakeOwn() error {
	if err := os.Mkdir(t.Own(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the job's own folder: %w", err)
	}
	if t.Spec.Container != nil {
		// Who writes there is known in the container only; nobody else gets to it.
		return os.Chmod(t.Own(), 0o777)
	}
	return Chown(t.Own(), t.Spec.User)
}

// Chown gives something to the user of a job; nobody is whoever has it already.
func Chown(path string, u *api.User) error {
	if u == nil {
		return nil
	}
	return os.Lchown(path, int(u.UID), int(u.GID))
}
