package diff

import "slices"

// Pair is an element of an alignment: indices into the old and the new sequence, -1 for the side that lacks it.
type Pair struct{ Old, New int }

// alignCells bounds the table of the exact algorithm. Longer gaps are cut at the elements that occur once on both sides.
const alignCells = 1 << 18

// Align pairs the elements of two sequences that are equal, in the order of both, so that as few as possible are left
// without a partner. Those that are left stand where they belong, old ones before new ones. It is exact for what a person
// would write and close to it, in linear time but for sorting, for what is longer.
func Align(old, new []string) []Pair {
	out := make([]Pair, 0, max(len(old), len(new)))
	return align(out, old, new, 0, 0)
}

func align(out []Pair, old, new []string, o, n int) []Pair {
	for len(old) > 0 && len(new) > 0 && old[0] == new[0] {
		out = append(out, Pair{o, n})
		old, new, o, n = old[1:], new[1:], o+1, n+1
	}
	tail := 0
	for len(old) > tail && len(new) > tail && old[len(old)-1-tail] == new[len(new)-1-tail] {
		tail++
	}
	midOld, midNew := old[:len(old)-tail], new[:len(new)-tail]
	switch {
	case len(midOld) == 0 || len(midNew) == 0:
		out = unpaired(out, len(midOld), len(midNew), o, n)
	case len(midOld)*len(midNew) <= alignCells:
		out = alignExact(out, midOld, midNew, o, n)
	default:
		out = alignUnique(out, midOld, midNew, o, n)
	}
	for i := range tail {
		out = append(out, Pair{o + len(midOld) + i, n + len(midNew) + i})
	}
	return out
}

func unpaired(out []Pair, olds, news, o, n int) []Pair {
	for i := range olds {
		out = append(out, Pair{o + i, -1})
	}
	for i := range news {
		out = append(out, Pair{-1, n + i})
	}
	return out
}

// alignExact finds the longest common subsequence by its table.
func alignExact(out []Pair, old, new []string, o, n int) []Pair {
	width := len(new) + 1
	table := make([]int32, (len(old)+1)*width) // longest of old[i:] and new[j:]
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(new) - 1; j >= 0; j-- {
			if old[i] == new[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	i, j, gapNew := 0, 0, 0
	flush := func() {
		for ; gapNew < j; gapNew++ {
			out = append(out, Pair{-1, n + gapNew})
		}
	}
	for i < len(old) && j < len(new) {
		switch {
		case old[i] == new[j]:
			flush()
			out = append(out, Pair{o + i, n + j})
			i, j = i+1, j+1
			gapNew = j
		case table[(i+1)*width+j] >= table[i*width+j+1]:
			out = append(out, Pair{o + i, -1})
			i++
		default:
			j++
		}
	}
	for ; i < len(old); i++ {
		out = append(out, Pair{o + i, -1})
	}
	j = len(new)
	flush()
	return out
}

// alignUnique cuts two long sequences at the elements that occur exactly once in both and keep their order.
func alignUnique(out []Pair, old, new []string, o, n int) []Pair {
	type count struct{ old, new, at int }
	counts := make(map[string]*count, len(old))
	for _, s := range old {
		if c := counts[s]; c != nil {
			c.old++
		} else {
			counts[s] = &count{old: 1}
		}
	}
	for j, s := range new {
		if c := counts[s]; c != nil {
			c.new++
			c.at = j
		}
	}
	var anchors []Pair
	for i, s := range old {
		if c := counts[s]; c.old == 1 && c.new == 1 {
			anchors = append(anchors, Pair{i, c.at})
		}
	}
	anchors = increasing(anchors)
	if len(anchors) == 0 {
		return unpaired(out, len(old), len(new), o, n)
	}
	i, j := 0, 0
	for _, a := range anchors {
		out = align(out, old[i:a.Old], new[j:a.New], o+i, n+j)
		out = append(out, Pair{o + a.Old, n + a.New})
		i, j = a.Old+1, a.New+1
	}
	return align(out, old[i:], new[j:], o+i, n+j)
}

// increasing keeps the longest part of pairs, sorted by Old, in which New rises as well.
func increasing(pairs []Pair) []Pair {
	var tops []int // indices of the pairs that end the best sequence of each length
	before := make([]int, len(pairs))
	for i, p := range pairs {
		k, _ := slices.BinarySearchFunc(tops, p.New, func(t, target int) int { return pairs[t].New - target })
		before[i] = -1
		if k > 0 {
			before[i] = tops[k-1]
		}
		if k == len(tops) {
			tops = append(tops, i)
		} else {
			tops[k] = i
		}
	}
	if len(tops) == 0 {
		return nil
	}
	out := make([]Pair, len(tops))
	for k, i := len(tops)-1, tops[len(tops)-1]; k >= 0; k, i = k-1, before[i] {
		out[k] = pairs[i]
	}
	return out
}
