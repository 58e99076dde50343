package local

import (
	"context"
	"runtime"
	"sync"

	"github.com/dstackai/dstack-planner/providers"
)

// few is how many objects are not worth a second goroutine.
const few = 64

// eachAtOnce looks at n objects on all processors and yields what it saw from one goroutine at a time.
func eachAtOnce[T any](ctx context.Context, n int, see func(i int) providers.Observed[T], yield func(int, providers.Observed[T])) error {
	workers := runtime.GOMAXPROCS(0)
	if n < few {
		workers = 1
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n && ctx.Err() == nil; i += workers {
				seen := see(i)
				mu.Lock()
				yield(i, seen)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return failed(ctx.Err())
}

// together groups objects by what has to be asked about them, asks a few at a time, and yields from one goroutine at a time.
func together[T any](ctx context.Context, groups map[string][]int, ask func(ctx context.Context, group string, at []int) []providers.Observed[T],
	yield func(int, providers.Observed[T])) error {
	const atOnce = 16
	var wait sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, atOnce)
	for group, at := range groups {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			seen := ask(ctx, group, at)
			mu.Lock()
			defer mu.Unlock()
			for n, i := range at {
				yield(i, seen[n])
			}
		})
	}
	wait.Wait()
	return nil
}

// eachAlone asks what serves each object, a few at a time, and yields from one goroutine at a time.
func eachAlone[T any](ctx context.Context, recorded []providers.Object[T], see func(context.Context, providers.Object[T]) providers.Observed[T], yield func(int, providers.Observed[T])) error {
	groups := map[string][]int{} // an object that is recorded twice is asked once at a time
	for i, o := range recorded {
		groups[o.ID] = append(groups[o.ID], i)
	}
	return together(ctx, groups, func(ctx context.Context, _ string, at []int) []providers.Observed[T] {
		out := make([]providers.Observed[T], len(at))
		for n, i := range at {
			out[n] = see(ctx, recorded[i])
		}
		return out
	}, yield)
}

func unknown[T any](err error) providers.Observed[T] {
	return providers.Observed[T]{Presence: providers.Unknown, Err: err}
}

// all gives every object of a group the same answer.
func all[T any](n int, o providers.Observed[T]) []providers.Observed[T] {
	out := make([]providers.Observed[T], n)
	for i := range out {
		out[i] = o
	}
	return out
}
