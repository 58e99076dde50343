package fake

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Rename changes the address among the tags of an object.
func (b *backend) Rename(ctx context.Context, kind string, recorded providers.Object[cty.Value], address string) error {
	if err := b.ask(ctx, call{op: "rename", kind: kind, address: address}); err != nil {
		return err
	}
	return b.retag(kind, recorded.ID, func(o *Object) { o.Address = address })
}

func (b *backend) retag(kind, id string, change func(*Object)) error {
	return b.world.change(func(c *contents) (*record, error) {
		o := b.get(c, kind, id)
		if o == nil {
			return nil, providers.Errorf(providers.NotFound, "there is no %s %s any more", kind, id)
		}
		changed := *o
		change(&changed)
		if changed.Address == o.Address && changed.Lineage == o.Lineage && changed.Key == o.Key {
			return nil, nil
		}
		return &record{Put: &changed}, nil
	})
}

// Locate finds an instance, a volume or a gateway of the account by its id, whoever made it.
func (b *backend) Locate(ctx context.Context, kind, id string) (providers.Located, error) {
	if err := b.ask(ctx, call{op: "locate", kind: kind}); err != nil {
		return providers.Located{}, err
	}
	switch kind {
	case addr.KindInstance:
		return locate(b, resource[schema.Instance]{b, instanceKind{b}}, id, func(v *schema.Instance) { v.Backend = b.name })
	case addr.KindVolume:
		return locate(b, resource[schema.Volume]{b, volumeKind{b}}, id, func(v *schema.Volume) { v.Backend = b.name })
	case addr.KindGateway:
		return locate(b, resource[schema.Gateway]{b, gatewayKind{b}}, id, func(v *schema.Gateway) { v.Backend = b.name })
	}
	return providers.Located{}, providers.Errorf(providers.Invalid, "the fake takes over instances, volumes and gateways, and no %s", kind)
}

func locate[T any](b *backend, r resource[T], id string, ours func(*T)) (providers.Located, error) {
	var out providers.Located
	err := b.world.view(func(c *contents) error {
		o := b.get(c, r.kind.name(), id)
		if o == nil {
			return providers.Errorf(providers.NotFound, "there is no %s %s in the account %s", r.kind.name(), id, b.settings.Account)
		}
		object, err := r.object(c, o)
		if err != nil {
			return err
		}
		ours(&object.Value)
		out = providers.Located{Object: providers.Object[cty.Value]{ID: object.ID, Value: schema.Encode(object.Value), Private: object.Private, Tainted: object.Tainted},
			Lineage: o.Lineage, Address: o.Address, Key: o.Key}
		return nil
	})
	return out, r.failed(err)
}

// Adopt changes the tags of what Locate finds.
func (b *backend) Adopt(ctx context.Context, kind, id string, as providers.Adoption) (providers.Located, error) {
	t, err := b.trouble(call{op: "adopt", kind: kind, address: as.Address, key: as.Key})
	if err != nil {
		return providers.Located{}, err
	}
	if err := t.at(ctx, Before, nil); err != nil {
		return providers.Located{}, err
	}
	if _, err := b.Locate(ctx, kind, id); err != nil {
		return providers.Located{}, err
	}
	err = b.retag(kind, id, func(o *Object) {
		o.Lineage, o.Address, o.Backend = as.Lineage, as.Address, b.name
		if o.Key == "" {
			o.Key = as.Key
		}
	})
	if err != nil {
		return providers.Located{}, err
	}
	for _, stage := range []Stage{Made, Checkpoint, Finished} {
		if err := t.at(ctx, stage, nil); err != nil {
			return providers.Located{}, err
		}
	}
	return b.Locate(ctx, kind, id)
}
