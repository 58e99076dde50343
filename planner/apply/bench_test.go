package apply

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// instant is a backend whose volumes are there as soon as they are asked for.
type instant struct {
	providers.Backend
	last atomic.Int64
}

func (*instant) Identity() string { return "fake" }

func (b *instant) Volumes() providers.Resource[schema.Volume] { return instantVolumes{b: b} }

type instantVolumes struct {
	providers.Resource[schema.Volume]
	b *instant
}

func (v instantVolumes) Create(_ context.Context, op providers.Op[schema.Volume], report providers.Report[schema.Volume]) (providers.Object[schema.Volume], error) {
	o := providers.Object[schema.Volume]{ID: "vol-" + strconv.FormatInt(v.b.last.Add(1), 10), Value: op.Planned}
	o.Value.ID, o.Value.Status, o.Value.Location = o.ID, "active", "/volumes/"+o.ID
	return o, report(providers.Progress[schema.Volume]{Checkpoint: &o})
}

// benchPlan is a plan of n volumes; with chain each needs the one before.
func benchPlan(b *testing.B, l *lab, n int, chain bool) *plan.Plan {
	b.Helper()
	d := l.draft()
	for i := range n {
		var needs []string
		if chain && i > 0 {
			needs = []string{fmt.Sprintf("volume.data[%d]", i-1)}
		}
		d.create(fmt.Sprintf("volume.data[%d]", i), volume("data-"+strconv.Itoa(i)), needs...)
	}
	return d.p
}

func BenchmarkCreate(b *testing.B) {
	for _, bc := range []struct {
		n     int
		chain bool
	}{{n: 100}, {n: 1000}, {n: 10000}, {n: 500, chain: true}} {
		name := strconv.Itoa(bc.n)
		if bc.chain {
			name = "chain-" + name
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				l := newLab(b)
				l.backends = map[string]providers.Backend{"fake": &instant{}}
				p := benchPlan(b, l, bc.n, bc.chain)
				o := l.options(p)
				o.Observe = nil
				b.StartTimer()
				r, err := Run(context.Background(), o)
				b.StopTimer()
				require.NoError(b, err)
				require.Equal(b, bc.n, r.Count(Done))
				require.NoError(b, l.session.Close(context.Background()))
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*bc.n), "µs/step")
		})
	}
}

// BenchmarkPrepare is what an apply costs before its first step: of a plan that was applied almost wholly.
func BenchmarkPrepare(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l := newLab(b)
			l.backends = map[string]providers.Backend{"fake": &instant{}}
			p := benchPlan(b, l, n, false)
			o := l.options(p)
			_, err := Run(context.Background(), o)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				e := &engine{opts: o, plan: p, session: l.session, state: l.state(), clock: systemClock{}, intents: map[statefile.Ref][]*statefile.Intent{}}
				require.NoError(b, e.prepare())
			}
		})
	}
}
