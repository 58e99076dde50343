package wire_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
)

// across returns the open backend at the far end of a wire.
func across(t testing.TB, f *fake) providers.Backend {
	t.Helper()
	far, closeBoth := wire.InProcess(f)
	t.Cleanup(closeBoth)
	b, err := far.Open(context.Background(), providers.BackendConfig{Name: "lab"})
	require.NoError(t, err)
	return b
}

func TestObjectsGoRound(t *testing.T) {
	ctx := context.Background()
	volumes := across(t, &fake{}).Volumes()
	want := schema.Volume{Name: "data", Backend: "lab"}

	made, err := volumes.Create(ctx, opV{Address: "volume.data", Key: "k1", Planned: want}, nil)
	require.NoError(t, err)
	require.Equal(t, "vol-k1", made.ID)
	require.Equal(t, want.Name, made.Value.Name)

	want.Name = "more"
	made.Private = []byte{0, 1}
	changed, err := volumes.Update(ctx, made, opV{Planned: want}, nil)
	require.NoError(t, err)
	require.Equal(t, "more", changed.Value.Name)
	require.Equal(t, []byte{0, 1}, changed.Private)
	require.NoError(t, volumes.Delete(ctx, changed, opV{}, nil))

	var seen []providers.Observed[schema.Volume]
	require.NoError(t, volumes.Read(ctx, []volume{changed}, func(_ int, o providers.Observed[schema.Volume]) { seen = append(seen, o) }))
	require.Equal(t, []providers.Observed[schema.Volume]{{Presence: providers.Present, Object: changed}}, seen)
}

func TestPlanKeepsUnknowns(t *testing.T) {
	core := providers.ResourceOf(across(t, &fake{}), "volume")
	want := volumeValue(map[string]cty.Value{"name": cty.StringVal("data"), "id": cty.UnknownVal(cty.String)})
	planned, err := core.Plan(context.Background(), []providers.Change{{Address: "volume.data", Want: want}})
	require.NoError(t, err)
	require.True(t, planned[0].Value.RawEquals(want), "%#v", planned[0].Value)
}
