package planner_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
)

func TestAVolumeThatTurnsOutToBeElsewhereIsRefused(t *testing.T) {
	l := newLife(t)
	why := l.refused(`
fleet "west" {
  nodes   = 1
  regions = ["us-west-2"]
}
volume "data" {
  region = fleet.west.instance[0].region
  size   = "1GB"
}
task "solo" {
  regions  = ["us-east-1"]
  commands = ["exit 0"]
  volumes  = [{ volume = volume.data, path = "/data" }]
}
`, planner.PlanOptions{})
	require.Contains(t, why, "that is in us-west-2, its instance task.solo.instance[0] in us-east-1")
}
