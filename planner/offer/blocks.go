package offer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// IndivisibleError says why a machine cannot be divided into so many host blocks, and into how many it can.
type IndivisibleError struct {
	Blocks     int
	CPUs, GPUs int
	TPU        bool
	Would      []int // the numbers that would do, ascending; 1 is always one of them
}

// Error is the reason with the numbers that would do.
func (e *IndivisibleError) Error() string {
	is := strconv.Itoa(e.CPUs) + " CPUs"
	switch {
	case e.TPU:
		is += " and a TPU, which is never divided,"
	case e.GPUs > 0:
		is += " and " + strconv.Itoa(e.GPUs) + " GPUs"
	}
	would := make([]string, len(e.Would))
	for i, n := range e.Would {
		would[i] = strconv.Itoa(n)
	}
	return fmt.Sprintf("%s cannot be divided into %d equal blocks; %s would do", is, e.Blocks, orList(would))
}

// Divisible says into how many host blocks a machine is divided. "auto" is the number of its GPUs, or of its CPUs if
// that is less or there is no GPU; it is never lowered until it divides. Both CPUs and GPUs must be exact multiples of
// the number. A TPU counts as one GPU and cannot be divided.
func Divisible(blocks value.Blocks, cpus, gpus int, tpu bool) (int, error) {
	units := gpus
	if tpu {
		units = min(gpus, 1)
	}
	n := blocks.Count()
	if blocks.Auto() {
		n = cpus
		if units > 0 {
			n = min(cpus, units)
		}
	}
	divides := func(n int) bool { return n >= 1 && cpus%n == 0 && units%n == 0 }
	if n == 1 || divides(n) {
		return n, nil
	}
	e := &IndivisibleError{Blocks: n, CPUs: cpus, GPUs: gpus, TPU: tpu}
	for i := 1; i <= max(cpus, 1); i++ {
		if i == 1 || divides(i) {
			e.Would = append(e.Would, i)
		}
	}
	return 0, e
}

// isTPU tells whether the machine's GPUs are a TPU.
func isTPU(o schema.Offer) bool {
	return len(o.GPUs) > 0 && strings.EqualFold(o.GPUs[0].Vendor, string(value.Google))
}

// Divide returns the offer with the number of host blocks that it is divided into. The offer that is handed in stays
// as it is.
func Divide(o schema.Offer, blocks value.Blocks) (schema.Offer, error) {
	n, err := Divisible(blocks, o.CPUs, len(o.GPUs), isTPU(o))
	if err != nil {
		return o, err
	}
	o.TotalBlocks = n
	return o, nil
}

// Slice is what k of a machine's total host blocks are: that share of CPUs, memory, GPUs and price, each block rounded
// down. The disk is not divided.
func Slice(machine schema.Offer, k, total int) schema.Offer {
	if total <= 1 || k >= total {
		return machine
	}
	machine.CPUs = machine.CPUs / total * k
	machine.MemoryMiB = machine.MemoryMiB / int64(total) * int64(k)
	gpus := len(machine.GPUs) / total * k
	machine.GPUs = machine.GPUs[:gpus:gpus]
	machine.Price = SharePrice(machine.Price, k, total)
	return machine
}

// SharePrice is what k of total host blocks cost of a machine's price, so that the jobs of a machine together never
// cost more than it does.
func SharePrice(price value.Money, k, total int) value.Money {
	if total <= 1 || k >= total {
		return price
	}
	whole, rest := price/value.Money(total), price%value.Money(total)
	return whole*value.Money(k) + rest*value.Money(k)/value.Money(total)
}

// Fit is the smallest number of a machine's host blocks that satisfies what is needed; upper bounds count, too, so that
// more blocks may fit less. max_price is compared with the price of the share.
func Fit(need schema.Requirements, machine schema.Offer, total int) (int, bool) {
	return FreeFit(need, machine, total, max(total, 1))
}

// FreeFit is Fit where only so many blocks are free.
func FreeFit(need schema.Requirements, machine schema.Offer, total, free int) (int, bool) {
	total = max(total, 1)
	price := need.MaxPrice.Money()
	need.MaxPrice = value.Price{}
	if len(matchTerms(need, machine)) > 0 {
		return 0, false
	}
	for k := 1; k <= min(free, total); k++ {
		share := Slice(machine, k, total)
		if price > 0 && (share.PriceUnknown || share.Price > price) {
			return 0, false // more blocks cost more
		}
		if len(matchResources(need.Resources, share)) == 0 {
			return k, true
		}
	}
	return 0, false
}
