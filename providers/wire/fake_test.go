package wire_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// fake is a provider of volumes whose calls do what the test says.
type fake struct {
	describe func() providers.Description
	open     func(providers.BackendConfig) error
	volumes  fakeVolumes
	backend  func(fakeBackend) providers.Backend // adds abilities

	mu     sync.Mutex
	closed int
}

func (f *fake) Describe(context.Context) (providers.Description, error) {
	if f.describe != nil {
		return f.describe(), nil
	}
	return providers.Description{Name: "fake", Version: "1.2.3", Protocol: providers.Protocol, Kinds: []string{"volume"}}, nil
}

func (f *fake) Open(_ context.Context, config providers.BackendConfig) (providers.Backend, error) {
	if f.open != nil {
		if err := f.open(config); err != nil {
			return nil, err
		}
	}
	b := fakeBackend{fake: f, config: config}
	if f.backend != nil {
		return f.backend(b), nil
	}
	return b, nil
}

type fakeBackend struct {
	fake   *fake
	config providers.BackendConfig
}

func (b fakeBackend) Identity() string                               { return "account of " + b.config.Name }
func (b fakeBackend) Instances() providers.Resource[schema.Instance] { return nil }
func (b fakeBackend) Volumes() providers.Resource[schema.Volume]     { return b.fake.volumes }
func (b fakeBackend) Gateways() providers.Resource[schema.Gateway]   { return nil }
func (b fakeBackend) Jobs() providers.Resource[schema.Job]           { return nil }
func (b fakeBackend) Supports() providers.Resource[schema.Support]   { return nil }
func (b fakeBackend) Close() error {
	b.fake.mu.Lock()
	defer b.fake.mu.Unlock()
	b.fake.closed++
	return nil
}

type (
	volume  = providers.Object[schema.Volume]
	opV     = providers.Op[schema.Volume]
	reportV = providers.Report[schema.Volume]
)

type fakeVolumes struct {
	plan   func([]providers.Change) ([]providers.Planned, error)
	create func(context.Context, opV, reportV) (volume, error)
	update func(context.Context, volume, opV, reportV) (volume, error)
	remove func(context.Context, volume, opV, reportV) error
	read   func(context.Context, []volume, func(int, providers.Observed[schema.Volume])) error
	find   func([]string) ([]providers.Found[schema.Volume], error)
}

func (f fakeVolumes) Plan(_ context.Context, changes []providers.Change) ([]providers.Planned, error) {
	if f.plan != nil {
		return f.plan(changes)
	}
	out := make([]providers.Planned, len(changes))
	for i, c := range changes {
		out[i].Value = c.Want
	}
	return out, nil
}

func (f fakeVolumes) Create(ctx context.Context, op opV, report reportV) (volume, error) {
	if f.create != nil {
		return f.create(ctx, op, report)
	}
	return volume{ID: "vol-" + op.Key, Value: op.Planned}, nil
}

func (f fakeVolumes) Update(ctx context.Context, prior volume, op opV, report reportV) (volume, error) {
	if f.update != nil {
		return f.update(ctx, prior, op, report)
	}
	return volume{ID: prior.ID, Value: op.Planned, Private: prior.Private}, nil
}

func (f fakeVolumes) Delete(ctx context.Context, prior volume, op opV, report reportV) error {
	if f.remove != nil {
		return f.remove(ctx, prior, op, report)
	}
	return nil
}

func (f fakeVolumes) Read(ctx context.Context, recorded []volume, yield func(int, providers.Observed[schema.Volume])) error {
	if f.read != nil {
		return f.read(ctx, recorded, yield)
	}
	for i, v := range recorded {
		yield(i, providers.Observed[schema.Volume]{Presence: providers.Present, Object: v})
	}
	return nil
}

func (f fakeVolumes) Find(_ context.Context, keys []string) ([]providers.Found[schema.Volume], error) {
	if f.find != nil {
		return f.find(keys)
	}
	return nil, nil
}

func (f fakeVolumes) List(_ context.Context, lineage string) ([]providers.Found[schema.Volume], error) {
	return f.Find(context.Background(), []string{lineage})
}

// volumeValue is a volume in core's form with these attributes, the rest null.
func volumeValue(attrs map[string]cty.Value) cty.Value {
	all := map[string]cty.Value{}
	for name, ty := range schema.Of[schema.Volume]().Type().AttributeTypes() {
		all[name] = cty.NullVal(ty)
	}
	for name, v := range attrs {
		if _, ok := all[name]; !ok {
			panic(fmt.Sprintf("volumes have no %s", name))
		}
		all[name] = v
	}
	return cty.ObjectVal(all)
}
