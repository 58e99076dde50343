package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/cgroup"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
	"github.com/dstackai/dstack-planner/internal/version"
)

// probeWait bounds how long it may take to try whether a root can be built.
const probeWait = 10 * time.Second

// ReadFacts returns what is true of this machine. The disk is that of dir, or of the nearest folder above it that is there.
// program is a dstack-agent, which is run to try what works here; without one mounts are said to be links.
func ReadFacts(ctx context.Context, dir, program string) (api.Facts, error) {
	f := api.Facts{
		AgentVersion: version.String(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Runtimes: []string{api.RuntimeProcess}, Addresses: []string{}, GPUs: []api.GPU{},
		Mounts: api.MountsLinks, Cgroup: cgroup.Probe(),
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return f, fmt.Errorf("ask for the kernel's version: %w", err)
	}
	f.Kernel = unix.ByteSliceToString(uts.Release[:])
	var err error
	if f.Hostname, err = os.Hostname(); err != nil {
		return f, fmt.Errorf("ask for the host's name: %w", err)
	}
	if f.MemoryBytes, err = memoryBytes(); err != nil {
		return f, fmt.Errorf("ask for the memory's size: %w", err)
	}
	if f.DiskBytes, f.DiskFreeBytes, err = diskSpace(dir); err != nil {
		return f, err
	}
	if f.Addresses, err = addresses(); err != nil {
		return f, err
	}
	gpus, err := readGPUs(ctx)
	if err != nil {
		f.GPUError = err.Error()
	}
	f.GPUs = append(f.GPUs, gpus...)
	if program == "" {
		return f, nil
	}
	for _, mode := range rootfs.Modes() {
		if tryMounts(ctx, program, mode) == nil {
			f.Mounts = mode
			break
		}
	}
	return f, nil
}

// diskSpace returns the size of the file system that holds a folder, and what its users may still write.
func diskSpace(dir string) (total, free int64, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("find folder: %w", err)
	}
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || parent == dir {
			return 0, 0, fmt.Errorf("ask for the disk of %s: %w", dir, err)
		}
		dir = parent
	}
}

func addresses() ([]string, error) {
	found := []string{}
	interfaces, err := net.Interfaces()
	if err != nil {
		return found, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone since it was listed
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
				found = append(found, n.String())
			}
		}
	}
	return found, nil
}

// tryMounts tries whether a job's root can be built in a mode, with a mount of each sort.
func tryMounts(ctx context.Context, program, mode string) error {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	dir, err := os.MkdirTemp("", "dstack-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := stageTask{Root: filepath.Join(dir, "root"), Check: true, Mounts: []api.Mount{
		{Source: filepath.Join(dir, "source"), Path: "/dstack-probe/data"},
		{Source: filepath.Join(dir, "source"), Path: "/dstack-probe/read-only", ReadOnly: true},
	}}
	for _, d := range []string{t.Root, t.Mounts[0].Source} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	taskR, taskW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer taskR.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		taskW.Close()
		return err
	}
	defer errR.Close()
	cmd := exec.CommandContext(ctx, program, "stage")
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{taskR, errW}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	rootfs.Configure(mode, cmd.SysProcAttr)
	err = cmd.Start()
	errW.Close()
	if err != nil {
		taskW.Close()
		return err
	}
	err = json.NewEncoder(taskW).Encode(t)
	taskW.Close()
	said, _ := io.ReadAll(errR)
	if werr := cmd.Wait(); werr != nil {
		return fmt.Errorf("%w: %s", werr, said)
	}
	return err
}
