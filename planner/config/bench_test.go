package config

import (
	"context"
	"fmt"
	"strings"
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

// BenchmarkEvaluate is Load, Order, Repetition and Decode of all blocks. The metric x-parse is its time as a multiple of
// what the parser alone takes in the same run; 2 is the budget on an idle machine.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		sources := written(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			start, runs := time.Now(), 3
			for range runs {
				for _, s := range sources {
					if _, ds := hclsyntax.ParseConfig(s.Text, s.Path, hcl.InitialPos); ds.HasErrors() {
						b.Fatal(ds)
					}
				}
			}
			parse := time.Since(start) / time.Duration(runs)
			for b.Loop() {
				evaluate(b, sources)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(parse), "x-parse")
		})
	}
}
