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
func KnownGPUs() []KnownGPU {
	out := slices.Clone(knownGPUs)
	for i := range out {
		out[i].MemoryGB = slices.Clone(out[i].MemoryGB)
	}
	return out
}

// LookupGPU finds a GPU by name in any case. TPUs are found by their version and cores, "v5litepod-4", as well as by
// their version alone.
func LookupGPU(name string) (KnownGPU, bool) {
	known, ok := lookupGPU(name)
	known.MemoryGB = slices.Clone(known.MemoryGB)
	return known, ok
}

// lookupGPU is LookupGPU with memory sizes that must not be changed.
func lookupGPU(name string) (KnownGPU, bool) {
	if i, ok := knownIndex[strings.ToLower(name)]; ok {
		return knownGPUs[i], true
	}
	if _, _, ok := ParseTPU(name); ok {
		return KnownGPU{Name: strings.ToLower(name), Vendor: Google}, true
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
		nvidia(6, 0, sized("P100", 16)),
		nvidia(6, 1, sized("P4", 8), sized("P40", 24)),
		nvidia(7, 0, sized("V100", 16, 32)),
		nvidia(7, 5, sized("T4", 16), sized("T4G", 16), sized("RTX6000", 24)),
		nvidia(8, 0, sized("A30", 24), sized("A100", 40, 80)),
		nvidia(8, 6, sized("A2", 16), sized("A10", 24), sized("A10G", 24), sized("A16", 16), sized("A40", 48),
			sized("A4000", 16), sized("A4500", 20), sized("A5000", 24), sized("A6000", 48),
			sized("RTX3060", 8, 12), sized("RTX3060Ti", 8), sized("RTX3070", 8), sized("RTX3070Ti", 8),
			sized("RTX3080", 10, 12), sized("RTX3080Ti", 12), sized("RTX3090", 24), sized("RTX3090Ti", 24)),
		nvidia(8, 9, sized("L4", 24), sized("L40", 48), sized("L40S", 48),
			sized("RTX2000Ada", 16), sized("RTX4000Ada", 20), sized("RTX4500Ada", 24), sized("RTX5000Ada", 32), sized("RTX6000Ada", 48),
			sized("RTX4060", 8), sized("RTX4060Ti", 8, 16), sized("RTX4070", 12), sized("RTX4070Ti", 12),
			sized("RTX4080", 16), sized("RTX4090", 24)),
		nvidia(9, 0, sized("H100", 80), sized("H100NVL", 94), sized("H200", 141), sized("H200NVL", 141), sized("GH200", 96, 144)),
		nvidia(10, 0, sized("B200", 180), sized("GB200", 186)),
		nvidia(10, 3, sized("B300", 270), sized("GB300", 279)),
		nvidia(12, 0, sized("RTX5070", 12), sized("RTX5070Ti", 16), sized("RTX5080", 16), sized("RTX5090", 32), sized("RTXPRO6000", 96)),
		others(AMD, sized("MI100", 32), sized("MI210", 64), sized("MI250", 128), sized("MI250X", 128), sized("MI300A", 128),
			sized("MI300X", 192), sized("MI308X", 128), sized("MI325X", 288), sized("MI350X", 288), sized("MI355X", 288)),
		others(Intel, sized("Gaudi", 32), sized("Gaudi2", 96), sized("Gaudi3", 128)),
		others(Google, sized("v2"), sized("v3"), sized("v4"), sized("v5p"), sized("v5litepod"), sized("v6e")),
	)

	knownIndex = func() map[string]int {
		index := make(map[string]int, len(knownGPUs))
		for i, g := range knownGPUs {
			index[strings.ToLower(g.Name)] = i
		}
		return index
	}()
)

// sized is a row of the table: a name and its memory sizes in GB.
func sized(name string, gb ...int) KnownGPU { return KnownGPU{Name: name, MemoryGB: gb} }

func nvidia(major, minor int, rows ...KnownGPU) []KnownGPU {
	for i := range rows {
		rows[i].Vendor = NVIDIA
		rows[i].Compute = ComputeCapabilityOf(major, minor)
	}
	return rows
}

func others(v Vendor, rows ...KnownGPU) []KnownGPU {
	for i := range rows {
		rows[i].Vendor = v
	}
	return rows
}
