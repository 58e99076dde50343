package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
)

// Rename writes an object's new address into its tags. A job's labels are what it was submitted with, and stay.
func (b *backend) Rename(ctx context.Context, kind string, recorded providers.Object[cty.Value], address string) error {
	p, err := known(recorded)
	if err != nil {
		return err
	}
	rename := func(t *tags) { t.Address = address }
	switch {
	case kind == addr.KindInstance:
		return b.instances.retag(ctx, recorded.ID, rename)
	case kind == addr.KindVolume:
		return b.volumes.retag(ctx, recorded.ID, rename)
	case kind == addr.KindGateway:
		return b.gateways.retag(ctx, recorded.ID, rename)
	case kind == addr.KindSupport && p.Gateway != "":
		return failed(b.renameRoute(ctx, recorded.ID, p.Gateway, address))
	case kind == addr.KindSupport:
		return failed(b.renameTie(ctx, recorded.ID, p.Volume, address))
	}
	return &providers.Error{Kind: providers.Invalid, Message: "the labels of a job do not change", Cause: errors.ErrUnsupported}
}

// retag changes the tags of an object and leaves its value as it is.
func (s shelf[T]) retag(ctx context.Context, id string, change func(*tags)) error {
	h, err := s.hold(ctx, id)
	if isGone(err) {
		return gone(s.kind, id)
	}
	if err != nil {
		return failed(err)
	}
	defer h.release()
	t, err := s.tagged(id)
	if err != nil {
		return failed(err)
	}
	change(&t)
	text, err := json.Marshal(t)
	if err != nil {
		return failed(fmt.Errorf("write tags of %s %s: %w", s.kind, id, err))
	}
	return failed(place(filepath.Join(s.dir(id), tagsFile), append(text, '\n')))
}

func (b *backend) renameTie(ctx context.Context, id, volume, address string) error {
	h, err := b.volumes.hold(ctx, volume)
	if isGone(err) {
		return gone("attachment", id)
	}
	if err != nil {
		return err
	}
	defer h.release()
	t, err := b.readTie(volume, id)
	if isGone(err) {
		return gone("attachment", id)
	}
	if err != nil {
		return err
	}
	v, err := shelf[schema.Support]{kind: addr.KindSupport}.value(t.tags)
	if err != nil {
		return err
	}
	t.Address = address
	return b.writeTie(t, v)
}

func (b *backend) renameRoute(ctx context.Context, id, gateway, address string) error {
	ctx, cancel := context.WithTimeout(ctx, b.ask)
	defer cancel()
	g, _, err := b.reachGateway(ctx, gateway)
	if isGone(err) {
		return gone("gateway", gateway)
	}
	if err != nil {
		return err
	}
	defer g.Close()
	routes, err := g.Routes(ctx)
	if err != nil {
		return host.Error(err)
	}
	i := indexOf(routes, id)
	if i < 0 {
		return gone("route", id)
	}
	if routes[i].Labels == nil {
		routes[i].Labels = map[string]string{}
	}
	routes[i].Labels[labelAddress] = address
	return host.Error(g.PutRoute(ctx, routes[i], drain))
}
