package local

import (
	"context"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Types of support objects.
const (
	typeAttachment = "attachment"
	typeRoute      = "route"
)

// ready is the status of every support object that is there.
const ready = "ready"

// supports leads each call to the type of its object.
type supports struct{ *backend }

// Plan says which types there are.
func (r supports) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	return answer(changes, func(c providers.Change, want schema.Support, p *providers.Planned) {
		if c.Knows("type") {
			p.Err = checkType(want.Type)
		}
	}), ctx.Err()
}

func checkType(ty string) *providers.Error {
	if types := []string{typeAttachment, typeRoute}; !slices.Contains(types, ty) {
		return providers.Errorf(providers.Invalid, "the local provider has no support objects of type %q; it has %s", ty, strings.Join(types, " and "))
	}
	return nil
}

// Create makes an attachment or a route.
func (r supports) Create(ctx context.Context, op providers.Op[schema.Support], report providers.Report[schema.Support]) (providers.Object[schema.Support], error) {
	var none providers.Object[schema.Support]
	if err := begin(ctx, op); err != nil {
		return none, err
	}
	if err := checkType(op.Planned.Type); err != nil {
		return none, err
	}
	made, err := r.put(ctx, op, private{})
	if err != nil {
		return none, failed(err)
	}
	return made, told(report, "", &made)
}

// put makes an object, or changes the one that is where was says.
func (r supports) put(ctx context.Context, op providers.Op[schema.Support], was private) (providers.Object[schema.Support], error) {
	if op.Planned.Type == typeRoute {
		return r.putRoute(ctx, idOf(op.Key), op, was)
	}
	return r.attach(ctx, idOf(op.Key), op)
}

// Update leads a route elsewhere, or changes who may use it. An attachment has nothing that could change.
func (r supports) Update(ctx context.Context, prior providers.Object[schema.Support], op providers.Op[schema.Support], _ providers.Report[schema.Support]) (providers.Object[schema.Support], error) {
	if err := ctx.Err(); err != nil {
		return prior, err
	}
	p, err := known(prior)
	if err != nil {
		return prior, err
	}
	if op.Planned.Type != prior.Value.Type {
		return prior, providers.Errorf(providers.Invalid, "an object of type %s cannot become one of type %s", prior.Value.Type, op.Planned.Type)
	}
	var out providers.Object[schema.Support]
	if op.Planned.Type == typeRoute {
		out, err = r.putRoute(ctx, prior.ID, op, p)
	} else {
		out, err = r.annotate(ctx, prior, op.Planned, p)
	}
	if err != nil {
		return prior, failed(err)
	}
	return out, nil
}

// Delete removes an attachment, or a route when its requests have ended.
func (r supports) Delete(ctx context.Context, prior providers.Object[schema.Support], _ providers.Op[schema.Support], report providers.Report[schema.Support]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := known(prior)
	if err != nil {
		return err
	}
	if p.Gateway != "" {
		if err := told(report, "draining", nil); err != nil {
			return err
		}
		err = r.removeRoute(ctx, prior.ID, p)
	} else {
		err = r.detach(ctx, prior.ID, p)
	}
	if isGone(err) {
		return nil
	}
	return failed(err)
}

// Read looks at attachments and asks each gateway once about all of its routes.
func (r supports) Read(ctx context.Context, recorded []providers.Object[schema.Support], yield func(int, providers.Observed[schema.Support])) error {
	routes := map[string][]int{}
	for i, o := range recorded {
		p, err := known(o)
		switch {
		case err != nil:
			yield(i, unknown[schema.Support](err))
		case p.Gateway != "":
			routes[p.Gateway] = append(routes[p.Gateway], i)
		default:
			yield(i, r.seeAttachment(o, p))
		}
	}
	return together(ctx, routes, func(ctx context.Context, gateway string, at []int) []providers.Observed[schema.Support] {
		return r.seeRoutes(ctx, gateway, recorded, at)
	}, yield)
}

// Find looks for support objects by the keys that they were made under.
func (r supports) Find(ctx context.Context, keys []string) ([]providers.Found[schema.Support], error) {
	if len(keys) == 0 {
		return nil, nil
	}
	wanted := make(map[string]bool, len(keys))
	for _, k := range keys {
		wanted[k] = true
	}
	return r.made(ctx, func(_, key string) bool { return wanted[key] })
}

// List is every support object of a lineage.
func (r supports) List(ctx context.Context, lineage string) ([]providers.Found[schema.Support], error) {
	return r.made(ctx, func(of, _ string) bool { return of == lineage })
}

func (r supports) made(ctx context.Context, pick func(lineage, key string) bool) ([]providers.Found[schema.Support], error) {
	ties, err := r.pickAttachments(ctx, pick)
	if err != nil {
		return nil, failed(err)
	}
	routes, err := r.pickRoutes(ctx, pick)
	return append(ties, routes...), failed(err)
}
