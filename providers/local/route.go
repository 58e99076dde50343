package local

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
)

// drain is how long requests may go on when their route is taken away.
const drain = 5 * time.Second

// What a route's Config and labels hold.
const (
	configService = "service"
	configModel   = "model"
	configPrefix  = "model_prefix"
	configStrip   = "strip_prefix"
	labelValue    = "value"
)

// putRoute leads a service's requests to its replica; was says where the route is if it exists.
func (r supports) putRoute(ctx context.Context, id string, op providers.Op[schema.Support], was private) (providers.Object[schema.Support], error) {
	var none providers.Object[schema.Support]
	at, _, ok := providers.NeedOf[schema.Gateway](op.Needs, addr.KindGateway)
	if was.Gateway == "" && (!ok || !isID(at.ID)) {
		return none, providers.Errorf(providers.Invalid, "%s: a route needs a gateway of this machine", op.Address)
	}
	if was.Gateway == "" {
		was.Gateway = at.ID
	}
	g, info, err := r.reachGateway(ctx, was.Gateway)
	if isGone(err) {
		return none, gone("gateway", was.Gateway)
	}
	if err != nil {
		return none, err
	}
	defer g.Close()
	routes, err := g.Routes(ctx)
	if err != nil {
		return none, host.Error(err)
	}
	target := ""
	if i := indexOf(routes, id); i >= 0 {
		target = routes[i].Target
	}
	if job, address, ok := providers.NeedOf[schema.Job](op.Needs, addr.KindJob); ok {
		if target, err = targetOf(job.Value, address); err != nil {
			return none, err
		}
	}
	v := finishRoute(id, op.Planned, info, target)
	text, err := schema.MarshalValue(schema.Encode(v))
	if err != nil {
		return none, err
	}
	labels := map[string]string{labelLineage: op.Lineage, labelAddress: op.Address, labelKey: op.Key, labelValue: string(text)}
	if i := indexOf(routes, id); i >= 0 {
		labels[labelKey] = routes[i].Labels[labelKey] // of its create
	}
	var model *api.Model
	if name := op.Planned.Config[configModel]; name != "" {
		model = &api.Model{Name: name, Prefix: op.Planned.Config[configPrefix]}
	}
	prefix := ""
	if op.Planned.Config[configStrip] != "false" {
		prefix = api.ServicePath + op.Planned.Config[configService]
	}
	err = g.PutRoute(ctx, api.Route{ID: id, Model: model, StripPrefix: prefix, Service: op.Planned.Config[configService], Target: target, Owner: op.Lineage, Auth: v.Auth, TokenDigests: v.Tokens, Labels: labels}, drain)
	if err != nil {
		return none, host.Error(err)
	}
	return object(id, v, private{Gateway: was.Gateway}, false), nil
}

// targetOf is where a replica answers.
func targetOf(job schema.Job, address string) (string, error) {
	if job.Host != loopback && !isBridged(job.Host) {
		return "", providers.Errorf(providers.Invalid, "%s runs on %q, and a gateway of this machine reaches replicas on this machine only; give the service a gateway of another backend",
			address, job.Host)
	}
	if job.Port.Container() == 0 {
		return "", providers.Errorf(providers.Invalid, "%s answers on no port, so no route can lead to it", address)
	}
	return net.JoinHostPort(job.Host, strconv.Itoa(job.Port.Container())), nil
}

// finishRoute fills in what the provider says.
func finishRoute(id string, v schema.Support, info api.GatewayInfo, target string) schema.Support {
	v.ID, v.Status = id, ready
	v.Data = map[string]string{"url": fmt.Sprintf("http://%s.%s:%d", v.Config[configService], info.Domain, info.Port), "target": target}
	return v
}

func indexOf(routes []api.Route, id string) int {
	return slices.IndexFunc(routes, func(r api.Route) bool { return r.ID == id })
}

func (r supports) removeRoute(ctx context.Context, id string, p private) error {
	g, _, err := r.reachGateway(ctx, p.Gateway)
	if err != nil {
		return err
	}
	defer g.Close()
	_, err = g.DeleteRoute(ctx, id, drain)
	return host.Error(err)
}

// routesOf lists the routes of a gateway.
func (b *backend) routesOf(ctx context.Context, gateway string) ([]api.Route, api.GatewayInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, b.ask)
	defer cancel()
	g, info, err := b.reachGateway(ctx, gateway)
	if err != nil {
		return nil, info, err
	}
	defer g.Close()
	routes, err := g.Routes(ctx)
	return routes, info, host.Error(err)
}

func (r supports) seeRoutes(ctx context.Context, gateway string, recorded []providers.Object[schema.Support], at []int) []providers.Observed[schema.Support] {
	routes, info, err := r.routesOf(ctx, gateway)
	switch {
	case isGone(err):
		return all(len(at), providers.Observed[schema.Support]{Presence: providers.Gone})
	case err != nil:
		return all(len(at), unknown[schema.Support](failed(err)))
	}
	byID := make(map[string]api.Route, len(routes))
	for _, route := range routes {
		byID[route.ID] = route
	}
	out := make([]providers.Observed[schema.Support], len(at))
	for n, i := range at {
		o := recorded[i]
		route, ok := byID[o.ID]
		if !ok {
			out[n].Presence = providers.Gone
			continue
		}
		v := finishRoute(o.ID, o.Value, info, route.Target)
		v.Auth = route.Auth
		if !slices.Equal(v.Tokens, route.TokenDigests) {
			v.Tokens = route.TokenDigests
		}
		out[n] = providers.Observed[schema.Support]{Presence: providers.Present, Object: object(o.ID, v, private{Gateway: gateway}, false)}
	}
	return out
}

// pickRoutes looks through all gateways.
func (r supports) pickRoutes(ctx context.Context, pick func(lineage, key string) bool) ([]providers.Found[schema.Support], error) {
	ids, err := r.gateways.ids()
	if err != nil {
		return nil, err
	}
	var out []providers.Found[schema.Support]
	for _, id := range ids {
		routes, _, err := r.routesOf(ctx, id)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, route := range routes {
			if !pick(route.Labels[labelLineage], route.Labels[labelKey]) {
				continue
			}
			v, err := shelf[schema.Support]{kind: addr.KindSupport}.value(tags{ID: route.ID, Value: []byte(route.Labels[labelValue])})
			if err != nil {
				return nil, err
			}
			out = append(out, providers.Found[schema.Support]{Key: route.Labels[labelKey], Address: route.Labels[labelAddress], Complete: true,
				Object: object(route.ID, v, private{Gateway: id}, false)})
		}
	}
	return out, nil
}

// isBridged tells whether an address is one of a container behind a bridge of this machine.
func isBridged(address string) bool {
	ip := net.ParseIP(address)
	bridges, err := net.Interfaces()
	if ip == nil || err != nil {
		return false
	}
	for _, b := range bridges {
		if _, err := os.Stat(filepath.Join("/sys/class/net", b.Name, "bridge")); err != nil {
			continue
		}
		addrs, _ := b.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.Contains(ip) {
				return true
			}
		}
	}
	return false
}
