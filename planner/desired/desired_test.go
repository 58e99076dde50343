package desired_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/schema"
)

type noScope struct{}

func (noScope) Value(addr.Block) (cty.Value, bool) { return cty.NilVal, false }

// decode reads a configuration of one block and returns what it says, with defaults.
func decode(t *testing.T, hcl string) (*config.Decoded, cty.Value) {
	t.Helper()
	c, diags := config.Load(t.Context(), config.LoadOptions{Dir: t.TempDir(), Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(hcl)}}})
	require.NoError(t, diags.Err())
	b := c.Blocks()[0]
	instances, _, diags := c.Repetition(b, noScope{})
	require.NoError(t, diags.Err())
	d, diags := c.Decode(instances[0], noScope{})
	require.NoError(t, diags.Err())
	return d, desired.Merge(b.Type.Object, d.Value, cty.NullVal(cty.EmptyObject))
}

func fleet(t *testing.T, hcl string) *desired.Fleet {
	t.Helper()
	d, v := decode(t, hcl)
	f, err := desired.ExpandFleet(d.Addr, v, desired.Settings{AuthorizedKeys: []string{"ssh-ed25519 AAAA team"}})
	require.NoError(t, err)
	return f
}

func addresses(rs []desired.Resource) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, r.Addr.String())
	}
	return out
}

func TestInstancesOfAFleet(t *testing.T) {
	const zero, one, two, five = 0, 1, 2, 5
	idle := func(n int) desired.Have { return desired.Have{Key: addr.Int(n), Idle: true} }
	busy := func(n int) desired.Have { return desired.Have{Key: addr.Int(n), Busy: true} }
	free := func(n int) desired.Have { return desired.Have{Key: addr.Int(n)} }
	for name, tc := range map[string]struct {
		nodes string
		have  []desired.Have
		want  []int
	}{
		"the lower end is made":                             {`"2..4"`, nil, []int{zero, one}},
		"a number is both ends":                             {"3", nil, []int{zero, one, two}},
		"what exists between the ends stays":                {`"1..4"`, []desired.Have{free(0), free(2)}, []int{zero, two}},
		"the lowest free numbers are taken":                 {"3", []desired.Have{free(1), free(5)}, []int{one, five, zero}},
		"nothing is renumbered":                             {"1", []desired.Have{free(5)}, []int{five}},
		"shrinking removes instances without jobs first":    {"1", []desired.Have{busy(0), free(1), free(2)}, []int{zero}},
		"shrinking keeps a busy one with a high number":     {"1", []desired.Have{free(0), busy(5)}, []int{five}},
		"shrinking ends jobs when there is no other way":    {"1", []desired.Have{busy(0), busy(1)}, []int{zero}},
		"idle ones above the lower end go":                  {`"1..4"`, []desired.Have{free(0), idle(1), busy(2)}, []int{zero, two}},
		"idle ones stay as far as the lower end needs them": {`"2..4"`, []desired.Have{idle(0), idle(1), idle(2)}, []int{zero, one}},
		"no upper end never shrinks what is not idle":       {`"0.."`, []desired.Have{free(0), busy(1), idle(2)}, []int{zero, one}},
		"none at all": {"0", nil, nil},
		"a lower end of none keeps what exists until it idles": {`"0..2"`, []desired.Have{free(0)}, []int{zero}},
	} {
		t.Run(name, func(t *testing.T) {
			f := fleet(t, "fleet \"train\" {\n  nodes = "+tc.nodes+"\n}")
			want := []string{}
			for _, n := range tc.want {
				want = append(want, f.Addr.Machine(addr.Int(n)).String())
			}
			require.Empty(t, cmp.Diff(want, addresses(f.Instances(tc.have))))
		})
	}
}

func TestInstanceValue(t *testing.T) {
	f := fleet(t, `
fleet "my_fleet" {
  nodes      = 1
  placement  = "cluster"
  blocks     = 2
  max_price  = 4.5
  resources {
    gpu = "a100:80GB:2"
  }
}`)
	in, err := schema.Decode[schema.Instance](f.Instances(nil)[0].Value)
	require.NoError(t, err)
	require.Equal(t, "my-fleet-0", in.Name)
	require.Equal(t, "a100:80GB:2", in.Resources.GPU.String(), "texts stay as they were written")
	require.Equal(t, []string{"ssh-ed25519 AAAA team"}, in.AuthorizedKeys)
	require.Equal(t, "on-demand", in.SpotPolicy.String(), "defaults of the schema are filled in")
	require.Empty(t, in.Backend, "placement decides it")
	require.True(t, f.Cluster)
	require.True(t, f.Need.MultiNode)
	require.Equal(t, "4.5", f.Need.MaxPrice.String())
}

func TestHostsOfAnSSHFleet(t *testing.T) {
	f := fleet(t, `
fleet "lab" {
  blocks = "auto"
  env    = { A = "1" }
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/lab"
    proxy_jump {
      hostname      = "head"
      user          = "ubuntu"
      identity_file = "~/.ssh/head"
    }
    host { hostname = "10.0.0.11" }
    host {
      hostname = "10.0.0.12"
      blocks   = 4
      user     = "root"
    }
  }
}`)
	require.True(t, f.SSH)
	got := f.Instances(nil)
	require.Equal(t, []string{`fleet.lab.instance["10.0.0.11"]`, `fleet.lab.instance["10.0.0.12"]`}, addresses(got))
	first, err := schema.Decode[schema.Instance](got[0].Value)
	require.NoError(t, err)
	second, err := schema.Decode[schema.Instance](got[1].Value)
	require.NoError(t, err)
	require.Equal(t, "auto", first.Blocks.String(), "the fleet's blocks hold for its hosts")
	require.Equal(t, "4", second.Blocks.String())
	require.Equal(t, "ubuntu", first.Host.User)
	require.Equal(t, "root", second.Host.User)
	require.Equal(t, "~/.ssh/lab", second.Host.IdentityFile)
	require.Equal(t, "head", second.Host.ProxyJump.Hostname)
	require.Equal(t, map[string]string{"A": "1"}, first.Env)
}

func expandRun(t *testing.T, hcl string, replicas int) (*desired.Run, diag.List) {
	t.Helper()
	d, v := decode(t, hcl)
	return desired.ExpandRun(d.Addr, v, replicas, desired.Settings{}, func(rank, count, replica int) (cty.Value, diag.List) {
		jv, diags := d.Job(rank, count, replica)
		return desired.Merge(d.Block.Type.Object, jv, cty.NullVal(cty.EmptyObject)), diags
	})
}

func TestJobsOfATask(t *testing.T) {
	r, diags := expandRun(t, `
task "tune" {
  nodes    = 2
  commands = ["echo ${node.rank} of ${node.count}"]
}`, 0)
	require.NoError(t, diags.Err())
	require.Equal(t, []string{"task.tune.job[0]", "task.tune.job[1]"}, addresses(r.Jobs))
	second, err := schema.Decode[schema.Job](r.Jobs[1].Value)
	require.NoError(t, err)
	require.Equal(t, []string{"echo 1 of 2"}, second.Commands)
	require.Equal(t, 1, second.NodeRank)
	require.Equal(t, "tune-1", second.Name)
	require.Equal(t, "72h", second.MaxDuration.String(), "a task ends after three days unless it says otherwise")
	require.True(t, second.SingleBranch)
	require.False(t, second.Auth, "only services have that")
	require.True(t, r.Need.MultiNode)
	own, err := schema.Decode[schema.Instance](r.Instance(addr.Int(3)).Value)
	require.NoError(t, err)
	require.Equal(t, "tune-3", own.Name)
	require.Equal(t, "cluster", own.Placement.String())
	require.Equal(t, "5m", own.IdleDuration.String())
}

func TestReplicasOfAService(t *testing.T) {
	const hcl = `
service "llama" {
  port     = 8000 + replica.index
  commands = ["serve"]
  replicas = "1..3"
  auth     = false
  scaling {
    metric = "rps"
    target = 10
  }
}`
	for name, tc := range map[string]struct{ scale, want int }{
		"the lower end until it was scaled": {0, 1},
		"the recorded scale":                {2, 2},
		"clipped to the upper end":          {9, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r, diags := expandRun(t, hcl, tc.scale)
			require.NoError(t, diags.Err())
			require.Len(t, r.Jobs, tc.want)
			last, err := schema.Decode[schema.Job](r.Jobs[tc.want-1].Value)
			require.NoError(t, err)
			require.Equal(t, 8000+tc.want-1, last.Port.Container())
			require.Equal(t, tc.want-1, last.Replica)
			require.True(t, last.MaxDuration.IsZero(), "a service has no limit")
		})
	}
}

func TestDevEnvironment(t *testing.T) {
	r, diags := expandRun(t, `
dev_environment "note_book" {
  ide = "vscode"
}`, 0)
	require.NoError(t, diags.Err())
	require.Len(t, r.Jobs, 1)
	j, err := schema.Decode[schema.Job](r.Jobs[0].Value)
	require.NoError(t, err)
	require.Equal(t, "dev-environment", j.Type)
	require.Equal(t, "note-book", j.Run)
	require.Equal(t, "6h", j.MaxDuration.String())
	require.False(t, j.SingleBranch)
}

func TestMergePrefersBlockThenProfileThenDefault(t *testing.T) {
	_, profile := decode(t, `
profile "spot" {
  spot_policy = "spot"
  max_price   = 3
  default     = true
}`)
	d, _ := decode(t, `
fleet "aa" {
  nodes     = 1
  max_price = 1
}`)
	got := desired.Merge(d.Block.Type.Object, d.Value, profile)
	require.Equal(t, "1", desired.Text(got, "max_price"))
	require.Equal(t, "spot", desired.Text(got, "spot_policy"))
	require.Equal(t, "3d", desired.Text(got, "idle_duration"))
}

func TestWhatIsNotKnownStaysUnknown(t *testing.T) {
	d, v := decode(t, "volume \"data\" {\n  region = \"a\"\n  size = \"1GB\"\n}")
	v = desired.WithAttrs(v, map[string]cty.Value{"region": cty.UnknownVal(cty.String), "size": cty.StringVal("1GB").Mark(schema.SensitiveMark)})
	r, err := desired.Volume(d.Addr, v)
	require.NoError(t, err)
	require.False(t, r.Value.GetAttr("region").IsKnown())
	require.True(t, r.Value.GetAttr("size").HasMark(schema.SensitiveMark))
	require.Equal(t, "data", desired.Text(r.Value, "name"))
	require.True(t, r.Value.GetAttr("location").IsNull(), "a provider says it")
}

func TestNamesComeFromLabelAndKey(t *testing.T) {
	d, v := decode(t, "volume \"my_data\" {\n  region = \"a\"\n  size = \"1GB\"\n}")
	keyed := d.Addr.Block.Instance(addr.String("eu"))
	r, err := desired.Volume(keyed, v)
	require.NoError(t, err)
	require.Equal(t, "my-data-eu", desired.Text(r.Value, "name"))
	_, err = desired.Volume(d.Addr.Block.Instance(addr.String(strings.Repeat("x", 60))), v)
	require.ErrorContains(t, err, "give it one with name")
}
