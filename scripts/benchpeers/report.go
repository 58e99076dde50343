package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// The bars: what is required of us.
const (
	applyFaster   = 10.0 // times faster than Terraform at 1,000
	changeFaster  = 20.0 // update and destroy
	linkedFaster  = 5.0  // plan and apply of a chain and of pairs
	mostGrowth    = 13.0 // of the time, for ten times as many
	mostOfParsing = 4.0  // times the parser alone
	mostMemory    = 600 << 20
)

// required is one bar and how far we are from it.
type required struct {
	what  string
	have  string
	want  string
	state string // ok, FAIL, or why it was not measured
}

func (b *bench) print(out io.Writer, parts []part, missing []string) {
	fmt.Fprintf(out, "%s/%s, %d processors, medians of %d runs\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.runs)
	for _, t := range b.tools {
		fmt.Fprintf(out, "%-10s %s\n", t.name, t.version)
	}
	for _, m := range missing {
		fmt.Fprintf(out, "%-10s not on the PATH: its columns are missing\n", m)
	}
	for _, p := range parts {
		fmt.Fprintf(out, "\n%s, %s resources\n", p.shape, thousands(p.n))
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		head := []string{""}
		for _, t := range b.tools {
			if p.alone && !t.ours {
				continue
			}
			head = append(head, t.name)
			if t.ours {
				head = append(head, "peak")
			} else {
				head = append(head, "ratio")
			}
		}
		fmt.Fprintln(w, strings.Join(head, "\t")+"\t")
		for _, s := range stepsOf() {
			if row := b.row(p, s.name); row != nil {
				fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
			}
		}
		_ = w.Flush()
	}
}

// row is one step of a part: our time and memory, and each peer's time with how many times ours it is.
func (b *bench) row(p part, step string) []string {
	row := []string{step}
	var ours taken
	for _, t := range b.tools {
		got, ok := b.median(measured{t.name, p.shape, p.n, step})
		switch {
		case !ok && t.ours:
			return nil
		case !ok:
		case t.ours:
			ours = got
			row = append(row, seconds(got.wall), mebibytes(got.peak))
		default:
			row = append(row, seconds(got.wall), fmt.Sprintf("%.1fx", ratio(got.wall, ours.wall)))
		}
	}
	return row
}

// requirements compares with the bars. base is the size at which peers are compared, large ten times that, linked the
// number of links in a chain and of pairs.
func (b *bench) requirements(base, large, linked int) []required {
	var out []required
	faster := func(s shape, n int, step string, times float64) {
		r := required{what: fmt.Sprintf("%s of %s (%s): times faster than terraform", step, thousands(n), s), want: fmt.Sprintf("at least %.0f", times)}
		ours, _ := b.median(measured{"dstack", s, n, step})
		theirs, ok := b.median(measured{"terraform", s, n, step})
		r.judge(ok, ratio(theirs.wall, ours.wall), func(x float64) bool { return x >= times })
		out = append(out, r)
	}
	faster(flat, base, "first plan", 1)
	faster(flat, base, "apply", applyFaster)
	faster(flat, base, unchanged, 1)
	faster(flat, base, "apply of an update to each", changeFaster)
	faster(flat, base, "destroy", changeFaster)
	for _, s := range []shape{chain, couples, written} {
		if n := linkedSize(s, linked); n > 0 {
			plan := float64(linkedFaster)
			if s == written {
				plan = 1 // Terraform is slow in b[i] and a[i]; blocks written out are here to compare with
			}
			faster(s, n, "first plan", plan)
			faster(s, n, "apply", linkedFaster)
		}
	}
	if large == 0 {
		return out
	}
	for _, s := range stepsOf() {
		r := required{what: fmt.Sprintf("%s: %s to %s", s.name, thousands(large), thousands(base)), want: fmt.Sprintf("at most %.0f", mostGrowth)}
		small, _ := b.median(measured{"dstack", flat, base, s.name})
		big, ok := b.median(measured{"dstack", flat, large, s.name})
		r.judge(ok, ratio(big.wall, small.wall), func(x float64) bool { return x <= mostGrowth })
		out = append(out, r)
	}
	plan, ok := b.median(measured{"dstack", parserShape, large, unchanged})
	alone, _ := b.median(measured{"dstack", parserShape, large, parsing})
	r := required{what: fmt.Sprintf("plan without changes of %s blocks to hclparse alone (%s, %s)", thousands(large), seconds(plan.wall), seconds(alone.wall)), want: fmt.Sprintf("at most %.0f", mostOfParsing)}
	r.judge(ok, ratio(plan.wall, alone.wall), func(x float64) bool { return x <= mostOfParsing })
	memory := required{what: "its peak of memory, of the largest process", want: "under " + mebibytes(mostMemory)}
	memory.judge(ok, float64(plan.peak), func(x float64) bool { return x < mostMemory })
	memory.have = mebibytes(plan.peak)
	return append(out, r, memory)
}

func (r *required) judge(measured bool, have float64, good func(float64) bool) {
	switch {
	case !measured:
		r.have, r.state = "-", "not measured"
	case good(have):
		r.have, r.state = fmt.Sprintf("%.1f", have), "ok"
	default:
		r.have, r.state = fmt.Sprintf("%.1f", have), "FAIL"
	}
}

// printRequired prints the bars and tells whether all that were measured are met.
func printRequired(out io.Writer, all []required) bool {
	good := true
	fmt.Fprintln(out, "\nrequired")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.state, r.what, r.have, r.want)
		good = good && r.state != "FAIL"
	}
	_ = w.Flush()
	return good
}

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return a.Seconds() / b.Seconds()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
