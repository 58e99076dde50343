package value

import (
	"slices"
	"strings"
)

// Vendor is who makes a GPU. It is empty if it is not known or does not matter.
type Vendor string

// The vendors.
const (
	NVIDIA Vendor = "nvidia"
	AMD    Vendor = "amd"
	Google Vendor = "google"
	Intel  Vendor = "intel"
)

// ParseVendor reads a vendor in any case; "tpu" is Google's.
func ParseVendor(text string) (Vendor, error) {
	if v, ok := vendorOf(strings.TrimSpace(text)); ok {
		return v, nil
	}
	return "", mistakeAt(0, len(text), "GPU vendor is unknown", "%s is none of %s.", quote(text),
		alternatives([]string{"nvidia", "amd", "google", "intel", "tpu"}))
}

func vendorOf(s string) (Vendor, bool) {
	for _, v := range [...]Vendor{NVIDIA, AMD, Google, Intel} {
		if strings.EqualFold(s, string(v)) {
			return v, true
		}
	}
	if strings.EqualFold(s, "tpu") {
		return Google, true
	}
	return "", false
}

// KnownGPU is what is known of all GPUs of a name.
type KnownGPU struct {
	// Name as dstack spells it: "A100", "RTX4090", "MI300X".
	Name   string
	Vendor Vendor
	// MemoryGB lists the memory sizes that it is made with. It is empty for TPUs, whose memory depends on the
	// number of cores.
	MemoryGB []int
	// Compute is NVIDIA's compute capability; it is unset for other vendors.
	Compute ComputeCapability
}

// KnownGPUs lists the GPUs that clouds and workshops commonly have, by vendor and name. The sizes are those that
// vendors advertise; drivers report somewhat less (see SnapGPUMemory).
func KnownGPUs() []KnownGPU { return slices.Clone(knownGPUs) }

// LookupGPU finds a GPU by name in any case. TPUs are found by their version and cores, "v5litepod-4", as well as by
// their version alone.
func LookupGPU(name string) (KnownGPU, bool) {
	if i, ok := knownIndex[strings.ToLower(name)]; ok {
		return knownGPUs[i], true
	}
	if version, _, ok := ParseTPU(name); ok {
		return KnownGPU{Name: strings.ToLower(name), Vendor: Google}, version != ""
	}
	return KnownGPU{}, false
}

// TPUVersions lists the versions of Google's TPUs. The name of a TPU is a version, a dash and a number of cores.
func TPUVersions() []string { return slices.Clone(tpuVersions) }

// ParseTPU splits the name of a TPU, "v5litepod-4", into its version and the number behind the dash.
func ParseTPU(name string) (version string, cores int, ok bool) {
	v, n, dash := strings.Cut(strings.ToLower(name), "-")
	if !dash || !slices.Contains(tpuVersions, v) {
		return "", 0, false
	}
	c, ok := digits(n, mostCount)
	if !ok || c == 0 {
		return "", 0, false
	}
	return v, int(c), true
}

// The tables below are never changed.
var (
	tpuVersions = []string{"v2", "v3", "v4", "v5p", "v5litepod", "v6e"}

	knownGPUs = slices.Concat(
		nvidia(6, 0, gpu{"P100", 16}),
		nvidia(6, 1, gpu{"P4", 8}, gpu{"P40", 24}),
		nvidia(7, 0, gpu{"V100", 16, 32}),
		nvidia(7, 5, gpu{"T4", 16}, gpu{"T4G", 16}, gpu{"RTX6000", 24}),
		nvidia(8, 0, gpu{"A30", 24}, gpu{"A100", 40, 80}),
		nvidia(8, 6, gpu{"A2", 16}, gpu{"A10", 24}, gpu{"A10G", 24}, gpu{"A16", 16}, gpu{"A40", 48},
			gpu{"A4000", 16}, gpu{"A4500", 20}, gpu{"A5000", 24}, gpu{"A6000", 48},
			gpu{"RTX3060", 8, 12}, gpu{"RTX3060Ti", 8}, gpu{"RTX3070", 8}, gpu{"RTX3070Ti", 8},
			gpu{"RTX3080", 10, 12}, gpu{"RTX3080Ti", 12}, gpu{"RTX3090", 24}, gpu{"RTX3090Ti", 24}),
		nvidia(8, 9, gpu{"L4", 24}, gpu{"L40", 48}, gpu{"L40S", 48},
			gpu{"RTX2000Ada", 16}, gpu{"RTX4000Ada", 20}, gpu{"RTX4500Ada", 24}, gpu{"RTX5000Ada", 32}, gpu{"RTX6000Ada", 48},
			gpu{"RTX4060", 8}, gpu{"RTX4060Ti", 8, 16}, gpu{"RTX4070", 12}, gpu{"RTX4070Ti", 12},
			gpu{"RTX4080", 16}, gpu{"RTX4090", 24}),
		nvidia(9, 0, gpu{"H100", 80}, gpu{"H100NVL", 94}, gpu{"H200", 141}, gpu{"H200NVL", 141}, gpu{"GH200", 96, 144}),
		nvidia(10, 0, gpu{"B200", 180}, gpu{"GB200", 186}),
		nvidia(10, 3, gpu{"B300", 270}, gpu{"GB300", 279}),
		nvidia(12, 0, gpu{"RTX5070", 12}, gpu{"RTX5070Ti", 16}, gpu{"RTX5080", 16}, gpu{"RTX5090", 32}, gpu{"RTXPRO6000", 96}),
		others(AMD, gpu{"MI100", 32}, gpu{"MI210", 64}, gpu{"MI250", 128}, gpu{"MI250X", 128}, gpu{"MI300A", 128},
			gpu{"MI300X", 192}, gpu{"MI308X", 128}, gpu{"MI325X", 288}, gpu{"MI350X", 288}, gpu{"MI355X", 288}),
		others(Intel, gpu{"Gaudi", 32}, gpu{"Gaudi2", 96}, gpu{"Gaudi3", 128}),
		others(Google, gpu{"v2"}, gpu{"v3"}, gpu{"v4"}, gpu{"v5p"}, gpu{"v5litepod"}, gpu{"v6e"}),
	)

	knownIndex = func() map[string]int {
		index := make(map[string]int, len(knownGPUs))
		for i, g := range knownGPUs {
			index[strings.ToLower(g.Name)] = i
		}
		return index
	}()
)

// gpu is a row of the table: a name and its memory sizes in GB.
type gpu []any

func (g gpu) known(v Vendor, c ComputeCapability) KnownGPU {
	k := KnownGPU{Name: g[0].(string), Vendor: v, Compute: c}
	for _, gb := range g[1:] {
		k.MemoryGB = append(k.MemoryGB, gb.(int))
	}
	return k
}

func nvidia(major, minor int, rows ...gpu) []KnownGPU {
	out := make([]KnownGPU, len(rows))
	for i, row := range rows {
		out[i] = row.known(NVIDIA, ComputeCapabilityOf(major, minor))
	}
	return out
}

func others(v Vendor, rows ...gpu) []KnownGPU {
	out := make([]KnownGPU, len(rows))
	for i, row := range rows {
		out[i] = row.known(v, ComputeCapability{})
	}
	return out
}
