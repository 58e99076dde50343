package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
)

// probeWait bounds how long it may take to try whether a root can be built.
const probeWait = 10 * time.Second

// TryMounts tries whether a job's root can be built in a mode, with a mount of each sort.
func TryMounts(ctx context.Context, program, mode string) error {
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
