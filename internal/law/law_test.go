package law_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
)

func TestCheck(t *testing.T) {
	draws := func() (out []int) {
		law.Check(t, 20, func(t *rapid.T) { out = append(out, rapid.Int().Draw(t, "n")) })
		return out
	}
	before := flag.Lookup("rapid.checks").Value.String()
	first := draws()
	want := 20
	if testing.Short() {
		want /= 5
	}
	require.Len(t, first, want)
	require.Equal(t, first, draws(), "the same in every run")
	require.Equal(t, before, flag.Lookup("rapid.checks").Value.String(), "nothing is left changed")
}
