package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/pid1"
	"github.com/dstackai/dstack-planner/agent/internal/rootfs"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

const (
	// askWait bounds a question to Docker that costs it next to nothing.
	askWait = 20 * time.Second
	// makeWait bounds what Docker makes, starts and removes: a disk under load takes its time for a large image.
	makeWait = 2 * time.Minute
	// pullWait bounds the pull of an image.
	pullWait = 20 * time.Minute
	// killWait bounds how long a container is waited for that was killed.
	killWait = 20 * time.Second
)

// Folders and files of the machine.
const (
	pipesDir   = "pipes" // in the folder of a job
	infiniband = "/dev/infiniband"
)

// Runtime runs jobs as containers.
type Runtime struct {
	// Host is where the Docker Engine listens, as in DOCKER_HOST; empty means where it does by default.
	Host string
	// Waits are bounds that tests make shorter; zero values mean those of this package.
	Waits Waits
}

// Waits bound how long Docker is waited for.
type Waits struct {
	Ask, Make, Pull, Kill time.Duration
}

func (w Waits) orDefault() Waits {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	or(&w.Ask, askWait)
	or(&w.Make, makeWait)
	or(&w.Pull, pullWait)
	or(&w.Kill, killWait)
	return w
}

// engine is a connection to Docker, with the bounds of what it is asked.
type engine struct {
	*client.Client
	host  string
	waits Waits
}

// open makes a connection; whether somebody answers is seen later. Only sockets of this machine will do, since a container sees
// folders of it.
func (r Runtime) open() (*engine, error) {
	host := r.Host
	if host == "" {
		host = client.DefaultDockerHost
	}
	if !strings.HasPrefix(host, "unix://") {
		return nil, fmt.Errorf("DOCKER_HOST is %s; containers of jobs see folders of this machine, so Docker must be reached by a unix:// socket of it", host)
	}
	c, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, fmt.Errorf("reach Docker at %s: %w", host, err)
	}
	return &engine{c, host, r.Waits.orDefault()}, nil
}

// Probe returns the version of the Docker Engine, or why there is none to be used, with what helps.
func (r Runtime) Probe(ctx context.Context) (string, error) {
	e, err := r.open()
	if err != nil {
		return "", err
	}
	defer e.Close()
	var v client.ServerVersionResult
	err = e.ask(ctx, "its version", func(ctx context.Context) (err error) {
		v, err = e.ServerVersion(ctx, client.ServerVersionOptions{})
		return err
	})
	if err == nil && v.Os != "linux" {
		err = fmt.Errorf("the Docker Engine at %s runs containers of %s, and jobs are of Linux", e.host, v.Os)
	}
	return v.Version, err
}

// ask asks Docker something that costs it little.
func (e *engine) ask(ctx context.Context, what string, f func(ctx context.Context) error) error {
	return e.call(ctx, e.waits.Ask, "asked for "+what, f)
}

// do lets Docker do something.
func (e *engine) do(ctx context.Context, what string, f func(ctx context.Context) error) error {
	return e.call(ctx, e.waits.Make, "told to "+what, f)
}

// call bounds a question, and says in words what its error means.
func (e *engine) call(ctx context.Context, wait time.Duration, what string, f func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := f(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("the Docker Engine at %s did not answer within %s when %s; see whether it is well: docker ps, journalctl -u docker", e.host, wait, what)
	}
	return e.explain(err)
}

// Start pulls the job's image, makes its container and returns when the job's program runs.
func (r Runtime) Start(ctx context.Context, t runtime.Task, h runtime.Host) (_ runtime.Attempt, err error) {
	e, err := r.open()
	if err != nil {
		return nil, &runtime.StartError{Reason: api.ReasonExecutorError, Message: err.Error()}
	}
	a := &attempt{engine: e, task: t, host: h, done: make(chan struct{})}
	defer func() {
		if err == nil {
			return
		}
		// What cannot be removed now is found by its labels later.
		if exit := a.End(); len(exit.Notes) > 0 {
			err = fmt.Errorf("%w; %s", err, strings.Join(exit.Notes, "; "))
		}
	}()
	if t.Spec.Mounts, err = rootfs.Prepare(t.Spec.Mounts); err != nil {
		return nil, &runtime.StartError{Reason: api.ReasonExecutorError, Message: err.Error()}
	}
	image, err := e.image(ctx, t, h)
	if err == nil {
		err = a.make(ctx, t)
	}
	if err != nil {
		return nil, &runtime.StartError{Reason: api.ReasonCreatingContainer, Message: err.Error()}
	}
	a.imageDir = image.dir
	argv := t.Spec.Argv
	if len(argv) == 0 {
		argv = image.argv
	}
	if len(argv) == 0 {
		return nil, &runtime.StartError{Reason: api.ReasonCreatingContainer,
			Message: fmt.Sprintf("image %s says nothing that could be run, and neither does the job: write commands or an entrypoint", t.Spec.Container.Image)}
	}
	if err := a.start(ctx, pid1.Task{Argv: argv, Env: jobEnv(t)}); err != nil {
		return nil, err
	}
	return a, nil
}

// Remove removes every container of the job in a folder.
func (r Runtime) Remove(ctx context.Context, dir string, left runtime.Handle) (runtime.Handle, error) {
	e, err := r.open()
	if err != nil {
		return left, err
	}
	defer e.Close()
	if err := e.removeAll(ctx, dir); err != nil {
		return left, err
	}
	left.Container = ""
	return left, os.RemoveAll(filepath.Join(dir, pipesDir))
}

// removeAll removes every container that the job in a folder has.
func (e *engine) removeAll(ctx context.Context, dir string) error {
	var list client.ContainerListResult
	err := e.ask(ctx, "the job's containers", func(ctx context.Context) (err error) {
		list, err = e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", LabelDir+"="+dir)})
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list.Items {
		errs = append(errs, e.remove(ctx, c.ID))
	}
	return errors.Join(errs...)
}

// remove kills and removes a container with its own volumes. Removing what is gone, or going, succeeds.
func (e *engine) remove(ctx context.Context, id string) error {
	err := e.do(ctx, "remove container "+short(id), func(ctx context.Context) error {
		_, err := e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
	if errdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), "is already in progress") {
		return nil
	}
	return err
}

func short(id string) string { return id[:min(12, len(id))] }
