package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/blobs"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/process"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
)

// Options of Serve.
type Options struct {
	// Dir is the folder of the instance; it is made if it is missing.
	Dir string
	// Blocks is how many host blocks the machine is divided into; 0 and 1 mean that it is lent whole.
	Blocks int
	// DockerHost is where the Docker Engine listens, as in DOCKER_HOST; empty means where it does by default.
	DockerHost string
	Logger     *slog.Logger
	// Owner is whose instance this is, for those who ask; nil if nobody has said.
	Owner *api.Owner
	// Login, if it is there, may use the agent, too.
	Login *Login
	// Started, if it is there, is called when the folder is held, before anybody is answered.
	Started func() error
	// Now is the clock; time.Now unless given.
	Now func() time.Time
}

// server is the agent of one instance.
type server struct {
	dir     string
	program string
	base    []string
	docker  docker.Runtime
	log     *slog.Logger
	facts   api.Facts
	started time.Time
	owner   *api.Owner
	now     func() time.Time
	quit    context.CancelFunc

	// watching ends when the agent does; jobs go on.
	watching context.Context
	watchers sync.WaitGroup
	visitors sync.WaitGroup // those who are inside of jobs
	access   access

	mu      sync.Mutex
	jobs    map[string]*job
	locks   *locks
	blobs   *blobs.Store
	closing bool
}

// Serve runs the agent of the instance in a folder until ctx is done or it is asked to end. Jobs outlive it. It is an error
// if another agent serves the folder.
func Serve(ctx context.Context, o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	if strings.ContainsAny(dir, "\n\x00") {
		return fmt.Errorf("folder %q has a line end in its name", dir)
	}
	unix.Umask(0o077)
	if err := os.MkdirAll(filepath.Join(dir, "jobs"), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	lock, err := disk.TryLock(filepath.Join(dir, "agent.lock"))
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("another agent serves %s already: %w", dir, err)
	}
	if err != nil {
		return err
	}
	defer lock.Close()

	if o.Started != nil {
		if err := o.Started(); err != nil {
			return err
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	facts, err := ReadFacts(ctx, dir, program, o.DockerHost)
	if err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	s := &server{
		dir: dir, program: program, docker: docker.Runtime{Host: o.DockerHost}, base: process.BaseEnv(os.Environ()), log: o.Logger, facts: facts, started: o.Now().UTC(), owner: o.Owner, now: o.Now,
		quit: quit, watching: watching, jobs: make(map[string]*job), locks: newLocks(o.Blocks, facts.GPUs),
		blobs: blobs.New(blobsPath(dir)),
	}
	defer s.watchers.Wait()
	defer stopWatching()
	if err := s.access.recall(dir); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	s.sweep()
	listener, err := sock.Listen(dir, api.AgentSocket)
	if err != nil {
		return fmt.Errorf("listen in %s: %w", dir, err)
	}
	// Requests that wait for a job end with the agent.
	web := &http.Server{Handler: s.handler(ctx), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	served := make(chan error, 2)
	if o.Login != nil {
		theirs, err := o.Login.listen()
		if err != nil {
			listener.Close()
			return err
		}
		go func() { served <- web.Serve(theirs) }()
	}
	go func() { served <- web.Serve(listener) }()
	s.log.Info("serving", "dir", dir, "pid", os.Getpid(), "version", facts.AgentVersion)
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", dir, err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := web.Shutdown(ending); err != nil {
		web.Close()
	}
	s.visitors.Wait()
	s.log.Info("ended", "dir", dir)
	return nil
}
