package offer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func gpus(n int, name, vendor string, gb int64) []schema.GPU {
	out := make([]schema.GPU, n)
	for i := range out {
		out[i] = schema.GPU{Name: name, Vendor: vendor, MemoryMiB: gb * 1024}
	}
	return out
}

// p4de is eight A100 80GB; tests change what they need.
func p4de(change ...func(*schema.Offer)) schema.Offer {
	o := schema.Offer{Backend: "aws", Region: "us-east-1", Zones: []string{"us-east-1a", "us-east-1b"}, InstanceType: "p4de.24xlarge",
		CPUs: 96, MemoryMiB: 1152 << 10, DiskMiB: 200 << 10, GPUs: gpus(8, "A100", "nvidia", 80), Price: value.MoneyOf(40.97)}
	for _, c := range change {
		c(&o)
	}
	return o
}

func cpu(text string) value.IntRange    { return value.Must(value.ParseIntRange(text)) }
func mem(text string) value.MemoryRange { return value.Must(value.ParseMemoryRange(text)) }
func disk(text string) value.DiskSize   { return value.Must(value.ParseDiskSize(text)) }
func gpu(text string) value.GPU         { return value.Must(value.ParseGPU(text)) }
func blocks(text string) value.Blocks   { return value.Must(value.ParseBlocks(text)) }
func dollars(d float64) value.Price     { return value.PriceOf(value.MoneyOf(d)) }

// OFR-01, PRF-04, PRF-05, PRF-07, PRF-09.
func TestMatch(t *testing.T) {
	res := func(r schema.Resources) schema.Requirements { return schema.Requirements{Resources: r} }
	for name, c := range map[string]struct {
		need  schema.Requirements
		offer schema.Offer
		want  string
	}{
		"nothing written matches anything":          {offer: p4de()},
		"bounds are included: exactly the minimum":  {need: res(schema.Resources{CPU: cpu("96.."), Memory: mem("1152GB.."), Disk: disk("200GB..")}), offer: p4de()},
		"bounds are included: exactly the maximum":  {need: res(schema.Resources{CPU: cpu("..96"), Memory: mem("..1152GB"), Disk: disk("..200GB")}), offer: p4de()},
		"one CPU below the minimum":                 {need: res(schema.Resources{CPU: cpu("97..")}), offer: p4de(), want: "96 CPU, 97.. needed"},
		"above the maximum":                         {need: res(schema.Resources{CPU: cpu("..8")}), offer: p4de(), want: "96 CPU, ..8 needed"},
		"too little memory":                         {need: res(schema.Resources{Memory: mem("2TB..")}), offer: p4de(), want: "1152GB of memory, 2048GB.. needed"},
		"too small a disk":                          {need: res(schema.Resources{Disk: disk("500GB..")}), offer: p4de(), want: "200GB of disk, 500GB.. needed"},
		"a disk without fixed size is as asked for": {need: res(schema.Resources{Disk: disk("500GB..")}), offer: p4de(func(o *schema.Offer) { o.DiskMiB = 0 })},
		"names of GPUs compare in any case":         {need: res(schema.Resources{GPU: gpu("a100:80GB:8")}), offer: p4de()},
		"one of several names":                      {need: res(schema.Resources{GPU: gpu("H100,A100:8")}), offer: p4de()},
		"too few GPUs":                              {need: res(schema.Resources{GPU: gpu("A100:16")}), offer: p4de(), want: "8 GPUs, 16 x A100 needed"},
		"another GPU":                               {need: res(schema.Resources{GPU: gpu("H100:8")}), offer: p4de(), want: "A100, H100 needed"},
		"less memory for each GPU": {need: res(schema.Resources{GPU: gpu("A100:80GB:8")}), offer: p4de(func(o *schema.Offer) { o.GPUs = gpus(8, "A100", "nvidia", 40) }),
			want: "40GB for each GPU, 80GB needed"},
		"at most max_price, included":             {need: schema.Requirements{MaxPrice: dollars(40.97)}, offer: p4de()},
		"over max_price":                          {need: schema.Requirements{MaxPrice: dollars(30)}, offer: p4de(), want: "over max_price by $10.97"},
		"a price that nobody knows":               {need: schema.Requirements{MaxPrice: dollars(30)}, offer: p4de(func(o *schema.Offer) { o.PriceUnknown = true }), want: "price unknown, and max_price is set"},
		"spot is not taken unless asked for":      {offer: p4de(func(o *schema.Offer) { o.Spot = true }), want: "spot only"},
		"spot is wanted and there is none":        {need: schema.Requirements{Spot: value.SpotOnly}, offer: p4de(), want: "on-demand only"},
		"auto takes spot":                         {need: schema.Requirements{Spot: value.SpotAuto}, offer: p4de(func(o *schema.Offer) { o.Spot = true })},
		"a region that is not asked for":          {need: schema.Requirements{Regions: []string{"us-west-2"}}, offer: p4de(), want: "not in regions"},
		"regions are exact":                       {need: schema.Requirements{Regions: []string{"US-EAST-1"}}, offer: p4de(), want: "not in regions"},
		"an empty list of regions allows none":    {need: schema.Requirements{Regions: []string{}}, offer: p4de(), want: "not in regions"},
		"an empty list of backends allows none":   {need: schema.Requirements{Backends: []string{}}, offer: p4de(), want: "not in backends"},
		"an empty list of types allows none":      {need: schema.Requirements{InstanceTypes: []string{}}, offer: p4de(), want: "not in instance_types"},
		"an empty list of zones allows none":      {need: schema.Requirements{Zones: []string{}}, offer: p4de(), want: "not in availability_zones"},
		"one of the zones":                        {need: schema.Requirements{Zones: []string{"us-east-1b"}}, offer: p4de()},
		"none of the zones":                       {need: schema.Requirements{Zones: []string{"us-east-1c"}}, offer: p4de(), want: "not in availability_zones"},
		"no zone said, and zones are asked for":   {need: schema.Requirements{Zones: []string{"us-east-1a"}}, offer: p4de(func(o *schema.Offer) { o.Zones = nil }), want: "names no zone, and availability_zones is set"},
		"no GPU is wanted, and there are some":    {need: res(schema.Resources{GPU: gpu("0")}), offer: p4de(), want: "8 GPUs, 0 needed"},
		"everything that is lacking is said":      {need: schema.Requirements{Regions: []string{"x"}, MaxPrice: dollars(40)}, offer: p4de(), want: "not in regions; over max_price by $0.97"},
		"a type that is asked for, by its name":   {need: schema.Requirements{InstanceTypes: []string{"p4de.24xlarge"}}, offer: p4de()},
		"a type that is not asked for":            {need: schema.Requirements{InstanceTypes: []string{"p4d.24xlarge"}}, offer: p4de(), want: "not in instance_types"},
		"a backend that is asked for, and region": {need: schema.Requirements{Backends: []string{"aws"}, Regions: []string{"us-east-1"}}, offer: p4de()},
	} {
		t.Run(name, func(t *testing.T) {
			lacks := Match(c.need, c.offer)
			require.Equal(t, c.want, LacksText(lacks))
			for _, l := range lacks {
				require.Positive(t, l.Weight)
			}
		})
	}
}

func TestWithDefaults(t *testing.T) {
	got := WithDefaults(schema.Resources{GPU: gpu("24GB")})
	require.Equal(t, "2.. 8GB.. 100GB..", got.CPU.Canonical()+" "+got.Memory.Canonical()+" "+got.Disk.Canonical())
	require.Equal(t, value.NVIDIA, got.GPU.Vendor())
	written := schema.Resources{CPU: cpu("1"), Memory: mem("1GB"), Disk: disk("5GB"), GPU: gpu("amd:1")}
	require.Empty(t, cmp.Diff(Key(schema.Requirements{Resources: written}), Key(schema.Requirements{Resources: WithDefaults(written)})))
}

// BLK-01, BLK-02, BLK-03.
func TestDivisible(t *testing.T) {
	for name, c := range map[string]struct {
		blocks     string
		cpus, gpus int
		tpu        bool
		want       int
		err        string
	}{
		"one block is the whole machine":               {blocks: "1", cpus: 7, gpus: 3, want: 1},
		"a number that divides CPUs and GPUs":          {blocks: "4", cpus: 96, gpus: 8, want: 4},
		"a number that does not divide the GPUs":       {blocks: "3", cpus: 96, gpus: 8, err: "96 CPUs and 8 GPUs cannot be divided into 3 equal blocks; 1, 2, 4 or 8 would do"},
		"a number that does not divide the CPUs":       {blocks: "8", cpus: 60, gpus: 8, err: "60 CPUs and 8 GPUs cannot be divided into 8 equal blocks; 1, 2 or 4 would do"},
		"no GPU is divided by anything":                {blocks: "3", cpus: 6, want: 3},
		"auto is the number of GPUs":                   {blocks: "auto", cpus: 96, gpus: 8, want: 8},
		"auto is the number of CPUs without GPU":       {blocks: "auto", cpus: 6, want: 6},
		"auto is the number of CPUs if that is less":   {blocks: "auto", cpus: 4, gpus: 8, want: 4},
		"auto is not lowered until it divides":         {blocks: "auto", cpus: 60, gpus: 8, err: "60 CPUs and 8 GPUs cannot be divided into 8 equal blocks; 1, 2 or 4 would do"},
		"auto leaves a TPU whole":                      {blocks: "auto", cpus: 24, gpus: 8, tpu: true, want: 1},
		"a TPU cannot be divided":                      {blocks: "2", cpus: 24, gpus: 8, tpu: true, err: "24 CPUs and a TPU, which is never divided, cannot be divided into 2 equal blocks; 1 would do"},
		"more blocks than CPUs":                        {blocks: "8", cpus: 4, err: "4 CPUs cannot be divided into 8 equal blocks; 1, 2 or 4 would do"},
		"auto on a machine that reports nothing":       {blocks: "auto", err: "0 CPUs cannot be divided into 0 equal blocks; 1 would do"},
		"auto on a machine that reports GPUs, no CPUs": {blocks: "auto", gpus: 2, err: "0 CPUs and 2 GPUs cannot be divided into 0 equal blocks; 1 would do"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Divisible(blocks(c.blocks), c.cpus, c.gpus, c.tpu)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestDividingChangesNoOffer(t *testing.T) {
	o := p4de()
	before := p4de()
	divided, err := Divide(o, blocks("8"))
	require.NoError(t, err)
	require.Equal(t, 8, divided.TotalBlocks)
	Narrow(o, []string{"us-east-1b"})
	_ = append(Slice(o, 1, 8).GPUs, schema.GPU{Name: "intruder"})
	Select(Query{Need: schema.Requirements{Zones: []string{"us-east-1b"}, Blocks: blocks("8")}}, []schema.Offer{o}, map[string]Backend{"aws": {Blocks: true}})
	require.Empty(t, cmp.Diff(before, o))
}

func TestSlice(t *testing.T) {
	got := Slice(p4de(), 3, 8)
	require.Equal(t, []any{36, int64(432 << 10), 3, int64(200 << 10)}, []any{got.CPUs, got.MemoryMiB, len(got.GPUs), got.DiskMiB})
	require.Equal(t, value.MoneyOf(40.97)*3/8, got.Price, "the share of the price, not the whole")
	odd := schema.Offer{CPUs: 7, MemoryMiB: 1001, Price: 10}
	require.Equal(t, 4, Slice(odd, 2, 3).CPUs, "each block is rounded down before it is multiplied")
	require.Equal(t, odd, Slice(odd, 3, 3), "all blocks are the whole machine")
}

func TestSharesNeverCostMoreThanTheMachine(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		price := value.Money(rapid.Int64Range(0, 1e12).Draw(t, "price"))
		total := rapid.IntRange(1, 64).Draw(t, "total")
		var sum value.Money
		for left := total; left > 0; {
			k := rapid.IntRange(1, left).Draw(t, "k")
			sum += SharePrice(price, k, total)
			left -= k
		}
		if sum > price || price-sum > value.Money(total) {
			t.Fatalf("shares cost %d of %d", sum, price)
		}
	})
}

// OFR-11.
func TestFit(t *testing.T) {
	for name, c := range map[string]struct {
		need        schema.Requirements
		total, free int
		want        int
	}{
		"the smallest number of blocks that fits": {need: schema.Requirements{Resources: schema.Resources{GPU: gpu("A100:2")}}, total: 8, free: 8, want: 2},
		"memory decides": {need: schema.Requirements{Resources: schema.Resources{Memory: mem("300GB..")}}, total: 8, free: 8, want: 3},
		"all blocks":     {need: schema.Requirements{Resources: schema.Resources{GPU: gpu("A100:8")}}, total: 8, free: 8, want: 8},
		"upper bounds count: a whole machine is too much":  {need: schema.Requirements{Resources: schema.Resources{CPU: cpu("..24")}}, total: 1, free: 1},
		"upper bounds count: a block is not":               {need: schema.Requirements{Resources: schema.Resources{CPU: cpu("..24")}}, total: 4, free: 4, want: 1},
		"between two numbers of blocks":                    {need: schema.Requirements{Resources: schema.Resources{GPU: gpu("A100:3")}}, total: 4, free: 4},
		"more than is free":                                {need: schema.Requirements{Resources: schema.Resources{GPU: gpu("A100:4")}}, total: 8, free: 3},
		"a count that is a range takes the least":          {need: schema.Requirements{Resources: schema.Resources{GPU: gpu("A100:1..4")}}, total: 4, free: 4, want: 1},
		"max_price is compared with the share":             {need: schema.Requirements{MaxPrice: dollars(6)}, total: 8, free: 8, want: 1},
		"max_price of a share that costs more":             {need: schema.Requirements{MaxPrice: dollars(6), Resources: schema.Resources{GPU: gpu("2")}}, total: 8, free: 8},
		"nothing written takes one block":                  {total: 8, free: 8, want: 1},
		"nothing is free":                                  {total: 8},
		"a machine elsewhere":                              {need: schema.Requirements{Regions: []string{"x"}}, total: 8, free: 8},
		"a total of 0 is a machine that is not divided":    {total: 0, free: 1, want: 1},
		"the disk is not divided, so that each has it all": {need: schema.Requirements{Resources: schema.Resources{Disk: disk("200GB..")}}, total: 8, free: 8, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			k, ok := FreeFit(c.need, p4de(), c.total, c.free)
			require.Equal(t, c.want, k)
			require.Equal(t, c.want > 0, ok)
		})
	}
}

// OFR-02.
func TestMerge(t *testing.T) {
	o := func(name string, price float64, a schema.Availability) schema.Offer {
		return schema.Offer{InstanceType: name, Price: value.MoneyOf(price), Availability: a}
	}
	got := Merge([][]schema.Offer{
		{o("a1", 1, schema.NoQuota), o("a3", 3, schema.Available), o("a2", 2, "")},
		{o("b2", 2, schema.Idle), o("b4", 4, schema.NotAvailable), o("b5", 5, "")},
		{},
		{{InstanceType: "unknown", PriceUnknown: true}},
	})
	var names []string
	for _, g := range got {
		names = append(names, g.InstanceType)
	}
	require.Equal(t, []string{"b2", "a3", "a2", "b5", "unknown", "a1", "b4"}, names,
		"cheapest first, each backend's own order kept, what cannot be used last")
	require.Empty(t, Merge(nil))
}

// OFR-02, OFR-05, OFR-06, PRF-07, PRF-08.
func TestSelect(t *testing.T) {
	able := Backend{MultiNode: true, Spot: true, Blocks: true, Reservations: true, Privileged: true, InstanceMounts: true}
	bs := map[string]Backend{"aws": able, "runpod": {}, "local": {ExistingMachines: true}}
	on := func(backend string, price float64) schema.Offer {
		return p4de(func(o *schema.Offer) {
			o.Backend, o.Price, o.Zones = backend, value.MoneyOf(price), nil
			if backend == "aws" {
				o.Zones = []string{"us-east-1a", "us-east-1b"}
			}
		})
	}
	two := []schema.Offer{on("runpod", 10), on("aws", 20)}
	for name, c := range map[string]struct {
		q      Query
		offers []schema.Offer
		usable []string // backend and zone
		out    []string // rejected, why
	}{
		"an offer with two zones is two": {offers: two, usable: []string{"runpod ", "aws us-east-1a", "aws us-east-1b"}},
		"zones asked for: those without go, the others are narrowed": {q: Query{Need: schema.Requirements{Zones: []string{"us-east-1b", "x"}}}, offers: two,
			usable: []string{"aws us-east-1b"}, out: []string{"names no zone, and availability_zones is set"}},
		"several nodes need a backend that can": {q: Query{Need: schema.Requirements{MultiNode: true, Zones: nil}}, offers: two,
			usable: []string{"aws us-east-1a", "aws us-east-1b"}, out: []string{"its machines cannot form a cluster"}},
		"privileged":      {q: Query{Need: schema.Requirements{Privileged: true}}, offers: two[:1], out: []string{"no privileged containers there"}},
		"instance mounts": {q: Query{InstanceMounts: true}, offers: two[:1], out: []string{"no instance folders to mount there"}},
		"reservation":     {q: Query{Need: schema.Requirements{Reservation: "r"}}, offers: two[:1], out: []string{"no reservations there"}},
		"blocks where machines cannot be divided": {q: Query{Need: schema.Requirements{Blocks: blocks("2")}}, offers: two[:1],
			out: []string{"machines cannot be divided into blocks there"}},
		"blocks that do not divide": {q: Query{Need: schema.Requirements{Blocks: blocks("5")}}, offers: two[1:],
			out: []string{"96 CPUs and 8 GPUs cannot be divided into 5 equal blocks; 1, 2, 4 or 8 would do"}},
		"a machine that is made has defaults": {offers: []schema.Offer{{Backend: "aws", CPUs: 1, MemoryMiB: 4096}}, out: []string{"1 CPU, 2.. needed; 4GB of memory, 8GB.. needed"}},
		"a machine that exists has none":      {offers: []schema.Offer{{Backend: "local", CPUs: 1, MemoryMiB: 4096}}, usable: []string{"local "}},
		"a place": {q: Query{Within: Location{"aws", "us-east-1", "us-east-1b"}}, offers: two,
			usable: []string{"aws us-east-1b"}, out: []string{"not in aws us-east-1b"}},
		"too many for the quota": {q: Query{Count: 2}, offers: []schema.Offer{p4de(func(o *schema.Offer) { o.Quota = &schema.Quota{Name: "P", Left: 100, Cost: 96} })},
			out: []string{"quota P has 100 left, 192 needed"}},
		"too many for the limit":     {q: Query{Count: 3}, offers: []schema.Offer{p4de(func(o *schema.Offer) { o.Limit = 2 })}, out: []string{"2 can be had, 3 needed"}},
		"what is not available":      {offers: []schema.Offer{p4de(func(o *schema.Offer) { o.Availability = schema.NotAvailable })}, out: []string{"not available"}},
		"a backend that is not open": {offers: []schema.Offer{on("gcp", 1)}, out: []string{"no backend of that name is open"}},
		"nothing offered":            {},
	} {
		t.Run(name, func(t *testing.T) {
			s := Select(c.q, c.offers, bs)
			var usable, out []string
			for _, o := range s.Usable {
				usable = append(usable, o.Backend+" "+Zone(o))
			}
			for _, r := range s.Rejected {
				out = append(out, LacksText(r.Lacks))
			}
			require.Empty(t, cmp.Diff(c.usable, usable))
			require.Empty(t, cmp.Diff(c.out, out))
		})
	}
}

func TestCheaperOffersThatWereNotTakenAreNamed(t *testing.T) {
	bs := map[string]Backend{"aws": {}, "oci": {}}
	s := Select(Query{Need: schema.Requirements{Backends: []string{"aws"}}}, []schema.Offer{
		p4de(func(o *schema.Offer) { o.Backend, o.Price = "oci", value.MoneyOf(3) }),
		p4de(func(o *schema.Offer) { o.Backend, o.Price = "oci", value.MoneyOf(2) }),
		p4de(func(o *schema.Offer) { o.CPUs, o.Price = 1, value.MoneyOf(1) }), // a reader knows why
		p4de(),
		p4de(func(o *schema.Offer) { o.Backend, o.Price = "oci", value.MoneyOf(50) }),
	}, bs)
	require.Len(t, s.LeftOut, 2)
	require.Equal(t, value.MoneyOf(2), s.LeftOut[0].Offer.Price)
	require.Equal(t, "not in backends", s.LeftOut[0].Why)
}

func TestClosestAndNextStep(t *testing.T) {
	need := schema.Requirements{Resources: schema.Resources{GPU: gpu("A100:80GB:8")}, MaxPrice: dollars(30)}
	s := Select(Query{Need: need}, []schema.Offer{
		{Backend: "aws", Region: "us-east-1", InstanceType: "t3.micro", CPUs: 2, MemoryMiB: 1024, Price: value.MoneyOf(0.01)},
		p4de(func(o *schema.Offer) {
			o.Region, o.InstanceType, o.GPUs, o.Price = "us-west-2", "p4d.24xlarge", gpus(8, "A100", "nvidia", 40), value.MoneyOf(32.77)
		}),
		p4de(func(o *schema.Offer) { o.Spot, o.Price = true, value.MoneyOf(12.55) }),
		p4de(),
		p4de(func(o *schema.Offer) { o.Region = "us-west-2" }), // the same a second time
	}, map[string]Backend{"aws": {Spot: true}})
	var got []string
	for _, r := range Closest(s.Rejected, 3) {
		got = append(got, r.Offer.InstanceType+": "+LacksText(r.Lacks))
	}
	require.Equal(t, []string{
		"p4de.24xlarge: over max_price by $10.97",
		"p4de.24xlarge: spot only",
		"p4d.24xlarge: 40GB for each GPU, 80GB needed; over max_price by $2.77",
	}, got)
	require.Equal(t, "Raise max_price to 41, or allow spot (lowest $12.55/h).", NextStep(need, s.Rejected))
	require.Empty(t, NextStep(need, nil))
	require.Empty(t, Closest(nil, 3))
}

func TestNextStepNamesWhatWouldHelpAlone(t *testing.T) {
	for name, c := range map[string]struct {
		need  schema.Requirements
		offer schema.Offer
		want  string
	}{
		"a region":            {schema.Requirements{Regions: []string{}}, p4de(), "Add us-east-1 to regions (lowest $40.97/h)."},
		"a zone":              {schema.Requirements{Zones: []string{"x"}}, p4de(), "Add us-east-1a to availability_zones (lowest $40.97/h)."},
		"a type":              {schema.Requirements{InstanceTypes: []string{"x"}}, p4de(), "Add p4de.24xlarge to instance_types (lowest $40.97/h)."},
		"a backend":           {schema.Requirements{Backends: []string{"gcp"}}, p4de(), "Add aws to backends (lowest $40.97/h)."},
		"a price in cents":    {schema.Requirements{MaxPrice: dollars(0.1)}, p4de(func(o *schema.Offer) { o.Price = value.MoneyOf(0.521) }), "Raise max_price to 0.53."},
		"on-demand":           {schema.Requirements{Spot: value.SpotOnly}, p4de(), "Allow on-demand (lowest $40.97/h)."},
		"blocks":              {schema.Requirements{Blocks: blocks("7")}, p4de(), "Change blocks."},
		"quota":               {schema.Requirements{}, p4de(func(o *schema.Offer) { o.Availability = schema.NoQuota }), "Ask aws for more quota in us-east-1, wait for capacity, or allow other offers."},
		"two things together": {schema.Requirements{Spot: value.SpotOnly, Regions: []string{}}, p4de(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := Select(Query{Need: c.need}, []schema.Offer{c.offer}, map[string]Backend{"aws": {Spot: true, Blocks: true}})
			require.Equal(t, c.want, NextStep(c.need, s.Rejected))
		})
	}
}

func TestDescribe(t *testing.T) {
	for want, need := range map[string]schema.Requirements{
		"":                                   {},
		"8 x A100 80GB for at most $30.00/h": {Resources: schema.Resources{GPU: gpu("A100:80GB:8")}, MaxPrice: dollars(30)},
		"1..4 x H100 or A100, 16.. CPU, 64GB.. of memory and 1024GB of disk": {Resources: schema.Resources{GPU: gpu("H100,A100:1..4"), CPU: cpu("16.."),
			Memory: mem("64GB.."), Disk: disk("1TB")}},
		"1 x GPU 24GB.. as spot": {Resources: schema.Resources{GPU: gpu("24GB..")}, Spot: value.SpotOnly},
		"for at most $2.00/h":    {MaxPrice: dollars(2)},
	} {
		require.Equal(t, want, Describe(need))
	}
}

func TestKeyIsTheSameForTheSameNeed(t *testing.T) {
	a := schema.Requirements{Resources: schema.Resources{Memory: mem("16gb.."), GPU: gpu("80GB:a100")}}
	b := schema.Requirements{Resources: schema.Resources{Memory: mem("16GB.."), GPU: gpu("A100:80GB:1")}}
	require.Equal(t, Key(a), Key(b))
	for _, other := range []schema.Requirements{{}, {Regions: []string{}}, {Regions: []string{"a", "b"}}, {Regions: []string{"ab"}}, {Zones: []string{"ab"}}, {MultiNode: true}, {Privileged: true}} {
		require.NotEqual(t, Key(a), Key(other))
	}
	require.NotEqual(t, Key(schema.Requirements{}), Key(schema.Requirements{Regions: []string{}}))
	require.NotEqual(t, Key(schema.Requirements{Regions: []string{"a", "b"}}), Key(schema.Requirements{Regions: []string{"ab"}}))
}

func TestLackWeightsAreFinite(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		o := schema.Offer{CPUs: rapid.IntRange(0, 1000).Draw(t, "cpus"), MemoryMiB: rapid.Int64Range(0, 1<<22).Draw(t, "memory"), Price: value.Money(rapid.Int64Range(0, 1e9).Draw(t, "price"))}
		low := rapid.IntRange(0, 100).Draw(t, "low")
		need := schema.Requirements{Resources: schema.Resources{CPU: value.IntRangeOf(value.Between(low, low+rapid.IntRange(0, 9).Draw(t, "span"))), Memory: mem("8GB..16GB")}, MaxPrice: dollars(1)}
		for _, l := range Match(need, o) {
			if !(l.Weight > 0 && l.Weight < 1e9) {
				t.Fatalf("%s weighs %v", l.Text, l.Weight)
			}
		}
	})
}

func TestOffersOfSeveralZonesAreFolded(t *testing.T) {
	o := func(zone string, price value.Money) schema.Offer {
		return schema.Offer{Backend: "aws", Region: "us-east-1", Zones: []string{zone}, InstanceType: "p4d", Price: price}
	}
	in := []schema.Offer{o("a", 1), o("b", 1), o("c", 2)}
	got := FoldZones(in)
	require.Len(t, got, 2)
	require.Equal(t, []string{"a", "b"}, got[0].Zones)
	require.Equal(t, []string{"a"}, in[0].Zones, "what was given is not changed")
}
