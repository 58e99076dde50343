package fake_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// unknown makes attributes of a value unknown.
func unknown(v cty.Value, names ...string) cty.Value {
	attributes := v.AsValueMap()
	for _, name := range names {
		attributes[name] = cty.UnknownVal(attributes[name].Type())
	}
	return cty.ObjectVal(attributes)
}

func planOne[T any](t *testing.T, r providers.Resource[T], c providers.Change) providers.Planned {
	t.Helper()
	planned, err := r.Plan(t.Context(), []providers.Change{c})
	require.NoError(t, err)
	require.Len(t, planned, 1)
	return planned[0]
}

func TestPlanOfAnInstanceNamesItsSupport(t *testing.T) {
	cluster := schema.Encode(instance(1))
	single := plain("cpu.small")
	group := func(region string) providers.PlannedSupport {
		return providers.PlannedSupport{Owner: "backend", Name: "security-group/" + region, Value: schema.Support{
			Type: "security-group", Backend: "fake", Region: region, Config: map[string]string{"ingress": "22/tcp"}}}
	}
	placement := func(zone string) providers.PlannedSupport {
		return providers.PlannedSupport{Owner: "block", Name: "placement-group", Value: schema.Support{
			Type: "placement-group", Backend: "fake", Region: region, Zone: zone, Config: map[string]string{"strategy": "cluster"}}}
	}
	for name, tt := range map[string]struct {
		want  cty.Value
		offer *schema.Offer
		names []providers.PlannedSupport
	}{
		"one machine":                          {schema.Encode(single), nil, []providers.PlannedSupport{group(region)}},
		"a cluster in a zone":                  {cluster, nil, []providers.PlannedSupport{group(region), placement(zone)}},
		"a cluster before it has a zone":       {unknown(cluster, "availability_zone"), nil, []providers.PlannedSupport{group(region), placement("")}},
		"a cluster whose offer has one zone":   {unknown(cluster, "region", "availability_zone"), instanceOffer(1), []providers.PlannedSupport{group(region), placement(zone)}},
		"nothing is known of where it will be": {unknown(cluster, "region", "availability_zone"), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := open(t, fake.Settings{})
			p := planOne(t, b.Instances(), providers.Change{Want: tt.want, Offer: tt.offer})
			require.Empty(t, cmp.Diff(tt.names, p.Supports))
		})
	}
}

func TestPlanPromisesWhatItKnows(t *testing.T) {
	b, _ := open(t, fake.Settings{})
	v := schema.Encode(volume(1))
	p := planOne(t, b.Volumes(), providers.Change{Want: unknown(v, "id", "location", "price")})
	require.False(t, p.Value.GetAttr("id").IsKnown())
	require.False(t, p.Value.GetAttr("location").IsKnown())
	price, _ := p.Value.GetAttr("price").AsBigFloat().Float64()
	require.InDelta(t, 100*0.08/730, price, 0.000001)
	p = planOne(t, b.Volumes(), providers.Change{Want: unknown(v, "size", "price")})
	require.False(t, p.Value.GetAttr("price").IsKnown(), "the price of an unknown size is unknown")
	p = planOne(t, b.Instances(), providers.Change{Want: unknown(schema.Encode(instance(1)), "ssh_port", "hostname")})
	require.True(t, p.Value.GetAttr("ssh_port").RawEquals(cty.NumberIntVal(22)))
	require.False(t, p.Value.GetAttr("hostname").IsKnown())
}

func TestPlanOfWhatExists(t *testing.T) {
	size := func(gb float64) schema.Volume {
		v := volume(1)
		v.Size = value.MemoryOf(gb)
		return v
	}
	for name, tt := range map[string]struct {
		was     schema.Volume
		want    cty.Value
		replace []providers.ReplaceReason
		err     string
	}{
		"the same":               {size(100), schema.Encode(size(100)), nil, ""},
		"it grows":               {size(100), schema.Encode(size(200)), nil, ""},
		"it shrinks":             {size(100), schema.Encode(size(50)), []providers.ReplaceReason{{Path: "size", Why: "a volume cannot shrink"}}, ""},
		"its size is not known":  {size(100), unknown(schema.Encode(size(50)), "size"), nil, ""},
		"it grows out of bounds": {size(100), schema.Encode(size(100_000)), nil, "a volume has at most 64TB"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := open(t, fake.Settings{})
			p := planOne(t, b.Volumes(), providers.Change{Want: tt.want, Prior: &providers.Object[cty.Value]{ID: "vol-1", Value: schema.Encode(tt.was)}})
			require.Empty(t, cmp.Diff(tt.replace, p.Replace))
			require.True(t, p.Value.RawEquals(tt.want))
			if tt.err != "" {
				require.ErrorContains(t, p.Err, tt.err)
				return
			}
			require.Nil(t, p.Err)
		})
	}
}

func TestUpdatesThatAreNoUpdates(t *testing.T) {
	y := newYard(t, fake.Settings{})
	made, err := y.b.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.NoError(t, err)
	for name, change := range map[string]func(*schema.Volume){
		"cannot shrink": func(v *schema.Volume) { v.Size = value.MemoryOf(1) },
		"the place of volume vol-000001 cannot be changed": func(v *schema.Volume) { v.Zone = "us-east-1c" },
	} {
		op := volumeOp(1)
		op.Planned = made.Value
		change(&op.Planned)
		_, err := y.b.Volumes().Update(t.Context(), made, op, quiet)
		require.ErrorContains(t, err, name)
		require.Equal(t, providers.Invalid, providers.KindOf(err))
	}
	require.NoError(t, y.w.Delete(made.ID))
	_, err = y.b.Volumes().Update(t.Context(), made, volumeOp(1), quiet)
	require.Equal(t, providers.NotFound, providers.KindOf(err))
}
