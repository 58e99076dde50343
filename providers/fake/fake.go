package fake

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// ConsistencyDelay is what the provider states: how long Find and List may miss what was just made.
const ConsistencyDelay = 20 * time.Millisecond

// Version of the provider.
const Version = "1.0.0"

// Options are for programs that have the provider in themselves. The zero value works.
type Options struct {
	// World is what backends without the setting world use; one that ends with the provider unless given. The provider
	// does not close it.
	World *World
	// Getenv looks up environment variables; os.Getenv unless given.
	Getenv func(string) string
	// Exit ends the process for a crash; os.Exit unless given. It must not return.
	Exit func(code int)
}

// Provider is a cloud that exists only in a World.
type Provider struct {
	options Options
}

// New makes a provider.
func New(options Options) *Provider {
	if options.World == nil {
		options.World = Memory()
	}
	if options.Getenv == nil {
		options.Getenv = os.Getenv
	}
	if options.Exit == nil {
		options.Exit = os.Exit
	}
	return &Provider{options}
}

// World is what backends without the setting world use.
func (p *Provider) World() *World { return p.options.World }

// Describe says what the provider is.
func (p *Provider) Describe(context.Context) (providers.Description, error) {
	return providers.Description{
		Name: "fake", Version: Version, Protocol: providers.Protocol, Settings: settingsSchema(), Kinds: addr.Kinds(),
		Capabilities: providers.Capabilities{
			MultiNode: true, Spot: true, Blocks: true, PlacementGroups: true, Reservations: true, Privileged: true,
			InstanceMounts: true, ForceDetach: true, Processes: true, Containers: true, Code: true, ConsistencyDelay: ConsistencyDelay,
			Imports: map[string]string{
				addr.KindInstance: "the id of an instance of the account", addr.KindVolume: "the id of a volume of the account", addr.KindGateway: "the id of a gateway of the account",
			},
		},
		Environment: []string{WorldEnv, FaultsEnv, TokenEnv},
	}, nil
}

// Open makes a handle for one configured use.
func (p *Provider) Open(ctx context.Context, config providers.BackendConfig) (providers.Backend, error) {
	settings, err := readSettings(config, p.options.Getenv)
	if err != nil {
		return nil, err
	}
	b := &backend{
		name: config.Name, settings: settings, script: newScript(settings.Faults, settings.Seed),
		world: p.options.World, exit: p.options.Exit, regions: config.Regions,
	}
	if b.regions == nil {
		b.regions = settings.Catalogue.regions()
	}
	if settings.World != "" {
		w, err := Open(settings.World)
		if err != nil {
			return nil, providers.Errorf(providers.Invalid, "the world of backend %s cannot be opened: %w", config.Name, err)
		}
		b.world, b.close = w, sync.OnceValue(w.Close)
	}
	if err := b.ask(ctx, call{op: "open"}); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// backend is an open handle.
type backend struct {
	name     string
	settings Settings
	script   script
	regions  []string
	world    *World
	close    func() error // of a world of its own
	exit     func(int)
	reads    atomic.Int64 // that are under way
}

func (b *backend) Identity() string { return b.settings.Account }

func (b *backend) Instances() providers.Resource[schema.Instance] {
	return resource[schema.Instance]{b, instanceKind{b}}
}

func (b *backend) Volumes() providers.Resource[schema.Volume] {
	return resource[schema.Volume]{b, volumeKind{b}}
}

func (b *backend) Gateways() providers.Resource[schema.Gateway] {
	return resource[schema.Gateway]{b, gatewayKind{b}}
}

func (b *backend) Jobs() providers.Resource[schema.Job] {
	return resource[schema.Job]{b, jobKind{b}}
}

func (b *backend) Supports() providers.Resource[schema.Support] {
	return resource[schema.Support]{b, supportKind{b}}
}

func (b *backend) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

// get returns the object of that kind and id if this account has one.
func (b *backend) get(c *contents, kind, id string) *Object {
	o := c.objects[id]
	if o == nil || o.Kind != kind || o.Account != b.settings.Account {
		return nil
	}
	return o
}

// visible tells whether Find and List show an object by now.
func (b *backend) visible(o *Object) bool {
	delay := time.Duration(b.settings.ConsistencyDelay)
	return delay == 0 || time.Since(o.Made) >= delay
}

// latency waits for a part of the latency that a call has.
func (b *backend) latency(ctx context.Context, parts time.Duration) error {
	return sleep(ctx, time.Duration(b.settings.Latency)/parts)
}

func (b *backend) hasLatency() bool { return b.settings.Latency > 0 }

func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return providers.Errorf(providers.Transient, "the call was given up: %w", err)
	}
	return nil
}
