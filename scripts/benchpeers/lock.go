package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps a second run of this program away from the folder of the programs, because both would measure each other. It
// is a lock of the folder itself, so that it leaves nothing behind, and the kernel frees it with the process.
func lock(bin string) (release func(), err error) {
	f, err := os.Open(bin)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the programs, which BIN names: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another run of benchpeers measures the programs in %s; wait for its end", bin)
		}
		return nil, fmt.Errorf("lock %s: %w", bin, err)
	}
	return func() { _ = f.Close() }, nil
}
