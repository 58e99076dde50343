package fake_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// yard makes objects of all kinds in one backend, with the needs that they have.
type yard struct {
	t *testing.T
	b providers.Backend
	w *fake.World
	n int
}

func newYard(t *testing.T, s fake.Settings) *yard {
	b, w := open(t, s)
	return &yard{t: t, b: b, w: w}
}

func op[T any](y *yard, v T, needs ...providers.Need) providers.Op[T] {
	y.n++
	return providers.Op[T]{Address: fmt.Sprintf("test.x[%d]", y.n), Lineage: "line", Key: fmt.Sprintf("key-%d", y.n), Attempt: 1, Planned: v, Needs: needs}
}

func try[T any](y *yard, r providers.Resource[T], v T, needs ...providers.Need) (providers.Need, error) {
	o, err := r.Create(y.t.Context(), op(y, v, needs...), quiet)
	var kind string
	switch any(v).(type) {
	case schema.Instance:
		kind = addr.KindInstance
	case schema.Volume:
		kind = addr.KindVolume
	case schema.Gateway:
		kind = addr.KindGateway
	case schema.Job:
		kind = addr.KindJob
	case schema.Support:
		kind = addr.KindSupport
	}
	return providers.Need{Kind: kind, Backend: "fake", Object: providers.Object[cty.Value]{ID: o.ID, Value: schema.Encode(o.Value), Private: o.Private}}, err
}

func create[T any](y *yard, r providers.Resource[T], v T, needs ...providers.Need) providers.Need {
	y.t.Helper()
	need, err := try(y, r, v, needs...)
	require.NoError(y.t, err)
	return need
}

func (y *yard) delete(n providers.Need) error {
	return providers.ResourceOf(y.b, n.Kind).Delete(y.t.Context(), n.Object, providers.Op[cty.Value]{}, func(providers.Progress[cty.Value]) error { return nil })
}

func (y *yard) read(n providers.Need) (seen providers.Observed[cty.Value]) {
	y.t.Helper()
	require.NoError(y.t, providers.ResourceOf(y.b, n.Kind).Read(y.t.Context(), []providers.Object[cty.Value]{n.Object},
		func(_ int, o providers.Observed[cty.Value]) { seen = o }))
	return seen
}

func (y *yard) status(n providers.Need) string {
	y.t.Helper()
	return y.read(n).Object.Value.GetAttr("status").AsString()
}

func (y *yard) group() providers.Need {
	return create(y, y.b.Supports(), schema.Support{Type: "security-group", Backend: "fake", Region: region})
}

func plain(ty string) schema.Instance {
	return schema.Instance{Name: "m", Backend: "fake", Region: region, Zone: zone, InstanceType: ty, TotalBlocks: 1}
}

func job(commands ...string) schema.Job {
	return schema.Job{Name: "run-0", Run: "run", Type: "task", Commands: commands}
}

func attach() schema.Support { return schema.Support{Type: "attachment", Backend: "fake"} }

func TestOrderIsKept(t *testing.T) {
	y := newYard(t, fake.Settings{})
	group := y.group()
	machine := create(y, y.b.Instances(), plain("cpu.medium"), group)
	disk := create(y, y.b.Volumes(), volume(1))
	mounting := job()
	mounting.Mounts = []schema.Mount{{Volumes: []string{"data-1"}, Path: "/data"}}
	_, err := try(y, y.b.Jobs(), mounting, machine, disk)
	require.ErrorContains(t, err, "is not attached to instance")
	tie := create(y, y.b.Supports(), attach(), machine, disk)
	run := create(y, y.b.Jobs(), mounting, machine, disk, tie)
	gateway := create(y, y.b.Gateways(), schema.Gateway{Name: "public", Backend: "fake", Region: region})
	way := create(y, y.b.Supports(), schema.Support{Type: "route", Backend: "fake"}, gateway, run)
	require.Equal(t, "busy", y.status(machine))
	require.Equal(t, "attached", y.status(disk))
	require.Equal(t, "running", y.status(run))

	for _, held := range []providers.Need{group, machine, disk, tie, run, gateway} {
		err := y.delete(held)
		require.Equal(t, providers.Conflict, providers.KindOf(err), "%s: %v", held.Object.ID, err)
		require.ErrorContains(t, err, "DependencyViolation")
	}
	for _, free := range []providers.Need{way, run, tie, disk, machine, group, gateway} {
		require.NoError(t, y.delete(free), "%s", free.Object.ID)
	}
	require.Zero(t, count(t, y.w, ""))
}

func TestAnEndedJobGoesWithItsInstance(t *testing.T) {
	y := newYard(t, fake.Settings{})
	machine := create(y, y.b.Instances(), plain("cpu.medium"), y.group())
	done := create(y, y.b.Jobs(), job("exit 0"), machine)
	require.Equal(t, "idle", y.status(machine))
	require.NoError(t, y.delete(machine))
	require.Equal(t, providers.Gone, y.read(done).Presence)
}

func TestWhatStandsOnItVanishesToo(t *testing.T) {
	y := newYard(t, fake.Settings{})
	machine := create(y, y.b.Instances(), plain("cpu.medium"), y.group())
	disk := create(y, y.b.Volumes(), volume(1))
	tie := create(y, y.b.Supports(), attach(), machine, disk)
	run := create(y, y.b.Jobs(), job(), machine, disk, tie)
	require.NoError(t, y.w.Delete(machine.Object.ID))
	for _, gone := range []providers.Need{machine, tie, run} {
		require.Equal(t, providers.Gone, y.read(gone).Presence)
	}
	require.Equal(t, "active", y.status(disk))
}

func TestRequestsThatAreRefused(t *testing.T) {
	const conflict, invalid, noQuota, noCapacity = providers.Conflict, providers.Invalid, providers.NoQuota, providers.NoCapacity
	at := func(v schema.Instance, change func(*schema.Instance)) schema.Instance { change(&v); return v }
	for name, tt := range map[string]struct {
		do   func(y *yard) error
		kind providers.ErrorKind
		want string
	}{
		"an instance of no type":                 {func(y *yard) error { _, err := try(y, y.b.Instances(), plain("x"), y.group()); return err }, invalid, `no instance type "x"`},
		"an instance without its security group": {func(y *yard) error { _, err := try(y, y.b.Instances(), plain("cpu.small")); return err }, invalid, "no security group in us-east-1"},
		"an instance with that of another region": {func(y *yard) error {
			other := create(y, y.b.Supports(), schema.Support{Type: "security-group", Backend: "fake", Region: "eu-west-1"})
			_, err := try(y, y.b.Instances(), plain("cpu.small"), other)
			return err
		}, invalid, "no security group in us-east-1"},
		"a cluster without its placement group": {func(y *yard) error {
			_, err := try(y, y.b.Instances(), at(plain("cpu.small"), func(v *schema.Instance) { v.Placement = value.PlacementCluster }), y.group())
			return err
		}, invalid, "no placement group in us-east-1"},
		"a cluster across zones": {func(y *yard) error {
			group := create(y, y.b.Supports(), schema.Support{Type: "placement-group", Backend: "fake", Region: region, Zone: "us-east-1a"})
			_, err := try(y, y.b.Instances(), at(plain("cpu.small"), func(v *schema.Instance) { v.Placement = value.PlacementCluster }), y.group(), group)
			return err
		}, conflict, "is in us-east-1a, the instance is to be in us-east-1b"},
		"a zone where it is not sold": {func(y *yard) error {
			_, err := try(y, y.b.Instances(), at(plain("h100.8"), func(v *schema.Instance) { v.Zone = "us-east-1c" }), y.group())
			return err
		}, invalid, "h100.8 is not sold in us-east-1c, only in us-east-1a, us-east-1b"},
		"a region where it is not sold": {func(y *yard) error { _, err := try(y, y.b.Instances(), plain("mi300x.8"), y.group()); return err }, invalid, "mi300x.8 is not sold in us-east-1"},
		"a region that is not there": {func(y *yard) error {
			_, err := try(y, y.b.Instances(), at(plain("cpu.small"), func(v *schema.Instance) { v.Region = "x" }), y.group())
			return err
		}, invalid, `no region "x"`},
		"spot of what is not sold as it": {func(y *yard) error {
			_, err := try(y, y.b.Instances(), at(plain("mi300x.8"), func(v *schema.Instance) { v.Region, v.Zone, v.Spot = "us-west-2", "us-west-2b", true }), y.group())
			return err
		}, invalid, "not sold as a spot instance"},
		"what is not available": {func(y *yard) error {
			_, err := try(y, y.b.Instances(), at(plain("a100-80.8"), func(v *schema.Instance) { v.Region, v.Zone = "eu-west-1", "eu-west-1a" }), y.group())
			return err
		}, noCapacity, "no capacity for a100-80.8 in eu-west-1 (InsufficientInstanceCapacity)"},
		"no quota at all": {func(y *yard) error { _, err := try(y, y.b.Instances(), plain("h100.8"), y.group()); return err }, noQuota, "it takes 192 of p5/us-east-1, 0 are left"},
		"no quota left": {func(y *yard) error {
			group := y.group()
			for range 5 {
				create(y, y.b.Instances(), plain("a10g.4"), group)
			}
			_, err := try(y, y.b.Instances(), plain("a10g.4"), group)
			return err
		}, noQuota, "it takes 48 of g/us-east-1, 16 are left"},
		"shares that do not divide": {func(y *yard) error {
			_, err := try(y, y.b.Instances(), at(plain("a10g.4"), func(v *schema.Instance) { v.TotalBlocks = 3 }), y.group())
			return err
		}, invalid, "cannot be divided into 3: it has 48 CPUs and 4 GPUs"},
		"a volume of nothing": {func(y *yard) error { _, err := try(y, y.b.Volumes(), schema.Volume{Region: region}); return err }, invalid, "more than 0GB"},
		"a disk that is not there": {func(y *yard) error {
			_, err := try(y, y.b.Volumes(), schema.Volume{Region: region, VolumeID: "x"})
			return err
		}, invalid, "no disk x"},
		"a job without an instance": {func(y *yard) error { _, err := try(y, y.b.Jobs(), job()); return err }, invalid, "a job needs an instance that exists"},
		"a second job on a whole instance": {func(y *yard) error {
			machine := create(y, y.b.Instances(), plain("cpu.small"), y.group())
			create(y, y.b.Jobs(), job(), machine)
			_, err := try(y, y.b.Jobs(), job(), machine)
			return err
		}, conflict, "has 0 of 1 shares free, 1 are needed"},
		"more shares than are free": {func(y *yard) error {
			machine := create(y, y.b.Instances(), at(plain("cpu.medium"), func(v *schema.Instance) { v.TotalBlocks = 4 }), y.group())
			for _, blocks := range []int{1, 2} {
				j := job()
				j.Blocks = blocks
				create(y, y.b.Jobs(), j, machine)
			}
			j := job()
			j.Blocks = 2
			_, err := try(y, y.b.Jobs(), j, machine)
			return err
		}, conflict, "has 1 of 4 shares free, 2 are needed"},
		"a volume in another zone": {func(y *yard) error {
			v := volume(1)
			v.Zone = "us-east-1a"
			_, err := try(y, y.b.Supports(), attach(), create(y, y.b.Instances(), plain("cpu.small"), y.group()), create(y, y.b.Volumes(), v))
			return err
		}, conflict, "is in us-east-1a, instance i-000002 in us-east-1b (InvalidVolume.ZoneMismatch)"},
		"a volume that is attached": {func(y *yard) error {
			group, disk := y.group(), create(y, y.b.Volumes(), volume(1))
			create(y, y.b.Supports(), attach(), create(y, y.b.Instances(), plain("cpu.small"), group), disk)
			_, err := try(y, y.b.Supports(), attach(), create(y, y.b.Instances(), plain("cpu.small"), group), disk)
			return err
		}, conflict, "VolumeInUse"},
		"a route without a gateway": {func(y *yard) error { _, err := try(y, y.b.Supports(), schema.Support{Type: "route"}); return err }, invalid, "a route needs a gateway"},
		"a create without a key": {func(y *yard) error {
			_, err := y.b.Volumes().Create(y.t.Context(), providers.Op[schema.Volume]{Planned: volume(1)}, quiet)
			return err
		}, invalid, "needs an idempotency key"},
		"a delete without an id": {func(y *yard) error {
			return y.delete(providers.Need{Kind: addr.KindVolume, Object: providers.Object[cty.Value]{Value: schema.Encode(volume(1))}})
		}, invalid, "has no id"},
		"a record of a newer version": {func(y *yard) error {
			n := create(y, y.b.Volumes(), volume(1))
			n.Object.Private = []byte(`{"version":2}`)
			return y.delete(n)
		}, invalid, "recorded by a newer version of the fake provider: format 2"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, fake.Settings{})
			err := tt.do(y)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.kind, providers.KindOf(err))
		})
	}
}

func TestADiskOfSomebodyElseStays(t *testing.T) {
	y := newYard(t, fake.Settings{})
	disk, err := y.w.Add(fake.Object{Kind: fake.KindDisk, Zone: zone, Attributes: json.RawMessage(`{"size":"40GB"}`)})
	require.NoError(t, err)
	used := create(y, y.b.Volumes(), schema.Volume{Name: "old", Region: region, VolumeID: disk})
	v := used.Object.Value
	require.Equal(t, "40GB", v.GetAttr("size").AsString())
	require.Equal(t, zone, v.GetAttr("availability_zone").AsString())
	require.NoError(t, y.delete(used))
	require.Equal(t, 1, count(t, y.w, fake.KindDisk))
}

func TestJobsEnd(t *testing.T) {
	limited := func(text string, commands ...string) schema.Job {
		j := job(commands...)
		j.MaxDuration = value.Must(value.ParseOffDuration(text))
		return j
	}
	for name, tt := range map[string]struct {
		job   schema.Job
		start string
		later string // an hour later
		code  int    // -1: none
	}{
		"without an exit it runs":            {job("python train.py"), "running", "running", -1},
		"exit 0 is done at once":             {job("echo x", "exit 0"), "done", "done", 0},
		"exit 3 is a failure":                {job("exit 3"), "failed", "failed", 3},
		"sleep comes before exit":            {job("sleep 1800", "exit 0"), "running", "done", 0},
		"sleep that is longer":               {job("sleep 7200", "exit 0"), "running", "running", -1},
		"what follows exit does not count":   {job("exit 0", "sleep 7200"), "done", "done", 0},
		"max_duration ends what runs":        {limited("30m", "python train.py"), "running", "terminated", -1},
		"max_duration that is longer":        {limited("2h", "sleep 1800", "exit 1"), "running", "failed", 1},
		"max_duration that is off":           {limited("off", "python train.py"), "running", "running", -1},
		"max_duration comes before the exit": {limited("30m", "sleep 3000", "exit 0"), "running", "terminated", -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, fake.Settings{})
				machine := create(y, y.b.Instances(), plain("cpu.medium"), y.group())
				run := create(y, y.b.Jobs(), tt.job, machine)
				require.Equal(t, tt.start, y.status(run))
				time.Sleep(time.Hour)
				require.Equal(t, tt.later, y.status(run))
				code := y.read(run).Object.Value.GetAttr("exit_code")
				require.Equal(t, tt.code < 0, code.IsNull())
				if tt.code >= 0 {
					require.True(t, code.RawEquals(cty.NumberIntVal(int64(tt.code))))
				}
			})
		})
	}
}
