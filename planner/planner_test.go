package planner_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

// cloud gives every backend the same fake provider.
type cloud struct{ provider providers.Provider }

func (c cloud) Describe(ctx context.Context, _ string) (providers.Description, error) {
	return c.provider.Describe(ctx)
}

func (c cloud) Start(context.Context, string) (providers.Provider, error) { return c.provider, nil }

var now = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

func newPlanner(t *testing.T, world *fake.World, hcl string) (*planner.Planner, diag.List) {
	t.Helper()
	cfg, diags := config.Load(t.Context(), config.LoadOptions{Sources: sources(hcl), Dir: t.TempDir()})
	return &planner.Planner{
		Config: cfg, Providers: cloud{fake.New(fake.Options{World: world})}, Now: func() time.Time { return now },
		Getenv: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler), Version: "test", Store: "the test",
	}, diags
}

func makePlan(t *testing.T, state *statefile.State, hcl string) (*plan.Plan, diag.List) {
	t.Helper()
	p, diags := newPlanner(t, fake.Memory(), hcl)
	if diags.HasErrors() {
		return nil, diags
	}
	return p.Plan(t.Context(), planner.PlanOptions{State: state})
}

func emptyState() *statefile.State { return statefile.New("lineage", []byte(strings.Repeat("k", 32))) }

// outline is a plan in a few words: actions and steps.
func outline(p *plan.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.OnlyCandidate {
			continue
		}
		line := string(c.Action) + " " + c.Address
		if c.Placement != nil {
			line += " on " + c.Placement.Instance
		}
		out = append(out, line)
	}
	for _, s := range p.Steps {
		line := "step " + string(s.Op) + " " + s.Address
		for _, n := range s.Needs {
			line += " <- " + p.Steps[n].Address
		}
		out = append(out, line)
	}
	return out
}

const backendFake = "backend \"cloud\" {\n  provider = \"fake\"\n}\n"

func TestFirstPlans(t *testing.T) {
	for name, tc := range map[string]struct {
		hcl  string
		want []string
	}{
		"a volume": {`
volume "data" {
  region = "us-east-1"
  size   = "100GB"
}`, []string{"create volume.data", "step create volume.data"}},
		"a fleet, a volume and a task that mounts it": {`
fleet "ff" {
  nodes = 1
  resources {
    gpu = "A100:40GB:1"
  }
}
volume "data" {
  region = "us-east-1"
  size   = "100GB"
}
task "tt" {
  fleet    = fleet.ff
  commands = ["exit 0"]
  volumes  = [{ volume = volume.data, path = "/data" }]
  resources {
    gpu = "A100:1"
  }
}`, nil},
		"a chain": {`
volume "aa" {
  region = "us-east-1"
  size   = "1GB"
}
volume "bb" {
  region = "us-east-1"
  size   = "1GB"
  name   = "b-${volume.aa.name}"
}`, []string{"create volume.aa", "create volume.bb", "step create volume.aa", "step create volume.bb <- volume.aa"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, diags := makePlan(t, emptyState(), backendFake+tc.hcl)
			require.NoError(t, diags.Err())
			raw, err := json.MarshalIndent(p, "", " ")
			require.NoError(t, err)
			if tc.want == nil {
				t.Log(strings.Join(outline(p), "\n"))
				t.Log(string(raw))
				return
			}
			require.Empty(t, cmp.Diff(tc.want, outline(p)))
		})
	}
}
