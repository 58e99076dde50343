package render_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

// renderers are all that makes something of a plan.
var renderers = []struct {
	name string
	of   func(*plan.Plan) error
}{
	{"text", func(p *plan.Plan) error { render.Text(p, render.Options{}); return nil }},
	{"text verbose", func(p *plan.Plan) error {
		render.Text(p, render.Options{Verbose: true, Color: true, Width: 120})
		return nil
	}},
	{"markdown", func(p *plan.Plan) error { render.Markdown(p, render.MarkdownOptions{}); return nil }},
	{"json", func(p *plan.Plan) error { _, err := render.JSON(p); return err }},
	{"html", func(p *plan.Plan) error { _, err := render.HTML(p, render.HTMLOptions{}); return err }},
	{"annotations", func(p *plan.Plan) error { render.Annotations(p, ""); return nil }},
}

// large are plans of any number of changes, by what is large in them.
var large = []struct {
	name string
	of   func(n int) *plan.Plan
}{
	{"apart", func(n int) *plan.Plan { return rendertest.Large(n, n/5) }},
	{"woven", rendertest.Woven},
}

// busy is the processor time of this process, which other work of the machine changes little.
func busy(t *testing.T) time.Duration {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cost is what a renderer takes for a plan: bytes of memory, and the shortest processor time of three.
func cost(t *testing.T, of func(*plan.Plan) error, p *plan.Plan) (bytes float64, shortest time.Duration) {
	for range 3 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := busy(t)
		require.NoError(t, of(p))
		took := busy(t) - start
		runtime.ReadMemStats(&after)
		bytes = float64(after.TotalAlloc - before.TotalAlloc)
		if shortest == 0 || took < shortest {
			shortest = took
		}
	}
	return bytes, shortest
}

// TestRenderingIsLinear holds ten times the changes against less than half of what a square would take: of memory, which
// does not depend on the machine, and of the processor's time.
func TestRenderingIsLinear(t *testing.T) {
	const few, many = 500, 5000
	for _, l := range large {
		small, big := l.of(few), l.of(many)
		for _, r := range renderers {
			t.Run(l.name+" "+r.name, func(t *testing.T) {
				b1, t1 := cost(t, r.of, small)
				b2, t2 := cost(t, r.of, big)
				require.Less(t, b2/b1, 20.0, "%.0f bytes for %d changes, %.0f for %d", b1, few, b2, many)
				require.Less(t, float64(t2)/float64(max(t1, time.Millisecond)), 45.0, "%v for %d changes, %v for %d", t1, few, t2, many)
			})
		}
	}
}

// TestTextIsNotFarFromWritingThePlan compares the text of the plan that the issue names, which is to take less than 200
// ms, with encoding that plan as JSON, on the same machine in the same run: what BenchmarkTextOf2000 takes depends on the
// machine.
func TestTextIsNotFarFromWritingThePlan(t *testing.T) {
	p := rendertest.Large(2000, 300)
	_, text := cost(t, renderers[0].of, p)
	_, encoding := cost(t, func(p *plan.Plan) error { _, err := json.Marshal(p); return err }, p)
	require.Less(t, float64(text)/float64(encoding), 20.0, "%v for the text, %v to encode the plan", text, encoding)
}

func BenchmarkRendering(b *testing.B) {
	for _, r := range renderers {
		for _, l := range large {
			for _, n := range []int{100, 1000, 10_000} {
				p := l.of(n)
				b.Run(fmt.Sprintf("%s/%s/%d", r.name, l.name, n), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := r.of(p); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// BenchmarkTextOf2000 is the plan that the issue names.
func BenchmarkTextOf2000(b *testing.B) {
	p := rendertest.Large(2000, 300)
	for b.Loop() {
		render.Text(p, render.Options{})
	}
}
