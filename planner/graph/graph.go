package graph

import "slices"

// Graph is a directed graph over vertices 0..n-1, in which an edge leads from a vertex to one that it needs.
type Graph struct {
	needs [][]int
}

// New makes a graph of n vertices without edges.
func New(n int) *Graph { return &Graph{needs: make([][]int, n)} }

// Need adds the edge that v needs w. Edges may be added twice.
func (g *Graph) Need(v, w int) { g.needs[v] = append(g.needs[v], w) }

// Needs returns what v needs, each once, in ascending order.
func (g *Graph) Needs(v int) []int {
	out := slices.Clone(g.needs[v])
	slices.Sort(out)
	return slices.Compact(out)
}

// Levels sorts the vertices: each level needs only levels before it, and within a level the order is that of the
// numbers. If there is a cycle, levels is nil and cycle lists its vertices, each needing the next and the last the first.
func (g *Graph) Levels() (levels [][]int, cycle []int) {
	open := make([]int, len(g.needs))
	users := make([][]int, len(g.needs))
	for v := range g.needs {
		for _, w := range g.Needs(v) {
			open[v]++
			users[w] = append(users[w], v)
		}
	}
	var ready []int
	for v, n := range open {
		if n == 0 {
			ready = append(ready, v)
		}
	}
	done := 0
	for len(ready) > 0 {
		levels = append(levels, ready)
		done += len(ready)
		var next []int
		for _, v := range ready {
			for _, u := range users[v] {
				if open[u]--; open[u] == 0 {
					next = append(next, u)
				}
			}
		}
		slices.Sort(next)
		ready = next
	}
	if done == len(g.needs) {
		return levels, nil
	}
	return nil, g.cycleAmong(open)
}

// cycleAmong follows open edges from the first vertex that was never ready until one comes up again.
func (g *Graph) cycleAmong(open []int) []int {
	v := slices.IndexFunc(open, func(n int) bool { return n > 0 })
	at := map[int]int{}
	var path []int
	for {
		if i, seen := at[v]; seen {
			return path[i:]
		}
		at[v] = len(path)
		path = append(path, v)
		for _, w := range g.Needs(v) {
			if open[w] > 0 {
				v = w
				break
			}
		}
	}
}

// Sort returns all vertices in one order in which everything needed comes first, or the vertices of a cycle.
func (g *Graph) Sort() (order, cycle []int) {
	levels, cycle := g.Levels()
	return slices.Concat(levels...), cycle
}
