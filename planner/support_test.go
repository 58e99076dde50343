package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnInstanceThatIsUpdatedKeepsItsNeedOfWhatACandidateMayNeed(t *testing.T) {
	l := newLife(t)
	const west = `
fleet "west" {
  nodes   = 1
  regions = ["us-west-2"]
}
`
	const either = `
fleet "either" {
  nodes   = 1
  regions = ["us-east-1", "us-west-2"]
}
`
	const group = `backend.cloud.support["security-group/us-west-2"]`
	l.apply(west)
	l.apply(strings.Replace(west, "nodes ", "max_price = 9\n  nodes ", 1) + either)
	state := l.mustState()
	require.Contains(t, state.Resource("fleet.west.instance[0]").Needs, group)
	require.NotContains(t, state.Resource("fleet.either.instance[0]").Needs, group, "it is in the other region")
}
