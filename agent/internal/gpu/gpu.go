package gpu

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Vendors, as api.GPU names them.
const (
	NVIDIA = "nvidia"
	AMD    = "amd"
	Intel  = "intel"
)

// Use is how busy a GPU is.
type Use struct {
	ID string
	// Memory and MemoryTotal are bytes; both are 0 where the tool does not know them.
	Memory, MemoryTotal int64
	// Percent is the share of time in which it worked, -1 where the tool does not know it.
	Percent int
}

// Tools are the vendors' programs. The zero value works.
type Tools struct {
	// Sys is where sysfs is mounted; empty means /sys.
	Sys string
	// Wait bounds how long a tool may take, since one with a broken driver hangs; 0 means 20 seconds.
	Wait time.Duration
}

// List returns the machine's GPUs in the order of their driver. They are all of one vendor; a second one is an error. With an
// error come the GPUs that could be listed.
func (t Tools) List(ctx context.Context) ([]api.GPU, error) {
	var found []api.GPU
	var errs []error
	for _, v := range t.vendors() {
		gpus, err := v.list(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(gpus) > 0 && len(found) > 0 {
			errs = append(errs, fmt.Errorf("this machine has GPUs of %s and of %s; only those of %s are used", found[0].Vendor, v.name, found[0].Vendor))
			continue
		}
		found = append(found, gpus...)
	}
	return found, errors.Join(errs...)
}

// Use returns how busy GPUs are, which are those that List has found.
func (t Tools) Use(ctx context.Context, gpus []api.GPU) ([]Use, error) {
	for _, v := range t.vendors() {
		if len(gpus) > 0 && v.name == gpus[0].Vendor {
			return v.use(ctx, gpus)
		}
	}
	return nil, nil
}

// vendor is one that makes GPUs. A machine without its tool has none of them.
type vendor struct {
	name string
	list func(context.Context) ([]api.GPU, error)
	use  func(context.Context, []api.GPU) ([]Use, error)
}

func (t Tools) vendors() []vendor {
	return []vendor{{NVIDIA, t.listNVIDIA, t.useNVIDIA}, {AMD, t.listAMD, t.useAMD}, {Intel, t.listIntel, t.useIntel}}
}

// run runs a tool; found is false if it is not there.
func (t Tools) run(ctx context.Context, name string, args ...string) (out []byte, found bool, err error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, false, nil
	}
	wait := t.Wait
	if wait == 0 {
		wait = 20 * time.Second
	}
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	cmd := exec.CommandContext(bounded, path, args...)
	cmd.WaitDelay = time.Second
	out, err = cmd.Output()
	switch {
	case ctx.Err() != nil:
		return nil, true, ctx.Err()
	case bounded.Err() != nil:
		return nil, true, fmt.Errorf("%s did not answer within %s; its driver may hang", name, wait)
	case err != nil:
		said := strings.TrimSpace(string(out))
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && said == "" {
			said = strings.TrimSpace(string(exit.Stderr))
		}
		if said != "" {
			return nil, true, fmt.Errorf("%s: %w: %s", name, err, said)
		}
		return nil, true, fmt.Errorf("%s: %w", name, err)
	}
	return out, true, nil
}
