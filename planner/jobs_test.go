package planner_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

const twoTasks = `
fleet "lab" {
  nodes   = 1
  blocks  = 2
  regions = ["us-east-1"]
  resources {
    cpu = "8.."
  }
}
task "short" {
  fleet    = fleet.lab
  commands = ["echo one", "echo two", "exit 0"]
  resources {
    cpu    = "1.."
    memory = "1GB.."
    disk   = "1GB.."
  }
}
task "long" {
  fleet    = fleet.lab
  commands = ["echo begun", "sleep 1000"]
  resources {
    cpu    = "1.."
    memory = "1GB.."
    disk   = "1GB.."
  }
}
`

func (l *life) state() *statefile.State {
	l.t.Helper()
	st, err := l.store.Read(l.t.Context())
	require.NoError(l.t, err)
	return st
}

// statuses are what Look says, in a word each.
func statuses(t *testing.T, r *planner.Recorded, kinds ...string) map[string]string {
	t.Helper()
	live, err := r.Look(t.Context(), kinds...)
	require.NoError(t, err)
	out := map[string]string{}
	for _, l := range live {
		switch l.Presence {
		case providers.Present:
			out[l.Resource.Address] = planner.StatusOf(l.Value)
		case providers.Gone:
			out[l.Resource.Address] = "gone"
		default:
			out[l.Resource.Address] = "unknown: " + l.Err.Error()
		}
	}
	return out
}

func logOf(t *testing.T, r *planner.Recorded, archive statefile.Archive, address string, opts providers.LogOptions) (string, error) {
	t.Helper()
	var b strings.Builder
	err := r.JobLogs(t.Context(), address, opts, archive, func(e providers.LogEntry) error {
		b.Write(e.Text)
		return nil
	})
	return b.String(), err
}

func TestWhatIsRecordedIsLookedAtAndStopped(t *testing.T) {
	l := newLife(t)
	l.apply(twoTasks)
	r := l.planner(twoTasks).Open(t.Context(), l.state())
	defer r.Close()
	require.Empty(t, cmp.Diff(map[string]string{"task.short.job[0]": "done", "task.long.job[0]": "running"}, statuses(t, r, "job")))
	got := statuses(t, r, "instance", "volume")
	require.Len(t, got, 1)
	require.Contains(t, got, "fleet.lab.instance[0]")

	text, err := logOf(t, r, l.store, "task.short.job[0]", providers.LogOptions{})
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", text)

	require.NoError(t, r.StopJob(t.Context(), "task.long.job[0]", false))
	require.True(t, planner.Ended(statuses(t, r, "job")["task.long.job[0]"]))
	require.ErrorContains(t, r.StopJob(t.Context(), "task.other.job[0]", false), "task.other.job[0] is not recorded")
}

func TestABackendWithoutABlockIsOpenedFromTheRecord(t *testing.T) {
	l := newLife(t)
	l.apply(twoTasks)
	p := l.planner(twoTasks)
	p.Config = nil // as with a configuration that cannot be read
	r := p.Open(t.Context(), l.state())
	defer r.Close()
	require.Equal(t, "running", statuses(t, r, "job")["task.long.job[0]"])
}

// none is a place without any provider.
type none struct{}

func (none) Describe(context.Context, string) (providers.Description, error) {
	return providers.Description{}, providers.Errorf(providers.NotFound, "its program is gone")
}

func (none) Start(context.Context, string) (providers.Provider, error) {
	return nil, providers.Errorf(providers.NotFound, "its program is gone")
}

func TestAProviderThatIsGoneMakesItsObjectsUnknown(t *testing.T) {
	l := newLife(t)
	l.apply(twoTasks)
	p := l.planner(twoTasks)
	p.Providers = none{}
	r := p.Open(t.Context(), l.state())
	defer r.Close()
	got := statuses(t, r, "job")
	require.Len(t, got, 2)
	for address, status := range got {
		require.Containsf(t, status, "its program is gone", "%s", address)
	}
	_, err := logOf(t, r, l.store, "task.long.job[0]", providers.LogOptions{})
	require.ErrorContains(t, err, "its program is gone")
	require.ErrorContains(t, r.StopJob(t.Context(), "task.long.job[0]", false), "its program is gone")
}

func TestTheOutputOfADeletedJobIsKept(t *testing.T) {
	l := newLife(t)
	l.apply(twoTasks)
	p := l.planWith(twoTasks, planner.PlanOptions{Destroy: true})
	session, err := l.store.Lock(t.Context(), statefile.Holder{})
	require.NoError(t, err)
	pl := l.planner(twoTasks)
	res, err := pl.Apply(t.Context(), planner.ApplyOptions{Plan: p, Session: session, KeepLog: pl.KeepLog(l.store)})
	require.NoError(t, err)
	require.True(t, res.Complete())
	require.NoError(t, session.Close(t.Context()))
	require.Zero(t, l.state().Len())

	r := pl.Open(t.Context(), l.state())
	defer r.Close()
	text, err := logOf(t, r, l.store, "task.short.job[0]", providers.LogOptions{})
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", text)
	text, err = logOf(t, r, l.store, "task.short.job[0]", providers.LogOptions{Tail: 1})
	require.NoError(t, err)
	require.Equal(t, "two\n", text)
	_, err = logOf(t, r, l.store, "task.never.job[0]", providers.LogOptions{})
	var missing *planner.NoLogError
	require.ErrorAs(t, err, &missing)
}

func TestOffers(t *testing.T) {
	l := newLife(t)
	p := l.planner("")
	need := schema.Requirements{Spot: value.OnDemand, Regions: []string{"us-east-1"}}
	require.NoError(t, need.Resources.GPU.UnmarshalText([]byte("A100:8")))
	sel, diags := p.Offers(t.Context(), l.state(), offer.Query{Need: need, Count: 1})
	require.NoError(t, diags.Err())
	require.NotEmpty(t, sel.Usable)
	for i, o := range sel.Usable {
		require.Len(t, o.GPUs, 8)
		require.Equal(t, "us-east-1", o.Region)
		require.Equal(t, "cloud", o.Backend)
		require.True(t, i == 0 || sel.Usable[i-1].Price <= o.Price, "the order is that of prices")
	}

	need.Backends = []string{"other"}
	sel, diags = p.Offers(t.Context(), l.state(), offer.Query{Need: need, Count: 1})
	require.ErrorContains(t, diags.Err(), `no backend "other"`)
	require.Empty(t, sel.Usable)

	l.fault = `[{"fault": "auth", "op": "offers"}]`
	need.Backends = nil
	_, diags = l.planner("").Offers(t.Context(), l.state(), offer.Query{Need: need, Count: 1})
	require.ErrorContains(t, diags.Err(), "Backend cannot be asked")
}

func TestValidateKnowsWhatAProviderTakes(t *testing.T) {
	for name, tc := range map[string]struct{ hcl, want string }{
		"all is well":          {`backend "cloud" { provider = "fake" }`, ""},
		"an unknown setting":   {"backend \"cloud\" {\n provider = \"fake\"\n settings = { wrld = \"x\" }\n}", `Did you mean "world"?`},
		"a setting of no sort": {"backend \"cloud\" {\n provider = \"fake\"\n settings = { seed = \"many\" }\n}", "settings.seed"},
		"a bad grammar":        {"backend \"cloud\" { provider = \"fake\" }\nvolume \"data\" {\n size = \"16XB\"\n}", "unknown unit"},
	} {
		t.Run(name, func(t *testing.T) {
			p, diags := newPlanner(t, nil, tc.hcl)
			require.NoError(t, diags.Err())
			err := p.Validate(t.Context()).Err()
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestEachDiagnosticIsSaidOnce(t *testing.T) {
	_, diags := makePlan(t, emptyState(), backendFake+`
fleet "big" {
  nodes = 1
  resources {
    cpu = "9999.."
  }
}`)
	require.Len(t, diags, 1)
}
