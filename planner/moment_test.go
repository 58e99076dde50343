package planner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

func TestTheMomentOfAPlanIsReadByItsStateAlone(t *testing.T) {
	state := statefile.New("a", make([]byte, statefile.DigestKeySize))
	want := config.NewMoment(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	seed, err := state.Encrypt(momentSeed, want.Seed[:])
	require.NoError(t, err)
	short, err := state.Encrypt(momentSeed, want.Seed[:5])
	require.NoError(t, err)

	got, err := MomentOf(&plan.Plan{Moment: &plan.Moment{Time: want.Time, Seed: seed}}, state)
	require.NoError(t, err)
	require.Equal(t, want, got)

	got, err = MomentOf(&plan.Plan{}, state)
	require.NoError(t, err)
	require.Nil(t, got)

	for name, bad := range map[string]string{"too short": short, "damaged": "x" + seed, "none": ""} {
		_, err = MomentOf(&plan.Plan{Moment: &plan.Moment{Time: want.Time, Seed: bad}}, state)
		require.ErrorContains(t, err, "moment cannot be read", name)
	}
	_, err = MomentOf(&plan.Plan{Moment: &plan.Moment{Time: want.Time, Seed: seed}}, statefile.New("b", []byte("another key of thirty-two bytes!")))
	require.Error(t, err)
}
