package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

// chaosConfig is 200 declared resources: volumes, pairs of them, instances with jobs in host blocks, a service with routes.
func chaosConfig() string {
	var b strings.Builder
	b.WriteString("backend \"fake\" {}\n\ngateway \"web\" {\n  region = \"us-east-1\"\n  domain = \"*.example.com\"\n}\n")
	for i := range 110 {
		fmt.Fprintf(&b, "volume \"v%03d\" {\n  region = \"us-east-1\"\n  size   = \"%dGB\"\n}\n", i, 1+i%7)
	}
	for i := range 34 {
		fmt.Fprintf(&b, "volume \"w%03d\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n  name   = \"of-${volume.v%03d.id}\"\n}\n", i, i)
	}
	b.WriteString("fleet \"pool\" {\n  nodes   = 10\n  blocks  = 4\n  regions = [\"us-east-1\"]\n  resources {\n    cpu = 8\n  }\n}\n")
	for i := range 30 {
		fmt.Fprintf(&b, "task \"t%02d\" {\n  fleet    = fleet.pool\n  commands = [\"sleep 100000\"]\n  resources {\n    cpu    = \"1..\"\n    memory = \"1GB..\"\n  }\n", i)
		if i < 5 {
			fmt.Fprintf(&b, "  volumes  = [{ volume = volume.v%03d, path = \"/data\" }]\n", i)
		}
		b.WriteString("}\n")
	}
	b.WriteString("service \"api\" {\n  fleet    = fleet.pool\n  port     = 8000\n  auth     = false\n  replicas = 5\n  commands = [\"serve\"]\n  resources {\n    cpu    = \"1..\"\n    memory = \"1GB..\"\n  }\n}\n")
	for i := range 10 {
		fmt.Fprintf(&b, "volume \"z%02d\" {\n  region = \"us-west-2\"\n  size   = \"1GB\"\n  depends_on = [gateway.web]\n}\n", i)
	}
	return b.String()
}

// chaosDeclared is how many resources chaosConfig declares.
const chaosDeclared = 1 + 110 + 34 + 10 + 30 + 5 + 10

// TestChaos kills the command line, the provider, or both at random moments of applies, and then demands that nothing was
// lost and nothing made twice. CHAOS_RUNS says how often, for each of the three; CHAOS_SEED repeats one.
func TestChaos(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the provider's process is found in /proc")
	}
	runs := 1
	if n, err := strconv.Atoi(os.Getenv("CHAOS_RUNS")); err == nil {
		runs = n
	}
	for _, victim := range []string{"command", "provider", "both"} {
		for run := range runs {
			seed := uint64(run)
			if s, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64); err == nil {
				seed = s
			}
			t.Run(fmt.Sprintf("%s/%d", victim, seed), func(t *testing.T) {
				t.Parallel()
				newChaos(t, victim, seed).run()
			})
		}
	}
}

type chaos struct {
	t      *testing.T
	victim string
	random *rand.Rand
	dir    string
	world  string
	env    []string
}

func newChaos(t *testing.T, victim string, seed uint64) *chaos {
	c := &chaos{t: t, victim: victim, random: rand.New(rand.NewPCG(seed, uint64(len(victim)))), dir: t.TempDir()}
	home := filepath.Join(c.dir, ".home")
	c.world = filepath.Join(home, "world.json")
	require.NoError(t, os.MkdirAll(home, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "main.dstack.hcl"), []byte(chaosConfig()), 0o600))
	c.env = []string{"HOME=" + home, "DSTACK_HOME=" + filepath.Join(home, "dstack"), "DSTACK_FAKE_WORLD=" + c.world,
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}
	return c
}

func (c *chaos) run() {
	kills := 1 + c.random.IntN(3)
	for range kills {
		c.killed()
		code, out := c.dstack("plan", "--detailed-exitcode")
		require.Contains(c.t, []int{0, 2}, code, "a plan after a kill:\n%s", out)
		c.nothingTwice()
	}
	c.converge()
	c.complete()
	code, out := c.dstack("destroy", "--auto-approve")
	require.Zero(c.t, code, out)
	require.Empty(c.t, c.objects(), "destroy leaves nothing behind")
}

// killed starts an apply and kills the victim at a random moment of it.
func (c *chaos) killed() {
	cmd := exec.Command(filepath.Join(bin, "dstack"), "apply", "--auto-approve")
	cmd.Dir, cmd.Env = c.dir, append(c.env, `DSTACK_FAKE_FAULTS=[{"fault": "slow", "op": "*", "delay": "4ms"}]`)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(c.t, cmd.Start())
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	const longest = 1500 * time.Millisecond // about what the whole apply takes
	after := time.Duration(c.random.Int64N(int64(longest)))
	select {
	case <-done:
		return
	case <-time.After(after):
	}
	if c.victim != "command" {
		for _, pid := range children(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if c.victim != "provider" {
		_ = cmd.Process.Kill()
	}
	<-done
	c.t.Logf("%s killed after %s", c.victim, after)
}

// children lists the processes that a process has started.
func children(pid int) []int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var out []int
	if err == nil {
		for _, f := range strings.Fields(string(raw)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, n)
			}
		}
		return out
	}
	entries, _ := os.ReadDir("/proc") // a kernel without that file
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			out = append(out, n)
		}
	}
	return out
}

func (c *chaos) dstack(args ...string) (int, string) {
	cmd := exec.Command(filepath.Join(bin, "dstack"), args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return e.ExitCode(), string(out)
	}
	require.NoError(c.t, err)
	return 0, string(out)
}

// converge applies until a plan has no changes. What the kills left may take a second apply, such as one that replaces a
// tainted object; more than that is a defect.
func (c *chaos) converge() {
	var out string
	for range 3 {
		var code int
		if code, out = c.dstack("apply", "--auto-approve"); code != 0 {
			continue
		}
		if code, out = c.dstack("plan", "--detailed-exitcode"); code == 0 {
			return
		}
	}
	c.t.Fatalf("the applies do not converge:\n%s", out)
}

func (c *chaos) objects() []fake.Object {
	w, err := fake.Open(c.world)
	require.NoError(c.t, err)
	defer w.Close()
	objects, err := w.Objects()
	require.NoError(c.t, err)
	return objects
}

// nothingTwice holds at every moment: no address has two objects.
func (c *chaos) nothingTwice() {
	seen := map[string]string{}
	for _, o := range c.objects() {
		require.Emptyf(c.t, seen[o.Address], "%s exists twice: %s and %s", o.Address, seen[o.Address], o.ID)
		seen[o.Address] = o.ID
	}
}

// complete holds at the end: what is recorded is what the provider holds, and all that is declared is there.
func (c *chaos) complete() {
	c.nothingTwice()
	state, err := statefile.NewLocal(filepath.Join(c.dir, ".dstack", "state"), statefile.LocalOptions{}).Read(c.t.Context())
	require.NoError(c.t, err)
	require.Empty(c.t, state.Intents())
	held := map[string]string{}
	for _, o := range c.objects() {
		held[o.Address] = o.ID
	}
	declared := 0
	for _, r := range state.Resources() {
		require.Equalf(c.t, r.ID, held[r.Address], "%s is recorded as %s", r.Address, r.ID)
		delete(held, r.Address)
		if r.Kind != "support" {
			declared++
		}
	}
	require.Empty(c.t, held, "the provider holds what nobody recorded")
	require.Equal(c.t, chaosDeclared, declared)
}
