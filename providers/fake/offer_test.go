package fake_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func offers(t *testing.T, b providers.Backend, need schema.Requirements) []string {
	t.Helper()
	var out []string
	require.NoError(t, b.(providers.Offerer).Offers(t.Context(), []schema.Requirements{need}, func(i int, o schema.Offer) {
		require.Zero(t, i)
		text := fmt.Sprintf("%s %s %s", o.Region, strings.Join(o.Zones, ","), o.InstanceType)
		if o.Spot {
			text += " spot"
		}
		text += " " + o.Price.Hourly() + " " + string(o.Availability)
		if o.Quota != nil {
			text += fmt.Sprintf(" %s %d/%d", o.Quota.Name, o.Quota.Cost, o.Quota.Left)
		}
		if o.Limit > 0 {
			text += fmt.Sprintf(" limit %d", o.Limit)
		}
		out = append(out, text)
	}))
	return out
}

func TestOffers(t *testing.T) {
	y := newYard(t, fake.Settings{})
	h100 := schema.Requirements{InstanceTypes: []string{"h100.8", "mi300x.8"}, Spot: value.OnDemand}
	require.Empty(t, cmp.Diff([]string{
		"us-east-1 us-east-1a,us-east-1b h100.8 $98.32/h no_quota p5/us-east-1 192/0",
		"us-west-2 us-west-2a h100.8 $98.32/h no_quota p5/us-west-2 192/0",
		"us-west-2 us-west-2b mi300x.8 $48.00/h available limit 2",
	}, offers(t, y.b, h100)))

	group := create(y, y.b.Supports(), schema.Support{Type: "security-group", Backend: "fake", Region: "us-west-2"})
	amd := plain("mi300x.8")
	amd.Region, amd.Zone = "us-west-2", "us-west-2b"
	first := create(y, y.b.Instances(), amd, group)
	require.Contains(t, offers(t, y.b, h100), "us-west-2 us-west-2b mi300x.8 $48.00/h available limit 1")
	create(y, y.b.Instances(), amd, group)
	require.Contains(t, offers(t, y.b, h100), "us-west-2 us-west-2b mi300x.8 $48.00/h not_available")
	_, err := try(y, y.b.Instances(), amd, group)
	require.Equal(t, providers.NoCapacity, providers.KindOf(err))
	require.NoError(t, y.delete(first))
	require.Contains(t, offers(t, y.b, h100), "us-west-2 us-west-2b mi300x.8 $48.00/h available limit 1")

	g := schema.Requirements{InstanceTypes: []string{"l4.1", "a10g.4"}, Regions: []string{"us-east-1"}}
	east := y.group()
	create(y, y.b.Instances(), plain("a10g.4"), east)
	require.Empty(t, cmp.Diff([]string{
		"us-east-1 us-east-1a,us-east-1b,us-east-1c l4.1 $0.80/h available g/us-east-1 8/208",
		"us-east-1 us-east-1a,us-east-1b,us-east-1c l4.1 spot $0.24/h available g/us-east-1 8/208",
		"us-east-1 us-east-1a,us-east-1b,us-east-1c a10g.4 $5.67/h available g/us-east-1 48/208",
		"us-east-1 us-east-1a,us-east-1b,us-east-1c a10g.4 spot $2.10/h available g/us-east-1 48/208",
	}, offers(t, y.b, g)), "offers of one quota share what is left")
}

func TestOffersAreOfTheBackendsRegions(t *testing.T) {
	p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
	b, err := p.Open(t.Context(), providers.BackendConfig{Name: "eu", Regions: []string{"eu-west-1"}})
	require.NoError(t, err)
	for _, o := range offers(t, b, schema.Requirements{}) {
		require.True(t, strings.HasPrefix(o, "eu-west-1 "), o)
	}
	require.Empty(t, offers(t, b, schema.Requirements{Backends: []string{"us"}}))
	_, err = p.Open(t.Context(), providers.BackendConfig{Name: "eu", Regions: []string{"eu-north-9"}})
	require.EqualError(t, err, "backend eu: there is no region eu-north-9; there are eu-west-1, us-east-1, us-west-2")
}

func TestCatalogueOfItsOwn(t *testing.T) {
	settings := `{"catalogue": {
		"zones": {"here": ["here-a", "here-b"], "there": []},
		"machines": [
			{"type": "one", "cpus": 4, "memory_gb": 16, "price": 1.5, "zones": ["here-b"]},
			{"type": "two", "cpus": 4, "memory_gb": 16, "gpu": {"name": "A100", "memory_gb": 80, "count": 2}, "availability": {"*": "busy"}}
		]
	}}`
	p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
	b, err := p.Open(t.Context(), providers.BackendConfig{Name: "b", Settings: json.RawMessage(settings)})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]string{
		"here here-b one $1.50/h available", "here here-a,here-b two $0/h busy", "there  two $0/h busy",
	}, offers(t, b, schema.Requirements{})))
}

func TestSettingsThatAreWrong(t *testing.T) {
	for settings, want := range map[string]string{
		`{"catalogue": {"zones": {}}}`:                                                                                               "the catalogue has no regions",
		`{"catalogue": {"zones": {"a": []}, "machines": [{"type": "x"}]}}`:                                                           "x in the catalogue needs cpus",
		`{"catalogue": {"zones": {"a": []}, "machines": [{"cpus": 1, "memory_gb": 1}]}}`:                                             "machine 0 of the catalogue has no type",
		`{"catalogue": {"zones": {"a": []}, "machines": [{"type": "x", "cpus": 1, "memory_gb": 1, "zones": ["q"]}]}}`:                "sold in zone q",
		`{"catalogue": {"zones": {"a": []}, "machines": [{"type": "x", "cpus": 1, "memory_gb": 1, "gpu": {}}]}}`:                     "the gpu of x",
		`{"catalogue": {"zones": {"a": []}, "machines": [{"type": "x", "cpus": 1, "memory_gb": 1, "price": -1}]}}`:                   "below 0",
		`{"catalogue": {"zones": {"a": []}, "machines": [{"type":"x","cpus":1,"memory_gb":1},{"type":"x","cpus":1,"memory_gb":1}]}}`: "two machines",
		`{"latency": "-1s"}`:       `"-1s" is no duration`,
		`{"token": {"canary": 1}}`: "token is a JSON object",
		`{"wrold": "x"}`:           `unknown field "wrold"`,
		`{"world": "/dev/null/x"}`: "the world of backend b cannot be opened",
	} {
		t.Run(settings, func(t *testing.T) {
			p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
			_, err := p.Open(t.Context(), providers.BackendConfig{Name: "b", Settings: json.RawMessage(settings)})
			require.ErrorContains(t, err, want)
			require.Equal(t, providers.Invalid, providers.KindOf(err))
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestNullSettingsAreAsIfNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world")
	p := fake.New(fake.Options{Getenv: func(name string) string {
		return map[string]string{fake.WorldEnv: path, fake.FaultsEnv: `[{"fault":"throttled","op":"offers"}]`}[name]
	}})
	for _, settings := range []string{``, `{}`, `null`, `{"world":null,"account":null,"token":null,"faults":null,"seed":null,"latency":null,
		"consistency_delay":null,"catalogue":null}`} {
		b, err := p.Open(t.Context(), providers.BackendConfig{Name: "b", Settings: json.RawMessage(settings)})
		require.NoError(t, err, settings)
		require.FileExists(t, path)
		err = b.(providers.Offerer).Offers(t.Context(), nil, nil)
		require.Equal(t, providers.Throttled, providers.KindOf(err), "what is not written comes from the environment")
		require.NoError(t, b.Close())
	}
}

// TestTheDocumentedCatalogue compares the table in the package's documentation with what is sold.
func TestTheDocumentedCatalogue(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	lines := map[string][]string{}
	for line := range strings.SplitSeq(string(doc), "\n") {
		if words := strings.Fields(strings.TrimPrefix(line, "//")); len(words) > 0 {
			lines[words[0]] = words
		}
	}
	for _, m := range fake.DefaultCatalogue().Machines {
		words := []string{m.Type, fmt.Sprint(m.CPUs), fmt.Sprintf("%vGB", m.MemoryGB)}
		if m.DiskGB > 0 {
			words = append(words, fmt.Sprintf("%vGB", m.DiskGB))
		}
		if m.GPU != nil {
			words = append(words, fmt.Sprint(m.GPU.Count), "x", m.GPU.Name, fmt.Sprintf("%vGB", m.GPU.MemoryGB))
		}
		words = append(words, fmt.Sprintf("%.2f", m.Price))
		if m.SpotPrice > 0 {
			words = append(words, fmt.Sprintf("%.2f", m.SpotPrice))
		}
		if m.Quota != "" {
			words = append(words, fmt.Sprint(m.QuotaUnits), m.Quota)
		}
		said := lines[m.Type]
		require.GreaterOrEqual(t, len(said), len(words), m.Type)
		require.Equal(t, words, said[:len(words)])
	}
}
