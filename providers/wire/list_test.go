package wire_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
)

func inProcess(t testing.TB, p providers.Provider) (providers.Provider, func()) {
	t.Helper()
	return wire.InProcess(p)
}

func recordedVolumes(n int) []volume {
	out := make([]volume, n)
	for i := range out {
		out[i] = volume{ID: fmt.Sprintf("vol-%05d", i), Private: []byte(`{"v":1}`), Value: schema.Volume{
			ID: fmt.Sprintf("vol-%05d", i), Name: fmt.Sprintf("data-%d", i), Backend: "lab", Region: "here", Location: "/somewhere/deep/in/a/folder", Status: "active",
		}}
	}
	return out
}

func TestReadTellsPresentGoneAndUnknownApart(t *testing.T) {
	recorded := recordedVolumes(4)
	f := &fake{volumes: fakeVolumes{read: func(_ context.Context, got []volume, yield func(int, providers.Observed[schema.Volume])) error {
		moved := got[3]
		moved.Value.Location = "elsewhere"
		yield(3, providers.Observed[schema.Volume]{Presence: providers.Present, Object: moved})
		yield(2, providers.Observed[schema.Volume]{Err: providers.Errorf(providers.Auth, "who are you")})
		yield(1, providers.Observed[schema.Volume]{Presence: providers.Gone})
		yield(0, providers.Observed[schema.Volume]{Presence: providers.Present, Object: got[0]})
		return nil
	}}}
	seen := map[int]providers.Observed[schema.Volume]{}
	require.NoError(t, across(t, f).Volumes().Read(context.Background(), recorded, func(i int, o providers.Observed[schema.Volume]) { seen[i] = o }))
	require.Equal(t, recorded[0], seen[0].Object)
	require.Equal(t, providers.Gone, seen[1].Presence)
	require.Equal(t, providers.Unknown, seen[2].Presence)
	require.Equal(t, providers.Auth, providers.KindOf(seen[2].Err))
	require.Equal(t, "elsewhere", seen[3].Object.Value.Location)
}

func TestTenThousandAreRead(t *testing.T) {
	recorded := recordedVolumes(10_000)
	volumes := across(t, &fake{}).Volumes()
	n := 0
	require.NoError(t, volumes.Read(context.Background(), recorded, func(i int, o providers.Observed[schema.Volume]) {
		if o.Object.ID == recorded[i].ID {
			n++
		}
	}))
	require.Equal(t, len(recorded), n)
}

func TestLargeValuesAndLongListsCross(t *testing.T) {
	ctx := context.Background()
	volumes := across(t, &fake{volumes: fakeVolumes{find: func(keys []string) ([]providers.Found[schema.Volume], error) {
		out := make([]providers.Found[schema.Volume], len(keys))
		for i, k := range keys {
			out[i] = providers.Found[schema.Volume]{Key: k, Address: "volume.a", Object: volume{ID: k, Value: schema.Volume{Name: strings.Repeat("x", 1000)}}, Complete: i%2 == 0}
		}
		return out, nil
	}}}).Volumes()

	big := strings.Repeat("ten megabytes. ", 10<<20/15)
	made, err := volumes.Create(ctx, opV{Planned: schema.Volume{Name: big}}, nil)
	require.NoError(t, err)
	require.Equal(t, len(big), len(made.Value.Name))

	_, err = volumes.Create(ctx, opV{Planned: schema.Volume{Name: strings.Repeat("x", 65<<20)}}, nil)
	require.Equal(t, providers.Invalid, providers.KindOf(err))
	require.ErrorContains(t, err, "larger than the 64 MiB")

	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%d", i)
	}
	found, err := volumes.Find(ctx, keys)
	require.NoError(t, err)
	require.Len(t, found, len(keys))
	require.Equal(t, keys[9_999], found[9_999].Key)
	require.False(t, found[9_999].Complete)
	found, err = volumes.Find(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, found)

	core := providers.ResourceOf(across(t, &fake{}), "volume")
	changes := make([]providers.Change, 5_000)
	for i := range changes {
		changes[i] = providers.Change{Address: fmt.Sprint(i), Want: volumeValue(map[string]cty.Value{"name": cty.StringVal(fmt.Sprint(i)), "id": cty.UnknownVal(cty.String)})}
	}
	planned, err := core.Plan(ctx, changes)
	require.NoError(t, err)
	require.Len(t, planned, len(changes))
	require.True(t, planned[4_999].Value.RawEquals(changes[4_999].Want))
}

func TestPlanAnswersCross(t *testing.T) {
	f := &fake{volumes: fakeVolumes{plan: func(changes []providers.Change) ([]providers.Planned, error) {
		return []providers.Planned{
			{Value: changes[0].Prior.Value, Replace: []providers.ReplaceReason{{Path: "size", Why: "a volume cannot shrink"}}, Warnings: []string{"take care"}},
			{Value: changes[1].Want, Supports: []providers.PlannedSupport{{Owner: "backend", Name: "security-group/here", Value: schema.Support{Type: changes[1].Offer.InstanceType, Config: map[string]string{"a": ""}}}}},
			{Err: &providers.Error{Kind: providers.NoQuota, Message: "no more", Code: "Q"}},
		}, nil
	}}}
	core := providers.ResourceOf(across(t, f), "volume")
	want := volumeValue(map[string]cty.Value{"name": cty.StringVal("new")})
	prior := providers.Object[cty.Value]{ID: "v", Value: volumeValue(map[string]cty.Value{"name": cty.StringVal("old")})}
	planned, err := core.Plan(context.Background(), []providers.Change{
		{Address: "volume.a", Prior: &prior, Want: want},
		{Address: "volume.b", Want: want, Offer: &schema.Offer{InstanceType: "m5.large"}},
		{Address: "volume.c", Want: want},
	})
	require.NoError(t, err)
	require.True(t, planned[0].Value.RawEquals(prior.Value))
	require.Equal(t, []providers.ReplaceReason{{Path: "size", Why: "a volume cannot shrink"}}, planned[0].Replace)
	require.Equal(t, []string{"take care"}, planned[0].Warnings)
	require.True(t, planned[1].Value.RawEquals(want))
	require.Empty(t, cmp.Diff([]providers.PlannedSupport{{Owner: "backend", Name: "security-group/here", Value: schema.Support{Type: "m5.large", Config: map[string]string{"a": ""}}}}, planned[1].Supports))
	require.Equal(t, providers.Error{Kind: providers.NoQuota, Message: "no more", Code: "Q"}, *planned[2].Err)
}
