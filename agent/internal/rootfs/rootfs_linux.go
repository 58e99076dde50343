package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Modes are the ways other than links in which mounts may work here, the best first.
func Modes() []string {
	if os.Geteuid() == 0 {
		return []string{api.MountsNamespace, api.MountsUserNamespace}
	}
	return []string{api.MountsUserNamespace}
}

// Configure lets a new process start in namespaces of its own, as the mode says. In a user namespace it keeps its user, and
// has the right to mount until Drop.
func Configure(mode string, attr *syscall.SysProcAttr) {
	switch mode {
	case api.MountsNamespace:
		attr.Cloneflags |= unix.CLONE_NEWNS
	case api.MountsUserNamespace:
		attr.Cloneflags |= unix.CLONE_NEWNS | unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
}

// Drop takes back the right to mount from what this thread executes next.
func Drop() error {
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}

// Enter builds a root with the mounts at the empty folder at and makes it the root of this process, which must be in a mount
// namespace of its own. shm is the size of a /dev/shm of the job's own, or 0.
func Enter(at string, mounts []api.Mount, shm int64) error {
	// What the machine mounts later is still seen here; what is mounted here is never seen there.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("detach mounts from the machine's: %w", err)
	}
	b := &builder{root: at, kinds: map[string]kind{"/": inMemory}}
	if err := b.memory("/"); err != nil {
		return err
	}
	if err := b.bindEntries("/"); err != nil {
		return err
	}
	for _, m := range mounts {
		if err := b.mount(m); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Source, m.Path, err)
		}
	}
	if shm > 0 {
		if err := unix.Mount("shm", b.at("/dev/shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("mode=1777,size=%d", shm)); err != nil {
			return fmt.Errorf("mount /dev/shm: %w", err)
		}
	}
	return pivot(at)
}

// Join makes the root and the mounts of another process those of this thread, which goes on to execute a program.
func Join(pid int) error {
	path := fmt.Sprintf("/proc/%d/ns/mnt", pid)
	theirs, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("find the mounts of process %d: %w", pid, err)
	}
	if ours, err := os.Readlink("/proc/thread-self/ns/mnt"); err == nil && ours == theirs {
		return nil
	}
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("find the mounts of process %d: %w", pid, err)
	}
	defer ns.Close()
	// A thread that shares its working directory with others may not change its mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leave the working directory of the other threads: %w", err)
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mounts of the job, which only an agent of root can: %w", err)
	}
	return nil
}

// pivot makes the folder at the root. Both roots are mounted at the same place for a moment, so that no folder is needed to
// put the old one in.
func pivot(at string) error {
	if err := unix.Chdir(at); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave old root: %w", err)
	}
	return unix.Chdir("/")
}

// kind says whose a folder of the new root is.
type kind int

const (
	fromMachine kind = iota // bound from the machine: nothing may be made in it
	inMemory                // gone with the job
	fromMount               // a mount of the job
)

// builder knows what was put where in the new root. Paths are those that the job sees.
type builder struct {
	root  string
	kinds map[string]kind
}

func (b *builder) at(path string) string { return filepath.Join(b.root, path) }

// memory mounts a file system in memory over a folder. It is marked so that it is left out when a folder that it lies in is
// bound into it with all that is mounted there.
func (b *builder) memory(path string) error {
	err := unix.Mount("dstack", b.at(path), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
	if err == nil {
		err = unix.Mount("", b.at(path), "", unix.MS_UNBINDABLE, "")
	}
	if err != nil {
		return fmt.Errorf("mount memory at %s: %w", path, err)
	}
	b.kinds[path] = inMemory
	return nil
}

// bindEntries binds every entry of a folder of the machine to the same path of the new root.
func (b *builder) bindEntries(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		err := b.bindEntry(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since it was listed
		}
		if err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
	}
	return nil
}

func (b *builder) bindEntry(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(to, b.at(path))
	}
	if err := b.makePoint(b.at(path), info.IsDir()); err != nil {
		return err
	}
	b.kinds[path] = fromMachine
	return unix.Mount(path, b.at(path), "", unix.MS_BIND|unix.MS_REC, "")
}

func (b *builder) makePoint(at string, dir bool) error {
	if dir {
		return os.MkdirAll(at, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// mount binds one mount of the job.
func (b *builder) mount(m api.Mount) error {
	source, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	have, missing, err := b.resolve(m.Path)
	if err != nil {
		return err
	}
	path := filepath.Join(have, missing)
	if path == "/" {
		return errors.New("the root cannot be a mount point")
	}
	if missing != "" {
		if b.kindOf(have) == fromMachine {
			if err := b.memory(have); err != nil {
				return err
			}
			if err := b.bindEntries(have); err != nil {
				return err
			}
		}
		if err := b.makePoint(b.at(path), source.IsDir()); err != nil {
			return err
		}
	}
	point, err := os.Stat(b.at(path))
	if err != nil {
		return err
	}
	if point.IsDir() != source.IsDir() {
		return errors.New("one is a folder and the other is not")
	}
	if err := unix.Mount(m.Source, b.at(path), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	b.kinds[path] = fromMount
	if !m.ReadOnly {
		return nil
	}
	return readOnly(b.at(path))
}

// kindOf says whose the folder path is: as the nearest thing that was put above it.
func (b *builder) kindOf(path string) kind {
	for {
		if k, ok := b.kinds[path]; ok {
			return k
		}
		path = filepath.Dir(path)
	}
}

// resolve follows path in the new root, its symbolic links included, as far as it exists there.
func (b *builder) resolve(path string) (have, missing string, err error) {
	have = "/"
	rest := split(path)
	for links := 0; len(rest) > 0; {
		next := filepath.Join(have, rest[0])
		info, err := os.Lstat(b.at(next))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = filepath.Join(rest...)
			if strings.HasPrefix(missing, "..") {
				return "", "", errors.New("a link leads nowhere")
			}
			return have, missing, nil
		case err != nil:
			return "", "", err
		case info.Mode()&fs.ModeSymlink == 0:
			if !info.IsDir() && len(rest) > 1 {
				return "", "", fmt.Errorf("%s is not a folder", next)
			}
			have, rest = next, rest[1:]
			continue
		}
		if links++; links > 40 {
			return "", "", errors.New("too many links")
		}
		to, err := os.Readlink(b.at(next))
		if err != nil {
			return "", "", err
		}
		if filepath.IsAbs(to) {
			have = "/"
		}
		rest = append(split(to), rest[1:]...)
	}
	return have, "", nil
}

// split returns the elements of a path; ".." stays, since what it means depends on the links before it.
func split(path string) []string {
	var elements []string
	for e := range strings.SplitSeq(path, "/") {
		if e != "" && e != "." {
			elements = append(elements, e)
		}
	}
	return elements
}

// readOnly makes a bind mount read-only. The other flags must be said again: a user namespace may not drop them.
func readOnly(at string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
	for flag, ms := range map[int64]uintptr{
		unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC,
		unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME,
	} {
		if int64(st.Flags)&flag != 0 {
			flags |= ms
		}
	}
	if err := unix.Mount("", at, "", flags, ""); err != nil {
		return fmt.Errorf("make it read-only: %w", err)
	}
	return nil
}
