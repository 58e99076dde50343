package local

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/internal/version"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Region is the only region, and the only type of machine is called the same.
const Region = "local"

// loopback is the address of this machine for itself.
const loopback = "127.0.0.1"

// Options change what the provider takes for granted. The zero value works.
type Options struct {
	// Ask is how long an agent or a gateway that runs may take to answer a question; 10 s unless given.
	Ask time.Duration
	// Ready is how long a service may take to answer on its port where the setting ready_timeout does not say; 10 minutes
	// unless given.
	Ready time.Duration
}

// Provider makes this machine a backend.
type Provider struct{ options Options }

// New makes the provider.
func New(options Options) *Provider {
	if options.Ask == 0 {
		options.Ask = 10 * time.Second
	}
	if options.Ready == 0 {
		options.Ready = 10 * time.Minute
	}
	return &Provider{options}
}

// Describe says what the provider is.
func (p *Provider) Describe(context.Context) (providers.Description, error) {
	return providers.Description{
		Name: "local", Version: version.String(), Protocol: providers.Protocol, Settings: settingsSchema(), Kinds: addr.Kinds(),
		Capabilities: providers.Capabilities{
			Regions: []string{Region}, MultiNode: true, Blocks: true, InstanceMounts: true, ExistingMachines: true, SharedNetwork: true, Processes: true,
			Containers: runtime.GOOS == "linux", Privileged: runtime.GOOS == "linux", Code: true,
			Imports: importable(),
		},
		Environment: []string{dockerHost},
	}, nil
}

// Open makes a handle. It finishes removals that were cut off and makes nothing.
func (p *Provider) Open(ctx context.Context, config providers.BackendConfig) (providers.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := readSettings(config, p.options)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(config.Regions, func(r string) bool { return r != Region }); i >= 0 {
		return nil, providers.Errorf(providers.Invalid, "backend %s: there is no region %s; this machine has one region, %s", config.Name, config.Regions[i], Region)
	}
	id, err := machineID(s.root)
	if err != nil {
		return nil, providers.Errorf(providers.Internal, "this machine has no identity: %w", err)
	}
	b := &backend{
		name: config.Name, runtime: config.Runtime, root: s.root, home: config.Paths.Home, agent: config.Paths.Agent, content: content.Store(config.Paths.Content), identity: id, ask: p.options.Ask, ready: s.ready,
	}
	b.instances = shelf[schema.Instance]{root: s.root, kind: addr.KindInstance, kept: withoutEnv}
	b.volumes = shelf[schema.Volume]{root: s.root, kind: addr.KindVolume}
	b.gateways = shelf[schema.Gateway]{root: s.root, kind: addr.KindGateway}
	b.machine = sync.OnceValues(b.readMachine)
	b.mounts = sync.OnceValue(b.tryMounts)
	if err := errors.Join(b.instances.sweep(), b.volumes.sweep(), b.gateways.sweep()); err != nil {
		return nil, providers.Errorf(providers.Internal, "what an earlier delete left cannot be removed: %w", err)
	}
	return b, nil
}

// backend is an open handle.
type backend struct {
	name     string
	runtime  string // as the backend block says
	root     string
	home     string        // DSTACK_HOME
	agent    string        // the program dstack-agent
	content  content.Store // what jobs get as repo and files
	identity string
	ask      time.Duration
	ready    time.Duration

	instances shelf[schema.Instance]
	volumes   shelf[schema.Volume]
	gateways  shelf[schema.Gateway]
	machine   func() (api.Facts, error)
	mounts    func() string // how jobs see their mounts, tried once
}

func (b *backend) Identity() string { return b.identity }

func (b *backend) Instances() providers.Resource[schema.Instance] { return instances{b} }
func (b *backend) Volumes() providers.Resource[schema.Volume]     { return volumes{b} }
func (b *backend) Gateways() providers.Resource[schema.Gateway]   { return gateways{b} }
func (b *backend) Jobs() providers.Resource[schema.Job]           { return jobs{b} }
func (b *backend) Supports() providers.Resource[schema.Support]   { return supports{b} }

// Close forgets the handle; agents and gateways stay.
func (b *backend) Close() error { return nil }

// checkPlace refuses what is not on this machine.
func (b *backend) checkPlace(region, zone string) *providers.Error {
	switch {
	case region != "" && region != Region:
		return providers.Errorf(providers.Invalid, "there is no region %s on backend %s; this machine has one region, %s, which may be left out", region, b.name, Region)
	case zone != "":
		return providers.Errorf(providers.Invalid, "there is no availability zone %s on backend %s; this machine has none, so leave it out", zone, b.name)
	}
	return nil
}

// cleanDomain takes a domain with or without "*." and in any case, as a gateway does.
func cleanDomain(domain string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(domain, "*."), "."))
}
