package planner

import (
	"context"
	"fmt"
	"runtime"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/veil"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// record is a recorded object with its value decoded, and what was seen of it.
type record struct {
	*statefile.Resource
	addr     addr.Resource
	value    cty.Value // as recorded; sensitive leaves null
	presence providers.Presence
	seen     cty.Value // as observed, when present
	err      error     // why it could not be asked
	unmoved  bool      // what was seen is what was recorded
	skipped  bool      // it was not asked at all
	imported *imported // it is not recorded yet: a block import has found it
}

// live is the value that counts: what was seen, else what was recorded.
func (r *record) live() cty.Value {
	if r.presence == providers.Present {
		return r.seen
	}
	return r.value
}

// object is the record as a provider takes it.
func (r *record) object() providers.Object[cty.Value] {
	return providers.Object[cty.Value]{ID: r.ID, Value: r.value, Private: r.Private, Tainted: r.Tainted}
}

// refresh decodes all records and, unless that is left for later, asks the providers about them.
func (bs *backends) refresh(ctx context.Context, reads *reader, ask bool) (map[statefile.Ref]*record, error) {
	all, err := decode(bs.state.Resources())
	if err != nil {
		return nil, err
	}
	out := make(map[statefile.Ref]*record, len(all))
	for _, r := range all {
		r.skipped = true
		out[r.Ref()] = r
	}
	if !ask {
		return out, nil
	}
	return out, reads.all(ctx, all)
}

// decode reads what is recorded, on all processors: it is a good part of a plan in which nothing changes.
func decode(resources []*statefile.Resource) ([]*record, error) {
	out := make([]*record, len(resources))
	const few = 256
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < len(resources); start += few {
		g.Go(func() error {
			for i, res := range resources[start:min(start+few, len(resources))] {
				v, err := schema.UnmarshalValue(schema.KindObject(res.Kind), res.Attributes)
				if err != nil {
					return fmt.Errorf("what the state has recorded of %s cannot be read: %w", res.Address, err)
				}
				a, err := addr.ParseResource(res.Address)
				if err != nil {
					return fmt.Errorf("the state has an address that cannot be read: %w", err)
				}
				out[start+i] = &record{Resource: res, addr: a, value: v}
			}
			return nil
		})
	}
	return out, g.Wait()
}

// ours is what was seen, with the attributes that only the record knows: a constraint, an idle time or the address of another
// thing changes without a call, so a provider may still have the former one. Secrets that a provider shows are taken out.
func ours(o *schema.Object, r *record, seen cty.Value, hide veil.Veil) cty.Value {
	recorded := r.value
	if recorded.RawEquals(seen) {
		r.unmoved = true
		return seen
	}
	if clean, err := diff.Redact(o, seen, func(string, []byte) string { return "" }); err == nil {
		seen = clean.V
	}
	if clean, err := hide.Value(seen, recorded); err == nil {
		seen = clean
	}
	for path := range r.Secrets {
		if leaf, ok := diff.Get(seen, path); ok && !leaf.IsNull() {
			if clean, err := diff.Set(seen, path, cty.NullVal(leaf.Type())); err == nil {
				seen = clean
			}
		}
	}
	attrs := seen.AsValueMap()
	for _, a := range o.Attrs {
		if a.Change == schema.Constraint || a.Change == schema.Record || a.HoldsAddresses() {
			attrs[a.Name] = recorded.GetAttr(a.Name)
		}
	}
	return cty.ObjectVal(attrs)
}
