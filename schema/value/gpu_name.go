package value

import (
	"math"
	"regexp"
	"strings"
)

// NormalizeGPUName gives the name that requirements use for what a driver reports, and the vendor if it follows from
// the name: "NVIDIA A100-SXM4-80GB" is "A100", "NVIDIA RTX A6000" is "A6000", "HL-225" is "Gaudi2". A name in which
// nothing is recognised is returned without blanks.
func NormalizeGPUName(reported string) (name string, vendor Vendor) {
	words := strings.Fields(reported)
	if tidy := strings.Join(words, ""); tidy != "" {
		if known, ok := lookupGPU(tidy); ok {
			return known.Name, known.Vendor
		}
	}
	upper := strings.ToUpper(strings.Join(words, " "))
	switch {
	case strings.Contains(upper, "HL-") || strings.Contains(upper, "GAUDI"):
		return gaudiName(upper), Intel
	case instinct.MatchString(upper):
		return foldGPUName(instinct.FindString(upper)), AMD
	case strings.Contains(upper, "GH200"):
		return "GH200", NVIDIA
	}
	name, vendor = withoutVendor(words)
	if vendor == "" || vendor == NVIDIA {
		if product := nvidiaName(upper); product != "" {
			name, vendor = product, NVIDIA
		}
	}
	if known, ok := lookupGPU(name); ok {
		return known.Name, known.Vendor
	}
	return name, vendor
}

var (
	instinct   = regexp.MustCompile(`\bMI\d+[A-Z]?\b`)
	dataCenter = regexp.MustCompile(`\b(GB|[AHLPTVB])\d+[A-Z]*\b`)
	workshop   = regexp.MustCompile(`\bRTX ?(PRO )?\d{4}( ?TI)?( SFF)?( ADA)?\b`)
)

// nvidiaName is the name of NVIDIA's product, or nothing if none is recognised.
func nvidiaName(upper string) string {
	upper = strings.ReplaceAll(upper, "ADA GENERATION", "ADA")
	if m := workshop.FindString(upper); m != "" {
		return foldGPUName(strings.NewReplacer(" ", "", "SFF", "").Replace(m))
	}
	place := dataCenter.FindStringIndex(upper)
	if place == nil {
		return ""
	}
	name := upper[place[0]:place[1]]
	// An NVL variant has more memory, so it has a name of its own.
	if strings.HasPrefix(upper[place[1]:], " NVL") {
		name += "NVL"
	}
	return foldGPUName(name)
}

// withoutVendor drops the words that name a vendor or its brands.
func withoutVendor(words []string) (name string, vendor Vendor) {
	for _, w := range words {
		switch strings.ToUpper(w) {
		case "NVIDIA", "TESLA", "QUADRO", "GEFORCE":
			vendor = NVIDIA
		case "AMD", "RADEON", "INSTINCT":
			vendor = AMD
		case "INTEL", "INTEL(R)":
			vendor = Intel
		default:
			name += w
		}
	}
	return name, vendor
}

// gaudiName names the product by the number of its card.
func gaudiName(upper string) string {
	for _, card := range [...]struct{ number, name string }{
		{"HL-205", "Gaudi"}, {"HL-225", "Gaudi2"}, {"HL-325", "Gaudi3"}, {"HL-338", "Gaudi3"},
		{"GAUDI3", "Gaudi3"}, {"GAUDI 3", "Gaudi3"}, {"GAUDI2", "Gaudi2"}, {"GAUDI 2", "Gaudi2"},
	} {
		if strings.Contains(upper, card.number) {
			return card.name
		}
	}
	return "Gaudi"
}

// SnapGPUMemory is the memory in MiB that a GPU of this name is sold with, if that is within 7 % of what its driver
// reports: 81559 MiB of an H100 are 80GB, and 22888 MiB of an A10G are 24GB. Otherwise it is rounded to whole GB.
// Without it a requirement such as "24GB" would match nothing.
func SnapGPUMemory(name string, reportedMiB int64) int64 {
	if reportedMiB <= 0 {
		return 0
	}
	gb := float64(reportedMiB) / 1024
	known, _ := lookupGPU(name)
	best, distance := 0.0, math.Inf(1)
	for _, size := range known.MemoryGB {
		if d := math.Abs(gb - float64(size)); d < distance {
			best, distance = float64(size), d
		}
	}
	if distance > 0.07*best || best == 0 {
		best = math.Round(gb)
	}
	return int64(best) * 1024
}
