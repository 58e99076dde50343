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
	c := s.change
	a, err := e.newAttempt(ctx, w, s, "", statefile.Ref{Address: c.Address}, c.Kind, c.Import.Backend)
	if err != nil {
		return nil, err
	}
	w.flush(ctx) // the calls take their time
	a.op.Key, a.began = e.importKey(c), e.clock.Now()
	for {
		found, err := e.adopt(ctx, w, c)
		if err == nil {
			return e.adopted(c, found)
		}
		kind := providers.KindOf(err)
		if werr := a.tried(ctx, kind, err, false); werr != nil {
			return nil, werr
		}
		if !kind.Retryable() && kind != providers.Throttled || !a.again(ctx, kind, err) {
			return nil, err
		}
	}
}

// adopt looks something up once more, and has it tagged. Doing that again changes nothing.
func (e *engine) adopt(ctx context.Context, w *worker, c *plan.Change) (providers.Located, error) {
	i := c.Import
	b, d, err := e.open(ctx, w, i.Backend)
	if err != nil {
		return providers.Located{}, err
	}
	importer, ok := b.(providers.Importer)
	if !ok {
		return providers.Located{}, providers.Errorf(providers.Invalid, "the provider %q takes nothing over", d.Name)
	}
	found, err := e.guardedImport(ctx, func(ctx context.Context) (providers.Located, error) { return importer.Locate(ctx, c.Kind, i.ID) })
	if err != nil {
		return found, fmt.Errorf("look for %s: %w", i.ID, err)
	}
	if err := e.asPlanned(c, found); err != nil {
		return found, err
	}
	as := providers.Adoption{Address: c.Address, Lineage: e.state.Lineage(), Key: e.importKey(c)}
	if found, err = e.guardedImport(ctx, func(ctx context.Context) (providers.Located, error) { return importer.Adopt(ctx, c.Kind, i.ID, as) }); err != nil {
		return found, fmt.Errorf("take over %s: %w", i.ID, err)
	}
	return found, nil
}

// adopted is the record of what was taken over.
func (e *engine) adopted(c *plan.Change, found providers.Located) (*entry, error) {
	found.Object.Value = cty.UnknownAsNull(found.Object.Value)
	ref := statefile.Ref{Address: c.Address}
	r, err := e.resource(c, ref, c.Import.Backend, found.Key, found.Object, nil)
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

// asPlanned refuses what is not as the plan has found it: another thing, one that another state has taken over since, or one
// that was changed. An apply that was cut off may have taken it over already.
func (e *engine) asPlanned(c *plan.Change, found providers.Located) error {
	i := c.Import
	ours := found.Lineage == e.state.Lineage() && found.Key == e.importKey(c)
	switch {
	case found.Lineage != i.Lineage && !ours:
		return providers.Errorf(providers.Conflict, "the state %s has taken %s over after the plan was made, as %s; plan again", found.Lineage, i.ID, found.Address)
	case found.Object.ID != i.Object && !ours:
		return providers.Errorf(providers.Conflict, "%s was %s when the plan was made, and is %s now; plan again", i.ID, i.Object, found.Object.ID)
	}
	what, err := e.changedSince(c, found.Object)
	if err == nil && what != "" {
		err = providers.Errorf(providers.Conflict, "%s of %s was changed after the plan was made; plan again", what, i.ID)
	}
	return err
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
		return providers.Located{}, e.opts.Veil.Error(err)
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
