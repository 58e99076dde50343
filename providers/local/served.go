package local

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
)

// server is a client of the process that serves an object's folder and outlives us: the agent of an instance, or a gateway.
// I is what the process says of itself.
type server[I any] interface {
	Info(context.Context) (I, error)
	Close()
}

// serve makes the folder of an object and returns when what serves it answers. start starts that and fills in what it says.
func (s shelf[T]) serve(ctx context.Context, op providers.Op[T], report providers.Report[T], phase string, v T, start func(id string, v *T) error) (providers.Object[T], error) {
	h, t, err := s.make(ctx, op, v, false)
	if err != nil {
		return providers.Object[T]{}, failed(err)
	}
	defer h.release()
	made := object(t.ID, v, private{}, true)
	if err := told(report, phase, &made); err != nil {
		return made, err
	}
	if err := start(t.ID, &v); err != nil {
		return made, err
	}
	if !t.Ready {
		t.Ready = true
		if err := s.write(t, v); err != nil {
			return made, failed(err)
		}
	}
	return object(t.ID, v, private{}, false), nil
}

// reachServer returns a client of what serves an object's folder, and what it says. If it was killed it is started again, by
// start, while the folder is held. It is an fs.ErrNotExist if there is no such object.
func reachServer[T any, S server[I], I any](ctx context.Context, s shelf[T], id string, at func(dir string) S, start func(context.Context, tags) (S, I, error)) (S, I, error) {
	var nobody S
	var nothing I
	if _, err := s.tagged(id); err != nil {
		return nobody, nothing, err
	}
	c := at(s.dir(id))
	info, err := asked(ctx, c.Info)
	if err == nil {
		return c, info, nil
	}
	c.Close()
	if !errors.Is(err, client.ErrNotRunning) {
		return nobody, nothing, host.Error(err)
	}
	// Held, so that nobody deletes the folder below a process that is just starting.
	h, err := s.hold(ctx, id)
	if err != nil {
		return nobody, nothing, err
	}
	defer h.release()
	t, err := s.tagged(id)
	if err != nil {
		return nobody, nothing, err
	}
	return start(ctx, t)
}

// asked asks an agent or a gateway, and once more if it died while it was asked.
func asked[T any](ctx context.Context, info func(context.Context) (T, error)) (T, error) {
	said, err := info(ctx)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) {
		return info(ctx)
	}
	return said, err
}
