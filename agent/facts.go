package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/cgroup"
	"github.com/dstackai/dstack-planner/agent/internal/gpu"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/process"
	"github.com/dstackai/dstack-planner/internal/version"
)

// ReadFacts returns what is true of this machine. The disk is that of dir, or of the nearest folder above it that is there.
// program is a dstack-agent, which is run to try what works here; without one mounts are said to be links. dockerHost is where the
// Docker Engine listens, as in DOCKER_HOST.
func ReadFacts(ctx context.Context, dir, program, dockerHost string) (api.Facts, error) {
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
	gpus, err := gpu.Tools{}.List(ctx)
	if err != nil {
		f.GPUError = err.Error()
	}
	f.GPUs = append(f.GPUs, gpus...)
	readDocker(ctx, &f, dockerHost)
	if program == "" {
		return f, nil
	}
	for _, mode := range rootfs.Modes() {
		if process.TryMounts(ctx, program, mode) == nil {
			f.Mounts = mode
			break
		}
	}
	return f, nil
}

// dockerWait bounds how long Docker may take to say that it is there, so that one that hangs keeps nobody from planning.
const dockerWait = 5 * time.Second

// readDocker adds what is to be known of Docker. Containers are of Linux, and see the agent's own program.
func readDocker(ctx context.Context, f *api.Facts, host string) {
	if f.OS != "linux" {
		f.DockerError = "containers run on Linux only; on " + f.OS + " jobs are processes"
		return
	}
	version, err := docker.Runtime{Host: host, Waits: docker.Waits{Ask: dockerWait}}.Probe(ctx)
	if err != nil {
		f.DockerError = err.Error()
		return
	}
	f.DockerVersion = version
	f.Runtimes = append(f.Runtimes, api.RuntimeDocker)
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
