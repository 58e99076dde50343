package gpu

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

// stand puts a program on PATH, which holds nothing else, that answers what a tool on a machine with such GPUs has said, by its
// first argument.
func stand(t *testing.T, name string, answers map[string]string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncase \"$1\" in\n"
	for first, answer := range answers {
		file := filepath.Join(dir, name+"."+filepath.Base(first))
		require.NoError(t, os.WriteFile(file, []byte(answer), 0o600))
		script += first + ") while IFS= read -r line || [ -n \"$line\" ]; do printf '%s\\n' \"$line\"; done < '" + file + "'; exit 0;;\n"
	}
	script += "esac\necho \"unknown: $*\" >&2\nexit 3\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// alone leaves PATH without any tool.
func alone(t *testing.T) { t.Setenv("PATH", t.TempDir()) }

// nodes is a sysfs in which GPUs have render nodes.
func nodes(t *testing.T, byPlace map[string]string) string {
	t.Helper()
	sys := t.TempDir()
	for bdf, node := range byPlace {
		require.NoError(t, os.MkdirAll(filepath.Join(sys, "bus/pci/devices", bdf, "drm", node), 0o755))
	}
	return sys
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(data)
}

const (
	nvidiaList = "--query-gpu=uuid,name,memory.total"
	nvidiaUse  = "--query-gpu=uuid,memory.used,memory.total,utilization.gpu"
	intelList  = "--query-aip=index,name,memory.total"
	intelUse   = "--query-aip=index,memory.used,memory.total,utilization.aip"
)

var twoH100 = []api.GPU{
	{Vendor: NVIDIA, ID: "GPU-3d8a3bd1-8a7d-4f5e-9c0b-5e2f1f6a7b90", Name: "NVIDIA H100 80GB HBM3", MemoryMiB: 81559},
	{Vendor: NVIDIA, ID: "GPU-a1f0a3c2-61c4-2b0f-7d59-0e8a4d5c6b71", Name: "NVIDIA H100 80GB HBM3", MemoryMiB: 81559},
}

var twoMI300X = []api.GPU{
	{Vendor: AMD, ID: "/dev/dri/renderD128", Name: "AMD Instinct MI300X", MemoryMiB: 196592},
	{Vendor: AMD, ID: "/dev/dri/renderD136", Name: "AMD Instinct MI300X", MemoryMiB: 196592},
}

func TestGPUsAreListed(t *testing.T) {
	sys := nodes(t, map[string]string{"0000:83:00.0": "renderD128", "0000:c1:00.0": "renderD136"})
	cases := map[string]struct {
		tool    string
		answers map[string]string
		want    []api.GPU
	}{
		"nvidia-smi": {
			nvidiaSMI, map[string]string{nvidiaList: "GPU-3d8a3bd1-8a7d-4f5e-9c0b-5e2f1f6a7b90, NVIDIA H100 80GB HBM3, 81559\n" +
				"GPU-a1f0a3c2-61c4-2b0f-7d59-0e8a4d5c6b71, NVIDIA H100 80GB HBM3, 81559\n"}, twoH100,
		},
		"amd-smi, which lists by number": {amdSMI, map[string]string{"static": read(t, "amd-static-mi300x.json")}, twoMI300X},
		"amd-smi of earlier ROCm": {
			amdSMI, map[string]string{"static": read(t, "amd-static-list.json")},
			[]api.GPU{{Vendor: AMD, ID: "/dev/dri/renderD128", Name: "MI300X-O", MemoryMiB: 196592}},
		},
		"amd-smi that warns first": {
			amdSMI, map[string]string{"static": "WARNING: User is missing the following required groups: render, video.\n" + read(t, "amd-static-mi300x.json")}, twoMI300X,
		},
		"hl-smi, of Gaudi 2 without units": {
			hlSMI, map[string]string{intelList: "0, HL-225, 98304\n1, HL-225, 98304\n"},
			[]api.GPU{{Vendor: Intel, ID: "0", Name: "HL-225", MemoryMiB: 98304}, {Vendor: Intel, ID: "1", Name: "HL-225", MemoryMiB: 98304}},
		},
		"hl-smi, of Gaudi 3 with units": {
			hlSMI, map[string]string{intelList: "0, HL-325L, 131072 MiB\n"}, []api.GPU{{Vendor: Intel, ID: "0", Name: "HL-325L", MemoryMiB: 131072}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			alone(t)
			stand(t, c.tool, c.answers)
			got, err := Tools{Sys: sys}.List(t.Context())
			require.NoError(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUseIsMeasured(t *testing.T) {
	cases := map[string]struct {
		tool    string
		answers map[string]string
		gpus    []api.GPU
		want    []Use
	}{
		"nvidia-smi": {
			nvidiaSMI, map[string]string{nvidiaUse: "GPU-3d8a3bd1-8a7d-4f5e-9c0b-5e2f1f6a7b90, 72209, 81559, 97\nGPU-a1f0a3c2-61c4-2b0f-7d59-0e8a4d5c6b71, 4, 81559, 0\n"},
			twoH100, []Use{{twoH100[0].ID, 72209 << 20, 81559 << 20, 97}, {twoH100[1].ID, 4 << 20, 81559 << 20, 0}},
		},
		"nvidia-smi where the GPU is divided": {
			nvidiaSMI, map[string]string{nvidiaUse: "GPU-3d8a3bd1-8a7d-4f5e-9c0b-5e2f1f6a7b90, 87, 81559, [N/A]\n"},
			twoH100[:1], []Use{{twoH100[0].ID, 87 << 20, 81559 << 20, -1}},
		},
		"nvidia-smi where memory is the machine's": {
			nvidiaSMI, map[string]string{nvidiaUse: "GPU-3d8a3bd1-8a7d-4f5e-9c0b-5e2f1f6a7b90, [Not Supported], [Not Supported], 12\n"},
			twoH100[:1], []Use{{twoH100[0].ID, 0, 0, 12}},
		},
		"amd-smi": {
			amdSMI, map[string]string{"metric": read(t, "amd-metric-mi300x.json")},
			twoMI300X, []Use{{"/dev/dri/renderD128", 17153 << 20, 196592 << 20, 94}, {"/dev/dri/renderD136", 284 << 20, 196592 << 20, -1}},
		},
		"hl-smi": {
			hlSMI, map[string]string{intelUse: "0, 672 MiB, 131072 MiB, 3 %\n"},
			[]api.GPU{{Vendor: Intel, ID: "0"}}, []Use{{"0", 672 << 20, 131072 << 20, 3}},
		},
		"no GPUs": {hlSMI, nil, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			alone(t)
			stand(t, c.tool, c.answers)
			got, err := Tools{}.Use(t.Context(), c.gpus)
			require.NoError(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAMachineWithoutToolsHasNoGPUs(t *testing.T) {
	alone(t)
	got, err := Tools{}.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	cases := map[string]struct {
		tool   string
		first  string
		answer string
		want   string
	}{
		"nvidia-smi says something":     {nvidiaSMI, nvidiaList, "No devices were found", `nvidia-smi: cannot read "No devices were found"`},
		"a column is missing":           {nvidiaSMI, nvidiaList, "GPU-1, NVIDIA H200", "nvidia-smi: cannot read"},
		"memory is not known":           {nvidiaSMI, nvidiaList, "GPU-1, NVIDIA H200, [N/A]", "nvidia-smi: cannot read memory"},
		"memory is negative":            {nvidiaSMI, nvidiaList, "a, b, -1", "nvidia-smi: cannot read memory"},
		"hl-smi without a number":       {hlSMI, intelList, "0, HL-225, MiB", "hl-smi: cannot read memory"},
		"amd-smi says something":        {amdSMI, "static", "ERROR: no driver", "amd-smi: its answer cannot be read"},
		"amd-smi is cut off":            {amdSMI, "static", `[{"gpu": 0, "asic"`, "amd-smi: its answer cannot be read"},
		"amd-smi has another form":      {amdSMI, "static", `[{"gpu": "zero"}]`, "amd-smi: its answer cannot be read"},
		"amd-smi knows no memory":       {amdSMI, "static", `[{"gpu": 0, "vram": {"size": "N/A"}}]`, "does not say how much memory GPU 0 has"},
		"amd-smi has an unknown unit":   {amdSMI, "static", `[{"gpu": 0, "vram": {"size": {"value": 3, "unit": "pages"}}}]`, "does not say how much memory"},
		"amd-smi's GPU has no driver":   {amdSMI, "static", `[{"gpu": 0, "bus": {"bdf": "0000:05:00.0"}, "vram": {"size": 5}}]`, `the GPU at "0000:05:00.0" has no render node`},
		"amd-smi's place goes upwards":  {amdSMI, "static", `[{"gpu": 0, "bus": {"bdf": "../../0000:83:00.0/drm/.."}, "vram": {"size": 5}}]`, "has no render node"},
		"the tool does not know itself": {nvidiaSMI, "nothing", "", "nvidia-smi: exit status 3: unknown: --query-gpu"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			alone(t)
			stand(t, c.tool, map[string]string{c.first: c.answer})
			got, err := Tools{Sys: nodes(t, map[string]string{"0000:83:00.0": "renderD128"})}.List(t.Context())
			require.ErrorContains(t, err, c.want)
			require.Empty(t, got)
		})
	}
}

func TestGPUsOfTwoVendors(t *testing.T) {
	alone(t)
	stand(t, nvidiaSMI, map[string]string{nvidiaList: "GPU-1, Tesla T4, 15360"})
	stand(t, hlSMI, map[string]string{intelList: "0, HL-225, 98304"})
	got, err := Tools{}.List(t.Context())
	require.ErrorContains(t, err, "GPUs of nvidia and of intel; only those of nvidia are used")
	require.Len(t, got, 1)
}

func TestTheToolOfAnotherVendorMayBeBroken(t *testing.T) {
	alone(t)
	stand(t, nvidiaSMI, map[string]string{"nothing": ""})
	stand(t, hlSMI, map[string]string{intelList: "0, HL-225, 98304"})
	got, err := Tools{}.List(t.Context())
	require.ErrorContains(t, err, "nvidia-smi: exit status 3")
	require.Len(t, got, 1, "those of the other are there")
}

func TestAToolThatHangs(t *testing.T) {
	path := os.Getenv("PATH")
	alone(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, nvidiaSMI), []byte("#!/bin/sh\nexec sleep 600\n"), 0o755))
	t.Setenv("PATH", dir+":"+path)
	_, err := Tools{Wait: 50 * time.Millisecond}.List(t.Context())
	require.ErrorContains(t, err, "nvidia-smi did not answer within 50ms")
}

func TestMeasuredGPUsMustBeTheKnownOnes(t *testing.T) {
	alone(t)
	stand(t, amdSMI, map[string]string{"metric": read(t, "amd-metric-mi300x.json")})
	_, err := Tools{}.Use(t.Context(), twoMI300X[:1])
	require.ErrorContains(t, err, "it measures 2 GPUs, and 1 are known")
}
