package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// gpu checks that the vendor that is asked for makes what is asked for.
func (r *ruler) gpu() {
	g, ok := r.gpuNeed()
	if !ok || g.Vendor() == "" {
		return
	}
	for _, name := range g.Names() {
		if known, ok := value.LookupGPU(name); ok && known.Vendor != g.Vendor() {
			r.fail("resources.gpu", "GPU is of another vendor", "%s is made by %s, so nothing of the vendor %s can be one. Leave the vendor out; it follows from the name.", known.Name, known.Vendor, g.Vendor())
			return
		}
	}
}

func (r *ruler) gpuNeed() (g value.GPU, ok bool) {
	s, ok := r.text("resources.gpu")
	if !ok || r.get("resources.gpu").IsMarked() || g.UnmarshalText([]byte(s)) != nil {
		return value.GPU{}, false
	}
	return g, true
}

// advise finds what is probably a mistake without being one for certain: only backends know what they offer.
func (d *Decoded) advise() diag.List {
	if d.Block.Type.Object.Attr("resources") == nil {
		return nil
	}
	r := &ruler{out: d, v: d.Value}
	g, ok := r.gpuNeed()
	if !ok {
		return nil
	}
	at, _, ok := d.Origin("resources.gpu")
	if !ok {
		at = d.Block.DefRange
	}
	var list diag.List
	sizes, all := []int{}, len(g.Names()) > 0
	for _, name := range g.Names() {
		known, ok := value.LookupGPU(name)
		if !ok {
			list = append(list, diag.Warnf("GPU is not known", "%q is the name of no GPU that this version knows.%s It is looked for by this name all the same.", name, schema.DidYouMean(strings.ToUpper(name), gpuNames())).At(&at)...)
		}
		sizes = append(sizes, known.MemoryGB...)
		all = all && len(known.MemoryGB) > 0
	}
	fits := func(size int) bool { return g.Memory().Contains(float64(size)) }
	if all && !slices.ContainsFunc(sizes, fits) {
		slices.Sort(sizes)
		var made []string
		for _, size := range slices.Compact(sizes) {
			made = append(made, fmt.Sprintf("%dGB", size))
		}
		list = append(list, diag.Warnf("GPU has other memory", "%s is made with %s, none of which is what is asked for here.", strings.Join(g.Names(), " or "), strings.Join(made, ", ")).At(&at)...)
	}
	return list.For(d.inst.label())
}

func gpuNames() []string {
	var out []string
	for _, k := range value.KnownGPUs() {
		out = append(out, k.Name)
	}
	return out
}
