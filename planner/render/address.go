package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// splitAddress takes the last key off an address: "fleet.train.instance" and "0", or `"10.0.0.11"` with its quotes. The
// key is empty where the address ends in none.
func splitAddress(a string) (base, key string) {
	if !strings.HasSuffix(a, "]") {
		return a, ""
	}
	open := strings.LastIndexByte(a, '[')
	if strings.HasSuffix(a, `"]`) {
		open = strings.LastIndex(a, `["`)
	}
	if open < 0 {
		return a, ""
	}
	return a[:open], a[open+1 : len(a)-1]
}

// ownerOf is the address of what a support object belongs to.
func ownerOf(a string) string {
	if i := strings.LastIndex(a, `.support["`); i >= 0 {
		return a[:i]
	}
	return a
}

// blockOf is the address of the block that a resource comes from: task.finetune of task.finetune.job[0].
func blockOf(a string) string {
	a = ownerOf(a)
	base, _ := splitAddress(a)
	for _, part := range []string{".instance", ".job"} {
		if rest, ok := strings.CutSuffix(base, part); ok {
			return rest
		}
	}
	return a
}

// compareNatural orders texts with numbers in them by the numbers: instance[2] before instance[10].
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			x, y := digits(a), digits(b)
			n, m := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(n), len(m)), cmp.Compare(n, m), cmp.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// keyList writes keys with brackets, numbers that follow each other as ranges: "[0], [1]", "[0-499]", "[0-2], [7]".
func keyList(keys []string) string { return strings.Join(keyParts(keys), ", ") }

func keyParts(keys []string) []string {
	ranges := keyRanges(keys, 3)
	out := make([]string, len(ranges))
	for i, r := range ranges {
		out[i] = r.text
	}
	return out
}

// keyRange is some keys in brackets, of n resources.
type keyRange struct {
	text string
	n    int
}

// keyRanges writes keys with brackets. Numbers that follow each other are one range where there are at least so many.
func keyRanges(keys []string, least int) []keyRange {
	numbers := make([]int, len(keys))
	for i, k := range keys {
		n, err := strconv.Atoi(k)
		if err != nil {
			return bracketed(keys)
		}
		numbers[i] = n
	}
	slices.Sort(numbers)
	var out []keyRange
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		if end-i+1 >= least {
			out = append(out, keyRange{fmt.Sprintf("[%d-%d]", numbers[i], numbers[end]), end - i + 1})
		} else {
			for _, n := range numbers[i : end+1] {
				out = append(out, keyRange{fmt.Sprintf("[%d]", n), 1})
			}
		}
		i = end + 1
	}
	return out
}

func bracketed(keys []string) []keyRange {
	out := make([]keyRange, len(keys))
	for i, k := range keys {
		out[i] = keyRange{"[" + clean(k) + "]", 1}
	}
	return out
}

// addressList writes addresses that differ in their last key: "fleet.train.instance[0], instance[1]", and with their
// number where ranges hide it: "fleet.train.instance[0-499] (500)".
func addressList(base string, keys []string) string {
	if len(keys) == 1 {
		if keys[0] == "" {
			return clean(base)
		}
		return clean(base + "[" + keys[0] + "]")
	}
	parts := keyParts(keys)
	short := base[strings.LastIndexByte(base, '.')+1:]
	out := base + parts[0]
	for _, p := range parts[1:] {
		out += ", " + short + p
	}
	if len(parts) < len(keys) {
		out += fmt.Sprintf(" (%d)", len(keys))
	}
	return clean(out)
}

// addresses folds a list of addresses for a sentence: "volume.data[0] and [1]", "volume.data[0-9]".
func addresses(list []string) string {
	var out []string
	slices.SortFunc(list, compareNatural)
	for i := 0; i < len(list); {
		base, key := splitAddress(list[i])
		keys := []string{key}
		j := i + 1
		for ; j < len(list); j++ {
			b, k := splitAddress(list[j])
			if b != base || k == "" {
				break
			}
			keys = append(keys, k)
		}
		i = j
		switch parts := keyParts(keys); {
		case len(keys) == 1 && key == "":
			out = append(out, clean(base))
		case len(parts) == 2:
			out = append(out, clean(base)+parts[0]+" and "+parts[1])
		default:
			out = append(out, clean(base)+strings.Join(parts, ", "))
		}
	}
	return clean(strings.Join(out, ", "))
}

// Addresses writes addresses, neighbouring indices of one folded, in order.
func Addresses(list []string) string { return addresses(slices.Clone(list)) }
