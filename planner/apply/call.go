package apply

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/dstackai/dstack-planner/providers"
)

// guarded calls f and waits for at most limit. A call that then does not stop when it is told to is left behind: its
// context is done, and its reports are refused. A panic is an error of kind internal. left tells that f may still run.
func (e *engine) guarded(ctx context.Context, limit time.Duration, f func(context.Context) error) (err error, left bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		answer := error(providers.Errorf(providers.Internal, "the call ended without an answer"))
		defer func() {
			if p := recover(); p != nil {
				answer = providers.Errorf(providers.Internal, "the provider's code panicked: %v\n%s", p, debug.Stack())
			}
			done <- answer
		}()
		answer = f(ctx)
	}()
	over := false
	select {
	case err := <-done:
		return err, false
	case <-e.clock.After(limit):
		over = true
	case <-ctx.Done():
	}
	cancel()
	select {
	case err := <-done:
		if over && err != nil {
			err = providers.Errorf(providers.Transient, "no answer within %s: %w", limit, err)
		}
		return err, false
	case <-e.clock.After(e.policy.Grace):
	}
	if over {
		return providers.Errorf(providers.Transient, "no answer within %s, and none when it was told to stop", limit), true
	}
	return providers.Errorf(providers.Internal, "given up, because the apply was interrupted; whether it was done is not known"), true
}

// describePanic turns what was recovered in our own code into an error.
func describePanic(p any) error {
	return fmt.Errorf("a defect of dstack: panic: %v\n%s", p, debug.Stack())
}
