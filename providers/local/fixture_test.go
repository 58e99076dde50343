package local_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/local"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// home is a DSTACK_HOME of the test, in which nothing runs any more when the test has ended.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lp")
	require.NoError(t, err)
	t.Cleanup(func() {
		var left string
		if !eventually(func() bool { left = processes(dir); return left == "" }) {
			t.Errorf("processes are left:\n%s", left)
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	return dir
}

// processes lists those that name the folder.
func processes(dir string) string {
	out, _ := exec.Command("ps", "-ww", "-A", "-o", "pid,stat,args").Output()
	var left []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); strings.Contains(line, dir+"/") && len(fields) > 1 && !strings.HasPrefix(fields[1], "Z") {
			left = append(left, line)
		}
	}
	return strings.Join(left, "")
}

// state is how ps shows a process: T when it is stopped.
func state(pid int) string {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	return strings.TrimSpace(string(out))
}

func eventually(ask func() bool) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ask() {
			return true
		}
	}
	return ask()
}

func config(home string) providers.BackendConfig {
	return providers.BackendConfig{Name: "local", Paths: providers.Paths{Home: home, Agent: os.Getenv(agentEnv)}}
}

// pidOf is the process of an agent or a gateway.
func pidOf(t *testing.T, kind, dir string) int {
	t.Helper()
	if kind == addr.KindGateway {
		info, err := client.NewGateway(dir).Info(t.Context())
		require.NoError(t, err)
		return info.PID
	}
	info, err := client.New(dir).Info(t.Context())
	require.NoError(t, err)
	return info.PID
}

func replaceIn(t *testing.T, path, old, next string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(data), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), old, next, 1)), 0o600))
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// facts is the offer of this machine.
func facts(t *testing.T) schema.Offer {
	t.Helper()
	b, err := local.New(local.Options{}).Open(t.Context(), config(t.TempDir()))
	require.NoError(t, err)
	var offer schema.Offer
	require.NoError(t, b.(providers.Offerer).Offers(t.Context(), make([]schema.Requirements, 1), func(_ int, o schema.Offer) { offer = o }))
	return offer
}

func instance(m schema.Offer, name string, blocks int) schema.Instance {
	if m.CPUs%blocks != 0 || len(m.GPUs)%blocks != 0 {
		blocks = 1
	}
	return schema.Instance{Name: name, Blocks: value.BlocksOf(blocks), AuthorizedKeys: []string{"ssh-ed25519 AAAA"}, Backend: "local",
		Region: local.Region, InstanceType: m.InstanceType, Price: m.Hourly(), CPUs: m.CPUs, MemoryMiB: m.MemoryMiB, DiskMiB: m.DiskMiB,
		GPUs: m.GPUs, TotalBlocks: blocks}
}

func volume(name string) schema.Volume {
	return schema.Volume{Name: name, Backend: "local", Region: local.Region, Size: value.MemoryOf(100)}
}

func gateway(name string) schema.Gateway {
	return schema.Gateway{Name: name, Backend: "local", Region: local.Region, Domain: "*.models.example"}
}

func task(run string, commands ...string) schema.Job {
	return schema.Job{Name: run + "-0", Run: run, Type: "task", Nodes: 1, Commands: commands, Blocks: 1, StopGrace: value.DurationOf(2 * time.Second)}
}

func service(run string, port int, commands ...string) schema.Job {
	j := task(run, commands...)
	j.Type, j.Port = "service", value.Must(value.ParseServicePort(fmt.Sprint(port)))
	return j
}

// world is an open backend whose objects are deleted when the test has ended, the last first.
type world struct {
	*testing.T
	home string
	providers.Backend
	machine schema.Offer
	last    int
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, home: home(t), machine: facts(t)}
	w.Backend = w.reopen()
	return w
}

// reopen opens the same backend once more, as another process would.
func (w *world) reopen() providers.Backend {
	w.Helper()
	b, err := local.New(local.Options{Ask: 5 * time.Second, Ready: 20 * time.Second}).Open(w.Context(), config(w.home))
	require.NoError(w, err)
	return b
}

func (w *world) dir(kind, id string) string { return filepath.Join(w.home, "local", kind+"s", id) }

func (w *world) kill(kind, id string) {
	w.Helper()
	pid := pidOf(w.T, kind, w.dir(kind, id))
	require.NoError(w, syscall.Kill(pid, syscall.SIGKILL))
	require.True(w, eventually(func() bool { s := state(pid); return s == "" || strings.HasPrefix(s, "Z") }), "it does not die")
}

func create[T any](w *world, r providers.Resource[T], address string, v T, needs ...providers.Need) providers.Need {
	w.Helper()
	o, err := r.Create(w.Context(), operation(w, address, v, needs...), silent[T])
	require.NoError(w, err)
	return keep(w, r, address, o, needs...)
}

// keep deletes an object when the test has ended.
func keep[T any](w *world, r providers.Resource[T], address string, o providers.Object[T], needs ...providers.Need) providers.Need {
	w.Cleanup(func() {
		if err := r.Delete(context.Background(), o, providers.Op[T]{Address: address, Needs: needs}, silent[T]); err != nil {
			w.Errorf("delete %s: %v", address, err)
		}
	})
	return need(address, o)
}

func need[T any](address string, o providers.Object[T]) providers.Need {
	a := addr.MustParse(address)
	return providers.Need{Address: address, Kind: a.Kind(), Backend: "local", Object: providers.Object[cty.Value]{ID: o.ID, Value: schema.Encode(o.Value), Private: o.Private}}
}

func operation[T any](w *world, address string, v T, needs ...providers.Need) providers.Op[T] {
	w.last++
	return providers.Op[T]{Address: address, Lineage: "test", Key: fmt.Sprintf("%s-%d", w.Name(), w.last), Attempt: 1, Planned: v, Needs: needs}
}

func silent[T any](providers.Progress[T]) error { return nil }

// typed is a need as an object of its kind.
func typed[T any](t testing.TB, n providers.Need) providers.Object[T] {
	t.Helper()
	v, err := schema.Decode[T](n.Object.Value)
	require.NoError(t, err)
	return providers.Object[T]{ID: n.Object.ID, Value: v, Private: n.Object.Private}
}

// see reads one object.
func see[T any](w *world, r providers.Resource[T], o providers.Object[T]) providers.Observed[T] {
	w.Helper()
	var out providers.Observed[T]
	require.NoError(w, r.Read(w.Context(), []providers.Object[T]{o}, func(_ int, seen providers.Observed[T]) { out = seen }))
	return out
}
