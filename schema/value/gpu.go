package value

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// GPU says which GPUs are needed, and how many: "A100:80GB:2", "nvidia:24GB..:1..4", 8.
//
// Its text is a list of tokens in any order, separated by colons: a vendor, names (of which any will do), the memory
// of each GPU, the number of GPUs (1 unless said), "total=160GB.." for the memory of all GPUs together, and
// "compute=8.0" for the lowest compute capability.
type GPU struct {
	text    string
	vendor  Vendor
	names   []string // as written
	memory  Range[float64]
	count   Range[int] // never without a bound, unless all is unset
	total   Range[float64]
	compute ComputeCapability
}

// ParseGPU reads the text of a requirement for GPUs.
func ParseGPU(text string) (GPU, error) {
	g := GPU{}
	if err := g.scan(squeeze(text)); err != nil {
		return GPU{}, err
	}
	g.text = text
	return g, nil
}

// Vendor is the vendor that was asked for, if one was. InferVendor says which follows from the names.
func (g GPU) Vendor() Vendor { return g.vendor }

// Names lists the names as they were written; any of them will do. It is empty if any name will do.
func (g GPU) Names() []string { return slices.Clone(g.names) }

// Count is the number of GPUs: exactly 1 unless said. It contains everything if the requirement is unset.
func (g GPU) Count() Range[int] { return g.count }

// Memory is the memory of each GPU in GB.
func (g GPU) Memory() Range[float64] { return g.memory }

// TotalMemory is the memory of all GPUs together in GB.
func (g GPU) TotalMemory() Range[float64] { return g.total }

// Compute is the lowest compute capability; it is unset if any will do.
func (g GPU) Compute() ComputeCapability { return g.compute }

// WithVendor is the requirement for GPUs of this vendor, if none was asked for. It keeps the text as written, which
// is what diffs show, unless the requirement is unset.
func (g GPU) WithVendor(v Vendor) GPU {
	if g.IsZero() || g.vendor != "" || v == "" {
		return g
	}
	g.vendor = v
	return g.settled()
}

// None reports whether no GPU is wanted, because the count is 0 or the requirement is unset.
func (g GPU) None() bool { return g.IsZero() || g.count.HasMax && g.count.Max == 0 }

// String is the requirement as written.
func (g GPU) String() string { return g.text }

// Canonical has the tokens in one order with the count always said: "80GB:a100" is "A100:80GB:1". Names are
// ordered, and spelled as KnownGPUs spells them or else in capitals.
func (g GPU) Canonical() string {
	if g.IsZero() {
		return ""
	}
	var tokens []string
	if g.vendor != "" {
		tokens = append(tokens, string(g.vendor))
	}
	if len(g.names) > 0 {
		tokens = append(tokens, strings.Join(g.foldedNames(), ","))
	}
	if g.memory != (Range[float64]{}) {
		tokens = append(tokens, g.memory.format(memoryText))
	}
	tokens = append(tokens, g.count.format(strconv.Itoa))
	if g.total != (Range[float64]{}) {
		tokens = append(tokens, "total="+g.total.format(memoryText))
	}
	if !g.compute.IsZero() {
		tokens = append(tokens, "compute="+g.compute.Canonical())
	}
	return strings.Join(tokens, ":")
}

// IsZero reports whether the requirement is unset, so that anything will do.
func (g GPU) IsZero() bool { return g.count == Range[int]{} }

// Equal reports whether both ask for the same.
func (g GPU) Equal(o GPU) bool { return g.Canonical() == o.Canonical() }

// MarshalText gives the text as written.
func (g GPU) MarshalText() ([]byte, error) { return []byte(g.text), nil }

// UnmarshalText reads the text of a requirement.
func (g *GPU) UnmarshalText(text []byte) error { return decodeText(g, text, ParseGPU) }

// UnmarshalCty reads a string, a number of GPUs, or an object { vendor, name, count, memory, total_memory,
// compute_capability }.
func (g *GPU) UnmarshalCty(v cty.Value) error { return decodeCty(g, v, gpuForms) }

// Grammar describes requirements for GPUs.
func (GPU) Grammar() Grammar {
	text := Schema{"type": "string"}
	return Grammar{
		Name:    "GPU",
		Summary: "Which GPUs are needed, and how many.",
		Forms: []Form{
			{`"A100:80GB:2"`, "two A100 with 80GB each"},
			{`"A10G,A100"`, "one A10G or A100"},
			{`"24GB..:1..4"`, "one to four GPUs with 24GB or more each"},
			{`"nvidia"`, "one NVIDIA GPU"},
			{`"amd:MI300X:8"`, "eight AMD MI300X"},
			{`"v5litepod-4"`, "a TPU; the number behind the dash is part of its name"},
			{`"8:Gaudi2"`, "eight Gaudi2; tokens may stand in any order"},
			{`"2:total=80GB..:compute=8.0"`, "two GPUs with 80GB or more together, of compute capability 8.0 or later"},
			{`8`, "eight GPUs of any kind"},
			{`{ name = ["A100", "H100"], memory = "80GB", count = 8 }`, "eight A100 or H100 with 80GB each"},
		},
		Schema: anyOf(
			textSchema(`^[\s\dA-Za-z.,:=_+-]+$`),
			Schema{"type": "integer", "minimum": 0},
			objectSchema(nil, map[string]Schema{
				"vendor":             textSchema(`^\s*([nN][vV][iI][dD][iI][aA]|[aA][mM][dD]|[gG][oO][oO][gG][lL][eE]|[iI][nN][tT][eE][lL]|[tT][pP][uU])\s*$`),
				"name":               anyOf(text, listSchema(text)),
				"count":              intRangeSchema(),
				"memory":             memoryRangeSchema(),
				"total_memory":       memoryRangeSchema(),
				"compute_capability": ComputeCapability{}.Grammar().Schema,
			})),
	}
}

// settled is the requirement as its canonical text is read.
func (g GPU) settled() GPU {
	if len(g.names) > 0 {
		g.names = g.foldedNames()
	}
	g.text = g.Canonical()
	return g
}

// foldedNames are the names in the spelling and order in which they are compared, each once.
func (g GPU) foldedNames() []string {
	folded := make([]string, len(g.names))
	for i, name := range g.names {
		folded[i] = foldGPUName(name)
	}
	slices.Sort(folded)
	return slices.Compact(folded)
}

func foldGPUName(name string) string {
	if known, ok := lookupGPU(name); ok {
		return known.Name
	}
	return strings.ToUpper(name)
}
