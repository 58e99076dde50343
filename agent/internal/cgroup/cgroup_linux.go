package cgroup

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// period is the time over which a CPU quota is counted, in microseconds: the kernel's default.
const period = 100_000

// Probe returns the version in which limits can be set here, or None. It makes a group and removes it.
func Probe() string {
	g, err := Create("dstack-probe-"+strings.ToLower(rand.Text()[:8]), Limits{CPU: 1, Memory: 1 << 30})
	if err != nil {
		return None
	}
	defer g.Remove()
	switch {
	case !g.Limited:
		return None
	case len(g.Paths) == 1:
		return V2
	}
	return V1
}

// Create makes the group name below the group of this process. Where limits cannot be kept the group has Limited false; where
// no group can be made at all it is the zero value. An error means that the limits can be kept here but these cannot.
func Create(name string, limits Limits) (Group, error) {
	mounts, err := readMounts()
	if err != nil {
		return Group{}, nil
	}
	if g, ok, err := mounts.createV2(name, limits, true); ok {
		return g, err
	}
	if g, ok, err := mounts.createV1(name, limits); ok {
		return g, err
	}
	g, _, _ := mounts.createV2(name, Limits{}, false)
	return g, nil
}

// Add moves a process with its threads into the group.
func (g Group) Add(pid int) error {
	for _, path := range g.Paths {
		if err := write(filepath.Join(path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("move process %d into its control group: %w", pid, err)
		}
	}
	return nil
}

// Processes returns the numbers of the processes in the group and the groups below it, without zombies.
func (g Group) Processes() []int {
	if len(g.Paths) == 0 {
		return nil
	}
	var pids []int
	filepath.WalkDir(g.Paths[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return nil
		}
		for _, f := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// OOMKills returns how many processes the kernel killed because the group was at its memory limit.
func (g Group) OOMKills() int {
	for _, path := range g.Paths {
		for _, name := range []string{"memory.events", "memory.oom_control"} {
			data, err := os.ReadFile(filepath.Join(path, name))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(data)) {
				if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
					n, _ := strconv.Atoi(f[1])
					return n
				}
			}
		}
	}
	return 0
}

// Remove removes the group, whose processes are gone. The kernel needs a moment to forget them, which Remove waits for.
func (g Group) Remove() error {
	var errs []error
	for _, path := range g.Paths {
		var below []string
		filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				below = append(below, p)
			}
			return nil
		})
		slices.Reverse(below)
		for _, dir := range below {
			errs = append(errs, removeDir(dir))
		}
	}
	return errors.Join(errs...)
}

func removeDir(dir string) error {
	var err error
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		err = unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(wait)
	}
	return fmt.Errorf("remove control group %s: %w", dir, err)
}

// mounts is where the hierarchies are mounted, as folders of this process's own group in each.
type mounts struct {
	v1 map[string]string // by controller
	v2 string
	// v2Root is the top of version 2's hierarchy, as far as it is seen from here.
	v2Root string
}

func readMounts() (mounts, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return mounts{}, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return mounts{}, err
	}
	return parseMounts(string(info), string(own)), nil
}

// parseMounts reads proc_pid_mountinfo(5) and the list of cgroups(7) of a process.
func parseMounts(info, own string) mounts {
	paths := make(map[string]string) // controller -> group of this process; "" is version 2
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			paths[c] = f[2]
		}
	}
	m := mounts{v1: make(map[string]string)}
	for line := range strings.Lines(info) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		root, point := f[3], f[4]
		// A container sees its hierarchy from its own group on: that part of the path is not below the mount.
		at := func(path string) string {
			if rel, ok := strings.CutPrefix(path, root); ok && root != "/" {
				return filepath.Join(point, rel)
			}
			return filepath.Join(point, path)
		}
		switch g[0] {
		case "cgroup2":
			m.v2, m.v2Root = at(paths[""]), point
		case "cgroup":
			for c := range strings.SplitSeq(g[2], ",") {
				if path, ok := paths[c]; ok && c != "" {
					m.v1[c] = at(path)
				}
			}
		}
	}
	return m
}

// createV2 makes a group of version 2; ok is false when that cannot be had, with limits if they are wanted.
func (m mounts) createV2(name string, limits Limits, limited bool) (g Group, ok bool, err error) {
	if m.v2 == "" {
		return Group{}, false, nil
	}
	for _, parent := range slices.Compact([]string{m.v2, m.v2Root}) {
		if limited {
			// The kernel refuses this in a group that has processes, as the agent's own often does; the top of the
			// hierarchy is exempt. Where it was done before, the answer does not matter.
			write(filepath.Join(parent, "cgroup.subtree_control"), "+cpu +memory")
		}
		path := filepath.Join(parent, name)
		if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			continue
		}
		g := Group{Paths: []string{path}, Limited: exists(filepath.Join(path, "cpu.max")) && exists(filepath.Join(path, "memory.max"))}
		if limited && !g.Limited {
			g.Remove()
			continue
		}
		var errs []error
		if limits.CPU > 0 {
			errs = append(errs, write(filepath.Join(path, "cpu.max"), fmt.Sprintf("%d %d", quota(limits.CPU), period)))
		}
		if limits.Memory > 0 {
			errs = append(errs, write(filepath.Join(path, "memory.max"), strconv.FormatInt(limits.Memory, 10)))
			// Without swap the limit is of all that the job has; a kernel without swap accounting lacks the file.
			write(filepath.Join(path, "memory.swap.max"), "0")
		}
		return finish(g, errs)
	}
	return Group{}, false, nil
}

// createV1 makes groups of version 1; ok is false when none of its controllers is there.
func (m mounts) createV1(name string, limits Limits) (g Group, ok bool, err error) {
	for _, c := range []string{"pids", "freezer"} {
		if path, made := m.makeV1(c, name); made {
			g.Paths = append(g.Paths, path)
			break
		}
	}
	if len(g.Paths) == 0 {
		return Group{}, false, nil
	}
	cpu, okCPU := m.makeV1("cpu", name)
	memory, okMemory := m.makeV1("memory", name)
	if okCPU {
		g.Paths = append(g.Paths, cpu)
	}
	if okMemory && memory != cpu {
		g.Paths = append(g.Paths, memory)
	}
	if g.Limited = okCPU && okMemory; !g.Limited {
		return g, true, nil
	}
	var errs []error
	if limits.CPU > 0 {
		errs = append(errs,
			write(filepath.Join(cpu, "cpu.cfs_period_us"), strconv.Itoa(period)),
			write(filepath.Join(cpu, "cpu.cfs_quota_us"), strconv.FormatInt(quota(limits.CPU), 10)))
	}
	if limits.Memory > 0 {
		errs = append(errs, write(filepath.Join(memory, "memory.limit_in_bytes"), strconv.FormatInt(limits.Memory, 10)))
		write(filepath.Join(memory, "memory.memsw.limit_in_bytes"), strconv.FormatInt(limits.Memory, 10))
	}
	return finish(g, errs)
}

func (m mounts) makeV1(controller, name string) (path string, ok bool) {
	parent, ok := m.v1[controller]
	if !ok {
		return "", false
	}
	path = filepath.Join(parent, name)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", false
	}
	return path, true
}

func finish(g Group, errs []error) (Group, bool, error) {
	if err := errors.Join(errs...); err != nil {
		g.Remove()
		return Group{}, true, fmt.Errorf("set limits: %w", err)
	}
	return g, true, nil
}

// quota is the kernel's form of a number of cores; it takes no less than a millisecond.
func quota(cpu float64) int64 { return max(int64(cpu*period), 1000) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.TrimSpace([]byte(value)))
	return errors.Join(err, f.Close())
}
