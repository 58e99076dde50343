package veil

import (
	"context"
	"errors"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
)

// Error is an error whose words hold no secret: the same one if they do not, else one of the same kind.
func (v Veil) Error(err error) error {
	if err == nil || !v.holds(err.Error()) {
		return err
	}
	e := v.error(err)
	if said, ok := errors.AsType[*providers.Error](err); !ok || said != err {
		return &hidden{text: v.Text(err.Error()), is: err, as: e}
	}
	return e
}

// error is the provider's own error in err, without secrets; nil if there is none.
func (v Veil) error(err error) *providers.Error {
	said, ok := errors.AsType[*providers.Error](err)
	if !ok || said == nil {
		return nil
	}
	clean := *said
	clean.Message, clean.Code, clean.Cause = v.Text(said.Message), v.Text(said.Code), nil
	return &clean
}

// hidden is an error whose words are changed. Those that it is made of are asked what they are, and never shown.
type hidden struct {
	text string
	is   error
	as   *providers.Error
}

func (h *hidden) Error() string { return h.text }

// Is tells whether it stands for target.
func (h *hidden) Is(target error) bool { return errors.Is(h.is, target) }

// As gives the provider's error without secrets.
func (h *hidden) As(target any) bool {
	if to, ok := target.(**providers.Error); ok && h.as != nil {
		*to = h.as
		return true
	}
	return false
}

// Resource is a provider's resource whose words hold no secrets: errors, warnings, reasons and phases. Values pass as they are,
// but for those that Plan promises.
func (v Veil) Resource(r providers.Resource[cty.Value]) providers.Resource[cty.Value] {
	if r == nil || len(v.forms) == 0 {
		return r
	}
	return &resource{Resource: r, veil: v}
}

type resource struct {
	providers.Resource[cty.Value]
	veil Veil
}

func (r *resource) report(report providers.Report[cty.Value]) providers.Report[cty.Value] {
	return func(p providers.Progress[cty.Value]) error {
		p.Phase = r.veil.Text(p.Phase)
		return report(p)
	}
}

// Create implements providers.Resource.
func (r *resource) Create(ctx context.Context, op providers.Op[cty.Value], report providers.Report[cty.Value]) (providers.Object[cty.Value], error) {
	o, err := r.Resource.Create(ctx, op, r.report(report))
	return o, r.veil.Error(err)
}

// Update implements providers.Resource.
func (r *resource) Update(ctx context.Context, prior providers.Object[cty.Value], op providers.Op[cty.Value], report providers.Report[cty.Value]) (providers.Object[cty.Value], error) {
	o, err := r.Resource.Update(ctx, prior, op, r.report(report))
	return o, r.veil.Error(err)
}

// Delete implements providers.Resource.
func (r *resource) Delete(ctx context.Context, prior providers.Object[cty.Value], op providers.Op[cty.Value], report providers.Report[cty.Value]) error {
	return r.veil.Error(r.Resource.Delete(ctx, prior, op, r.report(report)))
}

// Read implements providers.Resource.
func (r *resource) Read(ctx context.Context, recorded []providers.Object[cty.Value], yield func(int, providers.Observed[cty.Value])) error {
	return r.veil.Error(r.Resource.Read(ctx, recorded, func(i int, seen providers.Observed[cty.Value]) {
		seen.Err = r.veil.Error(seen.Err)
		yield(i, seen)
	}))
}

// Find implements providers.Resource.
func (r *resource) Find(ctx context.Context, keys []string) ([]providers.Found[cty.Value], error) {
	found, err := r.Resource.Find(ctx, keys)
	return found, r.veil.Error(err)
}

// List implements providers.Resource.
func (r *resource) List(ctx context.Context, lineage string) ([]providers.Found[cty.Value], error) {
	found, err := r.Resource.List(ctx, lineage)
	return found, r.veil.Error(err)
}

// Plan implements providers.Resource.
func (r *resource) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	answers, err := r.Resource.Plan(ctx, changes)
	for i := range answers {
		a := &answers[i]
		if a.Err != nil && r.veil.holds(a.Err.Error()) {
			a.Err = r.veil.error(a.Err)
		}
		for j := range a.Warnings {
			a.Warnings[j] = r.veil.Text(a.Warnings[j])
		}
		for j := range a.Replace {
			a.Replace[j].Why = r.veil.Text(a.Replace[j].Why)
		}
	}
	return answers, r.veil.Error(err)
}
