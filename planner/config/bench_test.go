package config

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
)

// written makes n blocks in four files: volumes with 3 arguments, fleets with 9, some of which refer to variables,
// locals and the volume before them.
func written(n int) []Source {
	var files [4]strings.Builder
	files[0].WriteString("variable \"size\" {\n  default = \"10GB\"\n}\nlocals {\n  price = 2.5\n}\nbackend \"local\" {}\n")
	for i := range n {
		f := &files[i*4/max(n, 4)]
		if i%2 == 0 {
			fmt.Fprintf(f, "volume \"data_%d\" {\n  backend = \"local\"\n  region  = \"local\"\n  size    = var.size\n}\n", i)
			continue
		}
		fmt.Fprintf(f, `fleet "train_%d" {
  nodes         = 2
  placement     = "any"
  backends      = ["local"]
  regions       = ["local"]
  spot_policy   = "auto"
  max_price     = local.price
  idle_duration = "2h"
  reservation   = volume.data_%d.name
  resources {
    gpu    = "A100:80GB:8"
    memory = "64GB.."
  }
}
`, i, i-1)
	}
	out := make([]Source, len(files))
	for i := range files {
		out[i] = Source{Path: fmt.Sprintf("part%d.dstack.hcl", i), Text: []byte(files[i].String())}
	}
	return out
}

// evaluate does what a planner does with a configuration.
func evaluate(tb testing.TB, sources []Source) int {
	c, list := Load(context.Background(), LoadOptions{Sources: sources})
	require.False(tb, list.HasErrors(), "%v", list.Err())
	scope := values{}
	levels, list := c.Order()
	require.Empty(tb, list)
	n := 0
	for _, level := range levels {
		for _, b := range level {
			instances, _, list := c.Repetition(b, &scope)
			require.Empty(tb, list)
			for _, inst := range instances {
				d, list := c.Decode(inst, &scope)
				require.Empty(tb, list)
				scope[b.Addr.String()] = cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(b.Addr.String()), "name": cty.StringVal(d.Name)})
				n++
			}
		}
	}
	return n
}

// BenchmarkParse is the floor: the parser alone, on the same files.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		sources := written(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				for _, s := range sources {
					if _, ds := hclsyntax.ParseConfig(s.Text, s.Path, hcl.InitialPos); ds.HasErrors() {
						b.Fatal(ds)
					}
				}
			}
		})
	}
}

// BenchmarkEvaluate is Load, Order, Repetition and Decode of all blocks. The metrics are multiples of what the parser alone
// takes for the same files, measured by turns in the same run: x-parse of its time, on all processors that there are, and
// x-parse-cpu of its processor time, which other work on the machine changes little. 3 is the most that is allowed.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		sources := written(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var parse, own spent
			for b.Loop() {
				b.StopTimer()
				parse.add(func() {
					for _, s := range sources {
						if _, ds := hclsyntax.ParseConfig(s.Text, s.Path, hcl.InitialPos); ds.HasErrors() {
							b.Fatal(ds)
						}
					}
				})
				b.StartTimer()
				own.add(func() { evaluate(b, sources) })
			}
			b.ReportMetric(float64(own.wall)/float64(parse.wall), "x-parse")
			b.ReportMetric(float64(own.cpu)/float64(parse.cpu), "x-parse-cpu")
		})
	}
}

// spent is time, and processor time of the whole process.
type spent struct{ wall, cpu time.Duration }

// add runs f. The garbage of what ran before is not its own.
func (s *spent) add(f func()) {
	runtime.GC()
	start, cpu := time.Now(), processorTime()
	f()
	s.wall += time.Since(start)
	s.cpu += processorTime() - cpu
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
