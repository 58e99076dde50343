package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dstackai/dstack-planner/agent/internal/disk"
)

// WaitGone returns when no agent serves the folder any more, however it ended. It is only for a client that New made.
func (c *Client) WaitGone(ctx context.Context) error {
	if c.dir == "" {
		return fmt.Errorf("%s: its end cannot be seen from here", c.name)
	}
	return waitFree(ctx, filepath.Join(c.dir, "agent.lock"))
}

// WaitGone returns when no gateway serves the folder any more, however it ended.
func (g *Gateway) WaitGone(ctx context.Context) error {
	return waitFree(ctx, filepath.Join(g.dir, "gateway.lock"))
}

// waitFree waits until the lock is free that a process holds for as long as it lives.
func waitFree(ctx context.Context, path string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		lock, err := disk.TryLock(path)
		if err == nil {
			return lock.Close()
		}
		if !errors.Is(err, disk.ErrLocked) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
