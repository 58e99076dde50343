package providers_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
)

func TestPromise(t *testing.T) {
	price := map[string]cty.Value{"price": cty.NumberIntVal(2)}
	tests := map[string]struct {
		planned, want map[string]cty.Value
		promised      map[string]cty.Value
	}{
		"what is unknown is filled in": {
			planned:  map[string]cty.Value{"price": cty.UnknownVal(cty.Number), "id": cty.UnknownVal(cty.String)},
			promised: price,
			want:     map[string]cty.Value{"price": cty.NumberIntVal(2), "id": cty.UnknownVal(cty.String)},
		},
		"it can be promised that there will be none": {
			planned:  map[string]cty.Value{"zone": cty.UnknownVal(cty.String)},
			promised: map[string]cty.Value{"zone": cty.NullVal(cty.String)},
			want:     map[string]cty.Value{"zone": cty.NullVal(cty.String)},
		},
		"what is wanted stays": {
			planned:  map[string]cty.Value{"price": cty.NumberIntVal(1)},
			promised: price,
			want:     map[string]cty.Value{"price": cty.NumberIntVal(1)},
		},
		"that none is wanted stays": {
			planned:  map[string]cty.Value{"price": cty.NullVal(cty.Number)},
			promised: price,
			want:     map[string]cty.Value{"price": cty.NullVal(cty.Number)},
		},
		"what is known in part stays": {
			planned:  map[string]cty.Value{"tags": cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)})},
			promised: map[string]cty.Value{"tags": cty.ListVal([]cty.Value{cty.StringVal("a")})},
			want:     map[string]cty.Value{"tags": cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)})},
		},
		"an attribute that the kind does not have is left out": {
			planned:  map[string]cty.Value{"id": cty.UnknownVal(cty.String)},
			promised: price,
			want:     map[string]cty.Value{"id": cty.UnknownVal(cty.String)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := providers.Planned{Value: cty.ObjectVal(test.planned)}
			p.Promise(test.promised)
			want := cty.ObjectVal(test.want)
			require.Truef(t, p.Value.RawEquals(want), "got %#v, want %#v", p.Value, want)
		})
	}
}

func TestKnows(t *testing.T) {
	c := providers.Change{Want: cty.ObjectVal(map[string]cty.Value{
		"size": cty.StringVal("10GB"), "zone": cty.NullVal(cty.String), "price": cty.UnknownVal(cty.Number),
		"tags": cty.ListVal([]cty.Value{cty.StringVal("a"), cty.UnknownVal(cty.String)}),
	})}
	for attribute, want := range map[string]bool{"size": true, "zone": true, "price": false, "tags": false, "colour": false} {
		require.Equal(t, want, c.Knows(attribute), attribute)
	}
}
