package rootfs

import (
	"errors"
	"syscall"

	"github.com/dstackai/dstack-planner/agent/api"
)

// Modes are the ways other than links in which mounts may work here, the best first.
func Modes() []string { return nil }

// Configure does nothing: there are no namespaces.
func Configure(string, *syscall.SysProcAttr) {}

// Enter fails: there are no namespaces.
func Enter(string, []api.Mount, int64) error {
	return errors.New("this system has no mount namespaces")
}

// Drop does nothing.
func Drop() error { return nil }

// Join does nothing: all processes of macOS have the same mounts.
func Join(int) error { return nil }
