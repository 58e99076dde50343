package rootfs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Prepare makes the sources of mounts that ask for it and returns the mounts that take part, parents before what is mounted
// within them. Optional mounts without a source are left out; any other missing source is an error.
func Prepare(mounts []api.Mount) ([]api.Mount, error) {
	var taking []api.Mount
	for _, m := range mounts {
		_, err := os.Stat(m.Source)
		if errors.Is(err, fs.ErrNotExist) && m.Create {
			err = makeSource(m.Source)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && m.Optional:
			continue
		case err != nil:
			return nil, fmt.Errorf("mount at %s: %w", m.Path, err)
		}
		taking = append(taking, m)
	}
	slices.SortStableFunc(taking, func(a, b api.Mount) int {
		return cmp.Compare(strings.Count(a.Path, "/"), strings.Count(b.Path, "/"))
	})
	return taking, nil
}

// makeSource makes a folder that any user may write to, below parents that the owner alone changes. Modes are set after the
// making, since the agent's mask would take them away.
func makeSource(path string) error {
	var missing []string
	for p := path; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		missing = append(missing, p)
	}
	slices.Reverse(missing)
	for i, p := range missing {
		mode := fs.FileMode(0o755)
		if i == len(missing)-1 {
			mode = 0o777
		}
		if err := os.Mkdir(p, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Chmod(p, mode); err != nil {
			return err
		}
	}
	return nil
}

// Link makes the mounts as symbolic links below root.
func Link(root string, mounts []api.Mount) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, m := range mounts {
		if m.ReadOnly {
			return fmt.Errorf("mount at %s: it cannot be read-only, because mounts are links on this machine", m.Path)
		}
		link := filepath.Join(root, m.Path)
		for p := filepath.Dir(link); p != root; p = filepath.Dir(p) {
			if info, err := os.Lstat(p); err == nil && info.Mode()&fs.ModeSymlink != 0 {
				return fmt.Errorf("mount at %s: it lies within another mount, which links cannot do; mounts are links on this machine", m.Path)
			}
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("mount at %s: %w", m.Path, err)
		}
		if err := os.Symlink(m.Source, link); err != nil {
			return fmt.Errorf("mount at %s: %w", m.Path, err)
		}
	}
	return nil
}
