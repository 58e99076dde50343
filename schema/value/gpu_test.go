package value_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func gpuRows() map[string]reading {
	return map[string]reading{
		// VAL-06
		"name, memory, count":         {text: "A100:80GB:2", canonical: "A100:80GB:2"},
		"memory first":                {text: "80GB:A100", canonical: "A100:80GB:1"},
		"count first":                 {text: "8:Gaudi2", canonical: "Gaudi2:8"},
		"vendor last":                 {text: "8:MI300X:AMD", canonical: "amd:MI300X:8"},
		"blanks":                      {text: " A100 : 80 GB : 1 .. 4 ", canonical: "A100:80GB:1..4"},
		"several names in any order":  {text: "A10G,a100", canonical: "A100,A10G:1"},
		"a name twice":                {text: "A100,a100", canonical: "A100:1"},
		"a known name in lower case":  {text: "rtx4090", canonical: "RTX4090:1"},
		"an unknown name":             {text: "Xyz-1.5+_b", canonical: "XYZ-1.5+_B:1"},
		"a range of memory":           {text: "24gb..:1..4", canonical: "24GB..:1..4"},
		"a range with one unit":       {text: "16..80GB", canonical: "16GB..80GB:1"},
		"at most":                     {text: "..40GB:..4", canonical: "..40GB:..4"},
		"a count of none":             {text: "0", canonical: "0"},
		"total memory":                {text: "A100:total=160gb..", canonical: "A100:1:total=160GB.."},
		"a compute capability":        {text: "Compute=8.0:2..", canonical: "2..:compute=8.0"},
		"long keys":                   {text: "total_memory=160GB:compute_capability=07.5", canonical: "1:total=160GB:compute=7.5"},
		"all at once":                 {text: "compute=8.0:total=80GB..:2:40GB..:A100,H100:nvidia", canonical: "nvidia:A100,H100:40GB..:2:total=80GB..:compute=8.0"},
		"a number":                    {hcl: "8", canonical: "8"},
		"a second vendor":             {text: "nvidia:A100:amd", err: "GPU has two parts of one kind", says: `"amd" is a second vendor.`, marks: "amd"},
		"a second name":               {text: "A100:H100", err: "GPU has two parts of one kind", says: `"H100" is a second name.`, marks: "H100"},
		"a second memory":             {text: "80GB:40GB", err: "GPU has two parts of one kind", says: "second memory", marks: "40GB"},
		"a second count":              {text: "2:A100: 4 ", err: "GPU has two parts of one kind", says: "second count", marks: "4"},
		"a second total":              {text: "total=1GB:total_memory=2GB", err: "GPU has two parts of one kind", says: "second total memory", marks: "total_memory=2GB"},
		"an empty token":              {text: "A100::2", err: "GPU has an empty part", marks: "::"},
		"an empty first token":        {text: ":A100", err: "GPU has an empty part", marks: ":"},
		"an empty last token":         {text: "A100:", err: "GPU has an empty part", marks: ":"},
		"an empty name":               {text: "A100,,H100", err: "GPU name is empty", marks: ",,"},
		"an empty last name":          {text: "A100,", err: "GPU name is empty", marks: ","},
		"a vendor among names":        {text: "A100,nvidia", err: "GPU name is a vendor", says: `"nvidia:A100"`, marks: "nvidia"},
		"an invalid character":        {text: "A100/2", err: "GPU name is not valid", marks: "A100/2"},
		"a name after a number":       {text: "H100,8", err: "GPU name is not valid", says: "does not start with a letter", marks: "8"},
		"an unknown unit":             {text: "A100: 80XB", err: "GPU memory has an unknown unit", marks: "XB"},
		"an open count":               {text: "A100:..", err: "GPU count has no bound", marks: ".."},
		"a count the wrong way round": {text: "A100:4..2", err: "GPU count has its bounds the wrong way round", marks: "4..2"},
		"a fraction as count":         {text: "A100:2.5", err: "GPU count is not a whole number", marks: "2.5"},
		"a negative count":            {text: "-1", err: "GPU count is negative", marks: "-1"},
		"an unknown key":              {text: "A100:totl=80GB", err: "GPU has an unknown key", says: `Did you mean "total"?`, marks: "totl"},
		"a key without a value":       {text: "A100:total=", err: "GPU has an empty part", marks: "total="},
		"a bad total":                 {text: "total=80QB", err: "Total GPU memory has an unknown unit", marks: "QB"},
		"a bad compute capability":    {text: "A100: compute=8", err: "Compute capability is not two numbers", marks: "8"},
		"nothing":                     {text: "", err: "GPU is empty"},
		"a number with a fraction":    {hcl: "1.5", err: "GPU count is not a whole number"},
		"a negative number":           {hcl: "-1", err: "GPU count is negative"},
		"a bool is not allowed":       {hcl: "true", err: "GPU has the wrong type"},
		"a list is not allowed":       {hcl: `["A100"]`, err: "GPU has the wrong type"},

		// VAL-07
		"no count is exactly one":         {text: "A100", canonical: "A100:1"},
		"an empty object is one GPU":      {hcl: `{}`, canonical: "1"},
		"a vendor alone is one GPU of it": {text: "nvidia", canonical: "nvidia:1"},

		// VAL-09
		"a TPU by name":              {text: "v5litepod-4", canonical: "v5litepod-4:1"},
		"a TPU in capitals":          {text: "V5LitePod-4", canonical: "v5litepod-4:1"},
		"the vendor of a TPU":        {text: "tpu:v2-8", canonical: "google:v2-8:1"},
		"the prefix of a TPU":        {text: "tpu-v2-8", err: "GPU name has a prefix", says: `Write "v2-8", or "tpu:v2-8" to name the vendor.`, marks: "tpu-v2-8"},
		"the prefix of a second TPU": {text: "v3-8, TPU-v2-8", err: "GPU name has a prefix", marks: "TPU-v2-8"},

		"an object": {
			hcl:       `{ vendor = "NVIDIA", name = ["H100", "A100"], count = "1..8", memory = 80, total_memory = "160GB..", compute_capability = 8.0 }`,
			canonical: "nvidia:A100,H100:80GB:1..8:total=160GB..:compute=8.0",
		},
		"an object with one name":       {hcl: `{ name = "A100" }`, canonical: "A100:1"},
		"an object with names in text":  {hcl: `{ name = "A100, H100" }`, canonical: "A100,H100:1"},
		"an object with ranges":         {hcl: `{ count = { min = 2 }, memory = { min = "24GB", max = 80 } }`, canonical: "24GB..80GB:2.."},
		"an object with nulls":          {hcl: `{ name = null, vendor = "tpu" }`, canonical: "google:1"},
		"an object with version list":   {hcl: `{ compute_capability = [8, 6] }`, canonical: "1:compute=8.6"},
		"an object with no names":       {hcl: `{ name = [] }`, err: "GPU name is empty", says: "leave it out", path: ".name"},
		"an object with an empty name":  {hcl: `{ name = ["A100", ""] }`, err: "GPU name is empty", path: ".name[1]"},
		"an object with a bad vendor":   {hcl: `{ vendor = "ati" }`, err: "GPU vendor is unknown", path: ".vendor"},
		"an object with a bad name":     {hcl: `{ name = "80GB" }`, err: "GPU name is not valid", path: ".name"},
		"an object with a number":       {hcl: `{ name = 100 }`, err: "GPU name has the wrong type", path: ".name"},
		"an object with an unknown key": {hcl: `{ names = ["A100"] }`, err: "GPU has an unknown key", says: `Did you mean "name"?`, path: ".names"}, // VAL-15
		"an object with a bad count":    {hcl: `{ count = "2..1" }`, err: "GPU count has its bounds the wrong way round", path: ".count"},
		"an object with a bad memory":   {hcl: `{ memory = { min = "1XB" } }`, err: "GPU memory has an unknown unit", path: ".memory.min"},
		"an object with a bad total":    {hcl: `{ total_memory = false }`, err: "Total GPU memory has the wrong type", path: ".total_memory"},
		"an object with a bad version":  {hcl: `{ compute_capability = [8] }`, err: "Compute capability is not two numbers", path: ".compute_capability"},
	}
}

func TestGPU(t *testing.T) {
	readAll[value.GPU](t, gpuRows())

	g := value.Must(value.ParseGPU("nvidia:A100,h100:40GB..:2:total=80GB..:compute=8.0"))
	require.Equal(t, value.NVIDIA, g.Vendor())
	require.Equal(t, []string{"A100", "h100"}, g.Names(), "names as written")
	require.Equal(t, value.Exactly(2), g.Count())
	require.Equal(t, value.AtLeast(40.0), g.Memory())
	require.Equal(t, value.AtLeast(80.0), g.TotalMemory())
	require.Equal(t, "8.0", g.Compute().String())
	require.True(t, g.Equal(value.Must(value.ParseGPU("2:compute=8.0:H100,A100:nvidia:40GB..:total=81920MB.."))))
	require.False(t, g.Equal(value.Must(value.ParseGPU("2:compute=8.0:H100:nvidia:40GB..:total=81920MB.."))))
}

func TestUnsetGPUConstrainsNothing(t *testing.T) { // VAL-07
	var g value.GPU
	require.True(t, g.None())
	require.True(t, g.Count().Contains(0))
	require.True(t, g.Count().Contains(8))
	for _, gpus := range [][]value.GPUFact{nil, {{Name: "T4"}}, {{Name: "T4"}, {Name: "T4"}}} {
		ok, why := g.Matches(gpus)
		require.True(t, ok, why)
	}
}

func TestVendorIsInferred(t *testing.T) { // VAL-08, VAL-09
	for gpu, want := range map[string]value.Vendor{
		"A100":            value.NVIDIA,
		"a10g,L4":         value.NVIDIA,
		"24GB..":          value.NVIDIA,
		"2":               value.NVIDIA,
		"0..2":            value.NVIDIA,
		"MI300X":          value.AMD,
		"Gaudi2":          value.Intel,
		"v5litepod-4":     value.Google,
		"tpu:v2-8":        value.Google,
		"v6e-1,v3-8":      value.Google,
		"amd:A100":        value.AMD,
		"A100,MI300X":     "",
		"Unheard-Of":      "",
		"A100,Unheard-Of": "",
		"v7-8":            "",
		"v2-0":            "",
		"v2-x":            "",
		"0":               "",
		"A100:0":          "",
	} {
		t.Run(gpu, func(t *testing.T) {
			vendor, ok := value.InferVendor(value.Must(value.ParseGPU(gpu)))
			require.Equal(t, want, vendor)
			require.Equal(t, want != "", ok)
		})
	}
	_, ok := value.InferVendor(value.GPU{})
	require.False(t, ok, "without a requirement nothing is inferred")
}

func TestInferredVendorIsAdded(t *testing.T) {
	g := value.Must(value.ParseGPU("a100:2"))
	require.Equal(t, "nvidia:A100:2", g.WithVendor(value.NVIDIA).String())
	require.Equal(t, "a100:2", g.WithVendor("").String())
	require.Equal(t, "amd:1", value.Must(value.ParseGPU("amd")).WithVendor(value.NVIDIA).Canonical(), "what was asked for stays")
	require.True(t, value.GPU{}.WithVendor(value.NVIDIA).IsZero())
}

func TestAMDNeedsAnImage(t *testing.T) { // VAL-08
	for gpu, want := range map[string]bool{
		"amd": true, "MI300X": true, "A100,mi300x": true, "A100": false, "nvidia:MI300X": false, "amd:0": false, "2": false,
	} {
		require.Equal(t, want, value.Must(value.ParseGPU(gpu)).InvolvesAMD(), gpu)
	}
	require.False(t, value.GPU{}.InvolvesAMD())
}

func gpus(n int, name string, gb int64) []value.GPUFact {
	out := make([]value.GPUFact, n)
	for i := range out {
		known, _ := value.LookupGPU(name)
		out[i] = value.GPUFact{Name: name, Vendor: known.Vendor, MemoryMiB: gb * 1024}
	}
	return out
}

func TestGPUMatches(t *testing.T) {
	for name, row := range map[string]struct {
		gpu  string
		gpus []value.GPUFact
		why  string // empty if it matches
	}{
		"exactly what is asked for":          {"A100:80GB:8", gpus(8, "A100", 80), ""},
		"names in any case":                  {"a100", gpus(1, "A100", 40), ""},
		"any of the names":                   {"A10G,L4", gpus(1, "L4", 24), ""},
		"bounds are included":                {"24GB..48GB:1..2", gpus(2, "L40", 48), ""},
		"any vendor":                         {"2", gpus(2, "MI300X", 192), ""},
		"the vendor":                         {"amd:2", gpus(2, "MI300X", 192), ""},
		"the vendor follows from the name":   {"nvidia", []value.GPUFact{{Name: "T4", MemoryMiB: 16384}}, ""},
		"total memory":                       {"2:total=160GB", gpus(2, "A100", 80), ""},
		"a lower capability":                 {"compute=8.0", gpus(1, "H100", 80), ""},
		"the same capability":                {"compute=8.6", gpus(1, "A10G", 24), ""},
		"a capability that is given":         {"compute=9.0", []value.GPUFact{{Name: "New1", Compute: value.ComputeCapabilityOf(12, 0)}}, ""},
		"no GPU is wanted":                   {"0", nil, ""},
		"no GPU of a name is wanted":         {"A100:0", nil, ""},
		"perhaps a GPU is wanted":            {"0..2", nil, ""},
		"too little memory":                  {"A100:80GB", gpus(1, "A100", 40), "40GB for each GPU, 80GB needed"},
		"too much memory":                    {"..40GB", gpus(1, "A100", 80), "80GB for each GPU, ..40GB needed"},
		"too few":                            {"A100:80GB:8", gpus(4, "A100", 80), "4 GPUs, 8 x A100 80GB needed"},
		"too many":                           {"A100", gpus(2, "A100", 80), "2 GPUs, 1 x A100 needed"},
		"none at all":                        {"A100:80GB:8", nil, "no GPU, 8 x A100 80GB needed"},
		"one when none is wanted":            {"0", gpus(1, "T4", 16), "1 GPU, 0 needed"},
		"another name":                       {"A100,H100", gpus(1, "L4", 24), "L4, A100 or H100 needed"},
		"another vendor":                     {"amd", gpus(1, "L4", 24), "vendor nvidia, amd needed"},
		"an unknown vendor":                  {"amd", []value.GPUFact{{Name: "Xyz"}}, "vendor unknown, amd needed"},
		"an older capability":                {"compute=8.0", gpus(1, "T4", 16), "compute capability 7.5, 8.0 needed"},
		"a capability that nobody knows":     {"compute=8.0", gpus(1, "MI300X", 192), "compute capability unknown, 8.0 needed"},
		"too little in total":                {"1..:total=160GB..", gpus(1, "A100", 80), "80GB of GPU memory in total, 160GB.. needed"},
		"one of several is another":          {"A100:2", append(gpus(1, "A100", 80), gpus(1, "T4", 16)...), "T4, A100 needed"},
		"several reasons":                    {"H100:80GB:8", gpus(4, "A100", 40), "4 GPUs, 8 x H100 80GB needed; A100, H100 needed; 40GB for each GPU, 80GB needed"},
		"a name when a GPU is only possible": {"A100:0..2", nil, "no GPU, 0..2 x A100 needed"},
		"memory when there is no GPU":        {"24GB..:0..2", nil, "no GPU, 0..2 x 24GB.. needed"},
		"a vendor when there is no GPU":      {"nvidia:0..2", nil, "no GPU, 0..2 x nvidia needed"},
	} {
		t.Run(name, func(t *testing.T) {
			ok, why := value.Must(value.ParseGPU(row.gpu)).Matches(row.gpus)
			require.Equal(t, row.why, why)
			require.Equal(t, row.why == "", ok)
		})
	}
}

func TestGPUsAreDescribed(t *testing.T) {
	require.Equal(t, "8 x A100 80GB", value.DescribeGPUs(gpus(8, "A100", 80)))
	require.Equal(t, "1 x A100 80GB, 2 x T4 16GB", value.DescribeGPUs(append(gpus(1, "A100", 80), gpus(2, "T4", 16)...)))
	require.Equal(t, "1 x v2-8", value.DescribeGPUs(gpus(1, "v2-8", 0)))
	require.Empty(t, value.DescribeGPUs(nil))
}

func TestKnownGPUs(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range value.KnownGPUs() {
		require.False(t, seen[g.Name], "%s is there twice", g.Name)
		seen[g.Name] = true
		found, ok := value.LookupGPU(g.Name)
		require.True(t, ok)
		require.Empty(t, cmp.Diff(g, found))
		require.Equal(t, g.Vendor == value.NVIDIA, !g.Compute.IsZero(), g.Name)
		require.Equal(t, g.Vendor == value.Google, len(g.MemoryGB) == 0, g.Name)
		parsed, err := value.ParseGPU(g.Name)
		require.NoError(t, err, "every known name can be written")
		require.Equal(t, g.Name+":1", parsed.Canonical())
	}
	require.Contains(t, seen, "H200")
	h100, ok := value.LookupGPU("h100")
	require.True(t, ok)
	require.Equal(t, "9.0", h100.Compute.String())
	_, ok = value.LookupGPU("H1000")
	require.False(t, ok)

	h100.MemoryGB[0] = 1
	again, _ := value.LookupGPU("h100")
	require.Equal(t, []int{80}, again.MemoryGB, "a caller cannot change the table")
}

func TestTPUNames(t *testing.T) { // VAL-09
	for _, version := range value.TPUVersions() {
		v, cores, ok := value.ParseTPU(version + "-8")
		require.True(t, ok)
		require.Equal(t, version, v)
		require.Equal(t, 8, cores)
		known, ok := value.LookupGPU(version + "-8")
		require.True(t, ok)
		require.Equal(t, value.Google, known.Vendor)
	}
	for _, name := range []string{"v2", "v2-", "v2-0", "v7-8", "v2-8-1", "v2--8", "", "-8"} {
		_, _, ok := value.ParseTPU(name)
		require.False(t, ok, name)
	}
}

func TestGPUNamesAreNormalized(t *testing.T) {
	for reported, want := range map[string]struct {
		name   string
		vendor value.Vendor
	}{
		"NVIDIA A100-SXM4-80GB":                {"A100", value.NVIDIA},
		"NVIDIA A100-PCIE-40GB":                {"A100", value.NVIDIA},
		"NVIDIA A10G":                          {"A10G", value.NVIDIA},
		"NVIDIA RTX A6000":                     {"A6000", value.NVIDIA},
		"NVIDIA H100 80GB HBM3":                {"H100", value.NVIDIA},
		"NVIDIA H100 NVL":                      {"H100NVL", value.NVIDIA},
		"NVIDIA H200":                          {"H200", value.NVIDIA},
		"NVIDIA B200":                          {"B200", value.NVIDIA},
		"NVIDIA GB200":                         {"GB200", value.NVIDIA},
		"NVIDIA GH200 480GB":                   {"GH200", value.NVIDIA},
		"NVIDIA L40S":                          {"L40S", value.NVIDIA},
		"Tesla T4":                             {"T4", value.NVIDIA},
		"Tesla V100-SXM2-16GB":                 {"V100", value.NVIDIA},
		"Quadro RTX 6000":                      {"RTX6000", value.NVIDIA},
		"NVIDIA RTX 6000 Ada Generation":       {"RTX6000Ada", value.NVIDIA},
		"NVIDIA RTX 4000 SFF Ada Generation":   {"RTX4000Ada", value.NVIDIA},
		"NVIDIA RTX PRO 6000 Blackwell Server": {"RTXPRO6000", value.NVIDIA},
		"NVIDIA GeForce RTX 4090":              {"RTX4090", value.NVIDIA},
		"NVIDIA GeForce RTX 3080 Ti":           {"RTX3080Ti", value.NVIDIA},
		"NVIDIA GeForce GTX 1080 Ti":           {"GTX1080Ti", value.NVIDIA},
		"AMD Instinct MI300X-O":                {"MI300X", value.AMD},
		"AMD Instinct MI210":                   {"MI210", value.AMD},
		"MI325X":                               {"MI325X", value.AMD},
		"AMD Radeon RX 7900":                   {"RX7900", value.AMD},
		"Intel Arc A770":                       {"ArcA770", value.Intel},
		"HL-205":                               {"Gaudi", value.Intel},
		"HL-225":                               {"Gaudi2", value.Intel},
		"HL-325L":                              {"Gaudi3", value.Intel},
		"HL-338":                               {"Gaudi3", value.Intel},
		"Intel Gaudi 2":                        {"Gaudi2", value.Intel},
		"v5litepod-4":                          {"v5litepod-4", value.Google},
		"a100":                                 {"A100", value.NVIDIA},
		"Something New":                        {"SomethingNew", ""},
		"":                                     {"", ""},
	} {
		t.Run(reported, func(t *testing.T) {
			name, vendor := value.NormalizeGPUName(reported)
			require.Equal(t, want.name, name)
			require.Equal(t, want.vendor, vendor)
		})
	}
}

func TestGPUMemoryIsSnapped(t *testing.T) {
	for name, row := range map[string]struct {
		gpu      string
		mib      int64
		wantedGB int64
	}{
		"what EC2 reports of an A10G":        {"A10G", 22888, 24},
		"what EC2 reports of an L4":          {"L4", 22888, 24},
		"what EC2 reports of an L40S":        {"L40S", 45776, 48},
		"what EC2 reports of an H200":        {"H200", 144384, 141},
		"what the driver reports of an H100": {"H100", 81559, 80},
		"the nearer of two sizes":            {"A100", 40960, 40},
		"the other of two sizes":             {"a100", 81920, 80},
		"between two sizes":                  {"A100", 61440, 60},
		"just inside 7 %":                    {"H100", 76186, 80}, // 74.4 GB
		"just outside 7 %":                   {"H100", 76185, 74},
		"an unknown name is rounded":         {"New1", 22888, 22},
		"nothing":                            {"H100", 0, 0},
		"nonsense":                           {"H100", -5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, row.wantedGB*1024, value.SnapGPUMemory(row.gpu, row.mib))
		})
	}
}

func computeRows() map[string]reading {
	return map[string]reading{
		"two numbers":            {text: "7.5", canonical: "7.5"},
		"a minor of two digits":  {text: "12.10", canonical: "12.10"},
		"leading zeros":          {text: " 08.00 ", canonical: "8.0"},
		"zeros are set":          {text: "0.0", canonical: "0.0"},
		"a number":               {hcl: "7.5", canonical: "7.5"},
		"a whole number":         {hcl: "8.0", canonical: "8.0"},
		"a list":                 {hcl: "[7, 5]", canonical: "7.5"},
		"a list of numbers":      {hcl: "numbers", canonical: "8.6"},
		"a list of texts":        {hcl: `["8", "0"]`, canonical: "8.0"},
		"one number in a text":   {text: "8", err: "Compute capability is not two numbers", marks: "8"},
		"three numbers":          {text: "8.0.1", err: "Compute capability is not two numbers", marks: "8.0.1"},
		"a negative number":      {hcl: "-7.5", err: "Compute capability is not two numbers"},
		"nothing":                {text: "", err: "Compute capability is not two numbers"},
		"a word":                 {text: "sm_80", err: "Compute capability is not two numbers", marks: "sm_80"},
		"a list of one":          {hcl: "[8]", err: "Compute capability is not two numbers", says: "is 1, not 2"},
		"a list of three":        {hcl: "[8, 0, 1]", err: "Compute capability is not two numbers", says: "is 3, not 2"},
		"a list with a fraction": {hcl: "[8, 0.5]", err: "Compute capability is not a whole number", path: "[1]"},
		"a list with a negative": {hcl: "[-8, 0]", err: "Compute capability is negative", path: "[0]"},
		"a list beyond all":      {hcl: "[8, 10000]", err: "Compute capability is out of range"},
		"a bool is not allowed":  {hcl: "true", err: "Compute capability has the wrong type"},
	}
}

func TestComputeCapability(t *testing.T) {
	readAll[value.ComputeCapability](t, computeRows())

	c := value.Must(value.ParseComputeCapability("8.6"))
	require.Equal(t, []int{8, 6}, []int{c.Major(), c.Minor()})
	for other, want := range map[string]bool{"8.6": true, "8.0": true, "7.9": true, "8.7": false, "9.0": false, "8.10": false} {
		require.Equal(t, want, c.AtLeast(value.Must(value.ParseComputeCapability(other))), other)
	}
	require.True(t, c.Equal(value.ComputeCapabilityOf(8, 6)))
}

func TestVendors(t *testing.T) {
	for text, want := range map[string]value.Vendor{"NVIDIA": value.NVIDIA, " amd ": value.AMD, "Google": value.Google, "TPU": value.Google, "intel": value.Intel} {
		v, err := value.ParseVendor(text)
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	_, err := value.ParseVendor("ati")
	require.EqualError(t, err, `GPU vendor is unknown: "ati" is none of "nvidia", "amd", "google", "intel" or "tpu".`)
}
