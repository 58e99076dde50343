package fake_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/providers/provtest"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

const (
	region = "us-east-1"
	zone   = "us-east-1b"
)

func TestContract(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		provtest.Run(t, contract(func(*testing.T) fake.Settings { return fake.Settings{} }, direct))
	})
	t.Run("on disk, slow to show and to do", func(t *testing.T) {
		t.Parallel()
		provtest.Run(t, contract(func(t *testing.T) fake.Settings {
			return fake.Settings{
				World: filepath.Join(t.TempDir(), "world"), Latency: fake.Duration(time.Millisecond),
				ConsistencyDelay: fake.Duration(fake.ConsistencyDelay / 2),
			}
		}, direct))
	})
	t.Run("through the wire", func(t *testing.T) {
		t.Parallel()
		provtest.Run(t, contract(func(t *testing.T) fake.Settings {
			return fake.Settings{World: filepath.Join(t.TempDir(), "world")}
		}, throughWire))
	})
}

func direct(_ *testing.T, p providers.Provider) providers.Provider { return p }

func throughWire(t *testing.T, p providers.Provider) providers.Provider {
	far, end := wire.InProcess(p)
	t.Cleanup(end)
	return far
}

// contract is what provtest is run with. The world of the running test is known to the samples by its name.
func contract(settings func(*testing.T) fake.Settings, reach func(*testing.T, providers.Provider) providers.Provider) provtest.Options {
	worlds := map[string]*fake.World{}
	world := func(t *testing.T) *fake.World { return worlds[t.Name()] }
	o := provtest.Options{
		Open: func(t *testing.T) (providers.Provider, providers.BackendConfig) {
			p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
			s := settings(t)
			worlds[t.Name()] = p.World()
			if s.World != "" {
				w, err := fake.Open(s.World)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, w.Close()) })
				worlds[t.Name()] = w
			}
			return reach(t, p), providers.BackendConfig{Name: "cloud", Settings: s.JSON()}
		},
		Instance: disturbed(world, "name", &provtest.Sample[schema.Instance]{
			Value:   instance,
			Offer:   instanceOffer,
			Update:  func(v *schema.Instance) { v.Name = "other"; v.AuthorizedKeys = []string{"ssh-ed25519 AAAA new"} },
			Replace: func(v *schema.Instance) string { v.Blocks = value.BlocksOf(4); return "blocks" },
			Invalid: func(v *schema.Instance) { v.InstanceType = "no-such-type" },
		}),
		Volume: disturbed(world, "size", &provtest.Sample[schema.Volume]{
			Value:   volume,
			Update:  func(v *schema.Volume) { v.Size = value.MemoryOf(v.Size.GB() * 2) },
			Replace: func(v *schema.Volume) string { v.Size = value.MemoryOf(1); return "size" },
			Invalid: func(v *schema.Volume) { v.Zone = "us-west-2a" },
		}),
		Gateway: disturbed(world, "domain", &provtest.Sample[schema.Gateway]{
			Value: func(n int) schema.Gateway {
				return schema.Gateway{Name: fmt.Sprintf("public-%d", n), Backend: "cloud", Region: region, Domain: "*.example.com", PublicIP: true,
					Certificate: &schema.Certificate{Type: "lets-encrypt"}}
			},
			Update: func(v *schema.Gateway) { v.Domain = "*.example.net" },
			Replace: func(v *schema.Gateway) string {
				v.Certificate = &schema.Certificate{Type: "acm", ARN: "arn:x"}
				return "certificate.type"
			},
			Invalid: func(v *schema.Gateway) { v.Certificate = &schema.Certificate{Type: "acm"} },
		}),
		Job: disturbed(world, "name", &provtest.Sample[schema.Job]{
			Value: func(n int) schema.Job {
				return schema.Job{
					Name: fmt.Sprintf("train-%d", n), Run: "train", Type: "task", Nodes: 1, Commands: []string{"echo one", `echo "two"`, "echo three"},
					Env: map[string]string{"TOKEN": "canary-in-env"}, Tokens: []string{"canary-token"},
					RegistryAuth: &schema.RegistryAuth{Username: "me", Password: "canary-password"}, Instance: "fleet.provtest.instance[0]",
				}
			},
			Needs: func(f *provtest.Fixture, _ int) []providers.Need {
				machine, disk := f.Instance(), f.Volume()
				tie := f.Support("attachment", machine, disk)
				return []providers.Need{machine, disk, tie}
			},
			Update:  func(v *schema.Job) { v.Ports = []value.PortMapping{value.Must(value.ParsePortMapping("8080"))} },
			Invalid: func(v *schema.Job) { v.Blocks = -1 },
			Secrets: []string{"canary-in-env", "canary-token", "canary-password"},
		}),
	}
	o.Supports = map[string]*provtest.Sample[schema.Support]{
		"security-group": disturbed(world, "region", &provtest.Sample[schema.Support]{
			Value: func(n int) schema.Support {
				return schema.Support{Type: "security-group", Backend: "cloud", Region: region, Config: map[string]string{"number": fmt.Sprint(n)}}
			},
			Replace: func(v *schema.Support) string { v.Config = map[string]string{"number": "other"}; return "config" },
			Invalid: func(v *schema.Support) { v.Type = "no-such-type" },
		}),
		"placement-group": {
			Value: func(int) schema.Support {
				return schema.Support{Type: "placement-group", Backend: "cloud", Region: region, Zone: zone, Config: map[string]string{"strategy": "cluster"}}
			},
			Invalid: func(v *schema.Support) { v.Region = "nowhere" },
		},
		"attachment": {
			Value: func(n int) schema.Support {
				return schema.Support{Type: "attachment", Owner: "fleet.provtest.instance[0]", Target: "volume.provtest[0]", Backend: "cloud", Region: region}
			},
			Needs: func(f *provtest.Fixture, _ int) []providers.Need { return []providers.Need{f.Instance(), f.Volume()} },
		},
		"route": disturbed(world, "target", &provtest.Sample[schema.Support]{
			Value: func(n int) schema.Support {
				return schema.Support{Type: "route", Owner: "service.llama.job[0]", Target: "gateway.public", Backend: "cloud", Config: map[string]string{"host": "10.0.0.1"}}
			},
			Needs:  func(f *provtest.Fixture, _ int) []providers.Need { return []providers.Need{f.Gateway(), f.Job()} },
			Update: func(v *schema.Support) { v.Config = map[string]string{"host": "10.0.0.2"}; v.Auth = true },
		}),
	}
	return o
}

// disturbed adds to a sample what tests of a world can do from outside.
func disturbed[T any](world func(*testing.T) *fake.World, attribute string, s *provtest.Sample[T]) *provtest.Sample[T] {
	s.Drift = func(t *testing.T, o providers.Object[T]) {
		require.NoError(t, world(t).Mutate(o.ID, func(a map[string]any) {
			a[attribute] = map[bool]string{true: "7GB", false: "mutated"}[attribute == "size"]
		}))
	}
	s.Vanish = func(t *testing.T, o providers.Object[T]) { require.NoError(t, world(t).Delete(o.ID)) }
	s.Unreachable = func(t *testing.T, o providers.Object[T]) func() {
		require.NoError(t, world(t).SetReachable(o.ID, false))
		return func() { require.NoError(t, world(t).SetReachable(o.ID, true)) }
	}
	return s
}

func instance(n int) schema.Instance {
	price := 0.1
	return schema.Instance{
		Name: fmt.Sprintf("train-%d", n), Placement: value.PlacementCluster, Blocks: value.BlocksOf(2), AuthorizedKeys: []string{"ssh-ed25519 AAAA"},
		Backend: "cloud", Region: region, Zone: zone, InstanceType: "cpu.medium", Price: &price, CPUs: 8, MemoryMiB: 32 << 10, DiskMiB: 100 << 10, TotalBlocks: 2,
	}
}

func instanceOffer(int) *schema.Offer {
	return &schema.Offer{Backend: "cloud", Region: region, Zones: []string{zone}, InstanceType: "cpu.medium", CPUs: 8, MemoryMiB: 32 << 10, TotalBlocks: 2}
}

func volume(n int) schema.Volume {
	return schema.Volume{Name: fmt.Sprintf("data-%d", n), Backend: "cloud", Region: region, Zone: zone, Size: value.MemoryOf(100)}
}

// TestSuiteFindsWrongProviders runs the suite on a provider that breaks the contract, in a process of its own, and
// expects it to fail with the right words: a suite that cannot fail proves nothing.
func TestSuiteFindsWrongProviders(t *testing.T) {
	if fault := os.Getenv("FAKE_TEST_FAULTS"); fault != "" {
		var script fake.Script
		require.NoError(t, script.UnmarshalJSON([]byte(fault)))
		provtest.Run(t, contract(func(*testing.T) fake.Settings { return fake.Settings{Faults: script} }, direct))
		return
	}
	for name, tt := range map[string]struct{ faults, test, want string }{
		"an answer that contradicts the plan": {`[{"fault":"wrong","kind":"volume"}]`, "volume/an_object_is_made", "what plan said is what create returns"},
		"an answer without an id":             {`[{"fault":"bad_id","kind":"volume"}]`, "volume/an_object_is_made", "Should NOT be empty"},
		"an answer with another id":           {`[{"fault":"bad_id","kind":"volume","id":"vol-x"}]`, "volume/the_same_key_twice", "Not equal"},
		"a half made object":                  {`[{"fault":"partial","kind":"volume"}]`, "volume/list", "was made, and is not whole"},
		"a read that cannot reach anything":   {`[{"fault":"unreachable","kind":"volume"}]`, "volume/read", "no route to the volume"},
		"a lost answer":                       {`[{"fault":"lost","kind":"volume","op":"update"}]`, "volume/an_object_is_made", "was lost"},
		"an invalid open":                     {`[{"fault":"throttled","op":"open"}]`, "provider/has_one", "throttled"},
		"a find that fails":                   {`[{"fault":"transient","op":"find"}]`, "volume/what_was_made_is_found", "transient"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runSelf(t, "TestSuiteFindsWrongProviders/"+tt.test, "FAKE_TEST_FAULTS="+tt.faults)
			require.Error(t, err, "%s", out)
			require.Contains(t, out, tt.want)
		})
	}
}
