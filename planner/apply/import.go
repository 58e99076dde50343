package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// takeOver records something that exists and is recorded nowhere, and lets the provider tag it as ours. It must still be
// what the plan has found. Nothing is made, so there is no intent: when it is cut off, it is done again.
func (e *engine) takeOver(ctx context.Context, w *worker, s *step) (*entry, error) {
	c, i := s.change, s.change.Import
	w.flush(ctx) // the calls take their time
	b, d, err := e.open(ctx, w, i.Backend)
	if err != nil {
		return nil, err
	}
	importer, ok := b.(providers.Importer)
	if !ok {
		return nil, providers.Errorf(providers.Invalid, "the provider %q takes nothing over", d.Name)
	}
	found, err := e.guardedImport(ctx, func(ctx context.Context) (providers.Located, error) { return importer.Locate(ctx, c.Kind, i.ID) })
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", i.ID, err)
	}
	if what, err := e.changedSince(c, found.Object); err != nil || what != "" {
		if err == nil {
			err = providers.Errorf(providers.Conflict, "%s of %s was changed after the plan was made; plan again", what, i.ID)
		}
		return nil, err
	}
	as := providers.Adoption{Address: c.Address, Lineage: e.state.Lineage(), Key: e.importKey(c)}
	if found, err = e.guardedImport(ctx, func(ctx context.Context) (providers.Located, error) { return importer.Adopt(ctx, c.Kind, i.ID, as) }); err != nil {
		return nil, fmt.Errorf("take over %s: %w", i.ID, err)
	}
	found.Object.Value = cty.UnknownAsNull(found.Object.Value)
	ref := statefile.Ref{Address: c.Address}
	r, err := e.resource(c, ref, i.Backend, found.Key, found.Object, nil)
	if err != nil {
		return nil, err
	}
	return &entry{
		locks: []lockName{{name: ref.Address}},
		records: func() ([]statefile.Record, error) {
			e.succeed(r, nil)
			return []statefile.Record{statefile.NewPut(e.clock.Now(), r, "")}, nil
		},
	}, nil
}

func (e *engine) guardedImport(ctx context.Context, call func(context.Context) (providers.Located, error)) (providers.Located, error) {
	answer := make(chan providers.Located, 1)
	err, _ := e.guarded(ctx, e.policy.Find, func(ctx context.Context) error {
		found, err := call(ctx)
		answer <- found
		return err
	})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return providers.Located{}, providers.Errorf(providers.Invalid, "the provider takes nothing of this kind over")
	case err != nil:
		return providers.Located{}, err
	}
	found := <-answer
	if found.Object.ID == "" {
		return found, providers.Errorf(providers.Internal, "the provider has found something without an id; that is a defect of the provider")
	}
	return found, nil
}

// importKey is the idempotency key that something has from then on that is taken over.
func (e *engine) importKey(c *plan.Change) string {
	if c.Import.Key != "" {
		return c.Import.Key
	}
	return e.state.ImportKey(c.Address, e.plan.Head)
}

// changedSince names an attribute that is not as the plan has found it, "" if there is none. What nobody writes does not count.
func (e *engine) changedSince(c *plan.Change, o providers.Object[cty.Value]) (string, error) {
	object := schema.KindObject(c.Kind)
	before, err := schema.UnmarshalValue(object, c.Before)
	if err != nil {
		return "", fmt.Errorf("the plan is damaged: %w", err)
	}
	clean, err := diff.Redact(object, cty.UnknownAsNull(o.Value), e.state.Digest)
	if err != nil {
		return "", fmt.Errorf("what was found cannot be read: %w", err)
	}
	for _, a := range object.Attrs {
		if !a.Configured() {
			continue
		}
		was, err := schema.MarshalValue(before.GetAttr(a.Name))
		if err != nil {
			return "", err
		}
		is, err := schema.MarshalValue(clean.V.GetAttr(a.Name))
		if err != nil {
			return "", err
		}
		if !bytes.Equal(was, is) {
			return a.Name, nil
		}
	}
	return "", nil
}
