package value

import (
	"slices"
	"strconv"
	"strings"
)

// GPUFact is one GPU that is there.
type GPUFact struct {
	// Name as NormalizeGPUName spells it.
	Name      string
	Vendor    Vendor
	MemoryMiB int64
	// Compute may be unset; then it is looked up by the name.
	Compute ComputeCapability
}

// Matches reports whether the GPUs of one instance are what is asked for. If not, why says what is lacking: "40GB for
// each GPU, 80GB needed". All bounds are included. An unset requirement matches anything.
//
// A compute capability that is neither given nor known by name does not match one that is asked for, and without any
// GPU neither do a vendor, a name or memory, unless no GPU is wanted.
func (g GPU) Matches(gpus []GPUFact) (ok bool, why string) {
	if g.IsZero() || g.None() && len(gpus) == 0 {
		return true, ""
	}
	var lacks []string
	if !g.count.Contains(len(gpus)) {
		lacks = append(lacks, countOf(len(gpus))+", "+g.wanted()+" needed")
	}
	if len(gpus) > 0 || len(lacks) == 0 {
		lacks = append(lacks, g.lacks(gpus)...)
	}
	return len(lacks) == 0, strings.Join(lacks, "; ")
}

// lacks compares everything but the number of GPUs.
func (g GPU) lacks(gpus []GPUFact) []string {
	var lacks []string
	say := func(is, needed string) { lacks = append(lacks, is+", "+needed+" needed") }
	if len(gpus) == 0 {
		if g.vendor != "" || len(g.names) > 0 || !g.compute.IsZero() || !g.memory.Contains(0) || !g.total.Contains(0) {
			say("no GPU", g.wanted())
		}
		return lacks
	}
	if i := slices.IndexFunc(gpus, func(f GPUFact) bool { return g.vendor != "" && f.vendor() != g.vendor }); i >= 0 {
		say("vendor "+orUnknown(string(gpus[i].vendor())), string(g.vendor))
	}
	if i := slices.IndexFunc(gpus, func(f GPUFact) bool { return len(g.names) > 0 && !g.hasName(f.Name) }); i >= 0 {
		say(orUnknown(gpus[i].Name), strings.Join(g.names, " or "))
	}
	if i := slices.IndexFunc(gpus, func(f GPUFact) bool { return !g.compute.IsZero() && !f.atLeast(g.compute) }); i >= 0 {
		say("compute capability "+orUnknown(gpus[i].compute().Canonical()), g.compute.Canonical())
	}
	if i := slices.IndexFunc(gpus, func(f GPUFact) bool { return !g.memory.Contains(f.gb()) }); i >= 0 {
		say(displayGB(gpus[i].gb())+" for each GPU", g.memory.format(displayGB))
	}
	total := 0.0
	for _, f := range gpus {
		total += f.gb()
	}
	if !g.total.Contains(total) {
		say(displayGB(total)+" of GPU memory in total", g.total.format(displayGB))
	}
	return lacks
}

// wanted names number and kind of the GPUs that are needed: "8 x A100 80GB".
func (g GPU) wanted() string {
	what := g.count.format(strconv.Itoa)
	switch {
	case len(g.names) > 0:
		what += " x " + strings.Join(g.names, " or ")
	case g.vendor != "":
		what += " x " + string(g.vendor)
	case g.memory == Range[float64]{}:
		return what
	default:
		what += " x"
	}
	if g.memory != (Range[float64]{}) {
		what += " " + g.memory.format(displayGB)
	}
	return what
}

// InferVendor says which vendor a requirement means that names none: NVIDIA if it has no names either, else the one
// vendor that all names are known to belong to. It is false if there is no such vendor, or no GPU is wanted.
func InferVendor(g GPU) (Vendor, bool) {
	switch {
	case g.None():
		return "", false
	case g.vendor != "":
		return g.vendor, true
	case len(g.names) == 0:
		return NVIDIA, true
	}
	var vendor Vendor
	for _, name := range g.names {
		known, ok := lookupGPU(name)
		if !ok || vendor != "" && known.Vendor != vendor {
			return "", false
		}
		vendor = known.Vendor
	}
	return vendor, true
}

// InvolvesAMD reports whether a GPU of AMD might be what is meant, by vendor or by name. A run that might get one
// needs an image of its own, because the default one is made for NVIDIA.
func (g GPU) InvolvesAMD() bool {
	if g.None() {
		return false
	}
	return g.vendor == AMD || g.vendor == "" && slices.ContainsFunc(g.names, func(name string) bool {
		known, ok := lookupGPU(name)
		return ok && known.Vendor == AMD
	})
}

// DescribeGPUs names the GPUs of an instance for people: "8 x A100 80GB". It is empty if there are none.
func DescribeGPUs(gpus []GPUFact) string {
	var parts []string
	for len(gpus) > 0 {
		first, n := gpus[0], 1
		for n < len(gpus) && gpus[n].Name == first.Name && gpus[n].MemoryMiB == first.MemoryMiB {
			n++
		}
		part := strconv.Itoa(n) + " x " + orUnknown(first.Name)
		if first.MemoryMiB > 0 {
			part += " " + displayGB(first.gb())
		}
		parts = append(parts, part)
		gpus = gpus[n:]
	}
	return strings.Join(parts, ", ")
}

func (g GPU) hasName(name string) bool {
	return slices.ContainsFunc(g.names, func(n string) bool { return strings.EqualFold(n, name) })
}

func (f GPUFact) gb() float64 { return float64(f.MemoryMiB) / 1024 }

func (f GPUFact) vendor() Vendor {
	if f.Vendor != "" {
		return f.Vendor
	}
	known, _ := lookupGPU(f.Name)
	return known.Vendor
}

func (f GPUFact) compute() ComputeCapability {
	if !f.Compute.IsZero() {
		return f.Compute
	}
	known, _ := lookupGPU(f.Name)
	return known.Compute
}

func (f GPUFact) atLeast(c ComputeCapability) bool {
	has := f.compute()
	return !has.IsZero() && has.AtLeast(c)
}

func countOf(n int) string {
	switch n {
	case 0:
		return "no GPU"
	case 1:
		return "1 GPU"
	}
	return strconv.Itoa(n) + " GPUs"
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
