package apply

import (
	"context"
	"sync"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// needsSeen notes what providers are given.
type needsSeen struct {
	mu    sync.Mutex
	needs map[string][]string
	keys  map[string][]string
	hook  func(op, address string) error
}

func (n *needsSeen) of(address string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.needs[address]
}

func (n *needsSeen) note(op, address, key string, needs []providers.Need) error {
	n.mu.Lock()
	if n.needs == nil {
		n.needs, n.keys = map[string][]string{}, map[string][]string{}
	}
	n.needs[address] = nil
	for _, need := range needs {
		n.needs[address] = append(n.needs[address], need.Address)
	}
	n.keys[address] = append(n.keys[address], key)
	hook := n.hook
	n.mu.Unlock()
	if hook != nil {
		return hook(op, address)
	}
	return nil
}

// watch puts an observer before the fake cloud.
func (l *lab) watch(n *needsSeen) {
	l.t.Helper()
	b, _, err := l.open(context.Background(), "fake")
	if err != nil {
		l.t.Fatal(err)
	}
	l.backends = map[string]providers.Backend{"fake": watched{b, n}}
}

type watched struct {
	providers.Backend
	seen *needsSeen
}

func (w watched) Instances() providers.Resource[schema.Instance] {
	return watchedResource[schema.Instance]{w.Backend.Instances(), w.seen}
}

func (w watched) Volumes() providers.Resource[schema.Volume] {
	return watchedResource[schema.Volume]{w.Backend.Volumes(), w.seen}
}

func (w watched) Jobs() providers.Resource[schema.Job] {
	return watchedResource[schema.Job]{w.Backend.Jobs(), w.seen}
}

func (w watched) Supports() providers.Resource[schema.Support] {
	return watchedResource[schema.Support]{w.Backend.Supports(), w.seen}
}

type watchedResource[T any] struct {
	providers.Resource[T]
	seen *needsSeen
}

func (w watchedResource[T]) Create(ctx context.Context, op providers.Op[T], report providers.Report[T]) (providers.Object[T], error) {
	if err := w.seen.note("create", op.Address, op.Key, op.Needs); err != nil {
		return providers.Object[T]{}, err
	}
	return w.Resource.Create(ctx, op, report)
}

func (w watchedResource[T]) Update(ctx context.Context, prior providers.Object[T], op providers.Op[T], report providers.Report[T]) (providers.Object[T], error) {
	if err := w.seen.note("update", op.Address, op.Key, op.Needs); err != nil {
		return prior, err
	}
	return w.Resource.Update(ctx, prior, op, report)
}

func (w watchedResource[T]) Delete(ctx context.Context, prior providers.Object[T], op providers.Op[T], report providers.Report[T]) error {
	if err := w.seen.note("delete", op.Address, op.Key, op.Needs); err != nil {
		return err
	}
	return w.Resource.Delete(ctx, prior, op, report)
}
