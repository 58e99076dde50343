package local_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/local"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// planned asks for a plan of one change.
func planned[T any](w *world, r providers.Resource[T], prior *providers.Object[T], want T) providers.Planned {
	w.Helper()
	c := providers.Change{Want: schema.Encode(want)}
	if prior != nil {
		c.Prior = &providers.Object[cty.Value]{ID: prior.ID, Value: schema.Encode(prior.Value), Private: prior.Private}
	}
	out, err := r.Plan(w.Context(), []providers.Change{c})
	require.NoError(w, err)
	return out[0]
}

func TestVolumeSize(t *testing.T) {
	t.Parallel()
	w := open(t)
	disk := typed[schema.Volume](t, create(w, w.Volumes(), "volume.data", volume("data")))
	require.DirExists(t, disk.Value.Location)
	require.Equal(t, 0.0, *disk.Value.Price)
	for size, want := range map[string][]providers.ReplaceReason{
		"100GB": nil, "0.1TB": nil, "200GB": nil, "99GB": {{Path: "size", Why: "a volume cannot shrink"}},
	} {
		v := disk.Value
		v.Size = value.Must(value.ParseMemory(size))
		if size == "0.1TB" {
			v.Size = value.MemoryOf(102.4)
		}
		p := planned(w, w.Volumes(), &disk, v)
		require.Nil(t, p.Err)
		require.Empty(t, cmp.Diff(want, p.Replace), size)
	}
	v := disk.Value
	v.Size = value.MemoryOf(1)
	_, err := w.Volumes().Update(t.Context(), disk, operation(w, "volume.data", v), silent[schema.Volume])
	require.ErrorContains(t, err, "cannot shrink")
	v.Size, v.VolumeID = value.MemoryOf(200), t.TempDir()
	_, err = w.Volumes().Update(t.Context(), disk, operation(w, "volume.data", v), silent[schema.Volume])
	require.ErrorContains(t, err, "cannot become another folder")
}

func TestExternalVolumeIsNeverDeleted(t *testing.T) {
	t.Parallel()
	w := open(t)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "precious"), []byte("x"), 0o600))
	v := volume("mine")
	v.VolumeID, v.Size = folder, value.Memory{}
	disk := typed[schema.Volume](t, create(w, w.Volumes(), "volume.mine", v))
	require.Equal(t, folder, disk.Value.Location)
	require.Equal(t, providers.Present, see(w, w.Volumes(), disk).Presence)
	require.NoError(t, w.Volumes().Delete(t.Context(), disk, providers.Op[schema.Volume]{}, silent[schema.Volume]))
	require.FileExists(t, filepath.Join(folder, "precious"))
	require.Equal(t, providers.Gone, see(w, w.Volumes(), disk).Presence)

	for name, id := range map[string]string{"it is not there": filepath.Join(folder, "none"), "it is a file": filepath.Join(folder, "precious")} {
		v.VolumeID = id
		_, err := w.Volumes().Create(t.Context(), operation(w, "volume.mine", v), silent[schema.Volume])
		require.ErrorContains(t, err, "there is no such folder", name)
		require.Equal(t, providers.Invalid, providers.KindOf(err))
	}
	v.VolumeID = "vol-123"
	require.ErrorContains(t, planned(w, w.Volumes(), nil, v).Err, "absolute path")
}

func TestMountedVolumeIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	disk := create(w, w.Volumes(), "volume.data", volume("data"))
	tie := create(w, w.Supports(), `fleet.f.instance[0].support["attachment/volume.data"]`,
		schema.Support{Type: "attachment", Owner: "fleet.f.instance[0]", Target: "volume.data", Backend: "local"}, machine, disk)
	v := task("t", "sleep 600")
	v.Mounts = []schema.Mount{{Volumes: []string{"volume.data"}, Path: "/data"}}
	job := typed[schema.Job](t, create(w, w.Jobs(), "task.t.job[0]", v, machine, disk, tie))
	volume := typed[schema.Volume](t, disk)
	err := w.Volumes().Delete(t.Context(), volume, providers.Op[schema.Volume]{}, silent[schema.Volume])
	require.Equal(t, providers.Conflict, providers.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "mounted by job task.t.job[0]")

	require.NoError(t, w.Backend.(providers.Stopper).StopJob(t.Context(), job, nil, true))
	ended(w, job)
	require.NoError(t, w.Volumes().Delete(t.Context(), volume, providers.Op[schema.Volume]{}, silent[schema.Volume]))
	require.Equal(t, providers.Gone, see(w, w.Supports(), typed[schema.Support](t, tie)).Presence, "an attachment goes with its volume")

	_, err = w.Jobs().Create(t.Context(), operation(w, "task.t.job[1]", v, machine, disk), silent[schema.Job])
	require.Equal(t, providers.NotFound, providers.KindOf(err), "%v", err)
	_, err = w.Jobs().Create(t.Context(), operation(w, "task.t.job[1]", v, machine), silent[schema.Job])
	require.ErrorContains(t, err, "was given no such volume")
}

func TestVolumeWithFoldersThatCannotBeWrittenIsDeleted(t *testing.T) {
	t.Parallel()
	w := open(t)
	disk := typed[schema.Volume](t, create(w, w.Volumes(), "volume.data", volume("data")))
	closed := filepath.Join(disk.Value.Location, "a", "b")
	require.NoError(t, os.MkdirAll(closed, 0o700))
	require.NoError(t, os.Chmod(filepath.Dir(closed), 0o500))
	require.NoError(t, w.Volumes().Delete(t.Context(), disk, providers.Op[schema.Volume]{}, silent[schema.Volume]))
	require.NoDirExists(t, w.dir(addr.KindVolume, disk.ID))
	left, err := os.ReadDir(filepath.Join(w.home, "local", "volumes"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestOnlyItsUserCanLookIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	disk := typed[schema.Volume](t, create(w, w.Volumes(), "volume.data", volume("data")))
	create(w, w.Gateways(), "gateway.public", gateway("public"))
	v := instance(w.machine, "f-0", 1)
	v.Env = map[string]string{"TOKEN": "canary"}
	create(w, w.Instances(), "fleet.f.instance[0]", v)
	for _, dir := range []string{"", "volumes", "instances", "gateways", "volumes/" + disk.ID} {
		info, err := os.Stat(filepath.Join(w.home, "local", dir))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
	tags, err := filepath.Glob(filepath.Join(w.home, "local", "*", "*", "tags.json"))
	require.NoError(t, err)
	require.Len(t, tags, 3)
	for _, path := range tags {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(data), "canary")
		var got struct {
			Lineage string
			Address string
			Key     string `json:"idempotency_key"`
		}
		require.NoError(t, json.Unmarshal(data, &got))
		require.Equal(t, "test", got.Lineage)
		require.NotEmpty(t, got.Address)
		require.NotEmpty(t, got.Key)
	}
}

func TestWhatCanNeverBeMade(t *testing.T) {
	t.Parallel()
	w := open(t)
	for name, tt := range map[string]struct {
		change func(*schema.Instance)
		want   string
	}{
		"a machine elsewhere":           {func(v *schema.Instance) { v.Region = "us-east-1" }, "there is no region us-east-1"},
		"a machine in a zone":           {func(v *schema.Instance) { v.Zone = "a" }, "there is no availability zone a"},
		"a machine of another type":     {func(v *schema.Instance) { v.InstanceType = "p4d" }, "there is no instance type p4d"},
		"a machine over SSH":            {func(v *schema.Instance) { v.Host = &schema.Host{Hostname: "x"} }, "no host to be reached at"},
		"a spot machine":                {func(v *schema.Instance) { v.Spot = true }, "no spot instances"},
		"a machine that is not divided": {func(v *schema.Instance) { v.TotalBlocks = v.CPUs + 1 }, "cannot be divided"},
	} {
		v := instance(w.machine, "f-0", 1)
		tt.change(&v)
		require.ErrorContains(t, planned(w, w.Instances(), nil, v).Err, tt.want, name)
		_, err := w.Instances().Create(t.Context(), operation(w, "fleet.f.instance[0]", v), silent[schema.Instance])
		require.ErrorContains(t, err, tt.want, name)
		require.Equal(t, providers.Invalid, providers.KindOf(err))
	}
	b, err := local.New(local.Options{}).Open(t.Context(), providers.BackendConfig{Name: "local", Paths: providers.Paths{Home: w.home}})
	require.NoError(t, err)
	_, err = b.Instances().Create(t.Context(), operation(w, "fleet.f.instance[0]", instance(w.machine, "f-0", 1)), silent[schema.Instance])
	require.ErrorContains(t, err, "dstack-agent was not found")
	_, err = w.Supports().Create(t.Context(), operation(w, `task.t.support["placement-group"]`, schema.Support{Type: "placement-group"}), silent[schema.Support])
	require.ErrorContains(t, err, "it has attachment and route")
	left, err := filepath.Glob(filepath.Join(w.home, "local", "*", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing was made")
}

func TestSharesAreSetWhenTheAgentStarts(t *testing.T) {
	t.Parallel()
	w := open(t)
	prior := providers.Object[schema.Instance]{ID: "0123456789ab", Value: instance(schema.Offer{CPUs: 4, InstanceType: local.Region}, "f-0", 4)}
	for name, tt := range map[string]struct {
		blocks  value.Blocks
		replace bool
	}{
		"the same number":            {value.BlocksOf(4), false},
		"as many as auto would give": {value.AutoBlocks(), false},
		"another number":             {value.BlocksOf(2), true},
		"none":                       {value.Blocks{}, true},
	} {
		v := prior.Value
		v.Blocks = tt.blocks
		p := planned(w, w.Instances(), &prior, v)
		require.Nil(t, p.Err, name)
		require.Equal(t, tt.replace, len(p.Replace) > 0, name)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "elsewhere")
	for name, tt := range map[string]struct {
		change func(*providers.BackendConfig)
		want   string // "": it opens
	}{
		"nothing is needed":       {func(c *providers.BackendConfig) {}, ""},
		"a root of its own":       {func(c *providers.BackendConfig) { c.Settings = json.RawMessage(`{"root":"` + root + `"}`) }, ""},
		"unwritten settings":      {func(c *providers.BackendConfig) { c.Settings = json.RawMessage(`{"root":null,"ready_timeout":null}`) }, ""},
		"its only region":         {func(c *providers.BackendConfig) { c.Regions = []string{"local"} }, ""},
		"a relative root":         {func(c *providers.BackendConfig) { c.Settings = json.RawMessage(`{"root":"here"}`) }, "must be an absolute path"},
		"a time-out that is none": {func(c *providers.BackendConfig) { c.Settings = json.RawMessage(`{"ready_timeout":"soon"}`) }, `such as "90s"`},
		"a negative time-out":     {func(c *providers.BackendConfig) { c.Settings = json.RawMessage(`{"ready_timeout":"-1s"}`) }, `such as "90s"`},
		"a second object":         {func(c *providers.BackendConfig) { c.Settings = json.RawMessage(`{} {}`) }, "more than one"},
		"a region of a cloud":     {func(c *providers.BackendConfig) { c.Regions = []string{"us-east-1"} }, "there is no region us-east-1"},
	} {
		c := config(t.TempDir())
		tt.change(&c)
		b, err := local.New(local.Options{}).Open(t.Context(), c)
		if tt.want == "" {
			require.NoError(t, err, name)
			require.NotEmpty(t, b.Identity())
			require.NoError(t, b.Close())
			continue
		}
		require.ErrorContains(t, err, tt.want, name)
		require.Equal(t, providers.Invalid, providers.KindOf(err), name)
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	d, err := local.New(local.Options{}).Describe(t.Context())
	require.NoError(t, err)
	want := providers.Capabilities{Regions: []string{"local"}, MultiNode: true, Blocks: true, InstanceMounts: true, ExistingMachines: true,
		SharedNetwork: true, Processes: true, Code: true, Containers: runtime.GOOS == "linux", Privileged: runtime.GOOS == "linux"}
	for _, kind := range []string{addr.KindVolume, addr.KindGateway, addr.KindInstance} {
		require.NotEmpty(t, d.Capabilities.Imports[kind])
	}
	d.Capabilities.Imports = nil
	require.Empty(t, cmp.Diff(want, d.Capabilities))
	require.Equal(t, "local", d.Name)
	require.ElementsMatch(t, addr.Kinds(), d.Kinds)
	require.Equal(t, runtime.NumCPU(), facts(t).CPUs)
}

func TestGatewayDomain(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := gateway("public")
	for _, bad := range []string{"*.a b", "*.-x", "a..b", "*." + "_x"} {
		v.Domain = bad
		require.ErrorContains(t, planned(w, w.Gateways(), nil, v).Err, "is no domain", bad)
	}
	v.Domain = ""
	front := typed[schema.Gateway](t, create(w, w.Gateways(), "gateway.public", v))
	require.Empty(t, see(w, w.Gateways(), front).Object.Value.Domain, "what was not written stays so")
	require.NotZero(t, front.Value.Port)
}
