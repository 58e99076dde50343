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

// Files that an agent and a gateway hold locked in their folders for as long as they live.
const (
	agentLock   = "agent.lock"
	gatewayLock = "gateway.lock"
)

// WaitGone returns when no agent serves the folder any more, however it ended. It is only for a client that New made.
func (c *Client) WaitGone(ctx context.Context) error {
	if c.dir == "" {
		return fmt.Errorf("%s: its end cannot be seen from here", c.name)
	}
	return waitFree(ctx, filepath.Join(c.dir, agentLock))
}

// WaitGone returns when no gateway serves the folder any more, however it ended.
func (g *Gateway) WaitGone(ctx context.Context) error {
	return waitFree(ctx, filepath.Join(g.dir, gatewayLock))
}

// waitFree waits until nobody holds the lock.
func waitFree(ctx context.Context, path string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if free, err := isFree(path); free || err != nil {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// isFree tells whether nobody holds the lock.
func isFree(path string) (bool, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	lock, err := disk.TryLock(path)
	if errors.Is(err, disk.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, lock.Close()
}

// pause waits for a while, or until ctx is done, which is an error.
func pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
