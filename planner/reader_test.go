package planner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// recordedVolumes are volumes that exist, as they are recorded, on backends of a fake cloud with some faults.
func recordedVolumes(t *testing.T, n int, faults string, names ...string) (*backends, []*record) {
	t.Helper()
	world := fake.Memory()
	bs := &backends{p: &Planner{}, all: map[string]*backend{}}
	var out []*record
	for _, name := range names {
		open := func(s fake.Settings) providers.Backend {
			s.Account = name
			b, err := fake.New(fake.Options{World: world, Getenv: func(string) string { return "" }}).Open(t.Context(), providers.BackendConfig{Name: name, Settings: s.JSON()})
			require.NoError(t, err)
			return b
		}
		well := open(fake.Settings{})
		for i := range n {
			a := fmt.Sprintf("volume.%s%d", name, i)
			made, err := well.Volumes().Create(t.Context(), providers.Op[schema.Volume]{Address: a, Key: a, Planned: schema.Volume{Name: fmt.Sprintf("v%d", i), Backend: name, Region: "us-east-1", Size: value.MemoryOf(1)}},
				func(providers.Progress[schema.Volume]) error { return nil })
			require.NoError(t, err)
			out = append(out, &record{Resource: &statefile.Resource{Address: a, Kind: addr.KindVolume, Backend: name, ID: made.ID}, value: schema.Encode(made.Value)})
			out[len(out)-1].Private = made.Private
		}
		var script fake.Script
		require.NoError(t, json.Unmarshal([]byte(faults), &script))
		b := &backend{name: name, provider: "fake", handle: open(fake.Settings{Faults: script, Latency: fake.Duration(100 * time.Millisecond)})}
		b.once.Do(func() {})
		bs.all[name] = b
	}
	return bs, out
}

// A cloud that takes three reads at a time is asked less often until it answers, and more often again; nothing is lost.
func TestReadsAdaptToABackendThatThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, perCall = 120, 2
		bs, records := recordedVolumes(t, n, `[{"fault": "throttled", "op": "read", "above": 3, "retry_after": "2s"}]`, "cloud")
		var told []Reading
		reads := bs.reader(10, func(r Reading) { told = append(told, r) })
		reads.most = perCall
		began := time.Now()
		require.NoError(t, reads.all(t.Context(), records))
		for _, r := range records {
			require.Equal(t, providers.Present, r.presence, r.Address)
			require.NoError(t, r.err, r.Address)
			require.False(t, r.skipped, r.Address)
		}
		require.Greater(t, len(told), 2)
		require.Equal(t, 5, told[0].AtOnce, "the first refusal of ten halves them")
		require.Equal(t, 2*time.Second, told[0].Wait)
		var limits []int
		for _, r := range told[:len(told)-1] {
			require.False(t, r.Ended)
			require.Equal(t, n, r.Total)
			require.ErrorContains(t, r.Why, "RequestLimitExceeded")
			limits = append(limits, r.AtOnce)
		}
		require.Equal(t, 2, slices.Min(limits), "at three or less it answers, so they never become one")
		require.Greater(t, len(limits), 2, "it went up again, and was refused again: %v", limits)
		last := told[len(told)-1]
		require.True(t, last.Ended)
		require.Equal(t, n, last.Done)
		require.Equal(t, n, last.Total)
		require.GreaterOrEqual(t, last.Refused, len(limits), "those that were refused together count each")
		require.Less(t, time.Since(began), time.Minute)
	})
}

// What a cloud says of single objects is asked again for these alone.
func TestObjectsThatWereThrottledAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs, records := recordedVolumes(t, 6, `[{"fault": "throttled", "op": "read", "address": "volume.cloud3", "times": 2}]`, "cloud")
		var told []Reading
		require.NoError(t, bs.reader(10, func(r Reading) { told = append(told, r) }).all(t.Context(), records))
		for _, r := range records {
			require.Equal(t, providers.Present, r.presence, r.Address)
		}
		require.Len(t, told, 3)
		require.Equal(t, 5, told[0].Done, "the others were answered")
		require.Equal(t, time.Second, told[0].Wait, "the cloud does not say how long")
		require.Equal(t, Reading{Backend: "cloud", AtOnce: 2, Refused: 2, Done: 6, Total: 6, Ended: true, Why: told[2].Why}, told[2])
	})
}

// A backend that refuses everything is given up, and what is on it is not known; others are not held up by it.
func TestABackendThatRefusesEverythingHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs, records := recordedVolumes(t, 30, `[]`, "fast", "slow")
		slow, _ := recordedVolumes(t, 0, `[{"fault": "throttled", "op": "read"}]`, "slow")
		bs.all["slow"] = slow.all["slow"]
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		reads := bs.reader(2, nil)
		reads.most = 5
		require.ErrorIs(t, reads.all(soon, records), context.DeadlineExceeded)
		for _, r := range records {
			if r.Backend == "fast" {
				require.Equal(t, providers.Present, r.presence, "%s waits for nobody", r.Address)
			}
		}
		began := time.Now()
		var last Reading
		reads = bs.reader(2, func(r Reading) { last = r })
		reads.most = 5
		require.NoError(t, reads.all(t.Context(), records))
		for _, r := range records {
			if r.Backend == "slow" {
				require.Equal(t, providers.Unknown, r.presence, r.Address)
				require.ErrorContains(t, r.err, "RequestLimitExceeded", r.Address)
			}
		}
		require.LessOrEqual(t, time.Since(began), readPatience)
		require.True(t, last.Ended)
		require.Equal(t, 0, last.Done)
		require.Equal(t, 30, last.Total)
	})
}

// Ctrl-C ends a wait for a backend.
func TestReadsThatWaitAreInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs, records := recordedVolumes(t, 4, `[{"fault": "throttled", "op": "read", "retry_after": "1m"}]`, "cloud")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, bs.reader(10, nil).all(ctx, records), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}
