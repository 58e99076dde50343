package planner_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// shape writes n volumes of a size.
type shape func(n int, size string) string

func volumeText(b *strings.Builder, label, more, name, size string) {
	fmt.Fprintf(b, "volume %q {\n%s  region = \"us-east-1\"\n  name   = \"%s\"\n  size   = \"%s\"\n}\n", label, more, name, size)
}

// written has a block for each volume.
func written(n int, size string) string {
	var b strings.Builder
	for i := range n {
		volumeText(&b, fmt.Sprintf("v%d", i), "", fmt.Sprintf("v-%d", i), size)
	}
	return b.String()
}

// counted has one block with count.
func counted(n int, size string) string {
	var b strings.Builder
	volumeText(&b, "v", fmt.Sprintf("  count  = %d\n", n), "v-${count.index}", size)
	return b.String()
}

// chain has volumes each of which refers to the one before.
func chain(n int, size string) string {
	var b strings.Builder
	volumeText(&b, "v0", "", "v-0", size)
	for i := 1; i < n; i++ {
		volumeText(&b, fmt.Sprintf("v%d", i), "", fmt.Sprintf("v-%d${substr(volume.v%d.name, 0, 0)}", i, i-1), size)
	}
	return b.String()
}

// pairs has two blocks with count, of which the second refers to the first element by element.
func pairs(n int, size string) string {
	var b strings.Builder
	volumeText(&b, "a", fmt.Sprintf("  count  = %d\n", n/2), "a-${count.index}", size)
	volumeText(&b, "b", fmt.Sprintf("  count  = %d\n", n/2), "b-${volume.a[count.index].name}", size)
	return b.String()
}

// runs are tasks of ten nodes, each on a fleet of its own: half instances, half jobs.
func runs(n int, _ string) string {
	var b strings.Builder
	for i := range n / 20 {
		fmt.Fprintf(&b, "fleet \"f%d\" {\n  nodes = 10\n  resources {\n    cpu = \"2..\"\n  }\n}\n", i)
		fmt.Fprintf(&b, "task \"t%d\" {\n  fleet    = fleet.f%d\n  nodes    = 10\n  commands = [\"exit 0\"]\n}\n", i, i)
	}
	return b.String()
}

// bench is a fake cloud, what is recorded of it, and the texts of a configuration that is planned against both.
type bench struct {
	world *fake.World
	state *statefile.State
}

func newBench() *bench { return &bench{world: fake.Memory(), state: emptyState()} }

// load is everything that a command does before it plans but for reading the files.
func (b *bench) load(tb testing.TB, text string) *planner.Planner {
	tb.Helper()
	cfg, diags := config.Load(context.Background(), config.LoadOptions{Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(backendFake + text)}}})
	require.NoError(tb, diags.Err())
	return &planner.Planner{
		Config: cfg, Providers: cloud{fake.New(fake.Options{World: b.world})}, Now: func() time.Time { return now },
		Getenv: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler), Version: "test", Store: "the test",
	}
}

func (b *bench) plan(tb testing.TB, text string, destroy bool) *plan.Plan {
	tb.Helper()
	p, diags := b.load(tb, text).Plan(context.Background(), planner.PlanOptions{State: b.state, Destroy: destroy})
	require.NoError(tb, diags.Err())
	return p
}

// realise makes the volumes of a first plan in the cloud, and records them.
func (b *bench) realise(tb testing.TB, p *plan.Plan) {
	tb.Helper()
	ctx := context.Background()
	handle, err := fake.New(fake.Options{World: b.world}).Open(ctx, providers.BackendConfig{Name: "cloud"})
	require.NoError(tb, err)
	records := []statefile.Record{statefile.NewBackend(now, "cloud", &statefile.Backend{Provider: "fake", Identity: handle.Identity()})}
	for _, c := range p.Changes {
		want, err := schema.UnmarshalValue(schema.KindObject(c.Kind), c.After)
		require.NoError(tb, err)
		made, err := providers.ResourceOf(handle, c.Kind).Create(ctx, providers.Op[cty.Value]{Address: c.Address, Lineage: p.Lineage, Key: c.Address, Attempt: 1, Planned: want},
			func(providers.Progress[cty.Value]) error { return nil })
		require.NoError(tb, err)
		raw, err := schema.MarshalValue(made.Value)
		require.NoError(tb, err)
		records = append(records, statefile.NewPut(now, &statefile.Resource{Address: c.Address, Kind: c.Kind, Backend: c.Backend, ID: made.ID, Status: "active",
			Attributes: raw, Private: made.Private, Needs: c.Needs, Key: c.Address, Revision: 1, CreatedAt: now}, ""))
	}
	sealed, _, err := b.state.Seal(records)
	require.NoError(tb, err)
	for _, r := range sealed {
		require.NoError(tb, b.state.Apply(r))
	}
}

// BenchmarkPlan plans each shape of configuration at each moment of its life, loading included.
func BenchmarkPlan(b *testing.B) {
	moments := []struct {
		name    string
		first   bool
		size    string
		destroy bool
		want    func(n int) plan.Summary
	}{
		{name: "first", first: true, size: "1GB", want: func(n int) plan.Summary { return plan.Summary{Create: n} }},
		{name: "unchanged", size: "1GB", want: func(int) plan.Summary { return plan.Summary{} }},
		{name: "update", size: "2GB", want: func(n int) plan.Summary { return plan.Summary{Update: n} }},
		{name: "destroy", size: "1GB", destroy: true, want: func(n int) plan.Summary { return plan.Summary{Destroy: n} }},
	}
	for _, s := range []struct {
		name  string
		text  shape
		sizes []int
	}{
		{"written", written, []int{100, 1000, 10_000}},
		{"count", counted, []int{100, 1000, 10_000}},
		{"chain", chain, []int{500, 5000}},
		{"pairs", pairs, []int{1000, 10_000}},
		{"runs", runs, []int{100, 1000}},
	} {
		for _, m := range moments {
			if s.name == "runs" && !m.first {
				continue // what runs leave behind is not made by this file
			}
			for _, n := range s.sizes {
				b.Run(fmt.Sprintf("%s/%s/%d", s.name, m.name, n), func(b *testing.B) {
					at := newBench()
					if !m.first {
						at.realise(b, at.plan(b, s.text(n, "1GB"), false))
					}
					text := s.text(n, m.size)
					b.ReportAllocs()
					for b.Loop() {
						got := at.plan(b, text, m.destroy).Summary
						got.Support = 0
						require.Equal(b, m.want(n), got)
					}
				})
			}
		}
	}
}
