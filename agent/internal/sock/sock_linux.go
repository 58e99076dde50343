package sock

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

func listenLong(path string) (net.Listener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	l, err := listenAt(through(dir, path))
	if err != nil {
		dir.Close()
		return nil, err
	}
	// The listener removes its socket by the address that it was given, so the folder stays open as long.
	return &closing{l, func() { dir.Close() }}, nil
}

func dialLong(ctx context.Context, path string) (net.Conn, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dialAt(ctx, through(dir, path))
}

func through(dir *os.File, path string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
}
