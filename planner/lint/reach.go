package lint

import (
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/graph"
)

// web is all that names something, as a graph of numbers.
type web struct {
	numbers map[string]int
	ways    [][]config.Mention // by number: what it names, in the order of writing
	order   []int              // what is named comes first
}

// webOf makes the graph of what names what. It is without cycles, as a configuration that Load reports no errors for is.
func webOf(mentions []config.Mention) *web {
	w := &web{numbers: map[string]int{}}
	number := func(name string) int {
		n, ok := w.numbers[name]
		if !ok {
			n = len(w.numbers)
			w.numbers[name] = n
			w.ways = append(w.ways, nil)
		}
		return n
	}
	for _, m := range mentions {
		number(m.To)
		if m.From != m.To { // a validation names its own variable
			from := number(m.From)
			w.ways[from] = append(w.ways[from], m)
		}
	}
	g := graph.New(len(w.ways))
	for from, ways := range w.ways {
		for _, m := range ways {
			g.Need(from, w.numbers[m.To])
		}
	}
	w.order, _ = g.Sort()
	return w
}

// most is how many things are looked for at a time: one bit for each, in every thing of the configuration.
const most = 1024

type bits [most / 64]uint64

// reach tells which of at most so many things each thing depends on, itself included, in one walk over the graph.
type reach struct {
	web  *web
	bit  map[string]int
	sets []bits // by number
}

func (w *web) reach(things []string) *reach {
	r := &reach{web: w, bit: make(map[string]int, len(things)), sets: make([]bits, len(w.ways))}
	for i, name := range things {
		r.bit[name] = i
		if n, ok := w.numbers[name]; ok {
			r.sets[n][i/64] |= 1 << (i % 64)
		}
	}
	for _, from := range w.order {
		for _, m := range w.ways[from] {
			for i, some := range &r.sets[w.numbers[m.To]] {
				r.sets[from][i] |= some
			}
		}
	}
	return r
}

// has tells whether a thing is, or depends on, one of those that are looked for.
func (r *reach) has(name, thing string) bool {
	i := r.bit[thing]
	return r.sets[r.web.numbers[name]][i/64]&(1<<(i%64)) != 0
}

// longest is how many steps of a way are told.
const longest = 6

// way follows mentions from one to a thing that is looked for, straight where there is a straight one. Of a long way it
// gives the beginning, and whole is false.
func (r *reach) way(first config.Mention, thing string) (way []config.Mention, whole bool) {
	way = []config.Mention{first}
	for at := first.To; at != thing; at = way[len(way)-1].To {
		if len(way) == longest {
			return way, false
		}
		next := -1
		ways := r.web.ways[r.web.numbers[at]]
		for i, m := range ways {
			if m.To == thing || next < 0 && r.has(m.To, thing) {
				next = i
			}
			if m.To == thing {
				break
			}
		}
		way = append(way, ways[next])
	}
	return way, true
}
