package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

func TestRetries(t *testing.T) {
	type try struct {
		runs   time.Duration
		reason api.Reason
		want   verdict
		pause  time.Duration
	}
	const failed, seconds, hour = api.ReasonExitedWithError, time.Second, time.Hour
	cases := map[string]struct {
		policy api.Retry
		tries  []try
	}{
		"no policy: never again": {api.Retry{}, []try{{seconds, failed, over, 0}}},
		"pauses double up to the longest": {api.Retry{For: hour}, []try{
			{0, failed, again, 1 * seconds}, {0, failed, again, 2 * seconds}, {0, failed, again, 4 * seconds}, {0, failed, again, 8 * seconds},
			{0, failed, again, 15 * seconds}, {0, failed, again, 15 * seconds},
		}},
		"the first pause is the policy's": {api.Retry{For: hour, Pause: 4 * seconds}, []try{{0, failed, again, 4 * seconds}, {0, failed, again, 8 * seconds}}},
		"a series ends with its time": {api.Retry{For: 10 * seconds}, []try{
			{0, failed, again, 1 * seconds}, {3 * seconds, failed, again, 2 * seconds}, {3 * seconds, failed, exceeded, 0},
		}},
		"a try that ran for longer begins a new series": {api.Retry{For: hour}, []try{
			{0, failed, again, 1 * seconds}, {50 * hour, failed, again, 1 * seconds}, {0, failed, again, 2 * seconds}, {59 * time.Minute, failed, again, 4 * seconds},
			{seconds, failed, again, 8 * seconds}, {50 * seconds, failed, exceeded, 0},
		}},
		"what is no error is not tried again": {api.Retry{For: hour}, []try{{seconds, api.ReasonDone, over, 0}}},
		"nor is what somebody stopped":        {api.Retry{For: hour}, []try{{seconds, api.ReasonTerminatedByUser, over, 0}}},
		"nor is what was over its duration":   {api.Retry{For: hour}, []try{{seconds, api.ReasonMaxDurationExceeded, over, 0}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var r retries
			now := time.Unix(1000, 0)
			for i, try := range c.tries {
				started := now
				now = now.Add(try.runs)
				v, pause := r.after(c.policy, started, now, try.reason)
				require.Equal(t, []any{try.want, try.pause}, []any{v, pause}, "try %d", i+1)
				now = now.Add(pause)
			}
		})
	}
}
