package launch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/wire"
)

// maxRestarts is how often a provider that ended by itself is started again.
const maxRestarts = 3

// ErrClosed is what a launcher answers after Close.
var ErrClosed = errors.New("the providers have been ended")

// handle is a provider by name: its program, its description, and the process that runs now.
type handle struct {
	launcher *Launcher
	name     string
	client   providers.Provider

	lock        chan struct{} // of what follows; a channel, so that who waits for a slow start can give up
	program     *program
	description *providers.Description
	process     *wire.Process
	crashes     int
}

func newHandle(l *Launcher, name string) *handle {
	h := &handle{launcher: l, name: name, lock: make(chan struct{}, 1)}
	h.client = wire.NewClient(h.connect)
	return h
}

// acquire locks the handle until the context or the launcher ends.
func (h *handle) acquire(ctx context.Context) error {
	select {
	case h.lock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-h.launcher.closing.Done():
		return ErrClosed
	}
	if h.launcher.closing.Err() != nil {
		h.unlock()
		return ErrClosed
	}
	return nil
}

func (h *handle) unlock() { <-h.lock }

// connect returns the connection to the process that runs, after starting one if there is none.
func (h *handle) connect(ctx context.Context) (*wire.Conn, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer h.unlock()
	if h.process != nil {
		crash := h.process.Err()
		if crash == nil {
			return h.process.Conn(), nil
		}
		if h.crashes == maxRestarts {
			return nil, providers.Errorf(providers.Internal, "provider %q has ended %d times and is not started again; the last time: %w", h.name, h.crashes+1, crash)
		}
		h.crashes++
		_ = h.process.Close() // what is left of it: a socket
		h.process = nil
	}
	if err := h.start(ctx); err != nil {
		return nil, err
	}
	return h.process.Conn(), nil
}

// start starts the program with the environment that its description asks for. An unknown program describes itself first,
// and is started a second time only if it asks for more than it has.
func (h *handle) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.launcher.closing, cancel)()
	if err := h.admit(); err != nil {
		return err
	}
	h.known()
	if h.description != nil {
		process, err := h.run(ctx, h.description.Environment)
		h.process = process
		return err
	}
	process, err := h.run(ctx, nil)
	if err != nil {
		return err
	}
	d, err := wire.NewClient(func(context.Context) (*wire.Conn, error) { return process.Conn(), nil }).Describe(ctx)
	if err == nil {
		err = h.check(d)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("ask provider %q what it is: %w", h.name, err), process.Close())
	}
	h.description = &d
	h.launcher.cache.keep(h.program.sum, d)
	if _, more := h.environment(d.Environment); more {
		if err := process.Close(); err != nil {
			return err
		}
		if process, err = h.run(ctx, d.Environment); err != nil {
			return err
		}
	}
	h.process = process
	return nil
}

// admit looks for the program once: a provider that is started again is the one that was started first.
func (h *handle) admit() error {
	if h.program != nil {
		return nil
	}
	p, err := h.launcher.admit(h.name)
	if err != nil {
		return err
	}
	h.program = p
	return nil
}

// known takes the description from the cache.
func (h *handle) known() {
	if h.description != nil {
		return
	}
	if d, ok := h.launcher.cache.description(h.program.sum); ok && h.check(d) == nil {
		h.description = &d
	}
}

// check refuses a description that cannot be right.
func (h *handle) check(d providers.Description) error {
	if d.Name != h.name {
		return providers.Errorf(providers.Invalid, "%s says that it is provider %q; a program is called %s and its name", h.program.path, d.Name, prefix)
	}
	if d.Protocol != providers.Protocol {
		return providers.Errorf(providers.Invalid, "%s, version %s, speaks protocol %d; this dstack speaks %d; install versions that belong together",
			h.program.path, d.Version, d.Protocol, providers.Protocol)
	}
	return nil
}

func (h *handle) environment(asked []string) ([]string, bool) {
	return environment(h.launcher.options.Environ, h.launcher.options.Home, asked)
}

func (h *handle) run(ctx context.Context, asked []string) (*wire.Process, error) {
	env, _ := h.environment(asked)
	log := h.launcher.options.Log
	if log != nil {
		log = log.With("provider", h.name)
	}
	return wire.Start(ctx, wire.Program{Name: h.name, Path: h.program.run, Argv0: h.program.path, Env: env, Log: log})
}

func (h *handle) describe(ctx context.Context) (providers.Description, error) {
	if err := h.acquire(ctx); err != nil {
		return providers.Description{}, err
	}
	err := h.admit()
	if err == nil {
		h.known()
	}
	d := h.description
	h.unlock()
	if err != nil {
		return providers.Description{}, err
	}
	if d != nil {
		return *d, nil
	}
	if _, err := h.connect(ctx); err != nil {
		return providers.Description{}, err
	}
	if err := h.acquire(ctx); err != nil {
		return providers.Description{}, err
	}
	defer h.unlock()
	return *h.description, nil
}

// close ends the process. It waits for whoever holds the handle; starts are canceled by now.
func (h *handle) close() error {
	h.lock <- struct{}{}
	defer h.unlock()
	var errs []error
	if h.process != nil {
		errs = append(errs, h.process.Close())
	}
	if h.program != nil {
		errs = append(errs, h.program.release())
		h.program = nil
	}
	return errors.Join(errs...)
}

// launched is a provider that runs, or is started again when it is called.
type launched struct {
	providers.Provider
	handle *handle
}

// Describe needs no call: the answer is known since the start.
func (p launched) Describe(ctx context.Context) (providers.Description, error) {
	return p.handle.describe(ctx)
}

// Probe is the optional providers.Prober; it returns errors.ErrUnsupported for a provider that is none.
func (p launched) Probe(ctx context.Context, w io.Writer) error {
	prober, ok := p.Provider.(providers.Prober)
	if !ok {
		return errors.ErrUnsupported
	}
	return prober.Probe(ctx, w)
}
