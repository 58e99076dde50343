package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/schema"
)

// Duration writes a duration in two units at most: "3 h 12 m".
func Duration(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	if d < time.Second {
		if d < time.Millisecond {
			return "0 s"
		}
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	units := []struct {
		name string
		len  time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.len {
			continue
		}
		out := fmt.Sprintf("%d %s", d/u.len, u.name)
		if i+1 < len(units) {
			if rest := d % u.len / units[i+1].len; rest > 0 {
				out += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return out
	}
	return "0 s"
}

// Ago writes how long before now something was: "2 m ago".
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "at an unknown time"
	case d < time.Second:
		return "just now"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d ago", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%d m ago", d/time.Minute)
	}
	return fmt.Sprintf("%d s ago", d/time.Second)
}

// Size writes a number of MiB as dstack does: whole GB, else GB with what is behind the point, MB below one.
func Size(mib int64) string {
	switch {
	case mib%1024 == 0:
		return strconv.FormatInt(mib/1024, 10) + "GB"
	case mib < 1024:
		return strconv.FormatInt(mib, 10) + "MB"
	}
	return strings.TrimSuffix(strconv.FormatFloat(float64(mib)/1024, 'f', 1, 64), ".0") + "GB"
}

// Count writes a number with the word for it: "1 job", "2 jobs".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	many := one + "s"
	if strings.HasSuffix(one, "y") {
		many = strings.TrimSuffix(one, "y") + "ies"
	}
	return grouped(n) + " " + many
}

// Number writes a number, its thousands apart: "10,000".
func Number(n int) string { return grouped(n) }

func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// gpuGroup is a number of equal GPUs.
type gpuGroup struct {
	schema.GPU
	n int
}

func groupGPUs(gpus []schema.GPU) []gpuGroup {
	var out []gpuGroup
	for _, g := range gpus {
		if i := len(out) - 1; i >= 0 && out[i].GPU == g {
			out[i].n++
		} else {
			out = append(out, gpuGroup{g, 1})
		}
	}
	return out
}

// Machine writes what a machine has, for a sentence: "8 x A100 80GB, 96 CPU, 1152GB".
func Machine(cpus int, memoryMiB int64, gpus []schema.GPU) string {
	var parts []string
	for _, g := range groupGPUs(gpus) {
		parts = append(parts, gpuText(g))
	}
	if cpus > 0 {
		parts = append(parts, fmt.Sprintf("%d CPU", cpus))
	}
	if memoryMiB > 0 {
		parts = append(parts, Size(memoryMiB))
	}
	return strings.Join(parts, ", ")
}

func gpuText(g gpuGroup) string {
	text := fmt.Sprintf("%d x %s", g.n, clean(g.Name))
	if g.MemoryMiB > 0 {
		text += " " + Size(g.MemoryMiB)
	}
	return text
}

// Resources writes what a machine or a share of it has, for a column, as dstack does: "96xCPU, 1152GB, 8xA100 (80GB)".
// Disk is left out where it is 0.
func Resources(cpus int, memoryMiB, diskMiB int64, gpus []schema.GPU) string {
	var parts []string
	if cpus > 0 {
		parts = append(parts, fmt.Sprintf("%dxCPU", cpus))
	}
	if memoryMiB > 0 {
		parts = append(parts, Size(memoryMiB))
	}
	for _, g := range groupGPUs(gpus) {
		text := fmt.Sprintf("%dx%s", g.n, clean(g.Name))
		if g.MemoryMiB > 0 {
			text += " (" + Size(g.MemoryMiB) + ")"
		}
		parts = append(parts, text)
	}
	if diskMiB > 0 {
		parts = append(parts, Size(diskMiB)+" (disk)")
	}
	return strings.Join(parts, ", ")
}

// clock is a time for a sentence: the time of the day if it is of now's, else an age.
func (v *changeView) clock(t time.Time) string {
	if v.o.document {
		return "at " + absolute(t)
	}
	now := v.p.CreatedAt
	if t.Format(time.DateOnly) != now.In(t.Location()).Format(time.DateOnly) {
		return Ago(t, now)
	}
	return "at " + t.Format("15:04")
}

// absolute is a time that means the same whenever it is read.
func absolute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Bytes writes a number of bytes with at most two digits that count: 230B, 1.4KB, 12MB.
func Bytes(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + "B"
	}
	unit, size := 0, float64(n)/(1<<10)
	for size >= 1<<10 && unit < 5 {
		size /= 1 << 10
		unit++
	}
	digits := 0
	if size < 9.95 {
		digits = 1
	}
	return strings.TrimSuffix(strconv.FormatFloat(size, 'f', digits, 64), ".0") + string("KMGTPE"[unit]) + "B"
}
