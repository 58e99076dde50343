package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/veil"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// wanted is the planned value of a change with nothing left open that can be known before the provider is called.
type wanted struct {
	object    *schema.Object
	plain     cty.Value // for the provider: no marks, null for what it decides
	sensitive []string  // paths of secrets, sorted
	clean     diff.Value
	json      []byte // clean as JSON
	veil      veil.Veil
}

// wanted completes what the plan says: a candidate's values in place of the first's, and leaves that were unknown or
// secret evaluated again.
func (e *engine) wanted(ctx context.Context, c *plan.Change) (*wanted, error) {
	w := &wanted{object: schema.KindObject(c.Kind), veil: e.opts.Veil}
	raw, own := c.After, true
	candidate := e.groups.candidateFor(c.Address)
	if alternative, ok := e.groups.override(c.Address); ok {
		raw, own = alternative, false
	}
	v, err := schema.UnmarshalValue(w.object, raw)
	if err != nil {
		return nil, fmt.Errorf("the plan's value of %s cannot be read: %w", c.Address, err)
	}
	if v.IsNull() {
		return nil, fmt.Errorf("the plan has no value for %s; it is damaged", c.Address)
	}
	open := slices.DeleteFunc(slices.Clone(c.AfterUnknown), func(path string) bool {
		known, ok := diff.Get(v, path)
		return !own && ok && !known.IsNull() || !configured(w.object, path)
	})
	if len(open) == 0 && len(c.Sensitive) == 0 {
		w.plain, w.json = v, raw
		w.clean = diff.Value{V: v}
		return w, nil
	}
	if v, err = e.resolved(ctx, c, candidate, v, open); err != nil {
		return nil, err
	}
	w.plain, _ = v.UnmarkDeep()
	if w.clean, err = diff.Redact(w.object, v, e.state.Digest); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Address, err)
	}
	w.sensitive = w.clean.Sensitive
	w.veil = w.veil.And(veil.Secrets(w.plain, w.sensitive...)...)
	if w.json, err = schema.MarshalValue(w.clean.Known()); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Address, err)
	}
	return w, nil
}

// resolved fills in the open leaves and the secrets.
func (e *engine) resolved(ctx context.Context, c *plan.Change, candidate *plan.Candidate, v cty.Value, open []string) (cty.Value, error) {
	if e.opts.Resolve == nil {
		return v, fmt.Errorf("%s of %s is not in the plan, and there is no configuration to evaluate it", joinNames(append(slices.Clone(open), c.Sensitive...)), c.Address)
	}
	now, err := e.opts.Resolve(ctx, c.Address, candidate)
	if err != nil {
		return v, fmt.Errorf("evaluate %s again: %w", c.Address, err)
	}
	for _, path := range open {
		leaf, ok := diff.Get(now, path)
		if !ok {
			continue // it came to nothing
		}
		if plain, _ := leaf.UnmarkDeep(); !plain.IsWhollyKnown() {
			return v, fmt.Errorf("%s of %s is still not known, although all that it refers to is done", path, c.Address)
		}
		if v, err = diff.Set(v, path, leaf); err != nil {
			return v, fmt.Errorf("%s: %w", c.Address, err)
		}
	}
	for _, path := range c.Sensitive {
		if slices.ContainsFunc(open, func(p string) bool { return diff.Under(path, p) }) {
			continue
		}
		leaf, ok := diff.Get(now, path)
		plain := cty.NilVal
		if ok {
			plain, _ = leaf.UnmarkDeep()
		}
		if !ok || !plain.IsWhollyKnown() {
			return v, &SecretError{Address: c.Address, Path: path}
		}
		text, err := schema.MarshalValue(plain)
		if err != nil {
			return v, fmt.Errorf("%s of %s: %w", path, c.Address, err)
		}
		want := c.Digests[path]
		if want != "" && want != diff.Ephemeral && want != e.state.Digest(path, text) {
			return v, &SecretError{Address: c.Address, Path: path}
		}
		if v, err = diff.Set(v, path, plain.WithMarks(marksOf(want))); err != nil {
			return v, fmt.Errorf("%s: %w", c.Address, err)
		}
	}
	return v, nil
}

// marksOf are the marks of a leaf with that digest.
func marksOf(digest string) cty.ValueMarks {
	if digest == diff.Ephemeral {
		return cty.NewValueMarks(schema.SensitiveMark, schema.EphemeralMark)
	}
	return cty.NewValueMarks(schema.SensitiveMark)
}

// SecretError says that a secret is not the one that the plan was made with.
type SecretError struct {
	Address string
	Path    string
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("the secret %s of %s is not the one that the plan was made with; give the same secrets as then, or plan again", e.Path, e.Address)
}

// configured tells whether a path leads into an attribute that a configuration writes.
func configured(o *schema.Object, path string) bool {
	a := o.Attr(root(path))
	return a != nil && a.Configured()
}

func root(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

// redacted is a value that a provider returned, without secrets: what was secret in the planned value is so in this one,
// also where the provider does not give it back.
func (e *engine) redacted(o *schema.Object, v cty.Value, w *wanted) (diff.Value, []byte, error) {
	if v == cty.NilVal {
		v = cty.NullVal(o.Type())
	}
	v = cty.UnknownAsNull(v)
	var secrets []string
	hide, asked := e.opts.Veil, cty.NilVal
	if w != nil {
		secrets, hide, asked = w.sensitive, w.veil, w.plain
	}
	v, err := hide.Value(v, asked)
	if err != nil {
		return diff.Value{}, nil, err
	}
	for _, path := range secrets {
		leaf, ok := diff.Get(v, path)
		if !ok || leaf.IsNull() {
			continue
		}
		marked, err := diff.Set(v, path, leaf.WithMarks(marksOf(w.clean.Digests[path])))
		if err != nil {
			return diff.Value{}, nil, err
		}
		v = marked
	}
	clean, err := diff.Redact(o, v, e.state.Digest)
	if err != nil {
		return diff.Value{}, nil, err
	}
	for _, path := range secrets {
		if d := w.clean.Digests[path]; d != "" && clean.Digests[path] == "" {
			clean.Digests[path] = d
		}
	}
	text, err := schema.MarshalValue(clean.Known())
	return clean, text, err
}

// contradiction is an error when what a provider returned is not what was planned. A status is no promise, and what the
// plan leaves open is the provider's to say.
func contradiction(w *wanted, provider, address string, got cty.Value) error {
	if got == cty.NilVal || got.IsNull() {
		return providers.Errorf(providers.Internal, "the provider %q returned no value for %s; that is a defect of the provider", provider, address)
	}
	got, err := w.veil.Value(got, w.plain)
	if err != nil {
		return err
	}
	planned := diff.Value{V: w.plain, Sensitive: w.sensitive}
	found := diff.Compare(w.object, diff.Value{V: got, Sensitive: w.sensitive}, planned, diff.Options{
		Also: func(a *schema.Attribute) bool { return !a.Status },
	})
	for _, d := range found.Diffs {
		if d.After == nil && !strings.HasSuffix(d.Path, "]") && !d.Sensitive {
			continue // the plan leaves it open
		}
		if d.Sensitive {
			if sameSecret(got, w.plain, d.Path) {
				continue
			}
			return providers.Errorf(providers.Internal, "the provider %q returned another secret %s for %s than it was given; that is a defect of the provider", provider, d.Path, address)
		}
		return providers.Errorf(providers.Internal, "the provider %q returned %s = %s for %s, and the plan has %s; that is a defect of the provider",
			provider, d.Path, orNothing(d.Before), address, orNothing(d.After))
	}
	return nil
}

func sameSecret(a, b cty.Value, path string) bool {
	x, okx := diff.Get(a, path)
	y, oky := diff.Get(b, path)
	if !okx || !oky {
		return okx == oky || okx && x.IsNull() || oky && y.IsNull()
	}
	return x.RawEquals(y)
}

func orNothing(raw []byte) string {
	if raw == nil {
		return "nothing"
	}
	return string(raw)
}
