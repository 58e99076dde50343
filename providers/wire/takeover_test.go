package wire_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// taking is a backend that takes everything over and writes addresses down.
type taking struct {
	fakeBackend
	told *[]string
}

func (b taking) Rename(_ context.Context, kind string, recorded providers.Object[cty.Value], address string) error {
	*b.told = append(*b.told, "rename "+kind+" "+recorded.ID+" "+address)
	if address == "gone" {
		return providers.Errorf(providers.NotFound, "there is none")
	}
	return nil
}

func (b taking) Locate(_ context.Context, kind, id string) (providers.Located, error) {
	if id == "nothing" {
		return providers.Located{}, providers.Errorf(providers.NotFound, "there is no %s %s in the lab", kind, id)
	}
	v := schema.Volume{ID: "vol-1", Name: "data"}
	return providers.Located{Object: providers.Object[cty.Value]{ID: "vol-1", Value: schema.Encode(v), Private: []byte{1, 0xff}, Tainted: true},
		Lineage: "old", Address: "volume.old", Key: "k", Warnings: []string{"It is warm."}}, nil
}

func (b taking) Adopt(ctx context.Context, kind, id string, as providers.Adoption) (providers.Located, error) {
	*b.told = append(*b.told, "adopt "+kind+" "+id+" "+as.Address+" "+as.Lineage+" "+as.Key)
	out, err := b.Locate(ctx, kind, id)
	out.Lineage, out.Address = as.Lineage, as.Address
	return out, err
}

func TestATakeoverCrossesTheWire(t *testing.T) {
	var told []string
	b := across(t, &fake{backend: func(b fakeBackend) providers.Backend { return taking{b, &told} }})
	importer, renamer := b.(providers.Importer), b.(providers.Renamer)
	near := taking{told: new([]string)}

	got, err := importer.Locate(t.Context(), "volume", "/data")
	require.NoError(t, err)
	want, err := near.Locate(t.Context(), "volume", "/data")
	require.NoError(t, err)
	require.True(t, want.Object.Value.RawEquals(got.Object.Value))
	want.Object.Value, got.Object.Value = cty.NilVal, cty.NilVal
	require.Empty(t, cmp.Diff(want, got, cmp.Comparer(func(a, b cty.Value) bool { return a == b })))

	got, err = importer.Adopt(t.Context(), "volume", "/data", providers.Adoption{Address: "volume.new", Lineage: "ours", Key: "k2"})
	require.NoError(t, err)
	require.Equal(t, []string{"ours", "volume.new", "k"}, []string{got.Lineage, got.Address, got.Key})
	require.NoError(t, renamer.Rename(t.Context(), "volume", providers.Object[cty.Value]{ID: "vol-1", Value: schema.Encode(schema.Volume{})}, "volume.newer"))
	require.Equal(t, []string{"adopt volume /data volume.new ours k2", "rename volume vol-1 volume.newer"}, told)

	_, err = importer.Locate(t.Context(), "volume", "nothing")
	require.Equal(t, providers.NotFound, providers.KindOf(err))
	require.EqualError(t, err, "there is no volume nothing in the lab")
	err = renamer.Rename(t.Context(), "volume", providers.Object[cty.Value]{ID: "x", Value: cty.NullVal(schema.Of[schema.Volume]().Type())}, "gone")
	require.Equal(t, providers.NotFound, providers.KindOf(err))
	_, err = importer.Locate(t.Context(), "castle", "x")
	require.Error(t, err)
}

func TestABackendThatTakesNothingOverSaysSo(t *testing.T) {
	b := across(t, &fake{backend: func(b fakeBackend) providers.Backend { return b }})
	_, err := b.(providers.Importer).Locate(t.Context(), "volume", "x")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = b.(providers.Importer).Adopt(t.Context(), "volume", "x", providers.Adoption{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, b.(providers.Renamer).Rename(t.Context(), "volume", providers.Object[cty.Value]{}, "a"), errors.ErrUnsupported)
}
