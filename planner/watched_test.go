package planner_test

import (
	"context"
	"sync"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// reads notes the ids that a provider was asked about, and how many reads were under way at a time.
type reads struct {
	mu   sync.Mutex
	ids  []string
	open int
	most int
}

func (r *reads) begin(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = append(r.ids, ids...)
	r.open++
	r.most = max(r.most, r.open)
}

func (r *reads) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}

// watched is a provider whose reads are noted.
type watched struct {
	providers.Provider
	reads *reads
}

func (w watched) Open(ctx context.Context, config providers.BackendConfig) (providers.Backend, error) {
	b, err := w.Provider.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return watchedBackend{b, b.(providers.Offerer), w.reads}, nil
}

type watchedBackend struct {
	providers.Backend
	providers.Offerer
	reads *reads
}

func (b watchedBackend) Instances() providers.Resource[schema.Instance] {
	return watchedResource[schema.Instance]{b.Backend.Instances(), b.reads}
}

func (b watchedBackend) Volumes() providers.Resource[schema.Volume] {
	return watchedResource[schema.Volume]{b.Backend.Volumes(), b.reads}
}

func (b watchedBackend) Gateways() providers.Resource[schema.Gateway] {
	return watchedResource[schema.Gateway]{b.Backend.Gateways(), b.reads}
}

func (b watchedBackend) Jobs() providers.Resource[schema.Job] {
	return watchedResource[schema.Job]{b.Backend.Jobs(), b.reads}
}

func (b watchedBackend) Supports() providers.Resource[schema.Support] {
	return watchedResource[schema.Support]{b.Backend.Supports(), b.reads}
}

type watchedResource[T any] struct {
	providers.Resource[T]
	reads *reads
}

func (r watchedResource[T]) Read(ctx context.Context, recorded []providers.Object[T], yield func(int, providers.Observed[T])) error {
	var ids []string
	for _, o := range recorded {
		ids = append(ids, o.ID)
	}
	r.reads.begin(ids)
	defer r.reads.end()
	return r.Resource.Read(ctx, recorded, yield)
}
