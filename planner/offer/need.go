package offer

import (
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// WithDefaults adds what is needed of a machine that is made when nothing was written: 2 CPUs, 8GB of memory and a
// disk of 100GB at least, and GPUs of the vendor that their names imply. A machine that exists already is taken as it
// is, so nothing is added for it.
func WithDefaults(r schema.Resources) schema.Resources {
	if r.CPU.IsZero() {
		r.CPU = value.IntRangeOf(value.AtLeast(2))
	}
	if r.Memory.IsZero() {
		r.Memory = value.MemoryRangeOf(value.AtLeast(8.0))
	}
	if r.Disk.IsZero() {
		r.Disk = value.DiskSizeOf(value.AtLeast(100.0))
	}
	if v, ok := value.InferVendor(r.GPU); ok {
		r.GPU = r.GPU.WithVendor(v)
	}
	return r
}

// Key is a text that two requirements share exactly if they ask for the same, however they were written.
func Key(n schema.Requirements) string {
	var b strings.Builder
	text := func(s string) {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	list := func(l []string) {
		if l == nil {
			b.WriteByte('*')
			return
		}
		b.WriteString(strconv.Itoa(len(l)))
		b.WriteByte('[')
		for _, s := range l {
			text(s)
		}
	}
	text(n.Resources.CPU.Canonical())
	text(n.Resources.Memory.Canonical())
	text(n.Resources.GPU.Canonical())
	text(n.Resources.Disk.Canonical())
	list(n.Backends)
	list(n.Regions)
	list(n.Zones)
	list(n.InstanceTypes)
	text(string(n.Spot))
	text(strconv.FormatInt(int64(n.MaxPrice.Money()), 10))
	text(n.Reservation)
	text(strconv.FormatBool(n.MultiNode) + strconv.FormatBool(n.Privileged))
	text(n.Blocks.Canonical())
	return b.String()
}

// Describe says in words what is needed of each machine: "8 x A100 80GB for at most $30.00/h". It is empty if nothing
// was written.
func Describe(n schema.Requirements) string {
	var parts []string
	r := n.Resources
	if !r.GPU.IsZero() {
		parts = append(parts, describeGPU(r.GPU))
	}
	if !r.CPU.IsZero() {
		parts = append(parts, r.CPU.Canonical()+" CPU")
	}
	if !r.Memory.IsZero() {
		parts = append(parts, r.Memory.Canonical()+" of memory")
	}
	if !r.Disk.IsZero() {
		parts = append(parts, r.Disk.Canonical()+" of disk")
	}
	if len(n.InstanceTypes) > 0 {
		parts = append(parts, "type "+orList(n.InstanceTypes))
	}
	text := andList(parts)
	if n.Spot == value.SpotOnly {
		text = join(text, "as spot")
	}
	if !n.MaxPrice.IsZero() {
		text = join(text, "for at most "+n.MaxPrice.Money().Hourly())
	}
	return text
}

// describeGPU names GPUs as people do: "8 x A100 80GB".
func describeGPU(g value.GPU) string {
	if g.None() {
		return "no GPU"
	}
	var words []string
	if names := g.Names(); len(names) > 0 {
		words = append(words, strings.Join(names, " or "))
	} else if v := g.Vendor(); v != "" {
		words = append(words, string(v)+" GPU")
	} else {
		words = append(words, "GPU")
	}
	if m := value.MemoryRangeOf(g.Memory()); !m.IsZero() {
		words = append(words, m.Canonical())
	}
	if m := value.MemoryRangeOf(g.TotalMemory()); !m.IsZero() {
		words = append(words, m.Canonical()+" in total")
	}
	if c := g.Compute(); !c.IsZero() {
		words = append(words, "of compute capability "+c.Canonical())
	}
	count := value.IntRangeOf(g.Count()).Canonical()
	if count == "" {
		count = "1.."
	}
	return count + " x " + strings.Join(words, " ")
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + " " + b
}

func orList(items []string) string { return wordList(items, " or ") }

func andList(items []string) string { return wordList(items, " and ") }

func wordList(items []string, last string) string {
	switch n := len(items); n {
	case 0:
		return ""
	case 1:
		return items[0]
	default:
		return strings.Join(items[:n-1], ", ") + last + items[n-1]
	}
}
