package value_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema/value"
)

// fuzz checks the laws of a grammar with pairs of texts: reading never panics, an error marks a part of the text,
// what was written reads as the same, the schema accepts what the grammar accepts, and two values have one canonical
// text if and only if they mean the same. meaning prints what a value says by its accessors alone.
func fuzz[T any, P kind[T]](f *testing.F, grammar string, meaning func(T) string) {
	k := kindNamed(f, grammar)
	var accepted string
	for _, row := range tables()[grammar] {
		if row.hcl != "" {
			continue
		}
		if row.err == "" {
			accepted = row.text
			f.Add(row.text, row.canonical)
		}
		f.Add(row.text, accepted)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		a, ok := fuzzRead[T, P](t, k, first)
		if !ok {
			return
		}
		b, ok := fuzzRead[T, P](t, k, second)
		if !ok {
			return
		}
		same := meaning(a) == meaning(b)
		if canonical := P(&a).Canonical() == P(&b).Canonical(); canonical != same {
			t.Fatalf("%q and %q: canonical %q and %q, meaning %q and %q", first, second,
				P(&a).Canonical(), P(&b).Canonical(), meaning(a), meaning(b))
		}
		if equal(a, b) != same && hasEqual(a) {
			t.Fatalf("%q and %q: Equal says %v, their meanings are %q and %q", first, second, !same, meaning(a), meaning(b))
		}
	})
}

func fuzzRead[T any, P kind[T]](t *testing.T, k value.Kind, text string) (v T, ok bool) {
	err := P(&v).UnmarshalText([]byte(text))
	var w T
	ctyErr := P(&w).UnmarshalCty(cty.StringVal(text))
	if err != nil {
		var e *value.Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: %T is no *value.Error", text, err)
		}
		if e.Offset < -1 || e.Length < 0 || e.Offset >= 0 && e.Offset+e.Length > len(text) {
			t.Fatalf("%q: the mark %d+%d is outside", text, e.Offset, e.Length)
		}
		return v, false
	}
	laws[T, P](t, v)
	// A string of the language is normalized, so it may differ from the text.
	if text != "" && ctyErr == nil && cty.StringVal(text).AsString() == text {
		if P(&v).Canonical() != P(&w).Canonical() {
			t.Fatalf("%q: as text %q, in the language %q", text, P(&v).Canonical(), P(&w).Canonical())
		}
		if !matches(k.Grammar.Schema, text) {
			t.Fatalf("%q: the schema refuses it", text)
		}
	}
	return v, true
}

func hasEqual[T any](v T) bool {
	_, ok := any(v).(interface{ Equal(T) bool })
	return ok
}

func FuzzDuration(f *testing.F) {
	fuzz[value.Duration](f, "Duration", func(d value.Duration) string { return fmt.Sprint(d.IsZero(), d.Seconds()) })
}

func FuzzOffDuration(f *testing.F) {
	fuzz[value.OffDuration](f, "Duration or off", func(d value.OffDuration) string {
		n, ok := d.Seconds()
		return fmt.Sprint(d.IsZero(), d.Off(), n, ok)
	})
}

func FuzzIdleDuration(f *testing.F) {
	fuzz[value.IdleDuration](f, "Idle duration", func(d value.IdleDuration) string {
		n, ok := d.Seconds()
		return fmt.Sprint(d.IsZero(), d.Never(), n, ok)
	})
}

func FuzzMemory(f *testing.F) {
	fuzz[value.Memory](f, "Memory", func(m value.Memory) string { return fmt.Sprint(m.IsZero(), m.GB()) })
}

func FuzzMemoryRange(f *testing.F) {
	fuzz[value.MemoryRange](f, "Memory range", func(r value.MemoryRange) string { return fmt.Sprint(r.Range()) })
}

func FuzzIntRange(f *testing.F) {
	fuzz[value.IntRange](f, "Count range", func(r value.IntRange) string { return fmt.Sprint(r.Range()) })
}

func FuzzDiskSize(f *testing.F) {
	fuzz[value.DiskSize](f, "Disk size", func(d value.DiskSize) string { return fmt.Sprint(d.Range()) })
}

func FuzzGPU(f *testing.F) {
	fuzz[value.GPU](f, "GPU", func(g value.GPU) string {
		names := strings.Fields(strings.ToLower(strings.Join(g.Names(), " ")))
		slices.Sort(names)
		c := g.Compute()
		return fmt.Sprint(g.IsZero(), g.Vendor(), slices.Compact(names), g.Count(), g.Memory(), g.TotalMemory(), c.IsZero(), c.Major(), c.Minor())
	})
}

func FuzzComputeCapability(f *testing.F) {
	fuzz[value.ComputeCapability](f, "Compute capability", func(c value.ComputeCapability) string {
		return fmt.Sprint(c.IsZero(), c.Major(), c.Minor())
	})
}

func FuzzPortMapping(f *testing.F) {
	fuzz[value.PortMapping](f, "Port mapping", func(p value.PortMapping) string {
		local, fixed := p.Local()
		return fmt.Sprint(local, fixed, p.Container())
	})
}

func FuzzServicePort(f *testing.F) {
	fuzz[value.ServicePort](f, "Service port", func(p value.ServicePort) string { return fmt.Sprint(p.Local(), p.Container()) })
}

func FuzzEnv(f *testing.F) {
	f.Add(`["A=1","B"]`, ` [ "B" , "A=1" ] `)
	f.Add(`["A=\u0031"]`, `["A=1","A"]`)
	f.Add(`[]`, `[null]`)
	fuzz[value.Env](f, "Environment", func(e value.Env) string {
		unresolved := e.Unresolved()
		slices.Sort(unresolved)
		return fmt.Sprintf("%v %v %q", e.IsZero(), unresolved, e.Map()) // maps are printed in order
	})
}

func FuzzMount(f *testing.F) {
	fuzz[value.Mount](f, "Mount", func(m value.Mount) string {
		return fmt.Sprintf("%q %q %q %v", m.Volumes(), m.InstancePath(), m.Path(), m.Optional())
	})
}

func FuzzUnixUser(f *testing.F) {
	fuzz[value.UnixUser](f, "Unix user", func(u value.UnixUser) string { return fmt.Sprintf("%q %q", u.User(), u.Group()) })
}

func FuzzSpotPolicy(f *testing.F) {
	fuzz[value.SpotPolicy](f, "Spot policy", func(p value.SpotPolicy) string { return string(p) })
}

func FuzzCreationPolicy(f *testing.F) {
	fuzz[value.CreationPolicy](f, "Creation policy", func(p value.CreationPolicy) string { return string(p) })
}

func FuzzPlacement(f *testing.F) {
	fuzz[value.Placement](f, "Placement", func(p value.Placement) string { return string(p) })
}

func FuzzRetryPolicy(f *testing.F) {
	fuzz[value.RetryPolicy](f, "Retry policy", func(p value.RetryPolicy) string {
		return fmt.Sprint(p.IsZero(), p.Off(), p.Events(), p.Duration())
	})
}

func FuzzReplicaRange(f *testing.F) {
	fuzz[value.ReplicaRange](f, "Replicas", func(r value.ReplicaRange) string { return fmt.Sprint(r.IsZero(), r.Min(), r.Max()) })
}

func FuzzBlocks(f *testing.F) {
	fuzz[value.Blocks](f, "Blocks", func(b value.Blocks) string { return fmt.Sprint(b.IsZero(), b.Auto(), b.Count()) })
}

func FuzzName(f *testing.F) {
	fuzz[value.Name](f, "Name", func(n value.Name) string { return string(n) })
}

func FuzzPrice(f *testing.F) {
	fuzz[value.Price](f, "Price", func(p value.Price) string { return fmt.Sprint(p.Money()) })
}

func FuzzNormalizeGPUName(f *testing.F) {
	for _, name := range []string{"NVIDIA A100-SXM4-80GB", "NVIDIA RTX 6000 Ada Generation", "HL-225", "AMD Instinct MI300X-O", "v2-8", " \xff "} {
		f.Add(name, int64(40960))
	}
	f.Fuzz(func(t *testing.T, reported string, mib int64) {
		name, vendor := value.NormalizeGPUName(reported)
		again, _ := value.NormalizeGPUName(name)
		if known, ok := value.LookupGPU(name); ok && (again != known.Name || vendor != known.Vendor) {
			t.Fatalf("%q: %q of %q, then %q; known as %q of %q", reported, name, vendor, again, known.Name, known.Vendor)
		}
		if snapped := value.SnapGPUMemory(name, mib); snapped < 0 || snapped%1024 != 0 {
			t.Fatalf("%q, %d MiB: %d", name, mib, snapped)
		}
	})
}
