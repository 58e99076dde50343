package wire_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// TestValuesArriveAsTheyWereSent draws objects of every kind with nulls and unknowns at every depth and sends them
// through Plan and, where all is known, through Read.
func TestValuesArriveAsTheyWereSent(t *testing.T) {
	far, closeBoth := inProcess(t, mirror{})
	defer closeBoth()
	b, err := far.Open(context.Background(), providers.BackendConfig{})
	require.NoError(t, err)
	law.Check(t, 100, func(t *rapid.T) {
		kind := rapid.SampledFrom(addr.Kinds()).Draw(t, "kind")
		want := drawValue(t, schema.KindObject(kind).Type(), "value", 0)
		core := providers.ResourceOf(b, kind)
		if core == nil {
			t.Fatalf("no %s", kind)
		}
		change := providers.Change{Address: "a", Want: want}
		if want.IsWhollyKnown() {
			change.Prior = &providers.Object[cty.Value]{ID: "id", Value: want}
		}
		planned, err := core.Plan(context.Background(), []providers.Change{change})
		if err != nil {
			t.Fatalf("plan %#v: %s", want, err)
		}
		if want := withID(want); !planned[0].Value.RawEquals(want) {
			t.Fatalf("want %#v\n got %#v", want, planned[0].Value)
		}
		for _, s := range planned[0].Supports {
			t.Fatalf("%s: %s", s.Owner, s.Name)
		}
	})
}

// withID changes an object a little: one that is just as it was wanted would not be sent back.
func withID(v cty.Value) cty.Value {
	if v.IsNull() || !v.IsKnown() {
		return v
	}
	attrs := v.AsValueMap()
	attrs["id"] = cty.StringVal("made on the far side")
	return cty.ObjectVal(attrs)
}

// mirror has every kind, and checks on its side that a prior value is what is wanted.
type mirror struct{}

func (mirror) Describe(context.Context) (providers.Description, error) {
	return providers.Description{Name: "mirror"}, nil
}

func (mirror) Open(context.Context, providers.BackendConfig) (providers.Backend, error) {
	return mirrorBackend{}, nil
}

type mirrorBackend struct{}

func (mirrorBackend) Identity() string { return "mirror" }
func (mirrorBackend) Instances() providers.Resource[schema.Instance] {
	return mirrored[schema.Instance]{}
}
func (mirrorBackend) Volumes() providers.Resource[schema.Volume]   { return mirrored[schema.Volume]{} }
func (mirrorBackend) Gateways() providers.Resource[schema.Gateway] { return mirrored[schema.Gateway]{} }
func (mirrorBackend) Jobs() providers.Resource[schema.Job]         { return mirrored[schema.Job]{} }
func (mirrorBackend) Supports() providers.Resource[schema.Support] { return mirrored[schema.Support]{} }
func (mirrorBackend) Close() error                                 { return nil }

type mirrored[T any] struct{}

func (mirrored[T]) Plan(_ context.Context, changes []providers.Change) ([]providers.Planned, error) {
	out := make([]providers.Planned, len(changes))
	for i, c := range changes {
		out[i].Value = withID(c.Want)
		if c.Prior != nil && !c.Prior.Value.RawEquals(c.Want) {
			out[i].Supports = append(out[i].Supports, providers.PlannedSupport{Owner: "differs", Name: fmt.Sprintf("%#v", c.Prior.Value)})
		}
	}
	return out, nil
}

func (mirrored[T]) Create(_ context.Context, op providers.Op[T], _ providers.Report[T]) (providers.Object[T], error) {
	return providers.Object[T]{Value: op.Planned}, nil
}

func (mirrored[T]) Update(_ context.Context, _ providers.Object[T], op providers.Op[T], _ providers.Report[T]) (providers.Object[T], error) {
	return providers.Object[T]{Value: op.Planned}, nil
}

func (mirrored[T]) Delete(context.Context, providers.Object[T], providers.Op[T], providers.Report[T]) error {
	return nil
}

func (mirrored[T]) Read(_ context.Context, recorded []providers.Object[T], yield func(int, providers.Observed[T])) error {
	for i, o := range recorded {
		yield(i, providers.Observed[T]{Presence: providers.Present, Object: o})
	}
	return nil
}

func (mirrored[T]) Find(context.Context, []string) ([]providers.Found[T], error) { return nil, nil }
func (mirrored[T]) List(context.Context, string) ([]providers.Found[T], error)   { return nil, nil }

// drawValue draws a value of a type; an object as a whole is sometimes unknown or null, and so is each part.
func drawValue(t *rapid.T, ty cty.Type, label string, depth int) cty.Value {
	switch rapid.IntRange(0, 9).Draw(t, label+"?") {
	case 0, 1, 2:
		return cty.NullVal(ty)
	case 3:
		if rapid.Bool().Draw(t, label+" refined") {
			return cty.UnknownVal(ty).RefineNotNull()
		}
		return cty.UnknownVal(ty)
	}
	switch {
	case ty == cty.String:
		return cty.StringVal(rapid.String().Draw(t, label))
	case ty == cty.Bool:
		return cty.BoolVal(rapid.Bool().Draw(t, label))
	case ty == cty.Number:
		if rapid.Bool().Draw(t, label+" whole") {
			return cty.NumberIntVal(rapid.Int64().Draw(t, label))
		}
		return cty.NumberFloatVal(rapid.Float64Range(-1e18, 1e18).Draw(t, label))
	case ty.IsObjectType():
		attrs := map[string]cty.Value{}
		types := ty.AttributeTypes()
		for _, name := range slices.Sorted(maps.Keys(types)) {
			attrs[name] = drawValue(t, types[name], label+"."+name, depth+1)
		}
		return cty.ObjectVal(attrs)
	case ty.IsListType():
		n := rapid.IntRange(0, 3).Draw(t, label+" length")
		if n == 0 {
			return cty.ListValEmpty(ty.ElementType())
		}
		out := make([]cty.Value, n)
		for i := range out {
			out[i] = drawValue(t, ty.ElementType(), fmt.Sprintf("%s[%d]", label, i), depth+1)
		}
		return cty.ListVal(out)
	case ty.IsMapType():
		keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zA-Z0-9_. -]{0,8}`), 0, 3, rapid.ID[string]).Draw(t, label+" keys")
		if len(keys) == 0 {
			return cty.MapValEmpty(ty.ElementType())
		}
		out := map[string]cty.Value{}
		for _, k := range keys {
			out[k] = drawValue(t, ty.ElementType(), label+"."+k, depth+1)
		}
		return cty.MapVal(out)
	}
	t.Fatalf("no values of %s", ty.FriendlyName())
	return cty.NilVal
}
