package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
)

// ownDomain is the domain of a gateway that was given none: every name below it leads to this machine.
const ownDomain = "localhost"

// domainPattern is what a domain looks like.
const domainPattern = `^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`

type gateways struct{ *backend }

// Plan promises the address and not the port, which is found when the gateway starts.
func (r gateways) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	return answer(changes, r.plan), ctx.Err()
}

func (r gateways) plan(_ providers.Change, want schema.Gateway, p *providers.Planned) {
	if p.Err = r.check(want); p.Err != nil {
		return
	}
	p.Promise(map[string]cty.Value{
		"region": cty.StringVal(Region), "hostname": cty.StringVal(loopback), "ip_address": cty.StringVal(loopback), "price": cty.NumberIntVal(0),
	})
}

func (r gateways) check(v schema.Gateway) *providers.Error {
	if err := r.checkPlace(v.Region, ""); err != nil {
		return err
	}
	if v.Certificate != nil && v.Certificate.Type == "acm" {
		return providers.Errorf(providers.Invalid, "a gateway on backend %s speaks plain HTTP to this machine alone, so it takes no certificate of AWS; leave certificate out", r.name)
	}
	if domain := cleanDomain(v.Domain); domain != "" && !regexp.MustCompile(domainPattern).MatchString(domain) {
		return providers.Errorf(providers.Invalid, "%q is no domain, such as *.models.example.com", v.Domain)
	}
	return nil
}

// Create starts a gateway and returns when it answers.
func (r gateways) Create(ctx context.Context, op providers.Op[schema.Gateway], report providers.Report[schema.Gateway]) (providers.Object[schema.Gateway], error) {
	var none providers.Object[schema.Gateway]
	if err := begin(ctx, op); err != nil {
		return none, err
	}
	if err := r.check(op.Planned); err != nil {
		return none, err
	}
	if err := r.checkAgent(); err != nil {
		return none, err
	}
	v := finishGateway(idOf(op.Key), op.Planned)
	return r.gateways.serve(ctx, op, report, "starting the gateway", v, func(id string, v *schema.Gateway) error {
		g, info, err := r.startGateway(ctx, id, v.Domain)
		if err != nil {
			return err
		}
		defer g.Close()
		showGateway(v, info)
		return nil
	})
}

// finishGateway fills in what the provider says.
func finishGateway(id string, v schema.Gateway) schema.Gateway {
	v.ID, v.Hostname, v.IPAddress, v.Price = id, loopback, loopback, ptr(0.0)
	if v.Region == "" {
		v.Region = Region
	}
	return v
}

// showGateway fills in what the gateway says.
func showGateway(v *schema.Gateway, info api.GatewayInfo) {
	v.Port, v.URL, v.Status = info.Port, fmt.Sprintf("http://%s:%d", loopback, info.Port), "running"
	want := cleanDomain(v.Domain)
	if want == "" {
		want = ownDomain
	}
	if info.Domain != want {
		v.Domain = "*." + info.Domain
	}
}

// startGateway starts a gateway if it does not run. The folder is held. An empty domain keeps that of its last run.
func (b *backend) startGateway(ctx context.Context, id, domain string) (*client.Gateway, api.GatewayInfo, error) {
	if err := b.checkAgent(); err != nil {
		return nil, api.GatewayInfo{}, err
	}
	o := client.StartOptions{Program: b.agent, Dir: b.gateways.dir(id), Env: environment(os.Environ())}
	g, info, err := client.StartGateway(ctx, o, 0, domain)
	if err != nil {
		return nil, info, providers.Errorf(providers.Transient, "gateway %s does not start: %w", id, err)
	}
	return g, info, nil
}

// reachGateway returns a client of a gateway, which is started again on its port if it was killed. It is an fs.ErrNotExist if
// there is none.
func (b *backend) reachGateway(ctx context.Context, id string) (*client.Gateway, api.GatewayInfo, error) {
	return reachServer(ctx, b.gateways, id, client.NewGateway, func(ctx context.Context, _ tags) (*client.Gateway, api.GatewayInfo, error) {
		return b.startGateway(ctx, id, "")
	})
}

// Update changes the domain while the gateway runs; the rest is written down.
func (r gateways) Update(ctx context.Context, prior providers.Object[schema.Gateway], op providers.Op[schema.Gateway], _ providers.Report[schema.Gateway]) (providers.Object[schema.Gateway], error) {
	if err := ctx.Err(); err != nil {
		return prior, err
	}
	if _, err := known(prior); err != nil {
		return prior, err
	}
	if err := r.check(op.Planned); err != nil {
		return prior, err
	}
	g, info, err := r.reachGateway(ctx, prior.ID)
	if isGone(err) {
		return prior, gone("gateway", prior.ID)
	}
	if err != nil {
		return prior, failed(err)
	}
	defer g.Close()
	domain := op.Planned.Domain
	if domain == "" {
		domain = ownDomain
	}
	if cleanDomain(domain) != info.Domain {
		if info, err = g.Configure(ctx, api.GatewayConfig{Domain: domain}); err != nil {
			return prior, host.Error(err)
		}
	}
	v := finishGateway(prior.ID, op.Planned)
	showGateway(&v, info)
	if err := r.gateways.change(ctx, prior.ID, v, nil); err != nil {
		return prior, err
	}
	return object(prior.ID, v, private{}, prior.Tainted), nil
}

// Delete ends the gateway and removes its folder.
func (r gateways) Delete(ctx context.Context, prior providers.Object[schema.Gateway], _ providers.Op[schema.Gateway], _ providers.Report[schema.Gateway]) error {
	return r.gateways.delete(ctx, prior, func() error {
		g := client.NewGateway(r.gateways.dir(prior.ID))
		defer g.Close()
		if err := g.Shutdown(ctx); err != nil && !errors.Is(err, client.ErrNotRunning) {
			return host.Error(err)
		}
		return host.Error(g.WaitGone(ctx))
	})
}

// Read asks every gateway; one that was killed is started again.
func (r gateways) Read(ctx context.Context, recorded []providers.Object[schema.Gateway], yield func(int, providers.Observed[schema.Gateway])) error {
	return eachAlone(ctx, recorded, r.see, yield)
}

func (r gateways) see(ctx context.Context, o providers.Object[schema.Gateway]) providers.Observed[schema.Gateway] {
	if _, err := known(o); err != nil {
		return unknown[schema.Gateway](err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.ask)
	defer cancel()
	g, info, err := r.reachGateway(ctx, o.ID)
	if isGone(err) {
		return providers.Observed[schema.Gateway]{Presence: providers.Gone}
	}
	if err != nil {
		return unknown[schema.Gateway](failed(err))
	}
	defer g.Close()
	t, err := r.gateways.tagged(o.ID)
	if err != nil {
		return unknown[schema.Gateway](failed(err))
	}
	v := finishGateway(o.ID, o.Value)
	showGateway(&v, info)
	return providers.Observed[schema.Gateway]{Presence: providers.Present, Object: object(o.ID, v, private{}, !t.Ready)}
}

// Find looks for gateways by the keys that they were made under.
func (r gateways) Find(ctx context.Context, keys []string) ([]providers.Found[schema.Gateway], error) {
	found, err := r.gateways.find(ctx, keys, always)
	return found, failed(err)
}

// List is every gateway of a lineage.
func (r gateways) List(ctx context.Context, lineage string) ([]providers.Found[schema.Gateway], error) {
	found, err := r.gateways.list(ctx, lineage, always)
	return found, failed(err)
}
