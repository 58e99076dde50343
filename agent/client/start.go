package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// StartOptions says what to start and where.
type StartOptions struct {
	// Program is a dstack-agent.
	Program string
	// Dir is the folder of the instance or the gateway; it is made if it is missing.
	Dir string
	// Env is the environment of the process; nil means that of the caller. Jobs see only a few names of it.
	Env []string
}

// logName is where what a started process says is kept, in its folder.
const logName = "agent.log"

// startWait bounds how long a start may take when the context does not.
const startWait = 30 * time.Second

// StartAgent starts the agent of an instance that is divided into a number of host blocks, if none serves the folder, and
// returns when it answers. The agent outlives the caller.
func StartAgent(ctx context.Context, o StartOptions, blocks int) (*Client, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	o.Dir = dir
	c := New(o.Dir)
	answers := func(ctx context.Context) error { _, err := c.Info(ctx); return err }
	return c, start(ctx, o, agentLock, answers, "serve", "--dir", o.Dir, "--blocks", strconv.Itoa(max(blocks, 1)))
}

// StartGateway starts the local gateway in a folder, if none serves it, and returns when it answers. Port 0 and an empty
// domain mean those of its last run. The gateway outlives the caller.
func StartGateway(ctx context.Context, o StartOptions, port int, domain string) (*Gateway, api.GatewayInfo, error) {
	var info api.GatewayInfo
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, info, fmt.Errorf("start gateway: %w", err)
	}
	o.Dir = dir
	g := NewGateway(o.Dir)
	answers := func(ctx context.Context) (err error) { info, err = g.Info(ctx); return err }
	args := []string{"gateway", "--dir", o.Dir, "--port", strconv.Itoa(port)}
	if domain != "" {
		args = append(args, "--domain", domain)
	}
	err = start(ctx, o, gatewayLock, answers, args...)
	return g, info, err
}

// start starts a process, unless one answers, and returns when one does. lock is the file that the process holds for as long as
// it lives.
func start(ctx context.Context, o StartOptions, lock string, answers func(context.Context) error, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := answers(ctx); err == nil || !errors.Is(err, ErrNotRunning) && !died(err) {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	path := filepath.Join(o.Dir, logName)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	defer out.Close()
	before, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	cmd := exec.Command(o.Program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = o.Dir, o.Env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	// Waited for as long as this process lives, so that one that ends is no zombie; nothing else depends on it.
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			_ = cmd.Process.Kill() // nobody waits for it any more, and its folder may be gone before it looks for it
			<-ended
			return fmt.Errorf("start %s: it does not answer: %w%s", args[0], err, said(path, before))
		}
		select {
		case <-ended:
			// Another one may have been faster, and hold the folder before it answers.
			free, err := isFree(filepath.Join(o.Dir, lock))
			if err != nil {
				return fmt.Errorf("start %s: %w", args[0], err)
			}
			if answers(ctx) == nil {
				return nil
			}
			if free && cmd.ProcessState.ExitCode() == api.ExitTaken {
				return start(ctx, o, lock, answers, args...) // who held the folder was just ending
			}
			if free {
				return fmt.Errorf("start %s: it ended: %s%s", args[0], cmd.ProcessState, said(path, before))
			}
			_ = pause(ctx, wait) // the end of ctx is said above
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// died tells whether an error is that of a connection whose other end was killed while it was open.
func died(err error) bool {
	for _, end := range []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// said returns what a process wrote to its log since it was started, as the end of an error.
func said(path string, from int64) string {
	data, err := os.ReadFile(path)
	if err != nil || int64(len(data)) <= from {
		return ""
	}
	text := strings.TrimSpace(string(data[from:]))
	return ": " + strings.ToValidUTF8(text[max(0, len(text)-2000):], "")
}
