package local_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/local"
	"github.com/dstackai/dstack-planner/providers/provtest"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// agentEnv names the dstack-agent of the tests. It is built once: as it is, without what the tests themselves are built with.
const agentEnv = "LOCAL_TEST_AGENT"

func TestMain(m *testing.M) { os.Exit(withAgent(m.Run)) }

func withAgent(run func() int) int {
	if os.Getenv(agentEnv) != "" {
		return run() // started by a test
	}
	dir, err := os.MkdirTemp("", "agent")
	if err == nil {
		defer os.RemoveAll(dir)
		program := filepath.Join(dir, "dstack-agent")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", program, "../../cmd/dstack-agent").CombinedOutput(); err == nil {
			err = os.Setenv(agentEnv, program)
		}
		os.Stderr.Write(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build dstack-agent:", err)
		return 1
	}
	return run()
}

func TestContract(t *testing.T) {
	t.Run("directly", func(t *testing.T) {
		t.Parallel()
		provtest.Run(t, contract(t, func(_ *testing.T, p providers.Provider) providers.Provider { return p }))
	})
	t.Run("through the wire", func(t *testing.T) {
		t.Parallel()
		provtest.Run(t, contract(t, func(t *testing.T, p providers.Provider) providers.Provider {
			far, end := wire.InProcess(p)
			t.Cleanup(end)
			return far
		}))
	})
}

// contract is what provtest is run with. The home of the running test is known to the samples by its name.
func contract(t *testing.T, reach func(*testing.T, providers.Provider) providers.Provider) provtest.Options {
	machine := facts(t)
	homes := map[string]string{}
	dir := func(t *testing.T, kind, id string) string {
		return filepath.Join(homes[t.Name()], "local", kind+"s", id)
	}
	pid := func(t *testing.T, kind, id string) int { return pidOf(t, kind, dir(t, kind, id)) }
	suspend := func(t *testing.T, kind, id string) func() {
		p := pid(t, kind, id)
		require.NoError(t, syscall.Kill(p, syscall.SIGSTOP))
		require.True(t, eventually(func() bool { return strings.HasPrefix(state(p), "T") }), "it does not stop")
		return func() { require.NoError(t, syscall.Kill(p, syscall.SIGCONT)) }
	}
	vanish := func(t *testing.T, kind, id string) {
		p, at := pid(t, kind, id), dir(t, kind, id)
		require.NoError(t, syscall.Kill(p, syscall.SIGKILL))
		require.NoError(t, os.Rename(at, t.TempDir()+"/gone"))
	}
	return provtest.Options{
		Open: func(t *testing.T) (providers.Provider, providers.BackendConfig) {
			homes[t.Name()] = home(t)
			return reach(t, local.New(local.Options{Ask: time.Second})), config(homes[t.Name()])
		},
		Parallel: 4,
		Instance: &provtest.Sample[schema.Instance]{
			Value:   func(n int) schema.Instance { return instance(machine, fmt.Sprintf("train-%d", n), 2) },
			Update:  func(v *schema.Instance) { v.Name = "other"; v.AuthorizedKeys = []string{"ssh-ed25519 AAAA new"} },
			Replace: func(v *schema.Instance) string { v.Blocks = value.BlocksOf(machine.CPUs * 2); return "blocks" },
			Invalid: func(v *schema.Instance) { v.Host = &schema.Host{Hostname: "10.0.0.1"} },
			Vanish:  func(t *testing.T, o providers.Object[schema.Instance]) { vanish(t, addr.KindInstance, o.ID) },
			Unreachable: func(t *testing.T, o providers.Object[schema.Instance]) func() {
				return suspend(t, addr.KindInstance, o.ID)
			},
		},
		Volume: &provtest.Sample[schema.Volume]{
			Value:   func(n int) schema.Volume { return volume(fmt.Sprintf("data-%d", n)) },
			Update:  func(v *schema.Volume) { v.Size = value.MemoryOf(v.Size.GB() * 2) },
			Replace: func(v *schema.Volume) string { v.Size = value.MemoryOf(1); return "size" },
			Invalid: func(v *schema.Volume) { v.Region = "mars" },
			Drift: func(t *testing.T, o providers.Object[schema.Volume]) {
				replaceIn(t, filepath.Join(dir(t, addr.KindVolume, o.ID), "tags.json"), `"size":"100GB"`, `"size":"7GB"`)
			},
			Vanish: func(t *testing.T, o providers.Object[schema.Volume]) {
				require.NoError(t, os.RemoveAll(dir(t, addr.KindVolume, o.ID)))
			},
			Unreachable: func(t *testing.T, o providers.Object[schema.Volume]) func() {
				tags := filepath.Join(dir(t, addr.KindVolume, o.ID), "tags.json")
				replaceIn(t, tags, `{"version":1`, `{"version":9`)
				return func() { replaceIn(t, tags, `{"version":9`, `{"version":1`) }
			},
		},
		Gateway: &provtest.Sample[schema.Gateway]{
			Value:   func(n int) schema.Gateway { return gateway(fmt.Sprintf("public-%d", n)) },
			Update:  func(v *schema.Gateway) { v.Domain = "*.example.net" },
			Invalid: func(v *schema.Gateway) { v.Certificate = &schema.Certificate{Type: "acm", ARN: "arn:x"} },
			Drift: func(t *testing.T, o providers.Object[schema.Gateway]) {
				_, err := client.NewGateway(dir(t, addr.KindGateway, o.ID)).Configure(t.Context(), api.GatewayConfig{Domain: "other.example"})
				require.NoError(t, err)
			},
			Vanish: func(t *testing.T, o providers.Object[schema.Gateway]) { vanish(t, addr.KindGateway, o.ID) },
			Unreachable: func(t *testing.T, o providers.Object[schema.Gateway]) func() {
				return suspend(t, addr.KindGateway, o.ID)
			},
		},
		Job: &provtest.Sample[schema.Job]{
			Value: func(n int) schema.Job {
				j := task(fmt.Sprintf("train-%d", n), "echo one", `echo "two"`, "echo three")
				j.Env = map[string]string{"TOKEN": "canary-in-env"}
				j.Tokens = []string{"canary-token"}
				j.RegistryAuth = &schema.RegistryAuth{Username: "me", Password: "canary-password"}
				return j
			},
			Needs: func(f *provtest.Fixture, _ int) []providers.Need {
				machine, disk := f.Instance(), f.Volume()
				return []providers.Need{machine, disk, f.Support("attachment", machine, disk)}
			},
			Update:  func(v *schema.Job) { v.Ports = []value.PortMapping{value.Must(value.ParsePortMapping("8080"))} },
			Invalid: func(v *schema.Job) { v.Image = "ubuntu" },
			Vanish: func(t *testing.T, o providers.Object[schema.Job]) {
				found, err := filepath.Glob(dir(t, addr.KindInstance, "*/jobs/"+o.ID))
				require.NoError(t, err)
				require.Len(t, found, 1)
				require.NoError(t, client.New(filepath.Dir(filepath.Dir(found[0]))).Delete(t.Context(), o.ID, true))
			},
			Secrets: []string{"canary-in-env", "canary-token", "canary-password"},
		},
		Supports: map[string]*provtest.Sample[schema.Support]{
			"attachment": {
				Value: func(int) schema.Support {
					return schema.Support{Type: "attachment", Owner: "fleet.provtest.instance[0]", Target: "volume.provtest[0]", Backend: "local", Region: local.Region}
				},
				Needs: func(f *provtest.Fixture, _ int) []providers.Need { return []providers.Need{f.Instance(), f.Volume()} },
				Vanish: func(t *testing.T, o providers.Object[schema.Support]) {
					found, err := filepath.Glob(dir(t, addr.KindVolume, "*/attachments/"+o.ID+".json"))
					require.NoError(t, err)
					require.Len(t, found, 1)
					require.NoError(t, os.Remove(found[0]))
				},
				Invalid: func(v *schema.Support) { v.Type = "placement-group" },
			},
			"route": {
				Value: func(int) schema.Support {
					return schema.Support{Type: "route", Owner: "service.llama.job[0]", Target: "gateway.public", Backend: "local",
						Config: map[string]string{"service": "llama", "attempt": "1"}}
				},
				Needs: func(f *provtest.Fixture, _ int) []providers.Need { return []providers.Need{f.Gateway()} },
				Update: func(v *schema.Support) {
					v.Config = map[string]string{"service": "llama", "attempt": "2"}
					v.Auth, v.Tokens = true, []string{digest("secret")}
				},
				Drift: func(t *testing.T, o providers.Object[schema.Support]) {
					found, err := filepath.Glob(dir(t, addr.KindGateway, "*"))
					require.NoError(t, err)
					g := client.NewGateway(found[0])
					routes, err := g.Routes(t.Context())
					require.NoError(t, err)
					routes[0].Auth = !routes[0].Auth
					require.NoError(t, g.PutRoute(t.Context(), routes[0], -1))
				},
			},
		},
	}
}
