package fake

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
)

// Rename changes the address among the tags of an object.
func (b *backend) Rename(ctx context.Context, kind string, recorded providers.Object[cty.Value], address string) error {
	if err := b.ask(ctx, call{op: "rename", kind: kind, address: address}); err != nil {
		return err
	}
	return b.world.change(func(c *contents) (*record, error) {
		o := b.get(c, kind, recorded.ID)
		if o == nil {
			return nil, providers.Errorf(providers.NotFound, "there is no %s %s any more", kind, recorded.ID)
		}
		if o.Address == address {
			return nil, nil
		}
		changed := *o
		changed.Address = address
		return &record{Put: &changed}, nil
	})
}
