package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

func TestNumbersAreReadAsTheyWereWritten(t *testing.T) {
	o := schema.Of[schema.Instance]()
	for name, n := range map[string]cty.Value{
		"zero":                         cty.Zero,
		"more than a float64 holds":    cty.NumberIntVal(9_007_199_254_740_993),
		"more than an int64 holds":     cty.MustParseNumberVal("-123456789012345678901234567890"),
		"a fraction of a float64":      cty.NumberFloatVal(0.1),
		"a very small one":             cty.NumberFloatVal(5e-324),
		"a large one with a fraction":  cty.NumberFloatVal(1.5e15),
		"a large one without fraction": cty.NumberFloatVal(1e300),
	} {
		t.Run(name, func(t *testing.T) {
			data, err := schema.MarshalValue(cty.ObjectVal(map[string]cty.Value{"disk_mib": n}))
			require.NoError(t, err)
			v, err := schema.UnmarshalValue(o, data)
			require.NoError(t, err)
			require.True(t, v.GetAttr("disk_mib").RawEquals(n), "%s: %#v", data, v.GetAttr("disk_mib"))
		})
	}
	for name, text := range map[string]string{
		"more than one value": `{} {}`,
		"half a value":        `{"disk_mib":`,
		"out of range":        `{"disk_mib":1.0e999999}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := schema.UnmarshalValue(o, []byte(text))
			require.Error(t, err)
		})
	}
}
